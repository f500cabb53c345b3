//! Arrays of numpy: `.npy`.

use std::fs::File;
use std::io::{self, BufReader, Read};

use half::f16;
use npyz::{DType, Deserialize, NpyFile, NpyHeader, Order, TypeChar};

use super::ids::IdType;
use super::{Checked, Fault, Matrix, matrix_shape, room};

pub(super) const DAMAGED: &str = "the file is cut off or damaged; write it again with numpy.save";

pub(super) fn parse(
    mut reader: BufReader<File>,
    length: u64,
    _id_name: Option<&str>,
) -> Checked<Matrix> {
    let (header, start) = read_header(&mut reader).map_err(not_npy)?;
    let (dim, values) = matrix(header, length.saturating_sub(start), reader)?;
    Ok(Matrix { ids: None, dim, values })
}

#[expect(clippy::needless_pass_by_value, reason = "the argument of map_err")]
pub(super) fn not_npy(error: io::Error) -> Fault {
    (format!("not a .npy file: {error}"), DAMAGED)
}

/// Reads the header of an array, and gives the number of its bytes too.
///
/// npyz 0.9 would read some headers for ever: its time doubles with every bracket within another.
/// The header of an array takes about a hundred bytes and two brackets, one of records a few more.
pub(super) fn read_header(reader: &mut impl Read) -> io::Result<(NpyHeader, u64)> {
    const LONGEST: usize = 1 << 16;
    const DEEPEST: usize = 8;

    // the magic string, the version, and the length in two bytes or, from version 2 on, in four
    let mut header = vec![0; 10];
    reader.read_exact(&mut header)?;
    let length = if header[6] == 1 {
        u16::from_le_bytes([header[8], header[9]]) as usize
    } else {
        header.resize(12, 0);
        reader.read_exact(&mut header[10..])?;
        u32::from_le_bytes([header[8], header[9], header[10], header[11]]) as usize
    };
    if length > LONGEST {
        return Err(io::Error::other(format!("a header of {length} bytes")));
    }
    let start = header.len();
    header.resize(start + length, 0);
    reader.read_exact(&mut header[start..])?;
    let depths = header[start..].iter().scan(0usize, |depth, byte| {
        match byte {
            b'(' | b'[' | b'{' => *depth += 1,
            b')' | b']' | b'}' => *depth = depth.saturating_sub(1),
            _ => {}
        }
        Some(*depth)
    });
    if depths.max().is_some_and(|deepest| deepest > DEEPEST) {
        return Err(io::Error::other(format!("more than {DEEPEST} brackets within each other")));
    }
    Ok((NpyHeader::from_reader(&header[..])?, header.len() as u64))
}

/// The width and the values of a matrix that takes `found` bytes behind its header.
pub(super) fn matrix(
    header: NpyHeader,
    found: u64,
    reader: impl Read,
) -> Checked<(usize, Vec<f32>)> {
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
    let (rows, dim) = matrix_shape(header.shape(), kind as usize, found)?;
    let file = NpyFile::with_header(header, reader);
    let values = match kind {
        2 => npy_values(file, rows * dim, f16::to_f32),
        4 => npy_values(file, rows * dim, |x: f32| x),
        _ => npy_values(file, rows * dim, |x: f64| x as f32),
    };
    Ok((dim, values.map_err(not_npy)?))
}

/// The ids of an array [items] or [items, 1].
pub(super) fn ids(header: &NpyHeader, reader: impl Read) -> Checked<Vec<String>> {
    match *header.shape() {
        [count] | [count, 1] => IdType::of_npy(&header.dtype())?.read(reader, count),
        _ => Err((
            format!("ids in an array of shape {:?}", header.shape()),
            "save ids as an array [items]",
        )),
    }
}

fn npy_values<T: Deserialize>(
    file: NpyFile<impl Read>,
    count: usize,
    convert: impl Fn(T) -> f32,
) -> io::Result<Vec<f32>> {
    let mut values = Vec::with_capacity(room(count));
    for value in file.data::<T>().map_err(io::Error::other)? {
        values.push(convert(value?));
    }
    Ok(values)
}
