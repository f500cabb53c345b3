//! Log-probabilities and entropies of a level's codes, renormalised over the allowed ones.

use burn::tensor::activation::log_softmax;
use burn::tensor::{Int, Tensor, TensorData};

use crate::fused::token_log_probs;
use crate::packing::FORBIDDEN;

/// The log-probability of one target in each row, renormalised over the row's allowed codes.
///
/// ```text
/// out_n = logits[n, target_n] - log sum over c in allowed_n of exp(logits[n, c])
/// ```
///
/// The decoder samples from this distribution; the same renormalisation here makes the ratio of the
/// update exact.
///
/// # Shapes
///
/// `logits (N, C)`, `targets (N)`, `allowed` N lists of codes below C; the result `(N)`, in nats.
///
/// # Panics
///
/// If a row lacks its target or its list, or an allowed code is not below C.
#[must_use]
pub fn allowed_log_probs<'a>(
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    allowed: impl ExactSizeIterator<Item = &'a [u16]>,
) -> Tensor<1> {
    token_log_probs(masked(logits, allowed), targets)
}

/// The entropy of each row's distribution over its allowed codes.
///
/// ```text
/// out_n = -sum over c in allowed_n of p_c ln p_c        p the softmax over the allowed codes
/// ```
///
/// A row with one allowed code has entropy 0.
///
/// # Shapes
///
/// `logits (N, C)`, `allowed` N lists of codes below C; the result `(N)`, in nats.
///
/// # Panics
///
/// If a row lacks its list, or an allowed code is not below C.
#[must_use]
pub fn allowed_entropies<'a>(
    logits: Tensor<2>,
    allowed: impl ExactSizeIterator<Item = &'a [u16]>,
) -> Tensor<1> {
    let rows = logits.dims()[0];
    let log_probs = log_softmax(masked(logits, allowed), 1);
    // a forbidden code has probability 0, and its log-probability is finite
    let terms = log_probs.clone().exp() * log_probs;
    -terms.sum_dim(1).reshape([rows])
}

/// The logits with all but the allowed codes pushed out of reach.
fn masked<'a>(logits: Tensor<2>, allowed: impl ExactSizeIterator<Item = &'a [u16]>) -> Tensor<2> {
    let [rows, codes] = logits.dims();
    assert_eq!(allowed.len(), rows, "one list of allowed codes for each row");
    let mut mask = vec![FORBIDDEN; rows * codes];
    for (mask, allowed) in mask.chunks_exact_mut(codes).zip(allowed) {
        for &code in allowed {
            mask[usize::from(code)] = 0.0;
        }
    }
    let mask = Tensor::from_data(TensorData::new(mask, [rows, codes]), &logits.device());
    logits + mask
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceKind;

    #[test]
    fn an_entropy_counts_allowed_codes_alone() {
        let device = DeviceKind::Cpu.device();
        let logits =
            Tensor::<2>::from_data([[0.0, 0.0, 9.0], [5.0, 1.0, 2.0], [1.0, 0.0, 3.0]], &device);
        let allowed: [&[u16]; 3] = [&[0, 1], &[1], &[0, 1, 2]];
        let found = allowed_entropies(logits, allowed.into_iter());
        let found = found.into_data().try_into_vec::<f32>().unwrap();
        let [p, q, r] = [1.0_f32, 0.0, 3.0].map(f32::exp);
        let of = |x: f32| -(x / (p + q + r)) * (x / (p + q + r)).ln();
        let expected = [2.0_f32.ln(), 0.0, of(p) + of(q) + of(r)];
        for (found, expected) in found.iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }
}
