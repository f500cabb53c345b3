//! Tables in columns: Apache Parquet.

use std::borrow::Cow;
use std::path::Path;
use std::sync::Arc;

use parquet::basic::ConvertedType;
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::{
    ByteArrayType, DataType, DoubleType, FloatType, Int32Type, Int64Type, Int96Type,
};
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};

use super::field::Place;
use super::lines::NOT_UTF8;
use super::rows::Rows;
use super::{Interactions, LogOptions, LogOrder};
use crate::error::{Error, Result};
use crate::storage::Sources;

/// Rows that are decoded at once.
const BATCH: usize = 8192;

/// The name of the thread that decodes.
pub(super) const THREAD: &str = "parquet";

/// Reads a table in a thread of its own. The parquet crate panics on some files whose parts
/// contradict one another; such a file is reported as damaged.
pub(super) fn read(path: &Path, options: &LogOptions, sources: &Sources) -> Result<Interactions> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn_scoped(scope, || read_table(path, options, sources))
            .map_err(|cause| Error::read(path, cause))?
            .join()
            .unwrap_or_else(|_| Err(damaged(path, "its parts contradict one another")))
    })
}

/// Reads a table; in errors rows count from 1.
///
/// Ids are strings or integers. Timestamps are integers, floats without a fraction, strings of
/// these, or of one of Parquet's types for times, in the unit of the file. Ratings are numbers or
/// strings of numbers. Dots name a field of a group: `event.user`.
fn read_table(path: &Path, options: &LogOptions, sources: &Sources) -> Result<Interactions> {
    let columns = &options.columns;
    let file = sources.file(path)?;
    let damaged = |fault: ParquetError| damaged(path, &fault.to_string());
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let mut rows = Rows::new(path, options, columns, options.order.unwrap_or(LogOrder::Time));
    let mut names = vec![&columns.user, &columns.item, &columns.timestamp];
    names.extend(rows.want_ratings().then_some(&columns.rating));
    let fields = names
        .into_iter()
        .map(|name| Field::find(path, schema, name))
        .collect::<Result<Vec<_>>>()?;

    let mut row = 0;
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group).map_err(damaged)?;
        let mut chunks = Vec::with_capacity(fields.len());
        for field in &fields {
            let reader = group.get_column_reader(field.index).map_err(damaged)?;
            let values = Values::of(reader).ok_or_else(|| field.unreadable(path))?;
            chunks.push(Chunk { field, path, values, levels: Vec::new(), row: 0, value: 0 });
        }
        let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
        while left > 0 {
            let length = left.min(BATCH);
            for chunk in &mut chunks {
                chunk.read_batch(length)?;
            }
            for _ in 0..length {
                row += 1;
                read_row(&mut rows, row, &chunks)?;
                chunks.iter_mut().for_each(Chunk::advance);
            }
            left -= length;
        }
    }
    rows.into_log(false)
}

/// Adds the row at which the chunks stand. The chunks hold users, items, timestamps and, if they
/// are asked for, ratings.
fn read_row(rows: &mut Rows<'_>, row: u64, chunks: &[Chunk<'_>]) -> Result<()> {
    if let Some(rating) = chunks.get(3)
        && rows.rated_too_low(row, rating.text(row)?.trim())?
    {
        return Ok(());
    }
    let text = |chunk: usize| chunks[chunk].text(row);
    let (user, item, time) = (text(0)?, text(1)?, text(2)?);
    rows.push(row, Some(user.trim()), Some(item.trim()), Some(time.trim()))
}

fn damaged(path: &Path, fault: &str) -> Error {
    let hint = "it is cut off, damaged, or packed by other codecs than snappy, gzip and zstd: write it again";
    Error::file(path, format!("cannot be read as Parquet: {fault}"), hint)
}

/// A column of the schema.
#[derive(Debug)]
struct Field<'a> {
    name: &'a str,
    index: usize,
    column: ColumnDescPtr,
}

impl<'a> Field<'a> {
    fn find(path: &Path, schema: &SchemaDescriptor, name: &'a str) -> Result<Self> {
        let columns = schema.columns();
        let Some(index) = columns.iter().position(|column| column.path().string() == name) else {
            let found = columns.iter().map(|it| format!("'{}'", it.path().string()));
            let found = found.collect::<Vec<_>>().join(", ");
            let problem = format!("no column '{name}' among {found}");
            return Err(Error::file(path, problem, "set the columns' names"));
        };
        let field = Self { name, index, column: Arc::clone(&columns[index]) };
        if field.is_list() || field.is_decimal() {
            return Err(field.unreadable(path));
        }
        Ok(field)
    }

    fn is_list(&self) -> bool {
        self.column.max_rep_level() > 0
    }

    fn is_decimal(&self) -> bool {
        self.column.converted_type() == ConvertedType::DECIMAL
    }

    /// Whether integers count from 0.
    fn is_unsigned(&self) -> bool {
        matches!(
            self.column.converted_type(),
            ConvertedType::UINT_8
                | ConvertedType::UINT_16
                | ConvertedType::UINT_32
                | ConvertedType::UINT_64
        )
    }

    fn unreadable(&self, path: &Path) -> Error {
        let list = if self.is_list() { "lists of " } else { "" };
        let decimal = if self.is_decimal() { " as decimals" } else { "" };
        let kind = self.column.physical_type();
        Error::file(
            path,
            format!("column '{}' holds {list}{kind}{decimal}", self.name),
            "write it as a string, an integer, a float or a timestamp",
        )
    }
}

/// A column of one group of rows, decoded a batch at a time.
struct Chunk<'a> {
    field: &'a Field<'a>,
    path: &'a Path,
    values: Values,
    /// The definition levels of the batch; none if no value can be missing.
    levels: Vec<i16>,
    /// The chunk's place in the batch, by rows and by values that are not missing.
    row: usize,
    value: usize,
}

impl Chunk<'_> {
    fn read_batch(&mut self, length: usize) -> Result<()> {
        self.levels.clear();
        (self.row, self.value) = (0, 0);
        let read = self.values.read_batch(length, &mut self.levels);
        let read = read.map_err(|fault| damaged(self.path, &fault.to_string()))?;
        if read < length {
            let problem = format!("column '{}' ends {} rows early", self.field.name, length - read);
            return Err(damaged(self.path, &problem));
        }
        Ok(())
    }

    fn is_null(&self) -> bool {
        let level = self.levels.get(self.row);
        level.is_some_and(|&level| level < self.field.column.max_def_level())
    }

    fn advance(&mut self) {
        self.value += usize::from(!self.is_null());
        self.row += 1;
    }

    /// The value at the chunk's place; `row` is for the error.
    fn text(&self, row: u64) -> Result<Cow<'_, str>> {
        let place = Place { path: self.path, line: row, column: self.field.name };
        if self.is_null() {
            return Err(place.error("null", "is missing", "fill it in or remove the row"));
        }
        self.values.text(self.value, self.field.is_unsigned()).map_err(|bytes| {
            place.error(&String::from_utf8_lossy(bytes), NOT_UTF8, "write strings as UTF-8")
        })
    }
}

/// Values of one of the types that can be read.
enum Values {
    Int32(Batch<Int32Type>),
    Int64(Batch<Int64Type>),
    Int96(Batch<Int96Type>),
    Float(Batch<FloatType>),
    Double(Batch<DoubleType>),
    Bytes(Batch<ByteArrayType>),
}

impl Values {
    fn of(reader: ColumnReader) -> Option<Self> {
        match reader {
            ColumnReader::Int32ColumnReader(reader) => Some(Self::Int32(Batch::new(reader))),
            ColumnReader::Int64ColumnReader(reader) => Some(Self::Int64(Batch::new(reader))),
            ColumnReader::Int96ColumnReader(reader) => Some(Self::Int96(Batch::new(reader))),
            ColumnReader::FloatColumnReader(reader) => Some(Self::Float(Batch::new(reader))),
            ColumnReader::DoubleColumnReader(reader) => Some(Self::Double(Batch::new(reader))),
            ColumnReader::ByteArrayColumnReader(reader) => Some(Self::Bytes(Batch::new(reader))),
            ColumnReader::BoolColumnReader(_) | ColumnReader::FixedLenByteArrayColumnReader(_) => {
                None
            }
        }
    }

    fn read_batch(&mut self, length: usize, levels: &mut Vec<i16>) -> Read<usize> {
        match self {
            Self::Int32(batch) => batch.read(length, levels),
            Self::Int64(batch) => batch.read(length, levels),
            Self::Int96(batch) => batch.read(length, levels),
            Self::Float(batch) => batch.read(length, levels),
            Self::Double(batch) => batch.read(length, levels),
            Self::Bytes(batch) => batch.read(length, levels),
        }
    }

    /// A value as text, or its bytes if they are no text. A time of 96 bits is given in
    /// nanoseconds.
    fn text(&self, at: usize, unsigned: bool) -> std::result::Result<Cow<'_, str>, &[u8]> {
        let number = match self {
            Self::Bytes(batch) => {
                let bytes = batch.values[at].data();
                return std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| bytes);
            }
            Self::Int32(batch) if unsigned => batch.values[at].cast_unsigned().to_string(),
            Self::Int64(batch) if unsigned => batch.values[at].cast_unsigned().to_string(),
            Self::Int32(batch) => batch.values[at].to_string(),
            Self::Int64(batch) => batch.values[at].to_string(),
            Self::Int96(batch) => batch.values[at].to_nanos().to_string(),
            Self::Float(batch) => batch.values[at].to_string(),
            Self::Double(batch) => batch.values[at].to_string(),
        };
        Ok(Cow::Owned(number))
    }
}

type Read<T> = std::result::Result<T, ParquetError>;

/// Decoded values; missing values are left out.
struct Batch<T: DataType> {
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
}

impl<T: DataType> Batch<T> {
    fn new(reader: ColumnReaderImpl<T>) -> Self {
        Self { reader, values: Vec::new() }
    }

    /// Decodes the next rows and returns their number.
    fn read(&mut self, length: usize, levels: &mut Vec<i16>) -> Read<usize> {
        self.values.clear();
        let (rows, ..) = self.reader.read_records(length, Some(levels), None, &mut self.values)?;
        Ok(rows)
    }
}

#[cfg(test)]
mod tests;
