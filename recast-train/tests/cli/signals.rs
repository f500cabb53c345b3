//! Every signal through the program: trained, resumed, refused.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use recast_train::Error;
use recast_train::event::Event;
use recast_train::run::Run;
use recast_train::train::SignalName;
use serde_json::Value;

use crate::Desk;
use crate::run_folder::until;

/// A small catalogue, supervised training until some groups are mixed, two steps.
const SHORT: [&str; 14] = [
    "--preset",
    "smoke",
    "--quiet",
    "--set",
    "data.synthetic.users=300",
    "--set",
    "sft.epochs=4",
    "--set",
    "rl.steps=2",
    "--set",
    "rl.evaluate_every=1",
    "--set",
    "rl.prompts_per_step=8",
    "--threads=1",
];

fn steps(run_dir: &Path) -> Vec<Value> {
    let events = fs::read_to_string(run_dir.join("events.jsonl")).unwrap();
    let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    events.filter(|event| event["event"] == "rl_step").collect()
}

/// Trains with settings of `[rl]`; returns the steps of the run.
fn trained(desk: &Desk, run_dir: &str, settings: &[&str]) -> Vec<Value> {
    let set: Vec<String> = settings.iter().map(|setting| format!("--set=rl.{setting}")).collect();
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    desk.done(&[&["run", "--run-dir", run_dir], &SHORT[..], &set].concat());
    steps(&desk.path(run_dir))
}

fn number(step: &Value, path: &str) -> f64 {
    step.pointer(path).and_then(Value::as_f64).unwrap()
}

#[test]
fn every_signal_is_trained_and_judged() {
    let desk = Desk::new();
    let names = SignalName::ALL.map(|name| format!("\"{name}\"")).join(",");
    let steps = trained(&desk, "run", &[&format!("signals=[{names}]")]);
    assert_eq!(steps.len(), 2 * SignalName::ALL.len());
    for step in &steps {
        assert!(number(step, "/gradient_norm") > 0.0, "no gradient: {step}");
        assert!(number(step, "/groups/trained") > 0.0, "nothing is trained on: {step}");
        assert!(number(step, "/loss").is_finite(), "{step}");
    }
    let summary = fs::read_to_string(desk.path("run/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    for name in SignalName::ALL {
        let systems = summary["systems"].as_array().unwrap();
        assert!(systems.iter().any(|system| system["name"] == name.key()), "{name}");
    }
}

#[test]
fn a_trained_signal_recommends_and_an_unknown_one_names_all() {
    let desk = Desk::new();
    trained(&desk, "run", &["signals=[\"gspo\"]"]);
    let recommend = ["recommend", "--run-dir", "run", "--user", "u1", "--system", "gspo"];
    let unknown = ["rl", "--run-dir", "run", "--signal", "grppo"];
    for message in [
        desk.refused(&unknown),
        desk.refused(&["run", "--preset", "smoke", "--set", "rl.signals=[\"grppo\"]"]),
    ] {
        assert!(SignalName::ALL.iter().all(|name| message.contains(name.key())), "{message}");
    }
    // a synthetic user has a number
    let users = fs::read_to_string(desk.path("run/data/sequences.jsonl")).unwrap();
    assert!(!users.is_empty());
    let output = desk.recast(&recommend);
    let known =
        output.status.success() || String::from_utf8_lossy(&output.stderr).contains("no user 'u1'");
    assert!(known, "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn dapo_takes_further_prompts_for_groups_that_are_not_mixed_and_counts_them() {
    let desk = Desk::new();
    let dapo = |run_dir: &str, rollouts: usize| {
        let limit = format!("dapo.max_rollouts={rollouts}");
        let steps = trained(&desk, run_dir, &["signals=[\"dapo\"]", &limit]);
        let last = steps.last().unwrap().clone();
        let of = |key: &str| number(&last, &format!("/groups/{key}"));
        (of("generated"), of("trained"), of("skipped_no_positive") + of("skipped_no_negative"))
    };
    let (generated, trained, skipped) = dapo("once", 1);
    // 2 steps of 8 groups of 8
    assert_eq!((generated as u64, (trained / 8.0 + skipped) as u64), (128, 16));
    let (more_generated, more_trained, more_skipped) = dapo("often", 50);
    assert!(more_generated > generated && more_trained > trained, "{more_generated}");
    assert_eq!((more_trained / 8.0 + more_skipped) as u64, more_generated as u64 / 8);
    // with up to 50 rollouts every step has its 8 mixed groups
    assert_eq!(more_trained as u64, 128);
}

#[test]
fn a_gate_holds_repair_back() {
    let desk = Desk::new();
    let repaired = |run_dir: &str, settings: &[&str]| {
        let steps = trained(&desk, run_dir, &[&["signals=[\"recast\"]"], settings].concat());
        number(steps.last().unwrap(), "/groups/repaired") as u64
    };
    let always = repaired("always", &[]);
    assert!(always > 0);
    assert_eq!(repaired("never", &["recast.repair=never"]), 0);
    // the switch of earlier run folders
    assert_eq!(repaired("off", &["recast.repair=false"]), 0);
    assert_eq!(repaired("on", &["recast.repair=true"]), always);
    // a threshold of 0 always repairs, a threshold of 1 only while every group was all-zero
    let gated = ["recast.repair=gated", "recast.repair_threshold=0"];
    assert_eq!(repaired("open", &gated), always);
    let closed = repaired("closed", &["recast.repair=gated", "recast.repair_threshold=1"]);
    assert!(closed < always, "{closed} {always}");
    let sure = ["recast.repair=confident", "recast.repair_tau=0"];
    assert_eq!(repaired("sure", &sure), 0);
    let unsure = ["recast.repair=confident", "recast.repair_tau=1"];
    assert_eq!(repaired("unsure", &unsure), always);
}

#[test]
fn rere_has_the_flags_of_its_authors() {
    let desk = Desk::new();
    let rere = |run_dir: &str, settings: &[&str]| {
        let steps = trained(&desk, run_dir, &[&["signals=[\"rere\"]"], settings].concat());
        steps.last().unwrap().clone()
    };
    let plain = rere("plain", &[]);
    assert_eq!(number(&plain, "/groups/generated") as u64, 128);
    let dynamic = rere("dynamic", &["rere.dynamic_sampling=true"]);
    assert_eq!(number(&dynamic, "/groups/generated") as u64, 192);
    assert_eq!(number(&dynamic, "/groups/trained") as u64, 128);
    let anchored = rere("anchored", &["rere.add_gt=true"]);
    assert_eq!(number(&anchored, "/groups/repaired") as u64, 16);
    let large = rere("large", &["rere.group_size=16"]);
    assert_eq!(number(&large, "/groups/generated") as u64, 256);
    // a reference that follows the policy lowers the penalty
    let synced = ["rere.sync_reference_every=1", "rere.sync_reference_mix=1.0"];
    let synced = rere("synced", &[&synced[..], &["learning_rate=0.01"]].concat());
    let apart = rere("apart", &["learning_rate=0.01"]);
    assert!(number(&synced, "/kl") < number(&apart, "/kl"), "{synced} {apart}");
}

#[test]
fn supervised_training_goes_on_without_a_rollout() {
    let desk = Desk::new();
    let signals = "signals=[\"supervised\",\"grpo\"]";
    let steps = trained(&desk, "run", &[signals, "groups_per_minibatch=4"]);
    let last = |name: &str| steps.iter().rfind(|step| step["signal"] == name).unwrap().clone();
    let supervised = last("supervised");
    let of = |key: &str| number(&supervised, &format!("/groups/{key}")) as u64;
    // 2 steps of 8 prompts: each target once, and no group of completions
    for (key, expected) in [("without_rollout", 16), ("with_signal", 16), ("trained", 16)] {
        assert_eq!(of(key), expected, "{key}");
    }
    for key in ["generated", "all_zero", "single_hit", "multi_hit", "all_hit", "repaired"] {
        assert_eq!(of(key), 0, "{key}");
    }
    for path in ["/kl", "/clip_fraction", "/seconds/generate", "/mean_reward"] {
        assert_eq!(number(&supervised, path).to_bits(), 0.0_f64.to_bits(), "{path}");
    }
    assert!(number(&supervised, "/gradient_norm") > 0.0);
    // GRPO learns from mixed groups alone
    let grpo = last("grpo");
    let of = |key: &str| number(&grpo, &format!("/groups/{key}")) as u64;
    assert_eq!(of("with_signal"), of("single_hit") + of("multi_hit"));
    let summary = fs::read_to_string(desk.path("run/summary.json")).unwrap();
    let summary: Value = serde_json::from_str(&summary).unwrap();
    assert_eq!(number(&summary, "/groups/supervised/with_signal").to_bits(), 1.0_f64.to_bits());
    let judged = String::from_utf8(desk.recast(&["eval", "--run-dir", "run"]).stderr).unwrap();
    let row = judged.lines().find(|line| line.starts_with("supervised")).unwrap();
    assert!(judged.contains("with signal") && row.contains("100.0%"), "{judged}");
}

#[test]
fn the_settings_of_the_negative_change_what_is_trained() {
    let desk = Desk::new();
    let groups = |run_dir: &str, settings: &[&str]| {
        let steps = trained(&desk, run_dir, &[&["signals=[\"recast\"]"], settings].concat());
        let last = steps.last().unwrap();
        let of = |key: &str| number(last, &format!("/groups/{key}")) as u64;
        (of("trained"), of("with_signal"), number(last, "/gradient_norm"))
    };
    let pairs = groups("pairs", &[]);
    assert_eq!(pairs.0, 2 * pairs.1);
    let alone = groups("alone", &["recast.negative_weight=0"]);
    assert_eq!((alone.0, alone.1), (pairs.1, pairs.1));
    let close = groups("close", &["recast.negative=shared_prefix"]);
    assert!(alone.0 <= close.0 && close.0 < pairs.0, "{close:?} {pairs:?}");
    let uniform = ["recast.negative_choice=uniform"];
    let first = groups("uniform", &uniform);
    assert_eq!((first.0, first.1), (pairs.0, pairs.1));
    assert!((first.2 - pairs.2).abs() > 0.0, "another negative has another gradient");
    assert_eq!(groups("uniform-again", &uniform), first);
    // a tight margin takes the gradient of negatives away
    let bounded = ["recast.negative_margin=1e-6", "learning_rate=0.01"];
    let free = groups("free", &["learning_rate=0.01"]);
    assert!((groups("bounded", &bounded).2 - free.2).abs() > 0.0);
}

#[test]
fn sampled_groups_are_trained_on_and_depend_on_the_seed_alone() {
    let desk = Desk::new();
    for rollout in ["sample", "gumbel"] {
        let settings = [
            "signals=[\"recast\",\"grpo\"]",
            &format!("rollout={rollout}"),
            "temperature=1.5",
            "targets=3",
        ];
        let without_times = |run_dir: &str| {
            let mut steps = trained(&desk, run_dir, &settings);
            for step in &mut steps {
                let fields = step.as_object_mut().unwrap();
                // a line's checksum is that of its seconds too
                fields.retain(|name, _| !["seconds", "crc32c"].contains(&&name[..]));
            }
            steps
        };
        let first = without_times(&format!("{rollout}-1"));
        assert!(number(first.last().unwrap(), "/groups/trained") > 0.0);
        assert_eq!(first, without_times(&format!("{rollout}-2")));
    }
}

#[test]
fn an_interrupted_state_goes_on_to_equal_steps() {
    let desk = Desk::new();
    // resuming reads the averages and the further prompts of the checkpoint: a run resumed after
    // its first step equals an uninterrupted run
    let settings = [
        "signals=[\"recast\",\"dapo\",\"rere\"]",
        "recast.repair=gated",
        "rere.sync_reference_every=1",
        "steps=4",
    ];
    let whole = trained(&desk, "whole", &settings);
    let set: Vec<String> = settings.iter().map(|setting| format!("--set=rl.{setting}")).collect();
    let set: Vec<&str> = set.iter().map(String::as_str).collect();
    desk.done(&[&["prepare", "--run-dir", "parts"], &SHORT[..], &set].concat());
    desk.done(&["tokenize", "--run-dir", "parts", "--quiet"]);
    desk.done(&["sft", "--run-dir", "parts", "--quiet"]);
    for signal in [SignalName::Recast, SignalName::Dapo, SignalName::Rere] {
        // the run stops after the evaluation of its second step
        let stop = until(|event| matches!(event, Event::RlStep(step) if step.step == 2));
        let run = Run::open(&desk.path("parts"), &[], stop).unwrap();
        let tokenized = run.tokenized().unwrap();
        let start = run.supervised(&tokenized).unwrap();
        let stopped = run.rl(&tokenized, &start, signal).unwrap_err();
        assert!(matches!(stopped, Error::Interrupted { .. }), "{stopped}");
        drop(run);
        desk.done(&["rl", "--run-dir", "parts", "--quiet", "--signal", signal.key()]);
    }
    // a step after the last checkpoint is done again, and its later event counts
    let of = |steps: &[Value], name: &str| -> Vec<Value> {
        let of_signal = steps.iter().filter(|step| step["signal"] == name);
        let by_step: BTreeMap<u64, Value> =
            of_signal.map(|it| (it["step"].as_u64().unwrap(), it["groups"].clone())).collect();
        by_step.into_values().collect()
    };
    let parts = steps(&desk.path("parts"));
    for name in ["recast", "dapo", "rere"] {
        let (whole, parts) = (of(&whole, name), of(&parts, name));
        assert_eq!((whole.len(), parts.len()), (4, 4), "{name}");
        assert_eq!(whole, parts, "{name}");
    }
}

#[test]
fn a_bad_value_names_its_key() {
    let desk = Desk::new();
    for (setting, expected) in [
        ("rl.rollout=beams", "beam"),
        ("rl.temperature=-1", "'rl.temperature'"),
        ("rl.top_k=3", "'rl.top_k'"),
        ("rl.top_p=1.5", "'rl.top_p'"),
        ("rl.targets=0", "'rl.targets'"),
        ("rl.ratio_bound=triple", "dual"),
        ("rl.kl_estimator=k4", "k3"),
        ("rl.kl_value_limit=-1", "config key 'rl'"),
        ("rl.recast.repair=1", "always"),
        ("rl.recast.repair=sometimes", "gated"),
        ("rl.recast.anchor_target=last", "closest"),
        ("rl.recast.anchor_ratio=fixed", "detached"),
        ("rl.recast.normaliser=all", "kept"),
        ("rl.recast.negative=never", "shared_prefix"),
        ("rl.recast.negative_choice=easiest", "uniform"),
        ("rl.recast.negative_weight=-1", "'rl.recast.negative_weight'"),
        ("rl.recast.negative_margin=-1", "'rl.recast.negative_margin'"),
        ("rl.grpo.add_gt=1", "add_gt"),
        ("rl.grpo.scale=none", "batch"),
        ("rl.rere.sync_reference_mix=2", "'rl.rere.sync_reference_mix'"),
        ("rl.dapo.max_rollouts=0", "'rl.dapo.max_rollouts'"),
        ("rl.overrides.gspo.clip_low=3", "gspo"),
        ("rl.overrides.grppo.clip_low=0.1", "gspo"),
    ] {
        let message = desk.refused(&["run", "--preset", "smoke", "--set", setting]);
        assert!(message.contains(expected), "{setting}: {message}");
    }
}
