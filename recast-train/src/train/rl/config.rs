//! Which signals are trained with, how long and how fast.

use recast_core::Signal;
use recast_core::objective::{Clip, KlEstimator, Objective};
use recast_core::signal::{Recast, RepairPolicy};
use serde::{Deserialize, Serialize};

use super::loss::Layout;
use crate::error::{Error, Result};
use crate::model::Pass;
use crate::optim::check_rates;

/// The signals that can be compared: the only difference between two systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SignalName {
    /// OpenOneRec-RL: group-relative advantages of all completions.
    Grpo,
    /// ReRe / MiniOneRec: hit plus ranking penalty, group-relative, all completions.
    Rere,
    /// ReCast: repair, then contrast.
    Recast,
}

impl SignalName {
    /// All signals that can be trained with.
    pub const ALL: [Self; 3] = [Self::Grpo, Self::Rere, Self::Recast];

    /// The name in configuration, folders and events.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Grpo => "grpo",
            Self::Rere => "rere",
            Self::Recast => "recast",
        }
    }

    /// The name in tables.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Grpo => "GRPO",
            Self::Rere => "ReRe",
            Self::Recast => "ReCast",
        }
    }
}

/// ReCast's own settings; the four values of `repair` and `boundary` are the 2 x 2 ablation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecastConfig {
    /// Whether an all-zero group gets the ground-truth anchor.
    pub repair: bool,
    /// Whether only the strongest positive and the hardest negative are kept.
    pub boundary: bool,
    /// The advantage of the positive; the negative gets minus that.
    pub weight: f64,
}

impl Default for RecastConfig {
    fn default() -> Self {
        Self { repair: true, boundary: true, weight: 1.0 }
    }
}

/// How long, how wide and how fast reinforcement learning goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RlConfig {
    /// The signals to train with, each from the same supervised checkpoint.
    pub signals: Vec<SignalName>,
    /// Rollout steps.
    pub steps: usize,
    /// Prompts of a step, a group each.
    pub prompts_per_step: usize,
    /// Completions `G` of a group.
    pub group_size: usize,
    /// Whole groups of an optimiser step.
    pub groups_per_minibatch: usize,
    /// How kept completions are laid out for the decoder.
    pub layout: Layout,
    /// Tokens that go through the decoder at once, in whole groups: a minibatch of more is split and its
    /// gradients are accumulated, which bounds memory. 0 means all at once.
    pub micro_batch_tokens: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which the rate rises.
    pub warmup: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together.
    pub max_norm: f64,
    /// How far below 1 the ratio counts.
    pub clip_low: f64,
    /// How far above 1 the ratio counts.
    pub clip_high: f64,
    /// Bound of a negative's loss, in units of its advantage.
    pub dual_clip: f64,
    /// Coefficient of the k3 penalty towards the reference.
    pub kl_coef: f64,
    /// Steps between two evaluations.
    pub evaluate_every: usize,
    /// Validation prompts of an evaluation, drawn by the seed; 0 means all.
    pub validation_prompts: usize,
    /// ReCast's own settings.
    pub recast: RecastConfig,
}

impl Default for RlConfig {
    fn default() -> Self {
        Self {
            signals: vec![SignalName::Grpo, SignalName::Rere, SignalName::Recast],
            steps: 100,
            prompts_per_step: 64,
            group_size: 32,
            groups_per_minibatch: 32,
            layout: Layout::Packed,
            micro_batch_tokens: 0,
            learning_rate: 3e-5,
            warmup: 0.05,
            weight_decay: 0.0,
            max_norm: 1.0,
            clip_low: 0.2,
            clip_high: 0.28,
            dual_clip: 3.0,
            kl_coef: 1e-3,
            evaluate_every: 20,
            validation_prompts: 2000,
            recast: RecastConfig::default(),
        }
    }
}

impl RlConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// If a count is 0, a rate is out of its range, or core refuses the signal or the objective.
    pub fn check(&self) -> Result<()> {
        for (key, value) in [
            ("rl.steps", self.steps),
            ("rl.prompts_per_step", self.prompts_per_step),
            ("rl.groups_per_minibatch", self.groups_per_minibatch),
            ("rl.evaluate_every", self.evaluate_every),
        ] {
            if value == 0 {
                return Err(Error::setting(key, "is 0", "give at least 1"));
            }
        }
        if self.group_size < 2 {
            let problem = format!("{} completions are no group", self.group_size);
            return Err(Error::setting("rl.group_size", problem, "give at least 2"));
        }
        let mut signals = self.signals.clone();
        signals.sort_unstable_by_key(|signal| signal.key());
        if let Some(twice) = signals.windows(2).find(|pair| pair[0] == pair[1]) {
            let problem = format!("names '{}' twice", twice[0].key());
            return Err(Error::setting("rl.signals", problem, "name each signal once"));
        }
        check_rates("rl", self.learning_rate, self.warmup, self.weight_decay, self.max_norm)?;
        self.objective()?;
        for &name in &[SignalName::Grpo, SignalName::Rere, SignalName::Recast] {
            self.signal(name).check().map_err(|e| {
                Error::setting("rl.recast", e.to_string(), "see recast init for the usual values")
            })?;
        }
        Ok(())
    }

    /// Core's signal of that name under these settings.
    #[must_use]
    pub fn signal(&self, name: SignalName) -> Signal<f32> {
        match name {
            SignalName::Grpo => Signal::grpo(),
            SignalName::Rere => Signal::rere(),
            SignalName::Recast => {
                let repair = match self.recast.repair {
                    true => RepairPolicy::Always,
                    false => RepairPolicy::Never,
                };
                let (boundary, weight) = (self.recast.boundary, self.recast.weight as f32);
                Signal::Recast(Recast { repair, boundary, weight, ..Recast::default() })
            }
        }
    }

    /// What one pass of training with a signal holds at most, on histories of up to `max_history` items
    /// of `levels` codes.
    #[must_use]
    pub fn pass(&self, name: SignalName, max_history: usize, levels: usize) -> Pass {
        let kept = match name {
            SignalName::Recast if self.recast.boundary => 2,
            SignalName::Grpo | SignalName::Rere | SignalName::Recast => self.group_size,
        };
        let (prompt, completion) = (max_history * levels, levels - 1);
        let (rows, slots) = match self.layout {
            Layout::Packed => (1, prompt + kept * completion),
            Layout::RowWise => (kept, prompt + completion),
        };
        let groups = match self.micro_batch_tokens {
            0 => self.groups_per_minibatch,
            tokens => (tokens / (rows * slots)).clamp(1, self.groups_per_minibatch),
        };
        Pass { rows: groups * rows, slots, predictions: groups * kept }
    }

    pub(super) fn objective(&self) -> Result<Objective<f32>> {
        Clip::new(self.clip_low as f32, self.clip_high as f32, Some(self.dual_clip as f32))
            .and_then(|clip| Objective::new(clip, 20.0, KlEstimator::K3, self.kl_coef as f32))
            .map_err(|e| {
                Error::setting("rl", e.to_string(), "see recast init for the usual values")
            })
    }

    /// Optimiser steps that follow one rollout step.
    pub(super) fn minibatches(&self) -> usize {
        self.prompts_per_step.div_ceil(self.groups_per_minibatch)
    }
}
