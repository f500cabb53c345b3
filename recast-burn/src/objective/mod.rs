//! The losses of `recast-core` over burn tensors, differentiable.
//!
//! The function [`policy_loss`] takes every [`Loss`] of core. [`UpdateBatch`] checks once that its
//! numbers suit the loss; after this check nothing fails.
//!
//! | loss | ratio | unit of the sum |
//! |---|---|---|
//! | clipped, CISPO, SAPO | of each token | a token |
//! | sequence (GSPO), geometric mean (GMPO) | of a completion | a completion |
//! | preference (DPO, S-DPO) | none | a group |
//!
//! Values and gradients equal those of [`recast_core::objective::group_loss`], which documents each
//! term, its source and its kinks. No function here reads a number back from the device.

mod batch;
mod penalty;
mod preference;
mod surrogate;
mod terms;

use burn::tensor::{Device, Tensor, TensorData};
use recast_core::objective::Loss;

pub use self::batch::{GroupAdvantages, UpdateBatch, UpdateBatchError};
use self::preference::preference_losses;
use self::terms::Terms;

/// The log-probabilities of the tokens of a batch, under three policies.
///
/// Only `policy_log_probs` carries a gradient; the other tensors are plain numbers.
///
/// # Shapes
///
/// All tensors `(L N)`: level 0 of each of the `N` completions, then level 1.
#[derive(Debug, Clone)]
pub struct LogProbs {
    /// Log-probabilities under the current policy.
    pub policy_log_probs: Tensor<1>,
    /// Log-probabilities under the rollout policy. An anchor with a detached or shaped ratio needs
    /// none, nor does a preference loss.
    pub old_log_probs: Tensor<1>,
    /// Log-probabilities under the frozen reference. A policy loss without a KL penalty and without
    /// a margin of negatives needs none.
    pub ref_log_probs: Tensor<1>,
}

/// The share of a batch in the loss of a minibatch, to be minimised.
///
/// ```text
/// policy       loss = 1/of_groups sum_g 1/divisor_g sum_i completion_loss_i
/// preference   loss = 1/of_groups sum_g preference_loss_g
/// ```
///
/// The shares of all batches of a minibatch add up to the loss of the minibatch. A completion with
/// a ratio for each token has the mean of its tokens' losses. [`unit_losses`] gives the terms of
/// the sum.
///
/// # Shapes
///
/// The result `(1)`.
///
/// # Panics
///
/// If a tensor of `log_probs` does not have one element for each token of the batch.
#[must_use]
pub fn policy_loss(log_probs: LogProbs, batch: &UpdateBatch) -> Tensor<1> {
    let weights = column(batch.weights(), &log_probs.policy_log_probs.device());
    (unit_losses(log_probs, batch) * weights).sum()
}

/// The loss of each unit of a batch, before its weight.
///
/// # Shapes
///
/// The result `(L N)` for a ratio of tokens, level by level; `(N)` for a ratio of completions;
/// `(M)` for a preference over `M` groups.
///
/// # Panics
///
/// If a tensor of `log_probs` does not have one element for each token of the batch.
#[must_use]
pub fn unit_losses(log_probs: LogProbs, batch: &UpdateBatch) -> Tensor<1> {
    assert_one_each(&log_probs, batch);
    match batch.loss() {
        Loss::Policy(loss) => Terms::new(log_probs, batch, loss).losses(),
        Loss::Preference(preference) => preference_losses(log_probs, batch, preference),
    }
}

fn assert_one_each(log_probs: &LogProbs, batch: &UpdateBatch) {
    let LogProbs { policy_log_probs, old_log_probs, ref_log_probs } = log_probs;
    let found = [policy_log_probs, old_log_probs, ref_log_probs].map(|column| column.dims()[0]);
    let tokens = batch.tokens();
    assert_eq!(found, [tokens; 3], "policy, old and reference log-probs: one for each token");
}

/// Plain numbers on a device.
fn column(values: &[f32], device: &Device) -> Tensor<1> {
    Tensor::from_data(TensorData::new(values.to_vec(), [values.len()]), device)
}

/// The mean over the levels of each completion.
///
/// # Shapes
///
/// `(L N) -> (N)`.
fn level_mean(tokens: Tensor<1>, levels: usize) -> Tensor<1> {
    let completions = tokens.dims()[0] / levels;
    tokens.reshape([levels, completions]).mean_dim(0).reshape([completions])
}
