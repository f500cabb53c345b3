//! `recast eval`

use anyhow::Result;
use clap::Args;

use super::FolderArgs;
use crate::decode::Search;
use crate::report::{DiagnosisTable, Summary};

#[derive(Debug, Args)]
pub(super) struct EvalArgs {
    #[command(flatten)]
    folder: FolderArgs,
    /// How decoders search semantic IDs [default: as the run's settings say].
    #[arg(long, value_parser = super::values::search())]
    search: Option<Search>,
    /// Only compare beam search with exact search, on this many test prompts, spread evenly.
    #[arg(long, value_name = "PROMPTS", conflicts_with = "search",
        value_parser = clap::value_parser!(u32).range(1..))]
    check_search: Option<u32>,
    /// For --check-search: beam widths to compare [default: as the run's settings say].
    #[arg(long, value_name = "N,N,..", requires = "check_search", value_delimiter = ',',
        value_parser = clap::value_parser!(u16).range(1..))]
    beam_widths: Vec<u16>,
    /// For --check-search: sft or a trained signal [default: recast if trained, else sft].
    #[arg(long, requires = "check_search")]
    system: Option<String>,
    /// Only diagnose every decoder on this many test prompts, spread evenly, 0 for all: loss and
    /// prefix recall by level, and metrics by exact search.
    #[arg(long, value_name = "PROMPTS", allow_negative_numbers = true,
        conflicts_with_all = ["search", "check_search"])]
    diagnose: Option<u32>,
    /// Print the result as JSON on standard output.
    #[arg(long)]
    json: bool,
}

pub(super) fn eval(args: &EvalArgs) -> Result<()> {
    let mut run = args.folder.open()?;
    let tokenized = run.tokenized()?;
    if let Some(prompts) = args.check_search {
        let widths: Vec<usize> = args.beam_widths.iter().map(|&width| width.into()).collect();
        let system = args.system.as_deref();
        let found = run.check_search(&tokenized, system, prompts as usize, &widths)?;
        for check in &found {
            super::say(check);
        }
        if args.json {
            super::print(serde_json::to_string_pretty(&found)?)?;
        }
        return Ok(());
    }
    if let Some(prompts) = args.diagnose {
        let decoders = run.diagnose(&tokenized, prompts as usize)?;
        let mask_history = run.config().evaluate.mask_history;
        super::say(DiagnosisTable { decoders: &decoders, mask_history });
        if args.json {
            super::print(serde_json::to_string_pretty(&decoders)?)?;
        }
        return Ok(());
    }
    if let Some(search) = args.search {
        run = run.searched_by(search);
    }
    print(&run.evaluate(&tokenized)?, args.json)
}

/// People read standard error, machines standard output.
pub(super) fn print(summary: &Summary, json: bool) -> Result<()> {
    super::say(summary);
    super::say(format_args!("run folder: {}", summary.run_dir.display()));
    if json {
        super::print(serde_json::to_string_pretty(summary)?)?;
    }
    Ok(())
}
