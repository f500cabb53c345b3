//! Every tolerance of these tests, with its reason. One not listed here is zero.
//!
//! On a GPU what went through products of matrices takes another: [`on`].

use burn::tensor::Device;
use recast_burn::device::is_cpu;

/// The tolerance of what a device's products of matrices went into.
pub(crate) fn on(device: &Device, tolerance: f64) -> f64 {
    if is_cpu(device) { tolerance } else { tolerance.max(GPU_PRODUCT) }
}

/// Products of matrices on a GPU, relative to the largest element: its units may round what they
/// multiply to 11 bits of significand (TF32), 4.9e-4, and a decoder of two layers multiplies a dozen
/// times.
pub(crate) const GPU_PRODUCT: f64 = 4e-3;

/// A whole decoder that multiplies in bf16 against one in f32, relative to the largest element: 8
/// bits of significand, 3.9e-3, in a dozen products, and errors that a softmax enlarges.
pub(crate) const BF16: f64 = 8e-2;

/// What bf16 must at least change, on the same scale: less than one of its roundings.
pub(crate) const BF16_DIFFERS: f64 = 1e-4;

/// The objective in `f32` against `f64`, relative to max(1, |value|): a log-ratio of 20 off by
/// 2^-24 of itself makes its exponential off by 1.2e-6 of itself; then a few roundings.
pub(crate) const OBJECTIVE: f64 = 3e-6;

/// Core against verl and TRL, both `f64`, relative to max(1, |value|): a few roundings of 1.1e-16
/// in another order, in sums of up to 32 terms.
pub(crate) const GOLDEN: f64 = 1e-13;

/// The same for advantages over the deviation. Equal rewards of 0.1 leave the libraries one
/// rounding of the mean, 1.4e-17, which an epsilon of 1e-6 makes 1.4e-11; core gives exactly 0.
pub(crate) const GOLDEN_STANDARDISED: f64 = 2e-11;

/// Core against verl where it divides by a number of tokens plus 1e-8, relative to max(1, |value|):
/// of one token that is off by 1e-8 of itself, and an exponential and a second division add theirs.
pub(crate) const GOLDEN_MASKED_MEAN: f64 = 3e-8;

/// Log-probabilities in `f32` against `f64`, relative to max(1, |value|): an exponential within
/// 2 ulp, sums of up to 300 terms in lanes, and logits of 3000 given as `f32` exactly.
pub(crate) const LOG_PROB: f64 = 2e-6;

/// A fused operation against its decomposed form, both `f32`, relative to the largest element: sums
/// of 20,000 terms in two orders.
pub(crate) const FUSED: f64 = 1e-5;

/// A whole decoder, packed or cached against separate rows, relative to the largest element: the
/// same sums over other numbers of slots, a few layers deep.
pub(crate) const DECODER: f64 = 1e-5;

/// What two rows that should cancel leave, relative to one of them: they see equal slots at
/// different places of their row.
pub(crate) const CANCELLED: f64 = 1e-5;

/// What the first level that differs must at least leave, on the same scale.
pub(crate) const NOT_CANCELLED: f64 = 1e-2;

/// Frequencies against probabilities, in standard deviations: of the 500 frequencies compared one
/// in 30 seeds is further off. The seed is one that is not.
pub(crate) const SIGMAS: f64 = 4.0;

/// The least share of a group's draws that a GPU repeats in another batch: roundings of
/// [`GPU_PRODUCT`] move the edges between codes by that much, and each of a few levels draws anew.
pub(crate) const GPU_DRAWS: f64 = 0.75;
