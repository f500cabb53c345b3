//! DPO and S-DPO over groups.

use burn::tensor::{Int, Tensor, TensorData};
use recast_core::objective::Preference;

use super::batch::{Sides, UpdateBatch};
use super::{LogProbs, column};
use crate::packing::FORBIDDEN;

/// [`recast_core::objective::preference_loss`] of each group.
///
/// Groups with fewer negatives than the largest are padded; padding has no part in value or
/// gradient.
///
/// # Shapes
///
/// Log-probabilities `(L N)`; the result has one element for each group.
pub(super) fn preference_losses(
    log_probs: LogProbs,
    batch: &UpdateBatch,
    preference: &Preference<f32>,
) -> Tensor<1> {
    let LogProbs { policy_log_probs, ref_log_probs, .. } = log_probs;
    let device = policy_log_probs.device();
    let (levels, groups) = (batch.levels(), batch.sides().len());
    let completions = batch.tokens() / levels;
    let negatives = batch.sides().iter().map(|sides| sides.negatives.len());
    let negatives = negatives.max().unwrap_or_default().max(1);
    let padding = |sides: &Sides| negatives - sides.negatives.len();

    let difference = (policy_log_probs - ref_log_probs).reshape([levels, completions]);
    let difference = difference.sum_dim(0).reshape([completions]);
    let of = |completions: Vec<usize>, negatives: usize| {
        let completions: Vec<i32> = completions.into_iter().map(|i| i as i32).collect();
        let shape = [completions.len()];
        let completions: Tensor<1, Int> =
            Tensor::from_data(TensorData::new(completions, shape), &device);
        difference.clone().select(0, completions).reshape([groups, negatives])
    };
    let positives = of(batch.sides().iter().map(|sides| sides.positive).collect(), 1);
    let others = batch.sides().iter().flat_map(|sides| {
        let padding = std::iter::repeat_n(sides.positive, padding(sides));
        sides.negatives.iter().copied().chain(padding)
    });
    let others = of(others.collect(), negatives);
    let absent: Vec<f32> = batch
        .sides()
        .iter()
        .flat_map(|sides| {
            let present = std::iter::repeat_n(0.0, sides.negatives.len());
            present.chain(std::iter::repeat_n(FORBIDDEN, padding(sides)))
        })
        .collect();
    let absent = column(&absent, &device).reshape([groups, negatives]);

    let exponents = (others - positives) * preference.beta() + absent;
    // the positive's own exponent is 0
    let highest = exponents.clone().detach().max_dim(1).clamp_min(0.0);
    let negatives = (exponents - highest.clone()).exp().sum_dim(1);
    // with a leading positive nearly all of the sum is 1, and `log1p` keeps the rest
    let total_less_one = negatives + ((-highest.clone()).exp() - 1.0);
    (total_less_one.log1p() + highest).reshape([groups])
}
