//! The log-probabilities of the codes of a given semantic ID, one after the other.

use super::log_sum_exp;
use super::reading::{Reading, logits};
use crate::catalogue::{Node, Trie};
use crate::model::Decoder;

/// The log-probability of one code after the codes before it, in nats.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) struct CodeLogProb {
    /// Over all codes of the level.
    pub(crate) vocabulary: f32,
    /// Over the codes that the trie allows.
    pub(crate) trie: f32,
}

/// For each prompt the log-probabilities of the codes of its leaf, one a level: `(B, L)`.
///
/// `leaves` has one leaf for each prompt.
///
/// # Panics
///
/// If a prompt is empty.
pub(crate) fn code_log_probs(
    model: &Decoder,
    trie: &Trie,
    prompts: &[&[u32]],
    leaves: &[Node],
) -> Vec<Vec<CodeLogProb>> {
    let mut found = vec![Vec::with_capacity(model.levels()); prompts.len()];
    if prompts.is_empty() {
        return found;
    }
    let paths: Vec<Vec<Node>> = leaves.iter().map(|&leaf| trie.path(leaf)).collect();
    let (mut reading, mut hidden) = Reading::prompts(model, prompts);
    // the slot of each code read so far, the same for every prompt
    let mut ancestors: Vec<usize> = Vec::with_capacity(model.levels());
    for level in 0..model.levels() {
        let logits = logits(model, hidden.clone(), level);
        let rows = logits.chunks_exact(model.codes(level));
        for ((path, row), found) in paths.iter().zip(rows).zip(&mut found) {
            let of = |code: &u16| row[usize::from(*code)];
            let logit = of(&trie.code(path[level + 1]));
            found.push(CodeLogProb {
                vocabulary: logit - log_sum_exp(row.iter().copied()),
                trie: logit - log_sum_exp(trie.codes(path[level]).iter().map(of)),
            });
        }
        if level + 1 < model.levels() {
            let slot = reading.slots();
            let mut step = reading.step(level, 1);
            for (prompt, path) in paths.iter().enumerate() {
                let code = trie.code(path[level + 1]);
                step.place(&reading, prompt, 0, code, ancestors.iter().copied());
            }
            hidden = reading.read(step);
            ancestors.push(slot);
        }
    }
    found
}
