//! The KL penalty of tokens.

use burn::tensor::Tensor;
use recast_core::objective::{KlEstimator, Objective};

/// [`recast_core::objective::kl_penalty`] of each token, before its coefficient; `difference` is
/// reference less policy.
///
/// # Shapes
///
/// `(N) -> (N)`.
pub(super) fn kl_penalty(difference: Tensor<1>, objective: &Objective<f32>) -> Tensor<1> {
    let limit = objective.log_ratio_limit();
    let d = difference.clamp(-limit, limit);
    let penalty = match objective.kl_estimator() {
        KlEstimator::K1 => -d,
        KlEstimator::K2 => d.clone() * d * 0.5,
        KlEstimator::K3 => d.clone().exp() - d - 1.0,
    };
    match objective.kl_value_limit() {
        None => penalty,
        Some(limit) => penalty.clamp(-limit, limit),
    }
}
