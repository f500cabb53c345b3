//! The protocol of reinforcement learning: its prompts, its length, and the decoder that is judged.

use serde::{Deserialize, Serialize};

use super::RlConfig;
use crate::data::FreshRule;
use crate::error::{Error, Result};

/// The prompts of reinforcement learning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Prompts {
    /// Every position of the training part, on which supervised training has learnt too.
    #[default]
    Seen,
    /// The newer positions, which supervised training does not see.
    Fresh,
}

/// The decoder that a signal's training gives.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Keep {
    /// The best by validation Pass@1; the supervised decoder is one of the candidates.
    #[default]
    Best,
    /// The one after the last step.
    Last,
}

impl RlConfig {
    /// The rule of fresh prompts; `None` where the prompts are seen ones.
    #[must_use]
    pub fn fresh(&self) -> Option<FreshRule> {
        match (self.prompts, self.fresh_items) {
            (Prompts::Seen, _) => None,
            (Prompts::Fresh, 0) => Some(FreshRule::Share(self.fresh_share)),
            (Prompts::Fresh, items) => Some(FreshRule::Items(items)),
        }
    }

    /// Rollout steps over so many prompts: `steps`, or one pass where that is 0.
    #[must_use]
    pub(in crate::train::rl) fn planned_steps(&self, prompts: usize) -> usize {
        match self.steps {
            0 => prompts.div_ceil(self.prompts_per_step),
            steps => steps,
        }
    }

    /// Optimiser steps that follow one rollout step.
    pub(in crate::train::rl) fn minibatches(&self) -> usize {
        self.prompts_per_step.div_ceil(self.groups_per_minibatch)
    }

    /// Checks that one rule alone tells fresh prompts.
    pub(super) fn check_fresh(&self) -> Result<()> {
        let Self { fresh_items: items, fresh_share: share, .. } = *self;
        if !(0.0..1.0).contains(&share) {
            let problem = format!("{share} is no share of the training interactions");
            let hint = "give 0 for none, or a number above 0 and below 1; 0.1 is usual";
            return Err(Error::setting("rl.fresh_share", problem, hint));
        }
        if items > 0 && share > 0.0 {
            let problem = format!("is {share} beside rl.fresh_items = {items}: two rules");
            let hint = "set one of both to 0";
            return Err(Error::setting("rl.fresh_share", problem, hint));
        }
        if self.prompts == Prompts::Fresh && items == 0 && share == 0.0 {
            let problem = "is 0 beside rl.fresh_share = 0, so that no prompt is fresh";
            let hint = "set one of both, or rl.prompts to \"seen\"";
            return Err(Error::setting("rl.fresh_items", problem, hint));
        }
        Ok(())
    }
}
