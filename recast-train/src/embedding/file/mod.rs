//! Embeddings in files: one file a format. A file may name the item of each row.

mod ids;
mod npy;
mod npz;
#[cfg(feature = "parquet")]
mod parquet;
mod safetensors;

use std::io::BufReader;
use std::path::Path;

use super::{Embeddings, check_values};
use crate::error::{Error, Result};
use crate::machine::memory_bytes;
use crate::storage::Sources;

/// Usual names of the ids of a file, in order of preference.
const ID_NAMES: [&str; 8] =
    ["ids", "id", "item_ids", "item_id", "items", "item", "parent_asin", "asin"];
/// Usual names of the matrix of a file, in order of preference.
const MATRIX_NAMES: [&str; 8] =
    ["embeddings", "embedding", "embeds", "embed", "embs", "emb", "vectors", "vector"];

/// The rows of an embedding file.
#[derive(Debug)]
pub(crate) struct EmbeddingRows {
    pub(crate) embeddings: Embeddings,
    /// The item of each row, no item twice; `None` if the file names none.
    pub(crate) ids: Option<Vec<String>>,
}

/// The numbers of a file, row after row, before they are checked.
struct Matrix {
    ids: Option<Vec<String>>,
    dim: usize,
    values: Vec<f32>,
}

impl Matrix {
    fn checked(self) -> Checked<EmbeddingRows> {
        let Self { ids, dim, values } = self;
        check_values(dim, &values, ids.as_deref())?;
        if let Some(ids) = &ids {
            ids::check(ids, values.len() / dim)?;
        }
        Ok(EmbeddingRows { embeddings: Embeddings { dim, values }, ids })
    }
}

/// Reads the embeddings of a file, in the order of its rows.
///
/// - A `.npy` file holds one array `(items, D)` of f16, f32 or f64 in C order.
/// - A `.npz` file holds such an array, and may hold ids: an array `(items)` of integers or text. A
///   usual name (`ids`, `embeddings`) tells each array, else its shape.
/// - A `.safetensors` file holds one tensor `(items, D)` of F16, BF16 or F32, or several of which
///   one is named `embeddings`. A tensor `ids` may hold integers `(items)`, or UTF-8 text as U8
///   `(items, W)`, filled up with zeros.
/// - A `.parquet` file has a column of ids and a column of lists of floats, all of one length.
///
/// The reader converts numbers to f32 while it reads, and holds no more than the result in memory.
///
/// # Errors
///
/// [`Error::Read`] if the file cannot be read. [`Error::File`] if the file is of another kind, type
/// or rank, or is shorter or longer than its header says. [`Error::File`] if a value is not finite;
/// the message names its row, from 0, or the row's id, and its column, from 0. [`Error::File`] if
/// an id is empty or stands twice, or is a float that does not count exactly.
pub fn read_embeddings(path: &Path) -> Result<Embeddings> {
    embeddings_of(path, None, &Sources::default()).map(|rows| rows.embeddings)
}

/// Reads embeddings as [`read_embeddings`] does, with their ids, and notes the file among
/// `sources`. `id_name` names the ids; without it, or if the file has no such name, the usual names
/// count.
pub(crate) fn embeddings_of(
    path: &Path,
    id_name: Option<&str>,
    sources: &Sources,
) -> Result<EmbeddingRows> {
    let extension = path.extension().map(|it| it.to_string_lossy().to_ascii_lowercase());
    let parse = match extension.as_deref() {
        Some("npy") => npy::parse,
        Some("npz") => npz::parse,
        Some("safetensors") => safetensors::parse,
        #[cfg(feature = "parquet")]
        Some("parquet") => return parquet::read(path, id_name, sources),
        #[cfg(not(feature = "parquet"))]
        Some("parquet") => {
            return Err(Error::file(
                path,
                "is Parquet, which this build cannot read",
                "build recast with the feature parquet, or write a .npz file",
            ));
        }
        _ => {
            return Err(Error::file(
                path,
                "unknown kind of embedding file",
                "give a file that ends in .npy, .npz, .safetensors or .parquet",
            ));
        }
    };
    let failed = |cause| Error::read(path, cause);
    let file = sources.file(path)?;
    let length = file.metadata().map_err(failed)?.len();
    parse(BufReader::with_capacity(1 << 16, file), length, id_name)
        .and_then(Matrix::checked)
        .map_err(|(problem, hint)| Error::file(path, problem, hint))
}

/// A fault, and its remedy.
pub(super) type Fault = (String, &'static str);

pub(super) type Checked<T> = std::result::Result<T, Fault>;

/// The place in `names` of ids or a matrix: `wanted` if it is there, else the first usual name.
fn named<'a>(
    names: &(impl Iterator<Item = &'a str> + Clone),
    wanted: Option<&str>,
    usual: &[&str],
) -> Option<usize> {
    let place = |name: &str| names.clone().position(|it| it.eq_ignore_ascii_case(name));
    wanted.into_iter().chain(usual.iter().copied()).find_map(place)
}

/// The numbers that a reader makes room for before it meets them: a header may announce more than
/// the file holds.
fn room(count: usize) -> usize {
    count.min(1 << 22)
}

/// The two sizes of a matrix whose bytes are `found` long, checked against its header.
fn matrix_shape(shape: &[u64], item_size: usize, found: u64) -> Checked<(usize, usize)> {
    let &[rows, dim] = shape else {
        return Err((
            format!("an array of {} dimensions {shape:?}", shape.len()),
            "save a matrix [items, width]",
        ));
    };
    let expected = rows.checked_mul(dim).and_then(|n| n.checked_mul(item_size as u64));
    match (usize::try_from(rows), usize::try_from(dim), expected) {
        (Ok(rows), Ok(dim), Some(expected)) if expected == found => {
            let needed = (rows as u64).saturating_mul(4 * dim as u64);
            match memory_bytes() {
                Some(memory) if needed > memory => Err((
                    format!(
                        "{shape:?} numbers of 32 bits take {} MiB, and this machine has {} MiB",
                        needed >> 20,
                        memory >> 20
                    ),
                    "give fewer rows or narrower ones",
                )),
                _ => Ok((rows, dim)),
            }
        }
        _ => Err((
            format!(
                "{found} bytes of values where {shape:?} of {item_size} bytes each are announced"
            ),
            "the file is cut off or damaged; copy or write it again",
        )),
    }
}

#[cfg(test)]
mod tests;
