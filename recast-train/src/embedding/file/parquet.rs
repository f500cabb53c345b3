//! Tables in columns, Apache Parquet: a column of ids and a column of lists of floats.

use std::path::Path;

use half::f16;
use parquet::basic::{ConvertedType, LogicalType, Type};
use parquet::column::reader::{ColumnReader, ColumnReaderImpl};
use parquet::data_type::DataType;
use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, RowGroupReader, SerializedFileReader};
use parquet::schema::types::{ColumnDescPtr, SchemaDescriptor};

use super::ids::{EXACT_F32, EXACT_F64, Unreadable, exact};
use super::{EmbeddingRows, Fault, ID_NAMES, MATRIX_NAMES, Matrix, named};
use crate::error::{Error, Result};
use crate::storage::{Sources, damaged_parquet, in_parquet_thread};

/// Rows that are decoded at once.
const BATCH: usize = 4096;

/// Reads the table; in errors rows count from 0.
pub(super) fn read(path: &Path, id_name: Option<&str>, sources: &Sources) -> Result<EmbeddingRows> {
    in_parquet_thread(path, || {
        let file = sources.file(path)?;
        read_table(file, id_name).map_err(|failure| match failure {
            Failure::Damaged(fault) => damaged_parquet(path, &fault.to_string()),
            Failure::Unfit((problem, hint)) => Error::file(path, problem, hint),
        })
    })
}

/// The reason why a table is not read.
enum Failure {
    Damaged(ParquetError),
    Unfit(Fault),
}

impl From<ParquetError> for Failure {
    fn from(fault: ParquetError) -> Self {
        Self::Damaged(fault)
    }
}

impl From<Fault> for Failure {
    fn from(fault: Fault) -> Self {
        Self::Unfit(fault)
    }
}

type Read<T> = std::result::Result<T, Failure>;

fn read_table(file: std::fs::File, id_name: Option<&str>) -> Read<EmbeddingRows> {
    let reader = SerializedFileReader::new(file)?;
    let (ids, lists) = columns(reader.metadata().file_metadata().schema_descr(), id_name)?;
    let mut matrix = Matrix { ids: Some(Vec::new()), dim: 0, values: Vec::new() };
    for group in 0..reader.num_row_groups() {
        let group = reader.get_row_group(group)?;
        read_ids(&*group, &ids, matrix.ids.get_or_insert_default())?;
        read_lists(&*group, &lists, &mut matrix)?;
    }
    Ok(matrix.checked()?)
}

/// A column of the schema.
struct Column {
    index: usize,
    description: ColumnDescPtr,
}

impl Column {
    fn name(&self) -> &str {
        self.description.path().parts().first().map_or("", String::as_str)
    }

    fn is_list(&self) -> bool {
        self.description.max_rep_level() == 1
    }

    fn is_half(&self) -> bool {
        self.description.logical_type_ref() == Some(&LogicalType::Float16)
    }

    fn is_float(&self) -> bool {
        matches!(self.description.physical_type(), Type::FLOAT | Type::DOUBLE) || self.is_half()
    }

    /// Whether bytes are text, not a decimal or the like.
    fn is_text(&self) -> bool {
        matches!(self.description.converted_type(), ConvertedType::UTF8 | ConvertedType::NONE)
    }

    /// The definition level of a value that is there.
    fn max_level(&self) -> i16 {
        self.description.max_def_level()
    }

    fn kind(&self) -> String {
        let list = if self.is_list() { "lists of " } else { "" };
        format!("{list}{}", self.description.physical_type())
    }
}

/// The column of ids and the column of lists: by their usual names, else the only ones of their
/// kind.
fn columns(schema: &SchemaDescriptor, id_name: Option<&str>) -> Read<(Column, Column)> {
    let columns = schema.columns().iter().cloned().enumerate();
    let columns = columns.map(|(index, description)| Column { index, description });
    let (lists, plain): (Vec<Column>, Vec<Column>) = columns.partition(Column::is_list);
    let found = || {
        let found = plain.iter().chain(&lists).map(|it| format!("'{}' ({})", it.name(), it.kind()));
        found.collect::<Vec<_>>().join(", ")
    };
    let place = |columns: &[Column], wanted, usual: &[&str]| {
        named(&columns.iter().map(Column::name), wanted, usual)
            .or((columns.len() == 1).then_some(0))
    };
    let Some(matrix) = place(&lists, None, &MATRIX_NAMES) else {
        let problem = format!("no column is told as the embeddings among {}", found());
        return Err((problem, "name a column of lists of floats 'embedding'").into());
    };
    let Some(ids) = place(&plain, id_name, &ID_NAMES) else {
        let problem = format!("no column is told as the ids among {}", found());
        return Err((problem, "name it by data.items_id, or call it 'item_id'").into());
    };
    if !lists[matrix].is_float() {
        let problem = format!("column '{}' holds {}", lists[matrix].name(), lists[matrix].kind());
        return Err((problem, "save lists of 32-bit or 64-bit floats").into());
    }
    let take = |columns: Vec<Column>, place| columns.into_iter().nth(place);
    let (Some(ids), Some(lists)) = (take(plain, ids), take(lists, matrix)) else {
        return Err(ParquetError::General("a column is missing".to_owned()).into());
    };
    Ok((ids, lists))
}

/// Adds the ids of a group of rows.
fn read_ids(group: &dyn RowGroupReader, column: &Column, ids: &mut Vec<String>) -> Read<()> {
    let unsigned = matches!(
        column.description.converted_type(),
        ConvertedType::UINT_8
            | ConvertedType::UINT_16
            | ConvertedType::UINT_32
            | ConvertedType::UINT_64
    );
    let rows = group.metadata().num_rows();
    let ids = Ids { column, rows: usize::try_from(rows).unwrap_or(0), ids };
    match group.get_column_reader(column.index)? {
        ColumnReader::Int32ColumnReader(reader) if unsigned => {
            ids.read(reader, |id| Ok(id.cast_unsigned().to_string()))
        }
        ColumnReader::Int64ColumnReader(reader) if unsigned => {
            ids.read(reader, |id| Ok(id.cast_unsigned().to_string()))
        }
        ColumnReader::Int32ColumnReader(reader) => ids.read(reader, |id| Ok(id.to_string())),
        ColumnReader::Int64ColumnReader(reader) => ids.read(reader, |id| Ok(id.to_string())),
        ColumnReader::FloatColumnReader(reader) => {
            ids.read(reader, |id| exact(f64::from(*id), EXACT_F32))
        }
        ColumnReader::DoubleColumnReader(reader) => ids.read(reader, |id| exact(*id, EXACT_F64)),
        ColumnReader::ByteArrayColumnReader(reader) if column.is_text() => ids.read(reader, |id| {
            let text = std::str::from_utf8(id.data()).map_err(|_| Unreadable::NoText)?;
            Ok(text.trim().to_owned())
        }),
        _ => {
            let problem = format!("column '{}' holds {}", column.name(), column.kind());
            Err((problem, "save ids as integers or strings").into())
        }
    }
}

/// The ids of a group of rows while they are read.
struct Ids<'a> {
    column: &'a Column,
    rows: usize,
    ids: &'a mut Vec<String>,
}

impl Ids<'_> {
    fn read<T: DataType>(
        self,
        mut reader: ColumnReaderImpl<T>,
        text: impl Fn(&T::T) -> std::result::Result<String, Unreadable>,
    ) -> Read<()> {
        let (mut values, mut levels) = (Vec::new(), Vec::new());
        let end = self.ids.len() + self.rows;
        while self.ids.len() < end {
            values.clear();
            levels.clear();
            let length = BATCH.min(end - self.ids.len());
            let (read, ..) = reader.read_records(length, Some(&mut levels), None, &mut values)?;
            if let Some(place) = levels.iter().position(|it| *it < self.column.max_level()) {
                let problem = format!("the id of row {} is null", self.ids.len() + place);
                return Err((problem, "give every row an id").into());
            }
            if read == 0 || values.len() != read {
                return Err(ends_early(self.column));
            }
            for id in &values {
                self.ids.push(text(id).map_err(|fault| fault.at(self.ids.len()))?);
            }
        }
        Ok(())
    }
}

fn ends_early(column: &Column) -> Failure {
    ParquetError::General(format!("column '{}' ends early", column.name())).into()
}

/// Adds the lists of a group of rows, whose ids are there already.
fn read_lists(group: &dyn RowGroupReader, column: &Column, matrix: &mut Matrix) -> Read<()> {
    let lists = Lists { column, matrix };
    match group.get_column_reader(column.index)? {
        ColumnReader::FloatColumnReader(reader) => lists.read(reader, |value| *value),
        ColumnReader::DoubleColumnReader(reader) => lists.read(reader, |value| *value as f32),
        ColumnReader::FixedLenByteArrayColumnReader(reader) if column.is_half() => {
            lists.read(reader, |value| match *value.data() {
                [low, high] => f16::from_le_bytes([low, high]).to_f32(),
                _ => f32::NAN,
            })
        }
        _ => Err(ends_early(column)),
    }
}

/// The lists of a group of rows while they are read.
struct Lists<'a> {
    column: &'a Column,
    matrix: &'a mut Matrix,
}

impl Lists<'_> {
    fn read<T: DataType>(
        self,
        mut reader: ColumnReaderImpl<T>,
        number: impl Fn(&T::T) -> f32,
    ) -> Read<()> {
        let Self { column, matrix } = self;
        let ids = matrix.ids.as_deref().unwrap_or_default();
        let fault = |row: usize, problem: &str| {
            let id = ids.get(row).map_or("", String::as_str);
            let hint = "give every item one list of as many numbers";
            Failure::Unfit((format!("row {row}, of item '{id}', {problem}"), hint))
        };
        let (mut values, mut levels, mut starts) = (Vec::new(), Vec::new(), Vec::new());
        let mut row = matrix.values.len().checked_div(matrix.dim).unwrap_or(0);
        while row < ids.len() {
            values.clear();
            levels.clear();
            starts.clear();
            let length = BATCH.min(ids.len() - row);
            let (read, ..) =
                reader.read_records(length, Some(&mut levels), Some(&mut starts), &mut values)?;
            if let Some(place) = levels.iter().position(|it| *it < column.max_level()) {
                let before = starts[..place].iter().filter(|&&level| level == 0).count();
                let row = row + before - usize::from(starts.get(place) != Some(&0));
                return Err(fault(row, "has no list, an empty list or a null in its list"));
            }
            if read == 0 || values.len() != starts.len() {
                return Err(ends_early(column));
            }
            for list in starts.chunk_by(|_, level| *level != 0) {
                if matrix.dim == 0 {
                    matrix.dim = list.len();
                }
                if list.len() != matrix.dim {
                    let problem =
                        format!("has {} numbers where row 0 has {}", list.len(), matrix.dim);
                    return Err(fault(row, &problem));
                }
                row += 1;
            }
            matrix.values.extend(values.iter().map(&number));
        }
        Ok(())
    }
}
