//! Sums for the metrics of an update, made on the device.

use burn::tensor::Tensor;
use recast_core::objective::Loss;

use super::batch::UpdateBatch;
use super::penalty::kl_penalty;
use super::terms::Terms;
use super::{LogProbs, assert_one_each};

/// The sums over the tokens of a batch that `clip_fraction` and `kl` are made of.
///
/// ```text
/// [sum over completions of clipped_tokens, sum over tokens of k(ref - policy)]
/// ```
///
/// The first is [`recast_core::objective::clipped_tokens`], 0 for a preference; the second
/// [`recast_core::objective::kl_penalty`], before its coefficient and not times the ratio. Neither
/// has a gradient. The caller divides by [`UpdateBatch::tokens`]. Sums are of `f32`, so the last
/// digits depend on the device. Nothing is read back from the device: a caller that reads the sums
/// of all batches at once waits once.
///
/// # Shapes
/// The result `(2)`.
///
/// # Panics
/// If a tensor of `log_probs` has not one element for each token of the batch.
#[must_use]
pub fn policy_metrics(log_probs: LogProbs, batch: &UpdateBatch) -> Tensor<1> {
    assert_one_each(&log_probs, batch);
    let policy_log_probs = log_probs.policy_log_probs.detach();
    let difference = log_probs.ref_log_probs.clone() - policy_log_probs.clone();
    let kl = kl_penalty(difference, batch.objective()).sum();
    let log_probs = LogProbs { policy_log_probs, ..log_probs };
    let clipped = match batch.loss() {
        Loss::Policy(loss) => Terms::new(log_probs, batch, loss).clipped_tokens(),
        Loss::Preference(_) => kl.zeros_like(),
    };
    Tensor::cat(vec![clipped, kl], 0)
}
