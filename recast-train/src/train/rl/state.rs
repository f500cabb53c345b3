//! The progress of reinforcement learning, as its checkpoint holds it.

use recast_core::metrics::RegimeCounts;
use recast_core::repair::{AllZeroParts, AllZeroRate, RepairError};
use recast_core::signal::Skip;
use serde::{Deserialize, Serialize};

use super::health::Health;
use super::select::{GroupOutcome, Selected};
use crate::event::{GroupCounts, Metrics, PhaseSeconds};
use crate::reward::RewardMeans;

impl GroupCounts {
    pub(super) fn count(&mut self, outcome: &GroupOutcome, generated: usize) {
        let mut regimes = RegimeCounts::default();
        regimes.count(outcome.regime);
        self.all_zero += regimes.all_zero;
        self.single_hit += regimes.single_hit;
        self.multi_hit += regimes.multi_hit;
        self.all_hit += regimes.all_hit;
        self.repaired += u64::from(outcome.repaired);
        self.generated += generated as u64;
        self.count_kept(&outcome.kept);
    }

    /// Counts a group that is the anchor alone.
    pub(super) fn count_anchor(&mut self, kept: &Result<Selected, Skip>) {
        self.without_rollout += 1;
        self.count_kept(kept);
    }

    fn count_kept(&mut self, kept: &Result<Selected, Skip>) {
        match kept {
            Ok(kept) => {
                self.trained += kept.leaves.len() as u64;
                self.with_signal += u64::from(kept.teaches());
            }
            Err(Skip::NoPositive) => self.skipped_no_positive += 1,
            Err(Skip::NoNegative) => self.skipped_no_negative += 1,
            Err(Skip::NoLead) => self.skipped_no_lead += 1,
        }
    }
}

/// The progress of reinforcement learning, as its checkpoint holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RlState {
    /// Rollout steps done.
    pub step: usize,
    /// Optimiser steps done.
    pub optimiser_steps: usize,
    /// The best validation Pass@1, at item level; step 0 is the supervised decoder.
    pub best_pass_at_1: f64,
    /// The step with the best Pass@1.
    pub best_step: usize,
    /// Counts of groups so far.
    pub groups: GroupCounts,
    /// Seconds so far.
    pub seconds: PhaseSeconds,
    /// The best validation NDCG@10, at item level; older checkpoints lack it.
    #[serde(default)]
    pub best_ndcg_at_10: f64,
    /// The step with the best NDCG@10.
    #[serde(default)]
    pub best_ndcg_step: usize,
    /// Whether all steps are done.
    pub finished: bool,
    /// The mean of each named reward so far; older checkpoints lack it.
    #[serde(default)]
    pub rewards: RewardMeans,
    /// Prompts that DAPO took in place of others; older checkpoints lack this count.
    #[serde(default)]
    pub further_prompts: usize,
    /// The moving average of the all-zero rate, which a gated repair reads.
    #[serde(default)]
    pub all_zero: AllZeroState,
    /// Signs that training learns nothing; older checkpoints lack them.
    #[serde(default)]
    pub health: Health,
}

impl RlState {
    /// The state before the first step.
    pub(super) fn fresh() -> Self {
        Self {
            step: 0,
            optimiser_steps: 0,
            best_pass_at_1: f64::NEG_INFINITY,
            best_step: 0,
            best_ndcg_at_10: f64::NEG_INFINITY,
            best_ndcg_step: 0,
            groups: GroupCounts::default(),
            seconds: PhaseSeconds::default(),
            finished: false,
            rewards: RewardMeans::default(),
            further_prompts: 0,
            all_zero: AllZeroState::default(),
            health: Health::default(),
        }
    }
}

impl RlState {
    /// Compares a validation after this state's step with the best ones before; tells whether its
    /// Pass@1 is the best.
    pub(super) fn judge(&mut self, found: &Metrics) -> bool {
        if found.ndcg_at_10 > self.best_ndcg_at_10 {
            (self.best_ndcg_at_10, self.best_ndcg_step) = (found.ndcg_at_10, self.step);
        }
        let is_best = found.pass_at_1 > self.best_pass_at_1;
        if is_best {
            (self.best_pass_at_1, self.best_step) = (found.pass_at_1, self.step);
        }
        is_best
    }
}

/// The sums of a moving average of the all-zero rate.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct AllZeroState {
    /// The weighted share of all-zero groups.
    pub total: f32,
    /// The sum of the weights; 0 before the first group.
    pub weight: f32,
}

impl AllZeroState {
    /// The moving average that continues these sums.
    pub(super) fn rate(self, decay: f32) -> Result<AllZeroRate<f32>, RepairError> {
        let Self { total, weight } = self;
        AllZeroRate::from_parts(AllZeroParts { decay, total, weight })
    }
}

impl From<AllZeroParts<f32>> for AllZeroState {
    fn from(AllZeroParts { total, weight, .. }: AllZeroParts<f32>) -> Self {
        Self { total, weight }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_best_pass_and_the_best_ndcg_have_their_own_steps() {
        let mut state = RlState::fresh();
        let found = |pass_at_1, ndcg_at_10| Metrics { pass_at_1, ndcg_at_10, ..Metrics::default() };
        assert!(state.judge(&found(0.2, 0.3)));
        state.step = 20;
        assert!(!state.judge(&found(0.2, 0.4)));
        state.step = 40;
        assert!(state.judge(&found(0.3, 0.4)));
        assert_eq!((state.best_pass_at_1, state.best_step), (0.3, 40));
        assert_eq!((state.best_ndcg_at_10, state.best_ndcg_step), (0.4, 20));
    }
}
