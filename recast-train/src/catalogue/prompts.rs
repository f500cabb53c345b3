//! From a history of items to the prompt that a decoder reads.

use super::table::SidTable;
use super::trie::Trie;
use crate::model::Decoder;

/// Semantic IDs, their trie and the longest prompt: the parts that make a prompt of a history.
#[derive(Debug, Clone, Copy)]
pub struct Catalogue<'a> {
    /// The semantic ID of each item.
    pub sids: &'a SidTable,
    /// The trie of the semantic IDs.
    pub trie: &'a Trie,
    /// The number of items of the longest prompt; a prompt holds the last items of a longer
    /// history.
    pub max_history: usize,
}

impl Catalogue<'_> {
    /// The prompt of a history: the tokens of its last items, which are their codes or the items
    /// themselves.
    #[must_use]
    pub fn prompt(&self, model: &Decoder, history: &[u32]) -> Vec<u32> {
        let recent = &history[history.len().saturating_sub(self.max_history)..];
        if model.reads_items() {
            return recent.to_vec();
        }
        let tokens = |&item: &u32| {
            self.sids.sid(item).iter().enumerate().map(|(level, &code)| model.token(level, code))
        };
        recent.iter().flat_map(tokens).collect()
    }
}
