//! Beam search: at each level the search follows only the best prefixes.

use super::levels::{AnyCode, Beam, Best, Continuations, Frontier, LevelSearch};
use super::{Completion, UnconstrainedCompletion, distinct_width};
use crate::catalogue::Trie;
use crate::model::Decoder;

/// For each prompt its `width` best completions, best first; fewer if the trie has fewer.
///
/// Equal log-probabilities are ordered by the parent's rank, then by code. Beams of one prompt are
/// distinct. The prompts run as one batch, padded to the longest: give prompts of like length.
///
/// # Panics
///
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
    let width = distinct_width(trie, width);
    let search = LevelSearch::run(model, trie, prompts, width, |frontier, extended| {
        best_extensions(trie, width, frontier, extended);
    });
    search.completions()
}

/// Beam search without a trie: any code may follow any other, so that a completion may be no
/// item's.
///
/// Other tools decode so. The search shows the constraint's cost and its gain; no recommendation
/// comes from it.
///
/// # Panics
///
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
    let search = LevelSearch::run(model, &AnyCode, prompts, width, |frontier, extended| {
        best_extensions(&AnyCode, width, frontier, extended);
    });
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

/// Fills a list with the `width` best extensions of beams, the best first.
fn best_extensions<C: Continuations>(
    allowed: &C,
    width: usize,
    frontier: &Frontier<'_, C::Node>,
    extended: &mut Vec<Beam<C::Node>>,
) {
    let mut best = Best::new(extended, width);
    for (parent, beam, logits) in frontier.rows() {
        for (node, log_prob) in allowed.after(beam.node, beam.log_prob, logits) {
            best.offer(Beam { node, log_prob, tempered: log_prob, score: log_prob, parent });
        }
    }
    best.keep();
}
