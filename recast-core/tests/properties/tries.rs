//! Tries beside sets of prefixes.

use std::collections::BTreeSet;

use proptest::prelude::*;
use recast_core::trie::{TrieError, TrieView, build, count_nodes};

/// Up to 40 sequences of one length, with few tokens, so that prefixes are shared.
fn sequences() -> impl Strategy<Value = (usize, Vec<Vec<i64>>)> {
    (1_usize..5).prop_flat_map(|levels| {
        let sequence = proptest::collection::vec(-2_i64..3, levels);
        (Just(levels), proptest::collection::vec(sequence, 0..40))
    })
}

proptest! {
    #[test]
    fn a_trie_holds_the_prefixes_of_its_sequences_and_no_others(
        (levels, mut sequences) in sequences(),
        others in proptest::collection::vec(proptest::collection::vec(-3_i64..4, 0..6), 20),
    ) {
        sequences.sort();
        let rows = sequences.iter().map(Vec::as_slice);
        let prefixes: BTreeSet<&[i64]> = rows
            .clone()
            .flat_map(|row| (0..=levels).map(move |end| &row[..end]))
            .chain([&[][..]])
            .collect();
        let nodes = count_nodes(rows.clone(), levels).expect("sorted sequences");
        prop_assert_eq!(nodes, prefixes.len());
        let (mut first_child, mut tokens) = (vec![u32::MAX; nodes + 1], vec![i64::MAX; nodes]);
        prop_assert_eq!(build(rows, levels, &mut first_child, &mut tokens), Ok(nodes));
        let trie = TrieView::new(&first_child, &tokens).expect("as many slices as nodes");
        prop_assert_eq!(trie.check(), Ok(trie));

        for &prefix in &prefixes {
            let node = trie.walk(prefix).expect("a prefix of a sequence");
            let follow: BTreeSet<i64> = prefixes
                .iter()
                .filter(|longer| longer.len() == prefix.len() + 1 && longer.starts_with(prefix))
                .map(|longer| longer[prefix.len()])
                .collect();
            prop_assert!(follow.iter().eq(trie.tokens(node)));
            for (child, token) in trie.children(node).zip(trie.tokens(node)) {
                prop_assert_eq!(trie.step(node, token), Some(child));
                prop_assert_eq!(tokens[child as usize], *token);
            }
        }
        for other in &others {
            prop_assert_eq!(trie.walk(other).is_some(), prefixes.contains(&other[..]));
        }
    }

    #[test]
    fn sequences_out_of_order_are_refused((levels, mut sequences) in sequences()) {
        let is_sorted = sequences.is_sorted();
        let count = |rows: &[Vec<i64>]| count_nodes(rows.iter().map(Vec::as_slice), levels);
        prop_assert_eq!(count(&sequences).is_ok(), is_sorted);
        if let Err(error) = count(&sequences) {
            let row = sequences.windows(2).position(|pair| pair[1] < pair[0]).expect("a descent");
            prop_assert_eq!(error, TrieError::NotSorted { row: row + 1 });
        }
        sequences.sort();
        prop_assert!(count(&sequences).is_ok());
    }

    #[test]
    fn arbitrary_slices_neither_panic_nor_lead_outside(
        first_child in proptest::collection::vec(prop_oneof![0_u32..8, any::<u32>()], 0..8),
        tokens in proptest::collection::vec(any::<u8>(), 0..8),
        prefix in proptest::collection::vec(any::<u8>(), 0..8),
    ) {
        let Ok(trie) = TrieView::new(&first_child, &tokens) else {
            prop_assert!(tokens.is_empty() || first_child.len() != tokens.len() + 1);
            return Ok(());
        };
        for node in (0..10).chain([u32::MAX]) {
            prop_assert_eq!(trie.tokens(node).len(), trie.children(node).len());
            prop_assert!(trie.children(node).end as usize <= tokens.len());
        }
        prop_assert!(trie.walk(&prefix).is_none_or(|node| (node as usize) < tokens.len()));
        let _ = trie.check();
    }
}
