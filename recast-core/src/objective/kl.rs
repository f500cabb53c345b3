use super::{Clamped, Objective, TokenTerm};
use crate::real::Real;

/// Estimators of the divergence from the reference, of one sampled token; `d = ref - policy`.
///
/// See "Approximating KL Divergence", Schulman, <http://joschu.net/blog/kl-approx.html>. The
/// gradients belong to the sampled value. Only the gradient of `k2` is an unbiased gradient of the
/// divergence itself.
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
/// k  = clamp(k, -kl_value_limit, kl_value_limit)        if the objective has one
/// ```
///
/// `d` is clamped to the same limit as the log-ratio \[ours\]. Beyond either limit the gradient is
/// 0, at the limit it is the inner side's. verl and OpenOneRec cap k3, and k3 alone, at 10: a `d`
/// above 2.6 or below -11. A token that has left the reference that far is no longer pulled back.
/// The cap of the other estimators is \[ours\]; TRL has none. The penalty leaves out the factor of
/// [`kl_times_ratio`](Objective::kl_times_ratio). `O(1)` time. The function cannot check that its
/// arguments are finite. See [`KlEstimator`] for the source.
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
    let gradient = T::zero() - difference.slope * by_d;
    let Some(limit) = objective.kl_value_limit else { return TokenTerm { value, gradient } };
    let capped = Clamped::new(value, limit);
    TokenTerm { value: capped.value, gradient: capped.slope * gradient }
}
