//! The finished jobs of a study, one line each, and the machine that did a job.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::Duration;

use recast_burn::vectors::Vectors;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::config::Keys;
use crate::error::{Error, Result, SettingChange};
use crate::machine::processor;
use crate::storage::{Lock, write_atomic};

/// The pause between two tries to take the lock of the file.
const PAUSE: Duration = Duration::from_millis(20);

/// The version and the machine behind a job's seconds and rounding.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Machine {
    /// The version of recast.
    pub version: String,
    /// The number of CPU threads.
    pub threads: usize,
    /// The vector instructions of kernels on the CPU.
    pub vectors: String,
    /// The name of the processor; `None` if the system does not tell.
    pub processor: Option<String>,
}

impl Machine {
    /// This version, process and machine.
    pub(super) fn here() -> Self {
        Self {
            version: env!("CARGO_PKG_VERSION").to_owned(),
            threads: rayon::current_num_threads(),
            vectors: Vectors::in_use().name().to_owned(),
            processor: processor(),
        }
    }
}

/// A file with one line of JSON for each finished job. Processes append one by one, and a reader
/// sees whole lines alone.
#[derive(Debug)]
pub(super) struct Ledger {
    path: PathBuf,
    locks: PathBuf,
}

impl Ledger {
    /// The ledger `name` of a study's folder, whose lock stands in the folder `locks`.
    pub(super) fn new(dir: &Path, name: &str, locks: &Path) -> Self {
        Self { path: dir.join(name), locks: locks.join("ledger") }
    }

    /// All lines, the oldest first.
    pub(super) fn read<T: DeserializeOwned>(&self) -> Result<Vec<T>> {
        let Some(text) = self.text()? else { return Ok(Vec::new()) };
        let line = |(number, line): (u64, &str)| {
            serde_json::from_str(line).map_err(|e| {
                let hint = "remove the line to do that job again";
                Error::line(&self.path, number, format!("is no finished job: {e}"), hint)
            })
        };
        (1..).zip(text.lines()).map(line).collect()
    }

    /// Appends a line: the file is replaced as a whole.
    pub(super) fn append(&self, entry: &impl Serialize) -> Result<()> {
        fs::create_dir_all(&self.locks).map_err(|cause| Error::write(&self.locks, cause))?;
        let _held = loop {
            match Lock::take(&self.locks) {
                Err(Error::InUse { .. }) => sleep(PAUSE),
                taken => break taken?,
            }
        };
        let before = self.text()?.unwrap_or_default();
        write_atomic(&self.path, |writer| {
            writer.write_all(before.as_bytes())?;
            serde_json::to_writer(&mut *writer, entry)?;
            writer.write_all(b"\n")
        })
    }

    /// Fails if a finished job had other settings than the plan has now.
    pub(super) fn check_settings(&self, job: &str, done: &Keys, planned: &Keys) -> Result<()> {
        let changes = done.changes(planned);
        if changes.is_empty() {
            return Ok(());
        }
        let changes = SettingChange::list(&changes);
        let hint = "set these back in the plan, or take another name or another folder";
        Err(Error::file(&self.path, format!("{job} ran under other settings: {changes}"), hint))
    }

    fn text(&self) -> Result<Option<String>> {
        match fs::read_to_string(&self.path) {
            Err(cause) if cause.kind() == std::io::ErrorKind::NotFound => Ok(None),
            read => read.map(Some).map_err(|cause| Error::read(&self.path, cause)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn threads_that_append_side_by_side_lose_no_line() {
        let folder = tempfile::tempdir().unwrap();
        std::thread::scope(|scope| {
            for thread in 0..4 {
                let dir = folder.path();
                scope.spawn(move || {
                    let ledger = Ledger::new(dir, "jobs.jsonl", &dir.join("locks"));
                    for job in 0..5 {
                        ledger.append(&(thread * 5 + job)).unwrap();
                    }
                });
            }
        });
        let ledger = Ledger::new(folder.path(), "jobs.jsonl", &folder.path().join("locks"));
        let mut found: Vec<u64> = ledger.read().unwrap();
        found.sort_unstable();
        assert_eq!(found, (0..20).collect::<Vec<_>>());
    }

    #[test]
    fn a_line_that_is_no_job_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let ledger = Ledger::new(folder.path(), "jobs.jsonl", folder.path());
        assert!(ledger.read::<u64>().unwrap().is_empty());
        fs::write(&ledger.path, "1\nx\n").unwrap();
        let message = ledger.read::<u64>().unwrap_err().to_string();
        assert!(message.contains("jobs.jsonl:2: is no finished job"), "{message}");
    }
}
