//! Files that a user gives: each reader takes any bytes and answers with data or an error.

use std::io::Write;

use recast_train::catalogue::SidTable;
use recast_train::data::{
    Format, Ids, LogOptions, LogOrder, Missing, PrepareOptions, Split, SplitKind, prepare,
    read_interactions, read_items,
};
use recast_train::embedding::read_embeddings;
use tempfile::NamedTempFile;

fn file(suffix: &str, bytes: &[u8]) -> NamedTempFile {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().expect("a temporary file");
    file.write_all(bytes).expect("written");
    file
}

/// The first byte names the format and the options. The log follows.
///
/// The digits 0 to 9 give a format and maybe a least rating. Other bytes add options by their upper
/// four bits. The options are columns and a separator, missing values and spellings, the order of
/// rows, and a format by the content.
pub fn interactions(data: &[u8]) {
    let Some((&first, log)) = data.split_first() else { return };
    let format = match first % 16 {
        0 | 4 => Format::Csv,
        1 | 5 => Format::Tsv,
        2 | 6 => Format::Jsonl,
        3 | 7 => Format::S3Rec,
        _ => Format::RecBole,
    };
    let mut options = LogOptions::default();
    options.min_rating = (first % 8 >= 4).then_some(3.0);
    let chosen = (first >> 4) ^ 3;
    if chosen & 1 != 0 {
        let delimiter = if first % 2 == 0 { "::" } else { ";" };
        options.delimiter = Some(delimiter.to_owned());
        options.header = Some(["user", "item", "timestamp", "rating"].map(str::to_owned).into());
    }
    if chosen & 2 != 0 {
        (options.missing, options.join_spellings) = (Missing::Drop, true);
    }
    options.order = (chosen & 4 != 0).then_some(LogOrder::Rows);
    options.format = (chosen & 8 == 0).then_some(format);
    log_of(log, &options);
}

/// A log in Parquet: plain columns, or lists. The number of bytes gives the options.
pub fn parquet(data: &[u8]) {
    let mut options = LogOptions::default();
    options.format = Some(Format::Parquet);
    let chosen = data.len();
    if chosen & 1 != 0 {
        options.missing = Missing::Drop;
    }
    options.order = (chosen & 2 != 0).then_some(LogOrder::Rows);
    log_of(data, &options);
}

fn log_of(log: &[u8], options: &LogOptions) {
    let file = file(".txt", log);
    let read = read_interactions(file.path(), options);
    let Ok(read) = read else { return };
    assert!(!read.is_empty());
    for row in read.iter() {
        assert!(read.users.get(row.user).is_some_and(|id| !id.is_empty()));
        assert!(read.items.get(row.item).is_some_and(|id| !id.is_empty()));
    }
    let mut options = PrepareOptions::default();
    (options.min_user, options.min_item) = (1, 1);
    let Ok((sequences, _)) = prepare(read, &options, 1) else {
        return;
    };
    let Ok(split) = Split::new(&sequences, SplitKind::LeaveOneOut) else { return };
    assert!(split.test.iter().all(|it| !it.history.is_empty() && it.targets.len() == 1));
}

/// A folder of MiniOneRec. Lines of dashes part its files: index, training, validation and test.
pub fn mini_one_rec(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let names = ["X.index.json", "X.train.csv", "X.valid.csv", "X.test.csv"];
    let Ok(text) = std::str::from_utf8(data) else { return };
    for (name, text) in names.into_iter().zip(text.split("---\n")) {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let read = read_interactions(folder.path(), &LogOptions::default());
    let Ok(read) = read else { return };
    let examples: usize =
        read.given.iter().flat_map(|it| &it.held_out).map(|it| it.valid + it.test).sum();
    let mut options = PrepareOptions::default();
    (options.min_user, options.min_item) = (0, 0);
    let (sequences, _) = prepare(read, &options, 1).expect("nothing is dropped");
    let split = Split::new(&sequences, SplitKind::Given).expect("the split that came along");
    assert_eq!(split.valid.len() + split.test.len(), examples);
    assert!(split.test.iter().all(|it| !it.history.is_empty() && it.targets.len() == 1));
}

/// A folder of LC-Rec. A line of dashes parts its files: lists and index.
pub fn lc_rec(data: &[u8]) {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let Ok(text) = std::str::from_utf8(data) else { return };
    for (name, text) in ["X.inter.json", "X.index.json"].into_iter().zip(text.split("---\n")) {
        std::fs::write(folder.path().join(name), text).expect("written");
    }
    let Ok(read) = read_interactions(folder.path(), &LogOptions::default()) else { return };
    let (rows, items) = (read.len(), read.items.len());
    let mut options = PrepareOptions::default();
    (options.min_user, options.min_item) = (0, 0);
    let (sequences, report) = prepare(read, &options, 1).expect("nothing is dropped");
    assert_eq!((report.interactions, sequences.n_items()), (rows, items));
}

/// An items file for the items 1, 2 and 3. A file that starts with a brace and a line end is one
/// JSON object, any other has lines.
pub fn items(data: &[u8]) {
    let ids: Ids = ["1", "2", "3"].into_iter().collect();
    let suffix = if data.starts_with(b"{\n") { ".json" } else { ".jsonl" };
    let file = file(suffix, data);
    let Ok(items) = read_items(file.path(), &ids) else { return };
    assert!(items.n_missing() < ids.len());
    for index in 0..3 {
        assert!(!items.title(index).is_empty());
        assert_eq!(items.text(index).is_some(), items.row_of(index).is_some());
        assert!(items.row_of(index).is_none_or(|row| row < items.n_rows()));
    }
}

/// The first byte stands for the format, from the digit 0 on: `.npy`, `.safetensors`, `.npz`,
/// `.parquet`. The file follows.
pub fn embeddings(data: &[u8]) {
    let Some((&first, bytes)) = data.split_first() else { return };
    let suffixes = [".npy", ".safetensors", ".npz", ".parquet"];
    let file = file(suffixes[usize::from(first) % suffixes.len()], bytes);
    let Ok(embeddings) = read_embeddings(file.path()) else { return };
    assert!(embeddings.rows() > 0 && embeddings.dim() > 0);
    assert_eq!(embeddings.rows() * embeddings.dim(), embeddings.values().len());
    assert!(embeddings.values().iter().all(|value| value.is_finite()));
}

/// A SID table for the items a, b and c.
pub fn sid_table(data: &[u8]) {
    const IDS: [&str; 3] = ["a", "b", "c"];
    let file = file(".json", data);
    if let Ok(imported) = SidTable::import(file.path(), &IDS) {
        assert_eq!(imported.n_items(), IDS.len());
    }
    let Ok(table) = SidTable::load(file.path(), &IDS) else { return };
    assert_eq!(table.n_items(), IDS.len());
    table.save(file.path(), &IDS).expect("written");
    assert_eq!(SidTable::load(file.path(), &IDS).expect("the saved table"), table);
}
