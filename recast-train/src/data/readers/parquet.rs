//! Tables in columns: Apache Parquet.

use std::borrow::Cow;
use std::fs::File;
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
use super::{Columns, Interactions};
use crate::error::{Error, Result};

/// Rows that are decoded at once.
const BATCH: usize = 8192;

/// The name of the thread that decodes.
pub(super) const THREAD: &str = "parquet";

/// Reads a table in a thread of its own: the parquet crate panics on some files whose parts contradict one another, and
/// these are damaged like others.
pub(super) fn read(
    path: &Path,
    columns: &Columns,
    min_rating: Option<f64>,
) -> Result<Interactions> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn_scoped(scope, || read_table(path, columns, min_rating))
            .map_err(|cause| Error::read(path, cause))?
            .join()
            .unwrap_or_else(|_| Err(damaged(path, "its parts contradict one another")))
    })
}

/// Reads a table; in errors rows count from 1.
///
/// Ids are strings or integers; timestamps integers, floats without a fraction, strings of these, or of one of
/// Parquet's types for times, in the unit of the file; ratings numbers or strings of these. A field of a group is named
/// with dots: `event.user`.
fn read_table(path: &Path, columns: &Columns, min_rating: Option<f64>) -> Result<Interactions> {
    let file = File::open(path).map_err(|cause| Error::read(path, cause))?;
    let damaged = |fault: ParquetError| damaged(path, &fault.to_string());
    let reader = SerializedFileReader::new(file).map_err(damaged)?;
    let schema = reader.metadata().file_metadata().schema_descr();
    let mut rows = Rows::new(path, columns, min_rating);
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
    Ok(rows.into_log())
}

/// Adds the row at which the chunks stand: of users, items, timestamps and, where they are asked for, ratings.
fn read_row(rows: &mut Rows<'_>, row: u64, chunks: &[Chunk<'_>]) -> Result<()> {
    if let Some(rating) = chunks.get(3)
        && rows.rated_too_low(row, rating.text(row)?.trim())?
    {
        return Ok(());
    }
    let text = |chunk: usize| chunks[chunk].text(row);
    rows.push(row, text(0)?.trim(), text(1)?.trim(), text(2)?.trim())
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
    /// The definition levels of the batch; none where no value can be missing.
    levels: Vec<i16>,
    /// Where it stands in the batch, by rows and by values that are there.
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

    /// The value where it stands; `row` is for the error.
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

    /// A value as text, or its bytes if they are none. Times of 96 bits are given in nanoseconds.
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

/// Decoded values, those that are missing left out.
struct Batch<T: DataType> {
    reader: ColumnReaderImpl<T>,
    values: Vec<T::T>,
}

impl<T: DataType> Batch<T> {
    fn new(reader: ColumnReaderImpl<T>) -> Self {
        Self { reader, values: Vec::new() }
    }

    /// Decodes the next rows; how many there were.
    fn read(&mut self, length: usize, levels: &mut Vec<i16>) -> Read<usize> {
        self.values.clear();
        let (rows, ..) = self.reader.read_records(length, Some(levels), None, &mut self.values)?;
        Ok(rows)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use parquet::data_type::{ByteArray, Int96};
    use parquet::file::properties::WriterProperties;
    use parquet::file::writer::SerializedFileWriter;
    use parquet::schema::parser::parse_message_type;

    use super::super::testing::{named, read_text};
    use super::*;

    /// One column: its values, and which rows have one.
    enum Written<'a> {
        Texts(&'a [&'a [u8]]),
        Int32(&'a [i32]),
        Int64(&'a [i64]),
        Int96(&'a [Int96]),
        Double(&'a [f64]),
    }

    /// A file with the columns of `schema`; `levels` are those of all optional columns.
    fn file(schema: &str, columns: &[Written<'_>], levels: &[i16]) -> Vec<u8> {
        let schema = Arc::new(parse_message_type(&format!("message log {{ {schema} }}")).unwrap());
        let mut bytes = Vec::new();
        let properties = Arc::new(WriterProperties::builder().build());
        let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
        let mut group = writer.next_row_group().unwrap();
        for column in columns {
            let mut to = group.next_column().unwrap().unwrap();
            let levels = (!levels.is_empty()).then_some(levels);
            match column {
                Written::Texts(texts) => {
                    let values: Vec<ByteArray> =
                        texts.iter().map(|text| ByteArray::from(text.to_vec())).collect();
                    to.typed::<ByteArrayType>().write_batch(&values, levels, None).unwrap();
                }
                Written::Int32(it) => {
                    to.typed::<Int32Type>().write_batch(it, levels, None).unwrap();
                }
                Written::Int64(it) => {
                    to.typed::<Int64Type>().write_batch(it, levels, None).unwrap();
                }
                Written::Int96(it) => {
                    to.typed::<Int96Type>().write_batch(it, levels, None).unwrap();
                }
                Written::Double(it) => {
                    to.typed::<DoubleType>().write_batch(it, levels, None).unwrap();
                }
            }
            to.close().unwrap();
        }
        group.close().unwrap();
        writer.close().unwrap();
        bytes
    }

    const SCHEMA: &str = "required binary user (STRING); required int64 item; required int64 timestamp (TIMESTAMP(MILLIS, true)); required double rating;";

    fn rated() -> Vec<u8> {
        let columns = [
            Written::Texts(&[b"ann", b" bob "]),
            Written::Int64(&[7, -8]),
            Written::Int64(&[1_704_067_200_000, 1_704_067_201_000]),
            Written::Double(&[4.0, 2.5]),
        ];
        file(SCHEMA, &columns, &[])
    }

    #[test]
    fn columns_are_found_by_name_whatever_their_types() {
        let log = read_text(".parquet", &rated(), None).unwrap();
        let times = [1_704_067_200_000, 1_704_067_201_000];
        assert_eq!(named(&log), [("ann", "7", times[0]), ("bob", "-8", times[1])]);

        let schema = "optional int96 timestamp; optional int32 item (INTEGER(32, false)); optional binary user;";
        let mut time = Int96::new();
        time.set_data(0, 0, 2_440_588 + 1);
        let columns = [Written::Int96(&[time]), Written::Int32(&[-1]), Written::Texts(&[b"u"])];
        let log = read_text(".parquet", &file(schema, &columns, &[1]), None).unwrap();
        assert_eq!(named(&log), [("u", "4294967295", 86_400_000_000_000)]);
    }

    #[test]
    fn low_ratings_are_left_out_and_counted() {
        let log = read_text(".parquet", &rated(), Some(4.0)).unwrap();
        assert_eq!((log.len(), log.below_min_rating), (1, 1));
        let none = read_text(".parquet", &rated(), Some(5.0)).unwrap_err();
        assert!(none.starts_with("FILE: none of 2 rows is rated 5 or more"), "{none}");
    }

    #[test]
    fn times_as_floats_must_be_whole() {
        let schema = "required int32 user; required int32 item; required double timestamp;";
        let log = |times: &[f64]| {
            file(
                schema,
                &[Written::Int32(&[1, 1]), Written::Int32(&[2, 3]), Written::Double(times)],
                &[],
            )
        };
        let read = read_text(".parquet", &log(&[1.7e9, 1.7e9 + 1.0]), None).unwrap();
        assert_eq!(named(&read)[1], ("1", "3", 1_700_000_001));
        for (time, text) in [(0.5, "0.5"), (f64::NAN, "NaN")] {
            assert_eq!(
                read_text(".parquet", &log(&[1.7e9, time]), None).unwrap_err(),
                format!(
                    "FILE:2: column 'timestamp': is not a whole number: '{text}'; \
                     give timestamps as whole seconds or milliseconds, such as 1704067200"
                )
            );
        }
    }

    #[test]
    fn a_missing_value_is_named_by_its_row() {
        let schema = "optional int32 user; optional int32 item; optional int32 timestamp;";
        let columns = [Written::Int32(&[1, 1]), Written::Int32(&[2, 3]), Written::Int32(&[4, 5])];
        assert_eq!(
            read_text(".parquet", &file(schema, &columns, &[1, 0, 1]), None).unwrap_err(),
            "FILE:2: column 'user': is missing: 'null'; fill it in or remove the row"
        );
    }

    #[test]
    fn a_missing_column_lists_those_found() {
        let schema = "required int32 uid; required group event { required int32 item; }";
        let columns = [Written::Int32(&[1]), Written::Int32(&[2])];
        assert_eq!(
            read_text(".parquet", &file(schema, &columns, &[]), None).unwrap_err(),
            "FILE: no column 'user' among 'uid', 'event.item'; set the columns' names"
        );
    }

    #[test]
    fn what_is_no_id_is_named() {
        let of_user = |user: &[u8]| {
            let schema = "required binary user; required int32 item; required int32 timestamp;";
            let columns = [Written::Texts(&[user]), Written::Int32(&[2]), Written::Int32(&[3])];
            read_text(".parquet", &file(schema, &columns, &[]), None).unwrap_err()
        };
        assert_eq!(
            of_user(b"\xffx"),
            "FILE:1: column 'user': is not UTF-8 text: '\u{fffd}x'; write strings as UTF-8"
        );
        assert_eq!(
            of_user(b""),
            "FILE:1: column 'user': is empty: ''; give every row an id or remove it"
        );
        let schema =
            "required int64 user (DECIMAL(9, 2)); required int32 item; required int32 timestamp;";
        let columns = [Written::Int64(&[1]), Written::Int32(&[2]), Written::Int32(&[3])];
        assert_eq!(
            read_text(".parquet", &file(schema, &columns, &[]), None).unwrap_err(),
            "FILE: column 'user' holds INT64 as decimals; write it as a string, an integer, a float or a timestamp"
        );
    }

    #[test]
    fn a_file_cut_short_anywhere_is_an_error() {
        let whole = rated();
        for length in 0..whole.len() {
            let message = read_text(".parquet", &whole[..length], None).unwrap_err();
            assert!(message.starts_with("FILE: cannot be read as Parquet: "), "{message}");
            assert!(message.contains("; it is cut off, damaged"), "{message}");
        }
    }
}
