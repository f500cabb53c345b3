use thiserror::Error;

/// The reason why sequences, or the slices of a trie, were refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
#[non_exhaustive]
pub enum TrieError {
    /// The sequences have no token.
    #[error("sequences of 0 tokens make no trie: give at least 1 level")]
    NoLevel,
    /// A sequence has another number of tokens.
    #[error("sequence {row} has {tokens} tokens, not {levels}: all have to be equally long")]
    Length {
        /// The sequence, by its place.
        row: usize,
        /// The number of its tokens.
        tokens: usize,
        /// The number of levels, L.
        levels: usize,
    },
    /// A sequence is smaller than the one before it.
    #[error("sequence {row} is smaller than the one before it: sort the sequences")]
    NotSorted {
        /// The sequence, by its place.
        row: usize,
    },
    /// The nodes do not fit 32-bit numbers.
    #[error("a trie holds at most {} nodes, these sequences need {nodes}", u32::MAX)]
    TooManyNodes {
        /// The number of nodes.
        nodes: usize,
    },
    /// The slices have other lengths than the nodes need.
    #[error(
        "{nodes} nodes need {nodes} tokens and one child offset more, got {tokens} tokens and \
         {offsets} child offsets"
    )]
    Slices {
        /// The number of nodes.
        nodes: usize,
        /// The length of the slice of tokens.
        tokens: usize,
        /// The length of the slice of child offsets.
        offsets: usize,
    },
    /// A node's children do not follow those of the node before it.
    #[error("the children of node {node} do not follow those of the node before: damaged offsets")]
    Offsets {
        /// The node.
        node: usize,
    },
    /// The tokens of a node's children do not ascend.
    #[error("the tokens of the children of node {node} do not ascend: damaged tokens")]
    Tokens {
        /// The node.
        node: usize,
    },
}
