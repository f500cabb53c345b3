//! A search that goes level by level: partial completions of all prompts, extended together.

use burn::tensor::Tensor;
use rayon::prelude::*;

use super::reading::{Reading, logits};
use super::{Completion, children, log_sum_exp};
use crate::catalogue::{Node, Trie};
use crate::model::Decoder;

/// The codes that may follow a prefix.
pub(super) trait Continuations: Sync {
    /// A prefix, as far as it matters; prefixes of one parent stand in the order of their codes.
    type Node: Copy + Ord + Send + Sync;

    fn start(&self) -> Self::Node;

    /// The last code of a prefix.
    fn code(&self, node: Self::Node) -> u16;

    /// The extensions of a prefix of log-probability `log_prob`, each with its own log-probability,
    /// in order of codes. `logits` are those of all codes of the level.
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

/// The continuations without a trie: any code may follow any other.
pub(super) struct AnyCode;

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
pub(super) struct Beam<N> {
    pub(super) node: N,
    /// The log-probability under the policy.
    pub(super) log_prob: f32,
    /// The log-probability at the temperature of Gumbel top-k; elsewhere the policy's.
    pub(super) tempered: f32,
    /// The number that ranks beams: the log-probability, which Gumbel top-k perturbs.
    pub(super) score: f32,
    /// The beam of the level before that this beam extends.
    pub(super) parent: usize,
}

/// The beams of a prompt before a level, and the logits that extend them.
pub(super) struct Frontier<'a, N> {
    pub(super) prompt: usize,
    pub(super) level: usize,
    /// The beams, the best first; before level 0 one beam, the empty prefix.
    pub(super) beams: &'a [Beam<N>],
    /// `codes` numbers for each beam; numbers past these belong to no beam.
    pub(super) logits: &'a [f32],
    pub(super) codes: usize,
}

impl<'a, N> Frontier<'a, N> {
    /// Each beam with its place and its logits.
    pub(super) fn rows(&self) -> impl Iterator<Item = (usize, &'a Beam<N>, &'a [f32])> {
        let rows = self.beams.iter().zip(self.logits.chunks_exact(self.codes));
        rows.enumerate().map(|(place, (beam, logits))| (place, beam, logits))
    }
}

/// The best beams of those offered; a `Best` never holds more than twice `width`.
pub(super) struct Best<'a, N> {
    beams: &'a mut Vec<Beam<N>>,
    width: usize,
}

impl<'a, N: Copy + Ord> Best<'a, N> {
    pub(super) fn new(beams: &'a mut Vec<Beam<N>>, width: usize) -> Self {
        beams.clear();
        Self { beams, width }
    }

    pub(super) fn offer(&mut self, beam: Beam<N>) {
        if self.beams.len() == 2 * self.width {
            self.beams.select_nth_unstable_by(self.width - 1, Self::better);
            self.beams.truncate(self.width);
        }
        self.beams.push(beam);
    }

    /// Leaves the `width` best, the best first.
    pub(super) fn keep(self) {
        self.beams.sort_unstable_by(Self::better);
        self.beams.truncate(self.width);
    }

    /// Children are in order of codes and beams in order of rank, so that node order breaks ties.
    fn better(a: &Beam<N>, b: &Beam<N>) -> std::cmp::Ordering {
        b.score.total_cmp(&a.score).then(a.parent.cmp(&b.parent)).then(a.node.cmp(&b.node))
    }
}

/// The beams of all prompts at one level: an arena with `width` places for each prompt.
pub(super) struct Level<N> {
    width: usize,
    places: Vec<Beam<N>>,
    /// The number of places that each prompt fills, the best beam first.
    filled: Vec<usize>,
}

impl<N> Level<N> {
    pub(super) fn of(&self, prompt: usize) -> &[Beam<N>] {
        &self.places[prompt * self.width..][..self.filled[prompt]]
    }
}

/// A search that reads at most `width` codes a level and prompt.
pub(super) struct LevelSearch<'a, C: Continuations> {
    allowed: &'a C,
    width: usize,
    reading: Reading<'a>,
    /// The number of slots of the prompts; `width` slots for each level follow.
    prompt_slots: usize,
    /// The levels so far.
    pub(super) levels: Vec<Level<C::Node>>,
}

impl<'a, C: Continuations> LevelSearch<'a, C> {
    /// Searches all levels; `extend` fills a list with at most `width` extensions of a prompt's
    /// beams.
    pub(super) fn run(
        model: &'a Decoder,
        allowed: &'a C,
        prompts: &'a [&'a [u32]],
        width: usize,
        extend: impl Fn(&Frontier<'_, C::Node>, &mut Vec<Beam<C::Node>>) + Sync,
    ) -> Self {
        assert!(width > 0, "a search of width 0 finds nothing");
        let (reading, hidden) = Reading::prompts(model, prompts);
        let prompt_slots = reading.slots();
        let mut search = Self { allowed, width, reading, prompt_slots, levels: Vec::new() };
        search.extend(&logits(model, hidden, 0), model.codes(0), &extend);
        for level in 1..model.levels() {
            let hidden = search.read(level - 1);
            search.extend(&logits(model, hidden, level), model.codes(level), &extend);
        }
        search
    }

    /// The beams of a prompt at the last level.
    pub(super) fn last(&self, prompt: usize) -> &[Beam<C::Node>] {
        self.levels.last().map_or(&[], |level| level.of(prompt))
    }

    /// Reads the codes of all beams of a level and returns their hidden states, `width` for each
    /// prompt.
    ///
    /// If the trie is narrower than the beam, some places hold no beam; the search never reads
    /// their numbers.
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

    /// Extends every prompt's beams by one level.
    fn extend(
        &mut self,
        logits: &[f32],
        codes: usize,
        extend: &(impl Fn(&Frontier<'_, C::Node>, &mut Vec<Beam<C::Node>>) + Sync),
    ) {
        let node = self.allowed.start();
        let start = Beam { node, log_prob: 0.0, tempered: 0.0, score: 0.0, parent: 0 };
        let (width, level, last) = (self.width, self.levels.len(), self.levels.last());
        let rows = last.map_or(1, |_| width);
        let prompts = logits.len() / (rows * codes);
        let mut next =
            Level { width, places: vec![start; prompts * width], filled: vec![0; prompts] };
        let places = next.places.par_chunks_mut(width).zip(&mut next.filled);
        places.zip(logits.par_chunks(rows * codes)).enumerate().for_each_init(
            || Vec::with_capacity(2 * width),
            |extended, (prompt, ((places, filled), logits))| {
                let beams = last.map_or(std::slice::from_ref(&start), |level| level.of(prompt));
                extend(&Frontier { prompt, level, beams, logits, codes }, extended);
                places[..extended.len()].copy_from_slice(extended);
                *filled = extended.len();
            },
        );
        self.levels.push(next);
    }
}

impl LevelSearch<'_, Trie> {
    /// For each prompt its completions, in the order of the beams.
    pub(super) fn completions(&self) -> Vec<Vec<Completion>> {
        let completion =
            |beam: &Beam<Node>| Completion { leaf: beam.node, log_prob: beam.log_prob };
        let of_prompt = |prompt| self.last(prompt).iter().map(completion).collect();
        (0..self.reading.prompts.len()).map(of_prompt).collect()
    }
}
