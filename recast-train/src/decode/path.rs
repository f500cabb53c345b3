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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use recast_burn::DeviceKind;

    use super::*;
    use crate::catalogue::SidTable;
    use crate::decode::leaf_log_probs;
    use crate::model::{Input, ItemTable, ModelConfig};

    #[test]
    fn codes_in_the_trie_add_up_to_the_semantic_id_and_are_likelier_than_among_all_codes() {
        let codes = vec![0, 0, 1, 0, 2, 3, 1, 1, 1, 4, 0, 2, 4, 0, 3];
        let table = SidTable::new(vec![5, 3, 4], codes.clone()).unwrap();
        let trie = Trie::new(&table);
        let device = DeviceKind::Cpu.device();
        let of_codes = Decoder::new(&ModelConfig::tiny(), table.codes_per_level(), 3, &device);
        let shape = ModelConfig { input: Input::Items, ..ModelConfig::tiny() };
        let items = Arc::new(ItemTable::new(codes, 3, vec![true; 5], None));
        let of_items = Decoder::of_items(&shape, table.codes_per_level(), items, 3, &device);
        for model in [of_codes, of_items] {
            // prompts of unlike length: one batch pads the shorter
            let prompts: [&[u32]; 3] = [&[1, 2, 0], &[4], &[2, 2]];
            let all: Vec<Node> = (0..5).map(|item| trie.walk(table.sid(item)).unwrap()).collect();
            let first = trie.nodes_at(3).start;
            let exact = leaf_log_probs(&model, &trie, &prompts);
            for leaves in all.windows(3) {
                let found = code_log_probs(&model, &trie, &prompts, leaves);
                for ((codes, exact), leaf) in found.iter().zip(&exact).zip(leaves) {
                    assert_eq!(codes.len(), 3);
                    let sum: f32 = codes.iter().map(|it| it.trie).sum();
                    assert!((sum - exact[(leaf.index() - first) as usize]).abs() < 1e-4);
                    assert!(codes.iter().all(|it| it.vocabulary <= it.trie + 1e-6), "{codes:?}");
                }
            }
        }
        let model = Decoder::new(&ModelConfig::tiny(), table.codes_per_level(), 3, &device);
        assert!(code_log_probs(&model, &trie, &[], &[]).is_empty());
    }
}
