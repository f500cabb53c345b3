//! The event log of a run folder.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
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
        let line = sealed(&line(event).map_err(|cause| failed(cause.into()))?);
        let mut file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let mut open = match file.take() {
            Some(open) => open,
            None => opened(&self.path).map_err(failed)?,
        };
        // a file without a name keeps nothing
        if !self.path.exists() {
            return Err(failed(io::Error::from(io::ErrorKind::NotFound)));
        }
        // a full disk may cut the line: the next event then opens the file anew, without the half
        open.write_all(line.as_bytes()).map_err(failed)?;
        *file = Some(open);
        Ok(())
    }

    /// Makes the events so far last.
    pub(super) fn sync(&self) -> Result<()> {
        let file = self.file.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(file) = file.as_ref() else { return Ok(()) };
        let synced = match self.path.exists() {
            true => file.sync_data(),
            false => Err(io::ErrorKind::NotFound.into()),
        };
        synced.map_err(|cause| Error::write(&self.path, cause))
    }
}

/// Opens the log to go on behind its last whole line: an ended process may have left half a line.
fn opened(path: &Path) -> io::Result<File> {
    let mut file = OpenOptions::new().read(true).append(true).create(true).open(path)?;
    let mut end = file.seek(SeekFrom::End(0))?;
    let mut byte = [0];
    while end > 0 {
        file.seek(SeekFrom::Start(end - 1))?;
        file.read_exact(&mut byte)?;
        if byte == [b'\n'] {
            break;
        }
        end -= 1;
    }
    file.set_len(end)?;
    Ok(file)
}

/// A line with the checksum of its bytes as the last field, and the line's end.
///
/// ```text
/// {"event":"phase","phase":"sft","seconds":1.5,"crc32c":"0badcafe"}
/// ```
///
/// The checksum is that of the line without this field.
fn sealed(line: &str) -> String {
    let sum = crc32c::crc32c(line.as_bytes());
    let open = line.strip_suffix('}').unwrap_or(line);
    format!("{open},\"crc32c\":\"{sum:08x}\"}}\n")
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
    fn half_a_line_of_an_ended_process_gives_way_to_the_next_event() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let event = Event::Phase { phase: "sft", seconds: 1.5 };
        let whole = sealed(&line(&event).unwrap());
        for left in ["", "{", "{\"event\":\"ph", whole.trim_end()] {
            std::fs::write(&path, format!("{whole}{left}")).unwrap();
            EventLog::new(folder.path()).append(&event).unwrap();
            assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}{whole}"));
        }
        std::fs::write(&path, "{\"event").unwrap();
        EventLog::new(folder.path()).append(&event).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), whole);
    }

    #[test]
    fn an_event_after_a_failed_write_stands_on_a_line_of_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let event = Event::Phase { phase: "sft", seconds: 1.5 };
        let log = EventLog::new(folder.path());
        log.append(&event).unwrap();
        // a file that takes no bytes, and the half line of a disk without room
        *log.file.lock().unwrap() = Some(File::open(&path).unwrap());
        log.append(&event).unwrap_err();
        let whole = std::fs::read_to_string(&path).unwrap();
        std::fs::write(&path, format!("{whole}{{\"event")).unwrap();
        log.append(&event).unwrap();
        assert_eq!(std::fs::read_to_string(&path).unwrap(), format!("{whole}{whole}"));
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
