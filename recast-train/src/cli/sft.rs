//! `recast sft`

use anyhow::Result;
use clap::Args;

use super::{FolderArgs, WatchArgs};

#[derive(Debug, Args)]
pub(super) struct SftArgs {
    #[command(flatten)]
    folder: FolderArgs,
    #[command(flatten)]
    watch: WatchArgs,
}

pub(super) fn sft(args: &SftArgs) -> Result<()> {
    let (run, _watch) = args.folder.open_watched(&args.watch)?;
    run.sft(&run.tokenized()?)?;
    Ok(())
}
