use core::ops::Range;

use super::TrieError;

/// A trie in two slices, as [`build`](super::build) writes them.
///
/// No call panics and none reads outside of the slices, whatever they hold. Slices that come from
/// elsewhere, a file say, may be damaged: [`check`](Self::check) finds out.
///
/// # Shapes
///
/// `first_child`: (nodes + 1); `tokens`: (nodes).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TrieView<'a, C> {
    first_child: &'a [u32],
    tokens: &'a [C],
}

impl<'a, C: Ord> TrieView<'a, C> {
    /// The node of the empty prefix.
    pub const ROOT: u32 = 0;

    /// A view of the slices. `O(1)` time.
    ///
    /// # Errors
    ///
    /// If there is no node, or if there is not one offset more than there are nodes.
    pub fn new(first_child: &'a [u32], tokens: &'a [C]) -> Result<Self, TrieError> {
        if tokens.is_empty() || first_child.len() != tokens.len() + 1 {
            let nodes = tokens.len().max(1);
            let (tokens, offsets) = (tokens.len(), first_child.len());
            return Err(TrieError::Slices { nodes, tokens, offsets });
        }
        Ok(Self { first_child, tokens })
    }

    /// Checks that the slices are those of a trie, and returns the view. `O(nodes)` time.
    ///
    /// # Errors
    ///
    /// If a node is not the child of one earlier node, or if leaves stand on several levels. Also
    /// if the tokens of siblings do not ascend.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::trie::{TrieError, TrieView};
    ///
    /// let trie = TrieView::new(&[1, 3, 3, 3], &[0, 5, 7])?;
    /// assert!(trie.check().is_ok());
    /// let damaged = TrieView::new(&[1, 3, 3, 3], &[0, 7, 5])?;
    /// assert_eq!(damaged.check(), Err(TrieError::Tokens { node: 0 }));
    /// # Ok::<(), recast_core::trie::TrieError>(())
    /// ```
    pub fn check(self) -> Result<Self, TrieError> {
        // The next node without a parent, the end of the level, and whether the level has leaves.
        let (mut next, mut level_end, mut leaves) = (1, 0, None);
        for (node, bounds) in self.first_child.windows(2).enumerate() {
            if node == level_end {
                (level_end, leaves) = (next, None);
            }
            let [start, end] = [bounds[0] as usize, bounds[1] as usize];
            let is_leaf = start == end;
            if level_end <= node
                || start != next
                || end < start
                || end > self.nodes()
                || *leaves.get_or_insert(is_leaf) != is_leaf
            {
                return Err(TrieError::Offsets { node });
            }
            if !self.tokens[start..end].is_sorted_by(|a, b| a < b) {
                return Err(TrieError::Tokens { node });
            }
            next = end;
        }
        if next != self.nodes() {
            return Err(TrieError::Offsets { node: self.nodes() - 1 });
        }
        Ok(self)
    }

    /// The number of nodes, with the root.
    #[must_use]
    pub fn nodes(&self) -> usize {
        self.tokens.len()
    }

    /// The nodes that follow a node; empty for a leaf, and for a number that is no node.
    #[must_use]
    pub fn children(&self, node: u32) -> Range<u32> {
        let bounds = self.first_child.get(node as usize..).and_then(|rest| rest.get(..2));
        match bounds {
            Some(&[start, end]) if start <= end && end as usize <= self.nodes() => start..end,
            _ => 0..0,
        }
    }

    /// The tokens that may follow a node, ascending, one for each of its
    /// [`children`](Self::children).
    #[must_use]
    pub fn tokens(&self, node: u32) -> &'a [C] {
        let children = self.children(node);
        self.tokens.get(children.start as usize..children.end as usize).unwrap_or(&[])
    }

    /// The child of a token; `None` if no sequence continues so. `O(log children)` time.
    #[must_use]
    pub fn step(&self, node: u32, token: &C) -> Option<u32> {
        let position = self.tokens(node).binary_search(token).ok()?;
        Some(self.children(node).start + position as u32)
    }

    /// The node of a prefix, which may be empty or a whole sequence; `None` if no sequence begins
    /// so. `O(d log nodes)` time for d tokens.
    #[must_use]
    pub fn walk(&self, prefix: &[C]) -> Option<u32> {
        prefix.iter().try_fold(Self::ROOT, |node, token| self.step(node, token))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FIRST_CHILD: [u32; 7] = [1, 3, 5, 6, 6, 6, 6];
    const TOKENS: [u8; 6] = [0, 1, 4, 2, 3, 2];

    #[test]
    fn a_leaf_and_a_number_that_is_no_node_have_no_child() {
        let trie = TrieView::new(&FIRST_CHILD, &TOKENS).unwrap().check().unwrap();
        for node in [3, 4, 5, 6, 7, u32::MAX] {
            assert!(trie.children(node).is_empty() && trie.tokens(node).is_empty());
            assert_eq!(trie.step(node, &2), None);
        }
        assert_eq!(trie.walk(&[]), Some(0));
        assert_eq!(trie.walk(&[4, 2]), Some(5));
        assert_eq!(trie.walk(&[4, 2, 2]), None);
    }

    #[test]
    fn slices_of_other_lengths_are_refused() {
        let refused = |first_child: &[u32], tokens: &[u8]| {
            matches!(TrieView::new(first_child, tokens), Err(TrieError::Slices { .. }))
        };
        assert!(refused(&[], &[]) && refused(&[1], &[]) && refused(&[], &[0]));
        assert!(refused(&[1], &[0]) && refused(&[1, 1, 1], &[0]));
    }

    #[test]
    fn every_damage_of_an_offset_is_found_and_none_panics() {
        for place in 0..FIRST_CHILD.len() {
            for value in [0, 1, 2, 3, 4, 5, 6, 7, u32::MAX] {
                let mut first_child = FIRST_CHILD;
                first_child[place] = value;
                let trie = TrieView::new(&first_child, &TOKENS).unwrap();
                assert_eq!(trie.check().is_ok(), first_child == FIRST_CHILD, "{first_child:?}");
                for node in 0..8 {
                    assert_eq!(trie.tokens(node).len(), trie.children(node).len());
                    let _ = trie.walk(&[1, 2, 3, 4, 5, 6, 7, 8]);
                }
            }
        }
    }
}
