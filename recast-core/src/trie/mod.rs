//! The legal sequences of a catalogue as a trie, in two of the caller's slices.
//!
//! Decoding that walks the nodes of a trie writes legal sequences alone. Tokens are any numbers
//! with an order: codes of semantic IDs, or token ids of a language model. [`count_nodes`] says how
//! long the slices have to be, [`build`] fills them, and a [`TrieView`] walks them.
//!
//! Nodes stand in breadth-first order from 0, the root, and siblings by ascending token. The
//! children of a node are therefore neighbours. The node of a whole sequence is a *leaf*.
//!
//! ```
//! use recast_core::trie::{TrieView, build, count_nodes};
//!
//! // Three sequences of two tokens, sorted.
//! let sequences = [1_u32, 5, 1, 7, 4, 5];
//! let rows = sequences.chunks_exact(2);
//! assert_eq!(count_nodes(rows.clone(), 2)?, 6);
//! let (mut first_child, mut tokens) = ([0; 7], [0; 6]);
//! build(rows, 2, &mut first_child, &mut tokens)?;
//!
//! let trie = TrieView::new(&first_child, &tokens)?;
//! assert_eq!(trie.tokens(TrieView::<u32>::ROOT), [1, 4]);
//! let node = trie.walk(&[1]).expect("a prefix of two sequences");
//! assert_eq!(trie.tokens(node), [5, 7]);
//! assert_eq!(trie.walk(&[4, 7]), None);
//! # Ok::<(), recast_core::trie::TrieError>(())
//! ```

mod build;
mod error;
mod view;

pub use self::build::{build, count_nodes};
pub use self::error::TrieError;
pub use self::view::TrieView;
