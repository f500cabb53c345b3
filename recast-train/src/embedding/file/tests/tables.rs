//! Tables in Parquet, as tests write them.

use std::sync::Arc;

use ::parquet::basic::Compression;
use ::parquet::data_type::{ByteArray, ByteArrayType, DoubleType, FloatType, Int32Type, Int64Type};
use ::parquet::file::properties::WriterProperties;
use ::parquet::file::writer::SerializedFileWriter;
use ::parquet::schema::parser::parse_message_type;

/// Values of a column, and their definition levels if some are missing.
pub(super) enum Column {
    Text(Vec<String>),
    Int32(Vec<i32>),
    Int64(Vec<i64>),
    Double(Vec<f64>),
    /// Lists of 32-bit floats; an empty list is null.
    Lists(Vec<Vec<f32>>),
    DoubleLists(Vec<Vec<f64>>),
}

/// Levels of lists whose fields are all optional.
fn levels<T: Copy>(lists: &[Vec<T>]) -> (Vec<T>, Vec<i16>, Vec<i16>) {
    let (mut values, mut defined, mut repeated) = (Vec::new(), Vec::new(), Vec::new());
    for list in lists {
        if list.is_empty() {
            defined.push(0);
            repeated.push(0);
        }
        for (place, value) in list.iter().enumerate() {
            values.push(*value);
            defined.push(3);
            repeated.push(i16::from(place > 0));
        }
    }
    (values, defined, repeated)
}

pub(super) fn list(name: &str, kind: &str) -> String {
    format!("optional group {name} (LIST) {{ repeated group list {{ optional {kind} element; }} }}")
}

/// A table with the fields `schema`, in as many groups of rows as `groups` holds.
pub(super) fn table(schema: &str, groups: &[Vec<Column>]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message m {{ {schema} }}")).unwrap());
    let properties = WriterProperties::builder().set_compression(Compression::SNAPPY).build();
    let mut writer = SerializedFileWriter::new(Vec::new(), schema, Arc::new(properties)).unwrap();
    for columns in groups {
        let mut group = writer.next_row_group().unwrap();
        for column in columns {
            let mut writer = group.next_column().unwrap().unwrap();
            match column {
                Column::Text(texts) => {
                    let values: Vec<ByteArray> = texts
                        .iter()
                        .map(|text| ByteArray::from(text.as_bytes().to_vec()))
                        .collect();
                    writer.typed::<ByteArrayType>().write_batch(&values, None, None).unwrap();
                }
                Column::Int32(values) => {
                    writer.typed::<Int32Type>().write_batch(values, None, None).unwrap();
                }
                Column::Int64(values) => {
                    writer.typed::<Int64Type>().write_batch(values, None, None).unwrap();
                }
                Column::Double(values) => {
                    writer.typed::<DoubleType>().write_batch(values, None, None).unwrap();
                }
                Column::Lists(lists) => {
                    let (values, defined, repeated) = levels(lists);
                    writer
                        .typed::<FloatType>()
                        .write_batch(&values, Some(&defined), Some(&repeated))
                        .unwrap();
                }
                Column::DoubleLists(lists) => {
                    let (values, defined, repeated) = levels(lists);
                    writer
                        .typed::<DoubleType>()
                        .write_batch(&values, Some(&defined), Some(&repeated))
                        .unwrap();
                }
            }
            writer.close().unwrap();
        }
        group.close().unwrap();
    }
    writer.into_inner().unwrap()
}
