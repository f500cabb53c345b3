//! `recast eval`

use anyhow::Result;
use clap::Args;

use super::FolderArgs;
use crate::run::Summary;

#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Print the summary as JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(super) fn eval(args: &EvalArgs) -> Result<()> {
    let run = args.folder.open()?;
    print(&run.evaluate(&run.tokenized()?)?, args.json)
}

/// People read standard error, machines standard output.
pub(super) fn print(summary: &Summary, json: bool) -> Result<()> {
    eprintln!("{summary}");
    eprintln!("run folder: {}", summary.run_dir.display());
    if json {
        println!("{}", serde_json::to_string_pretty(summary)?);
    }
    Ok(())
}
