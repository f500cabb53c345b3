//! Trie-constrained beam search.
//!
//! At each level a beam may only take the codes of its trie node's children, and log-probabilities
//! are renormalised over these: an illegal semantic ID cannot be expressed. The prompt is computed
//! once for all its beams.

use burn::tensor::{Int, Tensor, TensorData};
use rayon::prelude::*;
use recast_burn::packing::FORBIDDEN;

use crate::model::{Decoder, KvCache};
use crate::sid::{Node, Trie};

/// A completion: a whole semantic ID, as the leaf of the trie, and its log-probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completion {
    /// The leaf: one semantic ID and the items that carry it.
    pub leaf: Node,
    /// Sum over levels of the log-probability renormalised over the allowed codes, in nats.
    pub log_prob: f32,
}

/// A partial completion.
#[derive(Debug, Clone, Copy)]
struct Beam {
    node: Node,
    log_prob: f32,
    /// The beam of the level before that this one extends.
    parent: usize,
}

/// For each prompt its `width` best completions, best first; fewer where the trie has fewer.
///
/// Equal log-probabilities are ordered by the parent's rank, then by code. Beams of one prompt
/// are distinct. The prompts run as one batch, padded to the longest: give prompts of like length.
///
/// # Panics
/// If a prompt is empty or the width is 0: configuration and data are checked before.
#[must_use]
pub fn beam_search(
    model: &Decoder,
    trie: &Trie,
    prompts: &[&[u32]],
    width: usize,
) -> Vec<Vec<Completion>> {
    assert!(width > 0, "a beam search of width 0 finds nothing");
    if prompts.is_empty() {
        return Vec::new();
    }
    let mut search = Search::new(model, trie, prompts, width);
    for level in 0..model.levels() {
        let logits = search.logits(level);
        search.extend(level, &logits);
    }
    search.finish()
}

struct Search<'a> {
    model: &'a Decoder,
    trie: &'a Trie,
    prompts: &'a [&'a [u32]],
    width: usize,
    cache: KvCache,
    /// Slots of the cache that hold prompts, padding included.
    prompt_slots: usize,
    /// For each level so far, for each prompt, its beams.
    beams: Vec<Vec<Vec<Beam>>>,
}

impl<'a> Search<'a> {
    fn new(model: &'a Decoder, trie: &'a Trie, prompts: &'a [&'a [u32]], width: usize) -> Self {
        let prompt_slots = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
        Self { model, trie, prompts, width, cache: model.cache(), prompt_slots, beams: Vec::new() }
    }

    /// The logits of a level's codes: a row for each prompt at level 0, then for each of its
    /// `width` beams.
    fn logits(&mut self, level: usize) -> Vec<f32> {
        let hidden = if level == 0 { self.prefill() } else { self.step(level) };
        let logits = self.model.logits(hidden, level).into_data();
        #[expect(clippy::expect_used, reason = "the decoder's weights are f32")]
        logits.try_into_vec::<f32>().expect("f32 logits")
    }

    /// Reads the prompts; the hidden state of each one's last token.
    fn prefill(&mut self) -> Tensor<2> {
        let (batch, slots) = (self.prompts.len(), self.prompt_slots);
        let mut tokens = vec![0i32; batch * slots];
        let mut mask = vec![FORBIDDEN; batch * slots * slots];
        for (row, prompt) in self.prompts.iter().enumerate() {
            assert!(!prompt.is_empty(), "a prompt holds at least one item");
            for (slot, &token) in prompt.iter().enumerate() {
                tokens[row * slots + slot] = token as i32;
            }
            for query in 0..slots {
                let line = (row * slots + query) * slots;
                mask[line..=line + query].fill(0.0);
            }
        }
        let positions: Vec<i32> = (0..batch).flat_map(|_| 0..slots as i32).collect();
        let ends: Vec<i32> = self
            .prompts
            .iter()
            .enumerate()
            .map(|(row, prompt)| (row * slots + prompt.len() - 1) as i32)
            .collect();
        let hidden = self.run(tokens, &positions, mask, [batch, slots]);
        let device = self.model.device();
        hidden.select(0, Tensor::from_data(TensorData::new(ends, [batch]), &device))
    }

    /// Reads the codes of the level before; the hidden states of all beams.
    ///
    /// A beam sees its prompt's tokens, its ancestors and itself. Slots of beams that do not
    /// exist, where the trie is narrower than the beam, see themselves and are never read.
    fn step(&mut self, level: usize) -> Tensor<2> {
        let (batch, width) = (self.prompts.len(), self.width);
        let slots = self.prompt_slots + level * width;
        let mut tokens = vec![0i32; batch * width];
        let mut positions = vec![0i32; batch * width];
        let mut mask = vec![FORBIDDEN; batch * width * slots];
        for (row, prompt) in self.prompts.iter().enumerate() {
            for index in 0..width {
                let at = row * width + index;
                let line = &mut mask[at * slots..(at + 1) * slots];
                line[self.prompt_slots + (level - 1) * width + index] = 0.0;
                let Some(beam) = self.beams[level - 1][row].get(index) else { continue };
                tokens[at] = self.model.token(level - 1, self.trie.code(beam.node)) as i32;
                positions[at] = (prompt.len() + level - 1) as i32;
                line[..prompt.len()].fill(0.0);
                let mut ancestor = beam.parent;
                for above in (0..level - 1).rev() {
                    line[self.prompt_slots + above * width + ancestor] = 0.0;
                    ancestor = self.beams[above][row][ancestor].parent;
                }
            }
        }
        self.run(tokens, &positions, mask, [batch, width])
    }

    fn run(
        &mut self,
        tokens: Vec<i32>,
        positions: &[i32],
        mask: Vec<f32>,
        [batch, length]: [usize; 2],
    ) -> Tensor<2> {
        let device = self.model.device();
        let slots = mask.len() / (batch * length);
        let mask = Tensor::from_data(TensorData::new(mask, [batch, 1, length, slots]), &device);
        let context = self.model.context(positions, mask);
        let tokens: Tensor<2, Int> =
            Tensor::from_data(TensorData::new(tokens, [batch, length]), &device);
        self.model.forward(tokens, &context, Some(&mut self.cache), None)
    }

    /// Extends every prompt's beams by one level and keeps the best.
    fn extend(&mut self, level: usize, logits: &[f32]) {
        let codes = self.model.codes(level);
        let start = [Beam { node: Trie::ROOT, log_prob: 0.0, parent: 0 }];
        let rows = if level == 0 { 1 } else { self.width };
        let (trie, width, last) = (self.trie, self.width, self.beams.last());
        let next = logits
            .par_chunks(rows * codes)
            .enumerate()
            .map(|(prompt, logits)| {
                let beams = last.map_or(&start[..], |beams| &beams[prompt]);
                best_extensions(trie, beams, logits, codes, width)
            })
            .collect();
        self.beams.push(next);
    }

    fn finish(mut self) -> Vec<Vec<Completion>> {
        let last = self.beams.pop().unwrap_or_default();
        let completion = |beam: Beam| Completion { leaf: beam.node, log_prob: beam.log_prob };
        last.into_iter().map(|beams| beams.into_iter().map(completion).collect()).collect()
    }
}

fn best_extensions(
    trie: &Trie,
    beams: &[Beam],
    logits: &[f32],
    codes: usize,
    width: usize,
) -> Vec<Beam> {
    let mut candidates = Vec::new();
    for (parent, (beam, logits)) in beams.iter().zip(logits.chunks_exact(codes)).enumerate() {
        let allowed = trie.codes(beam.node);
        let of = |code: &u16| logits[usize::from(*code)];
        let top = allowed.iter().map(of).fold(f32::NEG_INFINITY, f32::max);
        let total: f32 = allowed.iter().map(|code| (of(code) - top).exp()).sum();
        let log_total = top + total.ln();
        candidates.extend(allowed.iter().enumerate().map(|(position, code)| Beam {
            node: trie.nth_child(beam.node, position),
            log_prob: beam.log_prob + of(code) - log_total,
            parent,
        }));
    }
    // children are in order of codes and beams in order of rank, so that node order breaks ties
    let better = |a: &Beam, b: &Beam| {
        b.log_prob.total_cmp(&a.log_prob).then(a.parent.cmp(&b.parent)).then(a.node.cmp(&b.node))
    };
    if candidates.len() > width {
        candidates.select_nth_unstable_by(width - 1, better);
        candidates.truncate(width);
    }
    candidates.sort_unstable_by(better);
    candidates
}
