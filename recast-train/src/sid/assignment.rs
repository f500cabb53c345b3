//! The nearest centroid of every row, found by matrix products.

use nalgebra::{DMatrix, DMatrixView, DMatrixViewMut};
use rayon::prelude::*;

use super::residual::Residuals;
use crate::error::Result;
use crate::run::Progress;

/// Rows of one matrix product: fixed, so that results don't depend on the number of threads.
const ROWS: usize = 128;

/// Codes of one matrix product; bounds the memory of a thread, not the result.
const CODES: usize = 1024;

/// The centroid of each row.
#[derive(Debug)]
pub(super) struct Assignment {
    pub(super) codes: Vec<u16>,
    /// Squared distances to these centroids.
    pub(super) distances: Vec<f32>,
    /// By how much the next best centroid is farther, prices counted: 0 or above.
    pub(super) margins: Vec<f32>,
}

/// Memory that a thread uses again.
#[derive(Default)]
struct Scratch {
    rows: Vec<f32>,
    products: Vec<f32>,
    nearest: Vec<Nearest>,
}

impl Assignment {
    /// Gives each row `argmin_c |x - m_c|^2 + price_c`; ties go to the lowest index.
    ///
    /// `centroids` and `prices` have one entry a code; prices of zero give the nearest centroid. Equal for any number
    /// of threads. `progress` counts rows.
    pub(super) fn new(
        rows: Residuals<'_>,
        centroids: &[f32],
        prices: &[f32],
        progress: &Progress,
    ) -> Result<Self> {
        let (n, dim) = (rows.rows(), rows.dim());
        let matrix = DMatrix::from_row_slice(prices.len(), dim, centroids);
        let offsets: Vec<f32> = centroids
            .chunks_exact(dim)
            .zip(prices)
            .map(|(c, price)| 0.5 * (c.iter().map(|x| x * x).sum::<f32>() + price))
            .collect();

        let mut found =
            Self { codes: vec![0; n], distances: vec![0.0; n], margins: vec![0.0; n] };
        let codes = found.codes.par_chunks_mut(ROWS);
        let distances = found.distances.par_chunks_mut(ROWS);
        let margins = found.margins.par_chunks_mut(ROWS);
        codes.zip(distances).zip(margins).enumerate().try_for_each_init(
            Scratch::default,
            |Scratch { rows: buffer, products, nearest }, (chunk, ((codes, distances), margins))| {
                let start = chunk * ROWS;
                let block = rows.block(start..start + codes.len(), buffer);
                nearest.clear();
                nearest.resize(codes.len(), Nearest::NONE);
                look_for_nearest(nearest, &matrix, &offsets, block, products);
                for (i, (row, nearest)) in block.chunks_exact(dim).zip(nearest).enumerate() {
                    codes[i] = nearest.code as u16;
                    distances[i] =
                        squared_distance(row, &centroids[nearest.code * dim..][..dim]);
                    margins[i] = 2.0 * (nearest.next - nearest.value);
                }
                progress.advance_or_stop(codes.len() as u64)
            },
        )?;
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

/// Compares `rows` with all centroids, a block of codes after the other.
fn look_for_nearest(
    found: &mut [Nearest],
    centroids: &DMatrix<f32>,
    offsets: &[f32],
    rows: &[f32],
    products: &mut Vec<f32>,
) {
    // [codes, dim] x [dim, rows]: the rows are the columns of the second matrix.
    let rows = DMatrixView::from_slice(rows, centroids.ncols(), found.len());
    for (block, offsets) in offsets.chunks(CODES).enumerate() {
        products.resize(offsets.len() * found.len(), 0.0);
        let centroids = centroids.rows(block * CODES, offsets.len());
        DMatrixViewMut::from_slice(products, offsets.len(), found.len())
            .gemm(1.0, &centroids, &rows, 0.0);
        for (found, products) in found.iter_mut().zip(products.chunks_exact(offsets.len())) {
            let nearest = Nearest::find(products, offsets);
            *found = found.or(Nearest { code: block * CODES + nearest.code, ..nearest });
        }
    }
}

/// The code of the smallest `offset - product`, that value, and the second smallest.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Nearest {
    code: usize,
    value: f32,
    next: f32,
}

impl Nearest {
    const NONE: Self = Self { code: 0, value: f32::INFINITY, next: f32::INFINITY };

    /// The better of two, ties by the lower code; both lose to it what they rank second.
    fn or(self, other: Self) -> Self {
        let first = self.value < other.value
            || (self.value <= other.value && self.code < other.code);
        let (best, worse) = if first { (self, other) } else { (other, self) };
        Self { next: best.next.min(worse.value), ..best }
    }

    /// Looks in several lanes, each over every eighth code, and joins them.
    fn find(products: &[f32], offsets: &[f32]) -> Self {
        const LANES: usize = 8;
        let (product_lanes, product_rest) = products.as_chunks::<LANES>();
        let (offset_lanes, offset_rest) = offsets.as_chunks::<LANES>();
        let mut rounds = [0u32; LANES];
        let mut values = [f32::INFINITY; LANES];
        let mut nexts = [f32::INFINITY; LANES];
        for (round, (product, offset)) in product_lanes.iter().zip(offset_lanes).enumerate() {
            for lane in 0..LANES {
                let value = offset[lane] - product[lane];
                let better = value < values[lane];
                let worse = if better { values[lane] } else { value };
                nexts[lane] = if worse < nexts[lane] { worse } else { nexts[lane] };
                values[lane] = if better { value } else { values[lane] };
                rounds[lane] = if better { round as u32 } else { rounds[lane] };
            }
        }
        let lanes = (0..LANES).map(|lane| Self {
            code: rounds[lane] as usize * LANES + lane,
            value: values[lane],
            next: nexts[lane],
        });
        let rest = product_rest.iter().zip(offset_rest).enumerate().map(|(i, (product, offset))| {
            let code = product_lanes.len() * LANES + i;
            Self { code, value: offset - product, next: f32::INFINITY }
        });
        lanes.chain(rest).reduce(Self::or).unwrap_or(Self::NONE)
    }
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
    use super::super::embedding::Embeddings;
    use super::*;
    use crate::random::{Purpose, stream};
    use crate::run::Monitor;
    use rand::RngExt;

    fn random_rows(n: usize, dim: usize, seed: u64) -> Vec<f32> {
        let mut rng = stream(seed, Purpose::Catalogue, 0);
        (0..n * dim).map(|_| rng.random_range(-1.0..1.0)).collect()
    }

    #[test]
    fn the_two_smallest_are_found_and_ties_go_to_the_lowest_code() {
        for n in 1..40 {
            for seed in 0..8 {
                // few different values, so that there are ties
                let mut rng = stream(seed, Purpose::Catalogue, n);
                let offsets: Vec<f32> = (0..n).map(|_| rng.random_range(0..5) as f32).collect();
                let products = vec![1.5; offsets.len()];
                let mut values: Vec<f32> = offsets.iter().map(|x| x - 1.5).collect();
                let least = values.iter().copied().fold(f32::INFINITY, f32::min);
                let code = values.iter().position(|&x| x <= least).unwrap();
                values.sort_by(f32::total_cmp);
                let next = values.get(1).copied().unwrap_or(f32::INFINITY);
                let found = Nearest::find(&products, &offsets);
                assert_eq!(found, Nearest { code, value: least, next }, "{offsets:?}");
            }
        }
    }

    #[test]
    fn prices_are_added_to_squared_distances() {
        let (n, dim, n_codes) = (150, 7, CODES + 40);
        let rows = Embeddings::new(dim, random_rows(n, dim, 1)).unwrap();
        let centroids = random_rows(n_codes, dim, 2);
        let prices: Vec<f32> = (0..n_codes).map(|c| 0.003 * (c % 100) as f32).collect();
        let progress = Monitor::silent().progress("", 0);
        let found =
            Assignment::new(Residuals::of(&rows), &centroids, &prices, &progress).unwrap();
        for i in 0..n {
            let mut costs: Vec<f32> = centroids
                .chunks_exact(dim)
                .zip(&prices)
                .map(|(c, price)| squared_distance(rows.row(i), c) + price)
                .collect();
            let own = costs[usize::from(found.codes[i])];
            costs.sort_by(f32::total_cmp);
            assert!((own - costs[0]).abs() < 1e-5);
            assert!((found.margins[i] - (costs[1] - costs[0])).abs() < 1e-4);
        }
        let inertia: f64 = found.distances.iter().map(|&d| f64::from(d)).sum();
        assert!((found.inertia() - inertia).abs() < 1e-9);
        let members = found.members(n_codes);
        assert_eq!(members.iter().map(Vec::len).sum::<usize>(), n);
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
