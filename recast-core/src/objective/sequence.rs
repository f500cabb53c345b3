use super::surrogate::at_log_ratio;
use super::{Clamped, Objective, TokenTerm, kl_penalty};
use crate::real::{Real, sum};

/// Over what a ratio of probabilities is taken.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RatioLevel {
    /// Each token has its own ratio: [`token_loss`](super::token_loss).
    #[default]
    Token,
    /// All tokens of a completion share the geometric mean of theirs: [`sequence_loss`].
    Sequence,
}

/// The loss of one completion under GSPO's sequence ratio, with a KL penalty averaged over tokens.
///
/// ```text
/// ratio = exp(clamp(mean over tokens of (policy_t - old_t), -limit, limit))
/// loss  = surrogate(ratio, A) + kl_coef mean over tokens of k(ref_t - policy_t)
/// ```
///
/// `gradients[t]` is the derivative by `policy_t`: `1 / S` of the surrogate's derivative by the
/// mean log-ratio, plus that of the token's own penalty. One clip is in force for the whole
/// completion; kinks are as in [`surrogate`](super::surrogate). With `kl_coef` 0 the references are
/// not read. No tokens give 0. `O(S)` time, no allocation. Over a group GSPO takes the mean of this
/// loss. It cannot check that its arguments are finite, nor that the tokens are a whole completion.
///
/// The bounds of ECPO and GBPO are taken at the geometric mean of the token probabilities
/// \[ours\]: neither paper has a sequence ratio.
///
/// See "Group Sequence Policy Optimization", Zheng et al., section 4.1,
/// <https://arxiv.org/abs/2507.18071>. Its clips are far smaller than those of token ratios: 3e-4
/// below, 4e-4 above.
///
/// # Shapes
///
/// `policy_log_probs`, `old_log_probs`, `ref_log_probs`, `gradients`: (S).
///
/// # Panics
///
/// If the slices differ in length; the references may be empty if `kl_coef` is 0.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{Clip, KlEstimator, Objective, sequence_loss};
///
/// let objective = Objective::new(Clip::new(3e-4, 4e-4, None)?, 20.0, KlEstimator::K3, 0.0)?;
/// let old = [-1.0, -2.0];
/// let mut gradients = [f64::NAN; 2];
/// // Before the first step: ratio 1, one half of the gradient to each token.
/// let loss = sequence_loss(&old, &old, &[], 1.0, &objective, &mut gradients);
/// assert_eq!((loss, gradients), (-1.0, [-0.5, -0.5]));
/// # Ok::<(), recast_core::objective::ObjectiveError>(())
/// ```
#[must_use]
pub fn sequence_loss<T: Real>(
    policy_log_probs: &[T],
    old_log_probs: &[T],
    ref_log_probs: &[T],
    advantage: T,
    objective: &Objective<T>,
    gradients: &mut [T],
) -> T {
    let penalised = !objective.kl_coef.is_zero();
    let tokens = policy_log_probs.len();
    assert!(
        old_log_probs.len() == tokens
            && gradients.len() == tokens
            && (ref_log_probs.len() == tokens || !penalised),
        "{tokens} tokens, {} old and {} reference log-probs, {} gradients: give one for each token",
        old_log_probs.len(),
        ref_log_probs.len(),
        gradients.len()
    );
    if tokens == 0 {
        return T::zero();
    }
    let count = T::of_count(tokens);
    let mean = |log_probs: &[T]| sum(log_probs.iter().copied()) / count;
    let (policy, old) = (mean(policy_log_probs), mean(old_log_probs));
    // The mean of the differences: those are small where the log-probs are not.
    let differences =
        policy_log_probs.iter().zip(old_log_probs).map(|(&policy, &old)| policy - old);
    let log_ratio = sum(differences) / count;
    let raised = objective.clip.bounded_old_log_prob(policy, old, advantage) - old;
    let log_ratio = Clamped::new(log_ratio - raised, objective.log_ratio_limit);
    let TokenTerm { value, gradient } = at_log_ratio(&log_ratio, advantage, objective);
    gradients.fill(gradient / count);
    if !penalised {
        return value;
    }
    let weight = objective.kl_coef / count;
    let tokens = policy_log_probs.iter().zip(ref_log_probs).zip(gradients);
    tokens.fold(value, |loss, ((&policy, &reference), gradient)| {
        let penalty = kl_penalty(policy, reference, objective);
        *gradient = *gradient + weight * penalty.gradient;
        loss + weight * penalty.value
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::{Clip, KlEstimator, token_loss};
    use crate::tolerance::ROUNDING;
    use approx::assert_abs_diff_eq;

    fn objective(kl_coef: f64) -> Objective<f64> {
        Objective::new(Clip::default(), 20.0, KlEstimator::K3, kl_coef).unwrap()
    }

    #[test]
    fn the_ratio_is_the_geometric_mean_of_the_token_ratios() {
        let (policy, old) = ([-1.0, -1.9, -3.0], [-1.2, -2.0, -2.9]);
        let mut gradients = [f64::NAN; 3];
        let loss = sequence_loss(&policy, &old, &[], 2.0, &objective(0.0), &mut gradients);
        let ratio = f64::exp(0.2 / 3.0);
        assert_abs_diff_eq!(loss, -2.0 * ratio, epsilon = ROUNDING);
        for gradient in gradients {
            assert_abs_diff_eq!(gradient, -2.0 * ratio / 3.0, epsilon = ROUNDING);
        }
    }

    #[test]
    fn one_clip_is_in_force_for_the_whole_completion() {
        let mut gradients = [f64::NAN; 2];
        let loss =
            sequence_loss(&[-0.1, -2.0], &[-3.0, -2.0], &[], 1.0, &objective(0.0), &mut gradients);
        assert_abs_diff_eq!(loss, -1.28, epsilon = ROUNDING);
        assert_abs_diff_eq!(gradients[0].abs() + gradients[1].abs(), 0.0);
    }

    #[test]
    fn a_completion_of_one_token_is_that_token() {
        for clip in [Clip::default(), Clip::ecpo(0.2, 0.28, 0.1).unwrap(), Clip::gbpo()] {
            let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.5).unwrap();
            for advantage in [1.5, -1.5] {
                for (policy, old, reference) in [(-1.0, -1.1, -1.4), (-0.2, -3.0, -0.1)] {
                    let expected = token_loss(policy, old, reference, advantage, &objective);
                    let mut gradient = [f64::NAN];
                    let loss = sequence_loss(
                        &[policy],
                        &[old],
                        &[reference],
                        advantage,
                        &objective,
                        &mut gradient,
                    );
                    assert_abs_diff_eq!(loss, expected.value, epsilon = ROUNDING);
                    assert_abs_diff_eq!(gradient[0], expected.gradient, epsilon = ROUNDING);
                }
            }
        }
    }

    #[test]
    fn the_penalty_is_averaged_over_tokens() {
        let (policy, reference) = ([-1.0, -2.0], [-1.5, -1.0]);
        let objective = objective(0.5);
        let mut gradients = [f64::NAN; 2];
        let loss = sequence_loss(&policy, &policy, &reference, 0.0, &objective, &mut gradients);
        let [a, b] = [0, 1].map(|t| kl_penalty(policy[t], reference[t], &objective));
        assert_abs_diff_eq!(loss, 0.25 * (a.value + b.value), epsilon = ROUNDING);
        assert_abs_diff_eq!(gradients[0], 0.25 * a.gradient, epsilon = ROUNDING);
        assert_abs_diff_eq!(gradients[1], 0.25 * b.gradient, epsilon = ROUNDING);
    }

    #[test]
    fn no_tokens_give_zero() {
        assert_abs_diff_eq!(sequence_loss(&[], &[], &[], 1.0, &objective(1.0), &mut []), 0.0);
    }

    #[test]
    #[should_panic(expected = "2 tokens, 2 old and 0 reference log-probs, 2 gradients")]
    fn a_missing_reference_panics_with_the_lengths() {
        let _ = sequence_loss(&[-1.0; 2], &[-1.0; 2], &[], 1.0, &objective(1.0), &mut [0.0; 2]);
    }
}
