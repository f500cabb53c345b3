//! `recast run`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{SettingsArgs, WatchArgs, eval, settings};
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
    #[command(flatten)]
    watch: WatchArgs,
}

pub(super) fn run(args: &RunArgs) -> Result<()> {
    let (run, watch) = match &args.resume {
        Some(dir) => {
            args.settings.refuse_beside_resume()?;
            let overrides = args.settings.compute.overrides();
            let (monitor, watch) = args.watch.monitor(args.quiet)?;
            let run = Run::open(dir, &overrides, monitor)?;
            settings::set_threads(run.config())?;
            (run, watch)
        }
        None => {
            let config = args.settings.resolve()?;
            settings::set_threads(&config)?;
            let (monitor, watch) = args.watch.monitor(args.quiet)?;
            (Run::create(args.run_dir.as_deref(), config, monitor)?, watch)
        }
    };
    let summary = run.all()?;
    // the summary follows the lines of a screen that closes here
    watch.close();
    eval::print(&summary, args.json)
}
