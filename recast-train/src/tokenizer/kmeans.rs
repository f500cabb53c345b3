//! K-means: seeding by squared distance, then Lloyd's iterations, plain or with equal shares.

use rand::{Rng, RngExt};
use rayon::prelude::*;
use recast_burn::vectors::dispatch;

use super::assignment::{Assignment, squared_distance};
use super::residual::Residuals;
use crate::catalogue::MAX_CODES;
use crate::error::Result;
use crate::event::Progress;

/// Seeding looks at no more than this many rows for each centroid, or [`MIN_SEEDING_ROWS`].
const SEEDING_ROWS_PER_CODE: usize = 16;
const MIN_SEEDING_ROWS: usize = 1 << 12;

/// Rows of the sample that a thread measures at a time.
const SEEDING_CHUNK: usize = 128;

/// The settings of k-means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KmeansOptions {
    /// The largest number of rounds.
    pub iterations: usize,
    /// Whether no code may take more than its share of the rows.
    pub balanced: bool,
    /// The largest number of rows a code in the sample that centroids are fitted to; 0 means all
    /// rows.
    pub sample_per_code: usize,
}

/// The result of k-means.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Kmeans {
    /// The centroids as rows; fewer than asked for if there are fewer distinct rows.
    pub(crate) centroids: Vec<f32>,
    /// The code of each row: the nearest centroid, ties to the lowest index. A balanced fit may
    /// give a farther centroid with room.
    pub(crate) codes: Vec<u16>,
    /// The sum of squared distances to the assigned centroid after each assignment. The sums are of
    /// the rows that centroids are fitted to, and the last one is of all rows.
    pub(crate) inertia: Vec<f64>,
}

impl Kmeans {
    /// Clusters `rows` around at most `n_codes` centroids.
    ///
    /// The first centroids are drawn with a probability proportional to the squared distance to the
    /// centroids drawn before (k-means++). If there are many rows, a sample of the rows is used.
    /// Then centroids become means and rows move to their nearest centroid until nothing moves or
    /// after `iterations` rounds. An empty cluster takes the row farthest from its centroid. Equal
    /// generators give equal results for any number of threads.
    ///
    /// In a balanced fit no centroid takes more than `ceil(rows / codes)` rows. A row asks its
    /// centroids, the nearest first, and a full centroid keeps the closest rows. Nearly all codes
    /// are then used equally, and distances are longer.
    ///
    /// With `sample_per_code` the rounds see that many rows a code, drawn without replacement; all
    /// rows then go to these centroids.
    ///
    /// `O(rows * n_codes * D)` time a round. Memory beside the rows: a code and a number a row
    /// (balanced, 32 of each), the centroids, and the seeding's 16 rows a code.
    ///
    /// Distances are compared as `|c|^2 - 2 x.c` in f32. Rows whose common offset is far larger
    /// than their spread should be centred first.
    ///
    /// See "k-means++: The Advantages of Careful Seeding", Arthur and Vassilvitskii,
    /// <https://theory.stanford.edu/~sergei/papers/kMeansPP-soda.pdf>.
    ///
    /// For the sample see "Billion-Scale Similarity Search with GPUs", Johnson, Douze and Jégou,
    /// <https://arxiv.org/abs/1702.08734>. The paper's program FAISS takes 256 rows a code.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`](crate::Error::Interrupted) after the user asked to stop. `progress`
    /// counts rows assigned.
    ///
    /// # Panics
    ///
    /// If `n_codes` is not in 1..=65536.
    pub(crate) fn fit(
        rows: Residuals<'_>,
        n_codes: usize,
        options: KmeansOptions,
        rng: &mut impl Rng,
        progress: &Progress,
    ) -> Result<Self> {
        assert!((1..=MAX_CODES).contains(&n_codes), "{n_codes} codes, not 1 to {MAX_CODES}");
        let sample = options
            .sample_size(n_codes, rows.rows())
            .map(|size| sorted_sample(rows.rows(), size, rng));
        let fitted = sample.as_deref().map_or(rows, |sample| rows.chosen(sample));

        let mut centroids = first_centroids(fitted, n_codes, rng, progress)?;
        let assign = |rows: Residuals<'_>, centroids: &[f32]| match options.balanced {
            false => Assignment::nearest(rows, centroids, progress),
            true => Assignment::within_capacity(rows, centroids, progress),
        };
        let mut assigned = assign(fitted, &centroids)?;
        let mut inertia = vec![assigned.inertia()];
        for _ in 0..options.iterations {
            move_to_means(&mut centroids, fitted, &assigned);
            let next = assign(fitted, &centroids)?;
            inertia.push(next.inertia());
            let settled = next.codes == assigned.codes;
            assigned = next;
            if settled {
                break;
            }
        }
        if sample.is_some() {
            assigned = assign(rows, &centroids)?;
            inertia.push(assigned.inertia());
        }
        Ok(Self { centroids, codes: assigned.codes, inertia })
    }
}

impl KmeansOptions {
    /// The rows that centroids are fitted to; `None` means all.
    fn sample_size(self, n_codes: usize, rows: usize) -> Option<usize> {
        let size = self.sample_per_code.saturating_mul(n_codes);
        (size > 0 && size < rows).then_some(size)
    }

    /// The number of rows that a fit assigns, all rounds together, if no round settles early.
    pub(super) fn assignments(self, n_codes: usize, rows: usize) -> usize {
        match self.sample_size(n_codes, rows) {
            Some(sample) => (self.iterations + 1) * sample + rows,
            None => (self.iterations + 1) * rows,
        }
    }
}

fn first_centroids(
    rows: Residuals<'_>,
    n_codes: usize,
    rng: &mut impl Rng,
    progress: &Progress,
) -> Result<Vec<f32>> {
    let dim = rows.dim();
    let size = (n_codes * SEEDING_ROWS_PER_CODE).max(MIN_SEEDING_ROWS);
    let sample = sorted_sample(rows.rows(), size, rng);
    let mut values = Vec::with_capacity(sample.len() * dim);
    sample.iter().for_each(|&i| rows.append(i as usize, &mut values));
    let row = |i: usize| &values[i * dim..][..dim];

    let mut centroids = Vec::with_capacity(n_codes * dim);
    let mut drawn = rng.random_range(0..sample.len());
    let mut distances = vec![f32::INFINITY; sample.len()];
    loop {
        progress.advance_or_stop(0)?;
        let centroid = row(drawn);
        centroids.extend_from_slice(centroid);
        if centroids.len() == n_codes * dim {
            return Ok(centroids);
        }
        distances.par_chunks_mut(SEEDING_CHUNK).enumerate().for_each(|(chunk, distances)| {
            dispatch(
                #[inline(always)]
                || {
                    for (i, distance) in distances.iter_mut().enumerate() {
                        let other = row(chunk * SEEDING_CHUNK + i);
                        *distance = distance.min(squared_distance(other, centroid));
                    }
                },
            );
        });
        match draw_proportional(&distances, rng) {
            Some(next) => drawn = next,
            // Every row of the sample is a centroid.
            None => return Ok(centroids),
        }
    }
}

/// `size` numbers of 0..n without repetition, ascending; all numbers if `n` is not larger.
pub(super) fn sorted_sample(n: usize, size: usize, rng: &mut impl Rng) -> Vec<u32> {
    let all = 0..n as u32;
    if n <= size {
        return all.collect();
    }
    let mut missing = size;
    all.filter(|&i| {
        let taken = rng.random_range(0..n - i as usize) < missing;
        missing -= usize::from(taken);
        taken
    })
    .collect()
}

fn draw_proportional(weights: &[f32], rng: &mut impl Rng) -> Option<usize> {
    let total: f64 = weights.iter().map(|&w| f64::from(w)).sum();
    let mut left = rng.random::<f64>() * total;
    let mut last = None;
    for (i, &weight) in weights.iter().enumerate() {
        if weight > 0.0 {
            last = Some(i);
            left -= f64::from(weight);
            if left < 0.0 {
                break;
            }
        }
    }
    last
}

fn move_to_means(centroids: &mut [f32], rows: Residuals<'_>, assigned: &Assignment) {
    let dim = rows.dim();
    let members = assigned.members(centroids.len() / dim);
    centroids.par_chunks_mut(dim).zip(&members).for_each_init(
        || Vec::with_capacity(dim),
        |row, (centroid, members)| {
            if members.is_empty() {
                return;
            }
            let mut sums = vec![0.0f64; dim];
            dispatch(
                #[inline(always)]
                || {
                    for &i in members {
                        row.clear();
                        rows.append(i as usize, row);
                        sums.iter_mut().zip(&*row).for_each(|(sum, &x)| *sum += f64::from(x));
                    }
                },
            );
            let count = members.len() as f64;
            centroid.iter_mut().zip(sums).for_each(|(x, sum)| *x = (sum / count) as f32);
        },
    );

    let empty: Vec<usize> = (0..members.len()).filter(|&code| members[code].is_empty()).collect();
    let farthest = farthest_distinct_rows(rows, &assigned.distances, empty.len());
    for (code, row) in empty.into_iter().zip(farthest) {
        centroids[code * dim..][..dim].copy_from_slice(&row);
    }
}

/// At most `count` unequal rows that are not on their centroid, the farthest first.
fn farthest_distinct_rows(rows: Residuals<'_>, distances: &[f32], count: usize) -> Vec<Vec<f32>> {
    let mut found: Vec<Vec<f32>> = Vec::with_capacity(count);
    if count == 0 {
        return found;
    }
    let mut order: Vec<usize> = (0..distances.len()).filter(|&i| distances[i] > 0.0).collect();
    order.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]).then(a.cmp(&b)));
    for i in order {
        let mut row = Vec::with_capacity(rows.dim());
        rows.append(i, &mut row);
        if !found.contains(&row) {
            found.push(row);
            if found.len() == count {
                break;
            }
        }
    }
    found
}

#[cfg(test)]
mod tests;
