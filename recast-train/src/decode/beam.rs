//! Beam search: of each level only the best prefixes are followed.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::reading::{Reading, logits};
use super::{Completion, children};
use crate::model::Decoder;
use crate::sid::{Node, Trie};

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
    let (reading, hidden) = Reading::prompts(model, prompts);
    let prompt_slots = reading.slots();
    let mut search = BeamSearch { trie, width, reading, prompt_slots, beams: Vec::new() };
    search.extend(&logits(model, hidden, 0), model.codes(0));
    for level in 1..model.levels() {
        let hidden = search.read(level - 1);
        search.extend(&logits(model, hidden, level), model.codes(level));
    }
    search.finish()
}

struct BeamSearch<'a> {
    trie: &'a Trie,
    width: usize,
    reading: Reading<'a>,
    /// Slots of the prompts; those of the beams come after these, `width` for each level.
    prompt_slots: usize,
    /// For each level so far, for each prompt, its beams.
    beams: Vec<Vec<Vec<Beam>>>,
}

impl BeamSearch<'_> {
    /// Reads the codes of all beams of a level; their hidden states, `width` for each prompt.
    ///
    /// Where the trie is narrower than the beam, what stands in the place of beams that do not
    /// exist is never read.
    fn read(&mut self, level: usize) -> Tensor<2> {
        let mut step = self.reading.step(level, self.width);
        for (prompt, beams) in self.beams[level].iter().enumerate() {
            for (index, beam) in beams.iter().enumerate() {
                let ancestors = (0..level).rev().scan(beam.parent, |ancestor, above| {
                    let slot = self.prompt_slots + above * self.width + *ancestor;
                    *ancestor = self.beams[above][prompt][*ancestor].parent;
                    Some(slot)
                });
                step.place(&self.reading, prompt, index, self.trie.code(beam.node), ancestors);
            }
        }
        self.reading.read(step)
    }

    /// Extends every prompt's beams by one level and keeps the best.
    fn extend(&mut self, logits: &[f32], codes: usize) {
        let start = [Beam { node: Trie::ROOT, log_prob: 0.0, parent: 0 }];
        let rows = if self.beams.is_empty() { 1 } else { self.width };
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
        let extended = children(trie, beam.node, beam.log_prob, logits);
        candidates.extend(extended.map(|(node, log_prob)| Beam { node, log_prob, parent }));
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
