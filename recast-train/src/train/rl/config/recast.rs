//! ReCast's own settings.

use std::fmt;

use recast_core::anchor::AnchorTarget;
use recast_core::objective::AnchorRatio;
use recast_core::signal::{self, NegativeRule, Normaliser, Recast, RepairPolicy};
use serde::de::{self, Deserializer, Visitor};
use serde::{Deserialize, Serialize};

use crate::error::{self, Error};

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

/// The negatives that train beside their positive.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Negative {
    /// Every negative.
    #[default]
    Always,
    /// A negative that has at least the first code of the positive.
    SharedPrefix,
}

/// The choice of a group's negative.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NegativeChoice {
    /// The hardest negative.
    #[default]
    Hardest,
    /// A miss drawn by the seed.
    Uniform,
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
    /// The advantage of the positive; the negative's is `-weight negative_weight`.
    pub weight: f64,
    /// The share of the weight in the negative's advantage; 0 leaves the negative out.
    pub negative_weight: f64,
    /// The negatives that train beside their positive.
    pub negative: Negative,
    /// The choice of a group's negative.
    pub negative_choice: NegativeChoice,
    /// The margin below the reference, in nats, at which a negative stops to train; 0 means no
    /// bound.
    pub negative_margin: f64,
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
            negative_weight: 1.0,
            negative: Negative::Always,
            negative_choice: NegativeChoice::Hardest,
            negative_margin: 0.0,
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
    /// Checks numbers that core sees only in some modes.
    ///
    /// # Errors
    ///
    /// If a number is out of its range.
    pub(super) fn check(&self) -> error::Result<()> {
        let largest = f64::from(f32::MAX);
        for (key, value, range, holds) in [
            ("repair_threshold", self.repair_threshold, "within 0 and 1", 0.0..=1.0),
            ("repair_decay", self.repair_decay, "at least 0 and below 1", 0.0..=1.0 - 1e-9),
            ("repair_tau", self.repair_tau, "within 0 and 1", 0.0..=1.0),
            ("negative_weight", self.negative_weight, "finite and at least 0", 0.0..=largest),
            ("negative_margin", self.negative_margin, "finite and at least 0 nats", 0.0..=largest),
        ] {
            if !holds.contains(&value) {
                let problem = format!("{value} is not {range}");
                let hint = "see recast init for the usual values";
                return Err(Error::setting(format!("rl.recast.{key}"), problem, hint));
            }
        }
        Ok(())
    }

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
            negative_weight: self.negative_weight as f32,
            negative: match self.negative {
                Negative::Always => NegativeRule::Always,
                Negative::SharedPrefix => NegativeRule::SharedPrefix,
            },
            negative_choice: match self.negative_choice {
                NegativeChoice::Hardest => signal::NegativeChoice::Hardest,
                NegativeChoice::Uniform => signal::NegativeChoice::Uniform,
            },
            // the setting 0 means no bound
            negative_margin: Some(self.negative_margin as f32).filter(|&margin| margin != 0.0),
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
