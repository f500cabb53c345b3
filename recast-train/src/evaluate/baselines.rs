//! Baselines that a trained recommender must beat: the most popular items, and neighbours of the
//! history's items.
//!
//! The baselines learn from training histories only and rank the whole catalogue. Equal scores go
//! by item index, lower first.

use std::cmp::Ordering;

use rayon::prelude::*;

use super::Mask;
use crate::data::Histories;

/// The same items for everybody: the items met most often.
#[derive(Debug, Clone)]
pub struct Popularity {
    counts: Vec<u32>,
    order: Vec<u32>,
}

impl Popularity {
    /// Counts items in the training histories. `O(interactions + n_items log n_items)`.
    ///
    /// # Panics
    ///
    /// If a history holds an item that is not below `n_items`.
    #[must_use]
    pub fn fit(train: &Histories, n_items: usize) -> Self {
        let mut counts = vec![0u32; n_items];
        for &item in &train.flat {
            counts[item as usize] += 1;
        }
        let mut order: Vec<u32> = (0u32..).take(n_items).collect();
        order.sort_by_key(|&item| std::cmp::Reverse(counts[item as usize]));
        Self { counts, order }
    }

    /// The `k` most popular items, without those of `history` if `mask_history`. There are fewer
    /// only if the catalogue is smaller.
    #[must_use]
    pub fn rank(&self, history: &[u32], k: usize, mask_history: bool) -> Vec<u32> {
        let mask = Mask::new(history, mask_history);
        self.order.iter().filter(|item| !mask.hides(**item)).take(k).copied().collect()
    }
}

/// Items that other users met close to those of the history.
///
/// ```text
/// near(a, b) = sum over pairs (a then b, d apart, d <= 3) of 1/d
///              + sum over pairs (b then a) of 0.5/d
/// score(b)   = sum_w 0.7^w near(h_w, b) / sqrt(count(b))    h_w: history from its end, w = 0..9
/// ```
///
/// A repeated item is near itself, by both sums: for people who come back to an item, that item is
/// the best guess. Items without a score follow in order of popularity.
#[derive(Debug, Clone)]
pub struct ItemKnn {
    /// The start of each item's neighbours: `n_items + 1` values.
    offsets: Vec<usize>,
    /// Neighbours, rising by index within a row, with `near / sqrt(count)`.
    neighbours: Vec<(u32, f32)>,
    popularity: Popularity,
}

/// The largest distance at which two items of a history count as close.
const WINDOW: usize = 3;
/// The weight of an earlier neighbour, relative to a later one.
const BACKWARD: f32 = 0.5;
/// The weight of an item, relative to the next one in the history.
const RECENCY: f32 = 0.7;
/// The number of items of the history that count, from its end.
const HISTORY: usize = 10;

impl ItemKnn {
    /// Learns the neighbours of each item. `O(interactions)` memory, rows are summed in parallel.
    ///
    /// # Panics
    ///
    /// If a history holds an item that is not below `n_items`.
    #[must_use]
    pub fn fit(train: &Histories, n_items: usize) -> Self {
        let popularity = Popularity::fit(train, n_items);
        let mut starts = vec![0usize; n_items + 1];
        for_each_pair(train, |from, _, _| starts[from as usize + 1] += 1);
        for item in 0..n_items {
            starts[item + 1] += starts[item];
        }
        let mut next = starts.clone();
        let mut pairs = vec![(0u32, 0f32); starts[n_items]];
        for_each_pair(train, |from, to, weight| {
            let at = &mut next[from as usize];
            pairs[*at] = (to, weight);
            *at += 1;
        });
        let counts = &popularity.counts;
        let rows: Vec<Vec<(u32, f32)>> = starts
            .par_windows(2)
            .map(|it| {
                let mut row = pairs[it[0]..it[1]].to_vec();
                // The sort is stable, so that sums of floats are in log order and equal on every
                // machine.
                row.sort_by_key(|(to, _)| *to);
                let merged = row.chunk_by(|left, right| left.0 == right.0);
                merged
                    .map(|same| {
                        let near: f32 = same.iter().map(|(_, weight)| weight).sum();
                        (same[0].0, near / (counts[same[0].0 as usize] as f32).sqrt())
                    })
                    .collect()
            })
            .collect();
        let mut offsets = vec![0];
        for row in &rows {
            offsets.push(offsets[offsets.len() - 1] + row.len());
        }
        Self { offsets, neighbours: rows.concat(), popularity }
    }

    /// The `k` best items, without those of `history` if `mask_history`. There are fewer only if
    /// the catalogue is smaller.
    ///
    /// `O(n_items)` to clear the scores, plus the neighbours of ten items.
    ///
    /// # Panics
    ///
    /// If one of the history's last ten items is unknown.
    #[must_use]
    pub fn rank(&self, history: &[u32], k: usize, mask_history: bool) -> Vec<u32> {
        let mut scores = vec![0f32; self.popularity.counts.len()];
        let mut touched = Vec::new();
        let mut recency = 1.0;
        for &item in history.iter().rev().take(HISTORY) {
            let item = item as usize;
            for &(to, near) in &self.neighbours[self.offsets[item]..self.offsets[item + 1]] {
                let score = &mut scores[to as usize];
                if *score <= 0.0 {
                    touched.push(to);
                }
                *score += recency * near;
            }
            recency *= RECENCY;
        }
        let mask = Mask::new(history, mask_history);
        let allowed = |item: &u32| !mask.hides(*item);
        touched.retain(allowed);
        let better = |left: &u32, right: &u32| -> Ordering {
            scores[*right as usize].total_cmp(&scores[*left as usize]).then(left.cmp(right))
        };
        if touched.len() > k && k > 0 {
            touched.select_nth_unstable_by(k - 1, better);
        }
        touched.truncate(k);
        touched.sort_unstable_by(better);
        let missing = k - touched.len();
        let unscored = |item: &&u32| scores[**item as usize] <= 0.0 && allowed(item);
        touched.extend(self.popularity.order.iter().filter(unscored).take(missing));
        touched
    }
}

/// Calls `each(from, to, weight)` for all pairs of items close to each other, in log order.
fn for_each_pair(train: &Histories, mut each: impl FnMut(u32, u32, f32)) {
    for items in train.iter() {
        for (at, &earlier) in items.iter().enumerate() {
            for (distance, &later) in (1u8..).zip(items[at + 1..].iter().take(WINDOW)) {
                let weight = 1.0 / f32::from(distance);
                each(earlier, later, weight);
                each(later, earlier, BACKWARD * weight);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn histories(users: &[&[u32]]) -> Histories {
        let mut histories = Histories::default();
        for items in users {
            histories.push(items);
        }
        histories
    }

    #[test]
    fn popular_items_come_first_and_ties_go_to_the_lowest_index() {
        let popularity = Popularity::fit(&histories(&[&[3, 2], &[3, 1], &[]]), 5);
        assert_eq!(popularity.rank(&[], 9, false), [3, 1, 2, 0, 4]);
        assert_eq!(popularity.rank(&[3, 2], 2, true), [1, 0]);
        assert_eq!(popularity.rank(&[3, 2], 2, false), [3, 1]);
    }

    #[test]
    fn scores_are_those_of_the_formula() {
        // One history 0 1 2 3 4: near(0, 1) = 1, near(0, 2) = 1/2, near(0, 3) = 1/3, near(0, 4) = 0
        // (too far).
        let knn = ItemKnn::fit(&histories(&[&[0, 1, 2, 3, 4]]), 6);
        let row = |item: usize| &knn.neighbours[knn.offsets[item]..knn.offsets[item + 1]];
        assert_eq!(row(0), [(1, 1.0), (2, 0.5), (3, 1.0 / 3.0)]);
        assert_eq!(row(2), [(0, 0.25), (1, 0.5), (3, 1.0), (4, 0.5)]);
        // History 0, 2: 1 has 0.7 + 0.5, 3 has 0.7/3 + 1, 4 has 0.5, 2 has 0.35, 0 has 0.25; 5
        // fills up.
        assert_eq!(knn.rank(&[0, 2], 6, false), [3, 1, 4, 2, 0, 5]);
        assert_eq!(knn.rank(&[0, 2], 6, true), [3, 1, 4, 5]);
        assert_eq!(knn.rank(&[0, 2], 1, true), [3]);
        assert!(knn.rank(&[0, 2], 0, true).is_empty());
    }

    #[test]
    fn a_popular_neighbour_counts_less() {
        let knn = ItemKnn::fit(&histories(&[&[0, 1], &[0, 2], &[1], &[1]]), 3);
        assert_eq!(knn.rank(&[0], 2, false), [2, 1]);
    }

    #[test]
    fn a_repeated_item_is_a_neighbour_of_itself() {
        // near(1, 1) = 2 (1 + 0.5) + (1 + 0.5)/2 over three meetings
        let knn = ItemKnn::fit(&histories(&[&[1, 1, 1], &[2, 2, 2, 2]]), 3);
        assert_eq!(knn.offsets, [0, 0, 1, 2]);
        assert_eq!(knn.neighbours[0], (1, 3.75 / 3f32.sqrt()));
        assert_eq!(knn.rank(&[1], 3, false), [1, 2, 0]);
        assert_eq!(knn.rank(&[1], 3, true), [2, 0]);
    }

    #[test]
    fn only_the_last_ten_items_count() {
        let knn = ItemKnn::fit(&histories(&[&[0, 1], &[2], &[2]]), 3);
        let mut history = vec![0];
        history.extend([2; 10]);
        assert_eq!(knn.rank(&history, 1, false), [2]);
        assert_eq!(knn.rank(&history[..10], 1, false), [1]);
    }
}
