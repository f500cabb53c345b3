//! Tables of semantic IDs, their report, and tokenizers that fail.

use recast_train::embedding::Embeddings;
use serde_json::Value;

use crate::{Desk, SMALL, text};

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
        ("\"z\": [1, 2]", "the file lacks 1 of them ('i11')"),
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
    Embeddings::new(4, values).unwrap().save(&desk.path("same.safetensors"), None).unwrap();
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
    // the remedy of the message: training begins anew
    desk.edit("run", "tokenizer.rq_vae.min_perplexity", 0.0);
    desk.done(&["tokenize", "--run-dir", "run", "--quiet"]);
}
