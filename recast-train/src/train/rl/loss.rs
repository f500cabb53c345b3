//! The update: log-probabilities of kept completions, and the policy's loss over them.

use burn::tensor::Tensor;
use recast_burn::log_prob::allowed_log_probs;
use recast_burn::objective::{GroupAdvantages, LogProbs, UpdateBatch, policy_loss};
use recast_burn::packing::{Packed, Tree};
use recast_core::objective::{Loss, Objective, PolicyLoss};
use serde::{Deserialize, Serialize};

use super::select::KeptGroup;
use crate::catalogue::{Node, Trie};
use crate::model::{Decoder, indices};
use crate::optim::batches_of;

/// How kept completions are laid out for the decoder; the log-probabilities are the same.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// A prompt and its kept completions are one packed tree: each prompt is computed once.
    #[default]
    Packed,
    /// Each kept completion comes with a prompt of its own: what other trainers compute.
    RowWise,
}

impl Layout {
    /// The completions of a group, those together that share a prompt.
    pub(crate) fn chunks<T>(self, completions: &[T]) -> std::slice::Chunks<'_, T> {
        completions.chunks(match self {
            Self::Packed => completions.len().max(1),
            Self::RowWise => 1,
        })
    }

    /// The tokens that the decoder reads of a group whose completions have `levels` codes.
    pub(super) fn tokens(self, group: &KeptGroup, levels: usize) -> usize {
        let completions = group.leaves.len();
        let prompts = self.chunks(&group.leaves).len();
        prompts * group.prompt.len() + completions * levels.saturating_sub(1)
    }
}

/// Cuts groups into micro-batches of at most `tokens` tokens, each of at least one whole group; for
/// 0 into one.
#[must_use]
pub fn micro_batches(
    groups: &[KeptGroup],
    tokens: usize,
    layout: Layout,
    levels: usize,
) -> Vec<&[KeptGroup]> {
    batches_of(groups, tokens, |group| layout.tokens(group, levels))
}

/// The log-probability of each code of each kept completion, renormalised over the trie's codes.
///
/// # Shapes
/// `(L N)` for `N` completions of all groups in order: level 0 of every completion, then level 1.
#[must_use]
pub fn completion_log_probs(
    model: &Decoder,
    trie: &Trie,
    groups: &[KeptGroup],
    layout: Layout,
) -> Tensor<1> {
    let device = model.device();
    let paths: Vec<Vec<Node>> =
        groups.iter().flat_map(|g| &g.leaves).map(|&leaf| trie.path(leaf)).collect();
    let tokens: Vec<Vec<u32>> = paths
        .iter()
        .map(|path| {
            let codes = path[1..].iter().map(|&node| trie.code(node));
            codes.enumerate().map(|(level, code)| model.token(level, code)).collect()
        })
        .collect();
    let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
    let mut rest = &tokens[..];
    let trees: Vec<Tree<'_>> = groups
        .iter()
        .flat_map(|group| {
            let (completions, later) = rest.split_at(group.leaves.len());
            rest = later;
            layout
                .chunks(completions)
                .map(|completions| Tree { prompt: &group.prompt, completions })
        })
        .collect();
    let packed = Packed::new(&trees, 0);
    let context = model.context(packed.positions(), packed.mask(&device));
    let hidden = model.forward(packed.tokens(&device), &context, None, None);
    let of_level = |level: usize| {
        let predictors = hidden.clone().select(0, indices(packed.predictors(level), &device));
        let codes = paths.iter().map(|path| i32::from(trie.code(path[level + 1]))).collect();
        let allowed = paths.iter().map(|path| trie.codes(path[level]));
        allowed_log_probs(model.logits(predictors, level), indices(codes, &device), allowed)
    };
    Tensor::cat((0..model.levels()).map(of_level).collect(), 0)
}

/// The part that groups have in the policy's loss over a minibatch of `of_groups` groups.
///
/// ```text
/// loss = 1/of_groups sum_g 1/divisor_g sum_kept mean over levels of the token's loss
/// ```
///
/// The parts of all micro-batches add up to the loss of the minibatch. The ratio is that of each
/// token, clipped.
///
/// # Shapes
/// `old` and `reference` as [`completion_log_probs`] gives them for the same groups.
///
/// # Panics
/// If `levels` or a divisor is 0, `of_groups` is less than the groups given, or an advantage is not
/// finite.
#[must_use]
pub fn group_loss(
    policy_log_probs: Tensor<1>,
    old_log_probs: Tensor<1>,
    ref_log_probs: Tensor<1>,
    groups: &[KeptGroup],
    of_groups: usize,
    levels: usize,
    objective: &Objective<f32>,
) -> Tensor<1> {
    let token_advantages = |group: &KeptGroup| -> Vec<f32> {
        let of_completion = |&advantage| std::iter::repeat_n(advantage, levels);
        group.advantages.iter().flat_map(of_completion).collect()
    };
    let token_advantages: Vec<Vec<f32>> = groups.iter().map(token_advantages).collect();
    let groups = groups.iter().zip(&token_advantages).map(|(group, advantages)| GroupAdvantages {
        advantages,
        anchor: None,
        divisor: group.divisor,
    });
    let loss = Loss::Policy(PolicyLoss::default());
    #[expect(clippy::expect_used, reason = "a selection has a divisor and finite advantages")]
    let batch = UpdateBatch::new(loss, *objective, levels, of_groups, groups).expect("a batch");
    policy_loss(LogProbs { policy_log_probs, old_log_probs, ref_log_probs }, &batch)
}
