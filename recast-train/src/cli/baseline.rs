//! `recast baseline`

use anyhow::Result;
use clap::Args;

use super::FolderArgs;
use crate::report::SystemTable;

#[derive(Debug, Args)]
pub(super) struct BaselineArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(super) fn baseline(args: &BaselineArgs) -> Result<()> {
    let run = args.folder.open()?;
    let systems = run.baseline()?;
    let warnings = &run.prepared().report.prepare.warnings;
    let mask_history = run.config().evaluate.mask_history;
    let table = SystemTable { warnings, systems: &systems, mask_history };
    super::say(table.to_string().trim_end());
    if args.json {
        super::print(serde_json::to_string_pretty(&table)?)?;
    }
    Ok(())
}
