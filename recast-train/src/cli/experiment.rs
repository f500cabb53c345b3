//! `recast experiment`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::advice::study_command;
use super::settings::{StudyArgs, start_threads};
use crate::error::Study;
use crate::study::Experiment;

#[derive(Debug, Args)]
pub(super) struct ExperimentArgs {
    /// The plan, as docs/studies.md tells: seeds, data sets, arms and the primary contrast.
    #[arg(required_unless_present = "preset", conflicts_with = "preset")]
    plan: Option<PathBuf>,
    /// A plan within the program. quick: ReCast, GRPO and continued supervised training on a
    /// synthetic catalogue with sparse rewards, in minutes.
    #[arg(long, value_parser = PossibleValuesParser::new(["quick"]))]
    preset: Option<String>,
    #[command(flatten)]
    study: StudyArgs,
}

pub(super) fn experiment(args: &ExperimentArgs) -> Result<()> {
    let experiment = Experiment::read(args.plan.as_deref(), args.study.dir.as_deref())?;
    start_threads(args.study.threads)?;
    let (plan, dir) = (experiment.plan_file(), experiment.dir());
    let command = study_command(Study::Experiment, plan, dir);
    let results = experiment.run(&super::monitor(args.study.quiet)?, &command)?;
    match args.study.json {
        true => super::print(serde_json::to_string_pretty(&results)?),
        false => super::print(experiment.page()?.trim_end()),
    }
}
