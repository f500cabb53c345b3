//! Kept groups and their loss, for tests.

use burn::tensor::Tensor;
use recast_burn::objective::{LogProbs, policy_loss};
use recast_core::objective::{Loss, Objective, PolicyLoss};
use recast_train::catalogue::Node;
use recast_train::train::{KeptGroup, update_batch};

/// A group whose tokens have the advantage of their completion.
pub(crate) fn kept(
    prompt: Vec<u32>,
    leaves: Vec<Node>,
    advantages: &[f32],
    divisor: usize,
    levels: usize,
) -> KeptGroup {
    let spread = |&advantage| std::iter::repeat_n(advantage, levels);
    let token_advantages = advantages.iter().flat_map(spread).collect();
    KeptGroup { prompt, leaves, token_advantages, anchor: None, divisor }
}

/// The loss of groups under PPO's clip, one ratio for each token.
pub(crate) fn group_loss(
    policy_log_probs: Tensor<1>,
    old_log_probs: Tensor<1>,
    ref_log_probs: Tensor<1>,
    groups: &[KeptGroup],
    of_groups: usize,
    levels: usize,
    objective: &Objective<f32>,
) -> Tensor<1> {
    let loss = Loss::Policy(PolicyLoss::default());
    let batch = update_batch(groups, of_groups, levels, loss, objective).expect("a batch");
    policy_loss(LogProbs { policy_log_probs, old_log_probs, ref_log_probs }, &batch)
}
