//! Folders of parts.

use std::fs;

use tempfile::TempDir;

use super::super::super::testing::named;
use super::super::super::{Columns, Kept, LogOptions, read_interactions};
use super::*;

const PLAIN: &str = "required int32 user; required int32 item; required int32 timestamp;";

fn part(schema: &str, user: i32, items: &[i32]) -> Vec<u8> {
    let users = vec![user; items.len()];
    file(schema, &[Written::Int32(&users), Written::Int32(items), Written::Int32(items)], &[])
}

fn folder(files: &[(&str, Vec<u8>)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, bytes) in files {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }
    folder
}

fn read(folder: &TempDir, options: &LogOptions) -> std::result::Result<Interactions, String> {
    let path = folder.path();
    read_interactions(path, options)
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "FOLDER"))
}

#[test]
fn parts_are_one_log_by_name_with_all_checksums() {
    let folder = folder(&[
        ("part-1.parquet", part(PLAIN, 2, &[3])),
        ("part-0.parquet", part(PLAIN, 1, &[1, 2])),
        ("_SUCCESS", Vec::new()),
        ("_metadata.parquet", b"x".to_vec()),
        (".part-0.parquet.crc", b"x".to_vec()),
    ]);
    let sources = Sources::default();
    let log = super::super::read(folder.path(), &LogOptions::default(), &sources).unwrap();
    assert_eq!(named(&log), [("1", "1", 1), ("1", "2", 2), ("2", "3", 3)]);
    assert_eq!(sources.checksums().len(), 2);
    assert!(log.warnings.is_empty());
}

#[test]
fn folders_names_are_columns() {
    let folder = folder(&[
        ("event=buy/part-0.parquet", part(PLAIN, 1, &[1])),
        ("event=view/part-0.parquet", part(PLAIN, 2, &[2])),
        ("event=__HIVE_DEFAULT_PARTITION__/part-0.parquet", part(PLAIN, 3, &[3])),
    ]);
    assert_eq!(read(&folder, &LogOptions::default()).unwrap().len(), 3);
    let keep = [("event".to_owned(), Kept::Text("view".to_owned()))].into();
    let log = read(&folder, &LogOptions { keep, ..LogOptions::default() }).unwrap();
    assert_eq!((named(&log), log.not_kept), (vec![("2", "2", 2)], 2));
    let columns = Columns { user: "event".to_owned(), ..Columns::default() };
    let message = read(&folder, &LogOptions { columns, ..LogOptions::default() }).unwrap_err();
    let path = "FOLDER/event=__HIVE_DEFAULT_PARTITION__/part-0.parquet:1: column 'event'";
    assert!(message.starts_with(path), "{message}");
}

#[test]
fn a_fault_is_named_by_its_part() {
    let other = PLAIN.replace("int32 item", "int64 item");
    let wide = {
        let columns = [Written::Int32(&[1]), Written::Int64(&[1]), Written::Int32(&[1])];
        file(&other, &columns, &[])
    };
    let schema = PLAIN.replace("required int32 user", "optional int32 user");
    let without_user = {
        let columns = [
            Levelled(Written::Int32(&[5]), &[1, 0], &[]),
            Levelled(Written::Int32(&[1, 2]), &[], &[]),
            Levelled(Written::Int32(&[1, 2]), &[], &[]),
        ];
        levelled(&schema, &columns)
    };
    let good = part(PLAIN, 1, &[1, 2]);
    for (name, bytes, expected) in [
        ("b.parquet", wide, "b.parquet: column 'item' holds INT64, where the first part has INT32"),
        ("b.parquet", without_user, "b.parquet:2: column 'user': is missing"),
        ("b.parquet", b"PAR1".to_vec(), "b.parquet: cannot be read as Parquet"),
        (
            "b.parquet",
            part(&PLAIN.replace("item", "thing"), 1, &[1]),
            "b.parquet: no column 'item'",
        ),
        ("notes.txt", Vec::new(), "notes.txt: is neither a part of Parquet nor a folder"),
        ("x/b.parquet", good.clone(), "x: is neither a part of Parquet nor a folder"),
        (
            "user=1/b.parquet",
            good.clone(),
            "user=1/b.parquet: column 'user' stands in the file and",
        ),
        ("a=1/a=2/b.parquet", good.clone(), "a=1/a=2: column 'a' stands in two folders' names"),
    ] {
        let folder = folder(&[("a.parquet", good.clone()), (name, bytes)]);
        let message = read(&folder, &LogOptions::default()).unwrap_err();
        assert!(message.starts_with(&format!("FOLDER/{expected}")), "{message}");
    }
}

#[test]
fn parts_of_several_names_are_told() {
    let folder = folder(&[
        ("test-0.parquet", part(PLAIN, 1, &[1])),
        ("train-0.parquet", part(PLAIN, 2, &[2])),
    ]);
    let log = read(&folder, &LogOptions::default()).unwrap();
    assert!(
        log.warnings[0].starts_with("parts of several names are read as one log: 'test', 'train'")
    );
}
