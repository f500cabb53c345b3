//! A run folder: making, opening, the paths of files, and the times of phases.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::Serialize;

use super::inputs::{Inputs, Prepared};
use crate::catalogue::{Catalogue, SidTable, Trie};
use crate::config::Config;
use crate::data::DataReport;
use crate::error::{Error, Phase, Result};
use crate::event::{Event, Monitor};
use crate::machine::peak_memory_bytes;
use crate::model::{Decoder, ModelConfig};
use crate::optim::{Replicas, Stage};
use crate::storage::{write_atomic, write_json};
use crate::train::{SignalName, TrainInputs};

/// An open run folder.
#[derive(Debug)]
pub struct Run {
    pub(super) dir: PathBuf,
    pub(super) config: Config,
    pub(super) prepared: Prepared,
    /// The devices that share each training step.
    pub(super) replicas: Replicas,
    pub(super) monitor: Monitor,
}

/// The report on the data, with the time and the memory of their preparation.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreparedSummary<'a> {
    /// The report on the data.
    #[serde(flatten)]
    pub report: &'a DataReport,
    /// Seconds from the first file read until the run folder's data were read back.
    pub seconds: f64,
    /// Rows of the log a second.
    pub rows_per_second: f64,
    /// The largest resident size of this process; null where the system tells none.
    pub peak_memory_bytes: Option<u64>,
}

/// Semantic IDs and their trie.
#[derive(Debug)]
pub struct Tokenized {
    /// The semantic ID of each item.
    pub sids: SidTable,
    /// The trie of the semantic IDs.
    pub trie: Trie,
}

impl Run {
    /// Makes a run folder: reads and checks the data, then writes them and the settings.
    ///
    /// Without `dir`, the folder is the first free `runs/<name>-<number>`. If the folder already
    /// holds a run of the same settings, the call opens that run and keeps its data. The call
    /// inspects the folder before the log.
    ///
    /// # Errors
    ///
    /// If a setting or the data are at fault, or the folder is a file or holds something else.
    /// Nothing is written after such a fault.
    pub fn create(dir: Option<&Path>, config: Config, monitor: Monitor) -> Result<Self> {
        config.check()?;
        let settings = config.to_toml()?;
        if let Some(dir) = dir
            && holds_run_of(dir, &config)?
        {
            return Self::load(dir.to_owned(), config, monitor);
        }
        let started = Instant::now();
        let inputs = Inputs::read(&config)?;
        config.rl.rewards.check_items(&inputs.items)?;
        let dir = dir.map_or_else(|| free_dir(&config), Path::to_owned);
        // another program may make the folder while the log is read
        if holds_run_of(&dir, &config)? {
            return Self::load(dir, config, monitor);
        }
        inputs.write(&dir)?;
        // the config comes last: a folder with a config is complete
        write_atomic(&config_path(&dir), |writer| {
            std::io::Write::write_all(writer, settings.as_bytes())
        })?;
        // a large log need not be held twice
        drop(inputs);
        let run = Self::load(dir, config, monitor)?;
        run.add_seconds("prepare", started.elapsed().as_secs_f64())?;
        let report = &run.prepared.report;
        run.monitor.record(&Event::Prepare(report))?;
        run.monitor.say(&format!("{}:\n{report}", run.dir.display()));
        Ok(run)
    }

    /// Opens a run folder; `key=value` overrides of its settings hold until the run is dropped.
    ///
    /// # Errors
    ///
    /// If the folder holds no run, or a setting is at fault.
    pub fn open(dir: &Path, overrides: &[(String, String)], monitor: Monitor) -> Result<Self> {
        let path = config_path(dir);
        if !path.exists() {
            return Err(Error::NoRun { path: dir.to_owned() });
        }
        let config = Config::resolve_over(&Config::default(), Some(&path), overrides)?;
        config.check()?;
        Self::load(dir.to_owned(), config, monitor)
    }

    /// The run of a complete folder, under checked settings.
    fn load(dir: PathBuf, config: Config, monitor: Monitor) -> Result<Self> {
        let prepared = Prepared::load(&dir, &config)?;
        let monitor = monitor.recording(&dir)?;
        let devices = config.replicas()?.into_iter().map(|kind| kind.device().autodiff());
        let replicas = Replicas::new(devices.collect());
        Ok(Self { dir, config, prepared, replicas, monitor })
    }

    /// The path of the folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The settings, as resolved at the making of the folder.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The prepared data.
    #[must_use]
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// The report on the data, with the time and the memory of their preparation.
    ///
    /// # Errors
    ///
    /// If the times of the folder's phases cannot be read.
    pub fn prepared_summary(&self) -> Result<PreparedSummary<'_>> {
        let report = &self.prepared.report;
        let seconds = self.seconds()?.get("prepare").copied().unwrap_or_default();
        let rows = report.prepare.interactions_read + report.prepare.below_min_rating;
        Ok(PreparedSummary {
            report,
            seconds,
            rows_per_second: rows as f64 / seconds.max(f64::MIN_POSITIVE),
            peak_memory_bytes: peak_memory_bytes(),
        })
    }

    /// The monitor of the phases.
    #[must_use]
    pub(crate) fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    /// The catalogue, which turns histories into prompts.
    #[must_use]
    pub fn catalogue<'a>(&self, tokenized: &'a Tokenized) -> Catalogue<'a> {
        let (Tokenized { sids, trie }, max_history) = (tokenized, self.config.data.max_history);
        Catalogue { sids, trie, max_history }
    }

    pub(super) fn train_inputs<'a>(&'a self, tokenized: &'a Tokenized) -> TrainInputs<'a> {
        TrainInputs {
            train: &self.prepared.split.train,
            valid: &self.prepared.split.valid,
            catalogue: self.catalogue(tokenized),
            evaluation: &self.config.evaluate,
            replicas: &self.replicas,
            seed: self.config.seed,
        }
    }

    pub(super) fn fresh_decoder(&self, tokenized: &Tokenized) -> Result<Decoder> {
        self.decoder_of(&self.config.model, tokenized)
    }

    pub(super) fn decoder_of(&self, shape: &ModelConfig, tokenized: &Tokenized) -> Result<Decoder> {
        let device = self.config.device_kind()?.device().autodiff();
        let codes = tokenized.sids.codes_per_level();
        let decoder = Decoder::new(shape, codes, self.config.seed, &device);
        Ok(decoder.with_precision(self.config.precision))
    }

    pub(super) fn sft_stage(&self) -> Stage {
        Stage::new(&self.dir, "sft")
    }

    pub(super) fn rl_stage(&self, signal: SignalName) -> Stage {
        Stage::new(&self.dir, &format!("rl-{}", signal.key()))
    }

    pub(super) fn table_path(&self) -> PathBuf {
        self.dir.join("sid/table.json")
    }

    pub(super) fn tokenizer_report_path(&self) -> PathBuf {
        self.dir.join("sid/report.json")
    }

    pub(super) fn summary_path(&self) -> PathBuf {
        self.dir.join("summary.json")
    }

    pub(super) fn item_ids(&self) -> Vec<&str> {
        self.prepared.sequences.items.iter().collect()
    }

    /// Fails with [`Error::Undone`] unless `path` exists.
    pub(super) fn required(&self, path: &Path, phase: Phase) -> Result<()> {
        if path.exists() { Ok(()) } else { Err(self.undone(path, "does not exist", phase)) }
    }

    pub(super) fn undone(&self, path: &Path, problem: impl Into<String>, phase: Phase) -> Error {
        let (path, run_dir) = (path.to_owned(), self.dir.clone());
        Error::Undone { path, problem: problem.into(), run_dir, phase }
    }

    /// Runs a phase and adds its seconds, even after an interruption.
    pub(super) fn timed<T>(&self, phase: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let done = work();
        self.add_seconds(phase, started.elapsed().as_secs_f64())?;
        done
    }

    fn add_seconds(&self, phase: &str, seconds: f64) -> Result<()> {
        let mut all = self.seconds()?;
        *all.entry(phase.to_owned()).or_default() += seconds;
        write_json(&self.dir.join("phases.json"), &all)?;
        self.monitor.record(&Event::Phase { phase, seconds })
    }

    /// Seconds of each phase over all sessions.
    pub(super) fn seconds(&self) -> Result<BTreeMap<String, f64>> {
        let path = self.dir.join("phases.json");
        match fs::read_to_string(&path) {
            Err(_) => Ok(BTreeMap::new()),
            Ok(text) => serde_json::from_str(&text).map_err(|e| {
                let hint = "remove it: only the times of phases are lost";
                Error::file(&path, format!("is not what recast writes: {e}"), hint)
            }),
        }
    }
}

fn config_path(dir: &Path) -> PathBuf {
    dir.join("config.toml")
}

/// Whether a folder holds a run of these settings; an error if the folder holds anything else.
fn holds_run_of(dir: &Path, config: &Config) -> Result<bool> {
    let path = config_path(dir);
    if path.exists() {
        let kept = Config::resolve_over(&Config::default(), Some(&path), &[])?;
        return match kept == *config {
            true => Ok(true),
            false => Err(Error::OtherRun { run_dir: dir.to_owned() }),
        };
    }
    if dir.is_file() {
        return Err(Error::file(dir, "is a file, not a folder", "name a folder"));
    }
    if fs::read_dir(dir).is_ok_and(|mut entries| entries.next().is_some()) {
        return Err(Error::file(dir, "is a folder with other files", "name another folder"));
    }
    Ok(false)
}

/// The first free `runs/<name>-<number>`.
fn free_dir(config: &Config) -> PathBuf {
    let log = config.data.interactions.as_deref().and_then(Path::file_stem);
    let name = log.map_or("synthetic".into(), |stem| stem.to_string_lossy().into_owned());
    (1u32..)
        .map(|number| Path::new("runs").join(format!("{name}-{number}")))
        .find(|dir| !dir.exists())
        .unwrap_or_else(|| Path::new("runs").join(name))
}
