//! The whole job through the library, without the program.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};

use recast_train::Error;
use recast_train::config::{Config, Preset};
use recast_train::event::{Event, Listener, Message, Monitor};
use recast_train::model::Input;
use recast_train::run::Run;
use serde_json::Value;

use crate::{Desk, files};

/// The smoke preset, shorter, with its first signal alone.
fn short() -> Config {
    let mut config = Preset::Smoke.config();
    config.sft.epochs = 2;
    config.rl.steps = 1;
    config.rl.signals.truncate(1);
    config
}

/// The kinds of the events in a run's log.
fn logged(run_dir: &Path) -> Vec<String> {
    let log = fs::read_to_string(run_dir.join("events.jsonl")).unwrap();
    let kind =
        |line| serde_json::from_str::<Value>(line).unwrap()["event"].as_str().map(str::to_owned);
    log.lines().filter_map(kind).collect()
}

#[test]
fn the_library_does_the_whole_job_and_tells_its_listener_what_it_logs() {
    let desk = Desk::new();
    let heard: Arc<Mutex<Vec<String>>> = Arc::default();
    let into = Arc::clone(&heard);
    let listener = Listener::new(move |message| {
        if let Message::Event(event) = message {
            into.lock().unwrap().push(event.kind().into_owned());
        }
    });
    let monitor = Monitor::new(Some(listener), Arc::default());
    let run = Run::create(Some(&desk.path("run")), short(), monitor).unwrap();
    let summary = run.all().unwrap();
    let names: Vec<&str> = summary.systems.iter().map(|system| &system.name[..]).collect();
    assert_eq!(names, ["popularity", "item_knn", "sft", "grpo", "oracle"]);
    let heard = heard.lock().unwrap();
    assert_eq!(*heard, logged(run.dir()));
    for kind in ["prepare", "tokenize", "sft_epoch", "validation", "rl_step", "phase", "test"] {
        assert!(heard.iter().any(|heard| heard == kind), "no {kind} among {heard:?}");
    }
}

#[test]
fn a_baseline_before_leaves_a_decoder_of_items_as_it_is() {
    let desk = Desk::new();
    let [alone, after] = [false, true].map(|with_baseline| {
        let mut config = short();
        config.model.input = Input::Items;
        (config.sasrec.sft.epochs, config.sasrec.sft.min_steps) = (1, 0);
        let dir = desk.path(&format!("run-{with_baseline}"));
        let run = Run::create(Some(&dir), config, Monitor::silent()).unwrap();
        if with_baseline {
            run.baseline().unwrap();
        }
        let systems = run.all().unwrap().systems;
        systems.into_iter().find(|system| system.name == "sft").unwrap()
    });
    assert_eq!(alone, after);
}

#[test]
fn a_listener_can_stop_a_run_that_then_goes_on() {
    let desk = Desk::new();
    let asked: Arc<AtomicBool> = Arc::default();
    let ask = Arc::clone(&asked);
    let listener = Listener::new(move |message| {
        if let Message::Event(Event::Epoch(_)) = message {
            ask.store(true, Ordering::Relaxed);
        }
    });
    let monitor = Monitor::new(Some(listener), asked);
    let dir = desk.path("run");
    let stopped = Run::create(Some(&dir), short(), monitor).unwrap().all().unwrap_err();
    let Error::Interrupted { run_dir } = &stopped else { panic!("{stopped}") };
    assert_eq!(run_dir.as_deref(), Some(&*dir));
    let summary = Run::open(&dir, &[], Monitor::silent()).unwrap().all().unwrap();
    assert_eq!(summary.systems.len(), 5);
}

/// The lines of the program's code by the files within `src`, tests and comments left out.
fn code_lines() -> Vec<(PathBuf, String)> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let is_code = |path: &PathBuf| {
        path.extension().is_some_and(|ext| ext == "rs") && !path.ends_with("tests.rs")
    };
    let mut lines = Vec::new();
    for path in files(&source).into_iter().filter(is_code) {
        let text = fs::read_to_string(source.join(&path)).unwrap();
        let code = text.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
        let code = code.lines().filter(|line| !line.trim_start().starts_with("//"));
        lines.extend(code.map(|line| (path.clone(), line.to_owned())));
    }
    assert!(lines.len() > 5000, "{} lines", lines.len());
    lines
}

#[test]
fn the_time_of_day_is_known_to_tensorboard_alone() {
    // a clock that jumps then changes no result and no duration
    for (path, line) in code_lines() {
        let known = path.starts_with("tensorboard");
        let asks = ["SystemTime", "Timestamp::now", "Zoned::now", "modified()"]
            .iter()
            .any(|name| line.contains(name));
        assert!(known || !asks, "{}: {line}", path.display());
    }
}

#[test]
fn flags_and_the_terminal_are_known_to_cli_alone() {
    for (path, line) in code_lines() {
        let known = path.starts_with("cli");
        let flag =
            line.split("--").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_lowercase()));
        let tool = ["clap::", "anyhow::", "indicatif::"].iter().any(|name| line.contains(name));
        assert!(known || !(flag || tool), "{}: {line}", path.display());
    }
}
