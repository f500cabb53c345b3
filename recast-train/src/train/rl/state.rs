//! How far reinforcement learning is: what its checkpoint says.

use recast_core::Regime;
use recast_core::metrics::RegimeCounts;
use recast_core::repair::{AllZeroParts, AllZeroRate, RepairError};
use recast_core::signal::Skip;
use serde::{Deserialize, Serialize};

use super::select::GroupOutcome;
use crate::reward::RewardMeans;

/// How many groups went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCounts {
    /// Groups without a hit.
    pub all_zero: u64,
    /// Groups with one hit.
    pub single_hit: u64,
    /// Groups with several hits and misses.
    pub multi_hit: u64,
    /// Groups of hits only.
    pub all_hit: u64,
    /// Groups that the anchor repaired; anchors are no generated completions.
    pub repaired: u64,
    /// Groups left out for want of a positive.
    pub skipped_no_positive: u64,
    /// Groups left out for want of a negative.
    pub skipped_no_negative: u64,
    /// Groups left out because no completion is ahead of the others; older checkpoints have none.
    #[serde(default)]
    pub skipped_no_lead: u64,
    /// Completions generated: the rollout budget.
    pub generated: u64,
    /// Sequences that reached the log-prob passes and the update.
    pub trained: u64,
}

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
        match &outcome.kept {
            Ok(kept) => self.trained += kept.leaves.len() as u64,
            Err(Skip::NoPositive) => self.skipped_no_positive += 1,
            Err(Skip::NoNegative) => self.skipped_no_negative += 1,
            Err(Skip::NoLead) => self.skipped_no_lead += 1,
        }
    }

    /// Groups in all.
    #[must_use]
    pub fn groups(&self) -> u64 {
        self.all_zero + self.single_hit + self.multi_hit + self.all_hit
    }

    /// The share of a regime among all groups; 0 without groups.
    #[must_use]
    pub fn share(&self, regime: Regime) -> f64 {
        let of_regime = match regime {
            Regime::AllZero => self.all_zero,
            Regime::SingleHit => self.single_hit,
            Regime::MultiHit => self.multi_hit,
            Regime::AllHit => self.all_hit,
        };
        of_regime as f64 / self.groups().max(1) as f64
    }
}

/// Seconds of each phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseSeconds {
    /// Beam search.
    pub generate: f64,
    /// Reward, repair and selection.
    pub select: f64,
    /// Log-probabilities of what was kept under the rollout policy.
    pub old_log_prob: f64,
    /// The same under the reference.
    pub ref_log_prob: f64,
    /// The policy's forward and backward pass.
    pub update: f64,
    /// Clipped gradients to weights.
    pub optimiser: f64,
    /// Validation.
    pub evaluate: f64,
}

impl PhaseSeconds {
    /// All phases together.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.generate
            + self.select
            + self.old_log_prob
            + self.ref_log_prob
            + self.update
            + self.optimiser
            + self.evaluate
    }
}

/// How far reinforcement learning is; what its checkpoint says.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct RlState {
    /// Rollout steps done.
    pub step: usize,
    /// Optimiser steps done.
    pub optimiser_steps: usize,
    /// The best validation Pass@1, at item level; step 0 is the supervised decoder.
    pub best_pass_at_1: f64,
    /// The step it was reached after.
    pub best_step: usize,
    /// Groups so far.
    pub groups: GroupCounts,
    /// Seconds so far.
    pub seconds: PhaseSeconds,
    /// Whether all steps are done.
    pub finished: bool,
    /// The mean of each named reward so far; older checkpoints have none.
    #[serde(default)]
    pub rewards: RewardMeans,
    /// Prompts that DAPO took in place of others; older checkpoints have none.
    #[serde(default)]
    pub further_prompts: usize,
    /// The moving average of the all-zero rate, which a gated repair reads.
    #[serde(default)]
    pub all_zero: AllZeroState,
}

impl RlState {
    /// Nothing is done yet.
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
    /// The average that goes on from these sums.
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
