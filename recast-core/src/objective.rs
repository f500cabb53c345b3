//! The policy objective of one token in closed form, value and gradient. The oracle for every
//! device.
//!
//! Numbers in, numbers out: advantages, old and reference log-probabilities are constants here, so
//! "no gradient" is a type. How tokens are summed or averaged is the caller's.

use thiserror::Error;

use crate::real::Real;

/// Why the numbers of an objective were refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// `clip_low` is outside [0, 1).
    #[error("clip_low {value} is not at least 0 and below 1")]
    ClipLow {
        /// The lower epsilon.
        value: f64,
    },
    /// `clip_high` is negative, infinite or NaN.
    #[error("clip_high {value} is not finite and at least 0")]
    ClipHigh {
        /// The upper epsilon.
        value: f64,
    },
    /// The dual clip is not above 1, or not finite.
    #[error("dual clip {value} is not finite and above 1: leave it out to have none")]
    DualClip {
        /// The bound c on the ratio of a negative.
        value: f64,
    },
    /// The limit of the log-ratio is not positive, or its exponential overflows.
    #[error("log-ratio limit {value} is not above 0 with a finite exponential: 20 is usual")]
    LogRatioLimit {
        /// The limit.
        value: f64,
    },
    /// The coefficient of the KL penalty is negative, infinite or NaN.
    #[error("kl_coef {value} is not finite and at least 0")]
    KlCoef {
        /// The coefficient.
        value: f64,
    },
}

/// The bounds of the ratio beyond which a token stops to teach.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip<T> {
    low: T,
    high: T,
    dual: Option<T>,
}

impl<T: Real> Clip<T> {
    /// Clips the ratio to `1 - low .. 1 + high`, and to at most `dual` where the advantage is
    /// negative.
    ///
    /// # Errors
    ///
    /// If `low` is outside [0, 1), `high` is negative or not finite, or `dual` is not finite and
    /// above 1.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::objective::Clip;
    ///
    /// let clip = Clip::new(0.2, 0.28, Some(3.0))?;
    /// assert_eq!(clip, Clip::default());
    /// assert!(Clip::new(0.2, f64::NAN, None).is_err());
    /// # Ok::<(), recast_core::objective::ObjectiveError>(())
    /// ```
    pub fn new(low: T, high: T, dual: Option<T>) -> Result<Self, ObjectiveError> {
        if !(low >= T::zero() && low < T::one()) {
            return Err(ObjectiveError::ClipLow { value: low.widen() });
        }
        if !(high >= T::zero() && high.is_finite()) {
            return Err(ObjectiveError::ClipHigh { value: high.widen() });
        }
        if let Some(bound) = dual
            && !(bound > T::one() && bound.is_finite())
        {
            return Err(ObjectiveError::DualClip { value: bound.widen() });
        }
        Ok(Self { low, high, dual })
    }

    /// The lower epsilon, `clip_low`.
    #[must_use]
    pub fn low(&self) -> T {
        self.low
    }

    /// The upper epsilon, `clip_high`.
    #[must_use]
    pub fn high(&self) -> T {
        self.high
    }

    /// The dual clip c, if any.
    #[must_use]
    pub fn dual(&self) -> Option<T> {
        self.dual
    }

    /// The constant that stands for the ratio, or `None` where the ratio itself is in force.
    fn bound(&self, ratio: T, advantage: T) -> Option<T> {
        let (lowest, highest) = (T::one() - self.low, T::one() + self.high);
        if advantage > T::zero() {
            (ratio > highest).then_some(highest)
        } else if advantage < T::zero() {
            if ratio < lowest { Some(lowest) } else { self.dual.filter(|&dual| ratio > dual) }
        } else {
            None
        }
    }
}

impl<T: Real> Default for Clip<T> {
    /// OpenOneRec's: low 0.2, high 0.28, dual 3.
    fn default() -> Self {
        Self { low: T::of(0.2), high: T::of(0.28), dual: Some(T::of(3.0)) }
    }
}

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
    fn default() -> Self {
        Self {
            clip: Clip::default(),
            log_ratio_limit: T::of(20.0),
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

/// PPO's clipped surrogate of one token, with dual clip, as a loss.
///
/// ```text
/// ratio = exp(clamp(policy - old, -limit, limit))
/// s     = min(ratio A, clip(ratio, 1 - low, 1 + high) A)
/// loss  = -max(s, c A) if A < 0 and there is a dual clip c, else -s
/// ```
///
/// The gradient is `-ratio A` where the ratio itself is in force and 0 where a clip or the clamp
/// stands for it. At a kink (a ratio equal to a bound, a log-ratio equal to the limit) it is the
/// one of the inner side, `-ratio A`. An advantage of 0 gives 0 and 0. `O(1)` time.
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
    let log_ratio = Clamped::new(policy_log_prob - old_log_prob, objective.log_ratio_limit);
    let ratio = log_ratio.value.exp();
    match objective.clip.bound(ratio, advantage) {
        Some(bound) => TokenTerm { value: -(bound * advantage), gradient: T::zero() },
        None => TokenTerm {
            value: T::zero() - ratio * advantage,
            gradient: T::zero() - log_ratio.slope * ratio * advantage,
        },
    }
}

/// The KL penalty of one token, before its coefficient.
///
/// ```text
/// d  = clamp(ref - policy, -limit, limit)
/// k1 = -d        k2 = d^2 / 2        k3 = exp(d) - d - 1
/// ```
///
/// `d` is clamped to the same limit as the log-ratio \[ours\]. Beyond the limit the gradient is 0,
/// at it the one of the inner side. `O(1)` time; see [`KlEstimator`] for the source.
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
    let log_ratio = Clamped::new(policy_log_prob - old_log_prob, objective.log_ratio_limit);
    objective.clip.bound(log_ratio.value.exp(), advantage).is_some()
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
    fn log_ratios_beyond_the_limit_are_clamped_and_flat() {
        let objective = Objective::new(Clip::default(), 0.1, KlEstimator::K3, 0.0).unwrap();
        assert_term(surrogate(-5.0, 0.0, 1.0, &objective), -(-0.1_f64).exp(), 0.0);
        let at_limit = (-0.1_f64).exp();
        assert_term(surrogate(-0.1, 0.0, 1.0, &objective), -at_limit, -at_limit);
        assert_term(kl_penalty(-5.0, 0.0, &objective), 0.1_f64.exp() - 1.1, 0.0);
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
    fn a_token_is_clipped_exactly_where_a_clip_flattens_its_surrogate() {
        for ratio in [0.1, 0.7, 0.9, 1.0, 1.2, 1.4, 2.9, 3.1, 50.0] {
            for advantage in [1.0, -1.0] {
                let clipped = is_clipped(f64::ln(ratio), 0.0, advantage, &Objective::default());
                assert_eq!(clipped, at_ratio(ratio, advantage).gradient == 0.0);
            }
        }
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for value in [-0.1, 1.0, f64::INFINITY] {
            assert_eq!(Clip::new(value, 0.2, None), Err(ObjectiveError::ClipLow { value }));
        }
        for value in [-0.1, f64::INFINITY] {
            assert_eq!(Clip::new(0.2, value, None), Err(ObjectiveError::ClipHigh { value }));
        }
        for value in [1.0, -3.0, f64::INFINITY] {
            assert_eq!(Clip::new(0.2, 0.2, Some(value)), Err(ObjectiveError::DualClip { value }));
        }
        let with = |limit, coef| Objective::new(Clip::default(), limit, KlEstimator::K3, coef);
        for value in [0.0, -20.0, 1000.0, f64::INFINITY] {
            assert_eq!(with(value, 0.0), Err(ObjectiveError::LogRatioLimit { value }));
        }
        for value in [-1.0, f64::INFINITY] {
            assert_eq!(with(20.0, value), Err(ObjectiveError::KlCoef { value }));
        }
        assert!(Clip::new(f64::NAN, 0.2, None).is_err());
        assert!(Clip::new(0.2, f64::NAN, None).is_err());
        assert!(Clip::new(0.2, 0.2, Some(f64::NAN)).is_err());
        assert!(with(f64::NAN, 0.0).is_err() && with(20.0, f64::NAN).is_err());
    }
}
