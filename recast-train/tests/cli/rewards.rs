//! Weighted sums of named rewards and several targets, through the program.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{Desk, SMALL, text};

/// A table of the twelve items of [`Desk`], with the price of each.
fn prices() -> String {
    let mut table = "id,title,price\n".to_owned();
    for item in 0..12 {
        writeln!(table, "i{item},Tea number {item},{}", item as f32 / 2.0).unwrap();
    }
    table
}

fn rl_steps(run_dir: &Path) -> Vec<Value> {
    let events = fs::read_to_string(run_dir.join("events.jsonl")).unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == "rl_step").collect()
}

fn names(rewards: &Value) -> Vec<&str> {
    rewards.as_object().unwrap().keys().map(String::as_str).collect()
}

const ON_PRICED_LOG: [&str; 6] =
    ["--interactions", "log.csv", "--items", "prices.csv", "--run-dir", "run"];

#[test]
fn each_named_reward_is_logged_by_name_and_its_price_is_read_from_the_run_folder() {
    let desk = Desk::new();
    desk.write("prices.csv", prices());
    desk.write(
        "run.toml",
        "[rl]\nsignals = [\"recast\", \"grpo\"]\nsteps = 2\ntargets = 3\n\
         [rl.rewards]\nhit = 1\nprefix = 0.25\nvalue = { price = -0.5 }\n",
    );
    let configured = ["--config", "run.toml", "--set", "sft.epochs=1"];
    desk.done(&[&["run", "--quiet"], &SMALL[..], &ON_PRICED_LOG, &configured].concat());

    let items = fs::read_to_string(desk.path("run/data/items.jsonl")).unwrap();
    assert_eq!(items.lines().filter(|line| line.contains("\"price\":")).count(), 12);
    let steps = rl_steps(&desk.path("run"));
    assert_eq!(steps.len(), 4);
    for step in &steps {
        let rewards = &step["rewards"];
        assert_eq!(names(rewards), ["hit", "prefix", "value.price"]);
        let mean = |name: &str| rewards[name].as_f64().unwrap();
        let sum = mean("hit") + 0.25 * mean("prefix") - 0.5 * mean("value.price");
        let found = step["mean_reward"].as_f64().unwrap();
        // means of f32 in another order
        assert!((sum - found).abs() < 1e-5, "{step}");
        assert!(mean("value.price") > 0.0, "{step}");
    }
    // with three targets a group may hold several hits
    let groups = &steps.last().unwrap()["groups"];
    assert!(groups["multi_hit"].as_u64().unwrap() > 0, "{groups}");
    let summary = fs::read_to_string(desk.path("run/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    for signal in ["recast", "grpo"] {
        let rewards = &summary["groups"][signal]["rewards"];
        assert_eq!(names(rewards), ["hit", "prefix", "value.price"]);
    }
}

#[test]
fn the_hit_alone_is_logged_without_further_settings() {
    let desk = Desk::new();
    let few = ["--set", "sft.epochs=1", "--set", "rl.steps=1", "--set", "rl.signals=[\"grpo\"]"];
    desk.done(&[&["run", "--quiet", "--run-dir", "run"], &SMALL[..], &few].concat());
    let steps = rl_steps(&desk.path("run"));
    assert_eq!(names(&steps[0]["rewards"]), ["hit"]);
    assert_eq!(steps[0]["rewards"]["hit"], steps[0]["mean_reward"]);
}

#[test]
fn a_price_that_is_missing_stops_a_run_before_it_writes() {
    let desk = Desk::new();
    desk.write("prices.csv", prices().replace("i7,Tea number 7,3.5", "i7,Tea number 7,"));
    let run = [&["run", "--quiet"], &SMALL[..], &ON_PRICED_LOG].concat();
    let message = desk.refused(&[&run[..], &["--set", "rl.rewards.value.price=1"]].concat());
    assert!(message.contains("config key 'rl.rewards.value.price': 1 of 12 items"), "{message}");
    assert!(message.contains("'i7' is the first"), "{message}");
    let message = desk.refused(&[&run[..], &["--set", "rl.rewards.value.prize=1"]].concat());
    assert!(message.contains("under 'prize'; keys with numbers are price"), "{message}");
}

#[test]
fn a_priced_run_goes_on_from_its_folder_alone() {
    let desk = Desk::new();
    desk.write("prices.csv", prices());
    let few = ["--set", "sft.epochs=1", "--set", "rl.steps=1", "--set", "rl.signals=[\"grpo\"]"];
    let priced = ["--set", "rl.rewards.value.price=1"];
    desk.done(&[&["prepare", "--quiet"], &SMALL[..], &ON_PRICED_LOG, &few, &priced].concat());
    fs::remove_file(desk.path("prices.csv")).unwrap();
    let output = desk.recast(&["run", "--quiet", "--resume", "run"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert_eq!(names(&rl_steps(&desk.path("run"))[0]["rewards"]), ["hit", "value.price"]);
}
