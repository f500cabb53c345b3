use super::*;
use crate::tokenizer::Codes;
use crate::train::SignalName;

fn keys(table: &Table, prefix: &str, into: &mut Vec<String>) {
    for (key, value) in table {
        match value {
            toml::Value::Table(inner) => keys(inner, &format!("{prefix}{key}."), into),
            _ => into.push(format!("{prefix}{key}")),
        }
    }
}

#[test]
fn the_template_is_the_standard_preset_and_names_every_key() {
    let written: Config = toml::from_str(TEMPLATE).unwrap();
    assert_eq!(written, Preset::Standard.config());
    let (mut all, mut named) = (Vec::new(), Vec::new());
    keys(&Config::default().to_table().unwrap(), "", &mut all);
    keys(&toml::from_str(TEMPLATE).unwrap(), "", &mut named);
    assert_eq!(all, named);
    for optional in ["interactions", "items", "embeddings", "format", "min_rating", "table"] {
        assert!(TEMPLATE.contains(&format!("# {optional} = ")), "{optional}");
    }
}

#[test]
fn every_preset_passes_its_own_check() {
    for preset in Preset::ALL {
        preset.config().check().unwrap();
    }
}

#[test]
fn overrides_come_last_and_keep_their_neighbours() {
    let set = [("rl.steps".to_owned(), "7".to_owned())];
    let config = Config::resolve(Some(Preset::Demo), None, &set).unwrap();
    assert_eq!(config.rl.steps, 7);
    assert_eq!(config.rl.group_size, Preset::Demo.config().rl.group_size);
}

#[test]
fn an_unknown_key_is_named_with_those_that_exist() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.toml");
    std::fs::write(&path, "[rl]\nstepz = 3\n").unwrap();
    let error = Config::resolve(Some(Preset::Demo), Some(&path), &[]).unwrap_err().to_string();
    assert!(error.contains("run.toml") && error.contains("line 2"), "{error}");
    assert!(error.contains("stepz") && error.contains("`steps`"), "{error}");
}

#[test]
fn an_override_of_the_wrong_type_is_named() {
    let set = [("rl.steps".to_owned(), "many".to_owned())];
    let error = Config::resolve(Some(Preset::Demo), None, &set).unwrap_err().to_string();
    assert!(error.contains("rl.steps=many"), "{error}");
}

#[test]
fn settings_that_toml_cannot_hold_are_refused_instead_of_lost() {
    let config = Config { seed: u64::MAX, ..Preset::Smoke.config() };
    for refused in
        [config.to_toml().map(drop), Layers::read(None, &[]).unwrap().over(&config).map(drop)]
    {
        let message = refused.unwrap_err().to_string();
        assert!(message.starts_with("settings: cannot be written as TOML"), "{message}");
    }
}

#[test]
fn resolved_settings_read_back_as_themselves() {
    let config = Preset::Smoke.config();
    assert_eq!(toml::from_str::<Config>(&config.to_toml().unwrap()).unwrap(), config);
}

#[test]
fn the_preset_follows_the_data() {
    let folder = tempfile::tempdir().unwrap();
    let [published, twice, plain] = ["published", "twice", "plain"].map(|name| {
        let path = folder.path().join(name);
        std::fs::create_dir(&path).unwrap();
        path
    });
    for file in
        [published.join("A.index.json"), twice.join("A.index.json"), twice.join("B.index.json")]
    {
        std::fs::write(file, "{}").unwrap();
    }
    let of = |interactions: Option<&Path>, format: Option<Format>| {
        let interactions = interactions.map(Path::to_owned);
        Preset::of(&DataConfig { interactions, format, ..DataConfig::default() })
    };
    assert_eq!(of(None, None), Preset::Demo);
    assert_eq!(of(None, Some(Format::Csv)), Preset::Demo);
    assert_eq!(of(Some(Path::new("log.csv")), None), Preset::Standard);
    assert_eq!(of(Some(Path::new("nowhere")), Some(Format::MiniOneRec)), Preset::MiniOneRec);
    assert_eq!(of(Some(&published), None), Preset::MiniOneRec);
    // the reader says why it refuses these folders
    assert_eq!(of(Some(&twice), None), Preset::MiniOneRec);
    assert_eq!(of(Some(&plain), None), Preset::Standard);
    std::fs::write(plain.join("part-0.parquet"), "").unwrap();
    assert_eq!(of(Some(&plain), None), Preset::Standard);
}

#[test]
fn the_defaults_keep_what_the_data_bring() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("A.inter.json"), "{}").unwrap();
    let log = Some(folder.path().to_owned());
    let defaults = |valid: Option<&str>, interactions: &Option<PathBuf>| {
        let interactions = interactions.clone();
        let valid = valid.map(PathBuf::from);
        Preset::defaults(&DataConfig { interactions, valid, ..DataConfig::default() }).data
    };
    let lists = defaults(None, &log);
    assert_eq!((lists.prepare.min_user, lists.prepare.min_item), (0, 0));
    assert_eq!(lists.split, SplitKind::LeaveOneOut);
    let own = defaults(Some("valid.csv"), &Some("train.csv".into()));
    assert_eq!((own.prepare.min_user, own.prepare.min_item), (0, 0));
    assert_eq!(own.split, SplitKind::Given);
    assert_eq!(defaults(None, &Some("log.csv".into())), Preset::Standard.config().data);
}

#[test]
fn settings_without_a_preset_start_from_that_of_their_data() {
    let set = |text: &str| -> Vec<(String, String)> {
        text.split_once('=')
            .map(|(key, value)| (key.to_owned(), value.to_owned()))
            .into_iter()
            .collect()
    };
    let log = set("data.interactions=log.csv");
    let file = tempfile::NamedTempFile::new().unwrap();
    std::fs::write(file.path(), "data = { interactions = \"log.csv\" }\n").unwrap();
    let standard = Config::resolve(Some(Preset::Standard), None, &log).unwrap();
    assert_eq!(Config::resolve(None, None, &log).unwrap(), standard);
    assert_eq!(Config::resolve(None, Some(file.path()), &[]).unwrap(), standard);
    assert_eq!(Config::resolve(None, None, &[]).unwrap(), Preset::Demo.config());
    let demo = Config::resolve(Some(Preset::Demo), None, &log).unwrap();
    assert_eq!(demo.tokenizer.codes, Preset::Demo.config().tokenizer.codes);
}

fn changed(old: &Config, new: &Config) -> Vec<String> {
    let (old, new) = (Keys::of(old).unwrap(), Keys::of(new).unwrap());
    old.changes(&new).iter().map(ToString::to_string).collect()
}

#[test]
fn changes_name_dotted_keys_and_both_values() {
    let old = Preset::Smoke.config();
    assert_eq!(changed(&old, &old), Vec::<String>::new());
    let mut new = old.clone();
    new.seed = 7;
    new.rl.recast.weight = 0.5;
    new.data.min_rating = Some(4.0);
    assert_eq!(
        changed(&old, &new),
        ["data.min_rating unset -> 4.0", "rl.recast.weight 1.0 -> 0.5", "seed 1 -> 7"]
    );
    assert_eq!(changed(&new, &old)[0], "data.min_rating 4.0 -> unset");
    let mut new = old.clone();
    new.data.split = SplitKind::GlobalTime { valid: 0.1, test: 0.2 };
    let split = "data.split \"leave_one_out\" -> { global_time = { valid = 0.1, test = 0.2 } }";
    assert_eq!(changed(&old, &new).len(), 1);
    assert!(changed(&old, &new)[0].starts_with(&split[..40]), "{:?}", changed(&old, &new));
}

#[test]
fn a_record_reads_back_and_tells_only_changes_that_its_part_reads() {
    let folder = tempfile::tempdir().unwrap();
    let config = Preset::Smoke.config();
    let changed = |part: Part, key: &str, value: &str| -> Vec<String> {
        let set = [(key.to_owned(), value.to_owned())];
        let new = Layers::read(None, &set).unwrap().over(&config).unwrap();
        let record = Record::load(folder.path(), part).unwrap().unwrap();
        let changes = record.changes_to(part, &new).unwrap();
        changes.into_iter().map(|change| change.key).collect()
    };
    let none = Vec::<String>::new();
    for part in Part::all() {
        assert_eq!(Record::load(folder.path(), part).unwrap(), None);
        let record = Record::new(part, &config).unwrap();
        record.save(folder.path(), part).unwrap();
        assert_eq!(Record::load(folder.path(), part).unwrap(), Some(record));
        assert_eq!(changed(part, "seed", "9"), ["seed"]);
        for (key, value) in [
            ("device", "auto"),
            ("precision", "bf16"),
            ("replicas", "2"),
            ("threads", "3"),
            ("sft.micro_batch_tokens", "9"),
            ("rl.micro_batch_tokens", "9"),
            ("sasrec.sft.micro_batch_tokens", "9"),
            ("rl.signals", "[\"opo\"]"),
            ("evaluate.batch_prompts", "9"),
            ("evaluate.test_prompts", "9"),
        ] {
            assert_eq!(changed(part, key, value), none, "{part:?} {key}");
        }
    }
    let (recast, dapo) = (Part::Rl(SignalName::Recast), Part::Rl(SignalName::Dapo));
    for (key, value, readers) in [
        (
            "data.min_rating",
            "1.0",
            &[Part::Data, Part::Sids, Part::Sft, recast, dapo, Part::Sasrec][..],
        ),
        ("data.embedding_dim", "9", &[Part::Sids, Part::Sft, recast, dapo]),
        ("tokenizer.levels", "4", &[Part::Sids, Part::Sft, recast, dapo]),
        ("data.max_history", "9", &[Part::Sft, recast, dapo, Part::Sasrec]),
        ("evaluate.beam_width", "9", &[Part::Sft, recast, dapo, Part::Sasrec]),
        ("sft.max_norm", "9.0", &[Part::Sft, recast, dapo]),
        ("model.head_dim", "8", &[Part::Sft, recast, dapo]),
        ("rl.steps", "9", &[recast, dapo]),
        ("rl.prompts", "fresh", &[Part::Sids, Part::Sft, recast, dapo, Part::Sasrec]),
        // a rule of fresh prompts tells nothing where the prompts are seen ones
        ("rl.fresh_items", "9", &[]),
        ("rl.keep", "last", &[recast, dapo]),
        ("rl.rewards.prefix", "1.0", &[recast, dapo]),
        ("rl.recast.weight", "0.5", &[recast]),
        ("rl.dapo.max_rollouts", "9", &[dapo]),
        ("rl.overrides.dapo.kl_coef", "0.5", &[dapo]),
        ("sasrec.sft.max_norm", "9.0", &[Part::Sasrec]),
        ("sasrec.model.dropout", "0.5", &[Part::Sasrec]),
    ] {
        for part in [Part::Data, Part::Sids, Part::Sft, recast, dapo, Part::Sasrec] {
            let expected =
                if readers.contains(&part) { vec![key.to_owned()] } else { none.clone() };
            assert_eq!(changed(part, key, value), expected, "{part:?} {key}");
        }
    }
}

#[test]
fn fresh_prompts_bear_on_semantic_ids_only_where_these_follow_from_interactions() {
    let fresh = |rule: &str| {
        let set = [("rl.prompts", "fresh"), ("rl.fresh_items", rule), ("data.interactions", "log")];
        let set = set.map(|(key, value)| (key.to_owned(), value.to_owned()));
        Layers::read(None, &set).unwrap().over(&Config::default()).unwrap()
    };
    let given = |mut config: Config, behaviour_dim| {
        config.data.embeddings = Some("items.npy".into());
        config.data.behaviour_dim = behaviour_dim;
        config
    };
    let imported = |mut config: Config| {
        config.tokenizer.table = Some("table.json".into());
        config
    };
    let changed = |part, old: &Config, new: &Config| -> Vec<String> {
        let changes = Record::new(part, old).unwrap().changes_to(part, new).unwrap();
        changes.into_iter().map(|change| change.key).collect()
    };
    let (one, two) = (fresh("1"), fresh("2"));
    for (old, new, expected) in [
        (one.clone(), two.clone(), &["rl.fresh_items"][..]),
        (given(one.clone(), 8), given(two.clone(), 8), &["rl.fresh_items"]),
        (given(one.clone(), 0), given(two.clone(), 0), &[]),
        (imported(one.clone()), imported(two.clone()), &[]),
    ] {
        assert_eq!(changed(Part::Sids, &old, &new), expected);
        assert_eq!(changed(Part::Data, &old, &new), Vec::<String>::new());
        for part in [Part::Sft, Part::Rl(SignalName::Recast), Part::Sasrec] {
            assert_eq!(changed(part, &old, &new), ["rl.fresh_items"], "{part:?}");
        }
    }
}

#[test]
fn a_key_that_an_older_record_lacks_has_its_default() {
    let folder = tempfile::tempdir().unwrap();
    let part = Part::Sft;
    Record::new(part, &Config::default()).unwrap().save(folder.path(), part).unwrap();
    let path = folder.path().join("sft/settings.toml");
    // an older version noted no checksums
    std::fs::remove_file(folder.path().join("sft/sums")).unwrap();
    let text = std::fs::read_to_string(&path).unwrap();
    let older: Vec<&str> = text.lines().filter(|line| !line.contains("sft.patience")).collect();
    assert_eq!(older.len() + 1, text.lines().count());
    std::fs::write(&path, older.join("\n")).unwrap();
    let record = Record::load(folder.path(), part).unwrap().unwrap();
    assert_eq!(record.changes_to(part, &Config::default()).unwrap(), []);
    std::fs::write(&path, "changes = 3").unwrap();
    let fault = Record::load(folder.path(), part).unwrap_err().to_string();
    assert!(fault.contains("settings.toml: is not what recast writes"), "{fault}");
}

#[test]
fn validations_may_change_at_any_time_and_a_learning_rate_before_its_phase_is_finished() {
    let recast = Part::Rl(SignalName::Recast);
    for (part, key, unfinished, finished) in [
        (Part::Sft, "sft.learning_rate", true, false),
        (Part::Sft, "rl.learning_rate", false, false),
        (recast, "rl.learning_rate", true, false),
        (recast, "sft.learning_rate", false, false),
        (Part::Sasrec, "sasrec.sft.learning_rate", true, false),
        (Part::Sids, "tokenizer.rq_vae.learning_rate", true, false),
        (Part::Sft, "evaluate.beam_width", true, true),
        (recast, "evaluate.mask_history", true, true),
        (Part::Sft, "sft.epochs", false, false),
        (recast, "rl.steps", false, false),
        (Part::Data, "seed", false, false),
    ] {
        assert_eq!(part.may_change(key, false), unfinished, "{part:?} {key}");
        assert_eq!(part.may_change(key, true), finished, "{part:?} {key}");
    }
}

#[test]
fn epochs_that_are_named_alone_have_no_floor() {
    let pair = |(key, value): &(&str, &str)| ((*key).to_owned(), (*value).to_owned());
    for (overrides, floors) in [
        (&[][..], (1500, 1500)),
        (&[("sft.epochs", "3")], (0, 1500)),
        (&[("sasrec.sft.epochs", "3")], (1500, 0)),
        (&[("sft.epochs", "3"), ("sft.min_steps", "50")], (50, 1500)),
        (&[("sft.min_steps", "50")], (50, 1500)),
        (&[("sft.learning_rate", "0.1")], (1500, 1500)),
    ] {
        let overrides: Vec<(String, String)> = overrides.iter().map(pair).collect();
        let config = Config::resolve(Some(Preset::Standard), None, &overrides).unwrap();
        assert_eq!((config.sft.min_steps, config.sasrec.sft.min_steps), floors, "{overrides:?}");
    }
    for preset in [Preset::Demo, Preset::Smoke] {
        assert_eq!(preset.config().sft.min_steps, 0);
    }
}

#[test]
fn a_decoder_of_codes_over_a_preset_of_items_has_its_own_training() {
    let set = |pairs: &[(&str, &str)]| {
        let pairs: Vec<(String, String)> =
            pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect();
        let config = Config::resolve(Some(Preset::Standard), None, &pairs).unwrap();
        config.check().unwrap();
        config
    };
    assert_eq!(set(&[("model.input", "codes")]), Config::default());
    let own = set(&[("model.input", "codes"), ("sft.learning_rate", "0.001")]);
    assert_eq!((own.sft.learning_rate, own.sft.batch_tokens), (0.001, 4096));
    let items = set(&[("model.input", "items"), ("sft.learning_rate", "0.001")]);
    assert_eq!((items.sft.learning_rate, items.sft.batch_tokens), (0.001, 896));
}

#[test]
fn a_list_of_codes_by_default_has_a_number_for_each_level() {
    for (levels, codes) in
        [(2, vec![1024, 256]), (3, vec![1024, 256, 256]), (5, vec![1024, 256, 256, 256, 256])]
    {
        let set = [("tokenizer.levels".to_owned(), levels.to_string())];
        let config = Config::resolve(Some(Preset::Standard), None, &set).unwrap();
        assert_eq!(config.tokenizer.codes, Codes::PerLevel(codes));
        config.check().unwrap();
    }
    let set = [("tokenizer.codes", "[9, 9]"), ("tokenizer.levels", "4")];
    let set = set.map(|(key, value)| (key.to_owned(), value.to_owned()));
    let message = Config::resolve(Some(Preset::Standard), None, &set).unwrap().check().unwrap_err();
    assert!(message.to_string().contains("tokenizer.codes"), "{message}");
}
