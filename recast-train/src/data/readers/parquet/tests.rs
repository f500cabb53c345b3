mod folders;
mod ids;
mod lists;

use std::sync::Arc;

use parquet::data_type::{
    BoolType, ByteArray, ByteArrayType, DoubleType, FixedLenByteArray, FixedLenByteArrayType,
    FloatType, Int32Type, Int64Type, Int96, Int96Type,
};
use parquet::file::properties::WriterProperties;
use parquet::file::writer::SerializedFileWriter;
use parquet::schema::parser::parse_message_type;

use super::super::testing::{named, read_text};
use super::*;

/// The values of a column.
enum Written<'a> {
    Bool(&'a [bool]),
    Float(&'a [f32]),
    Fixed(&'a [&'a [u8]]),
    Texts(&'a [&'a [u8]]),
    Int32(&'a [i32]),
    Int64(&'a [i64]),
    Int96(&'a [Int96]),
    Double(&'a [f64]),
}

/// The values of a column, with the definition and repetition levels that it has.
struct Levelled<'a>(Written<'a>, &'a [i16], &'a [i16]);

/// A file with the columns of `schema`; `levels` are those of all optional columns.
fn file(schema: &str, columns: &[Written<'_>], levels: &[i16]) -> Vec<u8> {
    let columns: Vec<_> = columns.iter().map(|column| (column, levels, &[][..])).collect();
    written(schema, &columns)
}

fn levelled(schema: &str, columns: &[Levelled<'_>]) -> Vec<u8> {
    let columns: Vec<_> = columns.iter().map(|it| (&it.0, it.1, it.2)).collect();
    written(schema, &columns)
}

fn written(schema: &str, columns: &[(&Written<'_>, &[i16], &[i16])]) -> Vec<u8> {
    let schema = Arc::new(parse_message_type(&format!("message log {{ {schema} }}")).unwrap());
    let mut bytes = Vec::new();
    let properties = Arc::new(WriterProperties::builder().build());
    let mut writer = SerializedFileWriter::new(&mut bytes, schema, properties).unwrap();
    let mut group = writer.next_row_group().unwrap();
    for (column, definitions, repetitions) in columns {
        let mut to = group.next_column().unwrap().unwrap();
        let some = |levels: &'_ [i16]| (!levels.is_empty()).then(|| levels.to_vec());
        let (definitions, repetitions) = (some(definitions), some(repetitions));
        macro_rules! write {
            ($kind:ty, $values:expr) => {
                to.typed::<$kind>()
                    .write_batch($values, definitions.as_deref(), repetitions.as_deref())
                    .unwrap()
            };
        }
        match column {
            Written::Texts(texts) => {
                let values: Vec<ByteArray> =
                    texts.iter().map(|text| ByteArray::from(text.to_vec())).collect();
                write!(ByteArrayType, &values)
            }
            Written::Fixed(all) => {
                let values: Vec<FixedLenByteArray> =
                    all.iter().map(|it| ByteArray::from(it.to_vec()).into()).collect();
                write!(FixedLenByteArrayType, &values)
            }
            Written::Bool(it) => write!(BoolType, it),
            Written::Int32(it) => write!(Int32Type, it),
            Written::Int64(it) => write!(Int64Type, it),
            Written::Int96(it) => write!(Int96Type, it),
            Written::Float(it) => write!(FloatType, it),
            Written::Double(it) => write!(DoubleType, it),
        };
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

    let schema =
        "optional int96 timestamp; optional int32 item (INTEGER(32, false)); optional binary user;";
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
fn times_may_be_floats() {
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
    let read = read_text(".parquet", &log(&[1.7e9, 1.7e9 + 0.5]), None).unwrap();
    assert_eq!(named(&read)[1].2 - named(&read)[0].2, 500_000_000);
    let message = read_text(".parquet", &log(&[1.7e9, f64::NAN]), None).unwrap_err();
    assert!(message.starts_with("FILE:2: column 'timestamp': stands for a missing value: 'NaN'"));
}

#[test]
fn a_missing_value_is_named_by_its_row() {
    let schema = "optional int32 user; optional int32 item; optional int32 timestamp;";
    let columns = [Written::Int32(&[1, 1]), Written::Int32(&[2, 3]), Written::Int32(&[4, 5])];
    assert_eq!(
        read_text(".parquet", &file(schema, &columns, &[1, 0, 1]), None).unwrap_err(),
        "FILE:2: column 'user': is missing: 'null'; data.missing = \"drop\" leaves such rows out and counts them"
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
        "FILE:1: column 'user': is empty: ''; data.missing = \"drop\" leaves such rows out and counts them"
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
