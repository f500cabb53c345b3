//! The legal SIDs as a trie: decoding walks its nodes, so that an illegal SID cannot be expressed.

use std::ops::Range;

use super::table::SidTable;

/// A node of a [`Trie`]; only the trie makes nodes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Node(u32);

impl Node {
    /// The node's place in breadth-first order, from 0 for the root.
    #[must_use]
    pub fn index(self) -> u32 {
        self.0
    }
}

/// All prefixes of the SIDs of a table.
///
/// Nodes stand in breadth-first order, siblings by ascending code. The children of a node are
/// therefore neighbours, and so are the nodes of a level. Every leaf is at the last level and holds
/// at least one item. Memory: 6 bytes a node, 4 an item and 4 a leaf.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trie {
    /// The children of node `v` are `first_child[v]..first_child[v + 1]`.
    first_child: Vec<u32>,
    /// The code that leads to each node; 0 for the root.
    codes: Vec<u16>,
    /// The nodes of level `l` are `level_starts[l]..level_starts[l + 1]`; level 0 is the root.
    level_starts: Vec<u32>,
    /// The items of the `k`-th leaf are `items[item_starts[k]..item_starts[k + 1]]`.
    item_starts: Vec<u32>,
    items: Vec<u32>,
}

impl Trie {
    /// The node of the empty prefix.
    pub const ROOT: Node = Node(0);

    /// Builds the trie of a table's SIDs in `O(items * (log items + levels))` time.
    #[must_use]
    pub fn new(table: &SidTable) -> Self {
        let items = table.items_by_sid();
        let mut trie = Self {
            first_child: Vec::new(),
            codes: vec![0],
            level_starts: vec![0, 1],
            item_starts: Vec::new(),
            items: Vec::new(),
        };
        // The items below the k-th node of the current level are `items[bounds[k]..bounds[k + 1]]`.
        let mut bounds = vec![0, items.len()];
        for level in 0..table.levels() {
            let code = |item: u32| table.sid(item)[level];
            let mut next = vec![0];
            for pair in bounds.windows(2) {
                trie.first_child.push(trie.codes.len() as u32);
                let mut end = pair[0];
                for run in items[pair[0]..pair[1]].chunk_by(|&a, &b| code(a) == code(b)) {
                    trie.codes.push(code(run[0]));
                    end += run.len();
                    next.push(end);
                }
            }
            trie.level_starts.push(trie.codes.len() as u32);
            bounds = next;
        }
        // A leaf's range of children is empty, and begins at the end of all nodes.
        trie.first_child.resize(trie.codes.len() + 1, trie.codes.len() as u32);
        trie.item_starts = bounds.into_iter().map(|bound| bound as u32).collect();
        trie.items = items;
        trie.first_child.shrink_to_fit();
        trie.codes.shrink_to_fit();
        trie
    }

    /// The memory that the trie takes, in bytes.
    #[must_use]
    pub(crate) fn memory_bytes(&self) -> usize {
        let numbers = [&self.first_child, &self.level_starts, &self.item_starts, &self.items];
        let words: usize = numbers.iter().map(|numbers| numbers.capacity()).sum();
        words * size_of::<u32>() + self.codes.capacity() * size_of::<u16>()
    }

    /// The number of levels L of a SID: the level of the leaves.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.level_starts.len() - 2
    }

    /// The number of nodes, with the root.
    #[must_use]
    pub fn n_nodes(&self) -> usize {
        self.codes.len()
    }

    /// The nodes of a level in breadth-first order; level 0 is the root, level L the leaves.
    ///
    /// # Panics
    ///
    /// If `level` is above [`Trie::levels`].
    #[must_use]
    pub fn nodes_at(&self, level: usize) -> Range<u32> {
        self.level_starts[level]..self.level_starts[level + 1]
    }

    /// The largest number of children of a node of a level.
    ///
    /// # Panics
    ///
    /// If `level` is above [`Trie::levels`].
    #[must_use]
    pub(crate) fn max_children(&self, level: usize) -> usize {
        self.nodes_at(level).map(|index| self.children(Node(index)).len()).max().unwrap_or(0)
    }

    /// The node of an index; `None` if the trie has fewer nodes.
    #[must_use]
    pub fn node(&self, index: u32) -> Option<Node> {
        ((index as usize) < self.n_nodes()).then_some(Node(index))
    }

    /// The level of a node: the number of codes that lead to it.
    #[must_use]
    pub fn level(&self, node: Node) -> usize {
        self.level_starts.partition_point(|&start| start <= node.0) - 1
    }

    /// The last code of a node's prefix; 0 for the root, which has none.
    ///
    /// # Panics
    ///
    /// If `node` is of another, larger trie; every method panics so.
    #[must_use]
    pub fn code(&self, node: Node) -> u16 {
        self.codes[node.0 as usize]
    }

    /// The indices of a node's children; empty for a leaf.
    #[must_use]
    pub fn children(&self, node: Node) -> Range<u32> {
        self.first_child[node.0 as usize]..self.first_child[node.0 as usize + 1]
    }

    /// The codes that may follow a node, ascending; empty for a leaf.
    #[must_use]
    pub fn codes(&self, node: Node) -> &[u16] {
        let children = self.children(node);
        &self.codes[children.start as usize..children.end as usize]
    }

    /// The child at a position of [`Trie::codes`].
    ///
    /// # Panics
    ///
    /// If the node has fewer children.
    #[must_use]
    pub fn nth_child(&self, node: Node, position: usize) -> Node {
        let children = self.children(node);
        assert!(position < children.len(), "child {position} of {}", children.len());
        Node(children.start + position as u32)
    }

    /// The child of `code`; `None` if no SID continues so.
    #[must_use]
    pub fn child(&self, node: Node, code: u16) -> Option<Node> {
        let position = self.codes(node).binary_search(&code).ok()?;
        Some(self.nth_child(node, position))
    }

    /// The node of a prefix, which may be a whole SID or empty; `None` if no SID begins so.
    #[must_use]
    pub fn walk(&self, prefix: &[u16]) -> Option<Node> {
        prefix.iter().try_fold(Self::ROOT, |node, &code| self.child(node, code))
    }

    /// The nodes from the root to `node`, both included; `O(levels * log nodes)`.
    #[must_use]
    pub fn path(&self, node: Node) -> Vec<Node> {
        let mut path = vec![node];
        let mut node = node;
        while node != Self::ROOT {
            // inner nodes have children, so the first child after `node` tells its parent
            let later = self.first_child.partition_point(|&child| child <= node.0);
            node = Node(later as u32 - 1);
            path.push(node);
        }
        path.reverse();
        path
    }

    /// The items that have a leaf's SID, ascending; empty for a node that is no leaf.
    #[must_use]
    pub fn items(&self, node: Node) -> &[u32] {
        let Some(leaf) = node.0.checked_sub(self.level_starts[self.levels()]) else {
            return &[];
        };
        let range = &self.item_starts[leaf as usize..][..2];
        &self.items[range[0] as usize..range[1] as usize]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use rand::RngExt;
    use std::collections::BTreeSet;

    #[test]
    fn the_path_of_every_node_is_its_walk() {
        let sids = [[2, 0, 1], [0, 0, 0], [0, 2, 2], [0, 2, 1]];
        let table = SidTable::new(vec![3; 3], sids.concat()).unwrap();
        let trie = Trie::new(&table);
        for sid in table.sids() {
            let walk: Vec<Node> = (0..=3).map(|end| trie.walk(&sid[..end]).unwrap()).collect();
            for end in 0..=3 {
                assert_eq!(trie.path(walk[end]), walk[..=end]);
            }
        }
    }

    fn random_table(seed: u64) -> SidTable {
        let mut rng = stream(seed, Purpose::Catalogue, 0);
        let levels = 1 + seed as usize % 4;
        let sizes: Vec<usize> = (0..levels).map(|_| rng.random_range(1..6)).collect();
        let n_items = rng.random_range(1..120);
        let codes =
            (0..n_items * levels).map(|i| rng.random_range(0..sizes[i % levels]) as u16).collect();
        SidTable::new(sizes, codes).unwrap()
    }

    fn tries() -> impl Iterator<Item = (SidTable, Trie)> {
        (0..60).map(random_table).map(|table| {
            let trie = Trie::new(&table);
            (table, trie)
        })
    }

    #[test]
    fn every_item_walks_to_a_leaf_that_holds_it() {
        for (table, trie) in tries() {
            for item in 0..table.n_items() as u32 {
                let leaf = trie.walk(table.sid(item)).unwrap();
                assert!(trie.items(leaf).contains(&item));
                assert_eq!(trie.level(leaf), table.levels());
                assert!(trie.codes(leaf).is_empty());
            }
        }
    }

    #[test]
    fn no_illegal_sid_is_found() {
        for (table, trie) in tries() {
            let legal: BTreeSet<&[u16]> = table.sids().collect();
            let prefixes: BTreeSet<&[u16]> =
                table.sids().flat_map(|sid| (0..=sid.len()).map(|l| &sid[..l])).collect();
            // Every sequence of codes below 6 up to one longer than a SID.
            let mut all = vec![vec![]];
            for _ in 0..=table.levels() {
                assert!(all.iter().all(|p| trie.walk(p).is_some() == prefixes.contains(&p[..])));
                all = all
                    .iter()
                    .flat_map(|p| (0..6).map(|code| [p.as_slice(), &[code]].concat()))
                    .collect();
            }
            assert!(all.iter().all(|p| trie.walk(p).is_none()));
            assert_eq!(trie.nodes_at(table.levels()).len(), legal.len());
            assert_eq!(trie.n_nodes(), prefixes.len());
        }
    }

    #[test]
    fn children_are_sorted_contiguous_and_found_by_their_code() {
        for (table, trie) in tries() {
            let mut next = 1;
            for node in (0..trie.n_nodes() as u32).map(|i| trie.node(i).unwrap()) {
                assert_eq!(trie.children(node).start, next, "breadth-first order has no gap");
                next = trie.children(node).end;
                assert!(trie.codes(node).windows(2).all(|pair| pair[0] < pair[1]));
                assert!(trie.codes(node).len() <= trie.max_children(trie.level(node)));
                for (position, &code) in trie.codes(node).iter().enumerate() {
                    let child = trie.child(node, code).unwrap();
                    assert_eq!(child, trie.nth_child(node, position));
                    assert_eq!(trie.code(child), code);
                    assert_eq!(trie.level(child), trie.level(node) + 1);
                    assert!(trie.nodes_at(trie.level(child)).contains(&child.index()));
                }
                assert_eq!(trie.codes(node).is_empty(), trie.level(node) == table.levels());
            }
            assert_eq!(trie.node(trie.n_nodes() as u32), None);
        }
    }

    #[test]
    fn leaves_hold_every_item_once_and_inner_nodes_none() {
        for (table, trie) in tries() {
            let mut seen = Vec::new();
            for node in (0..trie.n_nodes() as u32).map(Node) {
                let items = trie.items(node);
                assert_eq!(items.is_empty(), trie.level(node) < table.levels());
                assert!(items.windows(2).all(|pair| pair[0] < pair[1]));
                seen.extend_from_slice(items);
            }
            seen.sort_unstable();
            assert_eq!(seen, (0..table.n_items() as u32).collect::<Vec<_>>());
        }
    }
}
