use super::TrieError;

/// The number of nodes of the trie of sorted sequences, with the root.
///
/// ```text
/// nodes = 1 + sum over rows of (L - number of leading tokens shared with the row before)
/// ```
///
/// Repeated rows add nothing. `O(n L)` time for n rows, no allocation.
///
/// # Errors
///
/// If L (`levels`) is 0, or if a row has another length. Also if the rows do not ascend, or the
/// nodes do not fit 32-bit numbers.
///
/// # Examples
///
/// ```
/// use recast_core::trie::{TrieError, count_nodes};
///
/// assert_eq!(count_nodes([1, 2, 1, 3].chunks_exact(2), 2), Ok(4));
/// let unsorted = count_nodes([1, 3, 1, 2].chunks_exact(2), 2);
/// assert_eq!(unsorted, Err(TrieError::NotSorted { row: 1 }));
/// ```
pub fn count_nodes<'a, C: Ord + 'a>(
    rows: impl Iterator<Item = &'a [C]>,
    levels: usize,
) -> Result<usize, TrieError> {
    if levels == 0 {
        return Err(TrieError::NoLevel);
    }
    let (mut nodes, mut before) = (1_usize, None);
    for (row, sequence) in rows.enumerate() {
        if sequence.len() != levels {
            return Err(TrieError::Length { row, tokens: sequence.len(), levels });
        }
        let shared = before.map_or(0, |before| shared_tokens(before, sequence));
        if before.is_some_and(|before| sequence[shared..] < before[shared..]) {
            return Err(TrieError::NotSorted { row });
        }
        nodes = nodes.saturating_add(levels - shared);
        before = Some(sequence);
    }
    match u32::try_from(nodes) {
        Ok(_) => Ok(nodes),
        Err(_) => Err(TrieError::TooManyNodes { nodes }),
    }
}

/// Builds the trie of sorted sequences in the caller's slices, and returns the number of nodes.
///
/// The children of node v are the nodes `first_child[v] .. first_child[v + 1]`, and `tokens[v]` is
/// the token that leads to v. The root has no token: `tokens[0]` is left as it is. A leaf has no
/// child. No row gives the root alone. Rows may repeat. `O(n L^2)` time for n rows at most, no
/// allocation.
///
/// # Shapes
///
/// `rows`: n of (L), ascending; `first_child`: (nodes + 1); `tokens`: (nodes), with the number of
/// [`count_nodes`].
///
/// # Errors
///
/// On the conditions of [`count_nodes`]. Also if the slices are not of these lengths; they are then
/// left as they are.
///
/// # Examples
///
/// ```
/// use recast_core::trie::build;
///
/// let (mut first_child, mut tokens) = ([0; 5], ['-'; 4]);
/// let nodes = build(['a', 'b', 'a', 'c'].chunks_exact(2), 2, &mut first_child, &mut tokens)?;
/// assert_eq!((nodes, tokens), (4, ['-', 'a', 'b', 'c']));
/// assert_eq!(first_child, [1, 2, 4, 4, 4]);
/// # Ok::<(), recast_core::trie::TrieError>(())
/// ```
#[expect(clippy::needless_pass_by_value, reason = "an iterator is passed as everywhere")]
pub fn build<'a, C: Ord + Copy + 'a>(
    rows: impl Iterator<Item = &'a [C]> + Clone,
    levels: usize,
    first_child: &mut [u32],
    tokens: &mut [C],
) -> Result<usize, TrieError> {
    let nodes = count_nodes(rows.clone(), levels)?;
    if tokens.len() != nodes || first_child.len() != nodes + 1 {
        let (tokens, offsets) = (tokens.len(), first_child.len());
        return Err(TrieError::Slices { nodes, tokens, offsets });
    }
    // Level by level. `parent` is the next node whose children begin, `next` the next node; both
    // are at most `nodes`, which fits 32 bits.
    let (mut parent, mut next) = (0, 1);
    for level in 0..levels {
        let mut before: Option<&[C]> = None;
        for row in rows.clone() {
            // Rows ascend: rows with equal prefixes are neighbours.
            let shared = before.map(|before| shared_tokens(&before[..=level], &row[..=level]));
            if shared.is_none_or(|shared| shared < level) {
                first_child[parent] = next as u32;
                parent += 1;
            }
            if shared.is_none_or(|shared| shared <= level) {
                tokens[next] = row[level];
                next += 1;
            }
            before = Some(row);
        }
    }
    // The leaves, or the root without a row: their ranges are empty and begin at the end.
    first_child[parent..].fill(nodes as u32);
    Ok(nodes)
}

/// The number of equal leading tokens.
fn shared_tokens<C: PartialEq>(a: &[C], b: &[C]) -> usize {
    a.iter().zip(b).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn built(rows: &[[u8; 2]]) -> (std::vec::Vec<u32>, std::vec::Vec<u8>) {
        let rows = rows.iter().map(|row| &row[..]);
        let nodes = count_nodes(rows.clone(), 2).unwrap();
        let (mut first_child, mut tokens) = (std::vec![99; nodes + 1], std::vec![99; nodes]);
        assert_eq!(build(rows, 2, &mut first_child, &mut tokens), Ok(nodes));
        (first_child, tokens)
    }

    #[test]
    fn nodes_stand_breadth_first_and_the_root_has_no_token() {
        let (first_child, tokens) = built(&[[1, 2], [1, 3], [4, 2]]);
        assert_eq!(tokens, [99, 1, 4, 2, 3, 2]);
        assert_eq!(first_child, [1, 3, 5, 6, 6, 6, 6]);
    }

    #[test]
    fn repeated_rows_add_nothing() {
        assert_eq!(built(&[[1, 2], [1, 2], [4, 2]]), built(&[[1, 2], [4, 2]]));
    }

    #[test]
    fn no_row_gives_the_root_alone() {
        assert_eq!(built(&[]), (std::vec![1, 1], std::vec![99]));
    }

    #[test]
    fn bad_rows_are_refused_by_their_place() {
        let count = |rows: &[&[u8]], levels| count_nodes(rows.iter().copied(), levels);
        assert_eq!(count(&[&[]], 0), Err(TrieError::NoLevel));
        let length = TrieError::Length { row: 1, tokens: 1, levels: 2 };
        assert_eq!(count(&[&[1, 2], &[2]], 2), Err(length));
        assert_eq!(count(&[&[1, 2], &[1, 1]], 2), Err(TrieError::NotSorted { row: 1 }));
    }

    #[test]
    fn slices_of_other_lengths_are_refused_and_left_alone() {
        for (offsets, of_tokens) in [(3, 3), (5, 3), (4, 2), (4, 4), (0, 0)] {
            let (mut first_child, mut tokens) = (std::vec![9; offsets], std::vec![9; of_tokens]);
            let refused = build([1_u8, 2].chunks_exact(2), 2, &mut first_child, &mut tokens);
            let expected = TrieError::Slices { nodes: 3, tokens: of_tokens, offsets };
            assert_eq!(refused, Err(expected));
            assert!(first_child.iter().all(|&v| v == 9) && tokens.iter().all(|&v| v == 9));
        }
    }

    // 2^32 tokens in one row of a zero-sized type take no memory.
    #[test]
    fn more_nodes_than_32_bits_hold_are_refused() {
        let row = [(); 1 << 32];
        let refused = count_nodes(core::iter::once(&row[..]), 1 << 32);
        assert_eq!(refused, Err(TrieError::TooManyNodes { nodes: (1 << 32) + 1 }));
        let largest = count_nodes(core::iter::once(&row[..(1 << 32) - 2]), (1 << 32) - 2);
        assert_eq!(largest, Ok(u32::MAX as usize));
    }
}
