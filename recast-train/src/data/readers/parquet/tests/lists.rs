//! One row a user, with lists.

use proptest::prelude::*;

use super::super::super::properties::id;
use super::super::super::testing::{named, read_with};
use super::super::super::{Columns, Interactions, LogOptions, Missing};
use super::*;

const LISTS: &str = "required binary user (STRING);
    optional group item (LIST) { repeated group list { optional binary element (STRING); } }
    optional group timestamp (LIST) { repeated group list { optional int64 element; } }";

fn read(bytes: &[u8], missing: Missing) -> std::result::Result<Interactions, String> {
    read_with(".parquet", bytes, &LogOptions { missing, ..LogOptions::default() })
}

#[test]
fn lists_of_items_and_times_are_rows() {
    let bytes = levelled(
        LISTS,
        &[
            Levelled(Written::Texts(&[b"u", b"v", b"w"]), &[], &[]),
            Levelled(Written::Texts(&[b"a", b"b", b"c"]), &[3, 3, 1, 3], &[0, 1, 0, 0]),
            Levelled(Written::Int64(&[7, 8, 9]), &[3, 3, 1, 3], &[0, 1, 0, 0]),
        ],
    );
    let log = read(&bytes, Missing::Refuse).unwrap();
    assert_eq!(named(&log), [("u", "a", 7), ("u", "b", 8), ("w", "c", 9)]);
}

#[test]
fn lists_without_times_are_in_order() {
    for (items, levels) in [
        ("repeated int32 item;", 1),
        ("required group item (LIST) { repeated int32 array; }", 1),
        ("required group item (LIST) { repeated group bag { optional int32 array_element; } }", 2),
        ("optional group item (LIST) { repeated group list { required int32 element; } }", 2),
    ] {
        let schema = format!("required int32 user; {items}");
        let columns = [
            Levelled(Written::Int32(&[1, 2]), &[], &[]),
            Levelled(Written::Int32(&[5, 6, 7]), &[levels; 3], &[0, 1, 0]),
        ];
        let log = read(&levelled(&schema, &columns), Missing::Refuse).unwrap();
        assert_eq!(named(&log), [("1", "5", 0), ("1", "6", 1), ("2", "7", 0)], "{items}");
        assert!(log.in_row_order);
    }
}

#[test]
fn missing_elements_and_lists_are_rows_without_a_value() {
    let bytes = levelled(
        LISTS,
        &[
            Levelled(Written::Texts(&[b"u", b"v"]), &[], &[]),
            Levelled(Written::Texts(&[b"a"]), &[3, 2, 0], &[0, 1, 0]),
            Levelled(Written::Int64(&[7, 8]), &[3, 3, 0], &[0, 1, 0]),
        ],
    );
    let message = read(&bytes, Missing::Refuse).unwrap_err();
    assert!(message.starts_with("FILE:1: column 'item': is missing: 'null'"), "{message}");
    let log = read(&bytes, Missing::Drop).unwrap();
    assert_eq!((named(&log), log.missing), (vec![("u", "a", 7)], 2));
}

#[test]
fn lists_that_do_not_go_together_are_named() {
    let bytes = levelled(
        LISTS,
        &[
            Levelled(Written::Texts(&[b"u", b"v"]), &[], &[]),
            Levelled(Written::Texts(&[b"a", b"b", b"c"]), &[3, 3, 3], &[0, 0, 1]),
            Levelled(Written::Int64(&[7, 8]), &[3, 3], &[0, 0]),
        ],
    );
    assert_eq!(
        read(&bytes, Missing::Refuse).unwrap_err(),
        "FILE:2: 2 items in 'item' but 1 times in 'timestamp'; give each item its time"
    );
    let item = "repeated int32 item;";
    let (one, of_one) =
        (Levelled(Written::Int32(&[1]), &[], &[]), Levelled(Written::Int32(&[1]), &[1], &[0]));
    for (schema, columns, expected) in [
        (
            format!("required int32 user; {item} required int32 timestamp;"),
            [0, 1, 0],
            "column 'timestamp' holds plain values, where 'item' holds lists",
        ),
        (
            "required int32 user; required int32 item; repeated int32 timestamp;".to_owned(),
            [0, 0, 1],
            "column 'timestamp' holds lists, where 'item' holds plain values",
        ),
        (
            format!("repeated int32 user; {item} repeated int32 timestamp;"),
            [1, 1, 1],
            "column 'user' holds lists, where 'item' holds lists",
        ),
    ] {
        let columns = columns.map(|kind| match kind {
            0 => Levelled(Written::Int32(&[1]), one.1, one.2),
            _ => Levelled(Written::Int32(&[1]), of_one.1, of_one.2),
        });
        let message = read(&levelled(&schema, &columns), Missing::Refuse).unwrap_err();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn a_list_of_groups_is_read_by_the_full_name_of_a_field() {
    let schema =
        "required int32 user; repeated group events { required int32 item; required int32 at; }";
    let bytes = levelled(
        schema,
        &[
            Levelled(Written::Int32(&[1]), &[], &[]),
            Levelled(Written::Int32(&[5, 6]), &[1, 1], &[0, 1]),
            Levelled(Written::Int32(&[8, 7]), &[1, 1], &[0, 1]),
        ],
    );
    let with = |item: &str| {
        let (item, timestamp) = (item.to_owned(), "events.at".to_owned());
        let columns = Columns { item, timestamp, ..Columns::default() };
        read_with(".parquet", &bytes, &LogOptions { columns, ..LogOptions::default() })
    };
    assert_eq!(named(&with("events.item").unwrap()), [("1", "5", 8), ("1", "6", 7)]);
    let message = with("events").unwrap_err();
    assert!(
        message.contains("column 'events' holds lists of groups: 'events.item', 'events.at'"),
        "{message}"
    );
}

#[test]
fn ratings_have_no_place_in_lists() {
    let schema = "required int32 user; repeated int32 item; required int32 rating;";
    let columns = [
        Levelled(Written::Int32(&[1]), &[], &[]),
        Levelled(Written::Int32(&[5]), &[1], &[0]),
        Levelled(Written::Int32(&[5]), &[], &[]),
    ];
    let options = LogOptions { min_rating: Some(3.0), ..LogOptions::default() };
    let message = read_with(".parquet", &levelled(schema, &columns), &options).unwrap_err();
    assert!(message.contains("a table of lists has no ratings"), "{message}");
}

#[test]
fn a_file_of_lists_cut_or_changed_anywhere_is_no_panic() {
    let whole = levelled(
        LISTS,
        &[
            Levelled(Written::Texts(&[b"u", b"v", b"w"]), &[], &[]),
            Levelled(Written::Texts(&[b"a", b"b", b"c"]), &[3, 3, 1, 3], &[0, 1, 0, 0]),
            Levelled(Written::Int64(&[7, 8, 9]), &[3, 3, 1, 3], &[0, 1, 0, 0]),
        ],
    );
    for at in 0..whole.len() {
        assert!(read(&whole[..at], Missing::Refuse).is_err());
        let mut changed = whole.clone();
        changed[at] ^= 0x15;
        // any answer but a panic will do
        let _ = read(&changed, Missing::Drop);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn lists_and_rows_hold_any_id(
        users in proptest::collection::btree_map(
            id(), proptest::collection::vec((id(), 0..1000i64), 1..6), 1..6,
        ),
    ) {
        let rows: Vec<(&str, &str, i64)> = users
            .iter()
            .flat_map(|(user, list)| list.iter().map(|it| (user.as_str(), it.0.as_str(), it.1)))
            .collect();
        let bytes = |text: &'_ str| text.as_bytes().to_vec();
        let owned: [Vec<Vec<u8>>; 3] = [
            users.keys().map(|it| bytes(it)).collect(),
            rows.iter().map(|row| bytes(row.1)).collect(),
            rows.iter().map(|row| bytes(row.0)).collect(),
        ];
        let [of_lists, items, of_rows] = owned.each_ref().map(|all| {
            all.iter().map(Vec::as_slice).collect::<Vec<_>>()
        });
        let times: Vec<i64> = rows.iter().map(|row| row.2).collect();
        let repetitions: Vec<i16> = users
            .values()
            .flat_map(|list| (0..list.len()).map(|at| i16::from(at > 0)))
            .collect();
        let definitions = vec![3; rows.len()];
        let lists = levelled(LISTS, &[
            Levelled(Written::Texts(&of_lists), &[], &[]),
            Levelled(Written::Texts(&items), &definitions, &repetitions),
            Levelled(Written::Int64(&times), &definitions, &repetitions),
        ]);
        let schema = "required binary user; required binary item; required int64 timestamp;";
        let columns = [Written::Texts(&of_rows), Written::Texts(&items), Written::Int64(&times)];
        for file in [lists, file(schema, &columns, &[])] {
            let log = read(&file, Missing::Refuse).map_err(TestCaseError::fail)?;
            prop_assert_eq!(named(&log), rows.clone());
        }
    }
}
