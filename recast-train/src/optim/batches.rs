//! Batches by their number of tokens.

/// Cuts a list into runs of at most `tokens` tokens, each of at least one entry. For 0 tokens there
/// is one run.
pub(crate) fn batches_of<T>(
    list: &[T],
    tokens: usize,
    tokens_of: impl Fn(&T) -> usize,
) -> Vec<&[T]> {
    let tokens = if tokens == 0 { usize::MAX } else { tokens };
    let mut batches = Vec::new();
    let (mut start, mut used) = (0, 0);
    for (end, entry) in list.iter().enumerate() {
        let more = tokens_of(entry);
        if used + more > tokens && end > start {
            batches.push(&list[start..end]);
            (start, used) = (end, 0);
        }
        used += more;
    }
    if start < list.len() {
        batches.push(&list[start..]);
    }
    batches
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn batches_hold_every_sequence_once_and_about_the_tokens() {
        let sequences: Vec<Vec<u32>> = [3, 4, 9, 2].iter().map(|&n| vec![0; n]).collect();
        let order = [2, 0, 1, 3];
        let of_sequence = |&i: &usize| sequences[i].len();
        assert_eq!(batches_of(&order, 7, of_sequence), [&[2][..], &[0, 1], &[3]]);
        assert_eq!(batches_of(&order, 0, of_sequence), [&order]);
        assert!(batches_of(&order[..0], 0, of_sequence).is_empty());
    }
}
