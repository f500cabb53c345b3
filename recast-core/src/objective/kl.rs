use super::{Clamped, Objective, TokenTerm};
use crate::real::Real;

/// Estimators of the divergence from the reference, of one sampled token; `d = ref - policy`.
///
/// See "Approximating KL Divergence", Schulman, <http://joschu.net/blog/kl-approx.html>. The
/// gradients are those of the sampled value; as a gradient of the divergence itself only that of
/// `k2` is unbiased.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum KlEstimator {
    /// `-d`: unbiased, negative for half of the tokens.
    K1,
    /// `d^2 / 2`: biased, never negative.
    K2,
    /// `exp(d) - d - 1`: unbiased, never negative.
    #[default]
    K3,
}

/// The KL penalty of one token, before its coefficient.
///
/// ```text
/// d  = clamp(ref - policy, -limit, limit)
/// k1 = -d        k2 = d^2 / 2        k3 = exp(d) - d - 1
/// ```
///
/// `d` is clamped to the same limit as the log-ratio \[ours\]. Beyond the limit the gradient is 0,
/// at it the one of the inner side. `O(1)` time. It cannot check that its arguments are finite. See
/// [`KlEstimator`] for the source.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{Objective, kl_penalty};
///
/// // The policy gives the token half of what the reference gives it: k3 = 2 - ln 2 - 1.
/// let term = kl_penalty(0.25_f64.ln(), 0.5_f64.ln(), &Objective::default());
/// assert!((term.value - (1.0 - 2.0_f64.ln())).abs() < 1e-12);
/// assert!(term.gradient < 0.0, "minimising the loss raises the token");
/// ```
#[must_use]
pub fn kl_penalty<T: Real>(
    policy_log_prob: T,
    ref_log_prob: T,
    objective: &Objective<T>,
) -> TokenTerm<T> {
    let difference = Clamped::new(ref_log_prob - policy_log_prob, objective.log_ratio_limit);
    let d = difference.value;
    let (value, by_d) = match objective.kl_estimator {
        KlEstimator::K1 => (-d, -T::one()),
        KlEstimator::K2 => (d * d / T::of(2.0), d),
        // `exp_m1` keeps the digits that `exp(d) - 1` loses near 0; its last one may be below d.
        KlEstimator::K3 => ((d.exp_m1() - d).max(T::zero()), d.exp_m1()),
    };
    TokenTerm { value, gradient: T::zero() - difference.slope * by_d }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::objective::Clip;
    use crate::tolerance::ROUNDING;
    use approx::assert_abs_diff_eq;

    fn assert_term(term: TokenTerm<f64>, value: f64, gradient: f64) {
        assert_abs_diff_eq!(term.value, value, epsilon = ROUNDING);
        assert_abs_diff_eq!(term.gradient, gradient, epsilon = ROUNDING);
    }

    #[test]
    fn the_three_estimators_have_their_values_and_gradients() {
        let (policy, reference) = (-1.0, -0.5);
        let d: f64 = 0.5;
        let expected = [
            (KlEstimator::K1, -d, 1.0),
            (KlEstimator::K2, d * d / 2.0, -d),
            (KlEstimator::K3, d.exp() - d - 1.0, 1.0 - d.exp()),
        ];
        for (estimator, value, gradient) in expected {
            let objective = Objective::new(Clip::default(), 20.0, estimator, 1.0).unwrap();
            assert_term(kl_penalty(policy, reference, &objective), value, gradient);
        }
    }

    #[test]
    fn beyond_the_limit_the_penalty_is_flat() {
        let objective = Objective::new(Clip::default(), 0.1, KlEstimator::K3, 0.0).unwrap();
        assert_term(kl_penalty(-5.0, 0.0, &objective), 0.1_f64.exp() - 1.1, 0.0);
    }
}
