//! K-means: seeding by squared distance, then Lloyd's iterations with assignments by matrix product.

use nalgebra::{DMatrix, DMatrixView};
use rand::{Rng, RngExt};
use rayon::prelude::*;

/// Codes are u16.
pub const MAX_CODES: usize = 1 << 16;

/// Rows of one matrix product: fixed, so that results don't depend on the number of threads.
const CHUNK: usize = 128;

/// Seeding looks at no more than this many rows for each centroid, or [`MIN_SEEDING_ROWS`].
const SEEDING_ROWS_PER_CODE: usize = 16;
const MIN_SEEDING_ROWS: usize = 1 << 14;

/// The result of k-means.
#[derive(Debug, Clone, PartialEq)]
pub struct Kmeans {
    /// The centroids as rows; fewer than asked for where there are fewer distinct rows.
    pub centroids: Vec<f32>,
    /// The nearest centroid of each row; ties go to the lowest index.
    pub codes: Vec<u16>,
    /// The sum of squared distances to the nearest centroid after each assignment; the last one is final.
    pub inertia: Vec<f64>,
}

impl Kmeans {
    /// Clusters `rows`, each of `dim` values, around at most `n_codes` centroids.
    ///
    /// The first centroids are drawn with a probability proportional to the squared distance to those drawn
    /// before (k-means++), from a sample of the rows if there are many. Then centroids become means and rows
    /// move to their nearest centroid until nothing moves or after `iterations` rounds. An empty cluster takes
    /// the row farthest from its centroid. Equal generators give equal results for any number of threads.
    /// `O(rows * n_codes * dim)` time a round.
    ///
    /// Distances are compared as `|c|^2 - 2 x.c` in f32: rows whose common offset is far larger than their
    /// spread should be centred first.
    ///
    /// See "k-means++: The Advantages of Careful Seeding", Arthur and Vassilvitskii,
    /// <https://theory.stanford.edu/~sergei/papers/kMeansPP-soda.pdf>.
    ///
    /// # Panics
    ///
    /// If there is no row, `dim` is 0, or `n_codes` is not in 1..=65536.
    #[must_use]
    pub fn fit(
        rows: &[f32],
        dim: usize,
        n_codes: usize,
        iterations: usize,
        rng: &mut impl Rng,
    ) -> Self {
        assert!(dim > 0 && !rows.is_empty(), "{} values of width {dim}: no row", rows.len());
        assert!((1..=MAX_CODES).contains(&n_codes), "{n_codes} codes, not 1 to {MAX_CODES}");
        let mut centroids = first_centroids(rows, dim, n_codes, rng);
        let mut assigned = assign(rows, dim, &centroids);
        let mut inertia = vec![assigned.inertia()];
        for _ in 0..iterations {
            move_to_means(&mut centroids, rows, dim, &assigned);
            let next = assign(rows, dim, &centroids);
            inertia.push(next.inertia());
            let settled = next.codes == assigned.codes;
            assigned = next;
            if settled {
                break;
            }
        }
        Self { centroids, codes: assigned.codes, inertia }
    }
}

struct Assignment {
    codes: Vec<u16>,
    /// Squared distances to the assigned centroid.
    distances: Vec<f32>,
}

impl Assignment {
    fn inertia(&self) -> f64 {
        self.distances.iter().map(|&d| f64::from(d)).sum()
    }
}

fn first_centroids(rows: &[f32], dim: usize, n_codes: usize, rng: &mut impl Rng) -> Vec<f32> {
    let n = rows.len() / dim;
    let sample = sorted_sample(n, (n_codes * SEEDING_ROWS_PER_CODE).max(MIN_SEEDING_ROWS), rng);
    let row = |i: usize| &rows[sample[i] * dim..][..dim];

    let mut centroids = Vec::with_capacity(n_codes * dim);
    let mut drawn = rng.random_range(0..sample.len());
    let mut distances = vec![f32::INFINITY; sample.len()];
    loop {
        let centroid = row(drawn);
        centroids.extend_from_slice(centroid);
        if centroids.len() == n_codes * dim {
            return centroids;
        }
        distances.par_chunks_mut(CHUNK).enumerate().for_each(|(chunk, distances)| {
            for (i, distance) in distances.iter_mut().enumerate() {
                *distance = distance.min(squared_distance(row(chunk * CHUNK + i), centroid));
            }
        });
        match draw_proportional(&distances, rng) {
            Some(next) => drawn = next,
            // Every row of the sample is a centroid.
            None => return centroids,
        }
    }
}

/// `size` of 0..n without repetition, ascending; all if there are no more.
fn sorted_sample(n: usize, size: usize, rng: &mut impl Rng) -> Vec<usize> {
    if n <= size {
        return (0..n).collect();
    }
    let mut missing = size;
    (0..n)
        .filter(|i| {
            let taken = rng.random_range(0..n - i) < missing;
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

fn assign(rows: &[f32], dim: usize, centroids: &[f32]) -> Assignment {
    let n = rows.len() / dim;
    let matrix = DMatrix::from_row_slice(centroids.len() / dim, dim, centroids);
    let half_norms: Vec<f32> =
        centroids.chunks_exact(dim).map(|c| 0.5 * c.iter().map(|x| x * x).sum::<f32>()).collect();

    let mut assigned = Assignment { codes: vec![0; n], distances: vec![0.0; n] };
    let chunks = rows.par_chunks(CHUNK * dim);
    let targets =
        assigned.codes.par_chunks_mut(CHUNK).zip(assigned.distances.par_chunks_mut(CHUNK));
    chunks.zip(targets).for_each(|(rows, (codes, distances))| {
        // [codes, dim] x [dim, rows]: the rows of the chunk are the columns of the second matrix.
        let products = &matrix * DMatrixView::from_slice(rows, dim, rows.len() / dim);
        for (i, products) in products.as_slice().chunks_exact(half_norms.len()).enumerate() {
            let code = nearest(products, &half_norms);
            codes[i] = code as u16;
            let centroid = &centroids[code * dim..][..dim];
            distances[i] = squared_distance(&rows[i * dim..][..dim], centroid);
        }
    });
    assigned
}

/// `argmin |c|^2 / 2 - x.c`; ties go to the lowest index.
fn nearest(products: &[f32], half_norms: &[f32]) -> usize {
    let mut best = (0, f32::INFINITY);
    for (code, (product, half_norm)) in products.iter().zip(half_norms).enumerate() {
        let distance = half_norm - product;
        if distance < best.1 {
            best = (code, distance);
        }
    }
    best.0
}

fn move_to_means(centroids: &mut [f32], rows: &[f32], dim: usize, assigned: &Assignment) {
    let members = members_of_codes(&assigned.codes, centroids.len() / dim);
    centroids.par_chunks_mut(dim).zip(&members).for_each(|(centroid, members)| {
        if members.is_empty() {
            return;
        }
        let mut sums = vec![0.0f64; dim];
        for &i in members {
            let row = &rows[i as usize * dim..][..dim];
            sums.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x));
        }
        let count = members.len() as f64;
        centroid.iter_mut().zip(sums).for_each(|(x, sum)| *x = (sum / count) as f32);
    });

    let empty: Vec<usize> = (0..members.len()).filter(|&code| members[code].is_empty()).collect();
    let farthest = farthest_distinct_rows(rows, dim, &assigned.distances, empty.len());
    for (code, row) in empty.into_iter().zip(farthest) {
        centroids[code * dim..][..dim].copy_from_slice(row);
    }
}

/// The rows of each code, ascending.
fn members_of_codes(codes: &[u16], n_codes: usize) -> Vec<Vec<u32>> {
    let mut members = vec![Vec::new(); n_codes];
    for (i, &code) in codes.iter().enumerate() {
        members[code as usize].push(i as u32);
    }
    members
}

/// At most `count` unequal rows that are not on their centroid, the farthest first.
fn farthest_distinct_rows<'a>(
    rows: &'a [f32],
    dim: usize,
    distances: &[f32],
    count: usize,
) -> Vec<&'a [f32]> {
    let mut found: Vec<&[f32]> = Vec::with_capacity(count);
    if count == 0 {
        return found;
    }
    let mut order: Vec<usize> = (0..distances.len()).filter(|&i| distances[i] > 0.0).collect();
    order.sort_by(|&a, &b| distances[b].total_cmp(&distances[a]).then(a.cmp(&b)));
    for i in order {
        let row = &rows[i * dim..][..dim];
        if !found.contains(&row) {
            found.push(row);
            if found.len() == count {
                break;
            }
        }
    }
    found
}

/// The squared Euclidean distance of two vectors of one length, summed in eight lanes.
pub(super) fn squared_distance(a: &[f32], b: &[f32]) -> f32 {
    const LANES: usize = 8;
    let (a_lanes, a_rest) = a.as_chunks::<LANES>();
    let (b_lanes, b_rest) = b.as_chunks::<LANES>();
    let mut sums = [0.0f32; LANES];
    for (a, b) in a_lanes.iter().zip(b_lanes) {
        for lane in 0..LANES {
            let difference = a[lane] - b[lane];
            sums[lane] += difference * difference;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| (a - b) * (a - b)).sum();
    sums.iter().sum::<f32>() + rest
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use std::collections::BTreeSet;

    fn random_rows(n: usize, dim: usize, seed: u64) -> Vec<f32> {
        let mut rng = stream(seed, Purpose::Catalogue, 0);
        (0..n * dim).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    fn fit(rows: &[f32], dim: usize, n_codes: usize, iterations: usize, seed: u64) -> Kmeans {
        Kmeans::fit(rows, dim, n_codes, iterations, &mut stream(seed, Purpose::Centroids, 0))
    }

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
        let rows = [0.0, 1.0, 2.0, 100.0];
        let mut centroids = [1.0, 50.0, -1000.0];
        let assigned = assign(&rows, 1, &centroids);
        assert_eq!(assigned.codes, [0, 0, 0, 1]);
        move_to_means(&mut centroids, &rows, 1, &assigned);
        assert!((centroids[2] - 100.0).abs() < 1e-6);
        assert!((centroids[0] - 1.0).abs() < 1e-6);
    }

    #[test]
    fn equal_seeds_give_equal_results_with_one_thread_or_two() {
        let rows = random_rows(1000, 17, 5);
        let run = |threads, seed| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| fit(&rows, 17, 32, 10, seed))
        };
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
            assert!(sample.iter().all(|&i| i < n));
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
    fn the_distance_is_the_sum_of_squares_at_any_width() {
        for dim in 0..20 {
            let (a, b) = (random_rows(1, dim, 1), random_rows(1, dim, 2));
            let plain: f32 = a.iter().zip(&b).map(|(a, b)| (a - b).powi(2)).sum();
            assert!((squared_distance(&a, &b) - plain).abs() < 1e-5);
        }
    }
}
