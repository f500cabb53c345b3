use super::{Clamped, Objective, TokenTerm};
use crate::real::Real;

/// PPO's clipped surrogate of one token, with dual clip or another bound, as a loss.
///
/// ```text
/// ratio = exp(clamp(policy - old', -limit, limit))
/// s     = min(ratio A, clip(ratio, 1 - low, 1 + high) A)
/// loss  = -max(s, c A) if A < 0 and there is a dual clip c, else -s
/// ```
///
/// `old'` is the old log-probability, or the larger constant that ECPO and GBPO put in its place:
/// see [`RatioBound`](super::RatioBound). The gradient is `-ratio A` where the ratio itself is in
/// force and 0 where a clip or the clamp stands for it. At a kink (a ratio equal to a bound, a
/// log-ratio equal to the limit) it is the one of the inner side, `-ratio A`. An advantage of 0
/// gives 0 and 0. `O(1)` time. It cannot check that its arguments are finite, nor that both
/// log-probabilities are of the same token under the same set of allowed codes.
///
/// See "Proximal Policy Optimization Algorithms", Schulman et al., section 3,
/// <https://arxiv.org/abs/1707.06347>, and for the dual clip "Mastering Complex Control in MOBA
/// Games with Deep Reinforcement Learning", Ye et al., <https://arxiv.org/abs/1912.09729>; used
/// unchanged by <https://arxiv.org/abs/2604.22169>.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{Objective, surrogate};
///
/// // A negative whose probability already fell below 0.8 of the old one is left alone.
/// let term = surrogate(-2.0, -1.0, -1.0, &Objective::default());
/// assert_eq!((term.value, term.gradient), (0.8, 0.0));
/// ```
#[must_use]
pub fn surrogate<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    advantage: T,
    objective: &Objective<T>,
) -> TokenTerm<T> {
    let log_ratio = log_ratio(policy_log_prob, old_log_prob, advantage, objective);
    at_log_ratio(&log_ratio, advantage, objective)
}

/// The surrogate at a log-ratio, and its derivative by that log-ratio.
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

/// Whether a clip, PPO's or dual, stands for the ratio of this token: `clip_fraction` is its mean.
///
/// A ratio beyond a bound that its advantage does not reach (a positive below `1 - low`, say) is
/// not clipped, nor is one equal to the bound, nor any with advantage 0. `O(1)` time.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{Objective, is_clipped};
///
/// let objective = Objective::default();
/// assert!(is_clipped(-1.0, -2.0, 1.0, &objective));
/// assert!(!is_clipped(-2.0, -1.0, 1.0, &objective));
/// ```
#[must_use]
pub fn is_clipped<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    advantage: T,
    objective: &Objective<T>,
) -> bool {
    let log_ratio = log_ratio(policy_log_prob, old_log_prob, advantage, objective);
    objective.clip.bound(log_ratio.value.exp(), advantage).is_some()
}

/// The log-ratio of a token against its old probability, or what bounds it from below.
fn log_ratio<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    advantage: T,
    objective: &Objective<T>,
) -> Clamped<T> {
    let old = objective.clip.bounded_old_log_prob(policy_log_prob, old_log_prob, advantage);
    Clamped::new(policy_log_prob - old, objective.log_ratio_limit)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::{Clip, KlEstimator};
    use crate::tolerance::ROUNDING;
    use approx::assert_abs_diff_eq;

    /// The surrogate at a ratio, under the default objective.
    fn at_ratio(ratio: f64, advantage: f64) -> TokenTerm<f64> {
        surrogate(ratio.ln(), 0.0, advantage, &Objective::default())
    }

    fn assert_term(term: TokenTerm<f64>, value: f64, gradient: f64) {
        assert_abs_diff_eq!(term.value, value, epsilon = ROUNDING);
        assert_abs_diff_eq!(term.gradient, gradient, epsilon = ROUNDING);
    }

    #[test]
    fn a_positive_is_clipped_above_only() {
        assert_term(at_ratio(1.2, 2.0), -2.4, -2.4);
        assert_term(at_ratio(1.5, 2.0), -2.56, 0.0);
        assert_term(at_ratio(0.1, 2.0), -0.2, -0.2);
    }

    #[test]
    fn a_negative_is_clipped_below_and_by_the_dual_clip() {
        assert_term(at_ratio(0.9, -1.0), 0.9, 0.9);
        assert_term(at_ratio(0.5, -1.0), 0.8, 0.0);
        assert_term(at_ratio(2.5, -1.0), 2.5, 2.5);
        assert_term(at_ratio(4.0, -1.0), 3.0, 0.0);
    }

    #[test]
    fn without_a_dual_clip_a_negative_is_unbounded_above() {
        let clip = Clip::new(0.2, 0.28, None).unwrap();
        let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.0).unwrap();
        assert_term(surrogate(4.0_f64.ln(), 0.0, -1.0, &objective), 4.0, 4.0);
    }

    #[test]
    fn at_a_kink_the_gradient_is_the_inner_one() {
        // Bounds that are exact at the ratio 1: exp(0) is exactly 1 + 0 and 1 - 0.
        let clip = Clip::new(0.0, 0.0, None).unwrap();
        let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.0).unwrap();
        for advantage in [1.0, -1.0] {
            assert_term(surrogate(0.0, 0.0, advantage, &objective), -advantage, -advantage);
            assert!(!is_clipped(0.0, 0.0, advantage, &objective));
        }
    }

    #[test]
    fn an_advantage_of_zero_gives_nothing() {
        for ratio in [0.1, 1.0, 9.0] {
            assert_term(at_ratio(ratio, 0.0), 0.0, 0.0);
            assert!(!is_clipped(ratio.ln(), 0.0, 0.0, &Objective::default()));
        }
    }

    #[test]
    fn a_token_is_clipped_exactly_where_a_clip_flattens_its_surrogate() {
        for ratio in [0.1, 0.7, 0.9, 1.0, 1.2, 1.4, 2.9, 3.1, 50.0] {
            for advantage in [1.0, -1.0] {
                let clipped = is_clipped(f64::ln(ratio), 0.0, advantage, &Objective::default());
                assert_eq!(clipped, at_ratio(ratio, advantage).gradient == 0.0);
            }
        }
    }

    #[test]
    fn log_ratios_beyond_the_limit_are_clamped_and_flat() {
        let objective = Objective::new(Clip::default(), 0.1, KlEstimator::K3, 0.0).unwrap();
        assert_term(surrogate(-5.0, 0.0, 1.0, &objective), -(-0.1_f64).exp(), 0.0);
        let at_limit = (-0.1_f64).exp();
        assert_term(surrogate(-0.1, 0.0, 1.0, &objective), -at_limit, -at_limit);
    }
}
