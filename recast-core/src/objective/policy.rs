use super::{Objective, token_loss};
use crate::real::Real;

/// The tokens of many completions laid out flat, one element a kept token.
///
/// # Shapes
///
/// All (N), N the tokens of all kept completions; `ref_log_probs` may be empty if `kl_coef` is 0.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyTokens<'a, T> {
    /// Log-probabilities under the current policy.
    pub policy_log_probs: &'a [T],
    /// Log-probabilities under the policy that sampled.
    pub old_log_probs: &'a [T],
    /// Log-probabilities under the frozen reference.
    pub ref_log_probs: &'a [T],
    /// The advantage of each token.
    pub advantages: &'a [T],
    /// What each token counts in the sum; divisors and token means are in here.
    pub weights: &'a [T],
}

/// The weighted sum of token losses over a whole batch, and its gradient.
///
/// ```text
/// loss         = sum_t w_t token_loss(policy_t, old_t, ref_t, A_t)
/// gradients[t] = derivative by policy_t
/// ```
///
/// The order of tokens, and which completion or group one is of, does not matter: weights say what
/// it counts. Summed from left to right. No tokens give 0. `O(N)` time, no allocation. It cannot
/// check that its arguments are finite, nor that weights add up to 1.
///
/// # Panics
///
/// If the slices differ in length.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{Objective, PolicyTokens, policy_loss};
///
/// // A pair of two tokens each at ratio 1: the shared first token cancels.
/// let log_probs = [-1.0, -2.0, -1.0, -3.0];
/// let tokens = PolicyTokens {
///     policy_log_probs: &log_probs,
///     old_log_probs: &log_probs,
///     ref_log_probs: &log_probs,
///     advantages: &[1.0, 1.0, -1.0, -1.0],
///     weights: &[0.25; 4],
/// };
/// let mut gradients = [f64::NAN; 4];
/// assert_eq!(policy_loss(tokens, &Objective::default(), &mut gradients), 0.0);
/// assert_eq!(gradients, [-0.25, -0.25, 0.25, 0.25]);
/// assert_eq!(gradients[0] + gradients[2], 0.0);
/// ```
#[must_use]
pub fn policy_loss<T: Real>(
    tokens: PolicyTokens<'_, T>,
    objective: &Objective<T>,
    gradients: &mut [T],
) -> T {
    let count = tokens.policy_log_probs.len();
    let references = tokens.ref_log_probs.len();
    assert!(
        tokens.old_log_probs.len() == count
            && (references == count || objective.kl_coef.is_zero())
            && tokens.advantages.len() == count
            && tokens.weights.len() == count
            && gradients.len() == count,
        "{count} tokens, {} old and {references} reference log-probs, {} advantages, {} weights, \
         {} gradients: give one for each token",
        tokens.old_log_probs.len(),
        tokens.advantages.len(),
        tokens.weights.len(),
        gradients.len()
    );
    let mut loss = T::zero();
    for (token, gradient) in gradients.iter_mut().enumerate() {
        // Without a coefficient the reference is not read, whatever stands for it.
        let reference = tokens.ref_log_probs.get(token).copied().unwrap_or_else(T::zero);
        let term = token_loss(
            tokens.policy_log_probs[token],
            tokens.old_log_probs[token],
            reference,
            tokens.advantages[token],
            objective,
        );
        let weight = tokens.weights[token];
        loss = loss + weight * term.value;
        *gradient = weight * term.gradient;
    }
    loss
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::{Clip, KlEstimator};
    use crate::tolerance::ROUNDING;
    use approx::assert_abs_diff_eq;

    const POLICY: [f64; 3] = [-1.0, -2.0, -0.5];
    const OLD: [f64; 3] = [-1.1, -1.0, -0.5];
    const REFERENCE: [f64; 3] = [-1.0, -2.5, -0.7];
    const ADVANTAGES: [f64; 3] = [1.0, -1.0, 0.5];
    const WEIGHTS: [f64; 3] = [0.5, 0.25, 0.0];

    fn tokens() -> PolicyTokens<'static, f64> {
        PolicyTokens {
            policy_log_probs: &POLICY,
            old_log_probs: &OLD,
            ref_log_probs: &REFERENCE,
            advantages: &ADVANTAGES,
            weights: &WEIGHTS,
        }
    }

    #[test]
    fn the_loss_is_the_weighted_sum_of_token_losses() {
        let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.1).unwrap();
        let mut gradients = [f64::NAN; 3];
        let loss = policy_loss(tokens(), &objective, &mut gradients);
        let mut expected = 0.0;
        for token in 0..3 {
            let [policy, old, reference, advantage] =
                [POLICY, OLD, REFERENCE, ADVANTAGES].map(|column| column[token]);
            let term = token_loss(policy, old, reference, advantage, &objective);
            expected += WEIGHTS[token] * term.value;
            assert_abs_diff_eq!(gradients[token], WEIGHTS[token] * term.gradient);
        }
        assert_abs_diff_eq!(loss, expected, epsilon = ROUNDING);
    }

    #[test]
    fn without_a_coefficient_the_references_may_be_empty() {
        let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.0).unwrap();
        let [mut with, mut without] = [[f64::NAN; 3]; 2];
        let full = policy_loss(tokens(), &objective, &mut with);
        let tokens = PolicyTokens { ref_log_probs: &[], ..tokens() };
        assert_abs_diff_eq!(policy_loss(tokens, &objective, &mut without), full);
        assert!(with.iter().zip(&without).all(|(a, b)| (a - b).abs() < ROUNDING));
    }

    #[test]
    fn no_tokens_give_zero() {
        let empty: &[f64] = &[];
        let tokens = PolicyTokens {
            policy_log_probs: empty,
            old_log_probs: empty,
            ref_log_probs: empty,
            advantages: empty,
            weights: empty,
        };
        assert_abs_diff_eq!(policy_loss(tokens, &Objective::default(), &mut []), 0.0);
    }

    #[test]
    #[should_panic(expected = "3 tokens, 3 old and 0 reference log-probs, 3 advantages, 3 weights")]
    fn slices_of_different_lengths_panic_with_all_of_them() {
        let tokens = PolicyTokens { ref_log_probs: &[], ..tokens() };
        let _ = policy_loss(tokens, &Objective::default(), &mut [0.0; 3]);
    }
}
