//! The program from outside: messages, exit codes, and what it leaves on disk.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use recast_train::run::Summary;
use recast_train::sid::Embeddings;
use serde_json::Value;
use tempfile::TempDir;

const BAD_INPUT: i32 = 2;

/// A folder to work in, with a log of 60 users, 12 items and 6 interactions a user.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.write("log.csv", log("user,item,timestamp"));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recast"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn recast(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs what must be refused; its message.
    fn refused(&self, arguments: &[&str]) -> String {
        let before = self.names();
        let output = self.recast(arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(BAD_INPUT), "{arguments:?}: {message}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert_eq!(self.names(), before, "{arguments:?} left something behind");
        assert!(!message.contains("panicked"), "{message}");
        message
    }

    /// Runs what must work; its standard output.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.recast(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn log(header: &str) -> String {
    let mut log = format!("{header}\n");
    for user in 0..60 {
        for step in 0..6 {
            writeln!(log, "u{user},i{},{}", (user + step * 5) % 12, 1000 + step).unwrap();
        }
    }
    log
}

const SMALL: [&str; 4] = ["--preset", "smoke", "--threads", "1"];

#[test]
fn a_wrong_path_is_one_message() {
    let desk = Desk::new();
    assert_eq!(
        desk.refused(&["run", "--interactions", "nowhere.csv"]),
        "recast: nowhere.csv: cannot be read: No such file or directory (os error 2)\n"
    );
    for flag in ["--items", "--embeddings"] {
        let message = desk.refused(&["run", "--interactions", "log.csv", flag, "nowhere.npy"]);
        assert!(message.starts_with("recast: nowhere.npy: cannot be read"), "{message}");
    }
    assert!(desk.refused(&["run", "--config", "nowhere.toml"]).contains("nowhere.toml"));
}

#[test]
fn a_missing_column_is_named_with_those_there_are() {
    let desk = Desk::new();
    desk.write("log.csv", log("user,item,when"));
    assert_eq!(
        desk.refused(&["run", "--interactions", "log.csv"]),
        "recast: log.csv:1: no column 'timestamp' among 'user', 'item', 'when'; \
         set the columns' names or add a header line\n"
    );
    desk.done(&["prepare", "--interactions", "log.csv", "--set", "data.columns.timestamp=when"]);
}

#[test]
fn a_bad_timestamp_is_found_by_its_line() {
    let desk = Desk::new();
    desk.write("log.csv", log("user,item,timestamp").replacen(",1003", ",soon", 1));
    assert_eq!(
        desk.refused(&["run", "--interactions", "log.csv"]),
        "recast: log.csv:5: column 'timestamp': is not a whole number: 'soon'; \
         give timestamps as whole seconds or milliseconds, such as 1704067200\n"
    );
}

#[test]
fn embeddings_that_do_not_match_the_items_are_counted() {
    let desk = Desk::new();
    let embeddings = Embeddings::new(4, vec![0.5; 7 * 4]).unwrap();
    embeddings.save(&desk.path("rows.safetensors")).unwrap();
    let message =
        desk.refused(&["run", "--interactions", "log.csv", "--embeddings", "rows.safetensors"]);
    assert!(message.contains("rows.safetensors: ") && message.contains(" 7 "), "{message}");
    assert!(message.contains("12"), "{message}");
}

/// A .npy file of 32-bit floats, one row of two an item.
fn npy(values: &[f32]) -> Vec<u8> {
    let shape = format!("({}, 2)", values.len() / 2);
    let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    bytes.extend(118u16.to_le_bytes());
    bytes.extend(format!("{header:<117}\n").bytes());
    bytes.extend(values.iter().flat_map(|value| value.to_le_bytes()));
    bytes
}

#[test]
fn embeddings_that_cannot_be_used_are_refused() {
    let desk = Desk::new();
    let whole = npy(&[0.5; 24]);
    let mut values = [0.5; 24];
    values[7] = f32::NAN;
    desk.write("whole.npy", &whole);
    desk.write("cut.npy", &whole[..whole.len() - 5]);
    desk.write("nan.npy", npy(&values));
    let run = ["run", "--interactions", "log.csv", "--embeddings"];
    for (name, message) in [
        (
            "cut.npy",
            "recast: cut.npy: 91 bytes of values where [12, 2] of 4 bytes each are announced; \
             the file is cut off or damaged; copy or write it again\n",
        ),
        (
            "nan.npy",
            "recast: nan.npy: row 3, column 1 is NaN; \
             embeddings must be finite as 32-bit floats; repair or recompute this row\n",
        ),
    ] {
        assert_eq!(desk.refused(&[&run[..], &[name]].concat()), message);
    }
    // an item of the log without a line in the items file has no row
    desk.write("items.jsonl", titles().replacen("\"i7\"", "\"x7\"", 1));
    assert_eq!(
        desk.refused(&[&run[..], &["whole.npy", "--items", "items.jsonl"]].concat()),
        "recast: whole.npy: item 'i7' of the log has no line in the items file, so no row here; \
         add the item there and its embedding here, or give no embeddings\n"
    );
    desk.done(&["prepare", "--interactions", "log.csv", "--embeddings", "whole.npy"]);
}

#[test]
fn timestamps_of_two_units_are_refused() {
    let desk = Desk::new();
    desk.write("log.csv", "user,item,timestamp\nu,a,1704067200\nu,b,1704067201000\n");
    assert_eq!(
        desk.refused(&["run", "--interactions", "log.csv"]),
        "recast: log.csv:3: column 'timestamp': is in milliseconds by its size, where line 2 has 1704067200, which \
         is in seconds: '1704067201000'; write all timestamps in one unit\n"
    );
}

#[test]
fn an_id_that_is_no_text_is_found_by_line_and_column() {
    let desk = Desk::new();
    desk.write("log.csv", b"user,item,timestamp\nu,a,1\nu,b\xe9,2\n");
    assert_eq!(
        desk.refused(&["run", "--interactions", "log.csv"]),
        "recast: log.csv:3: column 'item' is not UTF-8 text; \
         convert the file to UTF-8 (a compressed file must be unpacked)\n"
    );
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_is_read_and_a_cut_or_other_file_refused() {
    let desk = Desk::new();
    // 60 users, 12 items, 6 interactions a user, as in log.csv
    let whole = include_bytes!("log.parquet");
    desk.write("log.parquet", whole);
    desk.write("cut.parquet", &whole[..whole.len() - 20]);
    let read = |log: &str| {
        let json = desk.done(&["prepare", "--interactions", log, "--json"]);
        serde_json::from_str::<Value>(&json).unwrap()["prepare"].clone()
    };
    assert_eq!(read("log.parquet"), read("log.csv"));
    let message = desk.refused(&["run", "--interactions", "cut.parquet"]);
    assert!(message.starts_with("recast: cut.parquet: cannot be read as Parquet: "), "{message}");
    // the parquet crate panics on this one
    desk.write("damaged.parquet", include_bytes!("damaged.parquet"));
    let message = desk.refused(&["run", "--interactions", "damaged.parquet"]);
    let start =
        "recast: damaged.parquet: cannot be read as Parquet: its parts contradict one another; ";
    assert!(message.starts_with(start), "{message}");
    let other = ["--set", "data.columns.user=customer"];
    assert_eq!(
        desk.refused(&[&["run", "--interactions", "log.parquet"], &other[..]].concat()),
        "recast: log.parquet: no column 'customer' among 'user', 'item', 'timestamp'; \
         set the columns' names\n"
    );
}

/// A folder of MiniOneRec without its training file: six users who met the same five items, the sixth item unmet.
fn mini_one_rec(desk: &Desk) {
    fs::create_dir(desk.path("toys")).unwrap();
    let entries = |value: fn(u32) -> String| {
        let entries: Vec<String> =
            (0..6).map(|item| format!("\"{item}\": {}", value(item))).collect();
        format!("{{{}}}", entries.join(", "))
    };
    let sid = |item: u32| format!("[\"<a_{item}>\", \"<b_0>\"]");
    desk.write("toys/Toys.index.json", entries(sid));
    desk.write("toys/Toys.item.json", entries(|item| format!("{{\"title\": \"Toy {item}\"}}")));
    let mut recovered = String::new();
    let header = "user_id,history_item_id,item_id,item_sid\n".to_owned();
    let (mut valid, mut test) = (header.clone(), header);
    for user in 0..6 {
        let line = "\"items\": [0, 1, 2, 3, 4], \"n_train\": 3, \"n_valid\": 1, \"n_test\": 1";
        writeln!(recovered, "{{\"user\": \"u{user}\", {line}}}").unwrap();
        writeln!(valid, "u{user},\"[0, 1, 2]\",3,<a_3><b_0>").unwrap();
        writeln!(test, "u{user},\"[1, 2, 3]\",4,<a_4><b_0>").unwrap();
    }
    desk.write("toys/Toys.recovered_sequences.jsonl", recovered);
    desk.write("toys/Toys.valid.csv", valid);
    desk.write("toys/Toys.test.csv", test);
}

#[test]
fn a_folder_of_mini_one_rec_is_run_by_its_own_split_and_semantic_ids() {
    let desk = Desk::new();
    mini_one_rec(&desk);
    let toys = ["--interactions", "toys"];
    let printed = desk.done(&[&["prepare", "--json"], &toys[..]].concat());
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["prepare"]["items"], 6);
    assert_eq!(report["split"]["train_interactions"], 18);
    assert_eq!((&report["split"]["valid"], &report["split"]["test"]), (&6.into(), &6.into()));
    let warning = report["prepare"]["warnings"][0].as_str().unwrap();
    assert!(warning.starts_with("reduced train: Toys.train.csv is not in the folder"), "{warning}");

    let small =
        ["--model", "tiny", "--set", "sft.epochs=1", "--set", "rl.steps=1", "--threads", "1"];
    let table = ["--set", "tokenizer.table=toys/Toys.index.json", "--run-dir", "run"];
    let output = desk.recast(&[&["run"], &toys[..], &small, &table].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    // once with the data and once in the table
    assert_eq!(text(&output.stderr).matches("warning: reduced train").count(), 2);
    let summary = Summary::load(&desk.path("run")).unwrap();
    assert_eq!((summary.warnings, summary.test_prompts), (vec![warning.to_owned()], 6));
    let compared = desk.done(&["compare", "run"]);
    assert!(compared.starts_with("warning: reduced train"), "{compared}");
    let recommended = desk.done(&["recommend", "--run-dir", "run", "--user", "u0"]);
    assert!(recommended.contains("Toy "), "{recommended}");

    let core = ["--set", "data.prepare.min_user=5"];
    let message = desk.refused(&[&["run"], &toys[..], &core].concat());
    assert!(message.contains("breaks the split that came with the log"), "{message}");
    let given = ["run", "--interactions", "log.csv", "--set", "data.split=given"];
    assert!(desk.refused(&given).contains("the log came without a split"));
    fs::remove_file(desk.path("toys/Toys.index.json")).unwrap();
    let message = desk.refused(&[&["run"], &toys[..]].concat());
    assert!(message.contains("toys: is a folder without a file NAME.index.json"), "{message}");
}

#[test]
fn bad_embeddings_are_one_message_and_nothing_is_written() {
    let desk = Desk::new();
    let mut values = vec![0.5; 12 * 4];
    Embeddings::new(4, values.clone()).unwrap().save(&desk.path("whole.safetensors")).unwrap();
    let whole = fs::read(desk.path("whole.safetensors")).unwrap();
    fs::write(desk.path("cut.safetensors"), &whole[..whole.len() - 3]).unwrap();
    values[9] = f32::NAN;
    let npy = |values: &[f32]| {
        let header =
            format!("{{'descr': '<f4', 'fortran_order': False, 'shape': (12, 4), }}{:>56}\n", "");
        let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
        bytes.extend((header.len() as u16).to_le_bytes());
        bytes.extend(header.as_bytes());
        bytes.extend(values.iter().flat_map(|x| x.to_le_bytes()));
        bytes
    };
    fs::write(desk.path("nan.npy"), npy(&values)).unwrap();
    fs::write(desk.path("cut.npy"), npy(&values[..47])).unwrap();
    for (file, part) in [
        ("cut.safetensors", "189 bytes of values where 192 are announced"),
        ("cut.npy", "188 bytes of values where [12, 4] of 4 bytes each are announced"),
        ("nan.npy", "row 2, column 1 is NaN"),
    ] {
        let message = desk.refused(&["run", "--interactions", "log.csv", "--embeddings", file]);
        assert!(message.starts_with(&format!("recast: {file}: ")), "{message}");
        assert!(message.contains(part), "{message}");
    }
}

#[test]
fn a_bad_table_of_semantic_ids_is_one_message_and_nothing_is_written() {
    let desk = Desk::new();
    let table = |last: &str| {
        let others: String = (0..11).map(|i| format!("\"i{i}\": [{i}, 0], ")).collect();
        format!("{{{others}{last}}}")
    };
    for (last, part) in [
        ("\"i10\": [1, 1], \"i11\": [1, 2]", "item 'i10' appears twice"),
        ("\"i11\": [1, 2, 3]", "the SID of item 'i11' has 3 codes for 2 levels"),
        ("\"i11\": [1, 65536]", "the SID [1, 65536] of item 'i11' exceeds"),
        ("\"i11\": [1, -2]", "not a SID table"),
        ("\"z\": [1, 2]", "item 'i11' has no SID"),
    ] {
        desk.write("index.json", table(last));
        let message = desk.refused(&[
            "run",
            "--interactions",
            "log.csv",
            "--set",
            "tokenizer.table=index.json",
        ]);
        assert!(message.starts_with("recast: index.json: "), "{message}");
        assert!(message.contains(part), "'{part}' is not in: {message}");
    }
}

#[test]
fn the_report_of_a_table_stands_beside_others() {
    let desk = Desk::new();
    let own = ["--interactions", "log.csv", "--run-dir", "run"];
    let small = ["--set", "tokenizer.codes=[4, 8, 8]", "--set", "tokenizer.method=balanced_kmeans"];
    desk.done(&[&["prepare"], &SMALL[..], &own[..], &small[..]].concat());

    let same: String = (0..12).map(|i| format!(", \"i{i}\": [{}, {i}]", i % 2)).collect();
    desk.write("same.json", format!("{{{}}}", &same[2..]));
    desk.write("other.json", r#"{"0": ["<a_1>", "<b_2>"], "1": ["<a_1>", "<b_2>"]}"#);
    desk.write("bad.json", r#"{"0": [1], "1": [1, 2]}"#);
    let tokenize = ["tokenize", "--run-dir", "run", "--report"];
    let message = desk.refused(&[&tokenize[..], &["--compare", "bad.json"]].concat());
    assert!(message.contains("bad.json: the SID of item '1' has 2 codes"), "{message}");
    assert!(!desk.path("run/sid").exists(), "a table was made before the bad one was found");

    let report = desk.done(&tokenize);
    assert!(report.contains("12 items, ") && report.contains("nearest neighbours"), "{report}");
    let json = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    let report = json(&desk.done(&[&tokenize[..], &["--json"]].concat()));
    assert_eq!(report["levels"][1]["codes"], 8);
    assert_eq!(report["distinct_after"], 12);

    let compare =
        ["--compare", "same.json", "--compare", "other.json", "--compare", "run/sid/table.json"];
    let text = desk.done(&[&tokenize[..], &compare[..]].concat());
    assert!(text.lines().next().unwrap().ends_with("run/sid/table.json"), "{text}");
    assert!(text.contains("other.json: has no item 'i0'"), "{text}");
    let compared = json(&desk.done(&[&tokenize[..], &compare[..], &["--json"]].concat()));
    let tables = compared["tables"].as_array().unwrap();
    assert_eq!(tables.len(), 4);
    assert_eq!(tables[1]["distinct_after"], 12);
    assert!(tables[1]["neighbourhood"]["prefixes"][0]["neighbours"].is_f64());
    assert_eq!(tables[2]["distinct_after"], 1);
    assert!(tables[2]["neighbourhood"].is_null());
    assert_eq!(tables[3]["neighbourhood"], tables[0]["neighbourhood"]);
    assert_eq!(compared["notes"].as_array().unwrap().len(), 1);
}

#[test]
fn a_collapsed_codebook_stops_with_what_to_change() {
    let desk = Desk::new();
    let mut values = vec![0.5; 12 * 4];
    values[0] = 9.0;
    Embeddings::new(4, values).unwrap().save(&desk.path("same.safetensors")).unwrap();
    let own = ["--interactions", "log.csv", "--embeddings", "same.safetensors", "--run-dir", "run"];
    let small =
        ["--set", "tokenizer.method=rq_vae", "--set", "tokenizer.rq_vae.min_perplexity=0.5"];
    desk.done(&[&["prepare"], &SMALL[..], &own[..], &small[..]].concat());
    let output = desk.recast(&["tokenize", "--run-dir", "run", "--quiet"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("level 1 uses its 16 codes like"), "{message}");
    assert!(message.contains("lower tokenizer.rq_vae.learning_rate"), "{message}");
    assert!(!desk.path("run/sid").exists());
}

#[test]
fn data_without_interactions_is_refused() {
    let desk = Desk::new();
    desk.write("empty.csv", "");
    desk.write("header.csv", "user,item,timestamp\n");
    assert_eq!(
        desk.refused(&["run", "--interactions", "empty.csv"]),
        "recast: empty.csv: holds no header line; start it with the columns' names\n"
    );
    assert_eq!(
        desk.refused(&["run", "--interactions", "header.csv"]),
        "recast: header.csv: holds no interactions; check that it is the right file\n"
    );
}

#[test]
fn a_user_with_one_item_is_refused_where_the_core_lets_it_through() {
    let desk = Desk::new();
    desk.write("one.csv", "user,item,timestamp\nann,tea,5\n");
    let message = desk.refused(&["run", "--interactions", "one.csv"]);
    assert!(message.contains("no interaction is left of 1"), "{message}");
    let one = ["--set", "data.prepare.min_user=1", "--set", "data.prepare.min_item=1"];
    let message = desk.refused(&[&["run", "--interactions", "one.csv"], &one[..]].concat());
    assert!(message.contains("user 'ann' has only one item"), "{message}");
}

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
        ("sft.epochs=0", "sft.epochs"),
        ("sft.batch_tokens=0", "sft.batch_tokens"),
        ("sft.learning_rate=nan", "sft.learning_rate"),
        ("sft.warmup=1.5", "sft.warmup"),
        ("sft.weight_decay=-1.0", "sft.weight_decay"),
        ("sft.max_norm=0.0", "sft.max_norm"),
        ("sft.evaluate_every=0", "sft.evaluate_every"),
        ("sft.patience=0", "sft.patience"),
        ("rl.signals=[\"ppo\"]", "ppo"),
        ("rl.signals=[\"grpo\", \"grpo\"]", "rl.signals"),
        ("rl.steps=0", "rl.steps"),
        ("rl.group_size=1", "rl.group_size"),
        ("rl.layout=padded", "layout"),
        ("rl.learning_rate=0.0", "rl.learning_rate"),
        ("rl.clip_low=-0.1", "clip"),
        ("rl.clip_high=nan", "clip"),
        ("rl.dual_clip=0.5", "dual"),
        ("rl.kl_coef=-1.0", "rl"),
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
    assert!(desk.refused(&["init"]).contains("recast.toml: is there already"));
}

#[test]
fn prepare_says_what_is_in_the_data() {
    let desk = Desk::new();
    let mut log = log("user,item,timestamp");
    // a duplicate, and a user that the core drops
    log.push_str("u0,i0,1000\nzoe,i1,7\n");
    desk.write("log.csv", &log);
    let printed = desk.done(&["prepare", "--interactions", "log.csv", "--json"]);
    let report: Value = serde_json::from_str(&printed).unwrap();
    assert_eq!(report["prepare"]["duplicates"], 1);
    assert_eq!(report["prepare"]["users_read"], 61);
    assert_eq!(report["prepare"]["users"], 60);
    assert_eq!(report["split"]["test"], 60);
    assert_eq!(report["prepare"]["core_dropped_users"], 1);
    for key in ["core_dropped", "core_dropped_items", "repeats"] {
        assert!(report["prepare"][key].is_u64(), "{key}");
    }
    for key in ["tied_share", "ascending_share", "tied_ascending_share"] {
        assert!(report["prepare"][key].is_f64(), "{key}");
    }
    for key in ["seconds", "rows_per_second"] {
        assert!(report[key].as_f64().unwrap() > 0.0, "{key}");
    }
    assert!(report["peak_memory_bytes"].is_u64() || !cfg!(target_os = "linux"));
    for key in ["cold_targets", "repeated_targets"] {
        assert!(report["split"][key].is_u64(), "{key}");
    }
    let shuffled = ["prepare", "--interactions", "log.csv", "--tie-order", "shuffle"];
    desk.done(&shuffled);
}

#[test]
fn phases_follow_one_another_and_missing_ones_are_named() {
    let desk = Desk::new();
    desk.write("items.jsonl", titles());
    let own = ["--interactions", "log.csv", "--items", "items.jsonl", "--run-dir", "run"];
    desk.done(&[&["prepare"], &SMALL[..], &own[..]].concat());
    let message = desk.refused(&["sft", "--run-dir", "run"]);
    assert!(message.contains("recast tokenize"), "{message}");
    desk.done(&["tokenize", "--run-dir", "run"]);
    let message = desk.refused(&["rl", "--run-dir", "run"]);
    assert!(message.contains("recast sft"), "{message}");
    desk.done(&["sft", "--run-dir", "run"]);
    desk.done(&["rl", "--run-dir", "run", "--signal", "recast"]);
    desk.done(&["eval", "--run-dir", "run"]);

    let summary = Summary::load(&desk.path("run")).unwrap();
    let names: Vec<&str> = summary.systems.iter().map(|system| &system.name[..]).collect();
    assert_eq!(names, ["popularity", "item_knn", "sft", "recast"]);

    let printed = desk.done(&["recommend", "--run-dir", "run", "--user", "u3", "--top-k", "4"]);
    assert_eq!(printed.lines().count(), 4);
    assert!(printed.lines().all(|line| line.contains("Tea number ")), "{printed}");
    let typed = ["recommend", "--run-dir", "run", "--history", "i1,i2", "--json"];
    let found: Value = serde_json::from_str(&desk.done(&typed)).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 10);
    assert!(found[0]["title"].as_str().unwrap().starts_with("Tea number "));

    for (arguments, expected) in [
        (["--user", "zoe"], "no user 'zoe' among 60"),
        (["--history", "i1,milk"], "no item 'milk' among 12"),
    ] {
        let message = desk.refused(&[&["recommend", "--run-dir", "run"], &arguments[..]].concat());
        assert!(message.contains(expected), "{message}");
    }
    let unknown = ["recommend", "--run-dir", "run", "--user", "u3", "--system", "oracle"];
    assert!(desk.refused(&unknown).contains("name sft, grpo, rere or recast"));
    let untrained = ["recommend", "--run-dir", "run", "--user", "u3", "--system", "grpo"];
    assert!(desk.refused(&untrained).contains("recast rl --signal grpo"));
}

#[test]
fn a_baseline_needs_nothing_but_data_and_stands_in_every_later_table() {
    let desk = Desk::new();
    let folder = ["--run-dir", "run", "--quiet"];
    let json = |command: &[&str]| -> Value {
        serde_json::from_str(&desk.done(&[command, &folder, &["--json"]].concat())).unwrap()
    };
    let short = ["--set", "sasrec.sft.epochs=2", "--set", "sft.epochs=1"];
    desk.done(&[&["prepare", "--run-dir", "run"][..], &short, &SMALL].concat());
    let baselines = json(&["baseline"]);
    let names: Vec<&Value> =
        baselines.as_array().unwrap().iter().map(|system| &system["name"]).collect();
    assert_eq!(names, ["popularity", "item_knn", "sasrec"]);

    desk.done(&[&["tokenize"][..], &folder[..2]].concat());
    desk.done(&[&["sft"][..], &folder].concat());
    for search in ["beam", "exact"] {
        let summary = json(&["eval", "--search", search]);
        assert_eq!(summary["evaluate"]["search"], search);
        assert_eq!(summary["systems"][2], baselines[2]);
        assert_eq!(summary["systems"][3]["name"], "sft");
    }
    let wide = ["eval", "--check-search", "40", "--system", "sft", "--beam-widths", "4,500"];
    let checks = json(&wide);
    assert_eq!((&checks[0]["prompts"], &checks[0]["beam_width"]), (&40.into(), &4.into()));
    assert!(checks[0]["mean_overlap"].as_f64().unwrap() < 0.5, "{checks}");
    // wider than the catalogue
    assert_eq!(checks[1]["top_10_found"], 1.0, "{checks}");
    for arguments in [
        &["--search", "fast"][..],
        &["--check-search", "0"],
        &["--check-search", "9", "--beam-widths", "0"],
        &["--beam-widths", "9"],
        &["--system", "sft"],
        &["--check-search", "9", "--system", "popularity"],
    ] {
        desk.refused(&[&["eval", "--run-dir", "run"], arguments].concat());
    }
}

#[test]
fn bench_measures_every_part_and_sets_updates_side_by_side() {
    let desk = Desk::new();
    let small = [
        &["bench", "--model", "tiny", "--items", "60", "--levels", "2", "--codes", "8"][..],
        &["--history", "2", "--groups", "3", "--batch-tokens", "16", "--repeats", "1"],
    ]
    .concat();
    let json = desk.done(&[&small[..], &["--group-size", "2,4", "--quiet", "--json"]].concat());
    let report: Value = serde_json::from_str(&json).unwrap();
    let parts = report["measurements"].as_array().unwrap();
    let names: Vec<&str> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["trie build", "trie look-up", "tokenizer"]);
    assert_eq!(names.len(), 4 + 2 * 6);
    assert!(parts.iter().all(|part| part["seconds"].as_f64().unwrap() > 0.0));
    let ratios = report["ratios"].as_array().unwrap();
    assert_eq!(ratios.len(), 2 * 3);
    let flops = |name: &str| {
        let part = parts.iter().find(|part| part["name"] == name).unwrap();
        part["flops"].as_f64().unwrap()
    };
    assert!(flops("update GRPO row-wise, G = 4") > flops("update GRPO packed, G = 4"));
    assert!(flops("update GRPO packed, G = 4") > flops("update ReCast packed, G = 4"));

    for arguments in [
        &["--group-size", "1"][..],
        &["--group-size", "61"],
        &["--repeats", "0"],
        &["--only", "nothing"],
        &["--device", "tpu"],
        &["--model", "giant"],
    ] {
        desk.refused(&[&small[..8], arguments].concat());
    }
}

fn titles() -> String {
    (0..12).map(|i| format!("{{\"id\": \"i{i}\", \"title\": \"Tea number {i}\"}}\n")).collect()
}

#[test]
fn the_summary_is_the_only_thing_on_standard_output() {
    let desk = Desk::new();
    let run = ["run", "--json", "--quiet", "--run-dir", "run", "--set", "rl.steps=2"];
    let output = desk.recast(&[&run[..], &SMALL].concat());
    let summary: Value = serde_json::from_str(&text(&output.stdout)).unwrap();
    let names: Vec<&str> = summary["systems"]
        .as_array()
        .unwrap()
        .iter()
        .map(|s| s["name"].as_str().unwrap())
        .collect();
    assert_eq!(names, ["popularity", "item_knn", "sft", "grpo", "rere", "recast", "oracle"]);
    for system in summary["systems"].as_array().unwrap() {
        for metric in ["pass_at_1", "recall_at_10", "ndcg_at_10"] {
            assert!((0.0..=1.0).contains(&system[metric].as_f64().unwrap()), "{system}");
        }
    }
    for signal in ["grpo", "rere", "recast"] {
        let group = &summary["groups"][signal];
        let shares = ["all_zero", "single_hit", "multi_hit", "all_hit"];
        let sum: f64 = shares.iter().map(|regime| group[regime].as_f64().unwrap()).sum();
        assert!((sum - 1.0).abs() < 1e-9, "{group}");
    }
    for phase in ["prepare", "tokenize", "sft", "rl recast", "evaluate"] {
        assert!(summary["phases"][phase].is_f64(), "{phase}");
    }
    assert!(summary["seconds"].is_f64() && summary["run_dir"].is_string());
}

/// Waits until a run has written `event`, then sends the signal of Ctrl-C.
#[cfg(unix)]
fn interrupt_after(event: &str, run_dir: &Path, command: &mut Command) -> Output {
    let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let event = format!("\"event\":\"{event}\"");
    let log = run_dir.join("events.jsonl");
    let seen = || fs::read_to_string(&log).is_ok_and(|text| text.contains(&event));
    while !seen() {
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
    let killed = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(killed.success());
    child.wait_with_output().unwrap()
}

#[cfg(unix)]
#[test]
fn an_interrupted_run_goes_on_to_the_same_figures() {
    let desk = Desk::new();
    let run = [&["run", "--quiet"], &SMALL[..]].concat();
    desk.done(&[&run[..], &["--run-dir", "whole"]].concat());
    for event in ["sft_epoch", "rl_step"] {
        let command = &mut desk.command(&[&run[..], &["--run-dir", event]].concat());
        let output = interrupt_after(event, &desk.path(event), command);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(130), "{message}");
        assert!(message.contains(&format!("recast run --resume {event}")), "{message}");
        desk.done(&["run", "--quiet", "--resume", event]);
        let whole = Summary::load(&desk.path("whole")).unwrap();
        let resumed = Summary::load(&desk.path(event)).unwrap();
        assert_eq!(resumed.systems, whole.systems);
    }
    let compared = desk.done(&["compare", "whole", "sft_epoch", "--json"]);
    assert!(serde_json::from_str::<Value>(&compared).unwrap().is_object());
}
