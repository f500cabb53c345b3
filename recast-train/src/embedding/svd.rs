//! The leading singular vectors of a sparse matrix, by seeded randomised subspace iteration.

use nalgebra::{DMatrix, DMatrixView};
use rand_chacha::rand_core::Rng;
use rand_distr::{Distribution, StandardNormal};

use super::sparse::SparseMatrix;

/// The number of directions carried along beyond those asked for.
const OVERSAMPLING: usize = 10;
/// Passes of power iteration: the error falls with the spectrum's decay to the power
/// `2 * passes + 1`.
const PASSES: usize = 4;

/// The leading left singular vectors and singular values of a matrix.
#[derive(Debug, Clone)]
pub(crate) struct TruncatedSvd {
    /// The left singular vectors U as columns: [rows, rank].
    pub(crate) left: DMatrix<f32>,
    /// The singular values, descending.
    pub(crate) singular_values: Vec<f32>,
}

/// Approximates the `rank` leading singular vectors of `matrix`.
///
/// ```text
/// Q = orth(A Omega);  4 times: Q = orth(A orth(A^T Q));  A^T Q = P R;  R^T = W S V^T;  U = Q W
/// ```
///
/// Omega is normal, from `rng`, with 10 directions more than `rank`. The rank is cut to the smaller
/// side of the matrix. The result does not depend on the number of threads; the sign of a vector is
/// arbitrary. `O((entries + rows * rank) * rank)` time.
///
/// See "Finding Structure with Randomness", Halko, Martinsson and Tropp,
/// <https://arxiv.org/abs/0909.4061>, algorithms 4.4 and 5.1.
#[must_use]
pub(crate) fn truncated_svd(
    matrix: &SparseMatrix,
    rank: usize,
    rng: &mut impl Rng,
) -> TruncatedSvd {
    let (rows, columns) = (matrix.n_rows(), matrix.n_columns());
    let smaller = rows.min(columns);
    let rank = rank.min(smaller);
    let width = (rank + OVERSAMPLING).min(smaller);
    if rank == 0 {
        return TruncatedSvd { left: DMatrix::zeros(rows, 0), singular_values: Vec::new() };
    }

    let transposed = matrix.transpose();
    let start: Vec<f32> = (0..columns * width).map(|_| StandardNormal.sample(&mut *rng)).collect();
    let mut left = orthonormal(&matrix.multiply(&start, width), width);
    for _ in 0..PASSES {
        let right = orthonormal(&transposed.multiply(&row_major(&left), width), width);
        left = orthonormal(&matrix.multiply(&row_major(&right), width), width);
    }
    let projected = column_major(&transposed.multiply(&row_major(&left), width), width);
    let small = projected.qr().r().transpose().svd(true, false);

    // nalgebra sorts the singular values of `svd` in descending order.
    let rotation = small.u.expect("left vectors were asked for");
    TruncatedSvd {
        left: left * rotation.columns(0, rank),
        singular_values: small.singular_values.as_slice()[..rank].to_vec(),
    }
}

/// An orthonormal basis that spans the columns of a row-major matrix of at least `width` rows.
fn orthonormal(values: &[f32], width: usize) -> DMatrix<f32> {
    column_major(values, width).qr().q()
}

fn column_major(values: &[f32], width: usize) -> DMatrix<f32> {
    DMatrixView::from_slice(values, width, values.len() / width).transpose()
}

fn row_major(matrix: &DMatrix<f32>) -> Vec<f32> {
    matrix.transpose().as_slice().to_vec()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Purpose, stream};
    use rand::RngExt;

    /// A sparse matrix with each entry at probability 0.3, and the same matrix as a dense one.
    fn random_matrix(rows: usize, columns: usize, seed: u64) -> (SparseMatrix, DMatrix<f32>) {
        let mut rng = stream(seed, Purpose::Embedding, 9);
        let mut dense = DMatrix::zeros(rows, columns);
        let mut sparse = vec![Vec::new(); rows];
        for i in 0..rows {
            for j in 0..columns {
                if rng.random_bool(0.3) {
                    let value = rng.random_range(-1.0..1.0) * 4.0 / (1.0 + j as f32);
                    dense[(i, j)] = value;
                    sparse[i].push((j as u32, value));
                }
            }
        }
        (SparseMatrix::from_rows(columns, &sparse), dense)
    }

    #[test]
    fn it_equals_the_dense_decomposition() {
        for (seed, (rows, columns)) in [(40, 25), (25, 40), (60, 60)].into_iter().enumerate() {
            let (sparse, dense) = random_matrix(rows, columns, seed as u64);
            let found = truncated_svd(&sparse, 6, &mut stream(1, Purpose::Embedding, 0));
            let exact = dense.svd(true, false);
            let vectors = exact.u.unwrap();
            for k in 0..6 {
                let (a, b) = (found.singular_values[k], exact.singular_values[k]);
                assert!((a - b).abs() < 1e-4 * b, "singular value {k}: {a}, not {b}");
                let cosine = found.left.column(k).dot(&vectors.column(k)).abs();
                assert!(cosine > 0.999, "vector {k}: cosine {cosine}");
            }
        }
    }

    #[test]
    fn a_rank_beyond_the_matrix_is_cut() {
        let (sparse, _) = random_matrix(5, 3, 0);
        let found = truncated_svd(&sparse, 64, &mut stream(1, Purpose::Embedding, 0));
        assert_eq!((found.left.nrows(), found.left.ncols()), (5, 3));
        let empty = SparseMatrix::from_rows(0, &[vec![], vec![]]);
        let found = truncated_svd(&empty, 4, &mut stream(1, Purpose::Embedding, 0));
        assert_eq!((found.left.nrows(), found.left.ncols()), (2, 0));
    }

    #[test]
    fn a_matrix_of_zeros_gives_finite_vectors() {
        let zeros = SparseMatrix::from_rows(9, &vec![Vec::new(); 8]);
        let found = truncated_svd(&zeros, 3, &mut stream(1, Purpose::Embedding, 0));
        assert!(found.left.iter().all(|x| x.is_finite()));
        assert!(found.singular_values.iter().all(|s| s.abs() < 1e-6));
    }
}
