//! Ids of rows, from binary values to text.

use std::collections::HashMap;
use std::io::Read;

use npyz::{DType, Endianness, TypeChar};
use safetensors::Dtype;

use super::{Checked, Fault};

/// The way in which a file holds one id.
#[derive(Debug, Clone, Copy)]
pub(super) struct IdType {
    kind: Kind,
    /// Bytes of an id.
    width: usize,
    big_endian: bool,
}

#[derive(Debug, Clone, Copy)]
enum Kind {
    Signed,
    Unsigned,
    Float,
    /// UTF-8, filled up with zeros.
    Bytes,
    /// Code points of four bytes, filled up with zeros.
    CodePoints,
}

impl IdType {
    /// The type of an array of numpy.
    pub(super) fn of_npy(dtype: &DType) -> Checked<Self> {
        let refused = || {
            let problem = format!("ids of type {}", dtype.descr());
            (problem, "save ids as integers or as text: numpy.array(ids, dtype=str)")
        };
        let DType::Plain(plain) = dtype else { return Err(refused()) };
        let size = usize::try_from(plain.size_field()).map_err(|_| refused())?;
        let (kind, width) = match (plain.type_char(), size) {
            (TypeChar::Int, 1 | 2 | 4 | 8) => (Kind::Signed, size),
            (TypeChar::Uint, 1 | 2 | 4 | 8) => (Kind::Unsigned, size),
            (TypeChar::Float, 4 | 8) => (Kind::Float, size),
            (TypeChar::ByteStr, 1..) => (Kind::Bytes, size),
            (TypeChar::UnicodeStr, 1..) => {
                (Kind::CodePoints, size.checked_mul(4).ok_or_else(refused)?)
            }
            _ => return Err(refused()),
        };
        Ok(Self { kind, width, big_endian: plain.endianness() == Endianness::Big })
    }

    /// The type of a tensor, whose last size is `width` if it has two.
    pub(super) fn of_tensor(dtype: Dtype, width: Option<usize>) -> Checked<Self> {
        let (kind, width) = match (dtype, width) {
            (Dtype::U8, Some(width @ 1..)) => (Kind::Bytes, width),
            (Dtype::I8, None) => (Kind::Signed, 1),
            (Dtype::I16, None) => (Kind::Signed, 2),
            (Dtype::I32, None) => (Kind::Signed, 4),
            (Dtype::I64, None) => (Kind::Signed, 8),
            (Dtype::U8, None) => (Kind::Unsigned, 1),
            (Dtype::U16, None) => (Kind::Unsigned, 2),
            (Dtype::U32, None) => (Kind::Unsigned, 4),
            (Dtype::U64, None) => (Kind::Unsigned, 8),
            (Dtype::F32, None) => (Kind::Float, 4),
            (Dtype::F64, None) => (Kind::Float, 8),
            _ => {
                return Err((
                    format!("ids of type {dtype:?} in {} dimensions", 1 + width.iter().count()),
                    "save ids as I64 [items], or as UTF-8 text in U8 [items, width] filled up with zeros",
                ));
            }
        };
        Ok(Self { kind, width, big_endian: false })
    }

    /// Reads `count` ids.
    pub(super) fn read(self, reader: impl Read, count: u64) -> Checked<Vec<String>> {
        let cut = |found: usize| {
            (
                format!("{found} bytes of ids where {count} of {} bytes are announced", self.width),
                "the file is cut off or damaged; copy or write it again",
            )
        };
        let length = count.checked_mul(self.width as u64).ok_or_else(|| cut(0))?;
        let mut bytes = Vec::new();
        reader
            .take(length)
            .read_to_end(&mut bytes)
            .map_err(|cause| (format!("ids cannot be read: {cause}"), "write the file again"))?;
        if bytes.len() as u64 != length {
            return Err(cut(bytes.len()));
        }
        let ids = bytes.chunks_exact(self.width).enumerate();
        ids.map(|(row, id)| self.text(id).map_err(|fault| fault.at(row))).collect()
    }

    fn text(self, id: &[u8]) -> Result<String, Unreadable> {
        match self.kind {
            Kind::Signed => Ok(integer(id, self.big_endian, true).to_string()),
            Kind::Unsigned => Ok(integer(id, self.big_endian, false).to_string()),
            Kind::Float => {
                let bits = integer(id, self.big_endian, false);
                match self.width {
                    #[expect(clippy::cast_possible_truncation, reason = "four bytes")]
                    4 => exact(f64::from(f32::from_bits(bits as u32)), EXACT_F32),
                    #[expect(clippy::cast_possible_truncation, reason = "eight bytes")]
                    _ => exact(f64::from_bits(bits as u64), EXACT_F64),
                }
            }
            Kind::Bytes => {
                let length = id.iter().rposition(|&byte| byte != 0).map_or(0, |last| last + 1);
                std::str::from_utf8(&id[..length])
                    .map(|text| text.trim().to_owned())
                    .map_err(|_| Unreadable::NoText)
            }
            Kind::CodePoints => {
                let points = id.chunks_exact(4).map(|it| integer(it, self.big_endian, false));
                let points: Vec<u32> =
                    points.map(|point| u32::try_from(point).unwrap_or(u32::MAX)).collect();
                let length = points.iter().rposition(|&point| point != 0).map_or(0, |it| it + 1);
                let text: Option<String> =
                    points[..length].iter().map(|&point| char::from_u32(point)).collect();
                text.map(|text| text.trim().to_owned()).ok_or(Unreadable::NoText)
            }
        }
    }
}

/// The largest magnitudes below which floats count every integer.
pub(super) const EXACT_F32: f64 = 16_777_216.0;
pub(super) const EXACT_F64: f64 = 9_007_199_254_740_992.0;

/// The integer of at most eight bytes.
fn integer(bytes: &[u8], big_endian: bool, signed: bool) -> i128 {
    let push = |sum: u64, &byte: &u8| sum << 8 | u64::from(byte);
    let bits = match big_endian {
        true => bytes.iter().fold(0, push),
        false => bytes.iter().rev().fold(0, push),
    };
    let unused = 64 - 8 * bytes.len().min(8);
    match signed {
        true => i128::from((bits << unused).cast_signed() >> unused),
        false => i128::from(bits),
    }
}

/// The text of a float that counts: whole, and of a magnitude below `limit`.
pub(super) fn exact(value: f64, limit: f64) -> Result<String, Unreadable> {
    if value.fract() == 0.0 && value.abs() < limit {
        #[expect(clippy::cast_possible_truncation, reason = "whole and below 2^53")]
        return Ok((value as i64).to_string());
    }
    Err(Unreadable::Float(value))
}

/// The reason why a value is no id.
#[derive(Debug)]
pub(super) enum Unreadable {
    Float(f64),
    NoText,
}

impl Unreadable {
    /// The fault of the id of a row, from 0.
    pub(super) fn at(self, row: usize) -> Fault {
        match self {
            Self::Float(value) => (
                format!(
                    "the id of row {row} is the float {value}, which may stand for several ids"
                ),
                "save ids as integers or text",
            ),
            Self::NoText => {
                (format!("the id of row {row} is not Unicode text"), "save ids as integers or text")
            }
        }
    }
}

/// Checks that each of `rows` rows has an id of its own.
pub(super) fn check(ids: &[String], rows: usize) -> Checked<()> {
    if ids.len() != rows {
        return Err((
            format!("{} ids for {rows} rows of embeddings", ids.len()),
            "write one id a row",
        ));
    }
    let mut first = HashMap::with_capacity(rows);
    for (row, id) in ids.iter().enumerate() {
        if id.is_empty() {
            return Err((format!("the id of row {row} is empty"), "give every row an id"));
        }
        if let Some(earlier) = first.insert(id.as_str(), row) {
            return Err((
                format!("rows {earlier} and {row} both have the id '{id}'"),
                "keep one row an item",
            ));
        }
    }
    Ok(())
}
