//! Sparse matrices in compressed rows, and their product with a dense matrix.

use rayon::prelude::*;

/// A sparse matrix in compressed sparse rows (CSR); the columns of a row ascend.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct SparseMatrix {
    n_columns: usize,
    /// Row `i` holds the entries `starts[i]..starts[i + 1]`.
    starts: Vec<usize>,
    columns: Vec<u32>,
    values: Vec<f32>,
}

impl SparseMatrix {
    /// Joins rows of (column, value) whose columns ascend and lie below `n_columns`.
    ///
    /// # Panics
    ///
    /// If a column is not below `n_columns`.
    #[must_use]
    pub(crate) fn from_rows(n_columns: usize, rows: &[Vec<(u32, f32)>]) -> Self {
        let length = rows.iter().map(Vec::len).sum();
        let mut matrix = Self {
            n_columns,
            starts: Vec::with_capacity(rows.len() + 1),
            columns: Vec::with_capacity(length),
            values: Vec::with_capacity(length),
        };
        matrix.starts.push(0);
        for row in rows {
            for &(column, value) in row {
                assert!((column as usize) < n_columns, "column {column} of {n_columns}");
                matrix.columns.push(column);
                matrix.values.push(value);
            }
            matrix.starts.push(matrix.columns.len());
        }
        matrix
    }

    /// The number of rows.
    #[must_use]
    pub(crate) fn n_rows(&self) -> usize {
        self.starts.len() - 1
    }

    /// The number of columns.
    #[must_use]
    pub(crate) fn n_columns(&self) -> usize {
        self.n_columns
    }

    /// The entries of row `i`, their columns ascending.
    ///
    /// # Panics
    ///
    /// If `i` is not below [`SparseMatrix::n_rows`].
    pub(crate) fn row(&self, i: usize) -> impl Iterator<Item = (u32, f32)> {
        let range = self.starts[i]..self.starts[i + 1];
        self.columns[range.clone()].iter().copied().zip(self.values[range].iter().copied())
    }

    /// The matrix with rows and columns exchanged.
    #[must_use]
    pub(crate) fn transpose(&self) -> Self {
        let mut starts = vec![0; self.n_columns + 1];
        for &column in &self.columns {
            starts[column as usize + 1] += 1;
        }
        for column in 0..self.n_columns {
            starts[column + 1] += starts[column];
        }
        let mut next = starts.clone();
        let mut columns = vec![0; self.columns.len()];
        let mut values = vec![0.0; self.values.len()];
        for i in 0..self.n_rows() {
            for (column, value) in self.row(i) {
                let at = next[column as usize];
                columns[at] = i as u32;
                values[at] = value;
                next[column as usize] += 1;
            }
        }
        Self { n_columns: self.n_rows(), starts, columns, values }
    }

    /// The product with a dense matrix of `width` columns, both dense matrices row-major.
    ///
    /// Each row of the result is summed in the order of its columns: equal for any number of
    /// threads.
    ///
    /// # Panics
    ///
    /// If `width` is 0 or `dense` is not [`n_columns`, `width`].
    #[must_use]
    pub(crate) fn multiply(&self, dense: &[f32], width: usize) -> Vec<f32> {
        assert_eq!(
            dense.len(),
            self.n_columns * width,
            "[{}, {}] cannot multiply {} values of width {width}",
            self.n_rows(),
            self.n_columns,
            dense.len()
        );
        let mut product = vec![0.0; self.n_rows() * width];
        product.par_chunks_mut(width).enumerate().for_each(|(i, sums)| {
            for (column, value) in self.row(i) {
                let row = &dense[column as usize * width..][..width];
                for (sum, x) in sums.iter_mut().zip(row) {
                    *sum += value * x;
                }
            }
        });
        product
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn example() -> SparseMatrix {
        SparseMatrix::from_rows(3, &[vec![(0, 1.0), (2, 2.0)], vec![], vec![(1, -1.0), (2, 3.0)]])
    }

    #[test]
    fn the_product_is_the_dense_product() {
        let product = example().multiply(&[1.0, 2.0, 3.0, 4.0, 5.0, 6.0], 2);
        assert_eq!(product, [11.0, 14.0, 0.0, 0.0, 12.0, 14.0]);
    }

    #[test]
    fn transposing_twice_changes_nothing() {
        let transposed = example().transpose();
        assert_eq!(transposed.row(2).collect::<Vec<_>>(), [(0, 2.0), (2, 3.0)]);
        assert_eq!(transposed.transpose(), example());
    }
}
