//! Values of a column, and their text.

use std::borrow::Cow;

use jiff::Span;
use jiff::civil::Date;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    BoolType, ByteArrayType, DataType, DoubleType, FixedLenByteArrayType, FloatType, Int32Type,
    Int64Type, Int96Type,
};
use parquet::errors::ParquetError;

use super::super::field::Place;
use super::super::lines::NOT_UTF8;
use super::column::{Column, Role};
use crate::error::Result;

type Read<T> = std::result::Result<T, ParquetError>;

/// Decoded values of one of Parquet's types.
pub(super) enum Values {
    Bool(Batch<BoolType>),
    Int32(Batch<Int32Type>),
    Int64(Batch<Int64Type>),
    Int96(Batch<Int96Type>),
    Float(Batch<FloatType>),
    Double(Batch<DoubleType>),
    Bytes(Batch<ByteArrayType>),
    Fixed(Batch<FixedLenByteArrayType>),
}

impl Values {
    pub(super) fn of(reader: ColumnReader) -> Self {
        match reader {
            ColumnReader::BoolColumnReader(reader) => Self::Bool(Batch::new(reader)),
            ColumnReader::Int32ColumnReader(reader) => Self::Int32(Batch::new(reader)),
            ColumnReader::Int64ColumnReader(reader) => Self::Int64(Batch::new(reader)),
            ColumnReader::Int96ColumnReader(reader) => Self::Int96(Batch::new(reader)),
            ColumnReader::FloatColumnReader(reader) => Self::Float(Batch::new(reader)),
            ColumnReader::DoubleColumnReader(reader) => Self::Double(Batch::new(reader)),
            ColumnReader::ByteArrayColumnReader(reader) => Self::Bytes(Batch::new(reader)),
            ColumnReader::FixedLenByteArrayColumnReader(reader) => Self::Fixed(Batch::new(reader)),
        }
    }

    /// Decodes the next rows and returns their number.
    pub(super) fn read_batch(
        &mut self,
        length: usize,
        definitions: &mut Vec<i16>,
        repetitions: &mut Vec<i16>,
    ) -> Read<usize> {
        match self {
            Self::Bool(batch) => batch.read(length, definitions, repetitions),
            Self::Int32(batch) => batch.read(length, definitions, repetitions),
            Self::Int64(batch) => batch.read(length, definitions, repetitions),
            Self::Int96(batch) => batch.read(length, definitions, repetitions),
            Self::Float(batch) => batch.read(length, definitions, repetitions),
            Self::Double(batch) => batch.read(length, definitions, repetitions),
            Self::Bytes(batch) => batch.read(length, definitions, repetitions),
            Self::Fixed(batch) => batch.read(length, definitions, repetitions),
        }
    }

    /// A value as text without blanks around it; `None` for an id that is no number.
    ///
    /// A time of 96 bits is given in nanoseconds, a date as `2024-01-31`.
    ///
    /// # Errors
    ///
    /// If bytes are no text, or a float is not exact.
    pub(super) fn text(
        &self,
        at: usize,
        column: &Column<'_>,
        place: Place<'_>,
    ) -> Result<Option<Cow<'_, str>>> {
        let text = match self {
            Self::Bytes(batch) if column.scale().is_none() => {
                let bytes = batch.values[at].data();
                let text = std::str::from_utf8(bytes).map_err(|_| {
                    let value = String::from_utf8_lossy(bytes);
                    place.error(&value, NOT_UTF8, "write strings as UTF-8")
                })?;
                return Ok(Some(Cow::Borrowed(text.trim())));
            }
            Self::Bytes(batch) => decimal(big_endian(batch.values[at].data(), place)?, column),
            Self::Fixed(batch) => decimal(big_endian(batch.values[at].data(), place)?, column),
            Self::Bool(batch) => batch.values[at].to_string(),
            Self::Int32(batch) if column.is_unsigned() => {
                batch.values[at].cast_unsigned().to_string()
            }
            Self::Int64(batch) if column.is_unsigned() => {
                batch.values[at].cast_unsigned().to_string()
            }
            Self::Int32(batch) if column.is_date() => date(batch.values[at]),
            Self::Int32(batch) => decimal(batch.values[at].into(), column),
            Self::Int64(batch) => decimal(batch.values[at].into(), column),
            Self::Int96(batch) => batch.values[at].to_nanos().to_string(),
            Self::Float(batch) => match float(batch.values[at].into(), 24, column.role, place)? {
                Some(text) => text,
                None => return Ok(None),
            },
            Self::Double(batch) => match float(batch.values[at], 53, column.role, place)? {
                Some(text) => text,
                None => return Ok(None),
            },
        };
        Ok(Some(Cow::Owned(text)))
    }
}

/// A float of `digits` binary digits as text; `None` for an id that is no number.
fn float(value: f64, digits: u32, role: Role, place: Place<'_>) -> Result<Option<String>> {
    match role {
        Role::Id if value.is_nan() => Ok(None),
        Role::Id => Ok(Some(place.float_id(value, digits)?.to_string())),
        Role::Time if digits < 53 && value.abs() >= 2f64.powi(digits.cast_signed()) => {
            let problem = "is a float of 32 bits so large that neighbouring times are one";
            let hint = "write times as integers or floats of 64 bits";
            Err(place.error(&value.to_string(), problem, hint))
        }
        _ => Ok(Some(value.to_string())),
    }
}

/// A date by its days since 1970.
fn date(days: i32) -> String {
    let span = Span::new().try_days(days);
    let date = span.and_then(|span| Date::constant(1970, 1, 1).checked_add(span));
    date.map_or_else(|_| format!("day {days} since 1970"), |date| date.to_string())
}

/// An integer, or a decimal by its digits.
fn decimal(digits: i128, column: &Column<'_>) -> String {
    let Some(scale) = column.scale().filter(|scale| *scale > 0) else { return digits.to_string() };
    let sign = if digits < 0 { "-" } else { "" };
    let all = format!("{:0>width$}", digits.unsigned_abs(), width = scale + 1);
    let (before, after) = all.split_at(all.len() - scale);
    format!("{sign}{before}.{after}")
}

/// An integer whose bytes stand with the largest first.
fn big_endian(bytes: &[u8], place: Place<'_>) -> Result<i128> {
    let fault = || place.error(&format!("{} bytes", bytes.len()), "is too large", "write strings");
    let &first = bytes.first().ok_or_else(fault)?;
    if bytes.len() > 16 {
        return Err(fault());
    }
    let start = if first < 0x80 { 0 } else { -1 };
    Ok(bytes.iter().fold(start, |number, &byte| (number << 8) | i128::from(byte)))
}

/// Decoded values; missing values are left out.
pub(super) struct Batch<T: DataType> {
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
}

impl<T: DataType> Batch<T> {
    fn new(reader: ColumnReaderImpl<T>) -> Self {
        Self { reader, values: Vec::new() }
    }

    fn read(
        &mut self,
        length: usize,
        definitions: &mut Vec<i16>,
        repetitions: &mut Vec<i16>,
    ) -> Read<usize> {
        self.values.clear();
        let (rows, ..) = self.reader.read_records(
            length,
            Some(definitions),
            Some(repetitions),
            &mut self.values,
        )?;
        Ok(rows)
    }
}
