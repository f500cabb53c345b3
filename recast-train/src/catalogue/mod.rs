//! Semantic IDs of a catalogue: the table, the trie that decoding walks, and prompts.

mod imported;
mod prompts;
mod table;
mod trie;

pub use imported::ImportedTable;
pub use prompts::Catalogue;
pub(crate) use table::MAX_CODES;
pub use table::SidTable;
pub use trie::{Node, Trie};
