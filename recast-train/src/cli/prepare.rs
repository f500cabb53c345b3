//! `recast prepare`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::{SettingsArgs, monitor, settings};
use crate::run::Run;

#[derive(Debug, Args)]
pub(super) struct PrepareArgs {
    #[command(flatten)]
    settings: SettingsArgs,
    /// The run folder to make [default: the first free runs/NAME-NUMBER].
    #[arg(long, value_name = "DIR")]
    run_dir: Option<PathBuf>,
    /// Print the data report, with time and memory, as JSON on standard output instead of the
    /// folder.
    #[arg(long)]
    json: bool,
    /// No progress, only errors and the folder.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn prepare(args: &PrepareArgs) -> Result<()> {
    let config = args.settings.resolve()?;
    settings::set_threads(&config)?;
    let run = Run::create(args.run_dir.as_deref(), config, monitor(args.quiet)?)?;
    if args.json {
        super::print(serde_json::to_string_pretty(&run.prepared_summary()?)?)?;
    } else {
        super::print(run.dir().display())?;
    }
    Ok(())
}
