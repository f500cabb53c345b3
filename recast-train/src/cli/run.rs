//! `recast run`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{SettingsArgs, eval, monitor, settings};
use crate::run::Run;

#[derive(Debug, Default, Args)]
pub(super) struct RunArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The run folder to make [default: the first free runs/NAME-NUMBER].
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Resume an interrupted run under its own settings; --device, --precision and --threads
    /// stay allowed.
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
            args.settings.refuse_beside_resume()?;
            let overrides = args.settings.compute.overrides();
            let run = Run::open(dir, &overrides, monitor(args.quiet)?)?;
            settings::set_threads(run.config())?;
            run
        }
        None => {
            let config = args.settings.resolve()?;
            settings::set_threads(&config)?;
            Run::create(args.run_dir.as_deref(), config, monitor(args.quiet)?)?
        }
    };
    eval::print(&run.all()?, args.json)
}
