//! Objectives in closed form, value and gradient: the oracle for every device.
//!
//! Every function takes and gives plain numbers: advantages, old and reference log-probabilities
//! are constants here, so "no gradient" is a type. A [`Loss`] comes from the signal, so that no
//! selection meets another signal's loss; an [`Objective`] has the numbers that signals share.
//!
//! | tokens of the update | function |
//! |---|---|
//! | the kept completions of a group, under any loss | [`group_loss`] |
//! | completions of many groups with a weight each | [`policy_loss`] |
//! | one completion, or one token | [`completion_loss`] |
//! | a positive and its negatives | [`preference_loss`] |
//!
//! [`Surrogate`] lists the formulas, [`AnchorRatio`] the losses of an anchor, [`kl_penalty`] the
//! penalty; [`clipped_tokens`] counts for `clip_fraction`. Log-ratios are clamped to the
//! objective's limit, on both sides, before they are exponentiated; beyond it the gradient is 0.
//! Preference losses need no clamp. No function can check that log-probabilities are finite,
//! or that all those of one token are renormalised over the same codes.

mod anchor;
mod cast;
mod clip;
mod completion;
mod error;
mod group;
mod kl;
mod loss;
mod policy;
mod preference;
mod sequence;
mod surrogate;

use crate::real::Real;

pub use self::anchor::AnchorRatio;
pub use self::clip::{Clip, RatioBound};
pub use self::completion::{CompletionTokens, clipped_tokens, completion_loss};
pub use self::error::ObjectiveError;
pub use self::group::{GroupTokens, group_loss};
pub use self::kl::{KlEstimator, kl_penalty};
pub use self::loss::{Loss, PolicyLoss, Surrogate};
pub use self::policy::{PolicyTokens, policy_loss};
pub use self::preference::{Preference, preference_loss};

/// The numbers of the policy objective.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Objective<T> {
    clip: Clip<T>,
    log_ratio_limit: T,
    kl_estimator: KlEstimator,
    kl_coef: T,
    kl_value_limit: Option<T>,
    kl_times_ratio: bool,
}

impl<T: Real> Objective<T> {
    /// The bounds of the ratio plus `kl_coef` times a KL penalty; log-ratios are clamped to the
    /// limit. The penalty is neither capped nor multiplied by the ratio.
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
    /// assert_eq!(objective.with_kl_value_limit(Some(10.0))?, Objective::default());
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
        let (kl_value_limit, kl_times_ratio) = (None, false);
        Ok(Self { clip, log_ratio_limit, kl_estimator, kl_coef, kl_value_limit, kl_times_ratio })
    }

    /// The same objective with the penalty of a token capped, or with no cap.
    ///
    /// verl and OpenOneRec cap at 10; TRL and ReRe have no cap.
    ///
    /// # Errors
    ///
    /// If the limit is not finite and above 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::objective::{Objective, kl_penalty};
    ///
    /// let capped = Objective::<f64>::default();
    /// let term = kl_penalty(-5.0, -1.0, &capped);
    /// assert_eq!((term.value, term.gradient), (10.0, 0.0));
    /// let term = kl_penalty(-5.0, -1.0, &capped.with_kl_value_limit(None)?);
    /// assert!(term.value > 49.0 && term.gradient < -53.0);
    /// # Ok::<(), recast_core::objective::ObjectiveError>(())
    /// ```
    pub fn with_kl_value_limit(self, limit: Option<T>) -> Result<Self, ObjectiveError> {
        match limit {
            Some(value) if !(value > T::zero() && value.is_finite()) => {
                Err(ObjectiveError::KlValueLimit { value: value.widen() })
            }
            _ => Ok(Self { kl_value_limit: limit, ..self }),
        }
    }

    /// The same objective with the penalty multiplied by the ratio, or not.
    ///
    /// The old policy sampled the token. Times the ratio, its penalty is an unbiased estimate of
    /// the divergence of the *current* policy from the reference. TRL has the option as
    /// `use_bias_correction_kl`. The ratio carries a gradient. Only the limit of the log-ratio
    /// holds this ratio, not the clip, nor the bound of ECPO or GBPO.
    #[must_use]
    pub fn with_kl_times_ratio(self, kl_times_ratio: bool) -> Self {
        Self { kl_times_ratio, ..self }
    }

    /// The bounds of the ratio.
    #[must_use]
    pub fn clip(&self) -> Clip<T> {
        self.clip
    }

    /// The limit of log-ratios, on both sides.
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

    /// The cap of the KL penalty of a token, on both sides, if there is one.
    #[must_use]
    pub fn kl_value_limit(&self) -> Option<T> {
        self.kl_value_limit
    }

    /// Whether the KL penalty is multiplied by the ratio.
    #[must_use]
    pub fn kl_times_ratio(&self) -> bool {
        self.kl_times_ratio
    }
}

impl<T: Real> Default for Objective<T> {
    /// OpenOneRec's objective: the default clip, log-ratios within 20, k3 capped at 10 with
    /// coefficient 1e-3.
    ///
    /// Where `exp(20)` overflows, as in `f16`, log-ratios are within 10 \[ours\].
    fn default() -> Self {
        let usual = T::of(20.0);
        Self {
            clip: Clip::default(),
            log_ratio_limit: if usual.exp().is_finite() { usual } else { T::of(10.0) },
            kl_estimator: KlEstimator::K3,
            kl_coef: T::of(1e-3),
            kl_value_limit: Some(T::of(10.0)),
            kl_times_ratio: false,
        }
    }
}

/// A term of the loss of one token.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct TokenTerm<T> {
    /// The value of the term, to be minimised.
    pub value: T,
    /// The derivative by the policy's log-probability of the token.
    pub gradient: T,
}

/// A number within a limit, and its slope: 1 inside and at the limit, 0 beyond.
struct Clamped<T> {
    value: T,
    slope: T,
}

impl<T: Real> Clamped<T> {
    fn new(value: T, limit: T) -> Self {
        let slope = if value.abs() > limit { T::zero() } else { T::one() };
        Self { value: value.max(-limit).min(limit), slope }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]
mod tests;
