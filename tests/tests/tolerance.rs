//! Every tolerance of these tests, with its reason. A tolerance not listed here is zero.
//!
//! Numbers from a GPU's products of matrices take another tolerance: see [`on`].

use burn::tensor::Device;
use recast_burn::device::is_cpu;

/// The tolerance of numbers that come from a device's products of matrices.
pub(crate) fn on(device: &Device, tolerance: f64) -> f64 {
    if is_cpu(device) { tolerance } else { tolerance.max(GPU_PRODUCT) }
}

/// Products of matrices on a GPU, relative to the largest element. The units may round factors to
/// 11 bits of significand (TF32), 4.9e-4, and a decoder of two layers multiplies a dozen times.
pub(crate) const GPU_PRODUCT: f64 = 4e-3;

/// A whole decoder that multiplies in bf16 against one in f32, relative to the largest element. A
/// dozen products have 8 bits of significand, 3.9e-3, and a softmax enlarges the errors.
pub(crate) const BF16: f64 = 8e-2;

/// The least change that bf16 must make, on the same scale: less than one of its roundings.
pub(crate) const BF16_DIFFERS: f64 = 1e-4;

/// The objective in `f32` against `f64`, relative to max(1, |value|). An error of 2^-24 in a
/// log-ratio of 20 is an error of 1.2e-6 in the exponential, relative to each. A few roundings
/// follow.
pub(crate) const OBJECTIVE: f64 = 3e-6;

/// Core against verl and TRL, in `f64`, relative to max(1, |value|). Sums of up to 32 terms have a
/// few roundings of 1.1e-16 in another order.
pub(crate) const GOLDEN: f64 = 1e-13;

/// Core against verl and TRL, for advantages over the deviation. Equal rewards of 0.1 leave the
/// libraries one rounding of the mean, 1.4e-17, which an epsilon of 1e-6 makes 1.4e-11; core gives
/// exactly 0.
pub(crate) const GOLDEN_STANDARDISED: f64 = 2e-11;

/// Core against verl where verl divides by a number of tokens plus 1e-8, relative to max(1,
/// |value|). One token is off by 1e-8 of itself; an exponential and a second division add theirs.
pub(crate) const GOLDEN_MASKED_MEAN: f64 = 3e-8;

/// Log-probabilities in `f32` against `f64`, relative to max(1, |value|). An exponential is within
/// 2 ulp, sums have up to 300 terms in lanes, and logits of 3000 are exact in `f32`.
pub(crate) const LOG_PROB: f64 = 2e-6;

/// A fused operation against its decomposed form, both `f32`, relative to the largest element:
/// sums of 20,000 terms in two orders.
pub(crate) const FUSED: f64 = 1e-5;

/// A whole decoder, packed or cached, against separate rows, relative to the largest element. The
/// same sums run over other numbers of slots, a few layers deep.
pub(crate) const DECODER: f64 = 1e-5;

/// The rest of two rows that should cancel, relative to one of them: the two see equal slots at
/// different places of their row.
pub(crate) const CANCELLED: f64 = 1e-5;

/// The least rest of the first level that differs, on the same scale.
pub(crate) const NOT_CANCELLED: f64 = 1e-2;

/// Frequencies against probabilities, in standard deviations. One in 30 seeds has a frequency
/// further off among the 500; the seed of the tests has none.
pub(crate) const SIGMAS: f64 = 4.0;

/// The least share of a group's draws that a GPU repeats in another batch. Roundings of
/// [`GPU_PRODUCT`] move the edges between codes, and each of a few levels draws anew.
pub(crate) const GPU_DRAWS: f64 = 0.75;
