//! The jobs of an experiment: supervised decoders, learning rates on trial, and judged arms.

use std::collections::BTreeSet;
use std::fmt;
use std::path::{Path, PathBuf};
use std::time::Instant;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::plan::{Arm, Cell, ChooseBy, Plan};
use crate::config::{Config, Keys, Part, Record as PartRecord};
use crate::error::{Error, Result};
use crate::event::Monitor;
use crate::report::{Log, Point};
use crate::run::Run;
use crate::study::jobs::{State, slug};
use crate::study::ledger::Machine;
use crate::train::{Keep, SignalName};

/// A piece of work; numbers count the cells and arms of the plan.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Job {
    /// Trains the supervised decoder from which an arm starts. Arms with equal settings of data and
    /// supervised training share it; the first of these stands here.
    Trunk { cell: usize, arm: usize, seed: u64, name: String },
    /// Trains an arm under one of the plan's rates on the first seed, and reads its validation.
    Rate { cell: usize, arm: usize, rate: usize },
    /// Trains an arm under its chosen rate, and judges it on test.
    Arm { cell: usize, arm: usize, seed: u64 },
}

/// A finished job: a line of `jobs.jsonl`.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Record {
    /// The job's name.
    pub(super) job: String,
    /// The keys that the plan's layers set.
    pub(super) settings: Keys,
    /// The learning rate of an arm's training.
    pub(super) rate: Option<f64>,
    /// The validation of the decoder that training gave.
    pub(super) pass_at_1: Option<f64>,
    pub(super) ndcg_at_10: Option<f64>,
    /// The run folder within the study's folder.
    pub(super) run: PathBuf,
    /// The reason why training gave no decoder.
    pub(super) fault: Option<String>,
    pub(super) seconds: f64,
    pub(super) machine: Machine,
}

impl Job {
    /// Every job: supervised decoders, then rates, then arms.
    pub(super) fn all(plan: &Plan) -> Result<Vec<Self>> {
        let (mut trunks, mut rates, mut arms) = (Vec::new(), Vec::new(), Vec::new());
        let mut known = BTreeSet::new();
        let numbered =
            || (0..plan.cells.len()).flat_map(|c| (0..plan.arms.len()).map(move |a| (c, a)));
        for (cell, arm) in numbered() {
            for &seed in &plan.seeds {
                let name = trunk_name(plan, cell, arm, seed)?;
                if known.insert(name.clone()) {
                    trunks.push(Self::Trunk { cell, arm, seed, name });
                }
                arms.push(Self::Arm { cell, arm, seed });
            }
            if plan.arms[arm].signal.is_some() {
                rates.extend((0..plan.rates.len()).map(|rate| Self::Rate { cell, arm, rate }));
            }
        }
        Ok([trunks, rates, arms].concat())
    }

    /// The cell and the arm.
    fn place<'a>(&self, plan: &'a Plan) -> (&'a Cell, &'a Arm) {
        let (Self::Trunk { cell, arm, .. }
        | Self::Rate { cell, arm, .. }
        | Self::Arm { cell, arm, .. }) = *self;
        (&plan.cells[cell], &plan.arms[arm])
    }

    fn seed(&self, plan: &Plan) -> u64 {
        match *self {
            Self::Trunk { seed, .. } | Self::Arm { seed, .. } => seed,
            Self::Rate { .. } => plan.seeds[0],
        }
    }

    /// The name, unique in the study.
    pub(super) fn name(&self, plan: &Plan) -> String {
        let (Cell { name: cell, .. }, Arm { name: arm, .. }) = self.place(plan);
        match self {
            Self::Trunk { name, .. } => format!("supervised decoder {name}"),
            Self::Rate { rate, .. } => format!("{arm} on {cell}, rate {:e}", plan.rates[*rate]),
            Self::Arm { seed, .. } => format!("{arm} on {cell}, seed {seed}"),
        }
    }

    /// The keys that the plan sets for the job.
    pub(super) fn keys(&self, plan: &Plan) -> Result<Keys> {
        let (cell, arm) = self.place(plan);
        match self {
            Self::Trunk { seed, .. } => trunk_keys(&plan.trunk(cell, arm, *seed)?),
            Self::Rate { .. } | Self::Arm { .. } => Ok(plan.keys(cell, arm)),
        }
    }

    /// The rate of the job: of the trial, or the one that the trials chose. `Ok(None)` for the rate
    /// of the settings; an error in words if every trial diverged.
    fn rate(&self, plan: &Plan, done: &[Record]) -> std::result::Result<Option<f64>, String> {
        match *self {
            Self::Trunk { .. } => Ok(None),
            Self::Rate { rate, .. } => Ok(Some(plan.rates[rate])),
            Self::Arm { cell, arm, .. } => {
                if plan.rates.is_empty() || plan.arms[arm].signal.is_none() {
                    return Ok(None);
                }
                let tried = trials(plan, cell, arm, done);
                let best = chosen(plan.choose_by, &tried);
                best.map(Some).ok_or_else(|| "training diverged under every rate".to_owned())
            }
        }
    }

    /// Whether the job is done, or can be done now.
    pub(super) fn state(&self, plan: &Plan, done: &[Record]) -> Result<State> {
        let is_done = |job: &Self| find(plan, job, done).is_some();
        if is_done(self) {
            return Ok(State::Done);
        }
        let (cell, arm) = match *self {
            Self::Trunk { .. } => return Ok(State::Ready),
            Self::Rate { cell, arm, .. } | Self::Arm { cell, arm, .. } => (cell, arm),
        };
        let name = trunk_name(plan, cell, arm, self.seed(plan))?;
        let trunk = Self::Trunk { cell, arm, seed: self.seed(plan), name };
        let has_rate = match self {
            Self::Arm { .. } if plan.arms[arm].signal.is_some() => {
                (0..plan.rates.len()).all(|rate| is_done(&Self::Rate { cell, arm, rate }))
            }
            _ => true,
        };
        Ok(if is_done(&trunk) && has_rate { State::Ready } else { State::Waiting })
    }

    /// Does the job.
    pub(super) fn work(
        &self,
        plan: &Plan,
        dir: &Path,
        done: &[Record],
        monitor: &Monitor,
    ) -> Result<Record> {
        let started = Instant::now();
        let (cell, arm) = self.place(plan);
        let seed = self.seed(plan);
        let trunk = Path::new("supervised").join(match self {
            Self::Trunk { name, .. } => name.clone(),
            Self::Rate { cell, arm, .. } | Self::Arm { cell, arm, .. } => {
                trunk_name(plan, *cell, *arm, seed)?
            }
        });
        let mut record = Record {
            job: self.name(plan),
            settings: self.keys(plan)?,
            rate: None,
            pass_at_1: None,
            ndcg_at_10: None,
            run: trunk.clone(),
            fault: None,
            seconds: 0.0,
            machine: Machine::here(),
        };
        let worked = match (self, arm.signal, self.rate(plan, done)) {
            (Self::Trunk { .. }, ..) => {
                train_trunk(&dir.join(&trunk), plan.trunk(cell, arm, seed)?, monitor)
            }
            (_, None, _) => {
                let run = Run::open(&dir.join(&trunk), &[], monitor.of_job(None))?;
                run.evaluate(&run.tokenized()?).map(drop)
            }
            (_, Some(_), Err(reason)) => {
                record.fault = Some(reason);
                Ok(())
            }
            (_, Some(signal), Ok(rate)) => {
                let config = plan.config(cell, arm, seed, rate)?;
                record.rate = Some(config.rl.learning_rate);
                record.run = run_of(cell, arm, seed, config.rl.learning_rate);
                let keep = config.rl.keep;
                let run_dir = dir.join(&record.run);
                let trained = train_arm(&dir.join(&trunk), &run_dir, config, signal, monitor)
                    .and_then(|run| match self {
                        Self::Arm { .. } => {
                            run.evaluate_signal(&run.tokenized()?, signal).map(drop)
                        }
                        Self::Trunk { .. } | Self::Rate { .. } => Ok(()),
                    });
                if trained.is_ok() {
                    let point = kept_validation(&run_dir, signal, keep)?;
                    let value = |name: &str| point.as_ref().and_then(|point| point.value(name));
                    record.pass_at_1 = value("pass_at_1");
                    record.ndcg_at_10 = value("ndcg_at_10");
                }
                trained
            }
        };
        match worked {
            Err(fault @ Error::NotFinite { .. }) if !matches!(self, Self::Trunk { .. }) => {
                record.fault = Some(fault.to_string());
            }
            worked => worked?,
        }
        record.seconds = started.elapsed().as_secs_f64();
        Ok(record)
    }
}

impl fmt::Display for Record {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.fault, self.pass_at_1, self.ndcg_at_10) {
            (Some(fault), ..) => write!(f, "{fault}, ")?,
            (None, Some(pass), Some(ndcg)) => {
                write!(f, "validation Pass@1 {pass:.4}, N@10 {ndcg:.4}, ")?;
            }
            _ => {}
        }
        write!(f, "{:.0} s", self.seconds)
    }
}

/// The record of a job, if it is done.
pub(super) fn find<'a>(plan: &Plan, job: &Job, done: &'a [Record]) -> Option<&'a Record> {
    let name = job.name(plan);
    done.iter().find(|record| record.job == name)
}

/// The finished trials of an arm's rates, in the plan's order.
pub(super) fn trials<'a>(
    plan: &Plan,
    cell: usize,
    arm: usize,
    done: &'a [Record],
) -> Vec<(f64, &'a Record)> {
    let trial = |(rate, &value): (usize, &f64)| {
        Some((value, find(plan, &Job::Rate { cell, arm, rate }, done)?))
    };
    plan.rates.iter().enumerate().filter_map(trial).collect()
}

/// The rate with the best validation; the first of equals, and none that diverged.
fn chosen(by: ChooseBy, tried: &[(f64, &Record)]) -> Option<f64> {
    let value = |record: &Record| match by {
        ChooseBy::PassAt1 => record.pass_at_1,
        ChooseBy::NdcgAt10 => record.ndcg_at_10,
    };
    let sound = tried.iter().filter(|(_, record)| record.fault.is_none());
    let judged = sound.filter_map(|&(rate, record)| Some((rate, value(record)?)));
    judged.reduce(|best, next| if next.1 > best.1 { next } else { best }).map(|(rate, _)| rate)
}

/// The run folder of an arm's training within the study's folder.
fn run_of(cell: &Cell, arm: &Arm, seed: u64, rate: f64) -> PathBuf {
    let place = Path::new("arms").join(slug(&cell.name)).join(slug(&arm.name));
    place.join(format!("seed-{seed}-rate-{rate:e}"))
}

/// The settings that a supervised decoder depends on.
fn trunk_keys(config: &Config) -> Result<Keys> {
    Ok(PartRecord::new(Part::Sft, config)?.into_settings())
}

/// The name of an arm's supervised decoder: its data set, the settings as a checksum, and the seed.
pub(super) fn trunk_name(plan: &Plan, cell: usize, arm: usize, seed: u64) -> Result<String> {
    let (cell, arm) = (&plan.cells[cell], &plan.arms[arm]);
    let keys = trunk_keys(&plan.trunk(cell, arm, seed)?)?;
    let mut hash = Sha256::new();
    for (key, value) in keys.iter() {
        hash.update(format!("{key} = {value}\n"));
    }
    let digits: String = hash.finalize().iter().take(4).map(|byte| format!("{byte:02x}")).collect();
    Ok(format!("{}-{digits}-seed-{seed}", slug(&plan.data[cell.data].name)))
}

fn train_trunk(dir: &Path, config: Config, monitor: &Monitor) -> Result<()> {
    let run = Run::create(Some(dir), config, monitor.of_job(None))?;
    run.sft(&run.tokenize()?).map(drop)
}

fn train_arm(
    trunk: &Path,
    dir: &Path,
    config: Config,
    signal: SignalName,
    monitor: &Monitor,
) -> Result<Run> {
    let run = Run::branch(trunk, dir, config, monitor.of_job(None))?;
    let tokenized = run.tokenized()?;
    run.rl(&tokenized, &run.supervised(&tokenized)?, signal)?;
    Ok(run)
}

/// The validation of the decoder that a signal's training gives: the last, or the first of the
/// highest Pass@1.
fn kept_validation(dir: &Path, signal: SignalName, keep: Keep) -> Result<Option<Point>> {
    let log = Log::load(dir)?;
    let points = log.validations.get(signal.key()).cloned().unwrap_or_default();
    let pass = |point: &Point| point.value("pass_at_1").unwrap_or(f64::NEG_INFINITY);
    Ok(match keep {
        Keep::Last => points.into_iter().next_back(),
        Keep::Best => points
            .into_iter()
            .reduce(|best, next| if pass(&next) > pass(&best) { next } else { best }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(pass_at_1: Option<f64>, fault: Option<&str>) -> Record {
        Record {
            job: String::new(),
            settings: Keys::default(),
            rate: None,
            pass_at_1,
            ndcg_at_10: pass_at_1.map(|pass| 1.0 - pass),
            run: PathBuf::new(),
            fault: fault.map(str::to_owned),
            seconds: 0.0,
            machine: Machine::here(),
        }
    }

    #[test]
    fn validation_chooses_the_rate_and_one_that_diverged_is_never_chosen() {
        let records = [
            record(Some(0.2), None),
            record(Some(0.3), None),
            record(Some(0.3), None),
            record(Some(0.9), Some("diverged")),
            record(None, None),
        ];
        let tried: Vec<(f64, &Record)> =
            [1e-5, 2e-5, 3e-5, 4e-5, 5e-5].into_iter().zip(&records).collect();
        assert_eq!(chosen(ChooseBy::PassAt1, &tried), Some(2e-5));
        assert_eq!(chosen(ChooseBy::NdcgAt10, &tried), Some(1e-5));
        assert_eq!(chosen(ChooseBy::PassAt1, &tried[3..]), None);
    }
}
