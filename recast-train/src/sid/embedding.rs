//! Item embeddings: one row of finite numbers per item, read from the files other programs write.

use std::fs;
use std::io::Write;
use std::path::Path;

use half::{bf16, f16};
use npyz::{DType, NpyFile, Order, TypeChar};
use safetensors::tensor::TensorView;
use safetensors::{Dtype, SafeTensorError, SafeTensors};

use crate::error::{Error, Result};
use crate::run::write_atomic;

/// The name a `.safetensors` file gives the embeddings where it holds several tensors.
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
    /// [`Error::Data`] if there is no row, if the last row is not full, or if a value is not finite; the
    /// message names its row and column, both from 0.
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
        let bytes: Vec<u8> = self.values.iter().flat_map(|value| value.to_le_bytes()).collect();
        let shape = vec![self.rows(), self.dim];
        let failed = |e: SafeTensorError| Error::write(path, std::io::Error::other(e));
        let view = TensorView::new(Dtype::F32, shape, &bytes).map_err(failed)?;
        let file = safetensors::serialize([(TENSOR_NAME, view)], None).map_err(failed)?;
        write_atomic(path, |writer| writer.write_all(&file))
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

    /// Checks that there is one row for each of `expected` items; `path` is the file to name.
    ///
    /// # Errors
    ///
    /// [`Error::File`] with both numbers.
    pub fn check_rows(&self, expected: usize, path: &Path) -> Result<()> {
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
/// A `.npy` file holds one array [items, D] of f16, f32 or f64 in C order. A `.safetensors` file holds one
/// tensor [items, D] of F16, BF16 or F32, or several of which one is named `embeddings`. Everything is
/// converted to f32.
///
/// # Errors
///
/// [`Error::Read`] if the file cannot be read; [`Error::File`] if it is of another kind, type or rank, is
/// shorter or longer than its header says, or holds a value that is not finite (the message names its row
/// and column, both from 0).
pub fn read_embeddings(path: &Path) -> Result<Embeddings> {
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
    let bytes = fs::read(path).map_err(|source| Error::read(path, source))?;
    parse(&bytes)
        .and_then(|(dim, values)| {
            check_values(dim, &values)?;
            Ok(Embeddings { dim, values })
        })
        .map_err(|(problem, hint)| Error::file(path, problem, hint))
}

/// What is wrong, and what to do.
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
fn matrix_shape(shape: &[u64], item_size: usize, found: usize) -> Checked<(usize, usize)> {
    let &[rows, dim] = shape else {
        return Err((
            format!("an array of {} dimensions {shape:?}", shape.len()),
            "save a matrix [items, width]",
        ));
    };
    let sizes = usize::try_from(rows).ok().zip(usize::try_from(dim).ok());
    let expected = sizes
        .and_then(|(rows, dim)| rows.checked_mul(dim))
        .and_then(|length| length.checked_mul(item_size));
    match (sizes, expected) {
        (Some(sizes), Some(expected)) if expected == found => Ok(sizes),
        _ => Err((
            format!(
                "{found} bytes of values where {shape:?} of {item_size} bytes each are announced"
            ),
            "the file is cut off or damaged; copy or write it again",
        )),
    }
}

fn parse_npy(bytes: &[u8]) -> Checked<(usize, Vec<f32>)> {
    const DAMAGED: &str = "the file is cut off or damaged; write it again with numpy.save";
    let not_npy = |error: std::io::Error| (format!("not a .npy file: {error}"), DAMAGED);

    let mut rest = bytes;
    let file = NpyFile::new(&mut rest).map_err(not_npy)?;
    let header = file.header().clone();
    drop(file);

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
    let item_size = kind as usize;
    let (_, dim) = matrix_shape(header.shape(), item_size, rest.len())?;
    let file = NpyFile::with_header(header, rest);
    let values = match item_size {
        2 => file.into_vec::<f16>().map(|v| v.into_iter().map(f16::to_f32).collect()),
        4 => file.into_vec::<f32>(),
        _ => file.into_vec::<f64>().map(|v| v.into_iter().map(|x| x as f32).collect()),
    };
    Ok((dim, values.map_err(not_npy)?))
}

fn parse_safetensors(bytes: &[u8]) -> Checked<(usize, Vec<f32>)> {
    let tensors = SafeTensors::deserialize(bytes).map_err(|error| {
        (
            format!("not a .safetensors file: {error}"),
            "the file is cut off or damaged; copy or write it again",
        )
    })?;
    let tensor = match (tensors.tensor(TENSOR_NAME), tensors.tensors().pop(), tensors.len()) {
        (Ok(tensor), ..) | (Err(_), Some((_, tensor)), 1) => tensor,
        (.., count) => {
            return Err((
                format!("{count} tensors, none of them named '{TENSOR_NAME}'"),
                "save one tensor [items, width], or name it 'embeddings'",
            ));
        }
    };
    let data = tensor.data();
    let pairs = || data.chunks_exact(2).map(|pair| [pair[0], pair[1]]);
    let values: Vec<f32> = match tensor.dtype() {
        Dtype::F16 => pairs().map(|pair| f16::from_le_bytes(pair).to_f32()).collect(),
        Dtype::BF16 => pairs().map(|pair| bf16::from_le_bytes(pair).to_f32()).collect(),
        Dtype::F32 => {
            data.chunks_exact(4).map(|b| f32::from_le_bytes([b[0], b[1], b[2], b[3]])).collect()
        }
        other => {
            return Err((format!("values of type {other:?}"), "save them as F16, BF16 or F32"));
        }
    };
    let shape: Vec<u64> = tensor.shape().iter().map(|&size| size as u64).collect();
    let (_, dim) = matrix_shape(&shape, tensor.dtype().bitsize() / 8, data.len())?;
    Ok((dim, values))
}

#[cfg(test)]
mod tests {
    use super::*;
    use npyz::WriterBuilder;
    use std::path::PathBuf;

    fn npy<T: npyz::AutoSerialize + Copy>(shape: &[u64], order: Order, values: &[T]) -> Vec<u8> {
        let mut bytes = Vec::new();
        let builder = npyz::WriteOptions::new().default_dtype().shape(shape).order(order);
        let mut writer = builder.writer(&mut bytes).begin_nd().unwrap();
        writer.extend(values.iter().copied()).unwrap();
        writer.finish().unwrap();
        bytes
    }

    fn tensors(list: &[(&str, Dtype, &[usize], &[u8])]) -> Vec<u8> {
        let views = list.iter().map(|&(name, dtype, shape, data)| {
            (name.to_owned(), TensorView::new(dtype, shape.to_vec(), data).unwrap())
        });
        safetensors::serialize(views, None).unwrap()
    }

    fn read(name: &str, bytes: &[u8]) -> Result<Embeddings> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(name);
        fs::write(&path, bytes).unwrap();
        read_embeddings(&path)
    }

    #[track_caller]
    fn assert_fault(name: &str, bytes: &[u8], part: &str) {
        let message = read(name, bytes).unwrap_err().to_string();
        assert!(message.contains(part), "'{part}' is not in: {message}");
        assert!(message.contains(name), "the path is not in: {message}");
    }

    const ROWS: [f32; 6] = [1.0, -2.5, 0.0, 0.5, 4.0, -0.25];

    #[test]
    fn every_float_type_reads_alike() {
        let expected = Embeddings::new(3, ROWS.to_vec()).unwrap();
        let half = ROWS.map(f16::from_f32);
        let brain: Vec<u8> = ROWS.iter().flat_map(|&x| bf16::from_f32(x).to_le_bytes()).collect();
        let half_bytes: Vec<u8> = half.iter().flat_map(|x| x.to_le_bytes()).collect();
        let single: Vec<u8> = ROWS.iter().flat_map(|x| x.to_le_bytes()).collect();
        let files = [
            ("a.npy", npy(&[2, 3], Order::C, &half)),
            ("a.npy", npy(&[2, 3], Order::C, &ROWS)),
            ("a.npy", npy(&[2, 3], Order::C, &ROWS.map(f64::from))),
            ("a.safetensors", tensors(&[("x", Dtype::F16, &[2, 3], &half_bytes)])),
            ("a.safetensors", tensors(&[("x", Dtype::BF16, &[2, 3], &brain)])),
            (
                "a.safetensors",
                tensors(&[
                    ("embeddings", Dtype::F32, &[2, 3], &single),
                    ("other", Dtype::F32, &[6], &single),
                ]),
            ),
        ];
        for (name, bytes) in files {
            assert_eq!(read(name, &bytes).unwrap(), expected);
        }
        assert_eq!(expected.rows(), 2);
        assert_eq!(expected.row(1), &ROWS[3..]);
    }

    #[test]
    fn every_bad_npy_file_gives_its_message() {
        let good = npy(&[2, 3], Order::C, &ROWS);
        assert_fault("a.npy", &good[..good.len() - 1], "23 bytes of values where [2, 3] of 4");
        assert_fault("a.npy", &good[..20], "not a .npy file");
        assert_fault("a.npy", b"", "not a .npy file");
        assert_fault("a.npy", &npy(&[6], Order::C, &ROWS), "1 dimensions [6]");
        assert_fault("a.npy", &npy(&[2, 3], Order::Fortran, &ROWS), "Fortran order");
        assert_fault("a.npy", &npy(&[2, 3], Order::C, &[1i32; 6]), "type '<i4'");
        assert_fault("a.npy", &npy::<f32>(&[0, 3], Order::C, &[]), "0 values");
        assert_fault("a.npy", &npy(&[2, 3], Order::C, &[1e300f64; 6]), "row 0, column 0 is inf");
        let mut rows = ROWS;
        rows[5] = f32::NAN;
        assert_fault("a.npy", &npy(&[2, 3], Order::C, &rows), "row 1, column 2 is NaN");
    }

    #[test]
    fn every_bad_safetensors_file_gives_its_message() {
        let bytes = [0u8; 24];
        let one = tensors(&[("x", Dtype::F32, &[2, 3], &bytes)]);
        assert_fault("a.safetensors", &one[..one.len() - 1], "not a .safetensors file");
        assert_fault("a.safetensors", b"", "not a .safetensors file");
        let two =
            tensors(&[("x", Dtype::F32, &[2, 3], &bytes), ("y", Dtype::F32, &[2, 3], &bytes)]);
        assert_fault("a.safetensors", &two, "2 tensors, none of them named 'embeddings'");
        let integers = tensors(&[("x", Dtype::I32, &[2, 3], &bytes)]);
        assert_fault("a.safetensors", &integers, "values of type I32");
        let vector = tensors(&[("x", Dtype::F32, &[6], &bytes)]);
        assert_fault("a.safetensors", &vector, "1 dimensions [6]");
        let infinite = [f32::INFINITY.to_le_bytes(); 6].concat();
        let infinite = tensors(&[("x", Dtype::F32, &[2, 3], &infinite)]);
        assert_fault("a.safetensors", &infinite, "row 0, column 0 is inf");
    }

    #[test]
    fn other_and_missing_files_are_named() {
        assert_fault("a.csv", b"1,2", "unknown kind");
        let missing = read_embeddings(&PathBuf::from("/nowhere/a.npy")).unwrap_err();
        assert!(missing.to_string().contains("/nowhere/a.npy: cannot be read"));
    }

    #[test]
    fn a_wrong_number_of_rows_gives_both_numbers() {
        let embeddings = Embeddings::new(3, ROWS.to_vec()).unwrap();
        let path = Path::new("items.npy");
        assert!(embeddings.check_rows(2, path).is_ok());
        let message = embeddings.check_rows(5, path).unwrap_err().to_string();
        assert!(message.contains("items.npy: 2 rows of embeddings for 5 items; "), "{message}");
    }
}
