//! The surrogates of core over tensors, for tokens and for completions.

use burn::tensor::Tensor;
use burn::tensor::activation::sigmoid;
use recast_core::objective::{Clip, Objective, RatioBound};

/// The old log-probability in each unit's ratio, without a gradient:
/// [`Clip::bounded_old_log_prob`].
pub(super) fn bounded_old_log_probs(
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

/// The exponential of the log-ratio within the objective's limit.
pub(super) fn ratios(log_ratios: Tensor<1>, objective: &Objective<f32>) -> Tensor<1> {
    let limit = objective.log_ratio_limit();
    log_ratios.clamp(-limit, limit).exp()
}

/// The ratio within `1 - low .. 1 + high`.
pub(super) fn clipped_ratios(ratios: Tensor<1>, clip: Clip<f32>) -> Tensor<1> {
    ratios.clamp(1.0 - clip.low(), 1.0 + clip.high())
}

/// PPO's clipped surrogate with its dual clip.
pub(super) fn clipped(
    log_ratios: Tensor<1>,
    advantages: Tensor<1>,
    objective: &Objective<f32>,
) -> Tensor<1> {
    let clip = objective.clip();
    let ratio = ratios(log_ratios, objective);
    let clipped = clipped_ratios(ratio.clone(), clip);
    let loss = (-(ratio * advantages.clone())).max_pair(-(clipped * advantages.clone()));
    match clip.dual() {
        None => loss,
        Some(dual) => {
            let bounded = loss.clone().min_pair(-advantages.clone() * dual);
            loss.mask_where(advantages.lower_elem(0.0), bounded)
        }
    }
}

/// CISPO: the clipped ratio weighs the log-probability, without a gradient.
pub(super) fn cispo(
    policy_log_probs: Tensor<1>,
    log_ratios: Tensor<1>,
    advantages: Tensor<1>,
    objective: &Objective<f32>,
) -> Tensor<1> {
    let ratios = ratios(log_ratios.detach(), objective);
    -(clipped_ratios(ratios, objective.clip()) * advantages * policy_log_probs)
}

/// SAPO: a gate in place of the clip, narrower or wider by the sign of the advantage.
pub(super) fn sapo(
    log_ratios: Tensor<1>,
    advantages: Tensor<1>,
    [positive, negative]: [f32; 2],
    objective: &Objective<f32>,
) -> Tensor<1> {
    let temperatures =
        advantages.full_like(negative).mask_fill(advantages.clone().greater_elem(0.0), positive);
    let gates = sigmoid((ratios(log_ratios, objective) - 1.0) * temperatures.clone());
    -(gates * 4.0 / temperatures * advantages)
}

/// The log-ratios of tokens within GMPO's bounds, which depend on the sign of the advantage.
pub(super) fn bounded_log_ratios(
    log_ratios: Tensor<1>,
    advantages: Tensor<1>,
    objective: &Objective<f32>,
) -> Tensor<1> {
    let (clip, limit) = (objective.clip(), objective.log_ratio_limit());
    let log_ratios = log_ratios.clamp(-limit, limit);
    let (below, above) =
        (log_ratios.clone().clamp_max(clip.high()), log_ratios.clone().clamp_min(-clip.low()));
    log_ratios
        .mask_where(advantages.clone().greater_elem(0.0), below)
        .mask_where(advantages.lower_elem(0.0), above)
}
