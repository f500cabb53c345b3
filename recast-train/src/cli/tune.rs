//! `recast tune`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::settings::start_threads;
use crate::study::Tuning;

#[derive(Debug, Args)]
pub(super) struct TuneArgs {
    /// The plan, as docs/studies.md tells: budget, data sets, settings and trials.
    plan: PathBuf,
    /// The folder of the study, which keeps finished trials; the same command goes on there
    /// [default: runs/tune-NAME].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// CPU threads; 0 means one a core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Print the ranking as JSON on standard output instead of the table.
    #[arg(long)]
    json: bool,
    /// No progress, only errors and the result.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn tune(args: &TuneArgs) -> Result<()> {
    let tuning = Tuning::read(&args.plan, args.dir.as_deref())?;
    start_threads(args.threads)?;
    let ranking = tuning.run(&super::monitor(args.quiet)?)?;
    match args.json {
        true => super::print(serde_json::to_string_pretty(&ranking)?),
        false => super::print(ranking),
    }
}
