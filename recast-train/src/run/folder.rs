//! A run folder: making, opening, and the paths of files.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use serde::Serialize;

use super::inputs::{Inputs, Prepared, check_sources};
use crate::catalogue::{Catalogue, SidTable, Trie};
use crate::config::{Config, Keys, Part, Record};
use crate::data::DataReport;
use crate::error::{Error, Phase, Result};
use crate::event::{Event, Monitor};
use crate::machine::peak_memory_bytes;
use crate::model::{Decoder, Input, ItemTable, ModelConfig};
use crate::optim::Replicas;
use crate::storage::{Lock, check_links, is_read_only, is_temporary, write_atomic, write_noted};
use crate::train::{SftState, TrainInputs};

/// An open run folder.
#[derive(Debug)]
pub struct Run {
    pub(super) dir: PathBuf,
    pub(super) config: Config,
    pub(super) prepared: Prepared,
    /// The devices that share each training step.
    pub(super) replicas: Replicas,
    pub(super) monitor: Monitor,
    /// The lock of the folder, once a phase writes.
    lock: OnceLock<Lock>,
    item_table: OnceLock<Arc<ItemTable>>,
    /// Set once this process is in the event log.
    pub(super) session: OnceLock<()>,
    /// Whether nobody here can write the folder: only judgement and recommendations work.
    pub(super) read_only: bool,
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
    /// inspects the folder before the log. The folder belongs to this process until the run is
    /// dropped.
    ///
    /// # Errors
    ///
    /// If a setting or the data are at fault, the folder is a file or holds something else, or
    /// another process works in it. Nothing is written after such a fault.
    pub fn create(dir: Option<&Path>, config: Config, monitor: Monitor) -> Result<Self> {
        config.check()?;
        let settings = config.to_toml()?;
        if let Some(dir) = dir
            && holds_run_of(dir, &config, None)?
        {
            let lock = Lock::take(dir)?;
            return Self::load(dir.to_owned(), config, monitor, Some(lock));
        }
        let started = Instant::now();
        let inputs = Inputs::read(&config, monitor.stop())?;
        monitor.check_interrupt()?;
        config.rl.rewards.check_items(&inputs.items)?;
        let dir = match dir {
            Some(dir) => made(dir.to_owned())?,
            None => free_dir(&config)?,
        };
        let lock = Lock::take(&dir)?;
        // another process may have made the run while the log was read
        if holds_run_of(&dir, &config, Some(&lock))? {
            return Self::load(dir, config, monitor, Some(lock));
        }
        let write = |writer: &mut io::BufWriter<&mut fs::File>| {
            io::Write::write_all(writer, settings.as_bytes())
        };
        // with these settings a preparation that is ended early begins anew
        write_atomic(&Config::preparing_path(&dir), write)?;
        inputs.write(&dir)?;
        Record::new(Part::Data, &config)?.save(&dir, Part::Data)?;
        // the config comes last: a folder with a config is complete
        write_noted(&Config::path(&dir), write)?;
        // a large log need not be held twice
        drop(inputs);
        let run = Self::load(dir, config, monitor, Some(lock))?;
        run.record_session()?;
        run.add_seconds("prepare", started.elapsed().as_secs_f64())?;
        let report = &run.prepared.report;
        run.monitor.record(&Event::Prepare(report))?;
        run.monitor.say(&format!("{}:\n{report}", run.dir.display()));
        Ok(run)
    }

    /// Opens a run folder to work in it; `key=value` overrides of its settings hold until the run
    /// is dropped. The folder belongs to this process for as long. In a read-only folder nothing is
    /// taken, and only reading works. If the preparation of the folder was ended early, the call
    /// prepares the data anew, under the same settings.
    ///
    /// # Errors
    ///
    /// If the folder holds no run, another process works in it, or a setting is at fault.
    /// [`Error::ChangedSettings`] if work of the folder was done under other settings.
    pub fn open(dir: &Path, overrides: &[(String, String)], mut monitor: Monitor) -> Result<Self> {
        if let Some(config) = Config::of_ended_preparation(dir)? {
            Self { monitor, .. } = Self::create(Some(dir), config, monitor)?;
        }
        is_run(dir)?;
        let lock = Lock::take(dir)?;
        Self::load(dir.to_owned(), Config::of_run(dir, overrides)?, monitor, Some(lock))
    }

    /// Opens a run folder to read it, also while another process works in it. A phase that writes
    /// takes the folder first, as [`Run::open`] does.
    ///
    /// # Errors
    ///
    /// The errors of [`Run::open`], except that another process may work in the folder.
    pub fn open_shared(
        dir: &Path,
        overrides: &[(String, String)],
        monitor: Monitor,
    ) -> Result<Self> {
        is_run(dir)?;
        Self::load(dir.to_owned(), Config::of_run(dir, overrides)?, monitor, None)
    }

    /// The run of a complete folder, under settings that are checked here against its parts.
    pub(super) fn load(
        dir: PathBuf,
        config: Config,
        monitor: Monitor,
        lock: Option<Lock>,
    ) -> Result<Self> {
        config.check()?;
        check_links(&dir)?;
        let read_only = is_read_only(&dir);
        let monitor = if read_only { monitor } else { monitor.recording(&dir) };
        if lock.is_some() && !read_only {
            Self::mend(&dir, &monitor)?;
        }
        Self::check_records(&dir, &config)?;
        let prepared = Prepared::load(&dir, &config)?;
        let devices = config.replicas()?.into_iter().map(|kind| kind.device().autodiff());
        let replicas = Replicas::new(devices.collect());
        let lock = lock.map_or_else(OnceLock::new, OnceLock::from);
        Ok(Self {
            dir,
            config,
            prepared,
            replicas,
            monitor,
            lock,
            item_table: OnceLock::new(),
            session: OnceLock::new(),
            read_only,
        })
    }

    /// Takes the folder for this process, unless the run holds it already.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if another process works in it.
    pub(super) fn hold(&self) -> Result<()> {
        if self.lock.get().is_none() {
            // another thread of this process that comes first is refused as another process is
            let lock = Lock::take(&self.dir)?;
            if !self.read_only {
                Self::mend(&self.dir, &self.monitor)?;
            }
            let _ = self.lock.set(lock);
        }
        Ok(())
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
            older: self.prepared.older.as_ref(),
            valid: &self.prepared.split.valid,
            catalogue: self.catalogue(tokenized),
            evaluation: &self.config.evaluate,
            replicas: &self.replicas,
            seed: self.config.seed,
        }
    }

    /// A decoder of the run's shape, which ranks as supervised training found best.
    pub(super) fn fresh_decoder(&self, tokenized: &Tokenized) -> Result<Decoder> {
        let state = self.stage(Part::Sft).state::<SftState>()?;
        let item_weight = state.map_or(0.0, |state| state.item_weight);
        Ok(self.decoder_of(&self.config.model, tokenized)?.with_item_weight(item_weight))
    }

    pub(super) fn decoder_of(&self, shape: &ModelConfig, tokenized: &Tokenized) -> Result<Decoder> {
        let device = self.config.device_kind()?.device().autodiff();
        let (codes, seed) = (tokenized.sids.codes_per_level(), self.config.seed);
        let decoder = match shape.input {
            Input::Codes => Decoder::new(shape, codes, seed, &device),
            Input::Items => {
                let table = self.item_table(tokenized)?;
                Decoder::of_items(shape, codes, table, seed, &device)
            }
        };
        Ok(decoder.with_precision(self.config.precision))
    }

    /// The facts of items that a decoder of items reads.
    pub(super) fn item_table(&self, tokenized: &Tokenized) -> Result<Arc<ItemTable>> {
        if let Some(table) = self.item_table.get() {
            return Ok(Arc::clone(table));
        }
        let mut is_trained = vec![false; self.prepared.sequences.n_items()];
        for &item in self.prepared.supervised().iter().flatten() {
            is_trained[item as usize] = true;
        }
        let content = match self.config.model.content {
            true => {
                let embeddings = self.prepared.embeddings(&self.dir, &self.config)?;
                Some((embeddings.values().to_vec(), embeddings.dim()))
            }
            false => None,
        };
        let sids = &tokenized.sids;
        let codes: Vec<u16> = sids.sids().flatten().copied().collect();
        let table = Arc::new(ItemTable::new(codes, sids.levels(), is_trained, content));
        Ok(Arc::clone(self.item_table.get_or_init(|| table)))
    }

    pub(super) fn table_path(&self) -> PathBuf {
        table_path(&self.dir)
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
}

/// The path of a run folder's semantic IDs.
pub(super) fn table_path(dir: &Path) -> PathBuf {
    dir.join("sid/table.json")
}

fn is_run(dir: &Path) -> Result<()> {
    match Config::path(dir).exists() {
        true => Ok(()),
        false => Err(Error::NoRun { path: dir.to_owned() }),
    }
}

/// Whether a folder holds a run of these settings; an error if the folder holds anything else.
/// `lock` is the folder's, if this process holds it.
pub(super) fn holds_run_of(dir: &Path, config: &Config, lock: Option<&Lock>) -> Result<bool> {
    if Config::path(dir).exists() {
        let kept = Config::of_run(dir, &[])?;
        let changes = Keys::of(&kept)?.changes(&Keys::of(config)?);
        if !changes.is_empty() {
            return Err(Error::OtherRun { run_dir: dir.to_owned(), changes });
        }
        check_sources(dir)?;
        return Ok(true);
    }
    if dir.is_file() {
        return Err(Error::file(dir, "is a file, not a folder", "name a folder"));
    }
    let Ok(entries) = fs::read_dir(dir) else { return Ok(false) };
    let (locks, others): (Vec<_>, Vec<_>) =
        entries.flatten().map(|entry| entry.file_name()).partition(|name| Lock::is_name(name));
    if others.is_empty() {
        return Ok(false);
    }
    if !locks.is_empty() {
        if lock.is_none() {
            // the files may be those of a run in the making
            Lock::take(dir)?;
        }
        if others.iter().all(|name| is_of_preparation(name)) {
            // the process that made them was ended: they are made again
            return Ok(false);
        }
    }
    Err(Error::file(dir, "is a folder with other files", "name another folder"))
}

/// Whether a name is one of those that a preparation writes before it is complete.
fn is_of_preparation(name: &std::ffi::OsStr) -> bool {
    ["checksums.json", "sums", "data"].iter().any(|known| name == *known) || is_temporary(name)
}

/// The folder, made where it does not exist.
fn made(dir: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&dir).map_err(|cause| Error::write(&dir, cause))?;
    Ok(dir)
}

/// The first free `runs/<name>-<number>`, made here, so that no other process takes it.
fn free_dir(config: &Config) -> Result<PathBuf> {
    let log = config.data.interactions.as_deref().and_then(Path::file_stem);
    let name = log.map_or("synthetic".into(), |stem| stem.to_string_lossy().into_owned());
    let runs = made(PathBuf::from("runs"))?;
    let mut number = 1u32;
    loop {
        let dir = runs.join(format!("{name}-{number}"));
        match fs::create_dir(&dir) {
            Ok(()) => return Ok(dir),
            Err(cause) if cause.kind() == io::ErrorKind::AlreadyExists => number += 1,
            Err(cause) => return Err(Error::write(&dir, cause)),
        }
    }
}
