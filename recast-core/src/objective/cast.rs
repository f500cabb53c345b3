//! The same objective over other numbers.

use super::{Clip, Objective, ObjectiveError, RatioBound};
use crate::real::Real;

impl<T: Real> Objective<T> {
    /// The objective with its numbers rounded to another type.
    ///
    /// # Errors
    ///
    /// If a rounded number is out of its range: see [`new`](Self::new) and [`Clip::new`].
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::objective::{Clip, KlEstimator, Objective};
    ///
    /// assert_eq!(Objective::<f64>::default().cast(), Ok(Objective::<f32>::default()));
    /// // exp(100) is finite in f64 alone.
    /// let wide = Objective::new(Clip::gbpo(), 100.0, KlEstimator::K1, 0.0)?;
    /// assert!(wide.cast::<f64>().is_ok() && wide.cast::<f32>().is_err());
    /// # Ok::<(), recast_core::objective::ObjectiveError>(())
    /// ```
    pub fn cast<U: Real>(self) -> Result<Objective<U>, ObjectiveError> {
        let to = |value: T| U::of(value.widen());
        let (limit, kl_coef) = (to(self.log_ratio_limit), to(self.kl_coef));
        let objective = Objective::new(self.clip.cast()?, limit, self.kl_estimator, kl_coef)?;
        let objective = objective.with_kl_value_limit(self.kl_value_limit.map(to))?;
        Ok(objective.with_kl_times_ratio(self.kl_times_ratio))
    }
}

impl<T: Real> Clip<T> {
    fn cast<U: Real>(self) -> Result<Clip<U>, ObjectiveError> {
        let to = |value: T| U::of(value.widen());
        let (low, high) = (to(self.low()), to(self.high()));
        match self.ratio_bound() {
            RatioBound::Gbpo => Ok(Clip::gbpo()),
            RatioBound::Ecpo(delta) => Clip::ecpo(low, high, to(delta)),
            RatioBound::Dual(dual) => Clip::new(low, high, Some(to(dual))),
            RatioBound::None if self == Self::unclipped() => Ok(Clip::unclipped()),
            RatioBound::None => Clip::new(low, high, None),
        }
    }
}
