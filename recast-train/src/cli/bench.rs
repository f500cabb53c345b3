//! `recast bench`

use anyhow::Result;
use clap::Args;

use super::ComputeArgs;
use crate::bench::{BenchConfig, bench};
use crate::config::{Config, Layers, ModelPreset};
use crate::model::ModelConfig;

#[derive(Debug, Args)]
pub(super) struct BenchArgs {
    /// Decoder size.
    #[arg(long, value_parser = super::values::model(), default_value = ModelPreset::Small.name())]
    model: ModelPreset,
    /// Decoder layers [default: those of the size].
    #[arg(long, value_name = "N")]
    layers: Option<usize>,
    /// Items of the catalogue.
    #[arg(long, default_value_t = 12_101)]
    items: usize,
    /// Levels of a semantic ID.
    #[arg(long, default_value_t = 3)]
    levels: usize,
    /// Codes of each level.
    #[arg(long, default_value_t = 256)]
    codes: usize,
    /// Items of every history.
    #[arg(long, default_value_t = 20)]
    history: usize,
    /// Prompts of a rollout, and groups of an update.
    #[arg(long, default_value_t = 32)]
    groups: usize,
    /// Completions of a group; commas separate several sizes.
    #[arg(long, value_delimiter = ',', default_values_t = [32])]
    group_size: Vec<usize>,
    /// Tokens of a supervised step.
    #[arg(long, default_value_t = 4096)]
    batch_tokens: usize,
    /// Tokens in one pass through the decoder, in a supervised step and in an update; 0 means all.
    #[arg(long, default_value_t = 0)]
    micro_batch_tokens: usize,
    /// Reference TFLOP/s of the utilisation [default: the measured rate of a large matrix product].
    #[arg(long, value_name = "RATE")]
    peak_tflops: Option<f64>,
    /// Measured repetitions, after an unmeasured one.
    #[arg(long, default_value_t = 5)]
    repeats: usize,
    /// Completions to decode and look up in the table of semantic IDs.
    #[arg(long, value_name = "COMPLETIONS", default_value_t = 0)]
    legality: usize,
    /// Measure only parts whose names contain this text.
    #[arg(long, value_name = "NAME")]
    only: Option<String>,
    /// Seed of all randomness.
    #[arg(long, default_value_t = 1)]
    seed: u64,
    #[command(flatten)]
    compute: ComputeArgs,
    /// Print the report as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// No progress, only errors and the result.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn measure(args: &BenchArgs) -> Result<()> {
    let settings = Layers::read(None, &args.compute.overrides())?.over(&Config::default())?;
    settings.check()?;
    super::settings::set_threads(&settings)?;
    let shape = args.model.config();
    let num_hidden_layers = args.layers.unwrap_or(shape.num_hidden_layers);
    let config = BenchConfig {
        device: settings.device_kind()?,
        precision: settings.precision,
        model: ModelConfig { num_hidden_layers, ..shape },
        items: args.items,
        levels: args.levels,
        codes: args.codes,
        history: args.history,
        groups: args.groups,
        group_sizes: args.group_size.clone(),
        batch_tokens: args.batch_tokens,
        micro_batch_tokens: args.micro_batch_tokens,
        peak_flops: args.peak_tflops.map(|rate| 1e12 * rate),
        repeats: args.repeats,
        legality: args.legality,
        only: args.only.clone(),
        seed: args.seed,
    };
    let monitor = super::monitor(args.quiet)?;
    let report = bench(&config, &monitor)?;
    super::say(report.to_string().trim_end());
    if args.json {
        super::print(serde_json::to_string_pretty(&report)?)?;
    }
    Ok(())
}
