use super::ObjectiveError;
use crate::real::Real;

/// The bound of the ratio beside PPO's clip.
///
/// ECPO and GBPO put another, larger number in the place of the old probability. The gradient takes
/// this number as a constant, even where the policy's own probability sets it. The bound holds the
/// ratio and the token still teaches, where a clip would silence it.
///
/// ```text
/// Dual   loss of a negative is at most -c A
/// Ecpo   old' = max(old, policy / (1 + high + delta))      where A < 0
/// Gbpo   old' = max(old, policy)                           where A > 0
///        old' = max(old, 1 - policy)                       where A < 0
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum RatioBound<T> {
    /// No bound: the ratio of a negative is unbounded above.
    None,
    /// The dual clip c. A negative whose ratio is above c is left alone.
    ///
    /// See "Mastering Complex Control in MOBA Games with Deep Reinforcement Learning", Ye et al.,
    /// <https://arxiv.org/abs/1912.09729>.
    Dual(T),
    /// ECPO with its delta: the ratio of a negative is at most `1 + high + delta`, and its gradient
    /// stays. The formula has no condition on A, but a positive is clipped at `1 + high` before it
    /// meets the bound. See "OneRec Technical Report", Zhou et al.,
    /// <https://arxiv.org/abs/2506.13695>.
    Ecpo(T),
    /// GBPO: a positive's ratio is at most 1, a negative's gradient at most that of binary
    /// cross-entropy. GBPO has no clip. See "OneRec-V2 Technical Report", section 3.1.2,
    /// <https://arxiv.org/abs/2508.20900>.
    Gbpo,
}

/// The bounds of the ratio beyond which a token stops to teach.
///
/// `low` and `high` are read by every surrogate but SAPO, which has its own: see
/// [`Surrogate`](super::Surrogate). The bound beside them is in force under
/// [`Clipped`](super::Surrogate::Clipped) and [`Sequence`](super::Surrogate::Sequence).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Clip<T> {
    low: T,
    high: T,
    ratio_bound: RatioBound<T>,
}

impl<T: Real> Clip<T> {
    /// Clips the ratio to `1 - low .. 1 + high`, and to at most `dual` where the advantage is
    /// negative. With `low` 1 nothing is clipped below.
    ///
    /// # Errors
    ///
    /// If `low` is outside [0, 1], `high` is negative or not finite, or `dual` is not finite and
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
        if !(low >= T::zero() && low <= T::one()) {
            return Err(ObjectiveError::ClipLow { value: low.widen() });
        }
        if !(high >= T::zero() && high.is_finite()) {
            return Err(ObjectiveError::ClipHigh { value: high.widen() });
        }
        let ratio_bound = match dual {
            None => RatioBound::None,
            Some(bound) if bound > T::one() && bound.is_finite() => RatioBound::Dual(bound),
            Some(bound) => return Err(ObjectiveError::DualClip { value: bound.widen() }),
        };
        Ok(Self { low, high, ratio_bound })
    }

    /// ECPO: clips the ratio to `1 - low .. 1 + high`. The ratio of a negative is at most
    /// `1 + high + delta`, where its token still teaches. OneRec's delta is 0.1.
    ///
    /// # Errors
    ///
    /// If `low` or `high` is out of range as in [`new`](Self::new), or `delta` is not finite and
    /// above 0.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::objective::Clip;
    ///
    /// let clip = Clip::ecpo(0.2, 0.28, 0.1)?;
    /// // A negative that has become 100 times as probable counts 1.38 times, and is pushed down.
    /// let (policy, old) = (-1.0_f64, -1.0 - 100.0_f64.ln());
    /// let ratio = (policy - clip.bounded_old_log_prob(policy, old, -1.0)).exp();
    /// assert!((ratio - 1.38).abs() < 1e-12);
    /// # Ok::<(), recast_core::objective::ObjectiveError>(())
    /// ```
    pub fn ecpo(low: T, high: T, delta: T) -> Result<Self, ObjectiveError> {
        let clip = Self::new(low, high, None)?;
        if !(delta > T::zero() && delta.is_finite()) {
            return Err(ObjectiveError::EarlyClip { value: delta.widen() });
        }
        Ok(Self { ratio_bound: RatioBound::Ecpo(delta), ..clip })
    }

    /// GBPO: no clip, but an old probability that bounds the gradient.
    ///
    /// [`low`](Self::low) is 1 and [`high`](Self::high) infinite: no ratio is outside.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::objective::Clip;
    ///
    /// // A negative that is improbable already is hardly pushed: p / (1 - p), not 1.
    /// let log_prob = 0.01_f64.ln();
    /// let ratio = (log_prob - Clip::gbpo().bounded_old_log_prob(log_prob, log_prob, -1.0)).exp();
    /// assert!((ratio - 0.01 / 0.99).abs() < 1e-12);
    /// ```
    #[must_use]
    pub fn gbpo() -> Self {
        Self { low: T::one(), high: T::infinity(), ratio_bound: RatioBound::Gbpo }
    }

    /// A clip without any bound, for LUFFY's rollouts.
    ///
    /// [`low`](Self::low) and [`high`](Self::high) are infinite: no ratio is outside.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::objective::{Clip, RatioBound};
    ///
    /// let clip = Clip::<f64>::unclipped();
    /// assert_eq!((clip.high(), clip.ratio_bound()), (f64::INFINITY, RatioBound::None));
    /// ```
    #[must_use]
    pub fn unclipped() -> Self {
        Self { low: T::infinity(), high: T::infinity(), ratio_bound: RatioBound::None }
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
        match self.ratio_bound {
            RatioBound::Dual(bound) => Some(bound),
            RatioBound::None | RatioBound::Ecpo(_) | RatioBound::Gbpo => None,
        }
    }

    /// The bound of the ratio beside the clip.
    #[must_use]
    pub fn ratio_bound(&self) -> RatioBound<T> {
        self.ratio_bound
    }

    /// The old log-probability that the ratio is taken against. The number is larger than the real
    /// one where ECPO or GBPO bounds the ratio. The gradient takes the number as a constant.
    ///
    /// Neither the dual clip nor an advantage of 0 changes the number. `O(1)` time.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::objective::Clip;
    ///
    /// let (policy, old) = (-1.0, -2.0);
    /// assert_eq!(Clip::default().bounded_old_log_prob(policy, old, 1.0), old);
    /// assert_eq!(Clip::gbpo().bounded_old_log_prob(policy, old, 1.0), policy);
    /// ```
    #[must_use]
    pub fn bounded_old_log_prob(&self, policy_log_prob: T, old_log_prob: T, advantage: T) -> T {
        match self.ratio_bound {
            RatioBound::Ecpo(delta) if advantage < T::zero() => {
                old_log_prob.max(policy_log_prob - (self.high + delta).ln_1p())
            }
            RatioBound::Gbpo if advantage > T::zero() => old_log_prob.max(policy_log_prob),
            // 1 - p from log p without cancellation; rounding may put p above 1.
            RatioBound::Gbpo if advantage < T::zero() => {
                old_log_prob.max((-policy_log_prob.exp_m1()).max(T::zero()).ln())
            }
            RatioBound::None | RatioBound::Dual(_) | RatioBound::Ecpo(_) | RatioBound::Gbpo => {
                old_log_prob
            }
        }
    }

    /// The constant that stands for the ratio, or `None` where the ratio itself is in force.
    pub(super) fn bound(&self, ratio: T, advantage: T) -> Option<T> {
        let (lowest, highest) = (T::one() - self.low, T::one() + self.high);
        if advantage > T::zero() {
            (ratio > highest).then_some(highest)
        } else if advantage < T::zero() {
            if ratio < lowest { Some(lowest) } else { self.dual().filter(|&dual| ratio > dual) }
        } else {
            None
        }
    }
}

impl<T: Real> Default for Clip<T> {
    /// OpenOneRec's clip: low 0.2, high 0.28, dual 3.
    fn default() -> Self {
        Self { low: T::of(0.2), high: T::of(0.28), ratio_bound: RatioBound::Dual(T::of(3.0)) }
    }
}
