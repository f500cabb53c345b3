//! A recorded search of settings, judged by validation alone: no test figure enters a choice.

mod plan;
mod ranking;

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

use super::jobs::{Desk, State, slug};
use super::ledger::{Ledger, Machine};
use crate::config::{Config, Keys};
use crate::error::{Error, Result, Study};
use crate::event::Monitor;
use crate::optim::Stage;
use crate::report::{Log, duration};
use crate::run::Run;
use crate::storage::write_json;
use crate::train::SftState;
use plan::Plan;
pub use ranking::{Ranked, Ranking};

/// The settings that a trial set, and the validation to which these led: a line of `trials.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The trial.
    pub trial: String,
    /// The data set.
    pub data: String,
    /// The seed.
    pub seed: u64,
    /// The keys that the plan's layers set.
    settings: Keys,
    /// The validation of the best epoch by NDCG@10; `None` if the trial came to no validation.
    pub validation: Option<Found>,
    /// Seconds of all phases.
    pub seconds: f64,
    /// The reason of an early end: the trial's minutes, or training that diverged.
    pub ended: Option<String>,
    /// The machine.
    pub machine: Machine,
}

/// A validation at item level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct Found {
    /// Share of prompts whose first prediction is a target.
    pub pass_at_1: f64,
    /// Mean share of the targets among the first 10.
    pub recall_at_10: f64,
    /// Mean normalised discounted gain of the first 10.
    pub ndcg_at_10: f64,
    /// The epoch.
    pub epoch: u64,
}

/// A search of settings by a plan.
#[derive(Debug)]
pub struct Tuning {
    plan: Plan,
    dir: PathBuf,
}

/// A trial on a data set under a seed.
#[derive(Debug)]
struct Job {
    trial: String,
    data: String,
    config: Config,
    settings: Keys,
}

impl Tuning {
    /// Reads and checks a plan; nothing is written. Without `dir`, the folder is
    /// `runs/tune-<name of the plan>`.
    ///
    /// # Errors
    ///
    /// If the plan cannot be read, a key is unknown, or a value is out of its range. The message
    /// names file and key.
    pub fn read(plan: &Path, dir: Option<&Path>) -> Result<Self> {
        let plan = Plan::read(plan)?;
        let dir = plan.source.dir("tune", dir);
        Ok(Self { plan, dir })
    }

    /// The folder of the study.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// Trains each trial on each data set that is not done yet, and ranks the trials. Finished
    /// trials are skipped, and an unfinished one goes on; several processes share the work.
    ///
    /// # Errors
    ///
    /// [`Error::StudyInterrupted`] if the user asks to stop. An error too if data are at fault, a
    /// file cannot be written, or a finished trial had other settings under its name.
    pub fn run(&self, monitor: &Monitor) -> Result<Ranking> {
        let (plan, source) = (&self.plan, &self.plan.source);
        let jobs = plan.jobs()?;
        let file = source.file.clone();
        let desk = Desk { study: Study::Tuning, plan: file, dir: &self.dir, monitor };
        let ledger = Ledger::new(&self.dir, "trials.jsonl", &desk.locks());
        check_settings(&jobs, &ledger)?;
        desk.prepare(&source.text)?;
        let states = || {
            let done: Vec<Trial> = ledger.read()?;
            let open = if self.left(&done) > 0.0 { State::Ready } else { State::Beyond };
            let is_done = |job: &Job| done.iter().any(|trial| job.is(trial));
            Ok(jobs.iter().map(|job| if is_done(job) { State::Done } else { open }).collect())
        };
        let work = |job: &Job| {
            let trial = self.trial(job, self.left(&ledger.read::<Trial>()?), monitor)?;
            ledger.append(&trial)?;
            Ok(trial.to_string())
        };
        desk.run_all(&jobs, Job::name, states, work)?;
        let done: Vec<Trial> = ledger.read()?;
        let names = plan.trials.iter().map(|trial| &trial.name[..]);
        let ranking = Ranking::new(names, &done, jobs.len());
        write_json(&self.dir.join("ranking.json"), &ranking)?;
        Ok(ranking)
    }

    /// Seconds of the whole budget that the finished trials leave.
    fn left(&self, done: &[Trial]) -> f64 {
        60.0 * self.plan.minutes - done.iter().map(|trial| trial.seconds).sum::<f64>()
    }

    /// Trains under a trial's settings, for no longer than `left` seconds.
    fn trial(&self, job: &Job, left: f64, monitor: &Monitor) -> Result<Trial> {
        let dir = self.dir.join("trials").join(slug(&job.data)).join(slug(&job.trial));
        let dir = dir.join(format!("seed-{}", job.config.seed));
        let started = Instant::now();
        let before = Run::seconds_in(&dir)?;
        let seconds = (60.0 * self.plan.minutes_per_trial - before).min(left).max(0.0);
        let deadline = started.checked_add(Duration::from_secs_f64(seconds.min(1e9)));
        let trained = || {
            let run = Run::create(Some(&dir), job.config.clone(), monitor.of_job(deadline))?;
            run.sft(&run.tokenize()?).map(drop)
        };
        let ended = match trained() {
            Ok(()) => None,
            Err(Error::Interrupted { .. }) if !monitor.stop().is_asked() => {
                Some(format!("stopped after {}", duration(before + seconds)))
            }
            Err(fault @ (Error::NotFinite { .. } | Error::Collapse { .. })) => {
                Some(fault.to_string())
            }
            Err(fault) => return Err(fault),
        };
        Ok(Trial {
            trial: job.trial.clone(),
            data: job.data.clone(),
            seed: job.config.seed,
            settings: job.settings.clone(),
            validation: best_validation(&dir)?,
            seconds: before + started.elapsed().as_secs_f64(),
            ended,
            machine: Machine::here(),
        })
    }
}

/// The validation of the best epoch of a run's supervised training, if there is one.
fn best_validation(dir: &Path) -> Result<Option<Found>> {
    let Some(state) = Stage::new(dir, "sft").state::<SftState>()? else { return Ok(None) };
    let log = Log::load(dir)?;
    let mut points = log.validations.get("sft").into_iter().flatten();
    Ok(points.find(|point| point.at == state.best_epoch as u64).and_then(|point| {
        Some(Found {
            pass_at_1: point.value("pass_at_1")?,
            recall_at_10: point.value("recall_at_10")?,
            ndcg_at_10: point.value("ndcg_at_10")?,
            epoch: point.at,
        })
    }))
}

/// Fails if a finished trial had other settings than the plan's trial of its name.
fn check_settings(jobs: &[Job], ledger: &Ledger) -> Result<()> {
    for done in ledger.read::<Trial>()? {
        let Some(job) = jobs.iter().find(|job| job.is(&done)) else { continue };
        ledger.check_settings(&job.name(), &done.settings, &job.settings)?;
    }
    Ok(())
}

impl Job {
    fn is(&self, trial: &Trial) -> bool {
        (&self.trial, &self.data, self.config.seed) == (&trial.trial, &trial.data, trial.seed)
    }

    fn name(&self) -> String {
        format!("{} on {}, seed {}", self.trial, self.data, self.config.seed)
    }
}

impl std::fmt::Display for Trial {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match &self.validation {
            Some(found) => write!(
                f,
                "validation Pass@1 {:.4}, R@10 {:.4}, N@10 {:.4} after epoch {}, {:.0} s",
                found.pass_at_1, found.recall_at_10, found.ndcg_at_10, found.epoch, self.seconds
            )?,
            None => write!(f, "no validation in {:.0} s", self.seconds)?,
        }
        self.ended.iter().try_for_each(|reason| write!(f, ", {reason}"))
    }
}
