//! The settings of reinforcement learning.

mod objective;
mod options;
mod protocol;
mod recast;
mod signal_name;

use std::collections::BTreeMap;

use recast_core::Signal;
use recast_core::signal::RepairPolicy;
use serde::{Deserialize, Serialize};

use self::objective::overrides;
pub use self::objective::{Bound, Estimator, Override};
pub use self::options::{
    DapoConfig, GrpoConfig, LuffyConfig, PreferenceConfig, RereConfig, RlZvpConfig, SapoConfig,
    Scale,
};
pub use self::protocol::{Keep, Prompts};
pub use self::recast::{Divisor, Negative, NegativeChoice, Ratio, RecastConfig, Repair, Target};
pub use self::signal_name::SignalName;
use super::loss::Layout;
use crate::decode::{Rollout, RolloutConfig, RolloutKind};
use crate::error::{Error, Result, check_most};
use crate::model::Pass;
use crate::optim::check_rates;
use crate::reward::RewardsConfig;

/// The length, width and speed of reinforcement learning.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RlConfig {
    /// The signals to train with, each from the same supervised checkpoint.
    pub signals: Vec<SignalName>,
    /// Rollout steps; 0 means one pass over all prompts.
    pub steps: usize,
    /// Prompts of a step, a group each.
    pub prompts_per_step: usize,
    /// The prompts: those that supervised training has seen, or fresh ones.
    pub prompts: Prompts,
    /// The newest training interactions of each user that are fresh; 0 where `fresh_share` tells.
    pub fresh_items: usize,
    /// The newest share of all training interactions that is fresh, below 1; 0 where `fresh_items`
    /// tells.
    pub fresh_share: f64,
    /// Completions `G` of a group.
    pub group_size: usize,
    /// The generation of a group's completions.
    pub rollout: RolloutKind,
    /// The divisor of the logits of a `sample` or `gumbel` rollout.
    pub temperature: f64,
    /// The number of codes of each level that a `sample` rollout draws from; 0 means all.
    pub top_k: usize,
    /// The probability of the codes of each level that a `sample` rollout draws from.
    pub top_p: f64,
    /// The most target items of a prompt: the user's next items within the training part.
    pub targets: usize,
    /// Whether the prompts' targets are shuffled among those of one first code: a control.
    pub shuffle_targets: bool,
    /// Whole groups of an optimiser step.
    pub groups_per_minibatch: usize,
    /// The layout of kept completions for the decoder.
    pub layout: Layout,
    /// Tokens in one pass through the decoder, in whole groups: a larger minibatch is split and its
    /// gradients are summed, which bounds memory. 0 means all.
    pub micro_batch_tokens: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps with a rising rate.
    pub warmup: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together.
    pub max_norm: f64,
    /// The room of the ratio below 1.
    pub clip_low: f64,
    /// The room of the ratio above 1.
    pub clip_high: f64,
    /// The bound of the ratio beside the clip.
    pub ratio_bound: Bound,
    /// Bound of a negative's loss, in units of its advantage; for `dual`.
    pub dual_clip: f64,
    /// The room above `1 + clip_high` that a negative's ratio has; for `ecpo`.
    pub ecpo_delta: f64,
    /// Coefficient of the penalty towards the reference.
    pub kl_coef: f64,
    /// The estimator of the penalty.
    pub kl_estimator: Estimator,
    /// The largest penalty of a token; 0 means no bound.
    pub kl_value_limit: f64,
    /// Whether the penalty is multiplied by the ratio.
    pub kl_times_ratio: bool,
    /// Steps between two evaluations.
    pub evaluate_every: usize,
    /// The decoder that training gives: the best in validation, or the last.
    pub keep: Keep,
    /// Validation prompts of an evaluation, drawn by the seed; 0 means all.
    pub validation_prompts: usize,
    /// The weight of each named reward.
    pub rewards: RewardsConfig,
    /// The settings of single signals in place of those above.
    pub overrides: BTreeMap<SignalName, Override>,
    /// ReCast's own settings.
    pub recast: RecastConfig,
    /// GRPO's own settings.
    pub grpo: GrpoConfig,
    /// ReRe's own settings.
    pub rere: RereConfig,
    /// DAPO's own settings.
    pub dapo: DapoConfig,
    /// RL-ZVP's own settings.
    pub rl_zvp: RlZvpConfig,
    /// LUFFY's own settings.
    pub luffy: LuffyConfig,
    /// DPO's own settings.
    pub dpo: PreferenceConfig,
    /// S-DPO's own settings.
    pub s_dpo: PreferenceConfig,
    /// SAPO's own settings.
    pub sapo: SapoConfig,
}

impl Default for RlConfig {
    fn default() -> Self {
        Self {
            signals: vec![
                SignalName::Grpo,
                SignalName::Rere,
                SignalName::Recast,
                SignalName::Supervised,
            ],
            steps: 100,
            prompts_per_step: 64,
            prompts: Prompts::Seen,
            fresh_items: 1,
            fresh_share: 0.0,
            group_size: 32,
            rollout: RolloutKind::Beam,
            temperature: 1.0,
            top_k: 0,
            top_p: 1.0,
            targets: 1,
            shuffle_targets: false,
            groups_per_minibatch: 32,
            layout: Layout::Packed,
            micro_batch_tokens: 0,
            learning_rate: 3e-5,
            warmup: 0.05,
            weight_decay: 0.0,
            max_norm: 1.0,
            clip_low: 0.2,
            clip_high: 0.28,
            ratio_bound: Bound::Dual,
            dual_clip: 3.0,
            ecpo_delta: 0.1,
            kl_coef: 1e-3,
            kl_estimator: Estimator::K3,
            kl_value_limit: 10.0,
            kl_times_ratio: false,
            evaluate_every: 20,
            keep: Keep::Best,
            validation_prompts: 2000,
            rewards: RewardsConfig::default(),
            overrides: overrides(),
            recast: RecastConfig::default(),
            grpo: GrpoConfig::default(),
            rere: RereConfig::default(),
            dapo: DapoConfig::default(),
            rl_zvp: RlZvpConfig::default(),
            luffy: LuffyConfig::default(),
            dpo: PreferenceConfig::dpo(),
            s_dpo: PreferenceConfig::s_dpo(),
            sapo: SapoConfig::default(),
        }
    }
}

impl RlConfig {
    /// Checks the ranges, and that the loop can train every signal under these settings.
    ///
    /// # Errors
    ///
    /// If a count is 0, or a rate, share or weight is out of its range. If not one rule tells fresh
    /// prompts. If the ranking penalty would count twice or follow no ranks. If core refuses a
    /// signal, its loss or its objective.
    pub fn check(&self) -> Result<()> {
        for (key, value) in [
            ("rl.prompts_per_step", self.prompts_per_step),
            ("rl.targets", self.targets),
            ("rl.groups_per_minibatch", self.groups_per_minibatch),
            ("rl.evaluate_every", self.evaluate_every),
            ("rl.dapo.max_rollouts", self.dapo.max_rollouts),
        ] {
            if value == 0 {
                return Err(Error::setting(key, "is 0", "give at least 1"));
            }
        }
        let most = 1 << 20;
        let counts = [
            ("prompts_per_step", self.prompts_per_step, most),
            ("group_size", self.group_size, most),
            ("rere.group_size", self.rere.group_size, most),
            ("groups_per_minibatch", self.groups_per_minibatch, most),
            ("targets", self.targets, most),
            ("dapo.max_rollouts", self.dapo.max_rollouts, most),
            ("steps", self.steps, 1 << 31),
        ];
        check_most("rl", &counts)?;
        for (key, size) in
            [("rl.group_size", self.group_size), ("rl.rere.group_size", self.rere.group_size)]
        {
            if size == 1 || (size == 0 && key == "rl.group_size") {
                let problem = format!("{size} completions are no group");
                return Err(Error::setting(key, problem, "give at least 2"));
            }
        }
        let mut signals = self.signals.clone();
        signals.sort_unstable();
        if let Some(twice) = signals.windows(2).find(|pair| pair[0] == pair[1]) {
            let problem = format!("names '{}' twice", twice[0]);
            return Err(Error::setting("rl.signals", problem, "name each signal once"));
        }
        check_rates("rl", self.learning_rate, self.warmup, self.weight_decay, self.max_norm)?;
        self.check_fresh()?;
        self.check_rollout()?;
        self.recast.check()?;
        let mix = self.rere.sync_reference_mix;
        if !(mix > 0.0 && mix <= 1.0) {
            let problem = format!("{mix} is no share of the policy");
            let hint = "give a number above 0 and at most 1; 0.6 is usual";
            return Err(Error::setting("rl.rere.sync_reference_mix", problem, hint));
        }
        for name in [SignalName::Dpo, SignalName::SDpo] {
            if self.overrides.get(&name).is_some_and(|own| *own != Override::default()) {
                let problem = "a preference loss reads neither a clip nor a penalty";
                let key = format!("rl.overrides.{name}");
                return Err(Error::setting(key, problem, "leave the section out"));
            }
        }
        for name in SignalName::ALL {
            let objective = self.objective(name)?;
            let section = format!("rl.{name}");
            let refused = |problem: String| {
                Error::setting(&section, problem, "see recast init for the usual values")
            };
            let signal = self.signal(name).check().map_err(|e| refused(e.to_string()))?;
            // a bound for all signals only needs to suit the trained signals
            if self.signals.contains(&name) {
                signal.loss().check(&objective).map_err(|e| refused(e.to_string()))?;
            }
        }
        Ok(())
    }

    /// The settings with `name` as the only signal.
    pub(super) fn with_signal(&self, name: SignalName) -> Self {
        Self { signals: vec![name], ..self.clone() }
    }

    /// Checks rewards and rollout, and that a reward that reads ranks gets ranks.
    fn check_rollout(&self) -> Result<()> {
        self.rewards.check()?;
        self.rollout()?;
        let rere = self.signals.contains(&SignalName::Rere);
        let ranked = self.rewards.ranking != 0.0;
        if ranked && rere {
            let problem = "would count the ranking penalty twice: signal 'rere' adds it itself";
            let hint = "set it to 0, or leave 'rere' out of rl.signals";
            return Err(Error::setting("rl.rewards.ranking", problem, hint));
        }
        if (ranked || rere) && self.rollout == RolloutKind::Sample {
            let problem = "'sample' gives no ranks, but the ranking penalty reads ranks";
            let hint = "take 'beam' or 'gumbel', or leave out signal 'rere' and rl.rewards.ranking";
            return Err(Error::setting("rl.rollout", problem, hint));
        }
        Ok(())
    }

    /// Core's signal of the name `name` under these settings.
    #[must_use]
    pub fn signal(&self, name: SignalName) -> Signal<f32> {
        let preference = |config: &PreferenceConfig| Signal::Dpo {
            repair: if config.repair { RepairPolicy::Always } else { RepairPolicy::Never },
            negatives: config.negatives,
            beta: config.beta as f32,
        };
        match name {
            SignalName::Grpo => {
                let (epsilon, scale) = self.grpo.scale();
                Signal::Grpo { epsilon, scale, add_gt: self.grpo.add_gt }
            }
            SignalName::Rere => match Signal::rere() {
                Signal::Rere { epsilon, .. } => Signal::Rere { epsilon, add_gt: self.rere.add_gt },
                other => other,
            },
            SignalName::Recast => Signal::Recast(self.recast.signal()),
            SignalName::DrGrpo => Signal::DrGrpo,
            SignalName::Rloo => Signal::Rloo,
            SignalName::Dapo => Signal::dapo(),
            SignalName::Gspo => Signal::gspo(),
            SignalName::PassAtK => Signal::PassAtK,
            SignalName::Ngrpo => Signal::ngrpo(),
            SignalName::RlZvp => Signal::RlZvp { epsilon: 1e-6, alpha: self.rl_zvp.alpha as f32 },
            SignalName::Gcpo => Signal::gcpo(),
            SignalName::Luffy => Signal::Luffy {
                epsilon: self.luffy.standardise.then_some(1e-6),
                gamma: self.luffy.gamma as f32,
            },
            SignalName::Dpo => preference(&self.dpo),
            SignalName::SDpo => preference(&self.s_dpo),
            SignalName::Cispo => Signal::cispo(),
            SignalName::Sapo => Signal::Sapo {
                epsilon: 1e-6,
                positive: self.sapo.positive as f32,
                negative: self.sapo.negative as f32,
            },
            SignalName::Gmpo => Signal::gmpo(),
            SignalName::ReinforcePlusPlus => Signal::reinforce_plus_plus(),
            SignalName::Opo => Signal::Opo,
            SignalName::Supervised => Signal::Supervised,
        }
    }

    /// Completions of a group under a signal; a group without a rollout is the anchor alone.
    #[must_use]
    pub fn group_size_of(&self, name: SignalName) -> usize {
        match (name, self.rere.group_size) {
            (SignalName::Rere, size) if size > 0 => size,
            (SignalName::Supervised, _) => 1,
            _ => self.group_size,
        }
    }

    /// The most completions of a group that a signal keeps.
    fn kept_of(&self, name: SignalName) -> usize {
        let kept = match name {
            SignalName::Recast if self.recast.boundary => 2,
            SignalName::PassAtK | SignalName::Supervised => 1,
            SignalName::Dpo => self.dpo.negatives + 1,
            SignalName::SDpo => self.s_dpo.negatives + 1,
            SignalName::Recast
            | SignalName::Grpo
            | SignalName::Rere
            | SignalName::DrGrpo
            | SignalName::Rloo
            | SignalName::Dapo
            | SignalName::Gspo
            | SignalName::Ngrpo
            | SignalName::RlZvp
            | SignalName::Gcpo
            | SignalName::Luffy
            | SignalName::Cispo
            | SignalName::Sapo
            | SignalName::Gmpo
            | SignalName::ReinforcePlusPlus
            | SignalName::Opo => usize::MAX,
        };
        kept.min(self.group_size_of(name))
    }

    /// The largest pass of training with a signal, on histories of up to `max_history` items of
    /// `levels` codes.
    #[must_use]
    pub fn pass(&self, name: SignalName, max_history: usize, tokens_per_item: usize) -> Pass {
        let kept = self.kept_of(name);
        let (prompt, completion) = (max_history * tokens_per_item, tokens_per_item - 1);
        let (rows, slots) = match self.layout {
            Layout::Packed => (1, prompt + kept * completion),
            Layout::RowWise => (kept, prompt + completion),
        };
        let groups = match self.micro_batch_tokens {
            0 => self.groups_per_minibatch,
            tokens => (tokens / (rows * slots)).clamp(1, self.groups_per_minibatch),
        };
        Pass { rows: groups * rows, slots, predictions: groups * kept, items: 0 }
    }

    /// The rollout of groups.
    pub(super) fn rollout(&self) -> Result<Rollout> {
        let Self { rollout, temperature, top_k, top_p, .. } = *self;
        RolloutConfig { rollout, temperature, top_k, top_p }.rollout()
    }
}

#[cfg(test)]
mod tests;
