use super::surrogate::at_log_ratio;
use super::{Clamped, CompletionTokens, Objective, TokenTerm};
use crate::real::{Real, sum};

/// The one advantage of a completion: the value that its tokens share, or their mean.
pub(super) fn shared<T: Real>(advantages: &[T]) -> T {
    let first = advantages.first().copied().unwrap_or_else(T::zero);
    if advantages.iter().all(|&advantage| advantage == first) {
        return first;
    }
    sum(advantages.iter().copied()) / T::of_count(advantages.len())
}

/// The log-ratio of a completion, the mean of its tokens', without a bound.
pub(super) fn mean_log_ratio<T: Real>(
    tokens: &CompletionTokens<'_, T>,
    objective: &Objective<T>,
) -> Clamped<T> {
    Clamped::new(mean_difference(tokens), objective.log_ratio_limit)
}

/// The mean of the differences, which are small where the log-probs are not.
fn mean_difference<T: Real>(tokens: &CompletionTokens<'_, T>) -> T {
    let differences = tokens
        .policy_log_probs
        .iter()
        .zip(tokens.old_log_probs)
        .map(|(&policy, &old)| policy - old);
    sum(differences) / T::of_count(tokens.len())
}

/// GSPO's surrogate of a completion. One clip is in force for all of it; each token has `1 / S` of
/// the derivative by the mean log-ratio.
pub(super) fn sequence<T: Real>(
    tokens: &CompletionTokens<'_, T>,
    objective: &Objective<T>,
    gradients: &mut [T],
) -> T {
    let (log_ratio, advantage) = sequence_log_ratio(tokens, objective);
    let TokenTerm { value, gradient } = at_log_ratio(&log_ratio, advantage, objective);
    gradients.fill(gradient / T::of_count(tokens.len()));
    value
}

/// Whether a clip stands for the ratio of the completion.
pub(super) fn is_clipped<T: Real>(
    tokens: &CompletionTokens<'_, T>,
    objective: &Objective<T>,
) -> bool {
    let (log_ratio, advantage) = sequence_log_ratio(tokens, objective);
    objective.clip.bound(log_ratio.value.exp(), advantage).is_some()
}

/// The log-ratio of a completion, bounded as ECPO and GBPO do, and its advantage.
fn sequence_log_ratio<T: Real>(
    tokens: &CompletionTokens<'_, T>,
    objective: &Objective<T>,
) -> (Clamped<T>, T) {
    let advantage = shared(tokens.advantages);
    let mean = |log_probs: &[T]| sum(log_probs.iter().copied()) / T::of_count(tokens.len());
    let (policy, old) = (mean(tokens.policy_log_probs), mean(tokens.old_log_probs));
    let raised = objective.clip.bounded_old_log_prob(policy, old, advantage) - old;
    let log_ratio = mean_difference(tokens) - raised;
    (Clamped::new(log_ratio, objective.log_ratio_limit), advantage)
}

/// GMPO's surrogate of a completion: a bounded token has no gradient, every other has `1 / S` of
/// the derivative by the mean log-ratio.
pub(super) fn geometric_mean<T: Real>(
    tokens: &CompletionTokens<'_, T>,
    objective: &Objective<T>,
    gradients: &mut [T],
) -> T {
    let count = T::of_count(tokens.len());
    let advantage = shared(tokens.advantages);
    let mut total = T::zero();
    for (token, gradient) in gradients.iter_mut().enumerate() {
        let log_ratio = bounded(tokens, token, advantage, objective);
        total = total + log_ratio.value;
        *gradient = log_ratio.slope;
    }
    let value = T::zero() - advantage * (total / count).exp();
    for gradient in gradients {
        *gradient = *gradient * (value / count);
    }
    value
}

/// The number of tokens of a completion that GMPO bounds.
pub(super) fn bounded_tokens<T: Real>(
    tokens: &CompletionTokens<'_, T>,
    objective: &Objective<T>,
) -> usize {
    let advantage = shared(tokens.advantages);
    let log_ratio = |token: usize| tokens.policy_log_probs[token] - tokens.old_log_probs[token];
    (0..tokens.len())
        .filter(|&token| log_bound(log_ratio(token), advantage, objective).is_some())
        .count()
}

/// The log-ratio of one token within GMPO's bounds.
fn bounded<T: Real>(
    tokens: &CompletionTokens<'_, T>,
    token: usize,
    advantage: T,
    objective: &Objective<T>,
) -> Clamped<T> {
    let log_ratio = tokens.policy_log_probs[token] - tokens.old_log_probs[token];
    match log_bound(log_ratio, advantage, objective) {
        Some(bound) => Clamped { value: bound, slope: T::zero() },
        None => Clamped::new(log_ratio, objective.log_ratio_limit),
    }
}

/// The constant that stands for a log-ratio under GMPO, or `None` where the log-ratio itself is in
/// force.
fn log_bound<T: Real>(log_ratio: T, advantage: T, objective: &Objective<T>) -> Option<T> {
    let (lowest, highest) = (-objective.clip.low(), objective.clip.high());
    if advantage > T::zero() {
        (log_ratio > highest).then_some(highest)
    } else if advantage < T::zero() {
        (log_ratio < lowest).then_some(lowest)
    } else {
        None
    }
}
