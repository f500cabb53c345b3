//! Exact search: it scores every semantic ID of the catalogue and computes each prefix's state
//! once.

use std::ops::Range;

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::reading::{Reading, logits};
use super::{Completion, children};
use crate::catalogue::{Node, Trie};
use crate::model::Decoder;

/// The number of nodes of a level that each prompt reads at once. The matrix products have enough
/// work, and hiding the nodes from each other costs little.
const CHUNK: u32 = 128;

/// For each prompt its `width` best completions of the whole catalogue, best first.
///
/// Beam search approximates the exact search. Equal log-probabilities are ordered by semantic ID.
/// `O(prefixes)` decoder tokens a prompt; memory as for [`leaf_log_probs`].
///
/// # Panics
///
/// If a prompt is empty.
#[must_use]
pub fn exact_search(
    model: &Decoder,
    trie: &Trie,
    prompts: &[&[u32]],
    width: usize,
) -> Vec<Vec<Completion>> {
    let found = leaf_log_probs(model, trie, prompts);
    found.par_iter().map(|log_probs| best_leaves(trie, log_probs, width)).collect()
}

/// The `width` most probable leaves, the best first; ties go by semantic ID.
pub(crate) fn best_leaves(trie: &Trie, log_probs: &[f32], width: usize) -> Vec<Completion> {
    let leaves = trie.nodes_at(trie.levels()).filter_map(|index| trie.node(index));
    let completion = |(leaf, &log_prob)| Completion { leaf, log_prob };
    let mut found: Vec<Completion> = leaves.zip(log_probs).map(completion).collect();
    let better = |a: &Completion, b: &Completion| {
        b.log_prob.total_cmp(&a.log_prob).then(a.leaf.cmp(&b.leaf))
    };
    if found.len() > width && width > 0 {
        found.select_nth_unstable_by(width - 1, better);
    }
    found.truncate(width);
    found.sort_unstable_by(better);
    found
}

/// For each prompt the log-probability of every leaf of the trie, in the trie's order, in nats.
///
/// Log-probabilities are renormalised over the allowed codes of each level, so that the leaves
/// share one distribution. The search reads the trie's inner nodes in depth-first order, and a
/// prompt's and a node's keys and values once. Memory holds the prompts, 128 nodes a level, and 4
/// bytes for each node and prompt.
///
/// # Panics
///
/// If a prompt is empty.
#[must_use]
pub fn leaf_log_probs(model: &Decoder, trie: &Trie, prompts: &[&[u32]]) -> Vec<Vec<f32>> {
    let first_leaf = trie.nodes_at(trie.levels()).start as usize;
    let all = node_log_probs(model, trie, prompts);
    all.into_iter().map(|mut nodes| nodes.split_off(first_leaf)).collect()
}

/// For each prompt the log-probability of every node of the trie, in the trie's order, in nats. A
/// node stands for the prefix that leads to it. Cost and memory are those of [`leaf_log_probs`].
///
/// # Panics
///
/// If a prompt is empty.
pub(crate) fn node_log_probs(model: &Decoder, trie: &Trie, prompts: &[&[u32]]) -> Vec<Vec<f32>> {
    if prompts.is_empty() {
        return Vec::new();
    }
    let (reading, hidden) = Reading::prompts(model, prompts);
    let log_probs = vec![vec![0.0; trie.n_nodes()]; prompts.len()];
    let mut scores = Scores { trie, log_probs };
    scores.score(&(0..1), &logits(model, hidden, 0), model.codes(0));
    if model.levels() > 1 {
        scores.descend(&reading, trie.nodes_at(1), &mut Vec::new());
    }
    scores.log_probs
}

/// Nodes of one read.
struct Chunk {
    nodes: Range<u32>,
    /// The slot of the first node.
    slot: usize,
}

struct Scores<'a> {
    trie: &'a Trie,
    /// For each prompt the log-probability of every node scored so far.
    log_probs: Vec<Vec<f32>>,
}

impl Scores<'_> {
    /// Scores all nodes below `nodes`, which are of one level and have scores themselves.
    ///
    /// `above` are the chunks, one a level, that hold their ancestors.
    fn descend(&mut self, reading: &Reading<'_>, nodes: Range<u32>, above: &mut Vec<Chunk>) {
        let (model, level) = (reading.model, above.len());
        for start in nodes.clone().step_by(CHUNK as usize) {
            let chunk = Chunk { nodes: start..nodes.end.min(start + CHUNK), slot: reading.slots() };
            let mut reading = reading.clone();
            let hidden = self.read(&mut reading, &chunk.nodes, above);
            let next = level + 1;
            self.score(&chunk.nodes, &logits(model, hidden, next), model.codes(next));
            if next + 1 < model.levels() {
                let below = self.children_of(&chunk.nodes);
                above.push(chunk);
                self.descend(&reading, below, above);
                above.pop();
            }
        }
    }

    /// Reads the codes of `nodes` after every prompt and returns their hidden states.
    fn read(&self, reading: &mut Reading<'_>, nodes: &Range<u32>, above: &[Chunk]) -> Tensor<2> {
        let mut step = reading.step(above.len(), nodes.len());
        for (index, node) in nodes.clone().filter_map(|index| self.trie.node(index)).enumerate() {
            // without the root, which has no slot; the node itself is the last of the path
            let path = self.trie.path(node);
            let ancestors = path[1..].iter().zip(above);
            let slots: Vec<usize> = ancestors
                .map(|(node, chunk)| chunk.slot + (node.index() - chunk.nodes.start) as usize)
                .collect();
            for prompt in 0..reading.prompts.len() {
                let code = self.trie.code(node);
                step.place(reading, prompt, index, code, slots.iter().copied());
            }
        }
        reading.read(step)
    }

    /// Scores the children of `nodes`; `logits` has `codes` values for each prompt and node.
    fn score(&mut self, nodes: &Range<u32>, logits: &[f32], codes: usize) {
        let trie = self.trie;
        let prompts = self.log_probs.par_iter_mut();
        prompts.zip(logits.par_chunks(nodes.len() * codes)).for_each(|(log_probs, logits)| {
            let nodes = nodes.clone().filter_map(|index| trie.node(index));
            for (node, logits) in nodes.zip(logits.chunks_exact(codes)) {
                let log_prob = log_probs[node.index() as usize];
                for (child, log_prob) in children(trie, node, log_prob, logits) {
                    log_probs[child.index() as usize] = log_prob;
                }
            }
        });
    }

    /// The children of neighbouring nodes are neighbours.
    fn children_of(&self, nodes: &Range<u32>) -> Range<u32> {
        let of = |index: u32| self.trie.node(index).map(|node: Node| self.trie.children(node));
        let first = of(nodes.start).map_or(0, |children| children.start);
        let last = of(nodes.end - 1).map_or(0, |children| children.end);
        first..last
    }
}
