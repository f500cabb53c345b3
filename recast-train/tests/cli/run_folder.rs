//! Run folders whose settings change.

use std::fs;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use recast_train::Error;
use recast_train::config::{Config, Preset};
use recast_train::event::{Event, Listener, Message, Monitor};
use recast_train::report::Summary;
use recast_train::run::Run;

use crate::{Desk, SMALL};

/// Seconds of work, with two signals.
pub(crate) const SHORT: [&str; 6] =
    ["--set", "sft.epochs=1", "--set", "rl.steps=1", "--set", "rl.signals=[\"grpo\", \"recast\"]"];

impl Desk {
    /// Gives a key of a run's `config.toml` another value.
    pub(crate) fn edit(&self, run: &str, key: &str, value: impl Into<toml::Value>) {
        let path = self.path(run).join("config.toml");
        let mut config: toml::Table = fs::read_to_string(&path).unwrap().parse().unwrap();
        let (sections, name) = key.rsplit_once('.').unwrap_or(("", key));
        let mut table = &mut config;
        for section in sections.split('.').filter(|section| !section.is_empty()) {
            table = table.get_mut(section).unwrap().as_table_mut().unwrap();
        }
        table.insert(name.to_owned(), value.into());
        fs::write(&path, config.to_string()).unwrap();
    }

    pub(crate) fn finished_run(&self) -> String {
        self.done(&[&["run", "--run-dir", "run", "--quiet"], &SMALL[..], &SHORT].concat());
        fs::read_to_string(self.path("run/config.toml")).unwrap()
    }
}

#[test]
fn settings_that_changed_after_the_work_are_refused_with_keys_values_and_remedy() {
    let desk = Desk::new();
    let kept = desk.finished_run();
    let summary = fs::read(desk.path("run/summary.json")).unwrap();
    let cases: [(&str, toml::Value, &str, &str); 8] = [
        (
            "seed",
            2.into(),
            "after data, sid, sft, rl-grpo, rl-recast were made: seed 1 -> 2; set them back",
            "or start another run folder",
        ),
        (
            "data.prepare.min_user",
            9.into(),
            "after data, sid, sft, rl-grpo, rl-recast were made: data.prepare.min_user 5 -> 9",
            "or start another run folder",
        ),
        (
            "tokenizer.codes",
            17.into(),
            "after sid, sft, rl-grpo, rl-recast were made: tokenizer.codes 16 -> 17",
            "or remove the folders sid, sft, rl-grpo, rl-recast to make them again",
        ),
        (
            "model.dropout",
            0.25.into(),
            "after sft, rl-grpo, rl-recast were made: model.dropout 0.1 -> 0.25",
            "or remove the folders sft, rl-grpo, rl-recast to make them again",
        ),
        (
            "data.max_history",
            9.into(),
            "after sft, rl-grpo, rl-recast were made: data.max_history 20 -> 9",
            "or remove the folders sft,",
        ),
        (
            "sft.learning_rate",
            0.5.into(),
            "after sft, rl-grpo, rl-recast were made: sft.learning_rate 0.002 -> 0.5",
            "or remove the folders sft,",
        ),
        (
            "rl.steps",
            6.into(),
            "after rl-grpo, rl-recast were made: rl.steps 1 -> 6",
            "or remove the folders rl-grpo, rl-recast to make them again",
        ),
        (
            "rl.recast.weight",
            0.5.into(),
            "after rl-recast was made: rl.recast.weight 1.0 -> 0.5",
            "or remove the folder rl-recast to make it again",
        ),
    ];
    for (key, value, changed, remedy) in cases {
        desk.edit("run", key, value);
        let message = desk.refused(&["run", "--resume", "run"]);
        assert!(message.contains(&format!("run: its settings changed {changed}")), "{message}");
        assert!(message.contains(remedy), "{message}");
        assert_eq!(message.trim_end().lines().count(), 1, "{message}");
        desk.write("run/config.toml", &kept);
    }
    assert_eq!(fs::read(desk.path("run/summary.json")).unwrap(), summary);
    assert!(!desk.path("run/sasrec").exists());
}

#[test]
fn every_command_on_a_run_refuses_changed_settings() {
    let desk = Desk::new();
    desk.finished_run();
    desk.edit("run", "sft.epochs", 2);
    desk.edit("run", "rl.kl_coef", 0.5);
    for command in [
        &["run", "--resume", "run"][..],
        &["tokenize", "--run-dir", "run"],
        &["tokenize", "--run-dir", "run", "--report"],
        &["sft", "--run-dir", "run"],
        &["rl", "--run-dir", "run"],
        &["rl", "--run-dir", "run", "--signal", "dr_grpo"],
        &["eval", "--run-dir", "run"],
        &["baseline", "--run-dir", "run"],
        &["recommend", "--run-dir", "run", "--user", "u1"],
    ] {
        let message = desk.refused(command);
        let changes = "rl.kl_coef 0.001 -> 0.5";
        assert!(message.contains("sft.epochs 1 -> 2") && message.contains(changes), "{message}");
    }
}

#[test]
fn changes_that_no_finished_work_depends_on_are_taken() {
    let desk = Desk::new();
    desk.finished_run();
    let first = Summary::load(&desk.path("run")).unwrap();
    desk.edit("run", "threads", 2);
    desk.edit("run", "sft.micro_batch_tokens", 64);
    desk.edit("run", "rl.micro_batch_tokens", 64);
    desk.edit("run", "evaluate.mask_history", true);
    desk.edit("run", "sasrec.sft.epochs", 1);
    // a section of a signal that is not trained yet, then the signal itself
    desk.edit("run", "rl.rere.sync_reference_mix", 0.5);
    let signals = ["recast", "dr_grpo"].map(toml::Value::from).to_vec();
    desk.edit("run", "rl.signals", signals);
    desk.done(&["run", "--resume", "run", "--quiet"]);
    let second = Summary::load(&desk.path("run")).unwrap();
    let names = |summary: &Summary| -> Vec<String> {
        summary.systems.iter().map(|system| system.name.clone()).collect()
    };
    assert_eq!(names(&first)[2..5], ["sft", "grpo", "recast"]);
    assert_eq!(names(&second)[2..6], ["sft", "recast", "dr_grpo", "grpo"]);
    assert!(second.evaluate.mask_history && !first.evaluate.mask_history);

    // reinforcement learning has not begun: its steps are free
    let own = ["--run-dir", "other", "--quiet"];
    desk.done(&[&["prepare"], &own[..], &SMALL, &SHORT].concat());
    for phase in ["tokenize", "sft"] {
        desk.done(&[&[phase], &own[..]].concat());
    }
    desk.edit("other", "rl.steps", 2);
    desk.done(&["run", "--resume", "other", "--quiet"]);
    let summary = Summary::load(&desk.path("other")).unwrap();
    assert_eq!(summary.groups["recast"].counts.generated, 2 * first_step(&first));
}

/// The completions of one step.
fn first_step(summary: &Summary) -> u64 {
    summary.groups["recast"].counts.generated
}

#[test]
fn a_removed_folder_is_made_again_under_the_changed_settings() {
    let desk = Desk::new();
    desk.finished_run();
    let first = Summary::load(&desk.path("run")).unwrap();
    desk.edit("run", "rl.steps", 3);
    for folder in ["rl-grpo", "rl-recast"] {
        desk.refused(&["run", "--resume", "run"]);
        fs::remove_dir_all(desk.path("run").join(folder)).unwrap();
    }
    desk.done(&["run", "--resume", "run", "--quiet"]);
    let summary = Summary::load(&desk.path("run")).unwrap();
    assert_eq!(summary.groups["recast"].counts.generated, 3 * first_step(&first));
}

#[test]
fn a_folder_of_a_version_without_records_opens_without_complaint() {
    let desk = Desk::new();
    desk.finished_run();
    for folder in ["data", "sid", "sft", "rl-grpo", "rl-recast"] {
        fs::remove_file(desk.path("run").join(folder).join("settings.toml")).unwrap();
    }
    desk.edit("run", "rl.steps", 6);
    desk.done(&["run", "--resume", "run", "--quiet"]);
}

#[test]
fn another_run_in_the_folder_is_refused_with_the_differing_keys() {
    let desk = Desk::new();
    let create = [&["prepare", "--run-dir", "run"], &SMALL[..]].concat();
    desk.done(&create);
    for (setting, expected) in [
        ("seed=2", "other settings: seed 1 -> 2; name another"),
        ("data.min_rating=4.0", "other settings: data.min_rating unset -> 4.0; name another"),
        (
            "data.split={ global_time = { valid = 0.1, test = 0.1 } }",
            "other settings: data.split \"leave_one_out\" -> { global_time",
        ),
        ("rl.signals=[\"recast\"]", "-> [\"recast\"]; name another"),
        (
            "rl.signals=[\"grpo\", \"rere\", \"recast\", \"dr_grpo\", \"rloo\", \"dapo\", \"cispo\", \"opo\"]",
            "bytes) ...cispo\", \"opo\"]; name another",
        ),
    ] {
        let message = desk.refused(&[&create[..], &["--set", setting]].concat());
        assert!(message.contains(expected), "{message}");
    }
    let demo = desk.refused(&["run", "--run-dir", "run"]);
    assert!(demo.contains(" more; name another folder") && demo.len() < 1000, "{demo}");
}

#[test]
fn a_folder_of_data_that_changed_since_is_refused() {
    let desk = Desk::new();
    let log = fs::read_to_string(desk.path("log.csv")).unwrap();
    let create =
        [&["prepare", "--interactions", "log.csv", "--run-dir", "run"], &SMALL[..]].concat();
    desk.done(&create);
    desk.done(&create);
    let other = log.replace("i1,", "i2,");
    for (changed, expected) in [
        (other, "log.csv: has other content than the data of run; name another folder"),
        (format!("{log}u0,i0,99\n"), "log.csv: has other content than the data of run"),
    ] {
        desk.write("log.csv", changed);
        let message = desk.refused(&create);
        assert!(message.contains(expected), "{message}");
    }
    // the folder's own data go on, and a log that is gone tells nothing
    desk.done(&["tokenize", "--run-dir", "run", "--quiet"]);
    fs::remove_file(desk.path("log.csv")).unwrap();
    desk.done(&create);
    fs::create_dir(desk.path("log.csv")).unwrap();
    assert!(desk.refused(&create).contains("log.csv: is no file, and run holds data read before"));
}

/// The smoke preset, shorter, with its first signal alone and frequent checkpoints.
pub(crate) fn short() -> Config {
    let mut config = Preset::Smoke.config();
    config.sft.epochs = 4;
    config.sft.evaluate_every = 2;
    config.rl.steps = 4;
    config.rl.evaluate_every = 2;
    config.rl.signals.truncate(1);
    config
}

/// A monitor that asks a run to stop at the first event for which `last` is true.
pub(crate) fn until(last: impl Fn(&Event<'_>) -> bool + Send + Sync + 'static) -> Monitor {
    let asked: Arc<AtomicBool> = Arc::default();
    let ask = Arc::clone(&asked);
    let listener = Listener::new(move |message| {
        if let Message::Event(event) = message
            && last(event)
        {
            ask.store(true, Ordering::Relaxed);
        }
    });
    Monitor::new(Some(listener), asked)
}

pub(crate) fn set(key: &str, value: &str) -> [(String, String); 1] {
    [(key.to_owned(), value.to_owned())]
}

#[test]
fn an_unfinished_phase_takes_another_learning_rate_tells_it_and_takes_nothing_else() {
    let desk = Desk::new();
    let dir = desk.path("run");
    let stop = until(|event| matches!(event, Event::Validation(_)));
    let stopped = Run::create(Some(&dir), short(), stop).unwrap().all().unwrap_err();
    assert!(matches!(stopped, Error::Interrupted { .. }), "{stopped}");
    for (key, value) in [("sft.epochs", "5"), ("sft.warmup", "0.5"), ("sft.batch_tokens", "64")] {
        let fault = Run::open(&dir, &set(key, value), Monitor::silent()).unwrap_err();
        let Error::ChangedSettings { changes, parts, unfinished: true, .. } = &fault else {
            panic!("{fault}")
        };
        assert_eq!((&changes[0].key[..], &parts[..]), (key, &["sft".to_owned()][..]));
        let rule = "before a phase is finished, only its learning_rate may change";
        assert!(fault.to_string().ends_with(rule), "{fault}");
    }
    let lower = set("sft.learning_rate", "1e-3");
    let stop = until(|event| matches!(event, Event::RlStep(step) if step.step == 3));
    let stopped = Run::open(&dir, &lower, stop).unwrap().all().unwrap_err();
    assert!(matches!(stopped, Error::Interrupted { .. }), "{stopped}");

    // supervised training is finished now, under its second rate; the signal is not
    let fault = Run::open(&dir, &[], Monitor::silent()).unwrap_err();
    assert!(fault.to_string().contains("sft.learning_rate 0.001 -> 0.002"), "{fault}");
    let masked = set("evaluate.mask_history", "true");
    let both = [lower, set("rl.learning_rate", "1e-5"), masked].concat();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = Arc::clone(&heard);
    let listener = Listener::new(move |message| {
        if let Message::Line(line) = message {
            into.lock().unwrap().push((*line).to_owned());
        }
    });
    let monitor = Monitor::new(Some(listener), Arc::default());
    let summary = Run::open(&dir, &both, monitor).unwrap().all().unwrap();
    let warned = |from: &str| summary.warnings.iter().any(|warning| warning.starts_with(from));
    assert!(warned("sft changed sft.learning_rate 0.002 -> 0.001 after step "));
    let rate = "rl-grpo changed rl.learning_rate 0.00003 -> 0.00001 after step 2";
    assert!(warned(rate), "{:?}", summary.warnings);
    assert!(warned("rl-grpo changed evaluate.mask_history false -> true after step 2"));
    assert!(!warned("sft changed evaluate"), "{:?}", summary.warnings);
    assert!(heard.lock().unwrap().iter().any(|line| *line == format!("warning: {rate}")));
}

#[test]
fn a_phase_without_a_checkpoint_begins_under_the_settings_of_its_second_start() {
    let desk = Desk::new();
    let dir = desk.path("run");
    let stop = until(|event| matches!(event, Event::Epoch(_)));
    Run::create(Some(&dir), short(), stop).unwrap().all().unwrap_err();
    let shorter = set("sft.epochs", "1");
    let summary = Run::open(&dir, &shorter, Monitor::silent()).unwrap().all().unwrap();
    assert!(!summary.warnings.iter().any(|it| it.contains("changed")), "{:?}", summary.warnings);
    let fault = Run::open(&dir, &[], Monitor::silent()).unwrap_err();
    assert!(fault.to_string().contains("sft.epochs 1 -> 4"), "{fault}");
}
