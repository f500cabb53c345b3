//! Damaged input files: each reader answers with data or with an error, and never panics.

use std::fs;
use std::path::Path;

use recast_train::catalogue::{ImportedTable, SidTable};
use recast_train::data::{Ids, LogOptions, read_interactions, read_items};
use recast_train::embedding::{Embeddings, read_embeddings};

use super::{below, times};
use crate::{Desk, log, titles};

/// A `.npy` file of 40 rows of 6 numbers.
fn npy() -> Vec<u8> {
    let mut header = "{'descr': '<f4', 'fortran_order': False, 'shape': (40, 6), }".to_owned();
    header += &" ".repeat(117 - header.len());
    header += "\n";
    let length = (header.len() as u16).to_le_bytes();
    let values = (0..240_u16).flat_map(|value| f32::from(value).to_le_bytes());
    [b"\x93NUMPY\x01\x00", &length[..], header.as_bytes()]
        .concat()
        .into_iter()
        .chain(values)
        .collect()
}

/// Reads a file of a kind; whether it could be read.
fn read(path: &Path, ids: &Ids) -> bool {
    let name = path.file_name().unwrap().to_str().unwrap();
    let item_ids: Vec<&str> = ids.iter().collect();
    match name.split_once('.').unwrap().0 {
        "log" => read_interactions(path, &LogOptions::default()).is_ok(),
        "items" => read_items(path, ids).is_ok(),
        "table" => SidTable::load(path, &item_ids).is_ok() | ImportedTable::read(path).is_ok(),
        _ => read_embeddings(path).is_ok(),
    }
}

#[test]
fn a_damaged_input_file_is_read_or_refused() {
    let desk = Desk::new();
    let ids: Ids = (0..12).map(|item| format!("i{item}")).collect();
    let item_ids: Vec<&str> = ids.iter().collect();
    let rows: Vec<String> = log("user,item,timestamp").lines().skip(1).map(str::to_owned).collect();
    let json = |line: &String| {
        let fields: Vec<&str> = line.split(',').collect();
        format!(
            "{{\"user\":\"{}\",\"item\":\"{}\",\"timestamp\":{}}}\n",
            fields[0], fields[1], fields[2]
        )
    };
    desk.write("log.csv", log("user,item,timestamp"));
    desk.write("log.tsv", log("user,item,timestamp").replace(',', "\t"));
    desk.write("log.jsonl", rows.iter().map(json).collect::<String>());
    fs::copy(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/log.parquet"), desk.path("log.parquet"))
        .unwrap();
    desk.write("items.jsonl", titles());
    desk.write("rows.npy", npy());
    let values = (0..240_u16).map(f32::from).collect();
    Embeddings::new(6, values).unwrap().save(&desk.path("rows.safetensors"), None).unwrap();
    let sids = SidTable::new(vec![4; 2], (0..24).map(|code| code % 4).collect()).unwrap();
    sids.save(&desk.path("table.json"), &item_ids).unwrap();

    let names = [
        "log.csv",
        "log.tsv",
        "log.jsonl",
        "log.parquet",
        "items.jsonl",
        "rows.npy",
        "rows.safetensors",
        "table.json",
    ];
    let (mut refused, mut taken) = (0, 0);
    for (kind, name) in names.into_iter().enumerate() {
        if name.ends_with(".parquet") && !cfg!(feature = "parquet") {
            continue;
        }
        assert!(read(&desk.path(name), &ids), "{name} is whole");
        let whole = fs::read(desk.path(name)).unwrap();
        // a name begins with what it is, and ends with how it is written
        let (kind_of_file, format) = name.split_once('.').unwrap();
        let case = desk.path(&format!("{kind_of_file}.case.{format}"));
        for number in 0..100 * times() {
            let index = 1_000_000 * (kind + 1) + 2 * number;
            let (mut bytes, place) = (whole.clone(), below(whole.len(), index));
            match number % 3 {
                0 => bytes.truncate(place),
                _ => bytes[place] ^= 1 << below(8, index + 1),
            }
            fs::write(&case, bytes).unwrap();
            match read(&case, &ids) {
                true => taken += 1,
                false => refused += 1,
            }
        }
        fs::remove_file(&case).unwrap();
    }
    eprintln!("damaged inputs: {refused} refused, {taken} read, no panic");
    assert!(refused > 0 && taken > 0);
}
