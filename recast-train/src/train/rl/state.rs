//! The progress of reinforcement learning, as its checkpoint holds it.

use recast_core::metrics::RegimeCounts;
use recast_core::repair::{AllZeroParts, AllZeroRate, RepairError};
use recast_core::signal::Skip;
use serde::{Deserialize, Serialize};

use super::select::{GroupOutcome, Selected};
use crate::event::{GroupCounts, PhaseSeconds};
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
}

impl RlState {
    /// The state before the first step.
    pub(super) fn fresh() -> Self {
        Self {
            step: 0,
            optimiser_steps: 0,
            best_pass_at_1: f64::NEG_INFINITY,
            best_step: 0,
            groups: GroupCounts::default(),
            seconds: PhaseSeconds::default(),
            finished: false,
            rewards: RewardMeans::default(),
            further_prompts: 0,
            all_zero: AllZeroState::default(),
        }
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
