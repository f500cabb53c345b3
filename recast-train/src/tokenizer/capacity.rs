//! Assignments in which no centroid takes more than its share of the rows.

use std::collections::BinaryHeap;

use rayon::prelude::*;

use super::assignment::{Assignment, Centroids, ROWS};
use super::residual::Residuals;
use crate::error::Result;
use crate::event::Progress;

/// The number of centroids that a row asks before the search for centroids with room.
const CANDIDATES: usize = 32;

/// A row that a centroid has taken. The farthest row, then the last one, comes first and is the
/// first to leave.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Taken {
    distance: f32,
    row: u32,
}

impl Eq for Taken {}

impl Ord for Taken {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.distance.total_cmp(&other.distance).then(self.row.cmp(&other.row))
    }
}

impl PartialOrd for Taken {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

/// Some of the nearest centroids of a row, the nearest first.
type Candidates = Vec<(f32, u16)>;

impl Assignment {
    /// Gives each row a centroid, and no centroid more than `ceil(rows / centroids)` rows.
    ///
    /// Rows ask their centroids, the nearest first. A full centroid takes a closer row in place of
    /// its farthest one, which then asks its next centroid (deferred acceptance). The result is the
    /// pairs taken in the order of their distance. A row that none of its 32 nearest centroids
    /// keeps asks, in the same way, the centroids with room. Ties go to the lowest row and the
    /// lowest code. Equal for any number of threads.
    ///
    /// `O(rows * (codes * D + log rows))` time, and 32 candidates a row of memory. `progress`
    /// counts rows.
    ///
    /// See "College Admissions and the Stability of Marriage", Gale and Shapley, The American
    /// Mathematical Monthly 69, 1962.
    pub(super) fn within_capacity(
        rows: Residuals<'_>,
        centroids: &[f32],
        progress: &Progress,
    ) -> Result<Self> {
        let (n, dim) = (rows.rows(), rows.dim());
        let n_codes = centroids.len() / dim;
        let capacity = n.div_ceil(n_codes);
        let mut found = Self { codes: vec![0; n], distances: vec![0.0; n] };
        let mut room = vec![capacity; n_codes];
        let mut open: Vec<u16> = (0..n_codes).map(|code| code as u16).collect();
        let mut waiting: Vec<u32> = (0..n as u32).collect();
        while !waiting.is_empty() {
            let of_open: Vec<f32> = open
                .iter()
                .flat_map(|&code| &centroids[usize::from(code) * dim..][..dim])
                .copied()
                .collect();
            let rooms: Vec<usize> = open.iter().map(|&code| room[usize::from(code)]).collect();
            let candidates = candidates(rows, &waiting, &Centroids::new(&of_open, dim), progress)?;
            let (taken, rejected) = accept(&candidates, &rooms);
            for (&code, taken) in open.iter().zip(taken) {
                room[usize::from(code)] -= taken.len();
                for Taken { distance, row } in taken {
                    let row = waiting[row as usize] as usize;
                    (found.codes[row], found.distances[row]) = (code, distance);
                }
            }
            waiting = rejected.into_iter().map(|row| waiting[row as usize]).collect();
            open.retain(|&code| room[usize::from(code)] > 0);
        }
        Ok(found)
    }
}

/// The nearest centroids of the rows `asking`, with squared distances.
fn candidates(
    rows: Residuals<'_>,
    asking: &[u32],
    centroids: &Centroids,
    progress: &Progress,
) -> Result<Vec<Candidates>> {
    let half_norms = centroids.half_norms();
    let mut found: Vec<Candidates> = vec![Vec::new(); asking.len()];
    let chunks = found.par_chunks_mut(ROWS).zip(asking.par_chunks(ROWS));
    chunks.try_for_each_init(
        || (Vec::new(), Vec::new()),
        |(buffer, all), (found, asking)| {
            buffer.clear();
            asking.iter().for_each(|&row| rows.append(row as usize, buffer));
            let norms = buffer.chunks_exact(rows.dim()).map(|x| x.iter().map(|x| x * x).sum());
            let norms: Vec<f32> = norms.collect();
            let products = centroids.products(buffer);
            for ((found, norm), products) in
                found.iter_mut().zip(norms).zip(products.chunks_exact(half_norms.len()))
            {
                all.clear();
                all.extend(products.iter().zip(half_norms).enumerate().map(
                    |(code, (product, half_norm))| {
                        ((norm + 2.0 * (half_norm - product)).max(0.0), code as u16)
                    },
                ));
                *found = smallest(all, CANDIDATES);
            }
            progress.advance_or_stop(asking.len() as u64)
        },
    )?;
    Ok(found)
}

/// The `count` smallest pairs in ascending order; the other pairs have no order.
fn smallest(pairs: &mut [(f32, u16)], count: usize) -> Vec<(f32, u16)> {
    let ascending = |a: &(f32, u16), b: &(f32, u16)| a.0.total_cmp(&b.0).then(a.1.cmp(&b.1));
    let count = count.min(pairs.len());
    if count < pairs.len() {
        pairs.select_nth_unstable_by(count, ascending);
    }
    let mut first = pairs[..count].to_vec();
    first.sort_unstable_by(ascending);
    first
}

/// The rows that each centroid keeps, and the rows that no centroid keeps, ascending.
fn accept(candidates: &[Candidates], rooms: &[usize]) -> (Vec<BinaryHeap<Taken>>, Vec<u32>) {
    let mut taken: Vec<BinaryHeap<Taken>> = vec![BinaryHeap::new(); rooms.len()];
    let mut asked = vec![0usize; candidates.len()];
    let mut rejected = Vec::new();
    for first in 0..candidates.len() as u32 {
        let mut asking = Some(first);
        while let Some(row) = asking {
            let Some(&(distance, code)) = candidates[row as usize].get(asked[row as usize]) else {
                rejected.push(row);
                break;
            };
            asked[row as usize] += 1;
            let kept = &mut taken[usize::from(code)];
            kept.push(Taken { distance, row });
            asking = if kept.len() > rooms[usize::from(code)] {
                kept.pop().map(|farthest| farthest.row)
            } else {
                None
            };
        }
    }
    rejected.sort_unstable();
    (taken, rejected)
}

#[cfg(test)]
mod tests {
    use super::super::assignment::squared_distance;
    use super::super::residual_kmeans::tests::random_embeddings;
    use super::*;
    use crate::embedding::Embeddings;
    use crate::event::Monitor;

    fn assigned(rows: &Embeddings, centroids: &[f32]) -> Assignment {
        let progress = Monitor::silent().progress("", 0);
        Assignment::within_capacity(Residuals::of(rows), centroids, &progress).unwrap()
    }

    #[test]
    fn pairs_are_formed_in_the_order_of_their_distance() {
        let rows = random_embeddings(150, 5, 1);
        let centroids = random_embeddings(20, 5, 2);
        let found = assigned(&rows, centroids.values());
        let mut pairs: Vec<(f32, usize, usize)> = (0..150)
            .flat_map(|i| (0..20).map(move |c| (i, c)))
            .map(|(i, c)| (squared_distance(rows.row(i), centroids.row(c)), i, c))
            .collect();
        pairs.sort_by(|a, b| a.0.total_cmp(&b.0));
        let mut expected = vec![None; 150];
        let mut loads = [0; 20];
        for (distance, i, c) in pairs {
            if expected[i].is_none() && loads[c] < 8 {
                loads[c] += 1;
                expected[i] = Some((c as u16, distance));
            }
        }
        for (i, expected) in expected.into_iter().enumerate() {
            let (code, distance) = expected.unwrap();
            assert_eq!(found.codes[i], code, "row {i}");
            assert!((found.distances[i] - distance).abs() < 1e-4);
        }
    }

    #[test]
    fn every_row_finds_room_also_beyond_its_candidates() {
        // all rows in one place, far from most of the 100 centroids
        let rows = Embeddings::new(1, vec![0.0; 250]).unwrap();
        let centroids: Vec<f32> = (0..100).map(|c| c as f32).collect();
        let found = assigned(&rows, &centroids);
        for code in 0..100 {
            let load = found.codes.iter().filter(|&&other| other == code).count();
            assert_eq!(load, if code < 83 { 3 } else { usize::from(code == 83) }, "code {code}");
        }
        assert_eq!(found.codes[..4], [0, 0, 0, 1], "ties go to the lowest row");
    }
}
