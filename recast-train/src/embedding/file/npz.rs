//! Archives of numpy's arrays: `.npz`, with ids beside the matrix.

use std::fs::File;
use std::io::{self, BufReader, Read};

use npyz::npz::array_name_from_file_name;
use npyz::{DType, NpyHeader, TypeChar};
use zip::ZipArchive;
use zip::read::ZipFile;

use super::npy::{self, not_npy, read_header};
use super::{Checked, Fault, ID_NAMES, MATRIX_NAMES, Matrix, named};

/// The bytes that an array may always have when unpacked.
const UNPACKED: u64 = 1 << 30;
/// Beyond these bytes, the most unpacked bytes for each packed one: the numbers of a model do not
/// repeat.
const RATIO: u64 = 200;

const DAMAGED: &str = "the file is cut off or damaged; write it again with numpy.savez";

/// An array of the archive.
struct Array {
    name: String,
    /// The place in the archive.
    place: usize,
    header: NpyHeader,
}

impl Array {
    /// Whether the array holds a matrix of floats.
    fn is_matrix(&self) -> bool {
        let dtype = self.header.dtype();
        let float = matches!(dtype, DType::Plain(kind) if kind.type_char() == TypeChar::Float);
        float && self.header.shape().len() == 2
    }

    /// Whether an array without a usual name may hold ids: text, or an array that numpy named.
    /// Integers under another name may be counts.
    fn may_be_ids(&self) -> bool {
        let text = matches!(self.header.dtype(), DType::Plain(kind)
            if matches!(kind.type_char(), TypeChar::ByteStr | TypeChar::UnicodeStr));
        self.header.shape().len() == 1 && (text || self.name.starts_with("arr_"))
    }
}

pub(super) fn parse(
    reader: BufReader<File>,
    _length: u64,
    id_name: Option<&str>,
) -> Checked<Matrix> {
    let mut archive = ZipArchive::new(reader).map_err(|cause| not_npz(&cause))?;
    let arrays = arrays(&mut archive)?;
    let (ids, matrix) = chosen(&arrays, id_name)?;
    let of_array =
        |array: &Array, (problem, hint)| (format!("array '{}': {problem}", array.name), hint);
    let ids = match ids {
        Some(array) => {
            let ids = with_data(&mut archive, array, |header, _, data| npy::ids(&header, data));
            Some(ids.map_err(|fault| of_array(array, fault))?)
        }
        None => None,
    };
    let (dim, values) =
        with_data(&mut archive, matrix, |header, found, data| npy::matrix(header, found, data))
            .map_err(|fault| of_array(matrix, fault))?;
    Ok(Matrix { ids, dim, values })
}

fn not_npz(cause: &dyn std::error::Error) -> Fault {
    (format!("not a .npz file: {cause}"), DAMAGED)
}

fn arrays(archive: &mut ZipArchive<BufReader<File>>) -> Checked<Vec<Array>> {
    let mut arrays = Vec::new();
    for place in 0..archive.len() {
        let mut entry = archive.by_index(place).map_err(|cause| not_npz(&cause))?;
        let name = entry.name().map_err(|cause| not_npz(&cause))?;
        let Some(name) = array_name_from_file_name(&name).map(str::to_owned) else { continue };
        let (header, _) = read_header(&mut entry)
            .map_err(|cause| (format!("array '{name}' cannot be read: {cause}"), DAMAGED))?;
        arrays.push(Array { name, place, header });
    }
    Ok(arrays)
}

/// The ids and the matrix: by their usual names, else by their shapes.
fn chosen<'a>(
    arrays: &'a [Array],
    id_name: Option<&str>,
) -> Checked<(Option<&'a Array>, &'a Array)> {
    let names = || arrays.iter().map(|it| &it.name[..]);
    let only = |fits: &dyn Fn(&Array) -> bool| {
        let mut fitting = arrays.iter().filter(|&it| fits(it));
        fitting.next().filter(|_| fitting.next().is_none())
    };
    let list = || {
        let list = arrays.iter().map(|it| {
            format!("'{}' {:?} of {}", it.name, it.header.shape(), it.header.dtype().descr())
        });
        list.collect::<Vec<_>>().join(", ")
    };
    let matrix = named(&names(), None, &MATRIX_NAMES)
        .map(|place| &arrays[place])
        .or_else(|| only(&Array::is_matrix))
        .or_else(|| only(&|it| it.header.shape().len() == 2))
        .or_else(|| only(&|_| true));
    let Some(matrix) = matrix else {
        let problem = format!("no array is told as the matrix among {}", list());
        return Err((problem, "name the matrix 'embeddings' and its ids 'ids'"));
    };
    let others = || arrays.iter().filter(|it| it.place != matrix.place);
    let by_name = named(&others().map(|it| &it.name[..]), id_name, &ID_NAMES);
    let ids = by_name
        .and_then(|place| others().nth(place))
        .or_else(|| only(&|it| it.place != matrix.place && it.may_be_ids()));
    if ids.is_none() && others().next().is_some() {
        let problem = format!("no array is told as the ids among {}", list());
        return Err((problem, "name the ids 'ids', or save the matrix alone"));
    }
    Ok((ids, matrix))
}

/// Calls `read` with the header, the number of bytes and the data of an array, and checks that the
/// data end there.
fn with_data<T>(
    archive: &mut ZipArchive<BufReader<File>>,
    array: &Array,
    read: impl FnOnce(NpyHeader, u64, &mut BufReader<ZipFile<'_, BufReader<File>>>) -> Checked<T>,
) -> Checked<T> {
    let entry = archive.by_index(array.place).map_err(|cause| not_npz(&cause))?;
    let (length, packed) = (entry.size(), entry.compressed_size());
    if length > UNPACKED && length / RATIO > packed {
        let problem =
            format!("{packed} packed bytes unpack to {length}, {RATIO} times as many or more");
        return Err((problem, "save the array unpacked, with numpy.savez"));
    }
    let mut data = BufReader::with_capacity(1 << 16, entry);
    let (header, start) = read_header(&mut data).map_err(not_npy)?;
    let found = read(header, length.saturating_sub(start), &mut data)?;
    // the archive's checksum is compared where an entry ends
    let rest = io::copy(&mut data.by_ref().take(1), &mut io::sink()).map_err(not_npy)?;
    if rest > 0 {
        return Err(("holds more than its header announces".to_owned(), DAMAGED));
    }
    Ok(found)
}
