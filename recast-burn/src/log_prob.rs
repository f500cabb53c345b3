//! Log-probabilities of tokens: over all codes of a level, or renormalised over the allowed ones.

use burn::tensor::{Int, Tensor, TensorData};

use crate::fused::token_log_probs;
use crate::packing::FORBIDDEN;

/// The log-probability of one target in each row, renormalised over the row's allowed codes.
///
/// ```text
/// out_n = logits[n, target_n] - log sum over c in allowed_n of exp(logits[n, c])
/// ```
///
/// The decoder samples from this distribution; computing it here as well makes the ratio of the
/// update exact.
///
/// # Shapes
/// `logits (N, C)`, `targets (N)`, `allowed` N lists of codes below C; the result `(N)`, in nats.
///
/// # Panics
/// If there is not one target and one list for each row, or an allowed code is not below C.
#[must_use]
pub fn allowed_log_probs<'a>(
    logits: Tensor<2>,
    targets: Tensor<1, Int>,
    allowed: impl ExactSizeIterator<Item = &'a [u16]>,
) -> Tensor<1> {
    let [rows, codes] = logits.dims();
    assert_eq!(allowed.len(), rows, "one list of allowed codes for each row");
    let mut mask = vec![FORBIDDEN; rows * codes];
    for (mask, allowed) in mask.chunks_exact_mut(codes).zip(allowed) {
        for &code in allowed {
            mask[usize::from(code)] = 0.0;
        }
    }
    let mask = Tensor::from_data(TensorData::new(mask, [rows, codes]), &logits.device());
    token_log_probs(logits + mask, targets)
}
