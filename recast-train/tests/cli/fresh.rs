//! Fresh prompts: the newer part of training is left to reinforcement learning.

use std::fs;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use recast_train::config::{Config, Preset};
use recast_train::data::{FreshReport, Histories};
use recast_train::event::{Event, Listener, Message, Monitor};
use recast_train::report::Summary;
use recast_train::run::Run;
use recast_train::train::{Keep, Prompts, RlPrompt, RlState, SftState};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{Desk, SMALL};

/// One pass over fresh prompts, judged after its last step.
const FRESH: [&str; 6] =
    ["--set", "rl.prompts=fresh", "--set", "rl.steps=0", "--set", "rl.keep=last"];

/// Little training, with one signal.
const SHORT: [&str; 6] = [
    "--set",
    "sft.epochs=1",
    "--set",
    "rl.signals=[\"recast\"]",
    "--set",
    "rl.validation_prompts=50",
];

impl Desk {
    fn state<S: DeserializeOwned>(&self, stage: &str) -> S {
        let text = fs::read_to_string(self.path("run").join(stage).join("state.json")).unwrap();
        serde_json::from_str(&text).unwrap()
    }
}

/// The items of sequences that predict something; none is longer than a window.
fn items_of(histories: &Histories) -> usize {
    histories.iter().map(<[u32]>::len).filter(|&length| length > 1).sum()
}

#[test]
fn a_run_trains_on_the_older_part_passes_once_over_fresh_prompts_and_judges_the_last_decoder() {
    let desk = Desk::new();
    desk.done(&[&["run", "--run-dir", "run", "--quiet"][..], &SMALL, &FRESH, &SHORT].concat());
    let run = Run::open_shared(&desk.path("run"), &[], Monitor::silent()).unwrap();
    let (split, older) = (&run.prepared().split, run.prepared().supervised());
    for (all, older) in split.train.iter().zip(older.iter()) {
        assert_eq!(older, &all[..all.len() - 1]);
    }
    let prompts = RlPrompt::fresh(&split.train, older).len();
    let report = run.prepared().report.fresh.unwrap();
    assert_eq!((report.prompts, report.fresh), (prompts, split.train.len()));
    assert_eq!(report.older, older.flat.len());

    let sft: SftState = desk.state("sft");
    assert_eq!(sft.items_seen, items_of(older) as u64);
    let steps = prompts.div_ceil(run.config().rl.prompts_per_step);
    let rl: RlState = desk.state("rl-recast");
    assert!(rl.finished && rl.step == steps && steps > 1, "{rl:?}");
    let groups = rl.groups.all_zero + rl.groups.single_hit + rl.groups.multi_hit;
    assert_eq!(groups + rl.groups.all_hit, (steps * run.config().rl.prompts_per_step) as u64);

    let last = desk.path(&format!("run/rl-recast/step-{steps:06}/decoder.bpk"));
    assert_eq!(fs::read(desk.path("run/rl-recast/best.bpk")).unwrap(), fs::read(last).unwrap());
    let summary = Summary::load(&desk.path("run")).unwrap();
    assert_eq!((summary.fresh, summary.keep), (Some(report), Keep::Last));
    let group = &summary.groups["recast"];
    assert_eq!((group.best_step, group.best_pass_at_1), (rl.best_step, rl.best_pass_at_1));
    let of_ndcg = (group.best_ndcg_step, group.best_ndcg_at_10);
    assert_eq!(of_ndcg, (rl.best_ndcg_step, rl.best_ndcg_at_10));
    let table = summary.to_string();
    for line in [report.to_string(), "each signal is judged after its last step".to_owned()] {
        assert!(table.contains(&line), "{table}");
    }
    let events = fs::read_to_string(desk.path("run/events.jsonl")).unwrap();
    let best = events
        .lines()
        .map(|line| serde_json::from_str::<Value>(line).unwrap())
        .rfind(|event| event["event"] == "validation" && event["phase"] == "recast")
        .unwrap();
    assert_eq!(best["best_ndcg_at_10"].as_f64(), Some(rl.best_ndcg_at_10));
    assert_eq!(best["best_pass_at_1"].as_f64(), Some(rl.best_pass_at_1));
}

#[test]
fn fresh_prompts_leave_validation_test_and_training_sequences_as_they_are() {
    let desk = Desk::new();
    let prepared = |name: &str, change: fn(&mut Config)| {
        let mut config = Preset::Smoke.config();
        change(&mut config);
        Run::create(Some(&desk.path(name)), config, Monitor::silent()).unwrap()
    };
    let seen = prepared("seen", |_| {});
    let items = prepared("items", |config| {
        (config.rl.prompts, config.rl.fresh_items) = (Prompts::Fresh, 2);
    });
    let share = prepared("share", |config| {
        config.rl.prompts = Prompts::Fresh;
        (config.rl.fresh_items, config.rl.fresh_share) = (0, 0.2);
    });
    assert_eq!(seen.prepared().supervised(), &seen.prepared().split.train);
    assert_eq!(seen.prepared().report.fresh, None);
    for run in [&items, &share] {
        assert_eq!(run.prepared().split, seen.prepared().split);
        assert_ne!(run.prepared().supervised(), &seen.prepared().split.train);
    }
    let FreshReport { older, fresh, .. } = share.prepared().report.fresh.unwrap();
    assert!(fresh * 5 >= older + fresh, "{fresh} of {older} + {fresh}");
}

#[test]
fn an_interrupted_pass_over_fresh_prompts_resumes_to_equal_values() {
    let desk = Desk::new();
    let mut config = Preset::Smoke.config();
    config.sft.epochs = 1;
    config.rl.signals.truncate(1);
    (config.rl.prompts, config.rl.steps, config.rl.keep) = (Prompts::Fresh, 0, Keep::Last);
    config.rl.prompts_per_step = 100;
    config.rl.evaluate_every = 2;
    config.rl.validation_prompts = 50;
    let whole = Run::create(Some(&desk.path("whole")), config.clone(), Monitor::silent()).unwrap();
    let whole = whole.all().unwrap();

    let asked: Arc<AtomicBool> = Arc::default();
    let ask = Arc::clone(&asked);
    let listener = Listener::new(move |message| {
        if let Message::Event(Event::RlStep(step)) = message
            && step.step == 3
        {
            ask.store(true, Ordering::Relaxed);
        }
    });
    let dir = desk.path("run");
    Run::create(Some(&dir), config, Monitor::new(Some(listener), asked))
        .unwrap()
        .all()
        .unwrap_err();
    let resumed = Run::open(&dir, &[], Monitor::silent()).unwrap().all().unwrap();
    assert_eq!(resumed.systems, whole.systems);
    assert_eq!(resumed.groups["grpo"].counts, whole.groups["grpo"].counts);
    let losses = |run: &str, step: u64| -> Vec<f64> {
        let events = fs::read_to_string(desk.path(run).join("events.jsonl")).unwrap();
        let events = events.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
        let of_step = events.filter(|event| event["event"] == "rl_step" && event["step"] == step);
        of_step.map(|event| event["loss"].as_f64().unwrap()).collect()
    };
    // the third step was done, then done again from the checkpoint before it
    for (step, times) in [(1, 1), (3, 2), (6, 1)] {
        assert_eq!(losses("run", step), vec![losses("whole", step)[0]; times], "step {step}");
    }
}

#[test]
fn finished_work_on_seen_prompts_refuses_fresh_ones_by_the_key() {
    let desk = Desk::new();
    let own = ["--run-dir", "run", "--quiet"];
    let log = ["--interactions", "log.csv"];
    let prepare = [&["prepare"], &own[..], &SMALL, &SHORT, &log].concat();
    let seen = desk.done(&prepare);
    assert!(!seen.contains("fresh"), "{seen}");
    for phase in ["tokenize", "sft"] {
        desk.done(&[&[phase], &own[..]].concat());
    }
    let path = desk.path("run/config.toml");
    let kept = fs::read_to_string(&path).unwrap();
    // a rule alone changes nothing where the prompts are seen ones
    fs::write(&path, kept.replace("fresh_items = 1", "fresh_items = 2")).unwrap();
    desk.done(&[&["sft"], &own[..]].concat());
    fs::write(&path, kept.replace("prompts = \"seen\"", "prompts = \"fresh\"")).unwrap();
    let message = desk.refused(&[&["rl"], &own[..]].concat());
    let expected = "after sid, sft were made: rl.prompts \"seen\" -> \"fresh\"";
    assert!(message.contains(expected), "{message}");
}

#[test]
fn the_report_on_a_log_counts_fresh_prompts() {
    let desk = Desk::new();
    let prepare = |dir: &str, more: &[&str]| {
        let own = ["--interactions", "log.csv", "--set", "rl.prompts=fresh", "--run-dir", dir];
        desk.recast(&[&["prepare", "--json"], &own[..], &SMALL, more].concat())
    };
    let output = prepare("items", &[]);
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    // six interactions a user, two of them held out
    let expected = serde_json::json!({
        "older": 180, "fresh": 60, "prompts": 60, "too_short": 0, "without_history": 0,
    });
    assert_eq!(report["fresh"], expected);
    let told = crate::text(&output.stderr);
    let line = "reinforcement learning: 60 fresh prompts; supervised training sees the 180 older of 240 training \
                interactions";
    assert!(told.contains(line), "{told}");
    let share = ["--set", "rl.fresh_items=0", "--set", "rl.fresh_share=0.5"];
    let report: Value = serde_json::from_slice(&prepare("share", &share).stdout).unwrap();
    assert_eq!(
        (&report["fresh"]["older"], &report["fresh"]["prompts"]),
        (&120.into(), &120.into())
    );
    let rows = [&share[..], &["--set", "data.order=rows"]].concat();
    let told = crate::text(&prepare("rows", &rows).stderr);
    assert!(told.contains("warning: rl.fresh_share takes the order of rows as time"), "{told}");
}

#[test]
fn a_rule_of_fresh_prompts_that_leaves_a_part_empty_is_refused() {
    let desk = Desk::new();
    let run = ["run", "--interactions", "log.csv", "--set", "rl.prompts=fresh"];
    for (settings, expected) in [
        (
            &["rl.fresh_items=3"][..],
            "'rl.fresh_items': is 3, which leaves supervised training without a user of two older",
        ),
        (&["rl.fresh_items=0"], "'rl.fresh_items': is 0 beside rl.fresh_share = 0"),
        (&["rl.fresh_share=0.5"], "two rules; set one of both to 0"),
        (
            &["rl.fresh_items=0", "rl.fresh_share=0.0001"],
            "'rl.fresh_share': is 0.0001, which leaves reinforcement learning without a prompt",
        ),
        (&["rl.fresh_items=0", "rl.fresh_share=2"], "'rl.fresh_share': 2 is no share"),
    ] {
        let set: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        let message = desk.refused(&[&run[..], &SMALL, &set].concat());
        assert!(message.contains(expected), "{message}");
    }
}
