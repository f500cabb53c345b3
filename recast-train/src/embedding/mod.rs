//! Item embeddings: one row of finite numbers per item, given as a file or made from the data.

mod cooccurrence;
mod file;
mod from_data;
mod sparse;
mod svd;
mod text;

use std::io::Write;
use std::path::Path;

use crate::error::{Error, Result};
use crate::storage::write_atomic;
use file::Checked;

pub use file::read_embeddings;
pub(crate) use file::{EmbeddingRows, embeddings_of};

/// The name of the embeddings in a `.safetensors` file that holds several tensors.
const TENSOR_NAME: &str = "embeddings";
/// The name of the ids of their rows in such a file.
const IDS_NAME: &str = "ids";

/// One vector per item, row `i` of item `i`. Every value is finite.
#[derive(Debug, Clone, PartialEq)]
pub struct Embeddings {
    dim: usize,
    values: Vec<f32>,
}

impl Embeddings {
    /// Takes `values` as rows of `dim` numbers.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no row, the last row is not full, or a value is not finite. The
    /// message names the row and column of such a value, both from 0.
    pub fn new(dim: usize, values: Vec<f32>) -> Result<Self> {
        check_values(dim, &values, None).map_err(|(problem, hint)| Error::data(problem, hint))?;
        Ok(Self { dim, values })
    }

    /// The width of a row.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// All rows, one after the other.
    #[must_use]
    pub fn values(&self) -> &[f32] {
        &self.values
    }

    /// The number of items.
    #[must_use]
    pub fn rows(&self) -> usize {
        self.values.len() / self.dim
    }

    /// Each row of these embeddings beside that of `other`: `(items, D + E)`. Each part is first
    /// centred over the items and brought to length 1, so that neither outweighs the other.
    ///
    /// # Panics
    ///
    /// If the two have unequal numbers of rows.
    #[must_use]
    pub(crate) fn joined(&self, other: &Self) -> Self {
        assert_eq!(self.rows(), other.rows(), "a row an item in both");
        let parts = [self.centred(), other.centred()];
        let dim = self.dim + other.dim;
        let mut values = Vec::with_capacity(self.rows() * dim);
        for i in 0..self.rows() {
            parts.iter().for_each(|part| values.extend_from_slice(part.row(i)));
        }
        Self { dim, values }
    }

    /// The rows less their mean, each of length 1; a row of no length stays zero.
    fn centred(&self) -> Self {
        let rows = self.rows() as f64;
        let mut mean = vec![0.0f64; self.dim];
        for row in self.values.chunks_exact(self.dim) {
            mean.iter_mut().zip(row).for_each(|(sum, &x)| *sum += f64::from(x) / rows);
        }
        let mut values = self.values.clone();
        for row in values.chunks_exact_mut(self.dim) {
            row.iter_mut().zip(&mean).for_each(|(x, &mean)| *x -= mean as f32);
            make_unit(row);
        }
        Self { dim: self.dim, values }
    }

    /// Writes a `.safetensors` file that [`read_embeddings`] reads, whole or not at all. The ids of
    /// the rows, if given, stand beside them as text.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    ///
    /// # Panics
    ///
    /// If there is not one id a row.
    pub fn save(&self, path: &Path, ids: Option<&[&str]>) -> Result<()> {
        let bytes = self.values.len() * size_of::<f32>();
        let mut header = serde_json::json!({
            TENSOR_NAME: { "dtype": "F32", "shape": [self.rows(), self.dim], "data_offsets": [0, bytes] }
        });
        let width = ids.into_iter().flatten().map(|id| id.len()).max().unwrap_or(0);
        if let Some(ids) = ids {
            assert_eq!(ids.len(), self.rows(), "an id a row");
            let end = bytes + width * ids.len();
            header[IDS_NAME] = serde_json::json!({
                "dtype": "U8", "shape": [ids.len(), width], "data_offsets": [bytes, end]
            });
        }
        // The format asks for values at a multiple of eight bytes, filled up with spaces.
        let mut header = header.to_string();
        header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
        write_atomic(path, |writer| {
            writer.write_all(&(header.len() as u64).to_le_bytes())?;
            writer.write_all(header.as_bytes())?;
            self.values.iter().try_for_each(|value| writer.write_all(&value.to_le_bytes()))?;
            ids.into_iter().flatten().try_for_each(|id| {
                writer.write_all(id.as_bytes())?;
                writer.write_all(&vec![0; width - id.len()])
            })
        })
    }

    /// The vector of item `i`.
    ///
    /// # Panics
    ///
    /// If `i` is not below [`Embeddings::rows`].
    #[must_use]
    pub fn row(&self, i: usize) -> &[f32] {
        &self.values[i * self.dim..(i + 1) * self.dim]
    }

    /// Checks that the file `path` has one row for each of `expected` items.
    ///
    /// # Errors
    ///
    /// [`Error::File`] with both numbers.
    pub(crate) fn check_rows(&self, expected: usize, path: &Path) -> Result<()> {
        if self.rows() == expected {
            return Ok(());
        }
        Err(Error::file(
            path,
            format!("{} rows of embeddings for {expected} items", self.rows()),
            "write one row per item, in the order of the prepared item list",
        ))
    }
}

/// Checks that `values` are finite and fill rows of `dim`. `ids` name the rows, if given.
fn check_values(dim: usize, values: &[f32], ids: Option<&[String]>) -> Checked<()> {
    if dim == 0 || values.is_empty() || !values.len().is_multiple_of(dim) {
        return Err((
            format!("{} values do not make rows of {dim}", values.len()),
            "give at least one row, and rows of at least one value",
        ));
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => {
            let (row, column) = (at / dim, at % dim);
            let item = ids.and_then(|ids| ids.get(row));
            let item = item.map_or_else(String::new, |id| format!(" (item '{id}')"));
            Err((
                format!("row {row}{item}, column {column} is {}", values[at]),
                "embeddings must be finite as 32-bit floats; repair or recompute this row",
            ))
        }
    }
}

/// Divides a row by its length; a row of zeros stays.
fn make_unit(row: &mut [f32]) {
    let norm = row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>().sqrt() as f32;
    if norm > 0.0 {
        row.iter_mut().for_each(|x| *x /= norm);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn joined_parts_are_centred_and_of_length_1_each() {
        let one = Embeddings::new(2, vec![5.0, 0.0, 1.0, 0.0, 3.0, 3.0]).unwrap();
        let other = Embeddings::new(1, vec![100.0, 400.0, 100.0]).unwrap();
        let joined = one.joined(&other);
        assert_eq!((joined.rows(), joined.dim()), (3, 3));
        // the means are (3, 1) and 200
        let [half, fifth] = [0.2f32.sqrt() * 2.0, 0.2f32.sqrt()];
        let expected = [half, -fifth, -1.0, -half, -fifth, 1.0, 0.0, 1.0, -1.0];
        for (found, expected) in joined.values().iter().zip(expected) {
            assert!((found - expected).abs() < 1e-6, "{found} {expected}");
        }
    }

    #[test]
    fn rows_that_equal_the_mean_stay_zero() {
        let equal = Embeddings::new(1, vec![2.0, 2.0]).unwrap();
        let joined = equal.joined(&equal);
        assert!(joined.values().iter().all(|x| x.abs() < 1e-6));
    }
}
