use core::ops::Range;

use super::{CompletionTokens, Objective, PolicyLoss, completion_loss};
use crate::real::Real;

/// The tokens of many completions laid out flat.
///
/// # Shapes
///
/// M completions of N tokens in all. `offsets`: (M + 1), from 0 to N; `weights`, `is_anchor`: (M);
/// all others (N). Columns that the loss does not read may be empty: the references if `kl_coef`
/// is 0 and negatives have no margin. The old log-probabilities may be empty if every completion is
/// an anchor without a ratio.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyTokens<'a, T> {
    /// The start of each completion, and the end of the last one.
    pub offsets: &'a [usize],
    /// Log-probabilities under the current policy.
    pub policy_log_probs: &'a [T],
    /// Log-probabilities under the policy that sampled.
    pub old_log_probs: &'a [T],
    /// Log-probabilities under the frozen reference.
    pub ref_log_probs: &'a [T],
    /// The advantage of each token.
    pub advantages: &'a [T],
    /// The weight of each completion in the sum; it includes the divisor.
    pub weights: &'a [T],
    /// Whether each completion is the anchor of its group.
    pub is_anchor: &'a [bool],
}

/// The weighted sum of completion losses over a whole batch, and its gradient.
///
/// ```text
/// loss         = sum_i w_i completion_loss_i
/// gradients[t] = derivative by policy_t
/// ```
///
/// A completion's loss is a mean over its tokens, so weights say how completions are averaged:
///
/// ```text
/// w_i = 1 / (B divisor)   mean over the groups of the sum over kept / divisor
/// w_i = S_i / sum S       mean over all tokens, as DAPO and OpenOneRec
/// w_i = S_i / (G S_max)   a constant in place of the length, as Dr.GRPO
/// ```
///
/// Neither the order of completions nor their groups matter. The sum runs from left to right. No
/// completions give 0. `O(N)` time, no allocation. The function cannot check that its arguments are
/// finite, nor that weights add up to 1.
///
/// # Panics
///
/// If the offsets are not from 0 to N in rising order, or if the slices differ in length.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{Objective, PolicyLoss, PolicyTokens, policy_loss};
///
/// // A pair of two tokens each at ratio 1: the shared first token cancels.
/// let log_probs = [-1.0, -2.0, -1.0, -3.0];
/// let tokens = PolicyTokens {
///     offsets: &[0, 2, 4],
///     policy_log_probs: &log_probs,
///     old_log_probs: &log_probs,
///     ref_log_probs: &log_probs,
///     advantages: &[1.0, 1.0, -1.0, -1.0],
///     weights: &[0.5; 2],
///     is_anchor: &[false; 2],
/// };
/// let mut gradients = [f64::NAN; 4];
/// let loss = policy_loss(&PolicyLoss::default(), tokens, &Objective::default(), &mut gradients);
/// assert_eq!(loss, 0.0);
/// assert_eq!(gradients, [-0.25, -0.25, 0.25, 0.25]);
/// assert_eq!(gradients[0] + gradients[2], 0.0);
/// ```
#[must_use]
pub fn policy_loss<T: Real>(
    loss: &PolicyLoss<T>,
    tokens: PolicyTokens<'_, T>,
    objective: &Objective<T>,
    gradients: &mut [T],
) -> T {
    let completions = assert_offsets(tokens.offsets, tokens.policy_log_probs, gradients);
    assert!(
        tokens.weights.len() == completions && tokens.is_anchor.len() == completions,
        "{completions} completions, {} weights, {} anchor marks: give one for each completion",
        tokens.weights.len(),
        tokens.is_anchor.len()
    );
    let mut total = T::zero();
    for (completion, &weight) in tokens.weights.iter().enumerate() {
        let range = tokens.offsets[completion]..tokens.offsets[completion + 1];
        let completion = CompletionTokens {
            policy_log_probs: &tokens.policy_log_probs[range.clone()],
            old_log_probs: part(tokens.old_log_probs, range.clone()),
            ref_log_probs: part(tokens.ref_log_probs, range.clone()),
            advantages: part(tokens.advantages, range.clone()),
            is_anchor: tokens.is_anchor[completion],
        };
        let gradients = &mut gradients[range];
        total = total + weight * completion_loss(loss, completion, objective, gradients);
        gradients.iter_mut().for_each(|gradient| *gradient = weight * *gradient);
    }
    total
}

/// The number of completions between the offsets.
pub(super) fn assert_offsets<T>(offsets: &[usize], tokens: &[T], gradients: &[T]) -> usize {
    let (first, last) = (offsets.first().copied(), offsets.last().copied());
    assert!(
        first == Some(0)
            && last == Some(tokens.len())
            && offsets.is_sorted()
            && gradients.len() == tokens.len(),
        "offsets from {first:?} to {last:?}, {} tokens, {} gradients: offsets rise from 0 to the \
         number of tokens, and each token has a gradient",
        tokens.len(),
        gradients.len()
    );
    offsets.len() - 1
}

/// A part of a column, or nothing of an empty one; a later check catches a short column.
pub(super) fn part<T>(column: &[T], range: Range<usize>) -> &[T] {
    column.get(range).unwrap_or(&[])
}
