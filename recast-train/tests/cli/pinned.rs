//! Values that equal seeds must repeat: random streams, the synthetic log, a small run.
//!
//! The files of `tests/pins` hold these values. A change of a value is value-breaking: the
//! changelog must name the change, and this command writes the files anew:
//!
//! ```text
//! RECAST_WRITE_PINS=1 cargo test --release -p recast-train --test cli pinned
//! ```

use std::fs;
use std::path::PathBuf;

use rand::Rng;
use recast_train::random::{Purpose, stream};
use recast_train::storage::checksum;
use serde_json::{Map, Value, json};

use crate::Desk;

/// The largest distance of a loss, a norm or a divergence from its pin.
///
/// The order of sums differs with the vectors of the CPU and with its kernels. The devices `cpu`
/// and `ndarray` differ by 2e-6 in these runs, and so do AVX2 and AVX-512.
const SUMS: f64 = 1e-4;

/// The number of groups, or of prompts among 600, that may change sides.
///
/// Two beams with log-probs within rounding may change places; in trials none did.
const SIDES: f64 = 2.0;

fn pin(name: &str) -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/pins").join(name)
}

/// Compares by `holds`, or writes the pin anew on request.
fn assert_pinned(name: &str, found: &Value, holds: impl Fn(&Value, &Value) -> Option<String>) {
    if std::env::var_os("RECAST_WRITE_PINS").is_some() {
        fs::create_dir_all(pin("")).unwrap();
        fs::write(pin(name), format!("{found:#}\n")).unwrap();
        return;
    }
    let pinned: Value = serde_json::from_str(&fs::read_to_string(pin(name)).unwrap()).unwrap();
    if let Some(difference) = holds(&pinned, found) {
        panic!(
            "Value-breaking: tests/pins/{name}: {difference}. Equal seeds give other values now: say so in the \
             changelog and write the pins anew, or find the cause."
        );
    }
}

/// The first difference of two values; numbers are equal within their key's tolerance.
fn difference(path: &str, pinned: &Value, found: &Value) -> Option<String> {
    match (pinned, found) {
        (Value::Object(a), Value::Object(b)) => a.iter().find_map(|(key, value)| {
            difference(&format!("{path}.{key}"), value, b.get(key).unwrap_or(&Value::Null))
        }),
        (Value::Array(a), Value::Array(b)) if a.len() == b.len() => a
            .iter()
            .zip(b)
            .enumerate()
            .find_map(|(i, (a, b))| difference(&format!("{path}[{i}]"), a, b)),
        (Value::Number(a), Value::Number(b)) => {
            let (a, b) = (a.as_f64().unwrap(), b.as_f64().unwrap());
            let allowed = match path.rsplit('.').next().unwrap_or(path) {
                "loss" | "gradient_norm" | "kl" => SUMS * a.abs().max(1.0),
                "mean_reward" => SIDES / 256.0,
                "pass_at_1" | "recall_at_10" | "ndcg_at_10" => SIDES / 200.0,
                "all_zero" | "single_hit" | "repaired" => SIDES,
                _ => 0.0,
            };
            ((a - b).abs() > allowed).then(|| format!("{path} was {a}, is {b}"))
        }
        (a, b) => (a != b).then(|| format!("{path} was {a}, is {b}")),
    }
}

#[test]
fn every_random_stream_begins_as_it_did() {
    let draws = |purpose| {
        let first = |seed, index| {
            let mut rng = stream(seed, purpose, index);
            // as text, since JSON readers round numbers of 64 bits
            (0..4).map(|_| format!("{:016x}", rng.next_u64())).collect::<Vec<String>>()
        };
        json!({ "seed 1, index 0": first(1, 0), "seed 7, index 3": first(7, 3) })
    };
    let streams: Map<String, Value> =
        Purpose::ALL.into_iter().map(|purpose| (format!("{purpose:?}"), draws(purpose))).collect();
    let both_ways = |a: &Value, b: &Value| {
        // a stream without a pin is a difference too
        difference("streams", a, b).or_else(|| difference("streams, not pinned:", b, a))
    };
    assert_pinned("streams.json", &Value::Object(streams), both_ways);
}

#[test]
fn a_small_run_goes_as_it_did() {
    let desk = Desk::new();
    desk.done(&["run", "--preset", "smoke", "--run-dir", "run", "--quiet"]);
    let events = fs::read_to_string(desk.path("run/events.jsonl")).unwrap();
    let steps: Vec<Value> = events
        .lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .filter_map(|event: Value| {
            let keys: &[&str] = match event["event"].as_str().unwrap() {
                "sft_epoch" => &["epoch", "loss", "gradient_norm"],
                "rl_step" => {
                    &["signal", "step", "loss", "gradient_norm", "kl", "mean_reward", "groups"]
                }
                "validation" => &["phase", "step", "pass_at_1", "recall_at_10", "ndcg_at_10"],
                _ => return None,
            };
            let kept = keys.iter().map(|&key| (key.to_owned(), event[key].clone()));
            Some(Value::Object(kept.collect()))
        })
        .collect();
    let found = json!({
        "the synthetic log": checksum(&desk.path("run/data/sequences.jsonl")).unwrap(),
        "steps": steps,
    });
    assert_pinned("smoke.json", &found, |a, b| difference("smoke", a, b));
}

#[test]
fn a_pin_tells_what_has_changed() {
    let pinned = json!({ "loss": 1.0, "step": 3, "signal": "grpo" });
    for (found, expected) in [
        (json!({ "loss": 1.00005, "step": 3, "signal": "grpo", "more": 1 }), None),
        (json!({ "loss": 1.01, "step": 3, "signal": "grpo" }), Some(".loss was 1, is 1.01")),
        (json!({ "loss": 1.0, "step": 4, "signal": "grpo" }), Some(".step was 3, is 4")),
        (json!({ "loss": 1.0, "step": 3 }), Some(".signal was \"grpo\", is null")),
    ] {
        assert_eq!(difference("", &pinned, &found).as_deref(), expected);
    }
}
