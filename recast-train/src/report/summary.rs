//! The result of a run: for machines as JSON, for people as tables.

use std::collections::BTreeMap;
use std::fmt::{self, Display};
use std::path::{Path, PathBuf};

use recast_core::Regime;
use serde::{Deserialize, Serialize};

use super::figures::{SystemTable, figure};
use crate::data::FreshReport;
use crate::decode::Search;
use crate::error::{Error, Result};
use crate::evaluate::EvaluateConfig;
use crate::event::{GroupCounts, PhaseSeconds, SystemResult};
use crate::storage::read_noted;
use crate::train::{Keep, RlState};

/// The groups of a signal and the seconds of its steps.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct GroupSummary {
    /// Share of groups without a hit.
    pub all_zero: f64,
    /// Share of groups with one hit.
    pub single_hit: f64,
    /// Share of groups with several hits and misses.
    pub multi_hit: f64,
    /// Share of groups of hits only.
    pub all_hit: f64,
    /// Share of groups with a gradient; older summaries lack it.
    #[serde(default)]
    pub with_signal: Option<f64>,
    /// Counts of groups by regime, of repairs and of sequences.
    pub counts: GroupCounts,
    /// Optimiser steps.
    pub optimiser_steps: usize,
    /// The step of the best validation Pass@1; 0 is the supervised decoder.
    pub best_step: usize,
    /// The best validation Pass@1; older summaries lack it.
    #[serde(default)]
    pub best_pass_at_1: f64,
    /// The best validation NDCG@10; older summaries lack it.
    #[serde(default)]
    pub best_ndcg_at_10: f64,
    /// The step of the best validation NDCG@10.
    #[serde(default)]
    pub best_ndcg_step: usize,
    /// Seconds of each phase of the loop.
    pub seconds: PhaseSeconds,
    /// The mean of each named reward over all groups, before weights and repair; older summaries
    /// lack it.
    #[serde(default)]
    pub rewards: BTreeMap<String, f64>,
}

/// The results of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Summary {
    /// Systems in the order of the tables.
    pub systems: Vec<SystemResult>,
    /// Groups by signal.
    pub groups: BTreeMap<String, GroupSummary>,
    /// Seconds of each phase of the run.
    pub phases: BTreeMap<String, f64>,
    /// Seconds of all phases together.
    pub seconds: f64,
    /// The largest resident size of the evaluating process; null where the system tells none.
    pub peak_memory_bytes: Option<u64>,
    /// The run folder.
    pub run_dir: PathBuf,
    /// Warnings on the data, on training that learns nothing, and on settings that changed in the
    /// middle of a phase: these qualify the numbers.
    #[serde(default)]
    pub warnings: Vec<String>,
    /// The number of test prompts.
    pub test_prompts: usize,
    /// The fresh prompts of reinforcement learning; `None` where supervised training saw them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<FreshReport>,
    /// The decoder of each signal that was judged.
    #[serde(default)]
    pub keep: Keep,
    /// The search of the decoders, and whether the primary figure masks the history.
    pub evaluate: EvaluateConfig,
    /// The run's seed.
    pub seed: u64,
    /// The best expected Pass@1 of any system on the test prompts; `None` for data of unknown
    /// source.
    pub bayes_pass_at_1: Option<f64>,
    /// Share of items that share their semantic ID.
    pub collision_rate: f64,
}

impl GroupSummary {
    pub(crate) fn new(state: &RlState) -> Self {
        let counts = state.groups;
        Self {
            all_zero: counts.share(Regime::AllZero),
            single_hit: counts.share(Regime::SingleHit),
            multi_hit: counts.share(Regime::MultiHit),
            all_hit: counts.share(Regime::AllHit),
            with_signal: Some(counts.share_with_signal()),
            counts,
            optimiser_steps: state.optimiser_steps,
            best_step: state.best_step,
            best_pass_at_1: state.best_pass_at_1,
            best_ndcg_at_10: state.best_ndcg_at_10,
            best_ndcg_step: state.best_ndcg_step,
            seconds: state.seconds,
            rewards: state.rewards.by_name(),
        }
    }
}

impl Summary {
    /// The summary that a run folder holds.
    ///
    /// # Errors
    ///
    /// If the summary does not exist or cannot be read.
    pub fn load(run_dir: &Path) -> Result<Self> {
        let path = run_dir.join("summary.json");
        let text = read_noted(&path, "evaluate the run again")?;
        serde_json::from_str(&text).map_err(|e| {
            let hint = "evaluate the run again: older versions wrote fewer metrics";
            Error::file(&path, format!("is not what recast writes: {e}"), hint)
        })
    }
}

impl Display for Summary {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "test, {} prompts, item level, collision rate {:.1}%, primary figure {}, {}, seed {}",
            self.test_prompts,
            100.0 * self.collision_rate,
            figure(self.evaluate.mask_history),
            match self.evaluate.search {
                Search::Beam => format!("beam width {}", self.evaluate.beam_width),
                Search::Exact => "exact search".to_owned(),
            },
            self.seed
        )?;
        if let Some(fresh) = &self.fresh {
            writeln!(f, "{fresh}")?;
        }
        if self.keep == Keep::Last && !self.groups.is_empty() {
            writeln!(f, "each signal is judged after its last step")?;
        }
        let (warnings, systems) = (&self.warnings, &self.systems);
        let mask_history = self.evaluate.mask_history;
        write!(f, "{}", SystemTable { warnings, systems, mask_history })?;
        if let Some(bayes) = self.bayes_pass_at_1 {
            writeln!(f, "Bayes-optimal Pass@1 in expectation: {bayes:.4}")?;
        }
        let name = widest(self.groups.keys(), 8);
        if !self.groups.is_empty() {
            writeln!(
                f,
                "\n{:<name$} {:>8} {:>10} {:>9} {:>8} {:>11} {:>9} {:>10} {:>9} {:>10} {:>9}",
                "groups",
                "all-zero",
                "single-hit",
                "multi-hit",
                "all-hit",
                "with signal",
                "repaired",
                "generated",
                "trained",
                "optimiser",
                "best step"
            )?;
        }
        for (signal, group) in &self.groups {
            let with_signal = group.with_signal.map_or("-".to_owned(), percent);
            writeln!(
                f,
                "{signal:<name$} {:>7.1}% {:>9.1}% {:>8.1}% {:>7.1}% {with_signal:>11} {:>9} {:>10} {:>9} \
                 {:>10} {:>9}",
                100.0 * group.all_zero,
                100.0 * group.single_hit,
                100.0 * group.multi_hit,
                100.0 * group.all_hit,
                group.counts.repaired,
                group.counts.generated,
                group.counts.trained,
                group.optimiser_steps,
                group.best_step
            )?;
        }
        if !self.groups.is_empty() {
            writeln!(
                f,
                "\n{:<name$} {:>9} {:>7} {:>7} {:>7} {:>7} {:>10} {:>9}",
                "seconds", "generate", "select", "old", "ref", "update", "optimiser", "evaluate"
            )?;
        }
        for (signal, group) in &self.groups {
            let s = group.seconds;
            writeln!(
                f,
                "{signal:<name$} {:>9.1} {:>7.1} {:>7.1} {:>7.1} {:>7.1} {:>10.1} {:>9.1}",
                s.generate,
                s.select,
                s.old_log_prob,
                s.ref_log_prob,
                s.update,
                s.optimiser,
                s.evaluate
            )?;
        }
        writeln!(f)?;
        let name = widest(self.phases.keys(), 12);
        for (phase, seconds) in &self.phases {
            writeln!(f, "{phase:<name$} {seconds:>8.1} s")?;
        }
        write!(f, "{:<name$} {:>8.1} s", "all", self.seconds)?;
        if let Some(bytes) = self.peak_memory_bytes {
            write!(f, ", peak memory {} MiB", bytes >> 20)?;
        }
        Ok(())
    }
}

/// The width of a column of names, at least `least`.
fn widest<'a>(names: impl Iterator<Item = &'a String>, least: usize) -> usize {
    names.map(|name| name.chars().count()).max().unwrap_or_default().max(least)
}

fn percent(share: f64) -> String {
    format!("{:.1}%", 100.0 * share)
}
