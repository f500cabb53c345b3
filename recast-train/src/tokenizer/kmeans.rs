//! K-means: seeding by squared distance, then Lloyd's iterations, plain or with equal shares.

use pulp::Arch;
use rand::{Rng, RngExt};
use rayon::prelude::*;

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

/// How k-means goes about it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct KmeansOptions {
    /// The most rounds.
    pub iterations: usize,
    /// Whether no code may take more than its share of the rows.
    pub balanced: bool,
    /// Centroids are fitted to a sample of at most this many rows a code; 0 means to all rows.
    pub sample_per_code: usize,
}

/// The result of k-means.
#[derive(Debug, Clone, PartialEq)]
pub struct Kmeans {
    /// The centroids as rows; fewer than asked for where there are fewer distinct rows.
    pub centroids: Vec<f32>,
    /// The code of each row: the nearest centroid, ties to the lowest index; or, balanced, one with room.
    pub codes: Vec<u16>,
    /// The sum of squared distances to the assigned centroid after each assignment: of the rows that centroids are
    /// fitted to, and at last of all rows.
    pub inertia: Vec<f64>,
}

impl Kmeans {
    /// Clusters `rows` around at most `n_codes` centroids.
    ///
    /// The first centroids are drawn with a probability proportional to the squared distance to those drawn
    /// before (k-means++), from a sample of the rows if there are many. Then centroids become means and rows
    /// move to their nearest centroid until nothing moves or after `iterations` rounds. An empty cluster takes
    /// the row farthest from its centroid. Equal generators give equal results for any number of threads.
    ///
    /// Balanced, no centroid takes more than `ceil(rows / codes)` rows: a row asks its centroids, the nearest first, and a
    /// full centroid keeps the closest. Then nearly all codes are used equally, and distances are longer.
    ///
    /// With `sample_per_code` the rounds see that many rows a code, drawn without replacement; all rows then go to
    /// these centroids. `O(rows * n_codes * D)` time a round; beside the rows memory for a code and a number a row
    /// (balanced, 32 of each), the centroids, and the seeding's sample of 16 rows a code.
    ///
    /// Distances are compared as `|c|^2 - 2 x.c` in f32: rows whose common offset is far larger than their
    /// spread should be centred first.
    ///
    /// See "k-means++: The Advantages of Careful Seeding", Arthur and Vassilvitskii,
    /// <https://theory.stanford.edu/~sergei/papers/kMeansPP-soda.pdf>; for the sample "Billion-Scale Similarity Search
    /// with GPUs", Johnson, Douze and Jégou, <https://arxiv.org/abs/1702.08734>, whose program FAISS takes 256 rows a code.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`](crate::Error::Interrupted) once the user asked to stop. `progress` counts rows assigned.
    ///
    /// # Panics
    ///
    /// If `n_codes` is not in 1..=65536.
    pub fn fit(
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

    /// The rows that a fit assigns, all rounds together, if none settles early.
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
            Arch::new().dispatch(|| {
                for (i, distance) in distances.iter_mut().enumerate() {
                    let other = row(chunk * SEEDING_CHUNK + i);
                    *distance = distance.min(squared_distance(other, centroid));
                }
            });
        });
        match draw_proportional(&distances, rng) {
            Some(next) => drawn = next,
            // Every row of the sample is a centroid.
            None => return Ok(centroids),
        }
    }
}

/// `size` of 0..n without repetition, ascending; all if there are no more.
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
            Arch::new().dispatch(|| {
                for &i in members {
                    row.clear();
                    rows.append(i as usize, row);
                    sums.iter_mut().zip(&*row).for_each(|(sum, &x)| *sum += f64::from(x));
                }
            });
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
mod tests {
    use super::*;
    use crate::embedding::Embeddings;
    use crate::event::Monitor;
    use crate::random::{Purpose, stream};
    use std::collections::BTreeSet;

    fn random_rows(n: usize, dim: usize, seed: u64) -> Vec<f32> {
        let mut rng = stream(seed, Purpose::Catalogue, 0);
        (0..n * dim).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    fn fit_with(
        rows: &[f32],
        dim: usize,
        n_codes: usize,
        options: KmeansOptions,
        seed: u64,
    ) -> Kmeans {
        let rows = Embeddings::new(dim, rows.to_vec()).unwrap();
        let mut rng = stream(seed, Purpose::Centroids, 0);
        let progress = Monitor::silent().progress("", 0);
        Kmeans::fit(Residuals::of(&rows), n_codes, options, &mut rng, &progress).unwrap()
    }

    fn fit(rows: &[f32], dim: usize, n_codes: usize, iterations: usize, seed: u64) -> Kmeans {
        fit_with(rows, dim, n_codes, KmeansOptions { iterations, ..PLAIN }, seed)
    }

    const PLAIN: KmeansOptions =
        KmeansOptions { iterations: 10, balanced: false, sample_per_code: 0 };

    #[test]
    fn inertia_never_rises() {
        for seed in 0..20 {
            let dim = 1 + seed as usize % 13;
            let rows = random_rows(400, dim, seed);
            let found = fit(&rows, dim, 2 + 3 * seed as usize, 25, seed);
            for pair in found.inertia.windows(2) {
                assert!(pair[1] <= pair[0] * (1.0 + 1e-6), "{:?}", found.inertia);
            }
        }
    }

    #[test]
    fn every_row_has_its_nearest_centroid() {
        for seed in 0..10 {
            let rows = random_rows(300, 9, seed);
            let found = fit(&rows, 9, 20, 5, seed);
            for (row, &code) in rows.chunks_exact(9).zip(&found.codes) {
                let own = squared_distance(row, &found.centroids[code as usize * 9..][..9]);
                for other in found.centroids.chunks_exact(9) {
                    assert!(own <= squared_distance(row, other) + 1e-5);
                }
            }
        }
    }

    #[test]
    fn well_separated_clusters_are_found() {
        let mut rng = stream(3, Purpose::Catalogue, 0);
        let rows: Vec<f32> = (0..300)
            .flat_map(|i| [(i % 3) as f32 * 10.0, (i % 3) as f32 * -7.0])
            .map(|x| x + rng.random_range(-0.5..0.5))
            .collect();
        let found = fit(&rows, 2, 3, 20, 1);
        for i in 0..300 {
            assert_eq!(found.codes[i], found.codes[i % 3]);
        }
    }

    #[test]
    fn more_codes_than_distinct_rows_uses_fewer() {
        let rows = [1.0, 2.0, 1.0, 2.0, -3.0, 0.5, 1.0, 2.0];
        let found = fit(&rows, 2, 16, 10, 0);
        assert_eq!(found.centroids.len(), 2 * 2);
        assert_eq!(found.codes[0], found.codes[3]);
        assert_ne!(found.codes[0], found.codes[2]);
        assert!(found.inertia[0].abs() < 1e-12);
        assert_eq!(fit(&[0.0; 12], 3, 5, 10, 0).codes, [0; 4]);
    }

    #[test]
    fn an_empty_cluster_takes_the_farthest_row() {
        let rows = Embeddings::new(1, vec![0.0, 1.0, 2.0, 100.0]).unwrap();
        let mut centroids = [1.0, 50.0, -1000.0];
        let progress = Monitor::silent().progress("", 0);
        let rows = Residuals::of(&rows);
        let assigned = Assignment::nearest(rows, &centroids, &progress).unwrap();
        assert_eq!(assigned.codes, [0, 0, 0, 1]);
        move_to_means(&mut centroids, rows, &assigned);
        assert!((centroids[2] - 100.0).abs() < 1e-6);
        assert!((centroids[0] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn equal_seeds_give_equal_results_with_one_thread_or_two() {
        let rows = random_rows(1000, 17, 5);
        let run = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            let options = KmeansOptions { balanced: seed == 6, ..PLAIN };
            pool.install(|| fit_with(&rows, 17, 32, options, seed))
        };
        assert_eq!(run(1, 6), run(2, 6));
        assert_eq!(run(1, 4), run(2, 4));
        assert_ne!(run(2, 4).codes, run(2, 5).codes);
    }

    #[test]
    fn a_sample_ascends_and_repeats_nothing() {
        let mut rng = stream(1, Purpose::Centroids, 0);
        for n in [0, 1, 5, 50, 500] {
            let sample = sorted_sample(n, 50, &mut rng);
            assert_eq!(sample.len(), n.min(50));
            assert!(sample.is_sorted());
            assert_eq!(sample.iter().collect::<BTreeSet<_>>().len(), sample.len());
            assert!(sample.iter().all(|&i| (i as usize) < n));
        }
    }

    #[test]
    fn only_positive_weights_are_drawn() {
        let mut rng = stream(2, Purpose::Centroids, 0);
        let mut counts = [0; 4];
        for _ in 0..4000 {
            counts[draw_proportional(&[0.0, 1.0, 3.0, 0.0], &mut rng).unwrap()] += 1;
        }
        assert_eq!((counts[0], counts[3]), (0, 0));
        assert!((2800..3200).contains(&counts[2]), "{counts:?}");
        assert_eq!(draw_proportional(&[0.0; 3], &mut rng), None);
    }

    #[test]
    fn a_sample_of_every_row_changes_nothing_and_a_smaller_one_comes_near() {
        let rows = random_rows(600, 5, 3);
        let all = fit(&rows, 5, 12, 10, 3);
        let with =
            |sample_per_code| fit_with(&rows, 5, 12, KmeansOptions { sample_per_code, ..PLAIN }, 3);
        assert_eq!(with(50), all);
        let sampled = with(20);
        assert_eq!(sampled.codes.len(), 600);
        let (sampled, all) = (sampled.inertia.last().unwrap(), all.inertia.last().unwrap());
        assert!(sampled > all && *sampled < 1.2 * all, "{sampled}, all rows {all}");
    }

    #[test]
    fn balanced_codes_take_equal_shares_where_plain_ones_starve() {
        // One dense cluster of 900 rows and 100 scattered rows.
        let mut rows = random_rows(1000, 4, 1);
        rows[..3600].iter_mut().for_each(|x| *x *= 0.05);
        let shares = |balanced| {
            let found = fit_with(&rows, 4, 20, KmeansOptions { balanced, ..PLAIN }, 1);
            let mut counts = [0usize; 20];
            found.codes.iter().for_each(|&code| counts[usize::from(code)] += 1);
            (*counts.iter().min().unwrap(), *counts.iter().max().unwrap())
        };
        let plain = shares(false);
        assert!(plain.0 < 10 && plain.1 > 200, "{plain:?}");
        assert_eq!(shares(true), (50, 50));
    }

    #[test]
    fn the_inertia_is_that_of_plain_lloyd_from_the_same_seeds() {
        let (n, dim, n_codes) = (1500, 24, 40);
        let rows = Embeddings::new(dim, random_rows(n, dim, 8)).unwrap();
        let progress = Monitor::silent().progress("", 0);
        let mut rng = stream(8, Purpose::Centroids, 0);
        let first = first_centroids(Residuals::of(&rows), n_codes, &mut rng, &progress).unwrap();
        let mut centroids: Vec<f64> = first.into_iter().map(f64::from).collect();
        let mut inertia = 0.0;
        for _ in 0..=10 {
            let (mut sums, mut counts) = (vec![0.0; n_codes * dim], vec![0.0; n_codes]);
            inertia = 0.0;
            for row in rows.values().chunks_exact(dim) {
                let distance = |c: &[f64]| -> f64 {
                    c.iter().zip(row).map(|(c, &x)| (f64::from(x) - c).powi(2)).sum()
                };
                let distances: Vec<f64> = centroids.chunks_exact(dim).map(distance).collect();
                let code = (0..n_codes).min_by(|&a, &b| distances[a].total_cmp(&distances[b]));
                let code = code.unwrap();
                inertia += distances[code];
                counts[code] += 1.0;
                for (sum, &x) in sums[code * dim..][..dim].iter_mut().zip(row) {
                    *sum += f64::from(x);
                }
            }
            centroids = sums.iter().enumerate().map(|(i, sum)| sum / counts[i / dim]).collect();
        }
        let found = fit(rows.values(), dim, n_codes, 10, 8);
        let last = found.inertia.last().unwrap();
        assert!((last / inertia - 1.0).abs() < 0.01, "{last}, plain {inertia}");
    }

    #[test]
    fn one_code_takes_every_row() {
        let rows = random_rows(9, 2, 1);
        let found = fit_with(&rows, 2, 1, KmeansOptions { balanced: true, ..PLAIN }, 1);
        assert_eq!(found.codes, [0; 9]);
        assert!(found.inertia.iter().all(|x| x.is_finite()));
    }
}
