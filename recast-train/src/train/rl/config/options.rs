//! Settings of single signals other than ReCast.

use recast_core::signal::RewardScale;
use serde::{Deserialize, Serialize};

/// The rewards of GRPO's standard deviation.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Scale {
    /// The rewards of the group; epsilon 1e-6.
    #[default]
    Group,
    /// The rewards of all groups of a step; TRL's epsilon, 1e-4.
    Batch,
}

/// GRPO's own settings.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct GrpoConfig {
    /// The rewards of the standard deviation.
    pub scale: Scale,
    /// Whether the last completion of a group without a hit becomes the target.
    pub add_gt: bool,
}

impl GrpoConfig {
    pub(super) fn scale(&self) -> (f32, RewardScale) {
        match self.scale {
            Scale::Group => (1e-6, RewardScale::Group),
            Scale::Batch => (1e-4, RewardScale::Batch),
        }
    }
}

/// ReRe's own settings: the flags of its authors, all off.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RereConfig {
    /// Whether the last completion of every group becomes the target.
    pub add_gt: bool,
    /// Whether a search has 1.5 times as many beams; the group keeps the hits, then the most
    /// diverse beams.
    pub dynamic_sampling: bool,
    /// Rollout steps after which the reference moves towards the policy; 0 means never.
    pub sync_reference_every: usize,
    /// The policy's share in the new reference; the old reference has the remaining share.
    pub sync_reference_mix: f64,
    /// Completions of a group; 0 means `rl.group_size`.
    pub group_size: usize,
}

impl Default for RereConfig {
    fn default() -> Self {
        Self {
            add_gt: false,
            dynamic_sampling: false,
            sync_reference_every: 0,
            sync_reference_mix: 0.6,
            group_size: 0,
        }
    }
}

/// DAPO's own settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DapoConfig {
    /// The most rollouts of a step: further prompts replace groups that are not mixed.
    pub max_rollouts: usize,
}

impl Default for DapoConfig {
    fn default() -> Self {
        Self { max_rollouts: 3 }
    }
}

/// RL-ZVP's own settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RlZvpConfig {
    /// The worth of an entropy of one nat in an all-zero or all-hit group.
    pub alpha: f64,
}

impl Default for RlZvpConfig {
    fn default() -> Self {
        Self { alpha: 0.1 }
    }
}

/// LUFFY's own settings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct LuffyConfig {
    /// The constant of the anchor's shaped ratio.
    pub gamma: f64,
    /// Whether advantages are divided by the deviation, as in the paper; the released code does
    /// not.
    pub standardise: bool,
}

impl Default for LuffyConfig {
    fn default() -> Self {
        Self { gamma: 0.1, standardise: false }
    }
}

/// The settings of DPO and S-DPO.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct PreferenceConfig {
    /// The coefficient of the implicit KL.
    pub beta: f64,
    /// The most negatives of a group.
    pub negatives: usize,
    /// Whether an all-zero group gets the anchor; otherwise the group is skipped.
    pub repair: bool,
}

impl PreferenceConfig {
    pub(super) fn dpo() -> Self {
        Self { beta: 0.1, negatives: 1, repair: true }
    }

    pub(super) fn s_dpo() -> Self {
        Self { beta: 1.0, negatives: 3, repair: true }
    }
}

impl Default for PreferenceConfig {
    fn default() -> Self {
        Self::dpo()
    }
}

/// SAPO's own settings: the temperatures of its gate.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SapoConfig {
    /// The temperature for tokens with a positive advantage.
    pub positive: f64,
    /// The temperature for all other tokens.
    pub negative: f64,
}

impl Default for SapoConfig {
    fn default() -> Self {
        Self { positive: 1.0, negative: 1.05 }
    }
}
