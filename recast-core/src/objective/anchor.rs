use super::{Objective, TokenTerm, kl_penalty, surrogate};
use crate::real::Real;

/// How the ratio of an anchor is taken. An anchor was written from the ground truth, not sampled:
/// it is supervision, whatever the ratio. \[ours\]
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum AnchorRatio<T> {
    /// Its old log-probability is evaluated by the frozen rollout policy, like any other: the ratio
    /// starts at 1 and is clipped alike.
    #[default]
    Recompute,
    /// `exp(policy - stop_grad(policy))`: always 1, never clipped. No old log-probability is read.
    Detached,
    /// LUFFY's shaping, `p / (p + gamma)` of the policy's own probability, never clipped: tokens
    /// the policy finds improbable weigh more than their probability. No old log-probability is
    /// read. See "Learning to Reason under Off-Policy Guidance", Yan et al.,
    /// <https://arxiv.org/abs/2504.14945>.
    Shaped {
        /// What is added to the probability; 0.1 in the paper.
        gamma: T,
    },
    /// As `Recompute`, the surrogate times a weight. The penalty is not weighted.
    Weighted {
        /// What the anchor counts beside a rollout.
        weight: T,
    },
}

/// The loss of one token of an anchor: its surrogate plus the KL penalty.
///
/// ```text
/// recompute   surrogate(policy, old, A)
/// detached    -A                             gradient -A
/// shaped      -A p / (p + gamma)             gradient -A gamma p / (p + gamma)^2, p = exp(policy)
/// weighted    weight surrogate(policy, old, A)
/// all         + kl_coef k(ref - policy)
/// ```
///
/// With `kl_coef` 0 the reference is not read; old log-probabilities only where the list says so.
/// `O(1)` time. It cannot check that its arguments are finite, nor that gamma is positive and the
/// weight not negative: [`Signal::check`](crate::Signal::check) does the latter.
///
/// Grade: \[ours\].
///
/// # Examples
///
/// ```
/// use recast_core::objective::{AnchorRatio, Clip, KlEstimator, Objective, anchor_loss};
///
/// let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.0)?;
/// let shaped = AnchorRatio::Shaped { gamma: 0.1 };
/// let term = anchor_loss(0.1_f64.ln(), f64::NAN, f64::NAN, 1.0, shaped, &objective);
/// assert!((term.value + 0.5).abs() < 1e-12 && (term.gradient + 0.25).abs() < 1e-12);
/// # Ok::<(), recast_core::objective::ObjectiveError>(())
/// ```
#[must_use]
pub fn anchor_loss<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    ref_log_prob: T,
    advantage: T,
    ratio: AnchorRatio<T>,
    objective: &Objective<T>,
) -> TokenTerm<T> {
    let term = match ratio {
        AnchorRatio::Recompute => surrogate(policy_log_prob, old_log_prob, advantage, objective),
        AnchorRatio::Detached => {
            TokenTerm { value: T::zero() - advantage, gradient: T::zero() - advantage }
        }
        AnchorRatio::Shaped { gamma } => {
            let probability = policy_log_prob.exp();
            let share = probability / (probability + gamma);
            TokenTerm {
                value: T::zero() - advantage * share,
                gradient: T::zero() - advantage * share * (gamma / (probability + gamma)),
            }
        }
        AnchorRatio::Weighted { weight } => {
            let term = surrogate(policy_log_prob, old_log_prob, advantage, objective);
            TokenTerm { value: weight * term.value, gradient: weight * term.gradient }
        }
    };
    if objective.kl_coef.is_zero() {
        return term;
    }
    let penalty = kl_penalty(policy_log_prob, ref_log_prob, objective);
    TokenTerm {
        value: term.value + objective.kl_coef * penalty.value,
        gradient: term.gradient + objective.kl_coef * penalty.gradient,
    }
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

    fn assert_term(term: TokenTerm<f64>, value: f64, gradient: f64) {
        assert_abs_diff_eq!(term.value, value, epsilon = ROUNDING);
        assert_abs_diff_eq!(term.gradient, gradient, epsilon = ROUNDING);
    }

    #[test]
    fn a_recomputed_anchor_is_a_token_like_any_other() {
        let objective = objective(0.1);
        let expected = token_loss(-1.0, -1.2, -1.1, 2.0, &objective);
        let term = anchor_loss(-1.0, -1.2, -1.1, 2.0, AnchorRatio::Recompute, &objective);
        assert_eq!(term, expected);
    }

    #[test]
    fn a_detached_anchor_is_never_clipped() {
        let nan = f64::NAN;
        let term = anchor_loss(-0.1, nan, nan, 2.0, AnchorRatio::Detached, &objective(0.0));
        assert_term(term, -2.0, -2.0);
    }

    #[test]
    fn a_shaped_anchor_weighs_by_its_own_probability() {
        let shaped = AnchorRatio::Shaped { gamma: 0.1 };
        let at = |p: f64| anchor_loss(p.ln(), f64::NAN, f64::NAN, 3.0, shaped, &objective(0.0));
        assert_term(at(0.4), -3.0 * 0.8, -3.0 * 0.4 * 0.1 / 0.25);
        assert_term(at(0.0), 0.0, 0.0);
    }

    #[test]
    fn a_weight_scales_the_surrogate_and_not_the_penalty() {
        let objective = objective(0.1);
        let weighted = AnchorRatio::Weighted { weight: 0.5 };
        let term = anchor_loss(-1.0, -1.2, -1.4, 2.0, weighted, &objective);
        let surrogate = surrogate(-1.0, -1.2, 2.0, &objective);
        let penalty = kl_penalty(-1.0, -1.4, &objective);
        assert_term(
            term,
            0.5 * surrogate.value + 0.1 * penalty.value,
            0.5 * surrogate.gradient + 0.1 * penalty.gradient,
        );
    }
}
