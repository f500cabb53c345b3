//! The flags that make settings.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::Ordering;

use anyhow::{Context, Result};
use clap::Args;
use recast_burn::device::is_cpu;
use toml::Value;

use crate::config::{Config, Layers, ModelPreset, Preset, check_threads};
use crate::data::TieOrder;
use crate::error::Error;
use crate::model::Precision;

/// The sources of settings: a preset, then a file, then flags.
#[derive(Debug, Default, Args)]
pub(super) struct SettingsArgs {
    /// Settings to start from [default: as the data are, however they are named: demo without a
    /// log, mini_one_rec for a folder of MiniOneRec, else standard].
    #[arg(long, value_parser = super::values::preset())]
    preset: Option<Preset>,
    /// A TOML file, as `recast init` writes it.
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// A key of the config, as `rl.steps=100`. The flag may be repeated.
    #[arg(long = "set", value_name = "KEY=VALUE", value_parser = key_value)]
    overrides: Vec<(String, String)>,
    /// The log: .csv, .tsv, .inter of RecBole, .jsonl, .parquet, .txt in S3-Rec form, or a folder
    /// of Parquet parts, of MiniOneRec or of LC-Rec. Text may be packed as .gz or .zst. --set
    /// data.valid=FILE --set data.test=FILE add files of a split of its own.
    #[arg(long, value_name = "PATH")]
    interactions: Option<PathBuf>,
    /// The names of the columns of a log without a header line, parted by commas.
    #[arg(long, value_name = "NAMES", value_delimiter = ',')]
    columns: Vec<String>,
    /// A column of the log and its value whose rows count. The flag may be repeated.
    #[arg(long = "where", value_name = "COLUMN=VALUE", value_parser = key_value)]
    keep: Vec<(String, String)>,
    /// Titles and text of items: .jsonl, .json, .csv, .tsv, .item of RecBole, movies.dat or u.item
    /// of MovieLens, .json or .txt of MiniOneRec; also packed as .gz or .zst.
    #[arg(long, value_name = "FILE")]
    items: Option<PathBuf>,
    /// Item embeddings: .npz, .parquet or .safetensors with ids, or .npy or .safetensors without.
    #[arg(long, value_name = "FILE")]
    embeddings: Option<PathBuf>,
    /// The decoder's size: widths, layers and heads of the section [model].
    #[arg(long, value_parser = super::values::model())]
    model: Option<ModelPreset>,
    /// Seed of all randomness.
    #[arg(long)]
    seed: Option<u64>,
    /// The order of a user's interactions of one timestamp.
    #[arg(long, value_parser = super::values::tie_order())]
    tie_order: Option<TieOrder>,
    #[command(flatten)]
    pub(super) compute: ComputeArgs,
}

/// The device, precision and threads; on an existing run, for this session only.
#[derive(Debug, Default, Args)]
pub(super) struct ComputeArgs {
    /// cpu, ndarray, cuda (the first GPU), cuda:N, or auto: the first GPU, else cpu [default: as
    /// the settings say].
    #[arg(long, value_name = "NAME")]
    device: Option<String>,
    /// The number format of the decoder's matrix products; all else is f32 [default: as the
    /// settings say].
    #[arg(long, value_parser = super::values::precision())]
    precision: Option<Precision>,
    /// CPU threads; 0 means one a core [default: as the settings say].
    #[arg(long)]
    threads: Option<usize>,
}

impl ComputeArgs {
    /// The keys of the config that these flags set, with their values in TOML.
    pub(super) fn overrides(&self) -> Vec<(String, String)> {
        let text = |text: &str| Value::String(text.to_owned()).to_string();
        let flags = [
            ("device", self.device.as_deref().map(text)),
            ("precision", self.precision.map(|precision| text(precision.name()))),
            ("threads", self.threads.map(|threads| threads.to_string())),
        ];
        let given = flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        given.collect()
    }
}

fn key_value(argument: &str) -> Result<(String, String), String> {
    match argument.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("give a name and a value with = between them".to_owned()),
    }
}

impl SettingsArgs {
    /// Refuses flags that a resumed run would ignore: all but those of [`ComputeArgs`].
    pub(super) fn refuse_beside_resume(&self) -> Result<()> {
        let Self {
            preset,
            config,
            overrides,
            interactions,
            columns,
            keep,
            items,
            embeddings,
            model,
            seed,
            tie_order,
            compute: _,
        } = self;
        let flags = [
            ("--preset", preset.is_some()),
            ("--config", config.is_some()),
            ("--set", !overrides.is_empty()),
            ("--interactions", interactions.is_some()),
            ("--columns", !columns.is_empty()),
            ("--where", !keep.is_empty()),
            ("--items", items.is_some()),
            ("--embeddings", embeddings.is_some()),
            ("--model", model.is_some()),
            ("--seed", seed.is_some()),
            ("--tie-order", tie_order.is_some()),
        ];
        let given: Vec<&str> =
            flags.into_iter().filter(|(_, given)| *given).map(|(flag, _)| flag).collect();
        if given.is_empty() {
            return Ok(());
        }
        let problem =
            format!("--resume keeps the run's own settings and refuses {}", given.join(", "));
        let hint = "leave these flags out, or start another run with them; --device, --precision \
                    and --threads are allowed";
        Err(Error::data(problem, hint).into())
    }

    /// The unchecked settings.
    pub(super) fn resolve(&self) -> Result<Config> {
        let path = |path: &PathBuf| Value::String(path.display().to_string()).to_string();
        let tie_order = |order: TieOrder| Value::String(order.name().to_owned()).to_string();
        let flags = [
            ("data.interactions", self.interactions.as_ref().map(path)),
            ("data.items", self.items.as_ref().map(path)),
            ("data.embeddings", self.embeddings.as_ref().map(path)),
            ("data.prepare.tie_order", self.tie_order.map(tie_order)),
            ("seed", self.seed.map(|seed| seed.to_string())),
        ];
        let mut overrides = self.overrides.clone();
        let text = |text: &str| Value::String(text.to_owned());
        if !self.columns.is_empty() {
            let names = self.columns.iter().map(|name| text(name.trim())).collect();
            overrides.push(("data.header".to_owned(), Value::Array(names).to_string()));
        }
        let mut kept: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
        for (column, value) in &self.keep {
            kept.entry(column).or_default().push(text(value));
        }
        for (column, values) in kept {
            let key = format!("data.keep.{column}");
            overrides.push((key, Value::Array(values).to_string()));
        }
        for (key, value) in flags {
            overrides.extend(value.map(|value| (key.to_owned(), value)));
        }
        overrides.extend(self.compute.overrides());
        let layers = Layers::read(self.config.as_deref(), &overrides)?;
        let mut base = layers.base(self.preset)?;
        if let Some(model) = self.model {
            base.model = base.model.of_size(&model.config());
        }
        Ok(layers.over(&base)?)
    }
}

/// Sets the number of threads for the whole process. The current thread is one of them, so its own
/// work wakes no other thread.
pub(super) fn set_threads(config: &Config) -> Result<()> {
    super::ON_GPU.store(!is_cpu(&config.device_kind()?.device()), Ordering::Relaxed);
    start_threads(config.threads)
}

/// Flags of the commands that do a study.
#[derive(Debug, Args)]
pub(super) struct StudyArgs {
    /// The folder of the study, which keeps finished jobs; the same command goes on there
    /// [default: runs/tune-NAME or runs/experiment-NAME].
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Option<PathBuf>,
    /// CPU threads; 0 means one a core.
    #[arg(long, default_value_t = 0)]
    pub(super) threads: usize,
    /// Print the results as JSON on standard output.
    #[arg(long)]
    pub(super) json: bool,
    /// No progress, only errors and the result.
    #[arg(long, short)]
    pub(super) quiet: bool,
}

/// Starts so many threads for the whole process; 0 means one a core.
pub(super) fn start_threads(threads: usize) -> Result<()> {
    check_threads(threads)?;
    rayon::ThreadPoolBuilder::new()
        .num_threads(threads)
        .use_current_thread()
        .build_global()
        .context("cannot start threads")
}
