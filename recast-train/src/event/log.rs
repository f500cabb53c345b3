//! The event log of a run folder.

use std::fs::{File, OpenOptions};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use serde::Serialize;

use super::kinds::Event;
use crate::error::{Error, Result};

/// `events.jsonl`: one event a line. The file is opened for the first event, so that a command
/// without events works in a folder that it cannot write.
#[derive(Debug)]
pub(super) struct EventLog {
    path: PathBuf,
    file: Mutex<Option<File>>,
}

impl EventLog {
    /// The log of a run folder, which the first event continues or begins.
    pub(super) fn new(run_dir: &Path) -> Self {
        Self { path: run_dir.join("events.jsonl"), file: Mutex::default() }
    }

    pub(super) fn append(&self, event: &Event<'_>) -> Result<()> {
        let failed = |cause| Error::write(&self.path, cause);
        let line = line(event).map_err(|cause| failed(cause.into()))?;
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        if file.is_none() {
            let opened = OpenOptions::new().create(true).append(true).open(&self.path);
            *file = Some(opened.map_err(failed)?);
        }
        file.as_mut().map_or(Ok(()), |file| writeln!(file, "{line}").map_err(failed))
    }
}

/// An event's kind, then its fields, as JSON.
fn line(event: &Event<'_>) -> serde_json::Result<String> {
    #[derive(Serialize)]
    struct Line<'a> {
        event: &'a str,
        #[serde(flatten)]
        fields: &'a Event<'a>,
    }
    serde_json::to_string(&Line { event: &event.kind(), fields: event })
}

#[cfg(test)]
mod tests {
    use super::super::{Both, Epoch, Evaluation, Metrics, SystemResult, Validation};
    use super::*;

    #[test]
    fn a_line_is_the_kind_and_the_fields_in_their_order() {
        let epoch = Epoch {
            stage: "sasrec",
            epoch: 2,
            step: 7,
            loss: 0.5,
            gradient_norm: 1.5,
            learning_rate: 0.25,
            seconds: 3.0,
        };
        assert_eq!(
            line(&Event::Epoch(epoch)).unwrap(),
            r#"{"event":"sasrec_epoch","epoch":2,"step":7,"loss":0.5,"gradient_norm":1.5,"learning_rate":0.25,"seconds":3.0}"#
        );
        assert_eq!(
            line(&Event::Phase { phase: "rl grpo", seconds: 1.0 }).unwrap(),
            r#"{"event":"phase","phase":"rl grpo","seconds":1.0}"#
        );
        let item = Metrics { pass_at_1: 0.5, ..Metrics::default() };
        let (name, title) = ("sft".to_owned(), "SFT".to_owned());
        let primary = Evaluation { item, sid: Metrics::default() };
        let both = Both { unmasked: primary, masked: Evaluation::default() };
        let line = line(&Event::Test(&SystemResult { name, title, primary, both })).unwrap();
        let start =
            r#"{"event":"test","name":"sft","title":"SFT","pass_at_1":0.5,"pass_at_10":0.0"#;
        assert!(line.starts_with(start), "{line}");
        let found: serde_json::Value = serde_json::from_str(&line).unwrap();
        assert_eq!(found["unmasked"]["pass_at_1"], found["pass_at_1"]);
        assert_eq!(found["masked"]["sid_level"], found["sid_level"]);
    }

    #[test]
    fn a_validation_says_epochs_or_steps() {
        let judged = Validation {
            phase: "sft",
            epoch: Some(2),
            step: None,
            pass_at_1: 0.0,
            recall_at_10: 0.5,
            ndcg_at_10: 0.25,
            best_pass_at_1: None,
            best_ndcg_at_10: None,
            generated: None,
        };
        assert_eq!(
            line(&Event::Validation(judged)).unwrap(),
            r#"{"event":"validation","phase":"sft","epoch":2,"pass_at_1":0.0,"recall_at_10":0.5,"ndcg_at_10":0.25}"#
        );
        let judged = Validation {
            phase: "grpo",
            epoch: None,
            step: Some(0),
            best_pass_at_1: Some(0.0),
            best_ndcg_at_10: Some(0.25),
            generated: Some(9),
            ..judged
        };
        assert_eq!(
            line(&Event::Validation(judged)).unwrap(),
            r#"{"event":"validation","phase":"grpo","step":0,"pass_at_1":0.0,"recall_at_10":0.5,"ndcg_at_10":0.25,"best_pass_at_1":0.0,"best_ndcg_at_10":0.25,"generated":9}"#
        );
    }
}
