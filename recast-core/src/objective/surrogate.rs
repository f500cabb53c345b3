use super::{Clamped, Objective, TokenTerm};
use crate::real::Real;

/// PPO's clipped surrogate of one token, with dual clip or another bound.
///
/// The gradient is `-ratio A` where the ratio itself is in force, and 0 where a clip or the clamp
/// stands for it. At a kink (a ratio equal to a bound, a log-ratio equal to the limit) the gradient
/// is the inner side's, `-ratio A`. An advantage of 0 gives 0 and 0.
pub(super) fn clipped<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    advantage: T,
    objective: &Objective<T>,
) -> TokenTerm<T> {
    let log_ratio = bounded_log_ratio(policy_log_prob, old_log_prob, advantage, objective);
    at_log_ratio(&log_ratio, advantage, objective)
}

/// CISPO of one token: the clipped ratio is a constant.
pub(super) fn cispo<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    advantage: T,
    objective: &Objective<T>,
) -> TokenTerm<T> {
    let log_ratio = Clamped::new(policy_log_prob - old_log_prob, objective.log_ratio_limit);
    let ratio = log_ratio.value.exp();
    let weight = clamped_ratio(ratio, objective) * advantage;
    TokenTerm { value: T::zero() - weight * policy_log_prob, gradient: T::zero() - weight }
}

/// SAPO of one token, with the temperature of its advantage's sign.
pub(super) fn sapo<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    advantage: T,
    [positive, negative]: [T; 2],
    objective: &Objective<T>,
) -> TokenTerm<T> {
    let log_ratio = Clamped::new(policy_log_prob - old_log_prob, objective.log_ratio_limit);
    let ratio = log_ratio.value.exp();
    let temperature = if advantage > T::zero() { positive } else { negative };
    let at = temperature * (ratio - T::one());
    let (gate, rest) = (sigmoid(at), sigmoid(-at));
    let four = T::of(4.0);
    TokenTerm {
        value: T::zero() - advantage * (gate * (four / temperature)),
        gradient: T::zero() - advantage * (log_ratio.slope * ratio * (four * gate * rest)),
    }
}

fn sigmoid<T: Real>(at: T) -> T {
    // this exponential does not overflow
    if at >= T::zero() {
        (T::one() + (-at).exp()).recip()
    } else {
        at.exp() / (T::one() + at.exp())
    }
}

/// The clipped surrogate at a log-ratio, and its derivative by that log-ratio.
pub(super) fn at_log_ratio<T: Real>(
    log_ratio: &Clamped<T>,
    advantage: T,
    objective: &Objective<T>,
) -> TokenTerm<T> {
    let ratio = log_ratio.value.exp();
    match objective.clip.bound(ratio, advantage) {
        Some(bound) => TokenTerm { value: -(bound * advantage), gradient: T::zero() },
        None => TokenTerm {
            value: T::zero() - ratio * advantage,
            gradient: T::zero() - log_ratio.slope * ratio * advantage,
        },
    }
}

/// The ratio within `1 - low .. 1 + high`.
fn clamped_ratio<T: Real>(ratio: T, objective: &Objective<T>) -> T {
    let one = T::one();
    ratio.max(one - objective.clip.low()).min(one + objective.clip.high())
}

/// Whether a clip, PPO's or dual, stands for the ratio of this token.
pub(super) fn is_clipped<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    advantage: T,
    objective: &Objective<T>,
) -> bool {
    let log_ratio = bounded_log_ratio(policy_log_prob, old_log_prob, advantage, objective);
    objective.clip.bound(log_ratio.value.exp(), advantage).is_some()
}

/// Whether the constant weight of CISPO is not the ratio of this token.
pub(super) fn is_held<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    advantage: T,
    objective: &Objective<T>,
) -> bool {
    let log_ratio = Clamped::new(policy_log_prob - old_log_prob, objective.log_ratio_limit);
    let ratio = log_ratio.value.exp();
    !advantage.is_zero() && clamped_ratio(ratio, objective) != ratio
}

/// The log-ratio of a token against its old log-probability, or against the bound below it.
fn bounded_log_ratio<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    advantage: T,
    objective: &Objective<T>,
) -> Clamped<T> {
    let old = objective.clip.bounded_old_log_prob(policy_log_prob, old_log_prob, advantage);
    Clamped::new(policy_log_prob - old, objective.log_ratio_limit)
}
