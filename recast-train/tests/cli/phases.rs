//! The subcommands in sequence, interrupted and resumed.

use std::fs;
use std::path::Path;
use std::process::{Command, Output, Stdio};

use recast_train::report::Summary;
use serde_json::Value;

use crate::{Desk, SMALL, text, titles};

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
    // dr_grpo is not in the run's own list
    desk.done(&["rl", "--run-dir", "run", "--signal", "dr_grpo", "--signal", "recast"]);
    desk.done(&["eval", "--run-dir", "run"]);

    let summary = Summary::load(&desk.path("run")).unwrap();
    let names: Vec<&str> = summary.systems.iter().map(|system| &system.name[..]).collect();
    assert_eq!(names, ["popularity", "item_knn", "sft", "recast", "dr_grpo"]);
    assert!(summary.groups.contains_key("dr_grpo"));

    let printed = desk.done(&["recommend", "--run-dir", "run", "--user", "u3", "--top-k", "4"]);
    assert_eq!(printed.lines().count(), 4);
    assert!(printed.lines().all(|line| line.contains("Tea number ")), "{printed}");
    let typed = ["recommend", "--run-dir", "run", "--history", "i1,i2", "--json"];
    let found: Value = serde_json::from_str(&desk.done(&typed)).unwrap();
    assert_eq!(found.as_array().unwrap().len(), 10);
    assert!(found[0]["title"].as_str().unwrap().starts_with("Tea number "));

    let output = desk.recast(&["recommend", "--run-dir", "run", "--user", "u3", "--top-k", "99"]);
    assert!(text(&output.stderr).contains("12 of 99 items asked for: the catalogue has no other"));

    for (arguments, expected) in [
        (["--user", "zoe"], "no user 'zoe' among 60"),
        (["--history", "i1,milk"], "no item 'milk' among 12"),
    ] {
        let message = desk.refused(&[&["recommend", "--run-dir", "run"], &arguments[..]].concat());
        assert!(message.contains(expected), "{message}");
    }
    let unknown = ["recommend", "--run-dir", "run", "--user", "u3", "--system", "oracle"];
    assert!(desk.refused(&unknown).contains("name sft, grpo, rere, recast, dr_grpo"));
    let untrained = ["recommend", "--run-dir", "run", "--user", "u3", "--system", "grpo"];
    assert!(desk.refused(&untrained).contains("recast rl --signal grpo"));
}

#[test]
fn exported_embeddings_stand_beside_the_text_in_another_run() {
    let desk = Desk::new();
    desk.write("items.jsonl", crate::titles());
    let log =
        ["--interactions", "log.csv", "--items", "items.jsonl", "--set", "sasrec.sft.epochs=1"];
    let prepare = |run: &str, more: &[&str]| {
        desk.done(&[&["prepare", "--run-dir", run], &log[..], &SMALL, more].concat());
    };
    prepare("first", &[]);
    let path = "sasrec.safetensors";
    desk.done(&["baseline", "--run-dir", "first", "--export-embeddings", path, "--quiet"]);
    let behaviour = format!("data.behaviour={path}");
    prepare("second", &["--set", &behaviour, "--set", "tokenizer.codes=4"]);
    prepare("third", &["--set", "tokenizer.codes=4"]);
    let sids = ["second", "third"].map(|run| {
        desk.done(&["tokenize", "--run-dir", run, "--quiet"]);
        std::fs::read(desk.path(run).join("sid/table.json")).unwrap()
    });
    assert_ne!(sids[0], sids[1], "the vectors change the semantic IDs");
    let message = desk.refused(
        &[&["prepare", "--run-dir", "fourth"], &log[..], &["--set", "data.behaviour=no.npz"]]
            .concat(),
    );
    assert!(message.contains("no.npz"), "{message}");
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
    let found = json(&["baseline"]);
    assert!(found["warnings"].is_array());
    let baselines = &found["systems"];
    let names: Vec<&Value> =
        baselines.as_array().unwrap().iter().map(|system| &system["name"]).collect();
    assert_eq!(names, ["popularity", "item_knn", "sasrec"]);

    for bad in ["vectors.npz", "run/config.toml", "nowhere/vectors.safetensors"] {
        let message = desk.refused(&["baseline", "--run-dir", "run", "--export-embeddings", bad]);
        assert!(message.contains(bad), "{message}");
    }
    let export = ["--export-embeddings", "sasrec.safetensors"];
    assert_eq!(json(&[&["baseline"], &export[..]].concat())["systems"], *baselines);
    desk.refused(&[&["baseline"], &folder[..2], &export].concat());

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
    // a beam width above the number of items
    assert_eq!(checks[1]["top_10_found"], 1.0, "{checks}");
    let illegal = checks[0]["illegal_without_trie"].as_f64().unwrap();
    assert!((0.0..=1.0).contains(&illegal), "{checks}");
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
    let sizes = ["--group-size", "2,4", "--layers", "1", "--legality", "20"];
    let json = desk.done(&[&small[..], &sizes, &["--quiet", "--json"]].concat());
    let report: Value = serde_json::from_str(&json).unwrap();
    let parts = report["measurements"].as_array().unwrap();
    let names: Vec<&str> = parts.iter().map(|part| part["name"].as_str().unwrap()).collect();
    assert_eq!(names[..3], ["trie build", "trie look-up", "tokenizer"]);
    assert_eq!(names.len(), 5 + 2 * 9);
    assert_eq!(names.last(), Some(&"checkpoint"));
    assert!(parts.iter().all(|part| part["seconds"].as_f64().unwrap() > 0.0));
    let ratios = report["ratios"].as_array().unwrap();
    assert_eq!(ratios.len(), 2 * 5);
    assert_eq!(report["settings"]["model"]["num_hidden_layers"], 1);
    // a supervised step, and steps of two signals for each group size
    let shares = report["checkpoints"].as_array().unwrap();
    assert_eq!(shares.len(), 1 + 2 * 2);
    for share in shares {
        assert!(share["every_steps"] == 100 && share["share"].as_f64().unwrap() > 0.0, "{share}");
    }
    assert!(report["settings"]["trie_bytes"].as_u64().unwrap() > 60 * 4);
    assert_eq!(report["legality"]["illegal"], 0);
    assert!(report["legality"]["completions"].as_u64().unwrap() >= 20);
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
        &["--layers", "0"],
        &["--legality", "-1"],
    ] {
        desk.refused(&[&small[..8], arguments].concat());
    }
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
    // with the signals stands their control
    let signals = ["grpo", "rere", "recast", "supervised"];
    assert_eq!(names, [&["popularity", "item_knn", "sft"], &signals[..], &["oracle"]].concat());
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

#[test]
fn a_reader_that_leaves_early_is_no_fault() {
    let desk = Desk::new();
    let mut child =
        desk.command(&["devices"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(!text(&output.stderr).contains("panicked"), "{}", text(&output.stderr));
}

#[test]
fn a_decoder_of_items_goes_through_every_phase_and_resumes_to_equal_figures() {
    let desk = Desk::new();
    desk.write("items.jsonl", titles());
    let items = [
        "--interactions",
        "log.csv",
        "--items",
        "items.jsonl",
        "--set",
        "model.input=items",
        "--set",
        "sft.normalise=trie",
        "--set",
        "sft.item_loss=0.5",
        "--quiet",
    ];
    let run = |dir: &str| [&["run", "--run-dir", dir], &SMALL[..], &items].concat().join("\n");
    desk.done(&run("run").split('\n').collect::<Vec<_>>());
    let whole = Summary::load(&desk.path("run")).unwrap();
    let state = fs::read_to_string(desk.path("run/sft/state.json")).unwrap();
    let state: Value = serde_json::from_str(&state).unwrap();
    assert!(state["item_weight"].as_f64().unwrap() >= 0.0);

    // the phases one by one, from the folder alone
    desk.done(&[&["prepare", "--run-dir", "parts"], &SMALL[..], &items].concat());
    for phase in [&["tokenize"][..], &["sft"], &["rl"], &["eval"]] {
        desk.done(&[phase, &["--run-dir", "parts", "--quiet"]].concat());
    }
    let parts = Summary::load(&desk.path("parts")).unwrap();
    assert_eq!(parts.systems, whole.systems);

    let user = ["recommend", "--run-dir", "run", "--user", "u3", "--top-k", "4"];
    assert_eq!(desk.done(&user).lines().count(), 4);
    let check =
        ["eval", "--run-dir", "run", "--check-search", "5", "--beam-widths", "64", "--json"];
    let found: Value = serde_json::from_str(&desk.done(&check)).unwrap();
    assert_eq!(found[0]["top_1_found"], 1.0, "{found}");
}
