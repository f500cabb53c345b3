//! A run that is killed, that has no room, whose folder is damaged or gone. The run ends in a clear
//! error, or goes on to equal results, bit for bit.
//!
//! The short form takes seconds a test. `RECAST_TORTURE=50` does each part fifty times as often:
//!
//! ```text
//! RECAST_TORTURE=50 cargo test --release -p recast-train --test cli torture -- --nocapture
//! ```
#![cfg(unix)]

mod damage;
mod disks;
mod inputs;
mod kills;
mod results;
mod threads;

use std::path::Path;
use std::process::{Child, Output, Stdio};

use rand::RngExt;
use recast_train::random::{Purpose, stream};

use self::results::Results;
use crate::{Desk, text};

/// Every phase in seconds: RQ-VAE with checkpoints, supervised training, two signals, judgement.
const RUN: [&str; 29] = [
    "run",
    "--quiet",
    "--preset",
    "smoke",
    "--threads",
    "1",
    "--set",
    "tokenizer.method=rq_vae",
    "--set",
    "tokenizer.rq_vae={ hidden = [16], latent_dim = 8, pretrain_epochs = 4, epochs = 8, min_perplexity = 0.0 }",
    "--set",
    "sft.epochs=4",
    "--set",
    "sft.evaluate_every=1",
    "--set",
    "sft.min_steps=0",
    "--set",
    "rl.steps=4",
    "--set",
    "rl.evaluate_every=1",
    "--set",
    "rl.signals=[\"rere\", \"recast\"]",
    "--set",
    "rl.rere.sync_reference_every=1",
    "--set",
    "sasrec.sft.epochs=1",
    "--set",
    "sasrec.sft.min_steps=0",
    "--run-dir",
];

/// How often each part is done: the number in `RECAST_TORTURE`, or once.
fn times() -> usize {
    std::env::var("RECAST_TORTURE").ok().and_then(|times| times.parse().ok()).unwrap_or(1)
}

/// A random number below `below`, the same in every test run.
fn below(below: usize, index: usize) -> usize {
    stream(17, Purpose::Catalogue, index as u64).random_range(0..below)
}

impl Desk {
    /// Starts the whole run in a folder.
    fn start(&self, run_dir: &str) -> Child {
        let mut command = self.command(&[&RUN[..], &[run_dir]].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    /// The whole run in a folder, to its end.
    fn run(&self, run_dir: &str) -> Output {
        self.start(run_dir).wait_with_output().unwrap()
    }

    /// The whole run in a folder, which must work; returns its results.
    fn results(&self, run_dir: &str) -> Results {
        let output = self.run(run_dir);
        assert!(output.status.success(), "{run_dir}: {}", text(&output.stderr));
        Results::of(&self.path(run_dir))
    }
}

/// Checks that a program that failed says why, in a line, and did not panic.
fn assert_clear(output: &Output, what: &str) {
    let said = text(&output.stderr);
    assert!(!said.contains("panicked"), "{what}: {said}");
    let code = output.status.code();
    assert!(matches!(code, Some(1 | 2)), "{what}: {code:?}, {said}");
    let faults: Vec<&str> = said.lines().filter(|line| line.starts_with("recast: ")).collect();
    assert_eq!(faults.len(), 1, "{what}: {said}");
    assert!(faults[0].len() <= 1024, "{what}: {said}");
}

/// Copies a folder.
fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        match entry.file_type().unwrap().is_dir() {
            true => copy(&entry.path(), &target),
            false => {
                std::fs::copy(entry.path(), target).unwrap();
            }
        }
    }
}
