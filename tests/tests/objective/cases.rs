//! The cases of `cases/objective.toml`, for core and for a device.

use burn::tensor::{Device, Tensor, TensorData};
use recast_burn::objective::LogProbs;
use recast_core::Real;
use recast_core::objective::{
    AnchorRatio, Clip, KlEstimator, Loss, Objective, ObjectiveError, PolicyLoss, Surrogate,
};
use serde::Deserialize;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Cases {
    pub(super) log_ratios: Vec<f32>,
    pub(super) advantages: Vec<f32>,
    pub(super) kl_differences: Vec<f32>,
    pub(super) losses: Vec<LossCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LossCase {
    pub(super) name: String,
    #[serde(default)]
    surrogate: SurrogateCase,
    #[serde(default)]
    clip_low: f32,
    #[serde(default)]
    clip_high: f32,
    dual_clip: Option<f32>,
    /// The delta of ECPO, in place of a dual clip.
    ecpo_delta: Option<f32>,
    /// Whether GBPO replaces the clip.
    #[serde(default)]
    gbpo: bool,
    /// Whether the objective has no clip.
    #[serde(default)]
    unclipped: bool,
    log_ratio_limit: f32,
    kl_estimator: Estimator,
    kl_coef: f32,
    kl_value_limit: Option<f32>,
    #[serde(default)]
    pub(super) kl_times_ratio: bool,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
enum SurrogateCase {
    #[default]
    Clipped,
    Cispo,
    /// SAPO with the temperatures of its paper.
    Sapo,
    Sequence,
    GeometricMean,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Estimator {
    K1,
    K2,
    K3,
}

impl From<Estimator> for KlEstimator {
    fn from(estimator: Estimator) -> Self {
        match estimator {
            Estimator::K1 => Self::K1,
            Estimator::K2 => Self::K2,
            Estimator::K3 => Self::K3,
        }
    }
}

impl LossCase {
    /// The objective with equal numbers in either precision: the file's numbers are `f32`.
    pub(super) fn objective<T: Real + From<f32>>(&self) -> Objective<T> {
        self.checked().expect("an objective")
    }

    fn checked<T: Real + From<f32>>(&self) -> Result<Objective<T>, ObjectiveError> {
        let (low, high) = (self.clip_low.into(), self.clip_high.into());
        let clip = match (self.gbpo, self.unclipped, self.ecpo_delta) {
            (true, _, _) => Clip::gbpo(),
            (false, true, _) => Clip::unclipped(),
            (false, false, Some(delta)) => Clip::ecpo(low, high, delta.into())?,
            (false, false, None) => Clip::new(low, high, self.dual_clip.map(Into::into))?,
        };
        let (limit, coef) = (self.log_ratio_limit.into(), self.kl_coef.into());
        let objective = Objective::new(clip, limit, self.kl_estimator.into(), coef)?;
        let objective = objective.with_kl_value_limit(self.kl_value_limit.map(Into::into))?;
        Ok(objective.with_kl_times_ratio(self.kl_times_ratio))
    }

    pub(super) fn policy_loss<T: Real + From<f32>>(
        &self,
        ratio: AnchorRatio<f32>,
    ) -> PolicyLoss<T> {
        let surrogate = match self.surrogate {
            SurrogateCase::Clipped => Surrogate::Clipped,
            SurrogateCase::Cispo => Surrogate::Cispo,
            SurrogateCase::Sapo => {
                Surrogate::Sapo { positive: 1.0.into(), negative: 1.05_f32.into() }
            }
            SurrogateCase::Sequence => Surrogate::Sequence,
            SurrogateCase::GeometricMean => Surrogate::GeometricMean,
        };
        let anchor_ratio = match ratio {
            AnchorRatio::Recompute => AnchorRatio::Recompute,
            AnchorRatio::Detached => AnchorRatio::Detached,
            AnchorRatio::Shaped { gamma } => AnchorRatio::Shaped { gamma: gamma.into() },
            AnchorRatio::Weighted { weight } => AnchorRatio::Weighted { weight: weight.into() },
        };
        PolicyLoss { surrogate, anchor_ratio, negative_margin: None }
    }

    pub(super) fn loss<T: Real + From<f32>>(&self, ratio: AnchorRatio<f32>) -> Loss<T> {
        Loss::Policy(self.policy_loss(ratio))
    }

    /// Whether a completion of several tokens has one loss of its own instead of the mean of its
    /// token losses.
    /// losses.
    pub(super) fn is_of_completions(&self) -> bool {
        matches!(self.surrogate, SurrogateCase::Sequence | SurrogateCase::GeometricMean)
    }
}

impl Cases {
    pub(super) fn read() -> Self {
        toml::from_str(include_str!("../../cases/objective.toml")).expect("cases")
    }
}

/// The numbers of one token.
#[derive(Clone, Copy, Debug)]
pub(super) struct Token {
    pub(super) policy: f32,
    pub(super) old: f32,
    pub(super) reference: f32,
    pub(super) advantage: f32,
}

impl Token {
    pub(super) fn log_ratio(self) -> f32 {
        self.policy - self.old
    }
}

/// A column of tokens for core.
pub(super) fn column(tokens: &[Token], of_token: impl Fn(&Token) -> f32) -> Vec<f64> {
    tokens.iter().map(|token| f64::from(of_token(token))).collect()
}

/// The tokens on a device in the order given, and the leaf that takes the gradient.
pub(super) fn log_probs(tokens: &[Token], device: &Device) -> (LogProbs, Tensor<1>) {
    let column = |of_token: &dyn Fn(&Token) -> f32| -> Tensor<1> {
        let values: Vec<f32> = tokens.iter().map(of_token).collect();
        let shape = [values.len()];
        Tensor::from_data(TensorData::new(values, shape), device)
    };
    let policy = column(&|token| token.policy).require_grad();
    let log_probs = LogProbs {
        policy_log_probs: policy.clone(),
        old_log_probs: column(&|token| token.old),
        ref_log_probs: column(&|token| token.reference),
    };
    (log_probs, policy)
}
