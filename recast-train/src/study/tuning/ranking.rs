//! The ranking of trials by validation.

use std::fmt::{self, Display};

use serde::Serialize;

use super::Trial;
use crate::study::statistics::mean;

/// A trial's place.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranked {
    /// The trial.
    pub trial: String,
    /// The mean over data sets and seeds of NDCG@10 divided by that of the base, in validation.
    /// `None` unless both have a validation on each data set and seed of the base.
    pub relative: Option<f64>,
    /// The finished jobs of the trial.
    pub jobs: Vec<Trial>,
}

/// All trials, the best first. Validation alone decides.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Ranking {
    /// Jobs that are done, of this number in all.
    pub done: usize,
    /// All jobs.
    pub total: usize,
    /// The trials; those without a comparison stand last.
    pub trials: Vec<Ranked>,
}

impl Ranking {
    pub(super) fn new<'a>(
        names: impl Iterator<Item = &'a str>,
        done: &[Trial],
        total: usize,
    ) -> Self {
        let of = |name: &str| -> Vec<Trial> {
            done.iter().filter(|trial| trial.trial == name).cloned().collect()
        };
        let mut names = names.peekable();
        let base = names.peek().map_or_else(Vec::new, |name| of(name));
        let mut trials: Vec<Ranked> = names
            .map(|name| {
                let jobs = of(name);
                Ranked { trial: name.to_owned(), relative: relative(&jobs, &base), jobs }
            })
            .collect();
        let key = |ranked: &Ranked| ranked.relative.unwrap_or(f64::NEG_INFINITY);
        trials.sort_by(|a, b| key(b).total_cmp(&key(a)));
        let done = trials.iter().map(|ranked| ranked.jobs.len()).sum();
        Self { done, total, trials }
    }
}

/// The mean ratio of NDCG@10 over the jobs of the base.
fn relative(jobs: &[Trial], base: &[Trial]) -> Option<f64> {
    let ndcg = |trial: &Trial| trial.validation.map(|found| found.ndcg_at_10);
    let of_base = |base: &Trial| {
        let same = |job: &&Trial| (&job.data, job.seed) == (&base.data, base.seed);
        let below = ndcg(base).filter(|&ndcg| ndcg > 0.0)?;
        Some(ndcg(jobs.iter().find(same)?)? / below)
    };
    let ratios: Vec<f64> = base.iter().map(of_base).collect::<Option<_>>()?;
    (!ratios.is_empty()).then(|| mean(&ratios))
}

impl Display for Ranking {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { done, total, trials } = self;
        writeln!(f, "validation, {done} of {total} jobs; N@10 relative to the base, in the mean")?;
        for Ranked { trial, relative, jobs } in trials {
            match relative {
                Some(relative) => write!(f, "{relative:>8.4}  {trial}")?,
                None => write!(f, "{:>8}  {trial}", "-")?,
            }
            for job in jobs {
                let Trial { data, seed, validation, ended, .. } = job;
                write!(f, "  {data}/{seed} ")?;
                match validation {
                    Some(found) => write!(f, "{:.4}", found.ndcg_at_10)?,
                    None => write!(f, "none")?,
                }
                ended.iter().try_for_each(|reason| write!(f, " ({reason})"))?;
            }
            writeln!(f)?;
        }
        if done < total {
            let left = total - done;
            writeln!(f, "the minutes of the plan are spent: {left} jobs are not done")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::super::{Found, Machine};
    use super::*;
    use crate::config::Keys;

    fn job(trial: &str, data: &str, ndcg: Option<f64>) -> Trial {
        let validation = ndcg.map(|ndcg_at_10| Found {
            pass_at_1: 0.0,
            recall_at_10: 0.0,
            ndcg_at_10,
            epoch: 2,
        });
        Trial {
            trial: trial.to_owned(),
            data: data.to_owned(),
            seed: 1,
            settings: Keys::default(),
            validation,
            seconds: 1.0,
            ended: None,
            machine: Machine::here(),
        }
    }

    #[test]
    fn trials_stand_by_their_mean_ratio_to_the_base() {
        let done = [
            job("base", "a", Some(0.1)),
            job("base", "b", Some(0.4)),
            // better on one data set, worse on the other: 1.5 and 0.5
            job("even", "a", Some(0.15)),
            job("even", "b", Some(0.2)),
            job("best", "a", Some(0.12)),
            job("best", "b", Some(0.44)),
            job("half", "a", Some(0.9)),
            job("none", "a", Some(0.9)),
            job("none", "b", None),
        ];
        let names = ["base", "even", "best", "half", "none"].into_iter();
        let ranking = Ranking::new(names, &done, 10);
        let found: Vec<_> = ranking
            .trials
            .iter()
            .map(|it| (&it.trial[..], it.relative.map(|it| (it * 1e6).round() / 1e6)))
            .collect();
        let expected = [
            ("best", Some(1.15)),
            ("base", Some(1.0)),
            ("even", Some(1.0)),
            ("half", None),
            ("none", None),
        ];
        assert_eq!(found, expected);
        let shown = ranking.to_string();
        assert!(shown.contains("9 of 10 jobs") && shown.contains("1 jobs are not done"), "{shown}");
    }
}
