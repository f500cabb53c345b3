use super::policy::{assert_offsets, part};
use super::preference::Contrast;
use super::{CompletionTokens, Loss, Objective, PolicyLoss, Preference, completion_loss};
use crate::real::{Real, sum};

/// The tokens of the kept completions of one group, laid out flat.
///
/// # Shapes
///
/// M kept completions of N tokens in all. `offsets`: (M + 1), from 0 to N; all others (N).
/// Columns that the loss does not read may be empty: see [`CompletionTokens`]. A preference loss
/// reads no old log-probability.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct GroupTokens<'a, T> {
    /// The start of each kept completion, and the end of the last one.
    pub offsets: &'a [usize],
    /// Log-probabilities under the current policy.
    pub policy_log_probs: &'a [T],
    /// Log-probabilities under the policy that sampled.
    pub old_log_probs: &'a [T],
    /// Log-probabilities under the frozen reference.
    pub ref_log_probs: &'a [T],
    /// The advantage of each token: see
    /// [`Signal::token_advantages`](crate::Signal::token_advantages).
    pub advantages: &'a [T],
    /// The place of the anchor among the kept completions, if one of them is the anchor.
    pub anchor: Option<usize>,
    /// The divisor of the selection.
    pub divisor: usize,
}

impl<T: Real> GroupTokens<'_, T> {
    fn completion(&self, index: usize) -> CompletionTokens<'_, T> {
        let range = self.offsets[index]..self.offsets[index + 1];
        CompletionTokens {
            policy_log_probs: &self.policy_log_probs[range.clone()],
            old_log_probs: part(self.old_log_probs, range.clone()),
            ref_log_probs: part(self.ref_log_probs, range.clone()),
            advantages: part(self.advantages, range),
            is_anchor: self.anchor == Some(index),
        }
    }
}

/// The loss of a group under any loss of a signal, and its gradient: the one entry.
///
/// ```text
/// policy       1 / divisor sum over kept i of completion_loss_i
/// preference   preference_loss of the completion with advantage +1 against the others
/// gradients[t] = derivative by policy_t
/// ```
///
/// See [`completion_loss`] and [`preference_loss`](super::preference_loss) for terms and kinks. A
/// preference takes the log-probabilities of whole completions, each of whose tokens has the
/// completion's derivative. The caller takes the mean over groups. `O(N)` time, also for a
/// preference; no allocation. The function cannot check that its arguments are finite, nor that the
/// loss belongs to the signal that selected.
///
/// # Panics
///
/// If the offsets do not rise from 0 to N, or if the slices differ in length. Also if a preference
/// does not have exactly one positive.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{GroupTokens, Objective, group_loss};
/// use recast_core::{Group, Outcome, Signal};
///
/// // One signal's selection under that signal's loss; another signal changes no other line.
/// let signal = Signal::<f64>::gspo();
/// let group = Group::new(&[1.0, 0.0], &[1.0, 0.1], None)?;
/// let (mut kept, mut advantages) = ([0; 2], [0.0; 2]);
/// let Outcome::Trained(selection) = signal.select(group, &mut kept, &mut advantages) else {
///     unreachable!("GSPO keeps every group");
/// };
///
/// // Two tokens each; the policy is still the one that sampled.
/// let log_probs = [-1.0, -2.0, -1.0, -3.0];
/// let [up, down] = [0, 1].map(|kept| selection.advantages[kept]);
/// let tokens = GroupTokens {
///     offsets: &[0, 2, 4],
///     policy_log_probs: &log_probs,
///     old_log_probs: &log_probs,
///     ref_log_probs: &log_probs,
///     advantages: &[up, up, down, down],
///     anchor: None,
///     divisor: selection.divisor,
/// };
/// let mut gradients = [f64::NAN; 4];
/// let loss = group_loss(&signal.loss(), tokens, &Objective::default(), &mut gradients);
/// assert_eq!((loss, gradients[0] + gradients[2]), (0.0, 0.0));
/// # Ok::<(), recast_core::GroupError>(())
/// ```
#[must_use]
pub fn group_loss<T: Real>(
    loss: &Loss<T>,
    tokens: GroupTokens<'_, T>,
    objective: &Objective<T>,
    gradients: &mut [T],
) -> T {
    let kept = assert_offsets(tokens.offsets, tokens.policy_log_probs, gradients);
    match loss {
        Loss::Policy(loss) => policy(loss, kept, &tokens, objective, gradients),
        Loss::Preference(preference) => prefer(*preference, kept, &tokens, gradients),
    }
}

fn policy<T: Real>(
    loss: &PolicyLoss<T>,
    kept: usize,
    tokens: &GroupTokens<'_, T>,
    objective: &Objective<T>,
    gradients: &mut [T],
) -> T {
    let divisor = T::of_count(tokens.divisor);
    let mut total = T::zero();
    for index in 0..kept {
        let gradients = &mut gradients[tokens.offsets[index]..tokens.offsets[index + 1]];
        total = total + completion_loss(loss, tokens.completion(index), objective, gradients);
        gradients.iter_mut().for_each(|gradient| *gradient = *gradient / divisor);
    }
    if kept == 0 { total } else { total / divisor }
}

fn prefer<T: Real>(
    preference: Preference<T>,
    kept: usize,
    tokens: &GroupTokens<'_, T>,
    gradients: &mut [T],
) -> T {
    let count = tokens.policy_log_probs.len();
    assert!(
        tokens.ref_log_probs.len() == count && tokens.advantages.len() == count,
        "{count} tokens, {} reference log-probs, {} advantages: give one for each token",
        tokens.ref_log_probs.len(),
        tokens.advantages.len()
    );
    let is_positive = |index: usize| {
        tokens.completion(index).advantages.first().is_some_and(|&side| side > T::zero())
    };
    let positives = (0..kept).filter(|&index| is_positive(index)).count();
    assert!(positives == 1, "{positives} positives of {kept} completions: a preference has one");
    let lead = |index: usize| {
        let completion = tokens.completion(index);
        let total = |log_probs: &[T]| sum(log_probs.iter().copied());
        total(completion.policy_log_probs) - total(completion.ref_log_probs)
    };
    let positive = sum((0..kept).filter(|&index| is_positive(index)).map(lead));
    let exponent = |index: usize| preference.beta() * (lead(index) - positive);
    let contrast = Contrast::of((0..kept).filter(|&index| !is_positive(index)).map(exponent));
    for index in 0..kept {
        let gradient = if is_positive(index) {
            contrast.by_positive(preference)
        } else {
            contrast.by_negative(preference, exponent(index))
        };
        gradients[tokens.offsets[index]..tokens.offsets[index + 1]].fill(gradient);
    }
    contrast.value
}
