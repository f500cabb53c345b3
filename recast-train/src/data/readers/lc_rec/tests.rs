use std::fs;
use std::path::PathBuf;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::properties::id;
use super::super::testing::named;
use super::super::{Format, LogOptions, read_interactions};
use super::*;

fn folder(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (suffix, text) in files {
        fs::write(folder.path().join(format!("Toys{suffix}")), text).unwrap();
    }
    folder
}

fn inter(folder: &TempDir) -> PathBuf {
    folder.path().join("Toys.inter.json")
}

fn message(files: &[(&str, &str)], options: &LogOptions) -> String {
    let folder = folder(files);
    let read = read_interactions(folder.path(), options);
    read.unwrap_err().to_string().replace(&folder.path().display().to_string(), "FOLDER")
}

const LISTS: &str = r#"{"u": [3, 1, 3], "v": ["2"]}"#;
const CATALOGUE: &str = r#"{"1": ["<a_1>"], "2": ["<a_2>"], "3": ["<a_3>"], "4": ["<a_4>"]}"#;

#[test]
fn a_folder_and_its_file_are_one_log_in_the_order_of_the_lists() {
    let folder = folder(&[(INTER, LISTS), (INDEX, CATALOGUE)]);
    for path in [folder.path(), &inter(&folder)] {
        let log = read_interactions(path, &LogOptions::default()).unwrap();
        let rows = [("u", "3", 0), ("u", "1", 1), ("u", "3", 2), ("v", "2", 0)];
        assert_eq!(named(&log), rows);
        assert_eq!(log.items.len(), 4, "the catalogue has an item that no user met");
        assert!(log.in_row_order && log.given.is_none());
        assert_eq!(Format::of(path).unwrap(), Format::LcRec);
    }
}

#[test]
fn without_an_index_the_items_are_those_of_the_lists() {
    let folder = folder(&[(INTER, LISTS)]);
    let log = read_interactions(folder.path(), &LogOptions::default()).unwrap();
    assert_eq!((log.len(), log.items.len()), (4, 3));
}

#[test]
fn faults_are_named() {
    let options = LogOptions::default();
    for (lists, expected) in [
        (r#"{"u": [1, {}]}"#, "the list of user 'u' holds more than strings and numbers"),
        (r#"{"u": [1, [2]]}"#, "the list of user 'u' holds more than strings and numbers"),
        (r#"{"u": [1, true]}"#, "the list of user 'u' holds more than strings and numbers"),
        (r#"{"u": [1, null]}"#, "column 'item': is missing"),
        (r#"{"u": [1, ""]}"#, "column 'item': is empty"),
        (r#"{"": [1]}"#, "column 'user': is empty"),
        (r#"{"u": [1], "u": [2]}"#, "user 'u' has a line already"),
        (r#"{"u": 1}"#, "holds no lists of items: "),
        ("[[1]]", "holds no lists of items: "),
        (r#"{"u": [1, 2"#, "holds no lists of items: "),
        (r#"{"u": [5]}"#, "item '5' is no item of FOLDER/Toys.index.json"),
        ("{}", "holds no interactions"),
    ] {
        let message = message(&[(INTER, lists), (INDEX, CATALOGUE)], &options);
        assert!(message.starts_with("FOLDER") && message.contains(expected), "{lists}: {message}");
    }
}

#[test]
fn ratings_and_filters_have_no_place_in_lists() {
    let files = [(INTER, LISTS)];
    let rated = LogOptions { min_rating: Some(3.0), ..LogOptions::default() };
    assert!(message(&files, &rated).contains("a log of LC-Rec has no ratings"));
    let kept = crate::data::Kept::Text("view".to_owned());
    let keep = [("event".to_owned(), kept)].into();
    let kept = LogOptions { keep, ..LogOptions::default() };
    assert!(message(&files, &kept).contains("has no columns, but data.keep names 'event'"));
}

#[test]
fn several_data_sets_in_one_folder_are_told() {
    let folder = folder(&[(INTER, LISTS)]);
    fs::write(folder.path().join("Arts.inter.json"), LISTS).unwrap();
    let message = read_interactions(folder.path(), &LogOptions::default()).unwrap_err().to_string();
    assert!(message.contains("holds several data sets: Arts, Toys"), "{message}");
    assert!(read_interactions(&inter(&folder), &LogOptions::default()).is_ok());
}

proptest! {
    #[test]
    fn lists_hold_any_id(users in proptest::collection::btree_map(
        id(), proptest::collection::vec(id(), 1..6), 1..6,
    )) {
        let text = serde_json::to_string(&users).unwrap();
        let folder = folder(&[(INTER, &text)]);
        let log = read_interactions(folder.path(), &LogOptions::default());
        let log = log.map_err(|error| TestCaseError::fail(format!("{error}\n{text}")))?;
        let rows: Vec<(&str, &str, i64)> = users
            .iter()
            .flat_map(|(user, items)| {
                (0..).zip(items).map(|(at, item)| (user.as_str(), item.as_str(), at))
            })
            .collect();
        prop_assert_eq!(named(&log), rows);
    }
}
