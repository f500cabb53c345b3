//! The one numeric bound of the crate, and the one place where constants and counts become numbers.

use core::cmp::Ordering;
use core::fmt::Debug;

use num_traits::Float;

/// The plain numbers of this crate: every [`Float`] of `num-traits`.
///
/// `f32` and `f64` are the usual ones. `half::f16` and `half::bf16` are numbers too, with their
/// range and rounding: advantages of a group are good to two digits in `bf16`, and a ratio near
/// the clamp of the log-ratio, times an advantage, may be infinite in `f16`. A forward-mode dual
/// number is one as well: it differentiates the objectives in this crate's own tests.
///
/// ```
/// use recast_core::Real;
///
/// assert_eq!(f32::of(0.25), 0.25_f32);
/// assert_eq!(f64::of_count(3), 3.0);
/// ```
pub trait Real: Float + Debug + 'static {
    /// The number nearest to a constant.
    #[must_use]
    fn of(value: f64) -> Self;

    /// The number nearest to a count.
    #[must_use]
    fn of_count(count: usize) -> Self;

    /// The number as `f64`, without loss for numbers no wider than `f64`.
    #[must_use]
    fn widen(self) -> f64;
}

// Every float takes every `f64` and every count, if only as infinity: NaN is never written.
impl<T: Float + Debug + 'static> Real for T {
    fn of(value: f64) -> Self {
        Self::from(value).unwrap_or_else(Self::nan)
    }

    fn of_count(count: usize) -> Self {
        Self::from(count).unwrap_or_else(Self::nan)
    }

    fn widen(self) -> f64 {
        self.to_f64().unwrap_or(f64::NAN)
    }
}

/// Orders two numbers that are not NaN; both zeros are equal.
pub(crate) fn compare<T: Real>(a: T, b: T) -> Ordering {
    a.partial_cmp(&b).unwrap_or(Ordering::Equal)
}

/// The sum, from left to right.
pub(crate) fn sum<T: Real>(values: impl Iterator<Item = T>) -> T {
    values.fold(T::zero(), |total, value| total + value)
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "a cast gives these bits or it is wrong")]
mod tests {
    use super::*;
    use half::{bf16, f16};

    #[test]
    fn constants_are_rounded_to_the_nearest() {
        assert_eq!(f32::of(0.1), 0.1_f32);
        assert_eq!(f64::of(0.1), 0.1_f64);
        assert_eq!(f16::of(0.1), f16::from_f64(0.1));
        assert_eq!(bf16::of(0.1), bf16::from_f64(0.1));
    }

    #[test]
    fn counts_are_numbers_and_never_nan() {
        assert_eq!(f64::of_count(3), 3.0);
        assert_eq!(bf16::of_count(256), bf16::from_f32(256.0));
        assert!(f16::of_count(usize::MAX).is_infinite());
    }

    #[test]
    fn widening_loses_nothing() {
        assert_eq!(0.1_f32.widen(), f64::from(0.1_f32));
        assert_eq!(f16::from_f64(0.1).widen(), f64::from(f16::from_f64(0.1)));
    }
}
