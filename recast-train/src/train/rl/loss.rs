//! The loss of kept groups: their layout, log-probabilities and numbers.

use burn::tensor::Tensor;
use recast_burn::log_prob::{allowed_entropies, allowed_log_probs};
use recast_burn::objective::{GroupAdvantages, UpdateBatch};
use recast_burn::packing::{Packed, Tree};
use recast_core::objective::{Loss, Objective};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Node, Trie};
use crate::error::{Error, Result};
use crate::model::{Decoder, indices};
use crate::optim::batches_of;

/// The trained completions of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptGroup {
    /// The prompt's tokens.
    pub prompt: Vec<u32>,
    /// A leaf of the trie for each kept completion: (K).
    pub leaves: Vec<Node>,
    /// The advantage of each token, completion by completion: (K L).
    pub token_advantages: Vec<f32>,
    /// The index of the anchor among the kept completions.
    pub anchor: Option<usize>,
    /// The divisor of the sum over the kept completions.
    pub divisor: usize,
}

/// The layout of kept completions for the decoder; log-probabilities are equal in either layout.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Layout {
    /// A prompt and its kept completions form one packed tree: the decoder computes each prompt
    /// once.
    #[default]
    Packed,
    /// Each kept completion has its own copy of the prompt, as in other trainers.
    RowWise,
}

impl Layout {
    /// The completions of a group in chunks; each chunk shares one prompt.
    pub(crate) fn chunks<T>(self, completions: &[T]) -> std::slice::Chunks<'_, T> {
        completions.chunks(match self {
            Self::Packed => completions.len().max(1),
            Self::RowWise => 1,
        })
    }

    /// The tokens of a group that the decoder reads, for completions of `levels` codes.
    pub(super) fn tokens(self, prompt: &[u32], leaves: &[Node], levels: usize) -> usize {
        let prompts = self.chunks(leaves).len();
        prompts * prompt.len() + leaves.len() * levels.saturating_sub(1)
    }
}

/// Cuts groups into micro-batches of at most `tokens` tokens, each with at least one whole group.
/// For 0 tokens all groups form one micro-batch.
#[must_use]
pub fn micro_batches(
    groups: &[KeptGroup],
    tokens: usize,
    layout: Layout,
    levels: usize,
) -> Vec<&[KeptGroup]> {
    batches_of(groups, tokens, |group| layout.tokens(&group.prompt, &group.leaves, levels))
}

/// The log-probability of each code of each kept completion, renormalised over the trie's codes.
///
/// # Shapes
///
/// `(L N)` for `N` completions of all groups in order: level 0 of every completion, then level 1.
#[must_use]
pub fn completion_log_probs(
    model: &Decoder,
    trie: &Trie,
    groups: &[KeptGroup],
    layout: Layout,
) -> Tensor<1> {
    let groups: Vec<_> =
        groups.iter().map(|group| (&group.prompt[..], &group.leaves[..])).collect();
    path_log_probs(model, trie, &groups, layout)
}

/// The log-probabilities of completions of prompts, before any selection.
pub(super) fn path_log_probs(
    model: &Decoder,
    trie: &Trie,
    groups: &[(&[u32], &[Node])],
    layout: Layout,
) -> Tensor<1> {
    by_level(model, trie, groups, layout, |logits, codes, allowed| {
        allowed_log_probs(logits, indices(codes, &model.device()), allowed)
    })
}

/// The entropy of the policy at each code of each completion, over the trie's codes.
///
/// # Shapes
///
/// The shapes of [`completion_log_probs`].
pub(super) fn entropies(
    model: &Decoder,
    trie: &Trie,
    groups: &[(&[u32], &[Node])],
    layout: Layout,
) -> Tensor<1> {
    by_level(model, trie, groups, layout, |logits, _, allowed| allowed_entropies(logits, allowed))
}

/// One number for each code of each completion, level after level: (L N).
///
/// The closure `of_level` makes a level's numbers from its logits (N, C), the completions' codes
/// and the codes that the trie allows.
fn by_level(
    model: &Decoder,
    trie: &Trie,
    groups: &[(&[u32], &[Node])],
    layout: Layout,
    of_level: impl Fn(Tensor<2>, Vec<i32>, AllowedCodes<'_>) -> Tensor<1>,
) -> Tensor<1> {
    let paths: Vec<Vec<Node>> =
        groups.iter().flat_map(|(_, leaves)| *leaves).map(|&leaf| trie.path(leaf)).collect();
    let codes = |level: usize| paths.iter().map(move |path| trie.code(path[level + 1]));
    let numbers = |level: usize, states: Tensor<2>| {
        let allowed: Vec<&[u16]> = paths.iter().map(|path| trie.codes(path[level])).collect();
        let targets = codes(level).map(i32::from).collect();
        of_level(model.logits(states, level), targets, allowed.into_iter())
    };
    let levels = 0..model.levels();
    if model.reads_items() {
        let mut states = prompt_states(model, groups, layout);
        let of_level = |level: usize| {
            let found = numbers(level, states.clone());
            if level + 1 < model.levels() {
                let tokens = codes(level).map(|code| model.token(level, code) as i32).collect();
                states = model.written(states.clone(), indices(tokens, &model.device()));
            }
            found
        };
        return Tensor::cat(levels.map(of_level).collect(), 0);
    }
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
        .flat_map(|&(prompt, leaves)| {
            let (completions, later) = rest.split_at(leaves.len());
            rest = later;
            layout.chunks(completions).map(move |completions| Tree { prompt, completions })
        })
        .collect();
    let (packed, hidden) = hidden_states(model, &trees);
    let of_level = |level: usize| {
        let predictors = indices(packed.predictors(level), &model.device());
        numbers(level, hidden.clone().select(0, predictors))
    };
    Tensor::cat(levels.map(of_level).collect(), 0)
}

/// The state of a decoder of items before each completion, (N, D): that of its prompt.
fn prompt_states(model: &Decoder, groups: &[(&[u32], &[Node])], layout: Layout) -> Tensor<2> {
    let mut trees = Vec::new();
    // the prompt of each completion
    let mut prompts = Vec::new();
    for &(prompt, leaves) in groups {
        for leaves in layout.chunks(leaves) {
            prompts.extend(std::iter::repeat_n(trees.len(), leaves.len()));
            trees.push(Tree { prompt, completions: &[] });
        }
    }
    let (packed, hidden) = hidden_states(model, &trees);
    let end = |&tree: &usize| (packed.prompts()[tree] + trees[tree].prompt.len() - 1) as i32;
    hidden.select(0, indices(prompts.iter().map(end).collect(), &model.device()))
}

/// Trees in rows, and the hidden states of their slots, (B S, D).
fn hidden_states(model: &Decoder, trees: &[Tree<'_>]) -> (Packed, Tensor<2>) {
    let packed = Packed::new(trees, 0);
    let context = model.context(packed.positions(), packed.mask(&model.device()));
    let hidden = model.forward(model.embed(packed.tokens()), &context, None, None);
    (packed, hidden)
}

/// The allowed codes of each row in the trie.
type AllowedCodes<'a> = std::vec::IntoIter<&'a [u16]>;

/// The numbers that the loss of groups reads beside log-probabilities, for a minibatch of
/// `of_groups` groups.
///
/// ```text
/// loss = 1 / of_groups sum over groups of core's group_loss
/// ```
///
/// The losses of all micro-batches add up to the loss of the minibatch:
/// [`policy_loss`](recast_burn::objective::policy_loss) takes log-probabilities in the order of
/// [`completion_log_probs`].
///
/// # Errors
///
/// If core refuses the advantages for this loss.
pub fn update_batch(
    groups: &[KeptGroup],
    of_groups: usize,
    levels: usize,
    loss: Loss<f32>,
    objective: &Objective<f32>,
) -> Result<UpdateBatch> {
    let groups = groups.iter().map(|group| GroupAdvantages {
        advantages: &group.token_advantages,
        anchor: group.anchor,
        divisor: group.divisor,
    });
    UpdateBatch::new(loss, *objective, levels, of_groups, groups).map_err(|e| {
        let hint = "lower rl.learning_rate in the run folder's config.toml and resume";
        Error::data(format!("a step gave no usable loss: {e}"), hint)
    })
}
