//! The cost of each part of training on this machine, side by side in one run.
//!
//! The seed gives all inputs: a catalogue of random semantic IDs, histories of random items, and a
//! decoder with its first weights. Costs do not depend on the values of numbers. Every group holds
//! one hit, so that GRPO trains on all groups and ReCast keeps a pair of each.

mod checkpoint;
mod flops;
mod learning;
mod report;

pub use report::{BenchReport, CheckpointShare, Legality, Measurement, Ratio, Settings};
use report::{CHECKPOINT, Load, SUPERVISED_STEP};

use std::collections::HashSet;
use std::hint::black_box;
use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use rand::RngExt;
use recast_burn::DeviceKind;
use recast_burn::fused::matmul;
use serde::Serialize;

use crate::catalogue::{Catalogue, SidTable, Trie};
use crate::data::Histories;
use crate::decode::Searcher;
use crate::embedding::Embeddings;
use crate::error::{Error, Result};
use crate::event::Monitor;
use crate::machine::{peak_memory_bytes, reset_peak_memory};
use crate::model::{CatalogueShape, Decoder, MemoryEstimate, ModelConfig, Pass, Precision};
use crate::optim::{Optimiser, batches_of};
use crate::random::{Purpose, stream};
use crate::tokenizer::{Codes, TokenizerOptions, tokenize};
use crate::train::{Candidates, Layout, Likelihood, Normalise, RlConfig, SftConfig, SignalName};

/// The sizes of the measured parts.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BenchConfig {
    /// The device of tensors.
    #[serde(skip)]
    pub device: DeviceKind,
    /// The number format of the decoder's matrix products.
    pub precision: Precision,
    /// The decoder's shape.
    pub model: ModelConfig,
    /// Items of the catalogue.
    pub items: usize,
    /// Levels of a semantic ID.
    pub levels: usize,
    /// Codes of each level.
    pub codes: usize,
    /// Items of every history.
    pub history: usize,
    /// Prompts of a rollout, and groups of an update.
    pub groups: usize,
    /// Completions of a group; the update is measured for each.
    pub group_sizes: Vec<usize>,
    /// Tokens of a supervised step.
    pub batch_tokens: usize,
    /// Tokens in one pass through the decoder, in a supervised step and in an update; 0 means all.
    pub micro_batch_tokens: usize,
    /// The reference of utilisation in floating-point operations a second; `None` means the
    /// measured rate of a large matrix product.
    pub peak_flops: Option<f64>,
    /// Measured repetitions, after an unmeasured one.
    pub repeats: usize,
    /// Completions to decode and look up in the table of semantic IDs; 0 means none.
    pub legality: usize,
    /// The text that names of measured parts contain.
    pub only: Option<String>,
    /// The seed of all randomness.
    pub seed: u64,
}

impl BenchConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// If a count is 0, a group has fewer than 2 completions, or the catalogue is smaller than a
    /// group.
    pub fn check(&self) -> Result<()> {
        self.model.check("model")?;
        for (size, value) in [
            ("items", self.items),
            ("levels", self.levels),
            ("codes", self.codes),
            ("history", self.history),
            ("groups", self.groups),
            ("batch_tokens", self.batch_tokens),
            ("repeats", self.repeats),
        ] {
            if value == 0 {
                return Err(Error::data(
                    format!("the size '{size}' of the bench is 0"),
                    "give at least 1",
                ));
            }
        }
        if let Some(peak) = self.peak_flops.filter(|peak| !(*peak > 0.0 && peak.is_finite())) {
            let problem = format!("a peak rate of {} TFLOP/s is not above 0", 1e-12 * peak);
            return Err(Error::data(problem, "give the device's rate, or leave it out"));
        }
        for &size in &self.group_sizes {
            if size < 2 {
                let problem = format!("a group of {size} completions is no group");
                return Err(Error::data(problem, "give at least 2"));
            }
            if size > self.items {
                let problem =
                    format!("a group of {size} completions of a catalogue of {} items", self.items);
                return Err(Error::data(problem, "take more items or a smaller group"));
            }
        }
        Ok(())
    }
}

impl BenchConfig {
    /// The memory of an update.
    fn update_memory(&self, name: SignalName, group_size: usize, layout: Layout) -> MemoryEstimate {
        let config = RlConfig {
            group_size,
            groups_per_minibatch: self.groups,
            layout,
            micro_batch_tokens: self.micro_batch_tokens,
            ..RlConfig::default()
        };
        self.memory(config.pass(name, self.history, self.levels))
    }

    fn supervised_memory(&self) -> MemoryEstimate {
        let Self { batch_tokens, micro_batch_tokens, .. } = *self;
        let config = SftConfig { batch_tokens, micro_batch_tokens, ..SftConfig::default() };
        self.memory(config.pass(self.history - 1, self.levels))
    }

    /// The memory of a pass without dropout; the decoder that all parts start from stays.
    fn memory(&self, pass: Pass) -> MemoryEstimate {
        let model = ModelConfig { dropout: 0.0, ..self.model.clone() };
        let codes = vec![self.codes; self.levels];
        let catalogue = CatalogueShape { codes_per_level: &codes, items: self.items, content: 0 };
        MemoryEstimate::new(&model, catalogue, self.precision, 1, pass)
    }
}

/// Measures every part.
///
/// # Errors
///
/// If the settings do not pass [`BenchConfig::check`], or `only` selects no part.
pub fn bench(config: &BenchConfig, monitor: &Monitor) -> Result<BenchReport> {
    config.check()?;
    let inputs = Inputs::new(config)?;
    let mut bench = Bench { config, monitor, found: Vec::new() };
    let reference = match config.peak_flops {
        Some(peak) => peak,
        None => bench.matrix_product()?,
    };
    bench.trie(&inputs)?;
    bench.tokenizer()?;
    for &group_size in &config.group_sizes {
        bench.group(&inputs, group_size)?;
    }
    bench.supervised(&inputs)?;
    let legality = bench.legality(&inputs)?;
    if bench.found.is_empty() && legality.is_none() {
        let problem = format!("no part's name holds '{}'", config.only.as_deref().unwrap_or(""));
        return Err(Error::data(problem, "measure all parts to see their names"));
    }
    let settings = Settings {
        config: config.clone(),
        parameters: inputs.decoder.num_params(),
        trie_bytes: inputs.trie.memory_bytes(),
    };
    Ok(BenchReport::new(settings, reference, bench.found, legality))
}

/// The inputs of all parts.
struct Inputs {
    table: SidTable,
    trie: Trie,
    histories: Histories,
    decoder: Decoder,
}

impl Inputs {
    fn new(config: &BenchConfig) -> Result<Self> {
        let mut rng = stream(config.seed, Purpose::Catalogue, 0);
        let codes = (0..config.items * config.levels)
            .map(|_| rng.random_range(0..config.codes) as u16)
            .collect();
        let table = SidTable::new(vec![config.codes; config.levels], codes)?;
        let mut histories = Histories::default();
        for _ in 0..config.groups.max(config.batch_tokens / (config.history * config.levels) + 1) {
            let items: Vec<u32> =
                (0..config.history).map(|_| rng.random_range(0..config.items as u32)).collect();
            histories.push(&items);
        }
        let device = config.device.device().autodiff();
        let decoder = Decoder::new(&config.model, table.codes_per_level(), config.seed, &device)
            .with_precision(config.precision);
        Ok(Self { trie: Trie::new(&table), table, histories, decoder })
    }

    /// The tokens of the first `count` histories.
    fn prompts(&self, count: usize) -> Vec<Vec<u32>> {
        let histories = self.histories.iter().take(count);
        histories.map(|history| self.catalogue().prompt(&self.decoder, history)).collect()
    }

    fn catalogue(&self) -> Catalogue<'_> {
        Catalogue { sids: &self.table, trie: &self.trie, max_history: usize::MAX }
    }
}

struct Bench<'a> {
    config: &'a BenchConfig,
    monitor: &'a Monitor,
    found: Vec<Measurement>,
}

impl Bench<'_> {
    fn wanted(&self, name: &str) -> bool {
        self.config.only.as_deref().is_none_or(|only| name.contains(only))
    }

    /// Times `work` to warm up and then `repeats` times; `load` describes one call.
    fn measure(&mut self, name: String, load: Load, mut work: impl FnMut()) -> Result<()> {
        if !self.wanted(&name) {
            return Ok(());
        }
        let device = self.config.device.device();
        device.memory_cleanup();
        let told = reset_peak_memory();
        let monitor = self.monitor;
        let mut timed = || {
            monitor.check_interrupt()?;
            let started = Instant::now();
            work();
            device.sync().map_err(Error::device)?;
            Ok(started.elapsed().as_secs_f64())
        };
        // a GPU still compiles kernels in the second call, when the optimiser has a state
        let warm_ups = if self.config.device.is_cpu() { 1 } else { 3 };
        for _ in 0..warm_ups {
            timed()?;
        }
        let seconds = (0..self.config.repeats).map(|_| timed()).collect::<Result<Vec<f64>>>()?;
        // a GPU's allocator keeps its memory until the clean-up
        let peak = match device.memory_pool_usage() {
            Some(usage) => Some(usage.bytes_reserved),
            None => told.then(peak_memory_bytes).flatten(),
        };
        let found = Measurement::new(name, load, seconds, peak);
        self.monitor.say(&found.to_string());
        self.found.push(found);
        Ok(())
    }

    /// The rate of a large matrix product, in floating-point operations a second: the reference of
    /// utilisation.
    fn matrix_product(&self) -> Result<f64> {
        let size: usize = if self.config.device.is_cpu() { 1024 } else { 8192 };
        let device = self.config.device.device();
        let values: Vec<f32> = (0..size * size).map(|i| (i % 17) as f32 / 17.0).collect();
        let a = Tensor::<2>::from_data(TensorData::new(values, [size, size]), &device);
        let a = self.config.precision.narrow(a);
        let mut best = f64::INFINITY;
        for _ in 0..=self.config.repeats.max(3) {
            device.sync().map_err(Error::device)?;
            let started = Instant::now();
            let product = matmul(a.clone(), a.clone());
            device.sync().map_err(Error::device)?;
            best = best.min(started.elapsed().as_secs_f64());
            // a GPU reports a failed kernel only at the read of its result
            product.slice([0..1, 0..1]).try_into_data().map_err(Error::device)?;
        }
        Ok(2.0 * (size as f64).powi(3) / best)
    }

    fn trie(&mut self, inputs: &Inputs) -> Result<()> {
        let items = inputs.table.n_items();
        self.measure("trie build".to_owned(), Load::of("items", items), || {
            black_box(Trie::new(&inputs.table));
        })?;
        self.measure("trie look-up".to_owned(), Load::of("items", items), || {
            for sid in inputs.table.sids() {
                black_box(inputs.trie.walk(sid));
            }
        })
    }

    /// Residual k-means of random embeddings, as wide as sentence encoders give.
    fn tokenizer(&mut self) -> Result<()> {
        const WIDTH: usize = 384;
        let config = self.config;
        if !self.wanted("tokenizer") {
            return Ok(());
        }
        let mut rng = stream(config.seed, Purpose::Embedding, 0);
        let values = (0..config.items * WIDTH).map(|_| rng.random_range(-1.0..1.0)).collect();
        let embeddings = Embeddings::new(WIDTH, values)?;
        let options = TokenizerOptions {
            levels: config.levels,
            codes: Codes::Each(config.codes),
            ..TokenizerOptions::default()
        };
        let (device, silent) = (config.device.device(), Monitor::silent());
        self.measure("tokenizer".to_owned(), Load::of("items", config.items), || {
            let made = tokenize(&embeddings, &options, config.seed, &device, None, &silent);
            black_box(made.is_ok());
        })
    }

    /// Decodes completions of random histories and looks their codes up in the table, not the trie.
    fn legality(&self, inputs: &Inputs) -> Result<Option<Legality>> {
        let config = self.config;
        if config.legality == 0 {
            return Ok(None);
        }
        let width = config.group_sizes[0];
        let legal: HashSet<&[u16]> = inputs.table.sids().collect();
        let frozen = inputs.decoder.valid();
        let catalogue =
            Catalogue { sids: &inputs.table, trie: &inputs.trie, max_history: usize::MAX };
        let progress = self.monitor.progress("legality", config.legality as u64);
        let searcher = Searcher::new(&frozen, &inputs.trie);
        let (mut completions, mut illegal) = (0, 0);
        let mut rng = stream(config.seed, Purpose::Catalogue, 1);
        while completions < config.legality {
            self.monitor.check_interrupt()?;
            let prompts: Vec<Vec<u32>> = (0..config.groups)
                .map(|_| {
                    let history: Vec<u32> = (0..config.history)
                        .map(|_| rng.random_range(0..config.items as u32))
                        .collect();
                    catalogue.prompt(&frozen, &history)
                })
                .collect();
            let slices: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
            let found = searcher.beams(&slices, width).concat();
            for completion in &found {
                let path = inputs.trie.path(completion.leaf);
                let codes: Vec<u16> =
                    path[1..].iter().map(|&node| inputs.trie.code(node)).collect();
                illegal += usize::from(!legal.contains(&codes[..]));
            }
            completions += found.len();
            progress.advance(found.len() as u64);
        }
        progress.finish();
        Ok(Some(Legality { completions, illegal }))
    }

    fn supervised(&mut self, inputs: &Inputs) -> Result<()> {
        let config = self.config;
        let per_sequence = config.history * config.levels;
        let sequences = inputs.prompts(config.batch_tokens.div_ceil(per_sequence));
        let sequences: Vec<&[u32]> = sequences.iter().map(Vec::as_slice).collect();
        let load = Load {
            flops: Some(flops::supervised(&config.model, &inputs.table, &sequences)),
            memory: Some(config.supervised_memory()),
            ..Load::of("tokens", sequences.len() * per_sequence)
        };
        let likelihood = Likelihood {
            catalogue: inputs.catalogue(),
            normalise: Normalise::Vocabulary,
            item_loss: 0.0,
            candidates: &Candidates::All,
        };
        let mut model = inputs.decoder.clone();
        let mut optimiser = Optimiser::new(0.1, 1.0);
        let mut step = || {
            let codes = likelihood.codes(&model, &sequences);
            let micro_batches = batches_of(&sequences, config.micro_batch_tokens, |s| s.len());
            let losses = micro_batches
                .into_iter()
                .map(|sequences| likelihood.loss(&model, sequences, codes, None));
            let found = optimiser.gradients(&model, losses);
            model = optimiser.step(1e-4, model.clone(), found.clipped);
        };
        self.measure(SUPERVISED_STEP.to_owned(), load, &mut step)?;
        if self.wanted(CHECKPOINT) {
            // the optimiser's moments are there after a step
            step();
            self.checkpoint(&model, &optimiser)?;
        }
        Ok(())
    }
}
