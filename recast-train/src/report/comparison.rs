//! Results of several runs side by side.

use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::SystemResult;
use super::budget::{BudgetRatio, budgets};
use super::conditions::Conditions;
use super::figures::{cells, heading};
use super::log::Log;
use super::summary::Summary;
use crate::error::{Result, SettingChange};
use crate::event::{Both, Metrics};

/// The lowest, the mean and the highest of a metric over runs.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The lowest value.
    pub min: f64,
    /// The mean value.
    pub mean: f64,
    /// The highest value.
    pub max: f64,
}

/// The metrics of a system over runs, on the test prompts at item level.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct MetricSpreads {
    /// Pass@1.
    pub pass_at_1: Spread,
    /// Recall@5.
    pub recall_at_5: Spread,
    /// Recall@10.
    pub recall_at_10: Spread,
    /// Recall@50.
    pub recall_at_50: Spread,
    /// NDCG@10.
    pub ndcg_at_10: Spread,
}

/// The results of one system over the runs of a group.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedSystem {
    /// The name for machines.
    pub name: String,
    /// The name for people.
    pub title: String,
    /// Runs that hold the system.
    pub runs: usize,
    /// The primary figure.
    #[serde(flatten)]
    pub primary: MetricSpreads,
    /// The two figures.
    #[serde(flatten)]
    pub both: Both<MetricSpreads>,
}

/// Runs on equal data under equal settings and one protocol: a mean over these runs has a meaning.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedGroup {
    /// The run folders that count.
    pub runs: Vec<PathBuf>,
    /// The seed of each run.
    pub seeds: Vec<u64>,
    /// The differences from the first group to this one: checksums of the data, settings, the
    /// search and the number of test prompts. Empty in the first group.
    pub differences: Vec<SettingChange>,
    /// Whether the primary figure masks the history.
    pub mask_history: bool,
    /// Systems in the order of the runs' tables.
    pub systems: Vec<ComparedSystem>,
    /// Rollout budgets, run by run.
    pub budgets: Vec<BudgetRatio>,
    /// Warnings of all runs, each listed once.
    pub warnings: Vec<String>,
}

/// A run folder with the results of an earlier one: the same folder, a link to it or a copy.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RepeatedRun {
    /// The run folder.
    pub run_dir: PathBuf,
    /// The earlier folder.
    pub same_as: PathBuf,
}

/// Runs side by side, in groups of like runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Groups in the order of their first runs.
    pub groups: Vec<ComparedGroup>,
    /// Run folders that hold an earlier run again. Results that both hold count once.
    pub repeated: Vec<RepeatedRun>,
}

/// A run folder and its results.
#[derive(Debug)]
struct Member {
    dir: PathBuf,
    summary: Summary,
    /// The results that no earlier member holds.
    counted: Vec<SystemResult>,
}

impl Comparison {
    /// Reads the summaries, settings and event logs of run folders.
    ///
    /// Runs are of one group if they differ in the seed alone. Their data have equal checksums, and
    /// settings of all phases, search and test prompts are equal. Settings of the machine, such as
    /// the number of threads, may differ. Two folders hold the same run if they are of one group
    /// and seed, and each system that both hold has equal metrics.
    ///
    /// # Errors
    ///
    /// If a folder has no summary, or a file has another format than recast's.
    pub fn load(run_dirs: &[PathBuf]) -> Result<Self> {
        let mut groups: Vec<(Conditions, Vec<Member>)> = Vec::new();
        let mut repeated = Vec::new();
        for dir in run_dirs {
            let summary = Summary::load(dir)?;
            let conditions = Conditions::load(dir, Some(&summary))?;
            let index =
                groups.iter().position(|(known, _)| *known == conditions).unwrap_or(groups.len());
            if index == groups.len() {
                groups.push((conditions, Vec::new()));
            }
            let (_, members) = &mut groups[index];
            let same: Vec<&Member> =
                members.iter().filter(|member| member.holds_the_run_of(&summary)).collect();
            let is_new = |system: &SystemResult| same.iter().all(|m| !m.holds(&system.name));
            let counted: Vec<SystemResult> =
                summary.systems.iter().filter(|system| is_new(system)).cloned().collect();
            if let Some(first) = same.first() {
                repeated.push(RepeatedRun { run_dir: dir.clone(), same_as: first.dir.clone() });
            }
            if !counted.is_empty() {
                members.push(Member { dir: dir.clone(), summary, counted });
            }
        }
        let first = groups.first().map(|(conditions, _)| conditions.clone());
        let groups = groups
            .into_iter()
            .map(|(conditions, members)| {
                let differences =
                    first.as_ref().map(|first| first.changes(&conditions)).unwrap_or_default();
                ComparedGroup::new(differences, &members)
            })
            .collect::<Result<_>>()?;
        Ok(Self { groups, repeated })
    }
}

impl Member {
    fn holds(&self, name: &str) -> bool {
        self.summary.systems.iter().any(|system| system.name == name)
    }

    fn counts(&self, name: &str) -> bool {
        self.counted.iter().any(|system| system.name == name)
    }

    /// Whether another summary of equal conditions tells of this run.
    fn holds_the_run_of(&self, other: &Summary) -> bool {
        let own = &self.summary;
        let mut common = own.systems.iter().flat_map(|system| {
            other.systems.iter().filter(|o| o.name == system.name).map(move |o| (system, o))
        });
        own.seed == other.seed && common.all(|(system, other)| system == other)
    }

    /// The budgets in which a counted result takes part.
    fn budgets(&self) -> Result<Vec<BudgetRatio>> {
        let mut found = budgets(&self.dir, &Log::load(&self.dir)?);
        found.retain(|budget| self.counts("recast") || self.counts(&budget.baseline));
        Ok(found)
    }
}

impl ComparedGroup {
    fn new(differences: Vec<SettingChange>, members: &[Member]) -> Result<Self> {
        let counted = || members.iter().flat_map(|member| &member.counted);
        let mask_history =
            members.first().is_some_and(|member| member.summary.evaluate.mask_history);
        let mut systems: Vec<ComparedSystem> = Vec::new();
        for system in counted() {
            if systems.iter().any(|known| known.name == system.name) {
                continue;
            }
            let of_runs: Vec<_> = counted()
                .filter(|other| other.name == system.name)
                .map(|other| other.both)
                .collect();
            let both =
                Both::of(|mask| MetricSpreads::of(of_runs.iter().map(|it| it.get(mask).item)));
            systems.push(ComparedSystem {
                name: system.name.clone(),
                title: system.title.clone(),
                runs: of_runs.len(),
                primary: *both.get(mask_history),
                both,
            });
        }
        let budgets = members.iter().map(Member::budgets).collect::<Result<Vec<_>>>()?.concat();
        let mut warnings: Vec<String> = Vec::new();
        for warning in members.iter().flat_map(|member| &member.summary.warnings) {
            if !warnings.contains(warning) {
                warnings.push(warning.clone());
            }
        }
        let runs = members.iter().map(|member| member.dir.clone()).collect();
        let seeds = members.iter().map(|member| member.summary.seed).collect();
        Ok(Self { runs, seeds, differences, mask_history, systems, budgets, warnings })
    }
}

impl MetricSpreads {
    fn of(runs: impl ExactSizeIterator<Item = Metrics> + Clone) -> Self {
        Self {
            pass_at_1: spread(runs.clone().map(|it| it.pass_at_1)),
            recall_at_5: spread(runs.clone().map(|it| it.recall_at_5)),
            recall_at_10: spread(runs.clone().map(|it| it.recall_at_10)),
            recall_at_50: spread(runs.clone().map(|it| it.recall_at_50)),
            ndcg_at_10: spread(runs.map(|it| it.ndcg_at_10)),
        }
    }

    /// One value of each spread, in the order of the tables' columns.
    fn columns(&self, value: impl Fn(&Spread) -> f64) -> [f64; 5] {
        let Self { pass_at_1, recall_at_5, recall_at_10, recall_at_50, ndcg_at_10 } = self;
        [pass_at_1, recall_at_5, recall_at_10, recall_at_50, ndcg_at_10].map(value)
    }
}

fn spread(values: impl ExactSizeIterator<Item = f64>) -> Spread {
    let count = values.len() as f64;
    let (min, max, sum) = values
        .fold((f64::INFINITY, f64::NEG_INFINITY, 0.0), |(min, max, sum), value| {
            (value.min(min), value.max(max), sum + value)
        });
    Spread { min, mean: sum / count, max }
}

impl Display for ComparedGroup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        writeln!(f, "{}", heading("system       runs         ", self.mask_history))?;
        for ComparedSystem { title, runs, both, .. } in &self.systems {
            let row = |of: fn(&Spread) -> f64| {
                let values = Both::of(|mask_history| both.get(mask_history).columns(of));
                cells(values, self.mask_history)
            };
            writeln!(f, "{title:<12} {runs:>4} mean   {}", row(|it| it.mean))?;
            if *runs > 1 {
                writeln!(f, "{:<12} {:>4} lowest {}", "", "", row(|it| it.min))?;
                writeln!(f, "{:<12} {:>4} highest{}", "", "", row(|it| it.max))?;
            }
        }
        self.budgets.iter().try_for_each(|budget| write!(f, "\n{budget}"))
    }
}

impl Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for RepeatedRun { run_dir, same_as } in &self.repeated {
            let (run_dir, same_as) = (run_dir.display(), same_as.display());
            writeln!(f, "{run_dir}: the same run as {same_as}; results of both count once")?;
        }
        if let [only] = &self.groups[..] {
            return write!(f, "{only}");
        }
        writeln!(f, "{} groups of unlike runs: no mean is taken over groups", self.groups.len())?;
        for (number, group) in (1..).zip(&self.groups) {
            let name = |dir: &PathBuf| Path::display(dir).to_string();
            let runs: Vec<String> = group.runs.iter().map(name).collect();
            write!(f, "\ngroup {number}: {}", runs.join(", "))?;
            if !group.differences.is_empty() {
                let differences = SettingChange::list(&group.differences);
                write!(f, "; differs from group 1: {differences}")?;
            }
            writeln!(f, "\n{group}")?;
        }
        Ok(())
    }
}
