//! Tensors: `.safetensors`, with ids beside the matrix.

use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek, SeekFrom};

use half::{bf16, f16};
use safetensors::Dtype;
use safetensors::tensor::{Metadata, TensorInfo};

use super::ids::IdType;
use super::{Checked, ID_NAMES, Matrix, matrix_shape, named, room};
use crate::embedding::TENSOR_NAME;

/// The longest header that the reader accepts; the header of one tensor takes about a hundred
/// bytes.
const LONGEST_HEADER: u64 = 1 << 26;

const DAMAGED: &str = "the file is cut off or damaged; copy or write it again";

pub(super) fn parse(
    mut reader: BufReader<File>,
    length: u64,
    id_name: Option<&str>,
) -> Checked<Matrix> {
    let bad = |problem: String| (format!("not a .safetensors file: {problem}"), DAMAGED);
    let failed = |error: io::Error| bad(error.to_string());

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
    let mut tensors: Vec<(String, &TensorInfo)> = header.tensors().into_iter().collect();
    tensors.sort_unstable_by(|one, other| one.0.cmp(&other.0));
    // a tensor of another shape has no ids, whatever its name
    let name = |(name, tensor): &(String, &TensorInfo)| {
        let fits = matches!(tensor.shape[..], [_] | [_, 1]) || tensor.dtype == Dtype::U8;
        if fits { name.clone() } else { String::new() }
    };
    let names: Vec<String> = tensors.iter().map(name).collect();
    let ids = named(&names.iter().map(String::as_str), id_name, &ID_NAMES);
    let ids = ids.filter(|_| tensors.len() > 1).map(|place| tensors.remove(place).1);
    let tensor = match tensors.iter().find(|it| it.0 == TENSOR_NAME) {
        Some(it) => Some(it.1),
        None => tensors.first().map(|it| it.1).filter(|_| tensors.len() == 1),
    };
    let Some(tensor) = tensor else {
        return Err((
            format!("{} tensors, none of them named '{TENSOR_NAME}'", header.tensors().len()),
            "save one tensor [items, width], or name it 'embeddings' and its ids 'ids'",
        ));
    };
    let begin = |tensor: &TensorInfo| SeekFrom::Start(size + 8 + tensor.data_offsets.0 as u64);
    let ids = match ids {
        Some(tensor) => {
            reader.seek(begin(tensor)).map_err(failed)?;
            Some(row_ids(tensor, &mut reader)?)
        }
        None => None,
    };
    reader.seek(begin(tensor)).map_err(failed)?;
    let (dim, values) = matrix(tensor, &mut reader)?;
    Ok(Matrix { ids, dim, values: values.map_err(failed)? })
}

fn row_ids(tensor: &TensorInfo, reader: impl Read) -> Checked<Vec<String>> {
    let (count, width) = match tensor.shape[..] {
        [count] => (count, None),
        [count, 1] if tensor.dtype != Dtype::U8 => (count, None),
        [count, width] => (count, Some(width)),
        _ => {
            let problem = format!("ids in a tensor of shape {:?}", tensor.shape);
            return Err((problem, "save ids as a tensor [items]"));
        }
    };
    IdType::of_tensor(tensor.dtype, width)?.read(reader, count as u64)
}

fn matrix(
    tensor: &TensorInfo,
    reader: &mut impl BufRead,
) -> Checked<(usize, io::Result<Vec<f32>>)> {
    let shape: Vec<u64> = tensor.shape.iter().map(|&size| size as u64).collect();
    let bytes = (tensor.data_offsets.1 - tensor.data_offsets.0) as u64;
    Ok(match tensor.dtype {
        Dtype::F16 => {
            let (rows, dim) = matrix_shape(&shape, 2, bytes)?;
            (dim, numbers(reader, rows * dim, |b| f16::from_le_bytes(b).to_f32()))
        }
        Dtype::BF16 => {
            let (rows, dim) = matrix_shape(&shape, 2, bytes)?;
            (dim, numbers(reader, rows * dim, |b| bf16::from_le_bytes(b).to_f32()))
        }
        Dtype::F32 => {
            let (rows, dim) = matrix_shape(&shape, 4, bytes)?;
            (dim, numbers(reader, rows * dim, f32::from_le_bytes))
        }
        other => {
            return Err((format!("values of type {other:?}"), "save them as F16, BF16 or F32"));
        }
    })
}

/// Reads `count` numbers of `N` bytes each.
fn numbers<const N: usize>(
    reader: &mut impl BufRead,
    count: usize,
    convert: impl Fn([u8; N]) -> f32,
) -> io::Result<Vec<f32>> {
    let mut values = Vec::with_capacity(room(count));
    let mut bytes = [0; N];
    for _ in 0..count {
        reader.read_exact(&mut bytes)?;
        values.push(convert(bytes));
    }
    Ok(values)
}
