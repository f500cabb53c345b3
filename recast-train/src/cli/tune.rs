//! `recast tune`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;

use super::settings::{StudyArgs, start_threads};
use crate::study::Tuning;

#[derive(Debug, Args)]
pub(super) struct TuneArgs {
    /// The plan, as docs/studies.md tells: budget, data sets, settings and trials.
    plan: PathBuf,
    #[command(flatten)]
    study: StudyArgs,
}

pub(super) fn tune(args: &TuneArgs) -> Result<()> {
    let tuning = Tuning::read(&args.plan, args.study.dir.as_deref())?;
    start_threads(args.study.threads)?;
    let ranking = tuning.run(&super::monitor(args.study.quiet)?)?;
    match args.study.json {
        true => super::print(serde_json::to_string_pretty(&ranking)?),
        false => super::print(ranking),
    }
}
