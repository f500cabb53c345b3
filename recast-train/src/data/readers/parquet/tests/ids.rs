//! Ids, missing values, filters and dates.

use super::super::super::testing::{named, read_with};
use super::super::super::{Columns, Kept, LogOptions, LogOrder, Missing};
use super::*;

const REST: &str = "required int32 item; required int32 timestamp;";

/// Reads users of a type, with items 1, 2, .. and times alike.
fn users(kind: &str, users: Written<'_>, length: i32, options: &LogOptions) -> Read {
    let rest: Vec<i32> = (1..=length).collect();
    let columns = [users, Written::Int32(&rest), Written::Int32(&rest)];
    let bytes = file(&format!("required {kind}; {REST}"), &columns, &[]);
    let log = read_with(".parquet", &bytes, options)?;
    assert_eq!(log.len() + log.missing + log.not_kept, rest.len());
    Ok(named(&log).iter().map(|row| row.0.to_owned()).collect())
}

type Read = std::result::Result<Vec<String>, String>;

#[test]
fn a_float_is_an_id_where_it_is_exact() {
    let options = LogOptions::default();
    let doubles = |of: &[f64]| users("double user", Written::Double(of), of.len() as i32, &options);
    let floats = |of: &[f32]| users("float user", Written::Float(of), of.len() as i32, &options);
    assert_eq!(
        doubles(&[7.0, -0.0, 9_007_199_254_740_991.0]).unwrap(),
        ["7", "0", "9007199254740991"]
    );
    assert_eq!(floats(&[7.0, 16_777_215.0]).unwrap(), ["7", "16777215"]);
    for (read, expected) in [
        (
            doubles(&[1.0, 9_007_199_254_740_992.0]),
            "FILE:2: column 'user': is 9007199254740992 or more",
        ),
        (doubles(&[1.0, 1.0, 1.5]), "FILE:3: column 'user': is no whole number: '1.5'"),
        (doubles(&[f64::NAN]), "FILE:1: column 'user': is missing"),
        (doubles(&[f64::INFINITY]), "FILE:1: column 'user': is no whole number: 'inf'"),
        (floats(&[1.0, 16_777_216.0]), "FILE:2: column 'user': is 16777216 or more"),
        (floats(&[f32::NAN]), "FILE:1: column 'user': is missing"),
    ] {
        let message = read.unwrap_err();
        assert!(message.starts_with(expected), "{message}");
    }
}

#[test]
fn a_float_that_is_no_number_is_never_an_id() {
    let with = |missing| {
        let options = LogOptions { missing, ..LogOptions::default() };
        users("double user", Written::Double(&[1.0, f64::NAN, 2.0]), 3, &options)
    };
    assert_eq!(with(Missing::Drop).unwrap(), ["1", "2"]);
    assert!(with(Missing::Keep).unwrap_err().starts_with("FILE:2: column 'user': is missing"));
    assert!(with(Missing::Refuse).unwrap_err().starts_with("FILE:2: column 'user': is missing"));
    let options = LogOptions { missing: Missing::Keep, ..LogOptions::default() };
    let words = users("binary user (STRING)", Written::Texts(&[b"NaN", b"None"]), 2, &options);
    assert_eq!(words.unwrap(), ["NaN", "None"]);
}

#[test]
fn integers_and_decimals_keep_all_digits() {
    let options = LogOptions::default();
    let of = |kind: &str, values: Written<'_>| users(kind, values, 1, &options).unwrap();
    assert_eq!(
        of("int64 user (INTEGER(64, false))", Written::Int64(&[-1])),
        ["18446744073709551615"]
    );
    assert_eq!(of("int64 user", Written::Int64(&[i64::MIN])), ["-9223372036854775808"]);
    assert_eq!(of("int64 user (DECIMAL(18, 0))", Written::Int64(&[-12])), ["-12"]);
    let sixteen = 12_345_678_901_234_567_890_123_456_789_i128.to_be_bytes();
    let kind = "fixed_len_byte_array(16) user (DECIMAL(38, 0))";
    assert_eq!(of(kind, Written::Fixed(&[&sixteen])), ["12345678901234567890123456789"]);
    let kind = "binary user (DECIMAL(4, 0))";
    assert_eq!(of(kind, Written::Texts(&[&[0xff, 0xfe]])), ["-2"]);
    for (kind, values) in [
        ("fixed_len_byte_array(2) user", Written::Fixed(&[b"ab"])),
        ("boolean user", Written::Bool(&[true])),
        ("fixed_len_byte_array(2) user (DECIMAL(4, 1))", Written::Fixed(&[b"ab"])),
    ] {
        let message = users(kind, values, 1, &options).unwrap_err();
        assert!(message.starts_with("FILE: column 'user' holds "), "{message}");
    }
}

#[test]
fn a_filter_reads_any_plain_column() {
    let schema = format!(
        "required int32 user; {REST} required boolean bought; required int32 day (DATE); required double share;"
    );
    let columns = [
        Written::Int32(&[1, 2, 3]),
        Written::Int32(&[1, 2, 3]),
        Written::Int32(&[1, 2, 3]),
        Written::Bool(&[true, false, true]),
        Written::Int32(&[0, 19_723, 19_723]),
        Written::Double(&[0.5, 0.5, 1.0]),
    ];
    let bytes = file(&schema, &columns, &[]);
    for (column, kept, users) in [
        ("bought", Kept::Bool(true), &["1", "3"][..]),
        ("day", Kept::Text("2024-01-01".to_owned()), &["2", "3"]),
        ("share", Kept::Float(0.5), &["1", "2"]),
        ("user", Kept::Integer(2), &["2"]),
    ] {
        let keep = [(column.to_owned(), kept)].into();
        let log = read_with(".parquet", &bytes, &LogOptions { keep, ..LogOptions::default() });
        let log = log.unwrap();
        assert_eq!(named(&log).iter().map(|it| it.0).collect::<Vec<_>>(), users, "{column}");
        assert_eq!(log.not_kept, 3 - users.len());
    }
    let keep = [("event".to_owned(), Kept::Bool(true))].into();
    let read = read_with(".parquet", &bytes, &LogOptions { keep, ..LogOptions::default() });
    assert!(read.unwrap_err().starts_with("FILE: no column 'event' among 'user'"));
}

#[test]
fn times_are_of_any_of_parquets_types() {
    let read = |kind: &str, times: Written<'_>| {
        let schema = format!("required int32 user; required int32 item; required {kind};");
        let columns = [Written::Int32(&[1, 1]), Written::Int32(&[1, 2]), times];
        let log = read_with(".parquet", &file(&schema, &columns, &[]), &LogOptions::default())?;
        Ok::<_, String>(named(&log).iter().map(|it| it.2).collect::<Vec<_>>())
    };
    let days = read("int32 timestamp (DATE)", Written::Int32(&[-1, 19_723])).unwrap();
    assert_eq!(days, [-86_400, 1_704_067_200]);
    let texts = Written::Texts(&[b"2024-01-01", b"2024-01-01T00:00:01Z"]);
    let texts = read("binary timestamp (STRING)", texts).unwrap();
    assert_eq!(texts, [1_704_067_200, 1_704_067_201]);
    let micros = Written::Int64(&[1_704_067_200_000_000, 1_704_067_200_000_001]);
    let micros = read("int64 timestamp (TIMESTAMP(MICROS, true))", micros).unwrap();
    assert_eq!(micros[1] - micros[0], 1);
    let decimals = Written::Int64(&[1_704_067_200_000, 1_704_067_200_250]);
    let decimals = read("int64 timestamp (DECIMAL(18, 3))", decimals).unwrap();
    assert_eq!(decimals[1] - decimals[0], 250_000_000);
    let message = read("float timestamp", Written::Float(&[1.0, 1.7e9])).unwrap_err();
    assert!(message.contains("FILE:2: column 'timestamp': is a float of 32 bits"), "{message}");
    let message = read("int32 timestamp (DATE)", Written::Int32(&[1, i32::MAX])).unwrap_err();
    assert!(message.contains("is neither a number nor a date"), "{message}");
}

#[test]
fn rows_may_be_the_order_of_time() {
    let schema = "required int32 user; required int32 item;";
    let bytes = file(schema, &[Written::Int32(&[1, 1]), Written::Int32(&[3, 2])], &[]);
    let read =
        |order| read_with(".parquet", &bytes, &LogOptions { order, ..LogOptions::default() });
    let log = read(Some(LogOrder::Rows)).unwrap();
    assert_eq!(named(&log), [("1", "3", 0), ("1", "2", 1)]);
    assert!(log.in_row_order);
    assert!(
        read(None)
            .unwrap_err()
            .contains("no column 'timestamp' among 'user', 'item'; set data.columns.timestamp")
    );
}

#[test]
fn of_two_columns_of_one_name_none_is_taken() {
    let columns = [1, 2, 3, 4].map(|_| Written::Int32(&[1]));
    for twice in ["user", "item", "timestamp"] {
        let schema = format!("required int32 user; {REST} required int32 {twice};");
        let message = read_with(".parquet", &file(&schema, &columns, &[]), &LogOptions::default())
            .unwrap_err();
        assert_eq!(message, format!("FILE: column '{twice}' stands 2 times; rename all but one"));
    }
    let schema = format!("required int32 user; {REST} required int32 user_2;");
    let bytes = file(&schema.replace("user_2", "other"), &columns, &[]);
    let columns = Columns { user: "other".to_owned(), ..Columns::default() };
    assert!(
        read_with(".parquet", &bytes, &LogOptions { columns, ..LogOptions::default() }).is_ok()
    );
}

#[test]
fn settings_of_text_are_refused() {
    let bytes = file(
        "required int32 user; required int32 item; required int32 timestamp;",
        &[Written::Int32(&[1]), Written::Int32(&[2]), Written::Int32(&[3])],
        &[],
    );
    for options in [
        LogOptions { delimiter: Some(";".into()), ..LogOptions::default() },
        LogOptions { header: Some(vec!["user".into()]), ..LogOptions::default() },
        LogOptions { encoding: Some("latin1".into()), ..LogOptions::default() },
    ] {
        let message = read_with(".parquet", &bytes, &options).unwrap_err();
        assert!(message.contains("is for text, and FILE is Parquet"), "{message}");
    }
}
