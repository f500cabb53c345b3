//! The policy objective of `recast-core`, differentiable.

use burn::tensor::Tensor;
use recast_core::objective::{Clip, KlEstimator, Objective, RatioBound};

/// What the objective reads, one element a kept token.
///
/// Only `policy_log_probs` carries a gradient; the others are plain numbers, the output of signal.
///
/// # Shapes
/// All `(N)`.
#[derive(Debug, Clone)]
pub struct PolicyTokens {
    /// Log-probabilities under the current policy.
    pub policy_log_probs: Tensor<1>,
    /// Log-probabilities under the policy that sampled.
    pub old_log_probs: Tensor<1>,
    /// Log-probabilities under the frozen reference.
    pub ref_log_probs: Tensor<1>,
    /// The advantage of each token's sequence.
    pub advantages: Tensor<1>,
    /// What each token counts in the sum; the normaliser is in here.
    pub weights: Tensor<1>,
}

/// The weighted sum of the tokens' losses, to be minimised.
///
/// ```text
/// loss = sum_t w_t (surrogate(policy_t, old_t, A_t) + kl_coef k(ref_t - policy_t))
/// ```
///
/// Values and gradients are those of [`recast_core::objective::completion_loss`], which documents each
/// term, its source and its kinks.
///
/// # Shapes
/// The result `(1)`.
///
/// # Panics
/// If the tensors of `tokens` differ in length.
#[must_use]
pub fn policy_loss(tokens: PolicyTokens, objective: &Objective<f32>) -> Tensor<1> {
    let PolicyTokens { policy_log_probs, old_log_probs, ref_log_probs, advantages, weights } =
        tokens;
    let old_log_probs =
        bounded_old_log_probs(&policy_log_probs, old_log_probs, &advantages, objective.clip());
    let surrogate = surrogate(policy_log_probs.clone() - old_log_probs, advantages, objective);
    let terms = if objective.kl_coef() > 0.0 {
        surrogate + kl_penalty(ref_log_probs - policy_log_probs, objective) * objective.kl_coef()
    } else {
        surrogate
    };
    (terms * weights).sum()
}

/// What the ratio is taken against: [`Clip::bounded_old_log_prob`] of each token, without a
/// gradient.
fn bounded_old_log_probs(
    policy_log_probs: &Tensor<1>,
    old_log_probs: Tensor<1>,
    advantages: &Tensor<1>,
    clip: Clip<f32>,
) -> Tensor<1> {
    let policy = || policy_log_probs.clone().detach();
    match clip.ratio_bound() {
        RatioBound::None | RatioBound::Dual(_) => old_log_probs,
        RatioBound::Ecpo(delta) => {
            let bounded = old_log_probs.clone().max_pair(policy() - (clip.high() + delta).ln_1p());
            old_log_probs.mask_where(advantages.clone().lower_elem(0.0), bounded)
        }
        RatioBound::Gbpo => {
            let misses = (-policy().exp() + 1.0).clamp_min(0.0).log();
            let (positive, negative) =
                (old_log_probs.clone().max_pair(policy()), old_log_probs.clone().max_pair(misses));
            old_log_probs
                .mask_where(advantages.clone().greater_elem(0.0), positive)
                .mask_where(advantages.clone().lower_elem(0.0), negative)
        }
    }
}

fn surrogate(log_ratio: Tensor<1>, advantages: Tensor<1>, objective: &Objective<f32>) -> Tensor<1> {
    let (clip, limit) = (objective.clip(), objective.log_ratio_limit());
    let ratio = log_ratio.clamp(-limit, limit).exp();
    let clipped = ratio.clone().clamp(1.0 - clip.low(), 1.0 + clip.high());
    let loss = (-(ratio * advantages.clone())).max_pair(-(clipped * advantages.clone()));
    match clip.dual() {
        None => loss,
        Some(dual) => {
            let bounded = loss.clone().min_pair(-advantages.clone() * dual);
            loss.mask_where(advantages.lower_elem(0.0), bounded)
        }
    }
}

fn kl_penalty(difference: Tensor<1>, objective: &Objective<f32>) -> Tensor<1> {
    let limit = objective.log_ratio_limit();
    let d = difference.clamp(-limit, limit);
    match objective.kl_estimator() {
        KlEstimator::K1 => -d,
        KlEstimator::K2 => d.clone() * d * 0.5,
        KlEstimator::K3 => d.clone().exp() - d - 1.0,
    }
}
