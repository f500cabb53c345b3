//! Settings of single signals.

use std::fmt;

use recast_core::anchor::AnchorTarget;
use recast_core::objective::AnchorRatio;
use recast_core::signal::{Normaliser, Recast, RepairPolicy, RewardScale};

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// The condition under which an all-zero group gets the ground-truth anchor.
///
/// Settings hold the words. Earlier run folders hold `true` for `always` and `false` for `never`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Repair of every all-zero group.
    #[default]
    Always,
    /// Repair of no group.
    Never,
    /// Repair while the moving average of the all-zero rate is at least a threshold.
    Gated,
    /// Repair unless the policy gives the anchor a probability above tau.
    Confident,
}

impl<'de> Deserialize<'de> for Repair {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Word;

        impl Visitor<'_> for Word {
            type Value = Repair;

            fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
                formatter.write_str("\"always\", \"never\", \"gated\" or \"confident\"")
            }

            fn visit_bool<E: de::Error>(self, repairs: bool) -> Result<Repair, E> {
                Ok(if repairs { Repair::Always } else { Repair::Never })
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Repair, E> {
                match word {
                    "always" => Ok(Repair::Always),
                    "never" => Ok(Repair::Never),
                    "gated" => Ok(Repair::Gated),
                    "confident" => Ok(Repair::Confident),
                    _ => Err(E::invalid_value(de::Unexpected::Str(word), &self)),
                }
            }
        }

        deserializer.deserialize_any(Word)
    }
}

/// The target that becomes the anchor of a prompt with several targets.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The next item.
    #[default]
    First,
    /// The target that the group's completions follow furthest.
    Closest,
    /// A target drawn by the seed.
    Uniform,
}

/// The ratio of the anchor.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ratio {
    /// The ratio to the rollout policy, as for other completions.
    #[default]
    Recompute,
    /// A constant ratio of 1, which no clip bounds.
    Detached,
    /// LUFFY's `p / (p + gamma)` for each token.
    Shaped,
    /// The ratio of `recompute`; a weight multiplies the surrogate.
    Weighted,
}

/// The divisor of the sum over kept completions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Divisor {
    /// The number of kept completions.
    #[default]
    Kept,
    /// The group size.
    Group,
}

/// ReCast's own settings; `repair` and `boundary` span the 2 x 2 ablation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct RecastConfig {
    /// The condition of repair.
    pub repair: Repair,
    /// The least all-zero rate at which `gated` repairs.
    pub repair_threshold: f64,
    /// The weight of the past in the moving average, at each group.
    pub repair_decay: f64,
    /// The largest probability of the anchor at which `confident` repairs.
    pub repair_tau: f64,
    /// Whether a group keeps only its strongest positive and its hardest negative.
    pub boundary: bool,
    /// The advantage of the positive; the negative's advantage is `-weight`.
    pub weight: f64,
    /// Whether a group without a negative keeps its strongest positive alone.
    pub positive_only: bool,
    /// The divisor of the sum over kept completions.
    pub normaliser: Divisor,
    /// The target that becomes the anchor.
    pub anchor_target: Target,
    /// The ratio of the anchor.
    pub anchor_ratio: Ratio,
    /// The constant of the `shaped` ratio.
    pub anchor_gamma: f64,
    /// The weight of the `weighted` ratio.
    pub anchor_weight: f64,
}

impl Default for RecastConfig {
    fn default() -> Self {
        Self {
            repair: Repair::Always,
            repair_threshold: 0.5,
            repair_decay: 0.99,
            repair_tau: 0.1,
            boundary: true,
            weight: 1.0,
            positive_only: false,
            normaliser: Divisor::Kept,
            anchor_target: Target::First,
            anchor_ratio: Ratio::Recompute,
            anchor_gamma: 0.1,
            anchor_weight: 1.0,
        }
    }
}

impl RecastConfig {
    pub(super) fn signal(&self) -> Recast<f32> {
        Recast {
            repair: match self.repair {
                Repair::Always => RepairPolicy::Always,
                Repair::Never => RepairPolicy::Never,
                Repair::Gated => RepairPolicy::Gated { threshold: self.repair_threshold as f32 },
                Repair::Confident => RepairPolicy::Confident { tau: self.repair_tau as f32 },
            },
            boundary: self.boundary,
            weight: self.weight as f32,
            normaliser: match self.normaliser {
                Divisor::Kept => Normaliser::Kept,
                Divisor::Group => Normaliser::Group,
            },
            positive_only: self.positive_only,
            anchor_target: match self.anchor_target {
                Target::First => AnchorTarget::First,
                Target::Closest => AnchorTarget::Closest,
                Target::Uniform => AnchorTarget::Uniform,
            },
            anchor_ratio: match self.anchor_ratio {
                Ratio::Recompute => AnchorRatio::Recompute,
                Ratio::Detached => AnchorRatio::Detached,
                Ratio::Shaped => AnchorRatio::Shaped { gamma: self.anchor_gamma as f32 },
                Ratio::Weighted => AnchorRatio::Weighted { weight: self.anchor_weight as f32 },
            },
            ..Recast::default()
        }
    }
}

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
