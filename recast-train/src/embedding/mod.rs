//! Item embeddings: one row of finite numbers per item, given as a file or made from the data.

mod cooccurrence;
mod from_data;
mod sparse;
mod svd;
mod text;

use std::fs::File;
use std::io::{BufRead, BufReader, Read, Seek, SeekFrom, Write};
use std::path::Path;

use half::{bf16, f16};
use npyz::{DType, Deserialize, NpyFile, NpyHeader, Order, TypeChar};
use safetensors::Dtype;
use safetensors::tensor::Metadata;

use crate::error::{Error, Result};
use crate::storage::{Sources, write_atomic};

/// The name of the embeddings in a `.safetensors` file that holds several tensors.
const TENSOR_NAME: &str = "embeddings";

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
        check_values(dim, &values).map_err(|(problem, hint)| Error::data(problem, hint))?;
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

    /// Writes a `.safetensors` file that [`read_embeddings`] reads, whole or not at all.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let bytes = self.values.len() * size_of::<f32>();
        let header = serde_json::json!({
            TENSOR_NAME: { "dtype": "F32", "shape": [self.rows(), self.dim], "data_offsets": [0, bytes] }
        });
        // The format asks for values at a multiple of eight bytes, filled up with spaces.
        let mut header = header.to_string();
        header.extend(std::iter::repeat_n(' ', header.len().next_multiple_of(8) - header.len()));
        write_atomic(path, |writer| {
            writer.write_all(&(header.len() as u64).to_le_bytes())?;
            writer.write_all(header.as_bytes())?;
            self.values.iter().try_for_each(|value| writer.write_all(&value.to_le_bytes()))
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

/// Reads the embeddings of a `.npy` or `.safetensors` file.
///
/// A `.npy` file holds one array [items, D] of f16, f32 or f64 in C order. A `.safetensors` file
/// holds one tensor [items, D] of F16, BF16 or F32, or several of which one is named `embeddings`.
/// The reader converts numbers to f32 while it reads, and holds no more than the result in memory.
///
/// # Errors
///
/// [`Error::Read`] if the file cannot be read. [`Error::File`] if the file is of another kind, type
/// or rank, or is shorter or longer than its header says. [`Error::File`] if a value is not finite;
/// the message names its row and column, both from 0.
pub fn read_embeddings(path: &Path) -> Result<Embeddings> {
    embeddings_of(path, &Sources::default())
}

/// Reads embeddings as [`read_embeddings`] does, and notes the file among `sources`.
pub(crate) fn embeddings_of(path: &Path, sources: &Sources) -> Result<Embeddings> {
    let parse = match path.extension().and_then(|extension| extension.to_str()) {
        Some("npy") => parse_npy,
        Some("safetensors") => parse_safetensors,
        _ => {
            return Err(Error::file(
                path,
                "unknown kind of embedding file",
                "give a file that ends in .npy or .safetensors",
            ));
        }
    };
    let failed = |cause| Error::read(path, cause);
    let file = sources.file(path)?;
    let length = file.metadata().map_err(failed)?.len();
    parse(BufReader::with_capacity(1 << 16, file), length)
        .and_then(|(dim, values)| {
            check_values(dim, &values)?;
            Ok(Embeddings { dim, values })
        })
        .map_err(|(problem, hint)| Error::file(path, problem, hint))
}

/// A fault, and its remedy.
type Fault = (String, &'static str);

type Checked<T> = std::result::Result<T, Fault>;

fn check_values(dim: usize, values: &[f32]) -> Checked<()> {
    if dim == 0 || values.is_empty() || !values.len().is_multiple_of(dim) {
        return Err((
            format!("{} values do not make rows of {dim}", values.len()),
            "give at least one row, and rows of at least one value",
        ));
    }
    match values.iter().position(|value| !value.is_finite()) {
        None => Ok(()),
        Some(at) => Err((
            format!("row {}, column {} is {}", at / dim, at % dim, values[at]),
            "embeddings must be finite as 32-bit floats; repair or recompute this row",
        )),
    }
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
        (Ok(rows), Ok(dim), Some(expected)) if expected == found => Ok((rows, dim)),
        _ => Err((
            format!(
                "{found} bytes of values where {shape:?} of {item_size} bytes each are announced"
            ),
            "the file is cut off or damaged; copy or write it again",
        )),
    }
}

fn parse_npy(mut reader: BufReader<File>, length: u64) -> Checked<(usize, Vec<f32>)> {
    const DAMAGED: &str = "the file is cut off or damaged; write it again with numpy.save";
    let not_npy = |error: std::io::Error| (format!("not a .npy file: {error}"), DAMAGED);

    check_npy_header(&mut reader).map_err(not_npy)?;
    let header = NpyHeader::from_reader(&mut reader).map_err(not_npy)?;
    let kind = match header.dtype() {
        DType::Plain(kind) if kind.type_char() == TypeChar::Float => kind.size_field(),
        _ => 0,
    };
    if !matches!(kind, 2 | 4 | 8) {
        return Err((
            format!("values of type {}", header.dtype().descr()),
            "save them as float16, float32 or float64",
        ));
    }
    if header.order() != Order::C {
        return Err((
            "an array in Fortran order".to_owned(),
            "save it in C order: numpy.save(path, numpy.ascontiguousarray(array))",
        ));
    }
    let start = reader.stream_position().map_err(not_npy)?;
    let (rows, dim) = matrix_shape(header.shape(), kind as usize, length.saturating_sub(start))?;
    let file = NpyFile::with_header(header, reader);
    let values = match kind {
        2 => npy_values(file, rows * dim, f16::to_f32),
        4 => npy_values(file, rows * dim, |x: f32| x),
        _ => npy_values(file, rows * dim, |x: f64| x as f32),
    };
    Ok((dim, values.map_err(not_npy)?))
}

/// Refuses a header that npyz 0.9 would read for ever: its time doubles with every bracket within
/// another.
///
/// The header of an array takes about a hundred bytes and two brackets, one of records a few more.
fn check_npy_header(reader: &mut BufReader<File>) -> std::io::Result<()> {
    const LONGEST: usize = 1 << 16;
    const DEEPEST: usize = 8;

    // the magic string, the version, and the length in two bytes or, from version 2 on, in four
    let mut start = [0; 12];
    reader.read_exact(&mut start)?;
    let (length, begins) = match start[6] {
        1 => (u16::from_le_bytes([start[8], start[9]]) as usize, 10),
        _ => (u32::from_le_bytes([start[8], start[9], start[10], start[11]]) as usize, 12),
    };
    if length > LONGEST {
        return Err(std::io::Error::other(format!("a header of {length} bytes")));
    }
    let mut header = vec![0; length];
    reader.seek(SeekFrom::Start(begins))?;
    reader.read_exact(&mut header)?;
    let depths = header.iter().scan(0usize, |depth, byte| {
        match byte {
            b'(' | b'[' | b'{' => *depth += 1,
            b')' | b']' | b'}' => *depth = depth.saturating_sub(1),
            _ => {}
        }
        Some(*depth)
    });
    if depths.max().is_some_and(|deepest| deepest > DEEPEST) {
        return Err(std::io::Error::other(format!(
            "more than {DEEPEST} brackets within each other"
        )));
    }
    reader.rewind()
}

fn npy_values<T: Deserialize>(
    file: NpyFile<impl Read>,
    count: usize,
    convert: impl Fn(T) -> f32,
) -> std::io::Result<Vec<f32>> {
    let mut values = Vec::with_capacity(count);
    for value in file.data::<T>().map_err(std::io::Error::other)? {
        values.push(convert(value?));
    }
    Ok(values)
}

/// The longest header that the reader accepts; the header of one tensor takes about a hundred
/// bytes.
const LONGEST_HEADER: u64 = 1 << 26;

fn parse_safetensors(mut reader: BufReader<File>, length: u64) -> Checked<(usize, Vec<f32>)> {
    const DAMAGED: &str = "the file is cut off or damaged; copy or write it again";
    let bad = |problem: String| (format!("not a .safetensors file: {problem}"), DAMAGED);
    let failed = |error: std::io::Error| bad(error.to_string());

    let mut size = [0; 8];
    reader.read_exact(&mut size).map_err(failed)?;
    let size = u64::from_le_bytes(size);
    if size > LONGEST_HEADER || size + 8 > length {
        return Err(bad(format!("a header of {size} bytes in a file of {length}")));
    }
    let mut header = vec![0; size as usize];
    reader.read_exact(&mut header).map_err(failed)?;
    let header: Metadata =
        serde_json::from_slice(&header).map_err(|error| bad(error.to_string()))?;
    let found = length - size - 8;
    if header.data_len() as u64 != found {
        return Err(bad(format!(
            "{found} bytes of values where {} are announced",
            header.data_len()
        )));
    }
    let mut tensors = header.tensors();
    let tensor = match (tensors.remove(TENSOR_NAME), tensors.len()) {
        (Some(tensor), _) => Some(tensor),
        (None, 1) => tensors.into_values().next(),
        (None, _) => None,
    };
    let Some(tensor) = tensor else {
        return Err((
            format!("{} tensors, none of them named '{TENSOR_NAME}'", header.tensors().len()),
            "save one tensor [items, width], or name it 'embeddings'",
        ));
    };
    let (start, end) = tensor.data_offsets;
    let shape: Vec<u64> = tensor.shape.iter().map(|&size| size as u64).collect();
    let bytes = (end - start) as u64;
    reader.seek(SeekFrom::Start(size + 8 + start as u64)).map_err(failed)?;
    let (dim, values) = match tensor.dtype {
        Dtype::F16 => {
            let (rows, dim) = matrix_shape(&shape, 2, bytes)?;
            (dim, numbers(&mut reader, rows * dim, |b| f16::from_le_bytes(b).to_f32()))
        }
        Dtype::BF16 => {
            let (rows, dim) = matrix_shape(&shape, 2, bytes)?;
            (dim, numbers(&mut reader, rows * dim, |b| bf16::from_le_bytes(b).to_f32()))
        }
        Dtype::F32 => {
            let (rows, dim) = matrix_shape(&shape, 4, bytes)?;
            (dim, numbers(&mut reader, rows * dim, f32::from_le_bytes))
        }
        other => {
            return Err((format!("values of type {other:?}"), "save them as F16, BF16 or F32"));
        }
    };
    Ok((dim, values.map_err(failed)?))
}

/// Reads `count` numbers of `N` bytes each.
fn numbers<const N: usize>(
    reader: &mut impl BufRead,
    count: usize,
    convert: impl Fn([u8; N]) -> f32,
) -> std::io::Result<Vec<f32>> {
    let mut values = Vec::with_capacity(count);
    let mut bytes = [0; N];
    for _ in 0..count {
        reader.read_exact(&mut bytes)?;
        values.push(convert(bytes));
    }
    Ok(values)
}

#[cfg(test)]
mod tests;
