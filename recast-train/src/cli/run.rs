//! `recast run`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{SettingsArgs, eval, interrupts, output, settings};
use crate::run::Run;

#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The run folder to make [default: the first free runs/NAME-NUMBER].
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Go on with an interrupted run, under its own settings but for --device, --precision and --threads.
    #[arg(long, value_name = "DIR", conflicts_with = "run_dir")]
    resume: Option<PathBuf>,
    /// Print the summary as JSON on standard output.
    #[arg(long)]
    json: bool,
    /// No progress, only errors and the result.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn run(args: &RunArgs) -> Result<()> {
    let run = match &args.resume {
        Some(dir) => {
            let overrides = args.settings.compute.overrides();
            let run = Run::open(dir, &overrides, output(args.quiet), interrupts()?)?;
            settings::set_threads(run.config())?;
            run
        }
        None => {
            let config = args.settings.resolve()?;
            config.check()?;
            settings::set_threads(&config)?;
            Run::create(args.run_dir.as_deref(), &config, output(args.quiet), interrupts()?)?
        }
    };
    let tokenized = run.tokenize()?;
    let start = run.sft(&tokenized)?;
    for &signal in &run.config().rl.signals {
        run.rl(&tokenized, &start, signal)?;
    }
    eval::print(&run.evaluate(&tokenized)?, args.json)
}
