//! Results of several runs side by side, and the rollout budgets to a target.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::summary::Summary;
use crate::error::{Error, Result};

/// Evaluations whose mean must reach the target: a single lucky evaluation does not count.
const TRAILING: usize = 3;

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

/// The results of one system over all runs.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedSystem {
    /// The name for machines.
    pub name: String,
    /// The name for people.
    pub title: String,
    /// Runs that hold the system.
    pub runs: usize,
    /// Test Pass@1, at item level.
    pub pass_at_1: Spread,
    /// Test Recall@10, at item level.
    pub recall_at_10: Spread,
    /// Test NDCG@10, at item level.
    pub ndcg_at_10: Spread,
}

/// The budget that ReCast needed to reach a baseline's best validation Pass@1.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct BudgetRatio {
    /// The run folder.
    pub run_dir: PathBuf,
    /// The baseline's title.
    pub baseline: String,
    /// The baseline's best validation Pass@1.
    pub target: f64,
    /// Completions that the baseline had generated at that best.
    pub baseline_generated: u64,
    /// Completions that ReCast had generated when the mean of its last three evaluations reached
    /// the target; `None` if no evaluation did.
    pub recast_generated: Option<u64>,
}

/// Runs side by side.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Comparison {
    /// Systems in the order of the runs' tables.
    pub systems: Vec<ComparedSystem>,
    /// Rollout budgets, run by run.
    pub budgets: Vec<BudgetRatio>,
    /// Warnings on the data of all runs, each listed once.
    pub warnings: Vec<String>,
}

/// The fields of the event log that a comparison reads.
#[derive(Deserialize)]
struct Event {
    event: String,
    phase: Option<String>,
    pass_at_1: Option<f64>,
    generated: Option<u64>,
}

/// Validation results of one signal: pairs of completions generated and Pass@1.
type Curve = Vec<(u64, f64)>;

impl Comparison {
    /// Reads the summaries and event logs of run folders.
    ///
    /// # Errors
    ///
    /// If a folder has no summary, or a file has another format than recast's.
    pub fn load(run_dirs: &[PathBuf]) -> Result<Self> {
        let summaries: Vec<Summary> =
            run_dirs.iter().map(|dir| Summary::load(dir)).collect::<Result<_>>()?;
        let mut systems: Vec<ComparedSystem> = Vec::new();
        for system in summaries.iter().flat_map(|summary| &summary.systems) {
            if systems.iter().any(|known| known.name == system.name) {
                continue;
            }
            let of_runs: Vec<_> = summaries
                .iter()
                .flat_map(|summary| &summary.systems)
                .filter(|other| other.name == system.name)
                .map(|other| other.item)
                .collect();
            systems.push(ComparedSystem {
                name: system.name.clone(),
                title: system.title.clone(),
                runs: of_runs.len(),
                pass_at_1: spread(of_runs.iter().map(|m| m.pass_at_1)),
                recall_at_10: spread(of_runs.iter().map(|m| m.recall_at_10)),
                ndcg_at_10: spread(of_runs.iter().map(|m| m.ndcg_at_10)),
            });
        }
        let budgets = run_dirs.iter().map(|dir| budgets(dir)).collect::<Result<Vec<_>>>()?;
        let mut warnings = Vec::new();
        for warning in summaries.into_iter().flat_map(|summary| summary.warnings) {
            if !warnings.contains(&warning) {
                warnings.push(warning);
            }
        }
        Ok(Self { systems, budgets: budgets.into_iter().flatten().collect(), warnings })
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

fn budgets(run_dir: &Path) -> Result<Vec<BudgetRatio>> {
    let mut curves = curves(&run_dir.join("events.jsonl"))?;
    let Some(recast) = curves.remove("recast") else { return Ok(Vec::new()) };
    let of_baseline = |(baseline, curve): (String, Curve)| {
        let (baseline_generated, target) = best(&curve)?;
        let recast_generated = reached(&recast, target);
        let run_dir = run_dir.to_owned();
        Some(BudgetRatio { run_dir, baseline, target, baseline_generated, recast_generated })
    };
    Ok(curves.into_iter().filter_map(of_baseline).collect())
}

fn curves(path: &Path) -> Result<BTreeMap<String, Curve>> {
    let text = fs::read_to_string(path).map_err(|source| Error::read(path, source))?;
    let mut curves: BTreeMap<String, Curve> = BTreeMap::new();
    for (i, line) in text.lines().enumerate() {
        let event: Event = serde_json::from_str(line).map_err(|e| {
            let hint = "remove the line if the program was ended while writing it";
            Error::line(path, i as u64 + 1, format!("is no event: {e}"), hint)
        })?;
        let known = (event.phase, event.generated, event.pass_at_1);
        if let ("validation", (Some(phase), Some(generated), Some(pass))) =
            (event.event.as_str(), known)
        {
            let curve = curves.entry(phase).or_default();
            // a resumed run repeats an evaluation: the later one counts
            curve.retain(|&(at, _)| at < generated);
            curve.push((generated, pass));
        }
    }
    Ok(curves)
}

/// The first point with the highest value.
fn best(curve: &Curve) -> Option<(u64, f64)> {
    curve.iter().copied().reduce(|best, point| if point.1 > best.1 { point } else { best })
}

/// Completions generated by the first point whose trailing mean reaches the target.
fn reached(curve: &Curve, target: f64) -> Option<u64> {
    let mean = |points: &[(u64, f64)]| {
        points.iter().map(|&(_, pass)| pass).sum::<f64>() / points.len() as f64
    };
    curve
        .windows(TRAILING)
        .find(|points| mean(points) >= target)
        .map(|points| points[TRAILING - 1].0)
}

impl Display for Comparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        writeln!(
            f,
            "{:<12} {:>4}  {:<24} {:<24} {:<24}",
            "system", "runs", "Pass@1 (min to max)", "R@10 (min to max)", "N@10 (min to max)"
        )?;
        for system in &self.systems {
            let cell = |s: Spread| format!("{:.4} ({:.4} to {:.4})", s.mean, s.min, s.max);
            writeln!(
                f,
                "{:<12} {:>4}  {:<24} {:<24} {:<24}",
                system.title,
                system.runs,
                cell(system.pass_at_1),
                cell(system.recall_at_10),
                cell(system.ndcg_at_10)
            )?;
        }
        for budget in &self.budgets {
            let BudgetRatio { run_dir, baseline, target, baseline_generated, .. } = budget;
            write!(
                f,
                "\n{}: {baseline} at its best has validation Pass@1 {target:.4} after \
                 {baseline_generated} completions; ReCast: ",
                run_dir.display()
            )?;
            match budget.recast_generated {
                None => write!(f, "not reached")?,
                Some(generated) => {
                    write!(f, "reached after {generated}")?;
                    if *baseline_generated > 0 {
                        let ratio = generated as f64 / *baseline_generated as f64;
                        write!(f, ", {:.1}% of these", 100.0 * ratio)?;
                    }
                }
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_target_is_reached_by_the_mean_of_three() {
        let curve = vec![(0, 0.1), (10, 0.9), (20, 0.1), (30, 0.5), (40, 0.6)];
        assert_eq!(reached(&curve, 0.5), Some(30));
        assert_eq!(reached(&curve, 0.6), None);
    }

    #[test]
    fn a_resumed_evaluation_replaces_the_one_before() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("events.jsonl");
        let line = |generated: u64, pass: f64| {
            format!(
                "{{\"event\":\"validation\",\"phase\":\"grpo\",\"generated\":{generated},\"pass_at_1\":{pass}}}\n"
            )
        };
        fs::write(&path, line(0, 0.1) + &line(10, 0.2) + &line(10, 0.3)).unwrap();
        assert_eq!(curves(&path).unwrap()["grpo"], [(0, 0.1), (10, 0.3)]);
    }

    #[test]
    fn the_best_point_is_the_earliest_of_equals() {
        assert_eq!(best(&vec![(0, 0.1), (10, 0.3), (20, 0.3)]), Some((10, 0.3)));
    }
}
