//! How far reinforcement learning is: what its checkpoint says.

use recast_core::metrics::RegimeCounts;
use recast_core::signal::Skip;
use serde::{Deserialize, Serialize};

use super::select::GroupOutcome;
use crate::event::{GroupCounts, PhaseSeconds};

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
}

/// How far reinforcement learning is; what its checkpoint says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
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
}
