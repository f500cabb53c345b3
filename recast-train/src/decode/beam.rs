//! Beam search: of each level only the best prefixes are followed.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::reading::{Reading, logits};
use super::{Completion, UnconstrainedCompletion, children, log_sum_exp};
use crate::catalogue::{Node, Trie};
use crate::model::Decoder;

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
    let search = BeamSearch::run(model, trie, prompts, width);
    let of_prompt = |prompt| search.last(prompt).iter().copied().map(completion).collect();
    (0..prompts.len()).map(of_prompt).collect()
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
    let completion = |prompt: usize, beam: &Beam<u16>| {
        let mut codes = vec![beam.node; search.levels.len()];
        let mut parent = beam.parent;
        for level in (0..codes.len() - 1).rev() {
            let ancestor = search.levels[level].of(prompt)[parent];
            (codes[level], parent) = (ancestor.node, ancestor.parent);
        }
        UnconstrainedCompletion { codes, log_prob: beam.log_prob }
    };
    let of_prompt =
        |prompt| search.last(prompt).iter().map(|beam| completion(prompt, beam)).collect();
    (0..prompts.len()).map(of_prompt).collect()
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
        let of = move |(code, logit): (usize, &f32)| (code as u16, log_prob + logit - log_total);
        logits.iter().enumerate().map(of)
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

/// The beams of all prompts at one level: an arena with `width` places for each prompt.
struct Level<N> {
    width: usize,
    places: Vec<Beam<N>>,
    /// How many of its places each prompt fills, the best beam first.
    filled: Vec<usize>,
}

impl<N> Level<N> {
    fn of(&self, prompt: usize) -> &[Beam<N>] {
        &self.places[prompt * self.width..][..self.filled[prompt]]
    }
}

struct BeamSearch<'a, C: Continuations> {
    allowed: &'a C,
    width: usize,
    reading: Reading<'a>,
    /// Slots of the prompts; those of the beams come after these, `width` for each level.
    prompt_slots: usize,
    /// The levels so far.
    levels: Vec<Level<C::Node>>,
}

impl<'a, C: Continuations> BeamSearch<'a, C> {
    /// Searches all levels.
    fn run(model: &'a Decoder, allowed: &'a C, prompts: &'a [&'a [u32]], width: usize) -> Self {
        assert!(width > 0, "a beam search of width 0 finds nothing");
        let (reading, hidden) = Reading::prompts(model, prompts);
        let prompt_slots = reading.slots();
        let mut search = Self { allowed, width, reading, prompt_slots, levels: Vec::new() };
        search.extend(&logits(model, hidden, 0), model.codes(0));
        for level in 1..model.levels() {
            let hidden = search.read(level - 1);
            search.extend(&logits(model, hidden, level), model.codes(level));
        }
        search
    }

    /// The beams of a prompt at the last level.
    fn last(&self, prompt: usize) -> &[Beam<C::Node>] {
        self.levels.last().map_or(&[], |level| level.of(prompt))
    }

    /// Reads the codes of all beams of a level; their hidden states, `width` for each prompt.
    ///
    /// Where the trie is narrower than the beam, what stands in the place of beams that do not
    /// exist is never read.
    fn read(&mut self, level: usize) -> Tensor<2> {
        let mut step = self.reading.step(level, self.width);
        for prompt in 0..self.levels[level].filled.len() {
            for (index, beam) in self.levels[level].of(prompt).iter().enumerate() {
                let ancestors = (0..level).rev().scan(beam.parent, |ancestor, above| {
                    let slot = self.prompt_slots + above * self.width + *ancestor;
                    *ancestor = self.levels[above].of(prompt)[*ancestor].parent;
                    Some(slot)
                });
                step.place(&self.reading, prompt, index, self.allowed.code(beam.node), ancestors);
            }
        }
        self.reading.read(step)
    }

    /// Extends every prompt's beams by one level and keeps the best.
    fn extend(&mut self, logits: &[f32], codes: usize) {
        let start = Beam { node: self.allowed.start(), log_prob: 0.0, parent: 0 };
        let (allowed, width, last) = (self.allowed, self.width, self.levels.last());
        let rows = last.map_or(1, |_| width);
        let prompts = logits.len() / (rows * codes);
        let mut next =
            Level { width, places: vec![start; prompts * width], filled: vec![0; prompts] };
        let places = next.places.par_chunks_mut(width).zip(&mut next.filled);
        places.zip(logits.par_chunks(rows * codes)).enumerate().for_each_init(
            || Vec::with_capacity(2 * width),
            |best, (prompt, ((places, filled), logits))| {
                let beams = last.map_or(std::slice::from_ref(&start), |level| level.of(prompt));
                best_extensions(allowed, beams, logits, codes, width, best);
                places[..best.len()].copy_from_slice(best);
                *filled = best.len();
            },
        );
        self.levels.push(next);
    }
}

/// Fills `best` with the `width` best extensions of beams, the best first; it never holds more than twice as many.
fn best_extensions<C: Continuations>(
    allowed: &C,
    beams: &[Beam<C::Node>],
    logits: &[f32],
    codes: usize,
    width: usize,
    best: &mut Vec<Beam<C::Node>>,
) {
    // children are in order of codes and beams in order of rank, so that node order breaks ties
    let better = |a: &Beam<C::Node>, b: &Beam<C::Node>| {
        b.log_prob.total_cmp(&a.log_prob).then(a.parent.cmp(&b.parent)).then(a.node.cmp(&b.node))
    };
    best.clear();
    for (parent, (beam, logits)) in beams.iter().zip(logits.chunks_exact(codes)).enumerate() {
        for (node, log_prob) in allowed.after(beam.node, beam.log_prob, logits) {
            if best.len() == 2 * width {
                best.select_nth_unstable_by(width - 1, better);
                best.truncate(width);
            }
            best.push(Beam { node, log_prob, parent });
        }
    }
    best.sort_unstable_by(better);
    best.truncate(width);
}
