//! The program `recast`: one file a subcommand, over the library.
//!
//! This module alone knows of flags, of the terminal and of exit codes.

mod advice;
mod baseline;
mod bench;
mod compare;
mod devices;
mod eval;
mod experiment;
mod init;
mod output;
mod prepare;
mod recommend;
mod report;
mod rl;
mod run;
#[cfg(feature = "tui")]
mod screen;
mod settings;
mod sft;
mod terminal;
mod tokenize;
mod tune;
mod values;
mod watch;

use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use anyhow::{Context, Result, anyhow};
use clap::{Args, Parser, Subcommand};

use crate::error::{Error, LONGEST_MESSAGE, shortened};
use crate::event::Monitor;
use crate::run::Run;
use output::{print, say};
use settings::{ComputeArgs, SettingsArgs};
use watch::{Watch, WatchArgs};

/// RL post-training for generative recommenders.
///
/// Without a subcommand, recast does the main job on a synthetic catalogue, as `recast run` does.
#[derive(Debug, Parser)]
#[command(name = "recast", version, max_term_width = 100)]
struct Cli {
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// All phases: prepare, tokenize, sft, rl with each signal, eval.
    Run(run::RunArgs),
    /// Read a log into a new run folder.
    Prepare(prepare::PrepareArgs),
    /// Give every item of a run a semantic ID.
    Tokenize(tokenize::TokenizeArgs),
    /// Train a run's decoder on the logs.
    Sft(sft::SftArgs),
    /// Train and judge SASRec with cross-entropy over all items, beside popularity and item-kNN.
    Baseline(baseline::BaselineArgs),
    /// Improve a run's decoder by reinforcement learning.
    Rl(rl::RlArgs),
    /// Judge the baselines and every trained decoder of a run.
    Eval(eval::EvalArgs),
    /// Recommend items for a user or a typed history.
    Recommend(recommend::RecommendArgs),
    /// Set the results of runs side by side.
    Compare(compare::CompareArgs),
    /// Write a page with the curves, tables and settings of runs, for a browser.
    Report(report::ReportArgs),
    /// Search settings by a plan, over validation alone.
    Tune(tune::TuneArgs),
    /// Compare signals by a plan, over seeds and arms, with intervals and tests.
    Experiment(experiment::ExperimentArgs),
    /// Measure the cost of each part of training on this machine.
    Bench(bench::BenchArgs),
    /// List the devices of this machine.
    Devices(devices::DevicesArgs),
    /// Write a config file with every key explained.
    Init(init::InitArgs),
}

/// An existing run folder.
#[derive(Debug, Args)]
struct FolderArgs {
    /// The run folder.
    #[arg(long, value_name = "DIR")]
    run_dir: PathBuf,
    #[command(flatten)]
    compute: ComputeArgs,
    /// No progress, only errors.
    #[arg(long, short)]
    quiet: bool,
}

/// A way to open a run folder under overrides.
type Open = fn(&Path, &[(String, String)], Monitor) -> crate::Result<Run>;

impl FolderArgs {
    /// The run, to work in its folder.
    fn open(&self) -> Result<Run> {
        self.opened_by(Run::open)
    }

    /// The run, to read its folder.
    fn open_shared(&self) -> Result<Run> {
        self.opened_by(Run::open_shared)
    }

    fn opened_by(&self, open: Open) -> Result<Run> {
        self.opened_with(open, monitor(self.quiet)?)
    }

    /// The run, to train in its folder while the user watches.
    fn open_watched(&self, watch: &WatchArgs) -> Result<(Run, Watch)> {
        let (monitor, watch) = watch.monitor(self.quiet)?;
        Ok((self.opened_with(Run::open, monitor)?, watch))
    }

    fn opened_with(&self, open: Open, monitor: Monitor) -> Result<Run> {
        let run = open(&self.run_dir, &self.compute.overrides(), monitor)?;
        settings::set_threads(run.config())?;
        Ok(run)
    }
}

/// A monitor that knows of Ctrl-C and, unless the user wants quiet, shows progress.
fn monitor(quiet: bool) -> Result<Monitor> {
    Ok(Monitor::new((!quiet).then(terminal::listener), interrupts()?))
}

/// A flag that the first Ctrl-C sets; the second Ctrl-C ends the program at once.
fn interrupts() -> Result<Arc<AtomicBool>> {
    let interrupted = Arc::new(AtomicBool::new(false));
    let seen = Arc::clone(&interrupted);
    ctrlc::set_handler(move || {
        if seen.swap(true, Ordering::Relaxed) {
            std::process::exit(INTERRUPTED.into());
        }
        say("stopping after this step; press Ctrl-C again to stop at once");
    })
    .context("cannot listen for Ctrl-C")?;
    Ok(interrupted)
}

/// Exit code of a fault in the user's input.
const BAD_INPUT: u8 = 2;
/// Exit code of an interruption: 128 + SIGINT.
const INTERRUPTED: u8 = 130;

/// Whether the command computes on a GPU: burn reports a full GPU memory by a panic alone.
static ON_GPU: AtomicBool = AtomicBool::new(false);

/// The program's words after a panic's own line.
fn broken() -> anyhow::Error {
    let of_gpu = match ON_GPU.load(Ordering::Relaxed) {
        true => {
            ", or a GPU that is out of memory or lost; if it was memory, lower micro_batch_tokens in \
             the run folder's config.toml"
        }
        false => "",
    };
    anyhow!(
        "stopped by the fault above, which is recast's own{of_gpu}. What was done is on disk: recast run --resume \
         goes on"
    )
}

/// Runs the program on the process's arguments.
///
/// Exit codes: 0 done, 1 a fault of the system or of training, 2 bad input, 130 interrupted.
#[must_use]
pub fn main() -> ExitCode {
    #[cfg(feature = "parquet")]
    crate::storage::silence_caught_panics();
    let command = match Cli::try_parse() {
        Ok(cli) => cli.command.unwrap_or_else(|| Command::Run(run::RunArgs::default())),
        Err(answer) => return answered(&answer),
    };
    let done = std::panic::catch_unwind(|| execute(&command));
    let Err(error) = done.unwrap_or_else(|_| Err(broken())) else {
        return ExitCode::SUCCESS;
    };
    say(format_args!("recast: {}", advice::message(&error)));
    ExitCode::from(match error.downcast_ref::<Error>() {
        Some(Error::Interrupted { .. } | Error::StudyInterrupted { .. }) => INTERRUPTED,
        Some(
            Error::Write { .. }
            | Error::NotFinite { .. }
            | Error::Collapse { .. }
            | Error::Device { .. },
        )
        | None => 1,
        Some(_) => BAD_INPUT,
    })
}

/// Prints the answer of the parser of arguments: a help text, the version, or a fault.
fn answered(answer: &clap::Error) -> ExitCode {
    let text = answer.render().to_string();
    if answer.use_stderr() && text.len() > LONGEST_MESSAGE {
        say(shortened(&text, LONGEST_MESSAGE));
        return ExitCode::from(BAD_INPUT);
    }
    match answer.print() {
        Err(fault) if !answer.use_stderr() && fault.kind() != io::ErrorKind::BrokenPipe => {
            say(format_args!("recast: standard output cannot be written: {fault}"));
            ExitCode::from(1)
        }
        _ if answer.use_stderr() => ExitCode::from(BAD_INPUT),
        _ => ExitCode::SUCCESS,
    }
}

fn execute(command: &Command) -> Result<()> {
    match command {
        Command::Run(args) => run::run(args),
        Command::Prepare(args) => prepare::prepare(args),
        Command::Tokenize(args) => tokenize::tokenize(args),
        Command::Sft(args) => sft::sft(args),
        Command::Baseline(args) => baseline::baseline(args),
        Command::Rl(args) => rl::rl(args),
        Command::Eval(args) => eval::eval(args),
        Command::Recommend(args) => recommend::recommend(args),
        Command::Compare(args) => compare::compare(args),
        Command::Report(args) => report::report(args),
        Command::Tune(args) => tune::tune(args),
        Command::Experiment(args) => experiment::experiment(args),
        Command::Bench(args) => bench::measure(args),
        Command::Devices(args) => devices::devices(args),
        Command::Init(args) => init::init(args),
    }
}
