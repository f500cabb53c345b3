//! The one numeric bound of the crate, and the one place where constants and counts become numbers.

use core::cmp::Ordering;
use core::fmt::Debug;

use num_traits::Float;

/// The plain numbers of this crate: every [`Float`] of `num-traits`.
///
/// `f32` and `f64` are the usual ones. `half::f16` and `half::bf16` are numbers too, with their
/// range and rounding. Advantages of a group are good to two digits in `bf16`. A ratio near the
/// clamp of the log-ratio, times an advantage, may be infinite in `f16`. A forward-mode dual number
/// is a number as well: it differentiates the objectives in this crate's own tests.
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

/// The number of lanes of a sum over a slice, so that it vectorises.
const LANES: usize = 8;

#[inline]
fn join<T: Real>([a, b, c, d, e, f, g, h]: [T; LANES]) -> T {
    ((a + e) + (c + g)) + ((b + f) + (d + h))
}

/// The sum of `term` over the values: lane by lane, then the lanes pair by pair, then the rest.
#[inline]
pub(crate) fn sum_of<T: Real>(values: &[T], term: impl Fn(T) -> T) -> T {
    let (rows, rest) = values.as_chunks::<LANES>();
    let mut lanes = [T::zero(); LANES];
    for row in rows {
        for (lane, &value) in lanes.iter_mut().zip(row) {
            *lane = *lane + term(value);
        }
    }
    // the rest stays apart from the lanes: a variable index would keep the lanes in memory
    rest.iter().fold(join(lanes), |total, &value| total + term(value))
}

/// Whether no value is NaN or infinite.
pub(crate) fn all_finite<T: Real>(values: &[T]) -> bool {
    // 0 times anything else is NaN
    sum_of(values, |value| value * T::zero()).is_zero()
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
    fn sums_see_every_value_once() {
        for length in 0..40 {
            let values: std::vec::Vec<f64> = (0..length).map(f64::from).collect();
            let total = f64::from(length * (length - 1) / 2);
            assert_eq!(sum_of(&values, |_| 1.0), f64::from(length));
            assert_eq!(sum_of(&values, |value| 2.0 * value), 2.0 * total);
        }
    }

    #[test]
    fn one_value_that_is_not_finite_is_found_anywhere() {
        for length in 1..20 {
            let mut values = std::vec![-1.5_f32; length];
            assert!(all_finite(&values));
            for at in 0..length {
                for bad in [f32::NAN, f32::INFINITY, f32::NEG_INFINITY] {
                    values[at] = bad;
                    assert!(!all_finite(&values), "{bad} at {at} of {length}");
                }
                values[at] = f32::MAX;
            }
        }
    }

    #[test]
    fn widening_loses_nothing() {
        assert_eq!(0.1_f32.widen(), f64::from(0.1_f32));
        assert_eq!(f16::from_f64(0.1).widen(), f64::from(f16::from_f64(0.1)));
    }
}
