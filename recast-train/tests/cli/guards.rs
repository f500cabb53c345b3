//! Training that diverges, and training that learns nothing.

use std::fs;

use recast_train::Error;
use recast_train::event::{Event, Monitor};
use recast_train::report::Summary;
use recast_train::run::Run;
use serde_json::Value;

use crate::run_folder::{set, short, until};
use crate::{Desk, text};

#[test]
fn training_that_diverges_names_the_place_and_goes_on_from_its_checkpoint_to_equal_figures() {
    let desk = Desk::new();
    let [whole, dir] = ["whole", "run"].map(|name| desk.path(name));
    let expected = Run::create(Some(&whole), short(), Monitor::silent()).unwrap().all().unwrap();
    let stop = until(|event| matches!(event, Event::Validation(_)));
    Run::create(Some(&dir), short(), stop).unwrap().all().unwrap_err();
    let before = fs::read(dir.join("sft/best.bpk")).unwrap();

    let huge = set("sft.learning_rate", "1e30");
    let fault = Run::open(&dir, &huge, Monitor::silent()).unwrap().all().unwrap_err();
    let Error::NotFinite { phase, step, batch, tensor, .. } = &fault else { panic!("{fault}") };
    assert!(phase == "sft" && *step > 0 && *batch > 0, "{fault}");
    let kinds = ["weight ", "gradient "];
    assert!(kinds.iter().any(|kind| tensor.starts_with(kind)), "{fault}");
    assert!(fault.to_string().contains("the last checkpoint is as it was"), "{fault}");
    assert_eq!(fs::read(dir.join("sft/best.bpk")).unwrap(), before);

    let found = Run::open(&dir, &[], Monitor::silent()).unwrap().all().unwrap();
    assert_eq!(found.systems, expected.systems);
}

#[test]
fn training_without_a_signal_says_so_in_events_summary_and_table() {
    let desk = Desk::new();
    // a decoder that learnt nothing finds two of 120 items: hardly any group has a hit
    let output = desk.recast(&[
        "run",
        "--preset",
        "smoke",
        "--threads",
        "1",
        "--run-dir",
        "run",
        "--set",
        "sft.epochs=1",
        "--set",
        "sft.learning_rate=1e-9",
        "--set",
        "rl.signals=[\"grpo\"]",
        "--set",
        "rl.rollout=gumbel",
        "--set",
        "rl.group_size=2",
        "--set",
        "rl.steps=22",
        "--set",
        "rl.evaluate_every=22",
    ]);
    let said = text(&output.stderr);
    assert!(output.status.success(), "{said}");
    let start = "warning: rl grpo: more than 90% of the groups had no gradient in each of 20 steps";
    // once while it happens, once above the table
    assert_eq!(said.lines().filter(|line| line.contains(start)).count(), 2, "{said}");
    let events = fs::read_to_string(desk.path("run/events.jsonl")).unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let warnings: Vec<Value> = events.filter(|event| event["event"] == "warning").collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    assert_eq!(warnings[0]["phase"], "rl grpo");
    assert!(warnings[0]["text"].as_str().unwrap().contains("rl.group_size"), "{warnings:?}");
    let summary = Summary::load(&desk.path("run")).unwrap();
    let told = |warning: &String| format!("warning: {warning}").starts_with(start);
    assert!(summary.warnings.iter().any(told), "{:?}", summary.warnings);
}

#[cfg(target_os = "linux")]
#[test]
fn a_model_that_no_machine_holds_is_refused_before_it_is_made() {
    let desk = Desk::new();
    let prepare = ["prepare", "--quiet", "--preset", "smoke", "--run-dir", "run"];
    let wide = ["--set", "model.hidden_size=65536", "--set", "model.num_hidden_layers=4096"];
    desk.done(&[&prepare[..], &wide].concat());
    desk.done(&["tokenize", "--run-dir", "run", "--quiet"]);
    let message = desk.refused(&["sft", "--run-dir", "run"]);
    assert!(message.contains("sft: weights, gradients and optimiser take about "), "{message}");
    assert!(message.contains("take a smaller model"), "{message}");
}
