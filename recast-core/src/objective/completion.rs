use super::sequence::mean_log_ratio;
use super::{
    AnchorRatio, Clamped, Objective, PolicyLoss, Surrogate, TokenTerm, anchor, kl_penalty,
    sequence, surrogate,
};
use crate::real::{Real, sum};

/// The tokens of one completion. One token alone is a completion too.
///
/// # Shapes
///
/// Every column: (S). `old_log_probs` may be empty for an anchor whose ratio is detached or shaped.
/// `ref_log_probs` may be empty if `kl_coef` is 0 and negatives have no margin. The loss then does
/// not read them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CompletionTokens<'a, T> {
    /// Log-probabilities under the current policy.
    pub policy_log_probs: &'a [T],
    /// Log-probabilities under the policy that sampled.
    pub old_log_probs: &'a [T],
    /// Log-probabilities under the frozen reference.
    pub ref_log_probs: &'a [T],
    /// The advantage of each token: see
    /// [`Signal::token_advantages`](crate::Signal::token_advantages).
    pub advantages: &'a [T],
    /// Whether the completion is the anchor of its group.
    pub is_anchor: bool,
}

impl<T: Real> CompletionTokens<'_, T> {
    /// The number of tokens, S.
    pub(super) fn len(&self) -> usize {
        self.policy_log_probs.len()
    }

    /// The ratio of this completion, if it is an anchor.
    fn anchor_ratio(&self, loss: &PolicyLoss<T>) -> AnchorRatio<T> {
        if self.is_anchor { loss.anchor_ratio } else { AnchorRatio::Recompute }
    }

    /// Whether old log-probabilities are read.
    fn has_ratio(&self, loss: &PolicyLoss<T>) -> bool {
        match self.anchor_ratio(loss) {
            AnchorRatio::Recompute | AnchorRatio::Weighted { .. } => true,
            AnchorRatio::Detached | AnchorRatio::Shaped { .. } => false,
        }
    }

    /// Whether the completion is a negative that the policy holds below the margin.
    fn is_stopped(&self, loss: &PolicyLoss<T>) -> bool {
        let total = |column: &[T]| sum(column.iter().copied());
        loss.negative_margin.is_some_and(|margin| {
            let lead = total(self.policy_log_probs) - total(self.ref_log_probs);
            total(self.advantages) < T::zero() && lead < -margin
        })
    }

    fn assert_slices(&self, loss: &PolicyLoss<T>, reads_references: bool) {
        let tokens = self.len();
        assert!(
            (self.old_log_probs.len() == tokens || !self.has_ratio(loss))
                && (self.ref_log_probs.len() == tokens || !reads_references)
                && self.advantages.len() == tokens,
            "{tokens} tokens, {} old and {} reference log-probs, {} advantages: give one for each \
             token",
            self.old_log_probs.len(),
            self.ref_log_probs.len(),
            self.advantages.len()
        );
    }
}

/// The loss of one completion under a policy loss, and its gradient.
///
/// ```text
/// loss         = surrogate of the completion + kl_coef mean over t of k(ref_t - policy_t)
/// gradients[t] = derivative by policy_t
/// ```
///
/// [`Surrogate`] has the formulas of a completion that was sampled, [`AnchorRatio`] those of an
/// anchor, [`kl_penalty`] the penalty. With [`kl_times_ratio`](Objective::kl_times_ratio) each k is
/// multiplied by the ratio of its token, under [`Surrogate::Sequence`] by that of the completion.
/// The penalty of an anchor without a ratio is not multiplied \[ours\]. A negative below its
/// [margin](PolicyLoss::negative_margin) has surrogate and gradient 0. At kinks the gradient is
/// the inner side's. No tokens give 0. `O(S)` time, no allocation.
///
/// Grade: \[paper\] for ReCast's outer objective, PPO's clip plus KL, unchanged; the numbers of the
/// default objective are OpenOneRec's. See <https://arxiv.org/abs/2604.22169>.
///
/// # Panics
///
/// If the slices differ in length.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{CompletionTokens, Objective, PolicyLoss, completion_loss};
///
/// // Before the first step the policy equals the old policy and the reference.
/// let log_probs = [-1.5, -0.5];
/// let tokens = CompletionTokens {
///     policy_log_probs: &log_probs,
///     old_log_probs: &log_probs,
///     ref_log_probs: &log_probs,
///     advantages: &[1.0; 2],
///     is_anchor: false,
/// };
/// let mut gradients = [f64::NAN; 2];
/// let loss =
///     completion_loss(&PolicyLoss::default(), tokens, &Objective::default(), &mut gradients);
/// assert_eq!((loss, gradients), (-1.0, [-0.5, -0.5]));
/// ```
#[must_use]
pub fn completion_loss<T: Real>(
    loss: &PolicyLoss<T>,
    tokens: CompletionTokens<'_, T>,
    objective: &Objective<T>,
    gradients: &mut [T],
) -> T {
    let penalised = !objective.kl_coef.is_zero();
    tokens.assert_slices(loss, penalised || loss.negative_margin.is_some());
    assert!(
        gradients.len() == tokens.len(),
        "{} tokens need as many gradients, got {}",
        tokens.len(),
        gradients.len()
    );
    if tokens.len() == 0 {
        return T::zero();
    }
    let value = match tokens.anchor_ratio(loss) {
        _ if tokens.is_stopped(loss) => {
            gradients.fill(T::zero());
            T::zero()
        }
        AnchorRatio::Recompute => sampled(loss.surrogate, &tokens, objective, gradients),
        AnchorRatio::Weighted { weight } => {
            let value = sampled(loss.surrogate, &tokens, objective, gradients);
            gradients.iter_mut().for_each(|gradient| *gradient = *gradient * weight);
            value * weight
        }
        AnchorRatio::Detached => {
            token_mean(gradients, |token| anchor::detached(tokens.advantages[token]))
        }
        AnchorRatio::Shaped { gamma } => token_mean(gradients, |token| {
            anchor::shaped(tokens.policy_log_probs[token], tokens.advantages[token], gamma)
        }),
    };
    if !penalised {
        return value;
    }
    value + add_penalty(loss, &tokens, objective, gradients)
}

/// The number of tokens of a completion whose ratio a clip holds: `clip_fraction` is their share.
///
/// [`Clipped`](Surrogate::Clipped) counts PPO's clip and the dual clip. A ratio beyond a bound that
/// its advantage does not reach (a positive below `1 - low`, say) is not clipped. CISPO counts
/// every ratio outside of the clip; a sequence ratio counts all tokens or none. GMPO counts each
/// bounded log-ratio, SAPO nothing. A ratio equal to its bound is not clipped. Neither is a token
/// with advantage 0, nor a token of an anchor without a ratio. A negative's margin does not count.
/// `O(S)` time.
///
/// # Panics
///
/// If the slices differ in length; the references are not read and may be empty.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{CompletionTokens, Objective, PolicyLoss, clipped_tokens};
///
/// let tokens = CompletionTokens {
///     policy_log_probs: &[-1.0, -2.0],
///     old_log_probs: &[-2.0, -1.0],
///     ref_log_probs: &[],
///     advantages: &[1.0; 2],
///     is_anchor: false,
/// };
/// assert_eq!(clipped_tokens(&PolicyLoss::default(), tokens, &Objective::default()), 1);
/// ```
#[must_use]
pub fn clipped_tokens<T: Real>(
    loss: &PolicyLoss<T>,
    tokens: CompletionTokens<'_, T>,
    objective: &Objective<T>,
) -> usize {
    tokens.assert_slices(loss, false);
    if tokens.len() == 0 {
        return 0;
    }
    let count = |is_clipped: fn(T, T, T, &Objective<T>) -> bool| {
        let columns = tokens.policy_log_probs.iter().zip(tokens.old_log_probs);
        columns
            .zip(tokens.advantages)
            .filter(|&((&policy, &old), &advantage)| is_clipped(policy, old, advantage, objective))
            .count()
    };
    if !tokens.has_ratio(loss) {
        return 0;
    }
    match loss.surrogate {
        Surrogate::Clipped => count(surrogate::is_clipped),
        Surrogate::Cispo => count(surrogate::is_held),
        Surrogate::Sapo { .. } => 0,
        Surrogate::Sequence if sequence::is_clipped(&tokens, objective) => tokens.len(),
        Surrogate::Sequence => 0,
        Surrogate::GeometricMean => sequence::bounded_tokens(&tokens, objective),
    }
}

/// The surrogate of a completion that has a ratio.
fn sampled<T: Real>(
    kind: Surrogate<T>,
    tokens: &CompletionTokens<'_, T>,
    objective: &Objective<T>,
    gradients: &mut [T],
) -> T {
    let numbers = |token: usize| {
        (tokens.policy_log_probs[token], tokens.old_log_probs[token], tokens.advantages[token])
    };
    match kind {
        Surrogate::Clipped => token_mean(gradients, |token| {
            let (policy, old, advantage) = numbers(token);
            surrogate::clipped(policy, old, advantage, objective)
        }),
        Surrogate::Cispo => token_mean(gradients, |token| {
            let (policy, old, advantage) = numbers(token);
            surrogate::cispo(policy, old, advantage, objective)
        }),
        Surrogate::Sapo { positive, negative } => token_mean(gradients, |token| {
            let (policy, old, advantage) = numbers(token);
            surrogate::sapo(policy, old, advantage, [positive, negative], objective)
        }),
        Surrogate::Sequence => sequence::sequence(tokens, objective, gradients),
        Surrogate::GeometricMean => sequence::geometric_mean(tokens, objective, gradients),
    }
}

/// The mean of the tokens' terms; each token has its share of the gradient.
fn token_mean<T: Real>(gradients: &mut [T], term: impl Fn(usize) -> TokenTerm<T>) -> T {
    let count = T::of_count(gradients.len());
    let mut total = T::zero();
    for (token, gradient) in gradients.iter_mut().enumerate() {
        let term = term(token);
        total = total + term.value;
        *gradient = term.gradient / count;
    }
    total / count
}

/// `kl_coef` times the mean penalty; its gradient is added.
fn add_penalty<T: Real>(
    loss: &PolicyLoss<T>,
    tokens: &CompletionTokens<'_, T>,
    objective: &Objective<T>,
    gradients: &mut [T],
) -> T {
    let weight = objective.kl_coef / T::of_count(tokens.len());
    let penalty = |token: usize| {
        kl_penalty(tokens.policy_log_probs[token], tokens.ref_log_probs[token], objective)
    };
    if !(objective.kl_times_ratio && tokens.has_ratio(loss)) {
        return gradients.iter_mut().enumerate().fold(T::zero(), |total, (token, gradient)| {
            let term = penalty(token);
            *gradient = *gradient + weight * term.gradient;
            total + weight * term.value
        });
    }
    match loss.surrogate {
        Surrogate::Sequence => {
            let log_ratio = mean_log_ratio(tokens, objective);
            let ratio = log_ratio.value.exp();
            let mut total = T::zero();
            for (token, gradient) in gradients.iter_mut().enumerate() {
                let term = penalty(token);
                *gradient = *gradient + weight * ratio * term.gradient;
                total = total + weight * term.value;
            }
            let value = total * ratio;
            let by_token = log_ratio.slope * value / T::of_count(tokens.len());
            gradients.iter_mut().for_each(|gradient| *gradient = *gradient + by_token);
            value
        }
        Surrogate::Clipped
        | Surrogate::Cispo
        | Surrogate::Sapo { .. }
        | Surrogate::GeometricMean => {
            gradients.iter_mut().enumerate().fold(T::zero(), |total, (token, gradient)| {
                let difference = tokens.policy_log_probs[token] - tokens.old_log_probs[token];
                let log_ratio = Clamped::new(difference, objective.log_ratio_limit);
                let (ratio, term) = (log_ratio.value.exp(), penalty(token));
                let by_ratio = log_ratio.slope * term.value;
                *gradient = *gradient + weight * ratio * (term.gradient + by_ratio);
                total + weight * ratio * term.value
            })
        }
    }
}
