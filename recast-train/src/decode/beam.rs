//! Beam search: of each level only the best prefixes are followed.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::reading::{Reading, logits};
use super::{Completion, UnconstrainedCompletion, children, log_sum_exp};
use crate::model::Decoder;
use crate::sid::{Node, Trie};

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
    if prompts.is_empty() {
        return Vec::new();
    }
    let completion = |beam: Beam<Node>| Completion { leaf: beam.node, log_prob: beam.log_prob };
    let last = BeamSearch::run(model, trie, prompts, width).beams.pop().unwrap_or_default();
    last.into_iter().map(|beams| beams.into_iter().map(completion).collect()).collect()
}

/// The same without a trie: any code may follow any other, so that a completion may be no item's.
///
/// What other tools decode: it shows what the constraint costs, and what it saves from. Nothing is recommended from it.
///
/// # Panics
/// If a prompt is empty or the width is 0.
#[must_use]
pub fn unconstrained_beam_search(
    model: &Decoder,
    prompts: &[&[u32]],
    width: usize,
) -> Vec<Vec<UnconstrainedCompletion>> {
    if prompts.is_empty() {
        return Vec::new();
    }
    let search = BeamSearch::run(model, &AnyCode, prompts, width);
    let last = search.beams.last().map_or(&[][..], Vec::as_slice);
    let completion = |prompt: usize, beam: &Beam<u16>| {
        let mut codes = vec![beam.node; search.beams.len()];
        let mut parent = beam.parent;
        for level in (0..codes.len() - 1).rev() {
            let ancestor = search.beams[level][prompt][parent];
            (codes[level], parent) = (ancestor.node, ancestor.parent);
        }
        UnconstrainedCompletion { codes, log_prob: beam.log_prob }
    };
    let of_prompt = |(prompt, beams): (usize, &Vec<Beam<u16>>)| {
        beams.iter().map(|beam| completion(prompt, beam)).collect()
    };
    last.iter().enumerate().map(of_prompt).collect()
}

/// What may follow a prefix.
trait Continuations: Sync {
    /// A prefix, as far as it matters; of one parent they stand in the order of their codes.
    type Node: Copy + Ord + Send + Sync;

    fn start(&self) -> Self::Node;

    /// The last code of a prefix.
    fn code(&self, node: Self::Node) -> u16;

    /// What follows a prefix of log-probability `log_prob`, each with its own, in order of codes; `logits` are those of
    /// all codes of the level.
    fn after<'a>(
        &'a self,
        node: Self::Node,
        log_prob: f32,
        logits: &'a [f32],
    ) -> impl Iterator<Item = (Self::Node, f32)> + 'a;
}

impl Continuations for Trie {
    type Node = Node;

    fn start(&self) -> Node {
        Self::ROOT
    }

    fn code(&self, node: Node) -> u16 {
        self.code(node)
    }

    fn after<'a>(
        &'a self,
        node: Node,
        log_prob: f32,
        logits: &'a [f32],
    ) -> impl Iterator<Item = (Node, f32)> + 'a {
        children(self, node, log_prob, logits)
    }
}

struct AnyCode;

impl Continuations for AnyCode {
    type Node = u16;

    fn start(&self) -> u16 {
        0
    }

    fn code(&self, node: u16) -> u16 {
        node
    }

    fn after<'a>(
        &'a self,
        _: u16,
        log_prob: f32,
        logits: &'a [f32],
    ) -> impl Iterator<Item = (u16, f32)> + 'a {
        let log_total = log_sum_exp(logits.iter().copied());
        (0..).zip(logits).map(move |(code, logit)| (code, log_prob + logit - log_total))
    }
}

/// A partial completion.
#[derive(Debug, Clone, Copy)]
struct Beam<N> {
    node: N,
    log_prob: f32,
    /// The beam of the level before that this one extends.
    parent: usize,
}

struct BeamSearch<'a, C: Continuations> {
    allowed: &'a C,
    width: usize,
    reading: Reading<'a>,
    /// Slots of the prompts; those of the beams come after these, `width` for each level.
    prompt_slots: usize,
    /// For each level so far, for each prompt, its beams.
    beams: Vec<Vec<Vec<Beam<C::Node>>>>,
}

impl<'a, C: Continuations> BeamSearch<'a, C> {
    /// Searches all levels.
    fn run(model: &'a Decoder, allowed: &'a C, prompts: &'a [&'a [u32]], width: usize) -> Self {
        assert!(width > 0, "a beam search of width 0 finds nothing");
        let (reading, hidden) = Reading::prompts(model, prompts);
        let prompt_slots = reading.slots();
        let mut search = Self { allowed, width, reading, prompt_slots, beams: Vec::new() };
        search.extend(&logits(model, hidden, 0), model.codes(0));
        for level in 1..model.levels() {
            let hidden = search.read(level - 1);
            search.extend(&logits(model, hidden, level), model.codes(level));
        }
        search
    }

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
                step.place(&self.reading, prompt, index, self.allowed.code(beam.node), ancestors);
            }
        }
        self.reading.read(step)
    }

    /// Extends every prompt's beams by one level and keeps the best.
    fn extend(&mut self, logits: &[f32], codes: usize) {
        let start = [Beam { node: self.allowed.start(), log_prob: 0.0, parent: 0 }];
        let rows = if self.beams.is_empty() { 1 } else { self.width };
        let (allowed, width, last) = (self.allowed, self.width, self.beams.last());
        let next = logits
            .par_chunks(rows * codes)
            .enumerate()
            .map(|(prompt, logits)| {
                let beams = last.map_or(&start[..], |beams| &beams[prompt]);
                best_extensions(allowed, beams, logits, codes, width)
            })
            .collect();
        self.beams.push(next);
    }
}

fn best_extensions<C: Continuations>(
    allowed: &C,
    beams: &[Beam<C::Node>],
    logits: &[f32],
    codes: usize,
    width: usize,
) -> Vec<Beam<C::Node>> {
    let mut candidates = Vec::new();
    for (parent, (beam, logits)) in beams.iter().zip(logits.chunks_exact(codes)).enumerate() {
        let extended = allowed.after(beam.node, beam.log_prob, logits);
        candidates.extend(extended.map(|(node, log_prob)| Beam { node, log_prob, parent }));
    }
    // children are in order of codes and beams in order of rank, so that node order breaks ties
    let better = |a: &Beam<C::Node>, b: &Beam<C::Node>| {
        b.log_prob.total_cmp(&a.log_prob).then(a.parent.cmp(&b.parent)).then(a.node.cmp(&b.node))
    };
    if candidates.len() > width {
        candidates.select_nth_unstable_by(width - 1, better);
        candidates.truncate(width);
    }
    candidates.sort_unstable_by(better);
    candidates
}
