//! The event log of a run folder, read back as curves.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde::Deserialize;
use serde_json::{Map, Value};

use crate::error::{Error, Result};

/// A place in training and its numbers by name; the numbers of a section have dotted names, as
/// `groups.all_zero`.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Point {
    /// The step, or the epoch where no step is counted.
    pub(crate) at: u64,
    /// The numbers.
    pub(crate) values: BTreeMap<String, f64>,
}

impl Point {
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }
}

/// Points in the order of training. A resumed run repeats places: the later point counts.
pub(crate) type Curve = Vec<Point>;

/// The events of all sessions of a run.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) struct Log {
    /// The epochs of each stage: `sft`, `sasrec`, `rq_vae`.
    pub(crate) epochs: BTreeMap<String, Curve>,
    /// The validations of each stage and signal.
    pub(crate) validations: BTreeMap<String, Curve>,
    /// The steps of each signal.
    pub(crate) steps: BTreeMap<String, Curve>,
    /// The version and the machine of each session, by name.
    pub(crate) sessions: Vec<BTreeMap<String, String>>,
}

#[derive(Deserialize)]
struct Line {
    event: String,
    #[serde(flatten)]
    fields: Map<String, Value>,
}

impl Log {
    /// The log of a run folder; an empty one if the run has no event yet.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, or a line of it is no event. A last line without its end is left
    /// out: a program writes it now, or was ended while writing.
    pub(crate) fn load(run_dir: &Path) -> Result<Self> {
        let path = run_dir.join("events.jsonl");
        let bytes = match fs::read(&path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => {
                return Ok(Self::default());
            }
            read => read.map_err(|cause| Error::read(&path, cause))?,
        };
        let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
        let mut log = Self::default();
        let lines = bytes[..whole].split_inclusive(|&byte| byte == b'\n');
        for (number, line) in (1..).zip(lines) {
            let hint = "remove the line: only this event is lost";
            let fault = |problem: String| Error::line(&path, number, problem, hint);
            if !is_as_written(line) {
                return Err(fault(
                    "has other bytes than recast wrote: its crc32c differs".to_owned(),
                ));
            }
            let mut line: Line =
                serde_json::from_slice(line).map_err(|e| fault(format!("is no event: {e}")))?;
            line.fields.remove("crc32c");
            log.add(line);
        }
        Ok(log)
    }

    fn add(&mut self, Line { event, fields }: Line) {
        let name = |key: &str| fields.get(key).and_then(Value::as_str).map(str::to_owned);
        let curve = match event.as_str() {
            "session" => {
                let text = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
                self.sessions.push(fields.iter().map(|(k, v)| (k.clone(), text(v))).collect());
                return;
            }
            "validation" => name("phase").map(|phase| self.validations.entry(phase)),
            "rl_step" => name("signal").map(|signal| self.steps.entry(signal)),
            other => {
                let stage = other.strip_suffix("_epoch").map(str::to_owned);
                stage.map(|stage| self.epochs.entry(stage))
            }
        };
        let place = |key: &str| fields.get(key).and_then(Value::as_u64);
        let at = match event.as_str() {
            "validation" | "rl_step" => place("step").or(place("epoch")),
            _ => place("epoch"),
        };
        let (Some(curve), Some(at)) = (curve, at) else { return };
        let mut values = BTreeMap::new();
        flatten(&fields, "", &mut values);
        let curve = curve.or_default();
        curve.retain(|point| point.at < at);
        curve.push(Point { at, values });
    }
}

/// Whether a line has the checksum that stands in its last field; true for a line without one, as
/// earlier versions wrote it.
fn is_as_written(line: &[u8]) -> bool {
    const FIELD: &[u8] = b",\"crc32c\":\"";
    const DIGITS: usize = 8;
    let Some(start) = line.len().checked_sub(FIELD.len() + DIGITS + b"\"}\n".len()) else {
        return true;
    };
    let (open, seal) = line.split_at(start);
    let digits = seal.strip_prefix(FIELD).and_then(|rest| rest.strip_suffix(b"\"}\n"));
    let Some(digits) = digits else { return true };
    let sum = crc32c::crc32c_append(crc32c::crc32c(open), b"}");
    digits == format!("{sum:08x}").as_bytes()
}

fn flatten(fields: &Map<String, Value>, prefix: &str, into: &mut BTreeMap<String, f64>) {
    for (key, value) in fields {
        let name = format!("{prefix}{key}");
        match value {
            Value::Object(section) => flatten(section, &format!("{name}."), into),
            value => into.extend(value.as_f64().map(|number| (name, number))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(text: &str) -> Result<Log> {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("events.jsonl"), text).unwrap();
        Log::load(folder.path())
    }

    #[test]
    fn numbers_have_dotted_names_and_a_repeated_step_replaces_the_later_ones() {
        let line = |step: u64, loss: f64| {
            format!(
                "{{\"event\":\"rl_step\",\"signal\":\"grpo\",\"step\":{step},\"loss\":{loss},\"groups\":{{\"all_zero\":7}}}}\n"
            )
        };
        let log = log(&[line(1, 0.5), line(2, 0.25), line(3, 0.125), line(2, 1.5)].concat());
        let steps = &log.unwrap().steps["grpo"];
        let losses: Vec<_> = steps.iter().map(|point| (point.at, point.value("loss"))).collect();
        assert_eq!(losses, [(1, Some(0.5)), (2, Some(1.5))]);
        assert_eq!(steps[0].value("groups.all_zero"), Some(7.0));
    }

    #[test]
    fn a_last_line_without_its_end_is_left_out_and_another_one_is_refused() {
        let whole = "{\"event\":\"sft_epoch\",\"epoch\":1,\"step\":9,\"loss\":0.5}\n";
        let cut = "{\"event\":\"sft_ep";
        let found = log(&format!("{whole}{cut}")).unwrap();
        assert_eq!(found.epochs["sft"].len(), 1);
        assert_eq!(found.epochs["sft"][0].at, 1);
        let message = log(&format!("{cut}\n{whole}")).unwrap_err().to_string();
        assert!(message.contains("events.jsonl:1: is no event"), "{message}");
    }

    #[test]
    fn a_line_with_another_checksum_is_refused_and_one_without_is_taken() {
        let open = "{\"event\":\"sft_epoch\",\"epoch\":1,\"loss\":0.5";
        let sum = crc32c::crc32c(format!("{open}}}").as_bytes());
        let whole = format!("{open},\"crc32c\":\"{sum:08x}\"}}\n");
        assert_eq!(log(&whole).unwrap().epochs["sft"][0].value("loss"), Some(0.5));
        assert_eq!(log(&format!("{open}}}\n")).unwrap().epochs["sft"].len(), 1);
        let message = log(&whole.replace("0.5", "0.7")).unwrap_err().to_string();
        assert!(message.contains("events.jsonl:1: has other bytes than recast wrote"), "{message}");
    }

    #[test]
    fn a_folder_without_events_has_an_empty_log() {
        let folder = tempfile::tempdir().unwrap();
        assert_eq!(Log::load(folder.path()).unwrap(), Log::default());
    }
}
