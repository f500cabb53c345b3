//! The results of an experiment, read back from its run folders.

use std::path::Path;

use serde::Serialize;

use super::contrasts::{ArmContrast, SeedRanks, adjust};
use super::job::{Job, Record, find, trials};
use super::plan::{ChooseBy, Contrast, Plan};
use crate::error::{Error, Result};
use crate::event::{Both, Metrics};
use crate::report::{GroupSummary, Log, Point, Summary, best, reached};
use crate::study::ledger::Machine;
use crate::study::statistics::{deviation, mean};

/// The first steps, whose share of all-zero groups tells how sparse rewards are.
const FIRST_STEPS: u64 = 10;

/// Results of all cells.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Results {
    /// The contrast that the plan fixed.
    pub primary: Contrast,
    /// The arm to whose best validation budgets are measured.
    pub target: Option<String>,
    /// The seeds.
    pub seeds: Vec<u64>,
    /// The learning rates that each arm tried.
    pub rates: Vec<f64>,
    /// The validation metric that chose among the rates.
    pub choose_by: ChooseBy,
    /// Draws of the bootstrap.
    pub draws: usize,
    /// The cells, in the plan's order.
    pub cells: Vec<CellResult>,
    /// Seconds of all jobs together.
    pub seconds: f64,
    /// The machines that did the jobs.
    pub machines: Vec<Machine>,
}

/// Results of a data set under one value of an axis.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct CellResult {
    /// The name.
    pub cell: String,
    /// The varied key.
    pub axis: Option<String>,
    /// Test prompts of a run.
    pub test_prompts: usize,
    /// Whether the primary figure masks the history.
    pub mask_history: bool,
    /// Share of all-zero groups in the first steps of the target arm, in the mean over seeds.
    pub all_zero: Option<f64>,
    /// The arms, in the plan's order.
    pub arms: Vec<ArmResult>,
    /// The primary contrast first, then all other arms against the control.
    pub contrasts: Vec<ArmContrast>,
    /// The primary arm against each arm but its control.
    pub of_primary: Vec<ArmContrast>,
}

/// Results of an arm, in the mean over seeds.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmResult {
    /// The arm.
    pub arm: String,
    /// The name on the page.
    pub title: String,
    /// The signal; `None` for the supervised decoder as it is.
    pub signal: Option<String>,
    /// The seeds whose training gave a decoder.
    pub seeds: Vec<u64>,
    /// The learning rate.
    pub rate: Option<f64>,
    /// Test metrics at item level.
    pub metrics: Both<Metrics>,
    /// The deviation of test Pass@1 over seeds, in the primary figure.
    pub deviation: Option<f64>,
    /// The share of groups with a gradient.
    pub with_signal: Option<f64>,
    /// Completions generated.
    pub generated: f64,
    /// Targets that training wrote into its batches: anchors and groups of the target alone.
    pub labels: f64,
    /// Optimiser steps.
    pub optimiser_steps: f64,
    /// Seconds of reinforcement learning.
    pub seconds: f64,
    /// The rates on trial, on the first seed.
    pub tried: Vec<TriedRate>,
    /// For each seed the budget at which the mean of three validations reached the target's best.
    pub reached: Vec<Reached>,
    /// Reasons of seeds without a decoder.
    pub faults: Vec<String>,
}

/// A learning rate on trial.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TriedRate {
    /// The rate.
    pub rate: f64,
    /// Validation Pass@1; `None` if training diverged.
    pub pass_at_1: Option<f64>,
    /// Validation NDCG@10.
    pub ndcg_at_10: Option<f64>,
}

/// The budget to the target of one seed; `None` means not reached.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reached {
    /// The seed.
    pub seed: u64,
    /// The target's best validation Pass@1.
    pub target: f64,
    /// Completions that the target had generated at its best.
    pub target_generated: u64,
    /// Completions generated.
    pub generated: Option<u64>,
    /// Steps taken.
    pub steps: Option<u64>,
}

/// A judged run of an arm.
struct Judged {
    seed: u64,
    summary: Summary,
    log: Log,
    ranks: SeedRanks,
    system: &'static str,
}

impl Judged {
    fn metrics(&self) -> Option<Both<Metrics>> {
        let system = self.summary.systems.iter().find(|system| system.name == self.system)?;
        Some(Both::of(|mask_history| system.both.get(mask_history).item))
    }

    fn groups(&self) -> Option<&GroupSummary> {
        self.summary.groups.get(self.system)
    }

    fn validations(&self, x: impl Fn(&Point) -> Option<u64>) -> Vec<(u64, f64)> {
        let points = self.log.validations.get(self.system).into_iter().flatten();
        points.filter_map(|point| Some((x(point)?, point.value("pass_at_1")?))).collect()
    }

    fn by_generated(&self) -> Vec<(u64, f64)> {
        self.validations(|point| point.value("generated").map(|generated| generated as u64))
    }

    /// The share of all-zero groups in the first steps.
    fn first_all_zero(&self) -> Option<f64> {
        let steps = self.log.steps.get(self.system)?;
        let point = steps.iter().rfind(|point| point.at <= FIRST_STEPS)?;
        let of = |regime: &str| point.value(&format!("groups.{regime}"));
        let all = ["all_zero", "single_hit", "multi_hit", "all_hit"].map(of);
        let groups: f64 = all.into_iter().sum::<Option<f64>>()?;
        (groups > 0.0).then_some(all[0]? / groups)
    }
}

impl Results {
    /// Reads the run folders of finished jobs.
    pub(super) fn gather(plan: &Plan, dir: &Path, done: &[Record]) -> Result<Self> {
        let numbers = 0..plan.cells.len();
        let cells = numbers.map(|cell| CellResult::gather(plan, cell, dir, done));
        let mut machines: Vec<Machine> = Vec::new();
        for record in done {
            if !machines.contains(&record.machine) {
                machines.push(record.machine.clone());
            }
        }
        Ok(Self {
            primary: plan.primary.clone(),
            target: plan.target.clone(),
            seeds: plan.seeds.clone(),
            rates: plan.rates.clone(),
            choose_by: plan.choose_by,
            draws: plan.draws,
            cells: cells.collect::<Result<_>>()?,
            seconds: done.iter().map(|record| record.seconds).sum(),
            machines,
        })
    }
}

impl CellResult {
    /// The contrast of an arm with the control.
    pub(super) fn contrast(&self, arm: &str) -> Option<&ArmContrast> {
        self.contrasts.iter().find(|contrast| contrast.arm == arm)
    }

    fn gather(plan: &Plan, cell: usize, dir: &Path, done: &[Record]) -> Result<Self> {
        let mut judged = Vec::with_capacity(plan.arms.len());
        for arm in 0..plan.arms.len() {
            judged.push(runs(plan, cell, arm, dir, done)?);
        }
        let first = judged.iter().flatten().next();
        let mask_history = first.is_some_and(|run| run.summary.evaluate.mask_history);
        let of = |name: &str| plan.arm(name).map_or(&[][..], |arm| &judged[arm][..]);
        let target = plan.target.as_deref().map(of).unwrap_or_default();
        let arms = (0..plan.arms.len())
            .map(|arm| ArmResult::new(plan, cell, arm, &judged[arm], target, mask_history, done));
        let ranks = |name: &str| -> Vec<SeedRanks> {
            of(name).iter().map(|run| run.ranks.clone()).collect()
        };
        let Contrast { arm: primary, control } = &plan.primary;
        let others = plan.arms.iter().map(|arm| &arm.name);
        let others = others.filter(|name| *name != primary && *name != control);
        let family = |pairs: Vec<[&str; 2]>| {
            let contrast = |[arm, control]: [&str; 2]| {
                let pair = [&ranks(arm)[..], &ranks(control)];
                ArmContrast::new([arm, control], pair, mask_history, plan.draws)
            };
            let mut contrasts: Vec<ArmContrast> = pairs.into_iter().filter_map(contrast).collect();
            adjust(&mut contrasts);
            contrasts
        };
        let arms_on_trial = [primary].into_iter().chain(others.clone());
        let contrasts = family(arms_on_trial.map(|arm| [&arm[..], control]).collect());
        let of_primary = family(others.map(|other| [&primary[..], other]).collect());
        let shares: Vec<f64> = target.iter().filter_map(Judged::first_all_zero).collect();
        Ok(Self {
            cell: plan.cells[cell].name.clone(),
            axis: plan.cells[cell].axis.clone(),
            test_prompts: first.map_or(0, |run| run.summary.test_prompts),
            mask_history,
            all_zero: (!shares.is_empty()).then(|| mean(&shares)),
            arms: arms.collect(),
            contrasts,
            of_primary,
        })
    }
}

impl ArmResult {
    fn new(
        plan: &Plan,
        cell: usize,
        arm: usize,
        judged: &[Judged],
        target: &[Judged],
        mask_history: bool,
        done: &[Record],
    ) -> Self {
        let records: Vec<&Record> = plan
            .seeds
            .iter()
            .filter_map(|&seed| find(plan, &Job::Arm { cell, arm, seed }, done))
            .collect();
        let metrics: Vec<Both<Metrics>> = judged.iter().filter_map(Judged::metrics).collect();
        let primary = |both: &Both<Metrics>| both.get(mask_history).pass_at_1;
        let of_groups = |value: fn(&GroupSummary) -> f64| {
            let values: Vec<f64> =
                judged.iter().map(|run| run.groups().map_or(0.0, value)).collect();
            mean(&values)
        };
        let shares: Vec<f64> = judged.iter().filter_map(|run| run.groups()?.with_signal).collect();
        let signal = plan.arms[arm].signal;
        let phase = signal.map(|signal| format!("rl {}", signal.key())).unwrap_or_default();
        let seconds: Vec<f64> = judged
            .iter()
            .map(|run| run.summary.phases.get(&phase).copied().unwrap_or_default())
            .collect();
        let tried = |(rate, record): (f64, &Record)| TriedRate {
            rate,
            pass_at_1: record.pass_at_1,
            ndcg_at_10: record.ndcg_at_10,
        };
        let budget = |run: &Judged| {
            let target = target.iter().find(|target| target.seed == run.seed)?;
            let (target_generated, pass) = best(&target.by_generated())?;
            Some(Reached {
                seed: run.seed,
                target: pass,
                target_generated,
                generated: reached(&run.by_generated(), pass),
                steps: reached(&run.validations(|point| Some(point.at)), pass),
            })
        };
        let trained = judged.iter().filter(|_| signal.is_some());
        Self {
            arm: plan.arms[arm].name.clone(),
            title: plan.arms[arm].title.clone(),
            signal: signal.map(|signal| signal.key().to_owned()),
            seeds: judged.iter().map(|run| run.seed).collect(),
            rate: records.iter().find_map(|record| record.rate),
            metrics: Both::of(|mask_history| {
                mean_metrics(&metrics.iter().map(|both| both.get(mask_history)).collect::<Vec<_>>())
            }),
            deviation: deviation(&metrics.iter().map(primary).collect::<Vec<_>>()),
            with_signal: (!shares.is_empty()).then(|| mean(&shares)),
            generated: of_groups(|it| it.counts.generated as f64),
            labels: of_groups(|it| (it.counts.repaired + it.counts.without_rollout) as f64),
            optimiser_steps: of_groups(|it| it.optimiser_steps as f64),
            seconds: mean(&seconds),
            tried: trials(plan, cell, arm, done).into_iter().map(tried).collect(),
            reached: trained.filter_map(budget).collect(),
            faults: records.iter().filter_map(|record| record.fault.clone()).collect(),
        }
    }
}

/// The judged runs of an arm, in the order of seeds.
fn runs(plan: &Plan, cell: usize, arm: usize, dir: &Path, done: &[Record]) -> Result<Vec<Judged>> {
    let mut judged = Vec::new();
    for &seed in &plan.seeds {
        let Some(record) = find(plan, &Job::Arm { cell, arm, seed }, done) else { continue };
        if record.fault.is_some() {
            continue;
        }
        let run = dir.join(&record.run);
        let system = plan.arms[arm].signal.map_or("sft", |signal| signal.key());
        let path = run.join("ranks").join(format!("{system}.json"));
        let text = std::fs::read_to_string(&path).map_err(|cause| Error::read(&path, cause))?;
        let ranks = serde_json::from_str(&text).map_err(|e| {
            Error::file(&path, format!("is not what recast writes: {e}"), "judge the run again")
        })?;
        judged.push(Judged {
            seed,
            summary: Summary::load(&run)?,
            log: Log::load(&run)?,
            ranks: SeedRanks { seed, ranks },
            system,
        });
    }
    Ok(judged)
}

fn mean_metrics(all: &[&Metrics]) -> Metrics {
    let of = |value: fn(&Metrics) -> f64| mean(&all.iter().map(|it| value(it)).collect::<Vec<_>>());
    Metrics {
        pass_at_1: of(|it| it.pass_at_1),
        pass_at_10: of(|it| it.pass_at_10),
        recall_at_5: of(|it| it.recall_at_5),
        recall_at_10: of(|it| it.recall_at_10),
        recall_at_50: of(|it| it.recall_at_50),
        ndcg_at_5: of(|it| it.ndcg_at_5),
        ndcg_at_10: of(|it| it.ndcg_at_10),
    }
}
