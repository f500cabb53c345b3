//! The phases of a run, each of which reads what the one before wrote.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use burn::module::Module;
use serde::Serialize;

use super::baseline::RANKED;
use super::inputs::{DataReport, Inputs, Prepared};
use crate::catalogue::Catalogue;
use crate::catalogue::{SidTable, Trie};
use crate::config::Config;
use crate::data::Synthetic;
use crate::decode::Search;
use crate::error::{Error, Result};
use crate::evaluate::{Evaluation, SearchCheck, check_search, evaluate, judge};
use crate::event::{Monitor, Output};
use crate::machine::{device_memory_bytes, peak_memory_bytes};
use crate::model::{Decoder, MemoryEstimate, ModelConfig, Pass};
use crate::optim::Replicas;
use crate::optim::Stage;
use crate::report::{GroupSummary, Summary, SystemResult};
use crate::reward::Rewards;
use crate::storage::{write_atomic, write_json};
use crate::train::{RlState, SftState, SignalName, TrainInputs, rl, sft};

/// A run folder at work.
#[derive(Debug)]
pub struct Run {
    dir: PathBuf,
    config: Config,
    prepared: Prepared,
    /// The devices that share each training step.
    replicas: Replicas,
    monitor: Monitor,
}

/// What cleaning found, what is in the split, and what that took.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PreparedSummary<'a> {
    /// What was found.
    #[serde(flatten)]
    pub report: &'a DataReport,
    /// From reading the first file until the data stood in the run folder and were read from there.
    pub seconds: f64,
    /// Rows of the log a second.
    pub rows_per_second: f64,
    /// The largest resident size of this process; null where the system doesn't tell.
    pub peak_memory_bytes: Option<u64>,
}

/// Semantic IDs and their trie.
#[derive(Debug)]
pub struct Tokenized {
    /// The semantic ID of each item.
    pub sids: SidTable,
    /// The trie of these.
    pub trie: Trie,
}

impl Tokenized {
    fn catalogue(&self, config: &Config) -> Catalogue<'_> {
        Catalogue { sids: &self.sids, trie: &self.trie, max_history: config.data.max_history }
    }
}

impl Run {
    /// Reads and checks the data, then makes the folder and writes the data into it.
    ///
    /// Without a folder the first free `runs/<name>-<number>` is taken. A folder that holds a run
    /// of the same config is gone on with.
    ///
    /// # Errors
    /// If a setting or the data is at fault (nothing is then written), or the folder holds
    /// something else.
    pub fn create(
        dir: Option<&Path>,
        config: &Config,
        output: Output,
        interrupted: Arc<AtomicBool>,
    ) -> Result<Self> {
        config.check()?;
        let started = Instant::now();
        let inputs = Inputs::read(config)?;
        config.rl.rewards.check_items(&inputs.items)?;
        let dir = match dir {
            Some(dir) => dir.to_owned(),
            None => free_dir(config),
        };
        let config_path = dir.join("config.toml");
        if config_path.exists() {
            let kept = Config::resolve_over(&Config::default(), Some(&config_path), &[])?;
            if kept != *config {
                return Err(Error::file(
                    &dir,
                    "holds a run with other settings",
                    "name another folder, or go on with it by --resume",
                ));
            }
            return Self::open(&dir, &[], output, interrupted);
        }
        if dir.is_file() {
            return Err(Error::file(&dir, "is a file, not a folder", "name a folder"));
        }
        if fs::read_dir(&dir).is_ok_and(|mut entries| entries.next().is_some()) {
            return Err(Error::file(&dir, "is a folder with other files", "name another folder"));
        }
        inputs.write(&dir)?;
        // last, so that a folder with a config is a whole one
        write_atomic(&config_path, |writer| {
            std::io::Write::write_all(writer, config.to_toml().as_bytes())
        })?;
        // a large log need not be held twice
        drop(inputs);
        let run = Self::open(&dir, &[], output, interrupted)?;
        run.add_seconds("prepare", started.elapsed().as_secs_f64())?;
        let report = &run.prepared.report;
        run.monitor.record("prepare", report)?;
        run.monitor.say(&format!("{}:\n{report}", dir.display()));
        Ok(run)
    }

    /// Opens a run folder; `key=value` overrides of its config hold as long as it is open.
    ///
    /// # Errors
    /// If the folder holds no run, or a setting is at fault.
    pub fn open(
        dir: &Path,
        overrides: &[(String, String)],
        output: Output,
        interrupted: Arc<AtomicBool>,
    ) -> Result<Self> {
        let config_path = dir.join("config.toml");
        if !config_path.exists() {
            let hint = "make one with recast run or recast prepare";
            return Err(Error::file(dir, "is no run folder: it has no config.toml", hint));
        }
        let config = Config::resolve_over(&Config::default(), Some(&config_path), overrides)?;
        config.check()?;
        let prepared = Prepared::load(dir, &config)?;
        let monitor = Monitor::new(dir, output, interrupted)?;
        let devices = config.replicas()?.into_iter().map(|kind| kind.device().autodiff());
        let replicas = Replicas::new(devices.collect());
        Ok(Self { dir: dir.to_owned(), config, prepared, replicas, monitor })
    }

    /// The folder.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The settings, as resolved when the folder was made.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.config
    }

    /// The data.
    #[must_use]
    pub fn prepared(&self) -> &Prepared {
        &self.prepared
    }

    /// What cleaning found, what is in the split, and what that took.
    ///
    /// # Errors
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

    /// The same run, its decoders searched in another way.
    #[must_use]
    pub fn searched_by(mut self, search: Search) -> Self {
        self.config.evaluate.search = search;
        self
    }

    /// What shows progress and listens to the user.
    #[must_use]
    pub fn monitor(&self) -> &Monitor {
        &self.monitor
    }

    pub(super) fn train_inputs<'a>(&'a self, tokenized: &'a Tokenized) -> TrainInputs<'a> {
        TrainInputs {
            train: &self.prepared.split.train,
            valid: &self.prepared.split.valid,
            catalogue: tokenized.catalogue(&self.config),
            evaluation: &self.config.evaluate,
            replicas: &self.replicas,
            seed: self.config.seed,
        }
    }

    /// Trains the decoder on the logs, or goes on with that.
    ///
    /// # Errors
    /// If the user interrupts, training diverges, or a checkpoint cannot be written.
    pub fn sft(&self, tokenized: &Tokenized) -> Result<Decoder> {
        let config = &self.config;
        let pass = config.sft.pass(config.data.max_history, tokenized.sids.levels());
        self.say_memory("sft", &config.model, tokenized, 0, pass)?;
        let (decoder, state) = self.timed("sft", || {
            sft(
                self.fresh_decoder(tokenized)?,
                self.train_inputs(tokenized),
                &self.config.sft,
                self.config.model.dropout,
                &self.sft_stage(),
                &self.monitor,
            )
        })?;
        self.say_best(&self.sft_stage(), state);
        Ok(decoder)
    }

    /// Says what training will take, and warns if the device has less.
    pub(super) fn say_memory(
        &self,
        phase: &str,
        model: &ModelConfig,
        tokenized: &Tokenized,
        frozen: usize,
        pass: Pass,
    ) -> Result<()> {
        let (device, precision) = (self.config.device_kind()?, self.config.precision);
        let codes = tokenized.sids.codes_per_level();
        let estimate = MemoryEstimate::new(model, codes, precision, frozen, pass);
        self.monitor.record("memory_estimate", &estimate)?;
        let mib = |bytes: u64| bytes.div_ceil(1 << 20);
        let [all, state] = [estimate.bytes(), estimate.state_bytes].map(mib);
        let memory = device_memory_bytes(device);
        let of =
            memory.map_or_else(String::new, |memory| format!(" of {} on {device}", mib(memory)));
        self.monitor.say(&format!(
            "{phase}: about {all} MiB{of}, {state} of these for weights and optimiser; passes of {} rows x {} tokens",
            pass.rows, pass.slots
        ));
        if memory.is_some_and(|memory| estimate.bytes() > memory) {
            self.monitor
                .say(&format!("warning: {phase} may not fit; lower its micro_batch_tokens"));
        }
        Ok(())
    }

    pub(super) fn say_best(&self, stage: &Stage, state: SftState) {
        self.monitor.say(&format!(
            "{}: best validation NDCG@10 {:.4} after epoch {} of {}",
            stage.name(),
            state.best_ndcg_at_10,
            state.best_epoch,
            state.epoch
        ));
    }

    /// Improves the supervised decoder with one signal, or goes on with that.
    ///
    /// # Errors
    /// If the user interrupts, training diverges, or a checkpoint cannot be written.
    pub fn rl(
        &self,
        tokenized: &Tokenized,
        start: &Decoder,
        signal: SignalName,
    ) -> Result<Decoder> {
        let (config, phase) = (&self.config, format!("rl {}", signal.key()));
        let Prepared { items, split, sequences, .. } = &self.prepared;
        let rewards = Rewards::new(&config.rl.rewards, items, &split.train, sequences.n_items())?;
        let pass = config.rl.pass(signal, config.data.max_history, tokenized.sids.levels());
        // the policy of the rollout and the reference
        self.say_memory(&phase, &config.model, tokenized, 2, pass)?;
        let (decoder, state) = self.timed(&phase, || {
            rl(
                start,
                self.train_inputs(tokenized),
                &rewards,
                signal,
                &self.config.rl,
                &self.rl_stage(signal),
                &self.monitor,
            )
        })?;
        self.monitor.say(&format!(
            "rl {}: best validation Pass@1 {:.4} after step {} of {}",
            signal.key(),
            state.best_pass_at_1,
            state.best_step,
            state.step
        ));
        Ok(decoder)
    }

    /// Judges the baselines, the oracle where there is one, and every trained decoder on the test
    /// prompts; writes and returns the summary.
    ///
    /// # Errors
    /// If the user interrupts, or nothing is trained.
    pub fn evaluate(&self, tokenized: &Tokenized) -> Result<Summary> {
        self.sft_state()?;
        let systems = self.timed("evaluate", || self.judge_systems(tokenized))?;
        for system in &systems {
            self.monitor.record("test", system)?;
        }
        let summary = self.summary(tokenized, systems)?;
        write_json(&self.summary_path(), &summary)?;
        Ok(summary)
    }

    /// Beam search of each width beside exact search on the first test prompts, with the decoder
    /// that [`Run::decoder`] gives; without widths, that of the settings.
    ///
    /// # Errors
    /// If the decoder is not trained, or the user interrupts.
    pub fn check_search(
        &self,
        tokenized: &Tokenized,
        system: Option<&str>,
        prompts: usize,
        beam_widths: &[usize],
    ) -> Result<Vec<SearchCheck>> {
        let decoder = self.decoder(tokenized, system)?;
        let settings = [self.config.evaluate.beam_width];
        let test = &self.prepared.split.test;
        let histories: Vec<&[u32]> =
            test.iter().take(prompts).map(|example| &example.history[..]).collect();
        let found = check_search(
            &decoder,
            self.catalogue(tokenized),
            &histories,
            if beam_widths.is_empty() { &settings } else { beam_widths },
            self.config.evaluate.batch_prompts,
            &self.monitor,
        )?;
        for check in &found {
            self.monitor.record("search_check", check)?;
        }
        Ok(found)
    }

    fn judge_systems(&self, tokenized: &Tokenized) -> Result<Vec<SystemResult>> {
        let mut systems = self.judge_baselines(&tokenized.sids)?;
        let sft = self.judge_decoder(tokenized, &self.sft_stage(), "SFT")?;
        systems.push(SystemResult::new("sft", "SFT", sft));
        for &signal in &self.config.rl.signals {
            if self.rl_state(signal)?.is_some() {
                let found =
                    self.judge_decoder(tokenized, &self.rl_stage(signal), signal.title())?;
                systems.push(SystemResult::new(signal.key(), signal.title(), found));
            }
        }
        if let Some(synthetic) = self.synthetic()? {
            let test = &self.prepared.split.test;
            let rankings: Vec<_> =
                test.iter().map(|e| synthetic.oracle_ranking(&e.history, RANKED)).collect();
            let oracle = judge(test, &rankings, &tokenized.sids);
            systems.push(SystemResult::new("oracle", "oracle", oracle));
        }
        Ok(systems)
    }

    fn judge_decoder(
        &self,
        tokenized: &Tokenized,
        stage: &Stage,
        title: &str,
    ) -> Result<Evaluation> {
        let decoder = stage.load_best(self.fresh_decoder(tokenized)?)?.valid();
        let catalogue = tokenized.catalogue(&self.config);
        let test = &self.prepared.split.test;
        let label = format!("test {title}");
        evaluate(&decoder, catalogue, test, &self.config.evaluate, &self.monitor, &label)
    }

    fn summary(&self, tokenized: &Tokenized, systems: Vec<SystemResult>) -> Result<Summary> {
        let test = &self.prepared.split.test;
        let mut groups = BTreeMap::new();
        for &signal in &self.config.rl.signals {
            if let Some(state) = self.rl_state(signal)? {
                groups.insert(signal.key().to_owned(), GroupSummary::new(&state));
            }
        }
        let phases = self.seconds()?;
        let sids = &tokenized.sids;
        Ok(Summary {
            systems,
            groups,
            seconds: phases.values().sum(),
            phases,
            peak_memory_bytes: peak_memory_bytes(),
            run_dir: self.dir.clone(),
            warnings: self.prepared.report.prepare.warnings.clone(),
            test_prompts: test.len(),
            evaluate: self.config.evaluate.clone(),
            seed: self.config.seed,
            bayes_pass_at_1: self
                .synthetic()?
                .and_then(|synthetic| synthetic.bayes_pass_at_1(test)),
            collision_rate: 1.0 - sids.n_distinct() as f64 / sids.n_items() as f64,
        })
    }

    /// The trained decoder of `system`: `sft` or a signal's key; without one, ReCast's if it is
    /// trained, else the supervised one.
    ///
    /// # Errors
    /// If it is not trained.
    pub fn decoder(&self, tokenized: &Tokenized, system: Option<&str>) -> Result<Decoder> {
        self.sft_state()?;
        let stage = match system {
            Some("sft") => self.sft_stage(),
            Some(name) => {
                let Ok(signal) = name.parse::<SignalName>() else {
                    let problem = format!("'{name}' is no system");
                    let names = SignalName::ALL.map(SignalName::key).join(", ");
                    return Err(Error::data(problem, format!("name sft, or a signal: {names}")));
                };
                if self.rl_state(signal)?.is_none() {
                    let problem =
                        format!("{} holds no {} decoder", self.dir.display(), signal.title());
                    let hint = format!("train it with recast rl --signal {name}");
                    return Err(Error::data(problem, hint));
                }
                self.rl_stage(signal)
            }
            None if self.rl_state(SignalName::Recast)?.is_some() => {
                self.rl_stage(SignalName::Recast)
            }
            None => self.sft_stage(),
        };
        Ok(stage.load_best(self.fresh_decoder(tokenized)?)?.valid())
    }

    /// The supervised decoder.
    ///
    /// # Errors
    /// If it is not trained.
    pub fn supervised(&self, tokenized: &Tokenized) -> Result<Decoder> {
        if !self.sft_state()?.finished {
            let problem = format!("supervised training in {} is not finished", self.dir.display());
            return Err(Error::data(problem, "go on with recast sft"));
        }
        self.sft_stage().load_best(self.fresh_decoder(tokenized)?)
    }

    /// What turns histories into prompts.
    #[must_use]
    pub fn catalogue<'a>(&self, tokenized: &'a Tokenized) -> Catalogue<'a> {
        tokenized.catalogue(&self.config)
    }

    fn fresh_decoder(&self, tokenized: &Tokenized) -> Result<Decoder> {
        self.decoder_of(&self.config.model, tokenized)
    }

    pub(super) fn decoder_of(&self, shape: &ModelConfig, tokenized: &Tokenized) -> Result<Decoder> {
        let device = self.config.device_kind()?.device().autodiff();
        let codes = tokenized.sids.codes_per_level();
        let decoder = Decoder::new(shape, codes, self.config.seed, &device);
        Ok(decoder.with_precision(self.config.precision))
    }

    fn synthetic(&self) -> Result<Option<Synthetic>> {
        if self.config.data.interactions.is_some() {
            return Ok(None);
        }
        Synthetic::generate(&self.config.data.synthetic, self.config.seed).map(Some)
    }

    fn sft_state(&self) -> Result<SftState> {
        self.required(&self.dir.join("sft/best.bpk"), "recast sft")?;
        let state = self.sft_stage().state()?;
        state.ok_or_else(|| Error::file(&self.dir, "holds no supervised decoder", "run recast sft"))
    }

    fn rl_state(&self, signal: SignalName) -> Result<Option<RlState>> {
        self.rl_stage(signal).state()
    }

    fn sft_stage(&self) -> Stage {
        Stage::new(&self.dir, "sft")
    }

    fn rl_stage(&self, signal: SignalName) -> Stage {
        Stage::new(&self.dir, &format!("rl-{}", signal.key()))
    }

    pub(super) fn table_path(&self) -> PathBuf {
        self.dir.join("sid/table.json")
    }

    pub(super) fn tokenizer_report_path(&self) -> PathBuf {
        self.dir.join("sid/report.json")
    }

    fn summary_path(&self) -> PathBuf {
        self.dir.join("summary.json")
    }

    pub(super) fn item_ids(&self) -> Vec<&str> {
        self.prepared.sequences.items.iter().collect()
    }

    pub(super) fn required(&self, path: &Path, command: &str) -> Result<()> {
        if path.exists() {
            return Ok(());
        }
        let hint = format!("run {command} --run-dir {} first", self.dir.display());
        Err(Error::file(path, "is not there", hint))
    }

    /// Runs a phase and adds its seconds, also if it is interrupted.
    pub(super) fn timed<T>(&self, phase: &str, work: impl FnOnce() -> Result<T>) -> Result<T> {
        let started = Instant::now();
        let done = work();
        self.add_seconds(phase, started.elapsed().as_secs_f64())?;
        done
    }

    fn add_seconds(&self, phase: &str, seconds: f64) -> Result<()> {
        #[derive(Serialize)]
        struct Phase<'a> {
            phase: &'a str,
            seconds: f64,
        }
        let mut all = self.seconds()?;
        *all.entry(phase.to_owned()).or_default() += seconds;
        write_json(&self.dir.join("phases.json"), &all)?;
        self.monitor.record("phase", &Phase { phase, seconds })
    }

    /// Seconds spent in each phase, all sessions together.
    fn seconds(&self) -> Result<BTreeMap<String, f64>> {
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

/// The first `runs/<name>-<number>` that is not there.
fn free_dir(config: &Config) -> PathBuf {
    let log = config.data.interactions.as_deref().and_then(Path::file_stem);
    let name = log.map_or("synthetic".into(), |stem| stem.to_string_lossy().into_owned());
    (1u32..)
        .map(|number| Path::new("runs").join(format!("{name}-{number}")))
        .find(|dir| !dir.exists())
        .unwrap_or_else(|| Path::new("runs").join(name))
}
