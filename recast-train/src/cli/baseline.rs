//! `recast baseline`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::FolderArgs;
use crate::report::SystemTable;

#[derive(Debug, Args)]
pub(super) struct BaselineArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Write SASRec's embeddings of the items to a new .safetensors file, with their ids. Another
    /// run takes the file as --set data.behaviour=FILE.
    #[arg(long, value_name = "FILE")]
    export_embeddings: Option<PathBuf>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(super) fn baseline(args: &BaselineArgs) -> Result<()> {
    let run = args.folder.open()?;
    if let Some(path) = &args.export_embeddings {
        run.check_export(path)?;
    }
    let systems = run.baseline()?;
    if let Some(path) = &args.export_embeddings {
        run.export_embeddings(path)?;
    }
    let warnings = &run.prepared().report.prepare.warnings;
    let mask_history = run.config().evaluate.mask_history;
    let table = SystemTable { warnings, systems: &systems, mask_history };
    super::say(table.to_string().trim_end());
    if args.json {
        super::print(serde_json::to_string_pretty(&table)?)?;
    }
    Ok(())
}
