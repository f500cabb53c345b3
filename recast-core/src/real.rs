//! The one numeric bound of the crate, and the one place where constants and counts become numbers.

use core::cmp::Ordering;
use core::fmt::Debug;

use num_traits::Float;

/// The plain numbers of this crate: `f32` and `f64`.
///
/// ```
/// use recast_core::Real;
///
/// assert_eq!(f32::of(0.25), 0.25_f32);
/// assert_eq!(f64::of_count(3), 3.0);
/// ```
pub trait Real: Float + Debug + sealed::Sealed + 'static {
    /// The number nearest to a constant.
    #[must_use]
    fn of(value: f64) -> Self;

    /// The number nearest to a count.
    #[must_use]
    fn of_count(count: usize) -> Self;

    /// The number as `f64`, without loss.
    #[must_use]
    fn widen(self) -> f64;
}

mod sealed {
    pub trait Sealed {}
    impl Sealed for f32 {}
    impl Sealed for f64 {}
}

impl Real for f32 {
    fn of(value: f64) -> Self {
        value as Self
    }

    fn of_count(count: usize) -> Self {
        count as Self
    }

    fn widen(self) -> f64 {
        f64::from(self)
    }
}

impl Real for f64 {
    fn of(value: f64) -> Self {
        value
    }

    fn of_count(count: usize) -> Self {
        count as Self
    }

    fn widen(self) -> f64 {
        self
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
