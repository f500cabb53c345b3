//! Settings and flags, each with a bad value.

use std::fs;

use crate::{Desk, SMALL};

#[test]
fn an_unknown_config_key_is_named_with_those_that_exist() {
    let desk = Desk::new();
    desk.write("run.toml", "[rl]\nstepz = 3\n");
    let message = desk.refused(&["run", "--config", "run.toml"]);
    assert!(message.contains("run.toml") && message.contains("line 2"), "{message}");
    assert!(message.contains("unknown field `stepz`") && message.contains("`steps`"), "{message}");
    let message = desk.refused(&["run", "--set", "rl.stepz=3"]);
    assert!(message.contains("unknown field `stepz`"), "{message}");
}

#[test]
fn a_bad_value_of_every_setting_is_refused_by_its_name() {
    let desk = Desk::new();
    for (setting, named) in [
        ("seed=-1", "seed"),
        ("device=tpu", "'tpu'"),
        ("threads=-1", "threads"),
        ("data.embedding_dim=0", "data.embedding_dim"),
        ("data.prepare.tie_order=id", "tie_order"),
        ("tokenizer.table=index.json", "tokenizer.table"),
        ("data.max_history=0", "data.max_history"),
        ("data.split=random", "random"),
        ("data.split=given", "data.split"),
        ("data.format=xlsx", "xlsx"),
        ("data.split={ global_time = { valid = 0.0, test = 0.1 } }", "data.split.global_time"),
        ("data.synthetic.users=0", "data.synthetic.users"),
        ("data.synthetic.companion=1.5", "data.synthetic.companion"),
        ("tokenizer.levels=0", "tokenizer.levels"),
        ("tokenizer.levels=17", "tokenizer.levels"),
        ("tokenizer.codes=0", "tokenizer.codes"),
        ("tokenizer.collisions=ignore", "ignore"),
        ("tokenizer.method=opq", "opq"),
        ("tokenizer.codes=[256, 256]", "tokenizer.codes"),
        ("tokenizer.codes=[256, 0, 256]", "tokenizer.codes"),
        ("tokenizer.codes=many", "a list of one for each level"),
        ("tokenizer.iterations=-1", "tokenizer.iterations"),
        ("tokenizer.sample_per_code=-1", "tokenizer.sample_per_code"),
        ("tokenizer.rq_vae.hidden=[64, 0]", "tokenizer.rq_vae.hidden"),
        ("tokenizer.rq_vae.latent_dim=0", "tokenizer.rq_vae.latent_dim"),
        ("tokenizer.rq_vae.pretrain_epochs=-1", "tokenizer.rq_vae.pretrain_epochs"),
        ("tokenizer.rq_vae.epochs=0", "tokenizer.rq_vae.epochs"),
        ("tokenizer.rq_vae.batch_items=0", "tokenizer.rq_vae.batch_items"),
        ("tokenizer.rq_vae.learning_rate=0.0", "tokenizer.rq_vae.learning_rate"),
        ("tokenizer.rq_vae.warmup=1.0", "tokenizer.rq_vae.warmup"),
        ("tokenizer.rq_vae.weight_decay=-0.1", "tokenizer.rq_vae.weight_decay"),
        ("tokenizer.rq_vae.max_norm=0.0", "tokenizer.rq_vae.max_norm"),
        ("tokenizer.rq_vae.commitment=-1.0", "tokenizer.rq_vae.commitment"),
        ("tokenizer.rq_vae.reset_every=-1", "tokenizer.rq_vae.reset_every"),
        ("tokenizer.rq_vae.min_perplexity=1.5", "tokenizer.rq_vae.min_perplexity"),
        ("model.hidden_size=0", "model.hidden_size"),
        ("model.head_dim=7", "model.head_dim"),
        ("model.num_key_value_heads=3", "model.num_key_value_heads"),
        ("model.rms_norm_eps=0.0", "model.rms_norm_eps"),
        ("model.dropout=1.0", "model.dropout"),
        ("model.input=text", "input"),
        ("model.head_blocks=3", "model.head_blocks"),
        ("model.content=perhaps", "model.content"),
        ("data.behaviour=vectors.npz", "data.behaviour"),
        ("data.behaviour_dim=-1", "data.behaviour_dim"),
        ("sft.normalise=leaf", "normalise"),
        ("sft.item_loss=0.5", "sft.item_loss"),
        ("sft.item_loss=-0.5", "sft.item_loss"),
        ("sft.item_loss=nan", "sft.item_loss"),
        ("sft.item_negatives=-1", "sft.item_negatives"),
        ("sasrec.model.input=items", "sasrec.model.input"),
        ("sasrec.sft.item_loss=0.5", "sasrec.sft.item_loss"),
        ("sft.epochs=0", "sft.epochs"),
        ("sft.min_steps=-1", "sft.min_steps"),
        ("sft.min_steps=all", "sft.min_steps"),
        ("sasrec.sft.min_steps=0.5", "sasrec.sft.min_steps"),
        ("sft.batch_tokens=0", "sft.batch_tokens"),
        ("sft.learning_rate=nan", "sft.learning_rate"),
        ("sft.warmup=1.5", "sft.warmup"),
        ("sft.weight_decay=-1.0", "sft.weight_decay"),
        ("sft.max_norm=0.0", "sft.max_norm"),
        ("sft.evaluate_every=0", "sft.evaluate_every"),
        ("sft.patience=0", "sft.patience"),
        ("rl.signals=[\"ppo\"]", "ppo"),
        ("rl.signals=[\"grpo\", \"grpo\"]", "rl.signals"),
        ("rl.steps=-1", "rl.steps"),
        ("rl.prompts=new", "unknown variant `new`, expected `seen` or `fresh`"),
        ("rl.fresh_items=-1", "rl.fresh_items"),
        ("rl.fresh_share=1.0", "'rl.fresh_share': 1 is no share of the training interactions"),
        ("rl.fresh_share=-0.5", "'rl.fresh_share'"),
        ("rl.fresh_share=nan", "'rl.fresh_share'"),
        ("rl.fresh_share=0.1", "is 0.1 beside rl.fresh_items = 1: two rules; set one of both to 0"),
        ("rl.keep=first", "unknown variant `first`, expected `best` or `last`"),
        ("rl.group_size=1", "rl.group_size"),
        ("rl.targets=0", "rl.targets"),
        ("rl.layout=padded", "layout"),
        ("rl.learning_rate=0.0", "rl.learning_rate"),
        ("rl.clip_low=-0.1", "clip"),
        ("rl.clip_high=nan", "clip"),
        ("rl.dual_clip=0.5", "dual"),
        ("rl.kl_coef=-1.0", "rl"),
        ("rl.rewards.novelty=1.0", "unknown field `novelty`, expected one of `hit`, `ranking`"),
        ("rl.rewards.hit=nan", "rl.rewards.hit"),
        ("rl.rewards.hit=0.0", "'rl.rewards': no reward has a weight"),
        ("rl.rewards.prefix=inf", "rl.rewards.prefix"),
        ("rl.rewards.ranking=1.0", "'rere' adds it itself"),
        ("rl.rewards.value.price=nan", "rl.rewards.value.price"),
        ("rl.rewards.value.price=1.0", "no item of the items file has a number under 'price'"),
        ("rl.rewards.value=1.0", "value"),
        ("rl.recast.weight=0.0", "rl.recast"),
        ("rl.recast.boundary=perhaps", "boundary"),
        ("evaluate.beam_width=0", "evaluate.beam_width"),
        ("evaluate.batch_prompts=0", "evaluate.batch_prompts"),
        ("evaluate.mask_history=2", "evaluate.mask_history"),
        ("evaluate.search=fast", "search"),
        ("model.tie_word_embeddings=2", "tie_word_embeddings"),
        ("sasrec.model.hidden_size=0", "sasrec.model.hidden_size"),
        ("sasrec.sft.epochs=0", "sasrec.sft.epochs"),
    ] {
        let message = desk.refused(&["run", "--set", setting]);
        assert!(message.contains(named), "{setting}: {message}");
    }
}

#[test]
fn a_bad_value_of_every_flag_is_refused() {
    let desk = Desk::new();
    for arguments in [
        &["run", "--preset", "huge"][..],
        &["run", "--model", "giant"],
        &["run", "--seed", "one"],
        &["run", "--threads", "-1"],
        &["run", "--device", "tpu"],
        &["run", "--tie-order", "id"],
        &["run", "--set", "rl.steps"],
        &["run", "--resume", "nowhere"],
        &["run", "--resume", "nowhere", "--run-dir", "elsewhere"],
        &["run", "--run-dir", "log.csv"],
        &["run", "--interactions", "log.dat"],
        &["run", "--items", "log.csv"],
        &["run", "--interactions", "log.csv", "--items", "log.csv"],
        &["tokenize", "--run-dir", "nowhere"],
        &["tokenize", "--run-dir", "nowhere", "--json"],
        &["tokenize", "--run-dir", "nowhere", "--report", "--compare", "nowhere"],
        &["sft", "--run-dir", "nowhere"],
        &["rl", "--run-dir", "nowhere", "--signal", "ppo"],
        &["eval", "--run-dir", "nowhere"],
        &["recommend", "--run-dir", "nowhere"],
        &["recommend", "--run-dir", "nowhere", "--user", "u1"],
        &["recommend", "--run-dir", "nowhere", "--user", "u1", "--top-k", "0"],
        &["compare"],
        &["compare", "nowhere"],
        &["init", "log.csv"],
        &["polish"],
    ] {
        let message = desk.refused(arguments);
        assert!(!message.is_empty(), "{arguments:?}");
    }
}

#[test]
fn a_folder_with_other_things_is_left_alone() {
    let desk = Desk::new();
    fs::create_dir(desk.path("full")).unwrap();
    desk.write("full/letter.txt", "dear");
    let message = desk.refused(&["run", "--interactions", "log.csv", "--run-dir", "full"]);
    assert!(message.contains("full: is a folder with other files"), "{message}");
    assert_eq!(fs::read_dir(desk.path("full")).unwrap().count(), 1);
}

#[test]
fn what_init_writes_is_what_run_reads() {
    let desk = Desk::new();
    desk.done(&["init"]);
    desk.done(&["prepare", "--config", "recast.toml", "--interactions", "log.csv"]);
    assert!(desk.refused(&["init"]).contains("recast.toml: exists already"));
}

#[test]
fn the_default_preset_follows_the_data_however_a_user_names_them() {
    let desk = Desk::new();
    desk.write("mine.toml", "[data]\ninteractions = \"log.csv\"\n");
    desk.write("seed.toml", "seed = 1\n");
    let set = ["--set", "data.interactions=log.csv"];
    let config = |run: &str, arguments: &[&str]| {
        desk.done(&[&["prepare", "--quiet", "--run-dir", run], arguments].concat());
        fs::read_to_string(desk.path(run).join("config.toml")).unwrap()
    };
    let standard = config("flag", &["--interactions", "log.csv"]);
    assert!(standard.contains("codes = [1024, 256, 256]\n"), "{standard}");
    assert!(standard.contains("hidden_size = 128\n") && standard.contains("input = \"items\"\n"));
    assert_eq!(config("file", &["--config", "mine.toml"]), standard);
    assert_eq!(config("set", &set), standard);
    assert_eq!(config("both", &[&["--config", "seed.toml"], &set[..]].concat()), standard);
    // a preset and a model that are named come before the rule
    let demo = config("demo", &["--config", "mine.toml", "--preset", "demo"]);
    assert!(demo.contains("codes = 64\n"), "{demo}");
    let tiny = config("tiny", &["--config", "mine.toml", "--model", "tiny"]);
    assert!(tiny.contains("input = \"items\"\n") && tiny.contains("hidden_size = 64\n"), "{tiny}");
    assert!(config("none", &["--config", "seed.toml"]).contains("codes = 64\n"));
}

#[test]
fn settings_beside_resume_are_refused_by_the_flags_that_were_given() {
    let desk = Desk::new();
    desk.done(&[&["prepare", "--run-dir", "run"], &SMALL[..]].concat());
    desk.write("run.toml", "");
    let kept = fs::read_to_string(desk.path("run/config.toml")).unwrap();
    for (setting, flag) in [
        (["--preset", "smoke"], "--preset"),
        (["--config", "run.toml"], "--config"),
        (["--set", "rl.steps=3"], "--set"),
        (["--interactions", "log.csv"], "--interactions"),
        (["--items", "items.jsonl"], "--items"),
        (["--embeddings", "rows.npy"], "--embeddings"),
        (["--model", "tiny"], "--model"),
        (["--seed", "2"], "--seed"),
        (["--tie-order", "file"], "--tie-order"),
    ] {
        let message = desk.refused(&[&["run", "--resume", "run"], &setting[..]].concat());
        assert!(message.contains(&format!("and refuses {flag};")), "{message}");
    }
    let both = ["run", "--resume", "run", "--seed", "2", "--set", "rl.steps=3"];
    let message = desk.refused(&both);
    assert!(message.contains("and refuses --set, --seed;"), "{message}");
    assert_eq!(fs::read_to_string(desk.path("run/config.toml")).unwrap(), kept);
    assert!(!desk.path("run/sid").exists(), "a refused command went on with the run");
}

#[test]
fn what_resume_allows_stands_beside_it() {
    let desk = Desk::new();
    let short =
        ["--set", "sft.epochs=1", "--set", "rl.steps=1", "--set", "rl.signals=[\"recast\"]"];
    desk.done(&[&["prepare", "--run-dir", "run"], &SMALL[..], &short].concat());
    let allowed = ["--device", "cpu", "--precision", "f32", "--threads", "1", "--quiet", "--json"];
    let printed = desk.done(&[&["run", "--resume", "run"], &allowed[..]].concat());
    assert!(serde_json::from_str::<serde_json::Value>(&printed).unwrap()["systems"].is_array());
}

#[test]
fn the_run_folder_is_looked_at_before_the_log_is_read() {
    let desk = Desk::new();
    desk.done(&[&["prepare", "--run-dir", "run"], &SMALL[..]].concat());
    fs::create_dir(desk.path("full")).unwrap();
    desk.write("full/letter.txt", "dear");
    // the log does not exist, so each message shows that nothing was read
    for (dir, problem) in [
        ("run", "run: holds a run with other settings"),
        ("full", "full: is a folder with other files"),
        ("log.csv", "log.csv: is a file, not a folder"),
    ] {
        let create = ["run", "--interactions", "nowhere.csv", "--run-dir", dir];
        let message = desk.refused(&create);
        assert!(message.contains(problem), "{message}");
    }
    let message = desk.refused(&["run", "--interactions", "nowhere.csv", "--run-dir", "run"]);
    assert!(message.contains("recast run --resume run"), "{message}");
}

#[test]
fn a_seed_that_toml_cannot_hold_is_refused() {
    let desk = Desk::new();
    let seed = u64::MAX.to_string();
    let message = desk.refused(&["run", "--preset", "smoke", "--seed", &seed]);
    assert!(message.contains("seed"), "{message}");
}
