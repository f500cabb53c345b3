use super::RepairError;
use crate::group::Regime;
use crate::real::Real;

/// The moving average of the share of all-zero groups: the whole state of a gated repair, owned by
/// the caller.
///
/// ```text
/// total  <- decay total + (1 - decay) [all-zero]
/// weight <- decay weight + (1 - decay)
/// rate    = total / weight
/// ```
///
/// The division corrects the start at 0: after one group the rate is 0 or 1, after n groups with
/// decay near 1 their mean. Groups are observed as they were sampled, before repair, and in one
/// order, since the average forgets. Equal observations give equal rates: the average has no clock.
/// [`parts`](Self::parts) gives its numbers, for a checkpoint. Grade: \[ours\].
///
/// # Examples
///
/// ```
/// use recast_core::Regime;
/// use recast_core::repair::AllZeroRate;
///
/// let mut average = AllZeroRate::new(0.99)?;
/// assert_eq!(average.rate(), None);
/// average.observe(Regime::AllZero);
/// assert_eq!(average.rate(), Some(1.0));
/// average.observe(Regime::SingleHit);
/// assert!(average.rate().is_some_and(|rate: f64| (rate - 0.4975).abs() < 1e-4));
/// # Ok::<(), recast_core::repair::RepairError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AllZeroRate<T> {
    decay: T,
    total: T,
    weight: T,
}

/// The numbers of an [`AllZeroRate`]: plain, so that a checkpoint can hold them.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct AllZeroParts<T> {
    /// The share of its past that the average keeps at each group.
    pub decay: T,
    /// The weighted share of all-zero groups.
    pub total: T,
    /// The sum of the weights: 0 before the first group, near 1 after many.
    pub weight: T,
}

impl<T: Real> AllZeroRate<T> {
    /// An average without an observation. Decay 0 keeps the last group alone; a decay near 1 makes
    /// the average slow.
    ///
    /// # Errors
    ///
    /// If the decay is outside [0, 1).
    pub fn new(decay: T) -> Result<Self, RepairError> {
        if !(decay >= T::zero() && decay < T::one()) {
            return Err(RepairError::Decay { value: decay.widen() });
        }
        Ok(Self { decay, total: T::zero(), weight: T::zero() })
    }

    /// An average with the numbers of another, which it continues.
    ///
    /// # Errors
    ///
    /// If the decay is outside [0, 1), or if not `0 <= total <= weight <= 1`.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::Regime;
    /// use recast_core::repair::AllZeroRate;
    ///
    /// let mut average = AllZeroRate::new(0.99_f32)?;
    /// average.observe(Regime::AllZero);
    /// assert_eq!(AllZeroRate::from_parts(average.parts())?, average);
    /// # Ok::<(), recast_core::repair::RepairError>(())
    /// ```
    pub fn from_parts(parts: AllZeroParts<T>) -> Result<Self, RepairError> {
        let AllZeroParts { decay, total, weight } = parts;
        if !(total >= T::zero() && total <= weight && weight <= T::one()) {
            return Err(RepairError::Parts { total: total.widen(), weight: weight.widen() });
        }
        Ok(Self { total, weight, ..Self::new(decay)? })
    }

    /// The numbers of the average.
    #[must_use]
    pub fn parts(&self) -> AllZeroParts<T> {
        AllZeroParts { decay: self.decay, total: self.total, weight: self.weight }
    }

    /// Counts a group as it was sampled.
    pub fn observe(&mut self, regime: Regime) {
        let fresh = T::one() - self.decay;
        let share = match regime {
            Regime::AllZero => fresh,
            Regime::SingleHit | Regime::MultiHit | Regime::AllHit => T::zero(),
        };
        self.total = self.decay * self.total + share;
        self.weight = self.decay * self.weight + fresh;
    }

    /// The share of all-zero groups, within 0 and 1; `None` before the first group.
    #[must_use]
    pub fn rate(&self) -> Option<T> {
        (self.weight > T::zero()).then(|| (self.total / self.weight).min(T::one()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerance::ROUNDING;

    #[test]
    fn the_average_forgets_and_is_corrected_at_its_start() {
        let mut average = AllZeroRate::new(0.5).unwrap();
        assert_eq!(average.rate(), None);
        average.observe(Regime::MultiHit);
        assert_eq!(average.rate(), Some(0.0));
        average.observe(Regime::AllZero);
        // The two observations have the weights 1/4 and 1/2.
        assert!((average.rate().unwrap() - 2.0 / 3.0_f64).abs() < ROUNDING);
        let mut last = AllZeroRate::new(0.0).unwrap();
        for (regime, rate) in [(Regime::AllZero, 1.0), (Regime::AllHit, 0.0)] {
            last.observe(regime);
            assert_eq!(last.rate(), Some(rate));
        }
    }

    #[test]
    fn an_average_goes_on_from_its_parts() {
        let mut average = AllZeroRate::new(0.9_f32).unwrap();
        for step in 0..1000 {
            average.observe(if step % 3 == 0 { Regime::AllZero } else { Regime::MultiHit });
            let mut copy = AllZeroRate::from_parts(average.parts()).unwrap();
            let mut same = average;
            copy.observe(Regime::AllZero);
            same.observe(Regime::AllZero);
            assert_eq!(copy, same);
        }
    }

    #[test]
    fn parts_that_no_observation_leaves_are_refused() {
        for (total, weight) in [(-0.1, 0.5), (0.6, 0.5), (0.5, 1.5)] {
            assert_eq!(
                AllZeroRate::from_parts(AllZeroParts { decay: 0.9, total, weight }),
                Err(RepairError::Parts { total, weight })
            );
        }
        let parts = AllZeroParts { decay: 1.0, total: 0.0, weight: 0.0 };
        assert_eq!(AllZeroRate::from_parts(parts), Err(RepairError::Decay { value: 1.0 }));
        let parts = AllZeroParts { decay: 0.9, total: f64::NAN, weight: 0.5 };
        assert!(AllZeroRate::from_parts(parts).is_err());
    }
}
