//! Objectives in closed form, value and gradient. The oracle for every device.
//!
//! Numbers in, numbers out: advantages, old and reference log-probabilities are constants here, so
//! "no gradient" is a type. How tokens are summed or averaged is the caller's, where a function
//! does not say so.
//!
//! | objective | unit | function |
//! |---|---|---|
//! | clipped surrogate plus KL | token | [`token_loss`], its terms [`surrogate`] and [`kl_penalty`] |
//! | its weighted sum | all tokens of a batch, flat | [`policy_loss`] |
//! | the same with GSPO's sequence ratio | sequence | [`sequence_loss`] |
//! | the anchor of a repaired group | token | [`anchor_loss`] |
//! | DPO and S-DPO | one positive, its negatives | [`preference_loss`] |
//!
//! Log-ratios are clamped to the objective's limit, on both sides, before they are exponentiated;
//! beyond it the gradient is 0. Preference losses need no clamp. Nothing here can check that
//! log-probabilities are finite, or that all of one token are renormalised over the same codes.

mod anchor;
mod clip;
mod error;
mod kl;
mod policy;
mod preference;
mod sequence;
mod surrogate;

use crate::real::Real;

pub use self::anchor::{AnchorRatio, anchor_loss};
pub use self::clip::{Clip, RatioBound};
pub use self::error::ObjectiveError;
pub use self::kl::{KlEstimator, kl_penalty};
pub use self::policy::{PolicyTokens, policy_loss};
pub use self::preference::{Preference, preference_loss};
pub use self::sequence::{RatioLevel, sequence_loss};
pub use self::surrogate::{is_clipped, surrogate};

/// The numbers of the policy objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective<T> {
    clip: Clip<T>,
    log_ratio_limit: T,
    kl_estimator: KlEstimator,
    kl_coef: T,
}

impl<T: Real> Objective<T> {
    /// PPO's clipped surrogate plus `kl_coef` times a KL penalty; log-ratios are clamped to the
    /// limit.
    ///
    /// # Errors
    ///
    /// If the limit is not positive or its exponential overflows, or if `kl_coef` is negative or
    /// not finite.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::objective::{Clip, KlEstimator, Objective};
    ///
    /// let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 1e-3)?;
    /// assert_eq!(objective, Objective::default());
    /// # Ok::<(), recast_core::objective::ObjectiveError>(())
    /// ```
    pub fn new(
        clip: Clip<T>,
        log_ratio_limit: T,
        kl_estimator: KlEstimator,
        kl_coef: T,
    ) -> Result<Self, ObjectiveError> {
        if !(log_ratio_limit > T::zero() && log_ratio_limit.exp().is_finite()) {
            return Err(ObjectiveError::LogRatioLimit { value: log_ratio_limit.widen() });
        }
        if !(kl_coef >= T::zero() && kl_coef.is_finite()) {
            return Err(ObjectiveError::KlCoef { value: kl_coef.widen() });
        }
        Ok(Self { clip, log_ratio_limit, kl_estimator, kl_coef })
    }

    /// The bounds of the ratio.
    #[must_use]
    pub fn clip(&self) -> Clip<T> {
        self.clip
    }

    /// What log-ratios are clamped to, on both sides.
    #[must_use]
    pub fn log_ratio_limit(&self) -> T {
        self.log_ratio_limit
    }

    /// The estimator of the KL penalty.
    #[must_use]
    pub fn kl_estimator(&self) -> KlEstimator {
        self.kl_estimator
    }

    /// The coefficient of the KL penalty.
    #[must_use]
    pub fn kl_coef(&self) -> T {
        self.kl_coef
    }
}

impl<T: Real> Default for Objective<T> {
    /// OpenOneRec's: the default clip, log-ratios within 20, k3 with coefficient 1e-3.
    ///
    /// Where `exp(20)` overflows, as in `f16`, log-ratios are within 10 \[ours\].
    fn default() -> Self {
        let usual = T::of(20.0);
        Self {
            clip: Clip::default(),
            log_ratio_limit: if usual.exp().is_finite() { usual } else { T::of(10.0) },
            kl_estimator: KlEstimator::K3,
            kl_coef: T::of(1e-3),
        }
    }
}

/// A term of the loss of one token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenTerm<T> {
    /// Its value, to be minimised.
    pub value: T,
    /// Its derivative by the policy's log-probability of the token.
    pub gradient: T,
}

/// The loss of one token: the clipped surrogate plus the KL penalty.
///
/// ```text
/// loss = surrogate(policy, old, A) + kl_coef k(ref - policy)
/// ```
///
/// With `kl_coef` 0 the reference is not read. See [`surrogate`] and [`kl_penalty`] for terms and
/// kinks. `O(1)` time. It cannot check that its arguments are finite.
///
/// Grade: \[paper\] that the outer objective is PPO's clip plus KL, unchanged; the numbers are
/// OpenOneRec's. See <https://arxiv.org/abs/2604.22169>.
///
/// # Examples
///
/// ```
/// use recast_core::objective::{Objective, token_loss};
///
/// // Before the first step the policy equals the old policy and the reference.
/// let term = token_loss(-1.5, -1.5, -1.5, 1.0, &Objective::default());
/// assert_eq!((term.value, term.gradient), (-1.0, -1.0));
/// ```
#[must_use]
pub fn token_loss<T: Real>(
    policy_log_prob: T,
    old_log_prob: T,
    ref_log_prob: T,
    advantage: T,
    objective: &Objective<T>,
) -> TokenTerm<T> {
    let surrogate = surrogate(policy_log_prob, old_log_prob, advantage, objective);
    if objective.kl_coef.is_zero() {
        return surrogate;
    }
    let penalty = kl_penalty(policy_log_prob, ref_log_prob, objective);
    TokenTerm {
        value: surrogate.value + objective.kl_coef * penalty.value,
        gradient: surrogate.gradient + objective.kl_coef * penalty.gradient,
    }
}

/// A difference of log-probabilities within a limit, and its slope: 1 inside and at the limit, 0
/// beyond.
struct Clamped<T> {
    value: T,
    slope: T,
}

impl<T: Real> Clamped<T> {
    fn new(difference: T, limit: T) -> Self {
        let slope = if difference.abs() > limit { T::zero() } else { T::one() };
        Self { value: difference.max(-limit).min(limit), slope }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerance::ROUNDING;
    use approx::assert_abs_diff_eq;

    fn assert_term(term: TokenTerm<f64>, value: f64, gradient: f64) {
        assert_abs_diff_eq!(term.value, value, epsilon = ROUNDING);
        assert_abs_diff_eq!(term.gradient, gradient, epsilon = ROUNDING);
    }

    #[test]
    fn extreme_log_probs_give_finite_losses_in_single_precision() {
        for (policy, old) in [(0.0, -1e30), (-1e30, 0.0)] {
            for advantage in [1.0, -1.0] {
                let term = token_loss(policy, old, old, advantage, &Objective::<f32>::default());
                assert!(term.value.is_finite() && term.gradient.is_finite());
            }
        }
    }

    #[test]
    fn the_loss_is_the_surrogate_plus_the_weighted_penalty() {
        let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K2, 0.5).unwrap();
        let term = token_loss(-1.0, -1.0, -0.5, 1.0, &objective);
        assert_term(term, -1.0 + 0.5 * 0.125, -1.0 - 0.5 * 0.5);
    }

    #[test]
    fn without_a_coefficient_the_reference_is_not_read() {
        let objective = Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.0).unwrap();
        assert_term(token_loss(-1.0, -1.0, f64::NAN, 1.0, &objective), -1.0, -1.0);
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        let with = |limit, coef| Objective::new(Clip::default(), limit, KlEstimator::K3, coef);
        for value in [0.0, -20.0, 1000.0, f64::INFINITY] {
            assert_eq!(with(value, 0.0), Err(ObjectiveError::LogRatioLimit { value }));
        }
        for value in [-1.0, f64::INFINITY] {
            assert_eq!(with(20.0, value), Err(ObjectiveError::KlCoef { value }));
        }
        assert!(with(f64::NAN, 0.0).is_err() && with(20.0, f64::NAN).is_err());
    }

    #[test]
    fn the_default_passes_its_own_check_in_every_precision() {
        fn check<T: Real>() {
            let default = Objective::<T>::default();
            let (limit, coef) = (default.log_ratio_limit(), default.kl_coef());
            let checked = Objective::new(default.clip(), limit, default.kl_estimator(), coef);
            assert_eq!(checked, Ok(default));
        }
        check::<f64>();
        check::<f32>();
        check::<half::bf16>();
        check::<half::f16>();
    }
}
