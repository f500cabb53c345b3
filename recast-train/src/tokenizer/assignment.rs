//! The nearest centroid of every row, found by matrix products.
//!
//! Loops are compiled for the vectors of the CPU found at run time, without fused multiply-add:
//! equal bits for all.

use burn::tensor::{Tensor, TensorData};
use rayon::prelude::*;
use recast_burn::DeviceKind;
use recast_burn::fused::matmul;
use recast_burn::vectors::dispatch;

use super::residual::Residuals;
use crate::error::Result;
use crate::event::Progress;

/// Rows of one matrix product: fixed, so that results don't depend on the number of threads.
pub(super) const ROWS: usize = 128;

/// Centroids, ready to be compared with many rows.
#[derive(Debug)]
pub(super) struct Centroids {
    /// `[dim, codes]`.
    matrix: Tensor<2>,
    half_norms: Vec<f32>,
}

impl Centroids {
    /// Takes centroids of width `dim`, one after the other.
    pub(super) fn new(centroids: &[f32], dim: usize) -> Self {
        let half_norm = |c: &[f32]| 0.5 * c.iter().map(|x| x * x).sum::<f32>();
        let shape = [centroids.len() / dim, dim];
        let values = TensorData::new(centroids.to_vec(), shape);
        Self {
            matrix: Tensor::<2>::from_data(values, &DeviceKind::Cpu.device()).transpose(),
            half_norms: centroids.chunks_exact(dim).map(half_norm).collect(),
        }
    }

    /// `|c|^2 / 2`, code after code.
    pub(super) fn half_norms(&self) -> &[f32] {
        &self.half_norms
    }

    /// `x.c` of each row with all centroids: as many numbers a row as codes, row after row.
    pub(super) fn products(&self, rows: &[f32]) -> Vec<f32> {
        let [dim, _] = self.matrix.dims();
        let rows = TensorData::new(rows.to_vec(), [rows.len() / dim, dim]);
        let rows = Tensor::<2>::from_data(rows, &DeviceKind::Cpu.device());
        let products = matmul(rows, self.matrix.clone()).into_data();
        #[expect(clippy::expect_used, reason = "rows and centroids are f32")]
        products.try_into_vec().expect("f32 products")
    }
}

/// The centroid of each row.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) codes: Vec<u16>,
    /// Squared distances to these centroids.
    pub(super) distances: Vec<f32>,
}

impl Assignment {
    /// Gives each row its nearest centroid; ties go to the lowest index.
    ///
    /// Equal for any number of threads. `progress` counts rows.
    pub(super) fn nearest(
        rows: Residuals<'_>,
        centroids: &[f32],
        progress: &Progress,
    ) -> Result<Self> {
        let (n, dim) = (rows.rows(), rows.dim());
        let compared = Centroids::new(centroids, dim);
        let mut found = Self { codes: vec![0; n], distances: vec![0.0; n] };
        let chunks = found.codes.par_chunks_mut(ROWS).zip(found.distances.par_chunks_mut(ROWS));
        chunks.enumerate().try_for_each_init(Vec::new, |buffer, (chunk, (codes, distances))| {
            let start = chunk * ROWS;
            let block = rows.block(start..start + codes.len(), buffer);
            let products = compared.products(block);
            let products = products.chunks_exact(compared.half_norms().len());
            dispatch(
                #[inline(always)]
                || {
                    for (i, (row, products)) in block.chunks_exact(dim).zip(products).enumerate() {
                        let code = nearest(products, compared.half_norms());
                        codes[i] = code as u16;
                        distances[i] = squared_distance(row, &centroids[code * dim..][..dim]);
                    }
                },
            );
            progress.advance_or_stop(codes.len() as u64)
        })?;
        Ok(found)
    }

    /// The sum of squared distances.
    pub(super) fn inertia(&self) -> f64 {
        self.distances.iter().map(|&d| f64::from(d)).sum()
    }

    /// The rows of each of `n_codes` codes, ascending.
    pub(super) fn members(&self, n_codes: usize) -> Vec<Vec<u32>> {
        let mut members = vec![Vec::new(); n_codes];
        for (i, &code) in self.codes.iter().enumerate() {
            members[code as usize].push(i as u32);
        }
        members
    }
}

/// `argmin |c|^2 / 2 - x.c`; ties go to the lowest index.
///
/// Eight lanes look at every eighth code each, and keep the first of their smallest.
#[inline(always)]
fn nearest(products: &[f32], half_norms: &[f32]) -> usize {
    const LANES: usize = 8;
    let (product_lanes, product_rest) = products.as_chunks::<LANES>();
    let (norm_lanes, norm_rest) = half_norms.as_chunks::<LANES>();
    let mut rounds = [0u32; LANES];
    let mut distances = [f32::INFINITY; LANES];
    for (round, (product, half_norm)) in product_lanes.iter().zip(norm_lanes).enumerate() {
        for lane in 0..LANES {
            let distance = half_norm[lane] - product[lane];
            let closer = distance < distances[lane];
            distances[lane] = if closer { distance } else { distances[lane] };
            rounds[lane] = if closer { round as u32 } else { rounds[lane] };
        }
    }
    let lanes = (0..LANES).map(|lane| (distances[lane], rounds[lane] as usize * LANES + lane));
    let rest = product_rest.iter().zip(norm_rest).enumerate();
    let rest = rest
        .map(|(i, (product, half_norm))| (half_norm - product, product_lanes.len() * LANES + i));
    let mut best = (f32::INFINITY, 0);
    for (distance, code) in lanes.chain(rest) {
        if distance < best.0 || (distance <= best.0 && code < best.1) {
            best = (distance, code);
        }
    }
    best.1
}

/// The squared Euclidean distance of two vectors of one length, summed in eight lanes.
#[inline(always)]
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
    use rand::RngExt;

    fn random_rows(n: usize, dim: usize, seed: u64) -> Vec<f32> {
        let mut rng = stream(seed, Purpose::Catalogue, 0);
        (0..n * dim).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    #[test]
    fn the_smallest_is_found_and_ties_go_to_the_lowest_code() {
        for n in 1..40 {
            for seed in 0..8 {
                // few different values, so that there are ties
                let mut rng = stream(seed, Purpose::Catalogue, n);
                let norms: Vec<f32> = (0..n).map(|_| rng.random_range(0..5) as f32).collect();
                let least = norms.iter().copied().fold(f32::INFINITY, f32::min);
                let expected = norms.iter().position(|&x| x <= least).unwrap();
                assert_eq!(nearest(&vec![1.5; norms.len()], &norms), expected, "{norms:?}");
            }
        }
    }

    #[test]
    fn products_are_those_of_each_row_with_each_centroid() {
        let (rows, centroids) = (random_rows(9, 4, 1), random_rows(11, 4, 2));
        let compared = Centroids::new(&centroids, 4);
        let products = compared.products(&rows);
        assert_eq!(products.len(), 9 * 11);
        for (row, products) in rows.chunks_exact(4).zip(products.chunks_exact(11)) {
            for (centroid, product) in centroids.chunks_exact(4).zip(products) {
                let plain: f32 = row.iter().zip(centroid).map(|(a, b)| a * b).sum();
                assert!((plain - product).abs() < 1e-5);
            }
        }
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
