//! `recast rl`

use anyhow::Result;
use clap::Args;

use super::{FolderArgs, WatchArgs};
use crate::train::SignalName;

#[derive(Debug, Args)]
pub(super) struct RlArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// The signal to train with; the flag may be repeated [default: the run's own list].
    #[arg(long = "signal", value_parser = super::values::signal())]
    signals: Vec<SignalName>,
    #[command(flatten)]
    watch: WatchArgs,
}

pub(super) fn rl(args: &RlArgs) -> Result<()> {
    let (run, _watch) = args.folder.open_watched(&args.watch)?;
    let tokenized = run.tokenized()?;
    let start = run.supervised(&tokenized)?;
    let signals = match &args.signals[..] {
        [] => &run.config().rl.signals,
        named => named,
    };
    for &signal in signals {
        run.rl(&tokenized, &start, signal)?;
    }
    Ok(())
}
