//! `recast tokenize`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::FolderArgs;
use crate::catalogue::ImportedTable;

#[derive(Debug, Args)]
pub(super) struct TokenizeArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// Print the quality of the table on standard output: codes used, collisions, reconstruction
    /// error, codes shared by neighbours.
    #[arg(long)]
    report: bool,
    /// Compare another table: item ids and lists of codes as JSON, or another run's sid/table.json.
    /// The flag may be repeated.
    #[arg(long, value_name = "FILE", requires = "report")]
    compare: Vec<PathBuf>,
    /// Print the report as JSON.
    #[arg(long, requires = "report")]
    json: bool,
}

pub(super) fn tokenize(args: &TokenizeArgs) -> Result<()> {
    let others = args
        .compare
        .iter()
        .map(|path| {
            let other = ImportedTable::read(path)?;
            other.sids()?;
            Ok((path.display().to_string(), other))
        })
        .collect::<Result<Vec<_>>>()?;
    let run = args.folder.open_shared()?;
    run.tokenize()?;
    if !args.report {
        return Ok(());
    }
    let text = match (others.is_empty(), args.json) {
        (true, false) => run.tokenizer_report()?.to_string(),
        (true, true) => serde_json::to_string_pretty(&run.tokenizer_report()?)?,
        (false, false) => run.compare_tokenizers(&others)?.to_string(),
        (false, true) => serde_json::to_string_pretty(&run.compare_tokenizers(&others)?)?,
    };
    super::print(text)?;
    Ok(())
}
