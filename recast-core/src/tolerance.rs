//! Every tolerance of the tests, with its reason. A tolerance not listed here is zero.

/// Vectors of the method are printed with six decimals.
pub(crate) const PRINTED: f64 = 5e-7;

/// ReRe's penalties are printed with four decimals.
pub(crate) const PRINTED_SHORT: f64 = 5e-5;

/// A few dozen roundings in `f64`: 64 completions at 2^-53 each, times the ratio of sum to spread.
pub(crate) const ROUNDING: f64 = 1e-10;

/// A few dozen roundings in `f32`, against the `f64` result, relative to max(1, |value|).
pub(crate) const SINGLE: f64 = 2e-4;

/// A few dozen roundings in `f16`: 2^-11 at each, relative to max(1, |value|).
pub(crate) const HALF: f64 = 2e-2;

/// A few dozen roundings in `bf16`: 2^-8 at each.
pub(crate) const BRAIN: f64 = 1e-1;

/// Central differences with step 1e-6: truncation 1e-12 and cancellation 2^-53 / 1e-6, both
/// relative to the size of the loss.
pub(crate) const FINITE_DIFFERENCE: f64 = 1e-7;
