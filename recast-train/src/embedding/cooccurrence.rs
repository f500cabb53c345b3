//! Items that stand near each other in the sequences, as positive pointwise mutual information.

use rayon::prelude::*;

use super::sparse::SparseMatrix;

/// The exponent that smooths the context distribution.
const CONTEXT_SMOOTHING: f64 = 0.75;

/// The positive pointwise mutual information of items within `window` steps of one another.
///
/// ```text
/// n_ij = sum over pairs at distance d <= window, both directions, of 1/d      (i != j)
/// ppmi_ij = max(0, ln (n_ij / n_i) - ln (n_j^0.75 / sum_k n_k^0.75))          n_i = sum_j n_ij
/// ```
///
/// The exponent 0.75 keeps rare items from dominating. An item without neighbours has an empty row.
/// `O(interactions * window)` time; equal for any number of threads.
///
/// See "Improving Distributional Similarity with Lessons Learned from Word Embeddings", Levy,
/// Goldberg and Dagan, <https://aclanthology.org/Q15-1016/>, section 3.
///
/// # Panics
///
/// If an item of `sequences` is not below `n_items`.
#[must_use]
pub(crate) fn positive_mutual_information<S: AsRef<[u32]> + Sync>(
    sequences: &[S],
    n_items: usize,
    window: usize,
) -> SparseMatrix {
    let places = places_of_items(sequences, n_items);
    let counts: Vec<Vec<(u32, f32)>> = places
        .par_iter()
        .enumerate()
        .map(|(item, places)| neighbour_counts(sequences, item as u32, places, window))
        .collect();

    let totals: Vec<f64> =
        counts.iter().map(|row| row.iter().map(|&(_, n)| f64::from(n)).sum()).collect();
    let smoothed: Vec<f64> = totals.iter().map(|total| total.powf(CONTEXT_SMOOTHING)).collect();
    let all: f64 = smoothed.iter().sum();
    let rows: Vec<Vec<(u32, f32)>> = counts
        .into_par_iter()
        .zip(&totals)
        .map(|(row, total)| {
            row.into_iter()
                .filter_map(|(other, n)| {
                    let expected = total * smoothed[other as usize] / all;
                    let information = (f64::from(n) / expected).ln() as f32;
                    (information > 0.0).then_some((other, information))
                })
                .collect()
        })
        .collect();
    SparseMatrix::from_rows(n_items, &rows)
}

/// The places of each item: (sequence, position), ascending.
fn places_of_items<S: AsRef<[u32]>>(sequences: &[S], n_items: usize) -> Vec<Vec<(u32, u32)>> {
    let mut places = vec![Vec::new(); n_items];
    for (number, sequence) in sequences.iter().enumerate() {
        for (position, &item) in sequence.as_ref().iter().enumerate() {
            assert!(
                (item as usize) < n_items,
                "item {item} of sequence {number} of {n_items} items"
            );
            places[item as usize].push((number as u32, position as u32));
        }
    }
    places
}

/// The neighbours of one item, ascending, with their weighted counts.
fn neighbour_counts<S: AsRef<[u32]>>(
    sequences: &[S],
    item: u32,
    places: &[(u32, u32)],
    window: usize,
) -> Vec<(u32, f32)> {
    let mut neighbours = Vec::new();
    for &(number, position) in places {
        let sequence = sequences[number as usize].as_ref();
        let position = position as usize;
        let end = sequence.len().min(position.saturating_add(window).saturating_add(1));
        let start = position.saturating_sub(window);
        for (offset, &other) in sequence[start..end].iter().enumerate() {
            if other != item {
                neighbours.push((other, 1.0 / position.abs_diff(start + offset) as f32));
            }
        }
    }
    // The sort is stable: the weights of one neighbour are added in the order of the sequences.
    neighbours.sort_by_key(|&(other, _)| other);
    neighbours.dedup_by(|next, kept| {
        let same = next.0 == kept.0;
        if same {
            kept.1 += next.1;
        }
        same
    });
    neighbours
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn counts_are_weighted_by_distance_within_the_window() {
        let sequences = [vec![0, 1, 2, 0], vec![0, 1]];
        let counts = |window| {
            let places = places_of_items(&sequences, 3);
            neighbour_counts(&sequences, 0, &places[0], window)
        };
        assert_eq!(counts(1), [(1, 2.0), (2, 1.0)]);
        assert_eq!(counts(2), [(1, 2.5), (2, 1.5)]);
        assert_eq!(counts(usize::MAX), [(1, 2.5), (2, 1.5)]);
    }

    #[test]
    fn information_is_the_smoothed_log_ratio() {
        // Pairs at distance 1: 0-1 twice, 2-3 once; totals 2, 2, 1, 1.
        let matrix = positive_mutual_information(&[&[0, 1][..], &[0, 1], &[2, 3]], 5, 1);
        let all = 2.0 * 2f64.powf(0.75) + 2.0;
        let (column, value) = matrix.row(0).next().unwrap();
        assert_eq!(column, 1);
        assert!((f64::from(value) - (all / 2f64.powf(0.75)).ln()).abs() < 1e-6);
        assert_eq!(matrix.row(4).count(), 0, "an item that is never seen has an empty row");
    }

    #[test]
    fn an_item_is_no_neighbour_of_itself() {
        let matrix = positive_mutual_information(&[[0, 0, 0]], 1, 2);
        assert_eq!(matrix.row(0).count(), 0);
    }

    #[test]
    #[should_panic(expected = "item 7 of sequence 1 of 3 items")]
    fn an_item_out_of_range_is_named() {
        let _ = positive_mutual_information(&[[0, 1], [7, 1]], 3, 2);
    }
}
