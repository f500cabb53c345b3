//! The objective of a signal: the settings of all signals, and the overrides of a method's authors.

use std::collections::BTreeMap;

use recast_core::objective::{Clip, KlEstimator, Objective};
use serde::{Deserialize, Serialize};

use super::{RlConfig, SignalName};
use crate::error::{Error, Result};

/// The bound of the ratio beside the clip.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// The clip alone.
    None,
    /// A negative's loss is at most `dual_clip` times its advantage.
    #[default]
    Dual,
    /// ECPO: a negative's ratio is at most `1 + clip_high + ecpo_delta`, and keeps its gradient.
    Ecpo,
    /// GBPO: a bounded gradient in place of the clip.
    Gbpo,
}

/// The estimator of the penalty towards the reference.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Estimator {
    /// `-d`, with `d = ref - policy`.
    K1,
    /// `d^2 / 2`.
    K2,
    /// `exp(d) - d - 1`.
    #[default]
    K3,
}

/// The settings of a signal in place of those of all signals.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Override {
    /// In place of `rl.clip_low`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_low: Option<f64>,
    /// In place of `rl.clip_high`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub clip_high: Option<f64>,
    /// In place of `rl.ratio_bound`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ratio_bound: Option<Bound>,
    /// In place of `rl.kl_coef`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub kl_coef: Option<f64>,
}

/// The settings of each method's authors.
pub(super) fn overrides() -> BTreeMap<SignalName, Override> {
    let clip =
        |low, high| Override { clip_low: Some(low), clip_high: Some(high), ..Override::default() };
    let no_penalty = Override { kl_coef: Some(0.0), ..Override::default() };
    BTreeMap::from([
        (SignalName::Dapo, no_penalty),
        (SignalName::Gspo, Override { ratio_bound: Some(Bound::None), ..clip(3e-4, 4e-4) }),
        (SignalName::Ngrpo, clip(0.16, 0.24)),
        (SignalName::Gcpo, Override { ratio_bound: Some(Bound::None), ..no_penalty }),
        // 1e9 stands for no upper clip: the largest ratio is exp(20)
        (
            SignalName::Luffy,
            Override { ratio_bound: Some(Bound::None), kl_coef: Some(0.0), ..clip(1.0, 1e9) },
        ),
        (SignalName::Cispo, Override { kl_coef: Some(0.0), ..clip(1.0, 4.0) }),
        (SignalName::Gmpo, clip(0.4, 0.4)),
        (SignalName::Supervised, no_penalty),
    ])
}

/// Log-ratios are clamped to this limit on both sides, as in verl.
const LOG_RATIO_LIMIT: f32 = 20.0;

impl RlConfig {
    /// Core's objective for a signal.
    ///
    /// # Errors
    ///
    /// If core refuses a number.
    pub fn objective(&self, name: SignalName) -> Result<Objective<f32>> {
        let own = self.overrides.get(&name).copied().unwrap_or_default();
        let low = own.clip_low.unwrap_or(self.clip_low) as f32;
        let high = own.clip_high.unwrap_or(self.clip_high) as f32;
        let clip = match own.ratio_bound.unwrap_or(self.ratio_bound) {
            Bound::None => Clip::new(low, high, None),
            Bound::Dual => Clip::new(low, high, Some(self.dual_clip as f32)),
            Bound::Ecpo => Clip::ecpo(low, high, self.ecpo_delta as f32),
            Bound::Gbpo => Ok(Clip::gbpo()),
        };
        let estimator = match self.kl_estimator {
            Estimator::K1 => KlEstimator::K1,
            Estimator::K2 => KlEstimator::K2,
            Estimator::K3 => KlEstimator::K3,
        };
        let kl_coef = own.kl_coef.unwrap_or(self.kl_coef) as f32;
        // the setting 0 means no cap
        let limit = Some(self.kl_value_limit as f32).filter(|&limit| limit != 0.0);
        clip.and_then(|clip| Objective::new(clip, LOG_RATIO_LIMIT, estimator, kl_coef))
            .and_then(|objective| objective.with_kl_value_limit(limit))
            .map(|objective| objective.with_kl_times_ratio(self.kl_times_ratio))
            .map_err(|e| {
                let problem = format!("{name}: {e}");
                Error::setting("rl", problem, "see recast init for the usual values")
            })
    }
}
