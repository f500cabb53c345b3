//! Other files beside the log: joined by id or by position, and reported.

use std::fmt::Write as _;
use std::fs;
use std::io::{Cursor, Write as _};

use recast_train::embedding::read_embeddings;
use serde_json::Value;
use zip::write::{SimpleFileOptions, ZipWriter};

use crate::{Desk, text, titles};

/// The file of an array of numpy.
fn array(descr: &str, shape: &str, data: &[u8]) -> Vec<u8> {
    let header = format!("{{'descr': '{descr}', 'fortran_order': False, 'shape': {shape}, }}\n");
    let length = u16::try_from(header.len()).unwrap();
    [&b"\x93NUMPY\x01\0"[..], &length.to_le_bytes(), header.as_bytes(), data].concat()
}

/// A matrix of rows of two numbers, both the number of the row's item.
fn matrix(rows: &[usize]) -> Vec<u8> {
    let number = |row: &usize| (*row as f32).to_le_bytes();
    let data: Vec<u8> = rows.iter().flat_map(|row| [number(row), number(row)].concat()).collect();
    array("<f4", &format!("({}, 2)", rows.len()), &data)
}

/// An archive of ids of at most four bytes and of their rows.
fn npz(ids: &[String], rows: &[usize]) -> Vec<u8> {
    let padded = |id: &String| id.bytes().chain(std::iter::repeat(0)).take(4).collect::<Vec<u8>>();
    let data: Vec<u8> = ids.iter().flat_map(padded).collect();
    let mut writer = ZipWriter::new(Cursor::new(Vec::new()));
    for (name, bytes) in [
        ("ids.npy", array("|S4", &format!("({},)", ids.len()), &data)),
        ("embeds.npy", matrix(rows)),
    ] {
        writer.start_file(name, SimpleFileOptions::default()).unwrap();
        writer.write_all(&bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// Prepares the log with further flags; gives the report, and what the terminal says.
fn prepared(desk: &Desk, flags: &[&str]) -> (Value, String) {
    let prepare = ["prepare", "--interactions", "log.csv", "--json"];
    let output = desk.recast(&[&prepare[..], flags].concat());
    assert!(output.status.success(), "{flags:?}: {}", text(&output.stderr));
    (serde_json::from_slice(&output.stdout).unwrap(), text(&output.stderr))
}

#[test]
fn a_partial_join_of_texts_is_counted_and_warned_of() {
    let desk = Desk::new();
    let lines: String = (0..12)
        .map(|item| {
            let parent = if item < 3 { format!("i{item}") } else { format!("P{item}") };
            format!("{{\"parent_asin\": \"{parent}\", \"asin\": \"i{item}\", \"title\": \"T\"}}\n")
        })
        .collect();
    desk.write("meta.jsonl", lines);
    let (report, said) = prepared(&desk, &["--items", "meta.jsonl"]);
    let join = &report["joins"][0];
    assert_eq!(
        (&join["part"], &join["matched"], &join["total"]),
        (&"texts".into(), &3.into(), &12.into())
    );
    assert!(said.contains("texts: matched 3 of 12 items by id; 9 other ids in the file"), "{said}");
    let warning = report["prepare"]["warnings"][0].as_str().unwrap();
    assert!(warning.contains("the file lacks 9 of them ('i"), "{warning}");
    assert!(
        warning.ends_with("; the key 'asin' holds ids of 9 more items: name it by data.items_id"),
        "{warning}"
    );
    assert!(said.contains(&format!("warning: {warning}")), "{said}");

    let (report, said) = prepared(&desk, &["--items", "meta.jsonl", "--set", "data.items_id=asin"]);
    assert!(said.contains("texts: matched 12 of 12 items by id"), "{said}");
    assert!(!said.contains("texts: matched 12 of 12 items by id;"), "{said}");
    assert_eq!(report["prepare"]["warnings"].as_array().unwrap().len(), 0, "{report}");
}

#[test]
fn a_join_without_a_match_is_refused_with_ids_of_both_sides() {
    let desk = Desk::new();
    desk.write("other.csv", "movieId,title\n1,A\n2,B\n");
    assert_eq!(
        desk.refused(&["prepare", "--interactions", "log.csv", "--items", "other.csv"]),
        "recast: other.csv: matched 0 of 12 items by id; the file lacks 12 of them ('i0', 'i5', 'i10', ..), and \
         has 2 other ids ('1', '2'); check that both files use the same ids\n"
    );
}

#[test]
fn embeddings_with_ids_give_the_same_matrix_in_any_order() {
    let desk = Desk::new();
    // the items file gives another order: ids are before it
    desk.write("items.jsonl", titles());
    let items = ["--items", "items.jsonl"];
    let ids = |rows: &[usize]| rows.iter().map(|row| format!("i{row}")).collect::<Vec<_>>();
    let orders = [
        (0..12).collect::<Vec<usize>>(),
        (0..12).rev().collect(),
        (0..14).map(|row| (row * 5 + 3) % 14).collect(),
    ];
    let mut found = Vec::new();
    for (number, rows) in orders.iter().enumerate() {
        desk.write("rows.npz", npz(&ids(rows), rows));
        let folder = format!("run{number}");
        let flags = ["--embeddings", "rows.npz", "--run-dir", &folder];
        let (report, said) = prepared(&desk, &[&flags[..], &items].concat());
        assert_eq!(report["joins"][1]["others"], rows.len() - 12);
        assert!(said.contains("embeddings: matched 12 of 12 items by id"), "{said}");
        found.push(
            read_embeddings(&desk.path(&folder).join("data/embeddings.safetensors")).unwrap(),
        );
    }
    assert!(found[1..].iter().all(|it| *it == found[0]));
    // the log's first items are i0, i5, i10
    assert_eq!(found[0].values()[..6], [0.0, 0.0, 5.0, 5.0, 10.0, 10.0]);

    let some: Vec<usize> = (1..11).collect();
    desk.write("some.npz", npz(&ids(&some), &some));
    assert_eq!(
        desk.refused(&["prepare", "--interactions", "log.csv", "--embeddings", "some.npz"]),
        "recast: some.npz: matched 10 of 12 items by id; the file lacks 2 of them ('i0', 'i11'); \
         add a row for every item of the log, or give no embeddings\n"
    );
}

#[test]
fn a_matrix_without_ids_is_joined_in_an_order_that_is_told() {
    let desk = Desk::new();
    let rows: Vec<usize> = (0..12).collect();
    desk.write("rows.npy", matrix(&rows));
    desk.write("items.jsonl", titles());
    let (report, said) = prepared(&desk, &["--embeddings", "rows.npy"]);
    assert!(
        said.contains(
            "embeddings: 12 of 12 items by position, rows in order of first appearance; \
             row 0 -> i0; row 1 -> i5; row 2 -> i10"
        ),
        "{said}"
    );
    assert_eq!(report["joins"][0]["position"]["order"], "first_appearance");
    let (_, said) = prepared(&desk, &["--embeddings", "rows.npy", "--items", "items.jsonl"]);
    assert!(
        said.contains("rows in the order of the items file; row 0 -> i0; row 1 -> i1; row 2 -> i2"),
        "{said}"
    );
}

#[test]
fn rows_in_numeric_order_fit_ids_of_any_length() {
    let desk = Desk::new();
    for base in ["", "1000000000000000000", "99999999999999999999999999999999999"] {
        let mut log = "user,item,timestamp\n".to_owned();
        for user in 0..60 {
            for step in 0..6 {
                let item = (user + step * 5) % 12;
                writeln!(log, "u{user},{base}{},{}", item + 5, 1000 + step).unwrap();
            }
        }
        desk.write("log.csv", log);
        desk.write("rows.npy", matrix(&(0..12).collect::<Vec<_>>()));
        let (report, said) = prepared(&desk, &["--embeddings", "rows.npy", "--run-dir", "run"]);
        assert_eq!(report["joins"][0]["position"]["order"], "numeric", "{said}");
        let first = format!("rows in numeric order of the ids; row 0 -> {base}5; row 1 -> {base}6");
        assert!(said.contains(&first), "{said}");
        let users = fs::read_to_string(desk.path("run/data/sequences.jsonl")).unwrap();
        let items: Value = serde_json::from_str(users.lines().next().unwrap()).unwrap();
        let items: Vec<&str> =
            items["items"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
        let found = read_embeddings(&desk.path("run/data/embeddings.safetensors")).unwrap();
        for (row, id) in items.iter().enumerate() {
            // every item got the row of its own number
            let number: f32 = id[base.len()..].parse().unwrap();
            assert!((found.row(row)[0] - (number - 5.0)).abs() < f32::EPSILON, "{id}");
        }
        fs::remove_dir_all(desk.path("run")).unwrap();
    }
}

#[test]
fn embeddings_of_which_most_are_equal_are_warned_of() {
    let desk = Desk::new();
    for (rows, warned) in [
        ([0; 12], true),
        ([1, 1, 1, 1, 1, 1, 1, 0, 2, 3, 4, 5], true),
        ([1, 1, 1, 1, 1, 1, 0, 2, 3, 4, 5, 6], false),
    ] {
        desk.write("rows.npy", matrix(&rows));
        let (_, said) = prepared(&desk, &["--embeddings", "rows.npy"]);
        assert_eq!(said.contains("items have equal rows"), warned, "{said}");
    }
}

#[test]
fn a_table_of_semantic_ids_is_joined_by_id() {
    let desk = Desk::new();
    let table = |items: std::ops::Range<usize>| {
        let sids: Vec<String> =
            items.map(|item| format!("\"i{item}\": [\"<s_a_{item}><s_b_1>\"]")).collect();
        format!("{{{}}}", sids.join(", "))
    };
    desk.write("index.json", table(0..14));
    desk.write("few.json", table(2..14));
    let flag = |name: &str| format!("tokenizer.table={name}");
    let (report, said) = prepared(&desk, &["--set", &flag("index.json"), "--run-dir", "run"]);
    assert!(
        said.contains("SID table: matched 12 of 12 items by id; 2 other ids in the file"),
        "{said}"
    );
    assert_eq!(report["joins"][0]["part"], "SID table");
    let sids = fs::read_to_string(desk.path("run/data/sids.json")).unwrap();
    let sids: Value = serde_json::from_str(&sids).unwrap();
    assert_eq!(sids["sids"]["i11"], serde_json::json!([11, 1]));
    assert_eq!(
        desk.refused(&["prepare", "--interactions", "log.csv", "--set", &flag("few.json")]),
        "recast: few.json: matched 10 of 12 items by id; the file lacks 2 of them ('i0', 'i1'), and has 2 other \
         ids ('i12', 'i13'); give every item of the log a SID, or use the table of this data\n"
    );
}
