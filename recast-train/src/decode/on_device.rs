//! Search and sampling that stay on the decoder's device: only the completions come back.

use burn::tensor::{Device, Int, Tensor};
use rand_chacha::ChaCha8Rng;
use recast_burn::packing::FORBIDDEN;

use super::reading::Reading;
use super::rollout::{Rollout, Rule};
use super::sample_on_device::{Children, Choice};
use super::{Completion, distinct_width};
use crate::catalogue::Trie;
use crate::model::{Decoder, indices};

/// A trie on a device, as the search there reads it: 8 bytes a node.
#[derive(Debug, Clone)]
pub struct DeviceTrie<'a> {
    trie: &'a Trie,
    /// The children of node `v` are `first_child[v]..first_child[v + 1]`.
    first_child: Tensor<1, Int>,
    /// The code that leads to each node.
    codes: Tensor<1, Int>,
}

impl<'a> DeviceTrie<'a> {
    /// Copies a trie to a device.
    #[must_use]
    pub fn new(trie: &'a Trie, device: &Device) -> Self {
        let nodes = || (0..trie.n_nodes() as u32).filter_map(|index| trie.node(index));
        let inner = trie.nodes_at(trie.levels()).start as usize;
        let mut first_child: Vec<i32> =
            nodes().take(inner).map(|node| trie.children(node).start as i32).collect();
        first_child.push(trie.n_nodes() as i32);
        let codes = nodes().map(|node| trie.code(node).into()).collect();
        Self { trie, first_child: indices(first_child, device), codes: indices(codes, device) }
    }
}

/// The beams of all prompts at one level, the first chosen first.
struct Beams<'a> {
    /// Nodes of the trie, `(B, W)`.
    nodes: Tensor<2, Int>,
    /// Log-probabilities, `(B, W)`. If the trie is narrower than the beam, some places hold no
    /// beam. Such a place holds far less than any beam, and a node that another beam holds.
    log_probs: Tensor<2>,
    /// For each level before, the place of each beam's ancestor there, `(B, W)`.
    ancestors: Vec<Tensor<2, Int>>,
    /// The rule that chooses the extensions.
    choice: Choice<'a>,
}

/// The completions of [`super::beam_search`]; those of equal log-probability may stand in any
/// order.
///
/// The host reads nothing from the device before the last level is done.
///
/// # Panics
///
/// If a prompt is empty or the width is 0.
#[must_use]
pub fn device_beam_search(
    model: &Decoder,
    trie: &DeviceTrie<'_>,
    prompts: &[&[u32]],
    width: usize,
) -> Vec<Vec<Completion>> {
    device_rollout(model, trie, prompts, width, &Rollout(Rule::Beam), &[])
}

/// The completions of [`super::rollout`], up to rounding: the same random numbers are uploaded.
///
/// The host reads nothing from the device before the last level is done. `sample` uploads 4 bytes
/// for each completion and level. `gumbel` uploads 4 bytes for each beam of a level and each
/// child that the widest node has. Truncation compares the codes of each beam pair by pair, without
/// sorting.
///
/// # Panics
///
/// If a prompt is empty or the width is 0. If there is not one stream for each prompt, unless
/// `rollout` is beam search.
#[must_use]
pub fn device_rollout(
    model: &Decoder,
    trie: &DeviceTrie<'_>,
    prompts: &[&[u32]],
    width: usize,
    rollout: &Rollout,
    streams: &[ChaCha8Rng],
) -> Vec<Vec<Completion>> {
    if prompts.is_empty() {
        return Vec::new();
    }
    assert!(width > 0, "a search of width 0 finds nothing");
    let width = match rollout.0 {
        Rule::Beam | Rule::Gumbel { .. } => distinct_width(trie.trie, width),
        Rule::Sample(_) => width,
    };
    let device = model.device();
    let (mut reading, mut hidden) = Reading::prompts(model, prompts);
    let prompt_slots = reading.slots();
    let mut beams = Beams {
        nodes: Tensor::zeros([prompts.len(), 1], &device),
        log_probs: Tensor::zeros([prompts.len(), 1], &device),
        ancestors: Vec::new(),
        choice: Choice::new(rollout.0, streams, prompts.len(), &device),
    };
    // the number of beams of each level that is read
    let mut widths = Vec::new();
    for level in 0..model.levels() {
        if level > 0 {
            widths.push(beams.nodes.dims()[1]);
            let tokens = beams.tokens(model, trie, level - 1);
            let parents = beams.parents(&widths);
            let mask = || beams.mask(prompts, prompt_slots, &widths);
            hidden = reading.read_level(tokens, level - 1, mask, parents);
        }
        beams = beams.extended(&model.logits(hidden.clone(), level), trie, level, width);
    }
    completions(trie.trie, &beams)
}

impl Beams<'_> {
    /// The chosen extensions by the codes of a level, at most `width` for each prompt.
    fn extended(
        self,
        logits: &Tensor<2>,
        trie: &DeviceTrie<'_>,
        level: usize,
        width: usize,
    ) -> Self {
        let [prompts, beams] = self.nodes.dims();
        let device = logits.device();
        let (rows, most) = (prompts * beams, trie.trie.max_children(level));
        let of_nodes = |x: &Tensor<1, Int>, nodes: Tensor<1, Int>| x.clone().select(0, nodes);
        let nodes = self.nodes.reshape([rows]);
        let first = of_nodes(&trie.first_child, nodes.clone()).reshape([rows, 1]);
        let end = of_nodes(&trie.first_child, nodes + 1).reshape([rows, 1]);
        let child = first.clone() + Tensor::arange(0..most as i64, &device).reshape([1, most]);
        let missing = child.clone().greater_equal(end.expand([rows, most]));
        // another child, at no probability, stands in for a missing one
        let child = child.mask_where(missing.clone(), first.expand([rows, most]));
        let codes = of_nodes(&trie.codes, child.clone().reshape([rows * most]));
        let allowed = logits.clone().gather(1, codes.reshape([rows, most]));
        let allowed = allowed.mask_fill(missing.clone(), FORBIDDEN);
        let of_children = burn::tensor::activation::log_softmax(allowed, 1);
        let log_probs =
            of_children.clone() + self.log_probs.reshape([rows, 1]).expand([rows, most]);
        let log_probs = log_probs.reshape([prompts, beams * most]);
        let children = Children { level, prompts, beams, most, log_probs: of_children, missing };
        let (best, log_probs, choice) = self.choice.choose(&children, log_probs, width);
        let nodes = child.reshape([prompts, beams * most]).gather(1, best.clone());
        let parents = best.div_scalar(most as i32);
        let mut ancestors: Vec<Tensor<2, Int>> =
            self.ancestors.into_iter().map(|places| places.gather(1, parents.clone())).collect();
        // the root has no slot
        if level > 0 {
            ancestors.push(parents);
        }
        Self { nodes, log_probs, ancestors, choice }
    }

    /// The tokens of all beams, `(B, W)`, whose codes are of a level.
    fn tokens(&self, model: &Decoder, trie: &DeviceTrie<'_>, level: usize) -> Tensor<2, Int> {
        let [batch, width] = self.nodes.dims();
        let codes = trie.codes.clone().select(0, self.nodes.clone().reshape([batch * width]));
        (codes + model.token(level, 0) as i32).reshape([batch, width])
    }

    /// The slot before each beam's code, `(B, W)`, where slot 0 is the prompt's.
    fn parents(&self, widths: &[usize]) -> Tensor<2, Int> {
        let earlier: usize = widths.iter().rev().skip(2).sum();
        match self.ancestors.last() {
            Some(places) => places.clone() + (1 + earlier) as i32,
            None => self.nodes.zeros_like(),
        }
    }

    /// The mask of all beams, `(B, 1, W, T)`. Each code sees the prompt, its ancestors and itself.
    fn mask(&self, prompts: &[&[u32]], prompt_slots: usize, widths: &[usize]) -> Tensor<4> {
        let [batch, width] = self.nodes.dims();
        let device = self.nodes.device();
        let lengths: Vec<i32> = prompts.iter().map(|prompt| prompt.len() as i32).collect();
        let lengths = indices(lengths, &device).reshape([batch, 1, 1]);
        let slots = |n: usize| {
            let slots: Tensor<1, Int> = Tensor::arange(0..n as i64, &device);
            slots.reshape([1, 1, n]).expand([batch, width, n])
        };
        let of_prompts = slots(prompt_slots);
        let mut seen = vec![of_prompts.lower(lengths.expand([batch, width, prompt_slots]))];
        let itself: Tensor<1, Int> = Tensor::arange(0..width as i64, &device);
        let itself = itself.reshape([1, width]).expand([batch, width]);
        for (places, &n) in self.ancestors.iter().chain([&itself]).zip(widths) {
            let places = places.clone().reshape([batch, width, 1]).expand([batch, width, n]);
            seen.push(slots(n).equal(places));
        }
        let seen = Tensor::cat(seen, 2);
        let [_, _, keys] = seen.dims();
        let mask = Tensor::<3>::zeros([batch, width, keys], &device);
        let mask = mask.mask_fill(seen.bool_not(), FORBIDDEN);
        mask.reshape([batch, 1, width, keys])
    }
}

/// Reads the beams of the last level, and leaves out places without a beam.
fn completions(trie: &Trie, beams: &Beams<'_>) -> Vec<Vec<Completion>> {
    let [_, width] = beams.nodes.dims();
    #[expect(clippy::expect_used, reason = "the device was asked for these types")]
    let (nodes, log_probs) = (
        beams.nodes.clone().into_data().try_to_vec_as::<i32>().expect("nodes"),
        beams.log_probs.clone().into_data().try_to_vec_as::<f32>().expect("log-probabilities"),
    );
    let ranks = beams.choice.ranks(&log_probs);
    let of_prompt = |((nodes, log_probs), ranks): ((&[i32], &[f32]), &[f32])| {
        let found = nodes.iter().zip(log_probs).zip(ranks);
        let mut found: Vec<(f32, Completion)> = found
            .filter(|&((_, &log_prob), _)| log_prob > 0.5 * FORBIDDEN)
            .filter_map(|((&node, &log_prob), &rank)| {
                Some((rank, Completion { leaf: trie.node(node as u32)?, log_prob }))
            })
            .collect();
        found.sort_by(|(a, _), (b, _)| b.total_cmp(a));
        found.into_iter().map(|(_, completion)| completion).collect()
    };
    let found = nodes.chunks_exact(width).zip(log_probs.chunks_exact(width));
    found.zip(ranks.chunks_exact(width)).map(of_prompt).collect()
}
