//! The processes that work in a run folder: their machine, and the seconds of their phases.

use std::collections::BTreeMap;
use std::io;
use std::path::Path;
use std::time::Instant;

use recast_burn::vectors::Vectors;

use super::folder::Run;
use crate::error::{Error, Result};
use crate::event::{Event, Session};
use crate::machine::{device_memory_bytes, processor};
use crate::storage::{read_noted, write_noted_json};

impl Run {
    /// Runs a phase and adds its seconds, even after an interruption.
    pub(super) fn timed<T>(&self, phase: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        if self.read_only {
            let cause = io::Error::from(io::ErrorKind::PermissionDenied);
            return Err(Error::write(&self.dir, cause));
        }
        self.record_session()?;
        let started = Instant::now();
        let done = work();
        let added = self.add_seconds(phase, started.elapsed().as_secs_f64());
        // the first fault is the one to tell: the second one may follow from it
        done.and_then(|done| added.map(|()| done))
    }

    /// Records the version and the machine, once in a process.
    pub(super) fn record_session(&self) -> Result<()> {
        if self.session.set(()).is_err() {
            return Ok(());
        }
        let device = self.config.device_kind()?;
        self.monitor.record(&Event::Session(&Session {
            version: env!("CARGO_PKG_VERSION"),
            system: format!("{} {}", std::env::consts::OS, std::env::consts::ARCH),
            processor: processor(),
            vectors: Vectors::in_use().name(),
            threads: rayon::current_num_threads(),
            device: device.to_string(),
            device_memory_mib: device_memory_bytes(device).map(|bytes| bytes >> 20),
        }))
    }

    pub(super) fn add_seconds(&self, phase: &str, seconds: f64) -> Result<()> {
        // the event comes first: it fails where the folder is gone, and nothing is made anew there
        self.monitor.record(&Event::Phase { phase, seconds })?;
        let mut all = self.seconds()?;
        *all.entry(phase.to_owned()).or_default() += seconds;
        write_noted_json(&self.dir.join("phases.json"), &all)
    }

    /// Seconds of each phase over all sessions.
    pub(super) fn seconds(&self) -> Result<BTreeMap<String, f64>> {
        phases(&self.dir)
    }

    /// Seconds of all phases of a run folder; 0 where there is none.
    pub(crate) fn seconds_in(dir: &Path) -> Result<f64> {
        Ok(phases(dir)?.values().sum())
    }
}

fn phases(dir: &Path) -> Result<BTreeMap<String, f64>> {
    let path = dir.join("phases.json");
    if !path.exists() {
        return Ok(BTreeMap::new());
    }
    let hint = "remove it: only the times of phases are lost";
    serde_json::from_str(&read_noted(&path, hint)?)
        .map_err(|e| Error::file(&path, format!("is not what recast writes: {e}"), hint))
}
