//! Settings of single signals.

use std::fmt;

use recast_core::anchor::AnchorTarget;
use recast_core::objective::AnchorRatio;
use recast_core::signal::{Normaliser, Recast, RepairPolicy, RewardScale};

use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

/// When an all-zero group gets the ground-truth anchor.
///
/// In settings the words, or `true` for `always` and `false` for `never`, as earlier run folders have
/// it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Repair {
    /// Every all-zero group.
    #[default]
    Always,
    /// No group.
    Never,
    /// While the moving average of the all-zero rate is at least a threshold.
    Gated,
    /// Unless the policy already gives the anchor more than tau.
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

/// Which target the anchor is written from, where a prompt has several.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// The next item.
    #[default]
    First,
    /// The target that the group follows furthest.
    Closest,
    /// Any target, drawn by the seed.
    Uniform,
}

/// How the anchor's ratio is taken.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ratio {
    /// Against the rollout policy, like any other completion.
    #[default]
    Recompute,
    /// Always 1, never clipped.
    Detached,
    /// LUFFY's `p / (p + gamma)` for each token.
    Shaped,
    /// As `recompute`, the surrogate times a weight.
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
    /// When an all-zero group gets the anchor.
    pub repair: Repair,
    /// The least all-zero rate at which `gated` repairs.
    pub repair_threshold: f64,
    /// The part of the past that the moving average keeps at each group.
    pub repair_decay: f64,
    /// The largest probability of the anchor at which `confident` repairs.
    pub repair_tau: f64,
    /// Whether only the strongest positive and the hardest negative are kept.
    pub boundary: bool,
    /// The advantage of the positive; the negative gets minus that.
    pub weight: f64,
    /// Whether a group without a negative keeps its strongest positive alone.
    pub positive_only: bool,
    /// The divisor of the sum over kept completions.
    pub normaliser: Divisor,
    /// The target that the anchor is written from.
    pub anchor_target: Target,
    /// How the anchor's ratio is taken.
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

/// Over which rewards GRPO takes its standard deviation.
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
    /// Over which rewards the standard deviation is taken.
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
    /// Whether 1.5 times as many beams are searched, of which the hits and then the most diverse are
    /// kept.
    pub dynamic_sampling: bool,
    /// Rollout steps after which the reference becomes the policy; 0 means never.
    pub sync_reference_every: usize,
    /// The policy's share in the new reference; the old reference has the rest.
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
    /// Rollouts of a step at most: while groups are not mixed, further prompts take their places.
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
    /// Whether advantages are divided by the deviation: the paper does, its released code does not.
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
    /// Negatives that are kept at most.
    pub negatives: usize,
    /// Whether an all-zero group gets the anchor; without it such a group is skipped.
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
    /// For tokens with a positive advantage.
    pub positive: f64,
    /// For all other tokens.
    pub negative: f64,
}

impl Default for SapoConfig {
    fn default() -> Self {
        Self { positive: 1.0, negative: 1.05 }
    }
}
