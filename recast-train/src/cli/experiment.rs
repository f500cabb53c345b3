//! `recast experiment`

use std::path::PathBuf;

use anyhow::Result;
use clap::Args;
use clap::builder::PossibleValuesParser;

use super::advice::study_command;
use super::settings::start_threads;
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
    /// The folder of the study, which keeps finished jobs; the same command goes on there
    /// [default: runs/experiment-NAME].
    #[arg(long, value_name = "DIR")]
    dir: Option<PathBuf>,
    /// CPU threads; 0 means one a core.
    #[arg(long, default_value_t = 0)]
    threads: usize,
    /// Print the results as JSON on standard output instead of the page.
    #[arg(long)]
    json: bool,
    /// No progress, only errors and the result.
    #[arg(long, short)]
    quiet: bool,
}

pub(super) fn experiment(args: &ExperimentArgs) -> Result<()> {
    let experiment = Experiment::read(args.plan.as_deref(), args.dir.as_deref())?;
    start_threads(args.threads)?;
    let (plan, dir) = (experiment.plan_file(), experiment.dir());
    let command = study_command(Study::Experiment, plan, dir);
    let results = experiment.run(&super::monitor(args.quiet)?, &command)?;
    match args.json {
        true => super::print(serde_json::to_string_pretty(&results)?),
        false => super::print(experiment.page()?.trim_end()),
    }
}
