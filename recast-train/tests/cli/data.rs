//! Faults in files and data, and the messages about them.

use std::fmt::Write as _;
use std::fs;

use recast_train::embedding::Embeddings;
use recast_train::report::Summary;
use serde_json::Value;

use crate::{Desk, log, text, titles};

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
         set data.columns.timestamp, or data.order = \"rows\" if the rows stand in the order of time\n"
    );
    desk.done(&["prepare", "--interactions", "log.csv", "--set", "data.columns.timestamp=when"]);
}

#[test]
fn a_bad_timestamp_is_found_by_its_line() {
    let desk = Desk::new();
    desk.write("log.csv", log("user,item,timestamp").replacen(",1003", ",soon", 1));
    assert_eq!(
        desk.refused(&["run", "--interactions", "log.csv"]),
        "recast: log.csv:5: column 'timestamp': is neither a number nor a date: 'soon'; \
         write times as numbers or dates, such as 1704067200 or 2024-01-01T00:00:00Z\n"
    );
}

#[test]
fn timestamps_of_two_units_are_refused() {
    let desk = Desk::new();
    desk.write("log.csv", "user,item,timestamp\nu,a,1704067200\nu,b,1704067201000\n");
    assert_eq!(
        desk.refused(&["run", "--interactions", "log.csv"]),
        "recast: log.csv:3: column 'timestamp': is in milliseconds by its size, where line 2 has 1704067200, which \
         is in seconds: '1704067201000'; write all times in one unit\n"
    );
}

#[test]
fn an_id_that_is_no_text_is_found_by_line_and_column() {
    let desk = Desk::new();
    desk.write("log.csv", b"user,item,timestamp\nu,a,1\nu,b\xe9,2\n");
    assert_eq!(
        desk.refused(&["run", "--interactions", "log.csv"]),
        "recast: log.csv:3: column 'item' is not UTF-8 text; \
         set data.encoding, such as \"latin1\", or convert the file to UTF-8\n"
    );
}

#[cfg(feature = "parquet")]
#[test]
fn parquet_is_read_and_a_cut_or_other_file_refused() {
    let desk = Desk::new();
    // 60 users, 12 items, 6 interactions a user, as in log.csv
    let whole = include_bytes!("../log.parquet");
    desk.write("log.parquet", whole);
    desk.write("cut.parquet", &whole[..whole.len() - 20]);
    let read = |log: &str| {
        let json = desk.done(&["prepare", "--interactions", log, "--json"]);
        serde_json::from_str::<Value>(&json).unwrap()["prepare"].clone()
    };
    assert_eq!(read("log.parquet"), read("log.csv"));
    let message = desk.refused(&["run", "--interactions", "cut.parquet"]);
    assert!(message.starts_with("recast: cut.parquet: cannot be read as Parquet: "), "{message}");
    // the parquet crate panics on this file
    desk.write("damaged.parquet", include_bytes!("../damaged.parquet"));
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

/// A folder of MiniOneRec without its training file: six users with the same five items, and an
/// unmet sixth item.
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

    desk.write("toys.toml", "data.interactions = \"toys\"\n");
    for source in [["--config", "toys.toml"], ["--set", "data.interactions=toys"]] {
        let printed = desk.done(&[&["prepare", "--json"], &source[..]].concat());
        let named: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(named["split"], report["split"], "{source:?}");
    }

    let small =
        ["--model", "tiny", "--set", "sft.epochs=1", "--set", "rl.steps=1", "--threads", "1"];
    let table = ["--set", "tokenizer.table=toys/Toys.index.json", "--run-dir", "run"];
    let output = desk.recast(&[&["run"], &toys[..], &small, &table].concat());
    assert!(output.status.success(), "{}", text(&output.stderr));
    // once with the data and once in the table
    assert_eq!(text(&output.stderr).matches("warning: reduced train").count(), 2);
    let summary = Summary::load(&desk.path("run")).unwrap();
    assert_eq!((&summary.warnings[0][..], summary.test_prompts), (warning, 6));
    let short = "6 of 6 test prompts leave fewer than 10 items to rank";
    assert!(summary.warnings[1].starts_with(short), "{:?}", summary.warnings);
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
fn embeddings_that_do_not_match_the_items_are_counted() {
    let desk = Desk::new();
    let embeddings = Embeddings::new(4, vec![0.5; 7 * 4]).unwrap();
    embeddings.save(&desk.path("rows.safetensors"), None).unwrap();
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
    Embeddings::new(2, vec![0.5; 24]).unwrap().save(&desk.path("cut.safetensors"), None).unwrap();
    let saved = fs::read(desk.path("cut.safetensors")).unwrap();
    desk.write("cut.safetensors", &saved[..saved.len() - 3]);
    let run = ["run", "--interactions", "log.csv", "--embeddings"];
    for (name, message) in [
        (
            "cut.npy",
            "recast: cut.npy: 91 bytes of values where [12, 2] of 4 bytes each are announced; \
             the file is cut off or damaged; copy or write it again\n",
        ),
        (
            "cut.safetensors",
            "recast: cut.safetensors: not a .safetensors file: 93 bytes of values where 96 are announced; \
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
fn a_user_with_one_item_is_counted_where_the_core_lets_it_through() {
    let desk = Desk::new();
    desk.write("one.csv", "user,item,timestamp\nann,tea,5\n");
    let message = desk.refused(&["run", "--interactions", "one.csv"]);
    assert!(message.contains("no interaction is left of 1"), "{message}");
    let one = ["--set", "data.prepare.min_user=1", "--set", "data.prepare.min_item=1"];
    let message = desk.refused(&[&["run", "--interactions", "one.csv"], &one[..]].concat());
    assert!(message.contains("none of 1 users has the 3 items"), "{message}");
    desk.write("few.csv", log("user,item,timestamp") + "ann,i0,5\nbob,i1,6\n");
    let few = ["prepare", "--interactions", "few.csv", "--run-dir", "few", "--json"];
    let report: serde_json::Value =
        serde_json::from_str(&desk.done(&[&few[..], &one].concat())).unwrap();
    assert_eq!(report["split"]["lone_items"], 2);
    assert_eq!(report["prepare"]["users"], 62);
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
