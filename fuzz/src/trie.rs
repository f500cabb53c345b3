//! Tables of semantic IDs from bytes, and the walks of their tries.

use recast_train::catalogue::{SidTable, Trie};

/// The first byte gives the levels, 1 to 4. The number of codes of each level follows, then all
/// SIDs.
pub fn trie(data: &[u8]) {
    let Some((&first, rest)) = data.split_first() else { return };
    let levels = 1 + usize::from(first) % 4;
    let Some((sizes, codes)) = rest.split_at_checked(levels) else { return };
    let sizes: Vec<usize> = sizes.iter().map(|&size| usize::from(size)).collect();
    let codes: Vec<u16> = codes.iter().map(|&code| u16::from(code)).collect();
    let Ok(table) = SidTable::new(sizes, codes.clone()) else { return };
    let trie = Trie::new(&table);
    assert_eq!(trie.levels(), levels);
    for item in 0..table.n_items() as u32 {
        let leaf = trie.walk(table.sid(item)).expect("every SID is in the trie");
        assert!(trie.items(leaf).contains(&item));
        let path = trie.path(leaf);
        assert_eq!((path.len(), path[levels]), (levels + 1, leaf));
        let written = path[1..].iter().map(|&node| trie.code(node));
        assert!(written.eq(table.sid(item).iter().copied()));
    }
    check_nodes(&table, &trie);
    // A walk succeeds if and only if a SID begins so.
    for prefix in codes.windows(levels.min(codes.len())).take(64) {
        let known = (0..table.n_items() as u32).any(|item| table.sid(item).starts_with(prefix));
        assert_eq!(trie.walk(prefix).is_some(), known);
    }
}

fn check_nodes(table: &SidTable, trie: &Trie) {
    let mut items = 0;
    for index in 0..trie.n_nodes() as u32 {
        let node = trie.node(index).expect("an index of the trie");
        let is_leaf = trie.level(node) == trie.levels();
        assert!(trie.nodes_at(trie.level(node)).contains(&index));
        assert_eq!(trie.codes(node).is_empty(), is_leaf);
        assert_eq!(trie.items(node).is_empty(), !is_leaf);
        assert!(trie.codes(node).is_sorted_by(|a, b| a < b));
        for (position, &code) in trie.codes(node).iter().enumerate() {
            let child = trie.child(node, code).expect("a code that may follow");
            assert_eq!(child, trie.nth_child(node, position));
            assert_eq!((trie.code(child), trie.level(child)), (code, trie.level(node) + 1));
        }
        items += trie.items(node).len();
    }
    assert_eq!(items, table.n_items());
    assert_eq!(trie.nodes_at(trie.levels()).len(), table.n_distinct());
    assert!(trie.node(trie.n_nodes() as u32).is_none());
}
