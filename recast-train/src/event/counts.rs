//! Counts and seconds of reinforcement learning.

use recast_core::Regime;
use serde::{Deserialize, Serialize};

/// Counts of groups by their outcome.
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
    /// Groups of the anchor alone, for which nothing was generated; older checkpoints lack this
    /// count.
    #[serde(default)]
    pub without_rollout: u64,
    /// Groups with a gradient: at least one kept completion has an advantage other than 0. Older
    /// checkpoints lack this count.
    #[serde(default)]
    pub with_signal: u64,
    /// Groups that the anchor repaired; anchors are no generated completions.
    pub repaired: u64,
    /// Groups left out because no completion is a positive.
    pub skipped_no_positive: u64,
    /// Groups left out because no completion is a negative.
    pub skipped_no_negative: u64,
    /// Groups left out because no completion leads the others; older checkpoints lack this count.
    #[serde(default)]
    pub skipped_no_lead: u64,
    /// Completions generated: the rollout budget.
    pub generated: u64,
    /// Sequences that reached the log-prob passes and the update.
    pub trained: u64,
}

impl GroupCounts {
    /// The number of all groups.
    #[must_use]
    pub fn groups(&self) -> u64 {
        self.all_zero + self.single_hit + self.multi_hit + self.all_hit + self.without_rollout
    }

    /// The share of groups with a gradient among all groups; 0 without groups.
    #[must_use]
    pub fn share_with_signal(&self) -> f64 {
        self.with_signal as f64 / self.groups().max(1) as f64
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

/// Seconds of each phase of a step.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseSeconds {
    /// Rollout.
    pub generate: f64,
    /// Reward, repair and selection.
    pub select: f64,
    /// Log-probabilities of the kept completions under the rollout policy.
    pub old_log_prob: f64,
    /// Log-probabilities of the kept completions under the reference.
    pub ref_log_prob: f64,
    /// The policy's forward and backward pass.
    pub update: f64,
    /// Optimiser steps, from clipped gradients to weights.
    pub optimiser: f64,
    /// Validation.
    pub evaluate: f64,
}
