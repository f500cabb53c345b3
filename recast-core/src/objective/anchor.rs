use super::TokenTerm;
use crate::real::Real;

/// The ratio of an anchor. An anchor was written from the ground truth, not sampled: it is
/// supervision, whatever the ratio. \[ours\]
///
/// ```text
/// recompute   the surrogate
/// detached    mean over t of -A_t                       gradient -A_t / S
/// shaped      mean over t of -A_t p_t / (p_t + gamma)   p_t = exp(policy_t)
/// weighted    weight times the surrogate
/// ```
///
/// The surrogate is that of the [`PolicyLoss`](super::PolicyLoss); `detached` and `shaped` take its
/// place. The KL penalty is added to all and never weighted.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum AnchorRatio<T> {
    /// The frozen rollout policy evaluates the anchor's old log-probability, like any other: the
    /// ratio starts at 1 and is clipped alike.
    #[default]
    Recompute,
    /// `exp(policy - stop_grad(policy))`: always 1, never clipped. No old log-probability is read.
    Detached,
    /// LUFFY's shaping, `p / (p + gamma)` of the policy's own probability, never clipped:
    /// improbable tokens weigh more than their probability. No old log-probability is read. See
    /// "Learning to Reason under Off-Policy Guidance", Yan et al.,
    /// <https://arxiv.org/abs/2504.14945>.
    Shaped {
        /// The summand beside the probability; 0.1 in the paper.
        gamma: T,
    },
    /// The surrogate of `Recompute` times a weight. The penalty is not weighted.
    Weighted {
        /// The weight of the anchor beside a rollout.
        weight: T,
    },
}

/// One token of a detached anchor.
pub(super) fn detached<T: Real>(advantage: T) -> TokenTerm<T> {
    TokenTerm { value: T::zero() - advantage, gradient: T::zero() - advantage }
}

/// One token of a shaped anchor.
pub(super) fn shaped<T: Real>(policy_log_prob: T, advantage: T, gamma: T) -> TokenTerm<T> {
    let probability = policy_log_prob.exp();
    let share = probability / (probability + gamma);
    TokenTerm {
        value: T::zero() - advantage * share,
        gradient: T::zero() - advantage * share * (gamma / (probability + gamma)),
    }
}
