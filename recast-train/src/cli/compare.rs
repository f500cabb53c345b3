//! `recast compare`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use crate::report::Comparison;

#[derive(Debug, Args)]
pub(super) struct CompareArgs {
    /// Run folders with a summary. Runs that differ in the seed alone give a mean and a spread;
    /// unlike runs (other data, settings or protocol) get tables of their own.
    #[arg(required = true, value_name = "DIR")]
    run_dirs: Vec<PathBuf>,
    /// Print JSON on standard output instead of the table.
    #[arg(long)]
    json: bool,
}

pub(super) fn compare(args: &CompareArgs) -> Result<()> {
    let comparison = Comparison::load(&args.run_dirs)?;
    if args.json {
        super::print(serde_json::to_string_pretty(&comparison)?)?;
    } else {
        super::print(comparison)?;
    }
    Ok(())
}
