use std::fs;

use proptest::prelude::*;
use tempfile::TempDir;

use super::super::properties::id;
use super::super::testing::named;
use super::super::{LogOptions, read_interactions};
use super::*;

const HEADER: &str =
    "user_id,history_item_title,item_title,history_item_id,item_id,history_item_sid,item_sid";

/// A row of a split; item `i` has the semantic ID `<a_i><b_0>`.
fn row(user: &str, history: &str, item: u32) -> String {
    format!("{user},\"['x, y']\",T,\"{history}\",{item},['..'],<a_{item}><b_0>\n")
}

fn rows(rows: &[(&str, &str, u32)]) -> String {
    let rows = rows.iter().map(|(user, history, item)| row(user, history, *item));
    format!("{HEADER}\n{}", rows.collect::<String>())
}

/// A folder of two users and six items; no user met the last item.
fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    let entries: Vec<String> =
        (0..6).map(|item| format!("\"{item}\": [\"<a_{item}>\", \"<b_0>\"]")).collect();
    write(&folder, INDEX, &format!("{{{}}}", entries.join(", ")));
    write(&folder, TRAIN, &rows(&[("u", "[0]", 1), ("u", "[0, 1]", 2), ("v", "[3]", 4)]));
    write(&folder, VALID, &rows(&[("u", "[1, 2]", 3)]));
    write(&folder, TEST, &rows(&[("u", "[2, 3]", 4), ("v", "[3, 4]", 3), ("w", "[4]", 2)]));
    folder
}

fn write(folder: &TempDir, suffix: &str, text: &str) {
    fs::write(folder.path().join(format!("Toys{suffix}")), text).unwrap();
}

fn read(folder: &TempDir) -> std::result::Result<Interactions, String> {
    let path = folder.path();
    read_interactions(path, &LogOptions::default())
        .map_err(|error| error.to_string().replace(&path.display().to_string(), "FOLDER"))
}

#[test]
fn sequences_are_put_together_and_held_out_as_the_files_say() {
    let log = read(&folder()).unwrap();
    let of = |user: &str| -> Vec<&str> {
        named(&log).into_iter().filter(|row| row.0 == user).map(|row| row.1).collect()
    };
    assert_eq!(of("u"), ["0", "1", "2", "3", "4"]);
    assert_eq!(of("v"), ["3", "4", "3"]);
    assert_eq!(of("w"), ["4", "2"]);
    assert_eq!(log.items.len(), 6);
    let held_out = |valid, test| HeldOut { valid, test };
    let held_out = vec![held_out(1, 1), held_out(0, 1), held_out(0, 1)];
    assert_eq!(log.given, Some(GivenSplit { max_history: 2, held_out }));
    assert!(log.warnings.is_empty());
}

#[test]
fn recovered_sequences_stand_in_for_a_missing_train_and_are_told() {
    let folder = folder();
    let whole = read(&folder).unwrap();
    fs::remove_file(folder.path().join("Toys.train.csv")).unwrap();
    let lines = "{\"user\": \"u\", \"items\": [0, 1, 2, 3, 4], \"n_train\": 3, \"n_valid\": 1, \"n_test\": 1}\n{\"user\": \"v\", \"items\": [3, 4, 3], \"n_train\": 2, \"n_valid\": 0, \"n_test\": 1}\n";
    write(&folder, RECOVERED, lines);
    let recovered = read(&folder).unwrap();
    assert_eq!((named(&recovered), &recovered.given), (named(&whole), &whole.given));
    assert_eq!(
        recovered.warnings,
        [
            "reduced train: Toys.train.csv is not in the folder; the 5 training interactions of 2 users are those of \
                 Toys.recovered_sequences.jsonl, which lacks some"
        ]
    );

    for (from, to, problem) in [
        ("\"n_train\": 3", "\"n_train\": 6", "1: 6 of 5 items for training"),
        ("\"n_train\": 3", "\"n_train\": 0", "1: 0 of 5 items for training"),
        ("\"user\": \"v\"", "\"user\": \"u\"", "2: user 'u' has a line already"),
    ] {
        write(&folder, RECOVERED, &lines.replacen(from, to, 1));
        let message = read(&folder).unwrap_err();
        assert_eq!(
            message,
            format!("FOLDER/Toys.recovered_sequences.jsonl:{problem}; recover the sequences again")
        );
    }
}

#[test]
fn without_anything_to_learn_from_a_folder_is_refused() {
    let folder = folder();
    fs::remove_file(folder.path().join("Toys.train.csv")).unwrap();
    assert_eq!(
        read(&folder).unwrap_err(),
        "FOLDER: holds neither Toys.train.csv nor Toys.recovered_sequences.jsonl; \
             add one: there is nothing to learn from"
    );
    fs::remove_file(folder.path().join("Toys.index.json")).unwrap();
    assert_eq!(
        read(&folder).unwrap_err(),
        "FOLDER: is a folder without a file NAME.index.json, NAME.inter.json or NAME.parquet; \
             name a file, a folder of Parquet parts, or one as MiniOneRec or LC-Rec publishes it"
    );
    for name in ["A", "B"] {
        fs::write(folder.path().join(format!("{name}.index.json")), "{}").unwrap();
    }
    assert_eq!(
        read(&folder).unwrap_err(),
        "FOLDER: holds several data sets: A, B; put each in a folder of its own"
    );
}

#[test]
fn rows_that_do_not_fit_are_named() {
    for (suffix, text, message) in [
        (
            VALID,
            rows(&[("u", "[0, 2]", 3)]),
            "Toys.valid.csv:2: the history of user 'u' is not the last 2 items of the rows before; \
                 keep the rows of a user in time order: training, validation, test",
        ),
        (
            TEST,
            rows(&[("v", "[3, 4]", 9)]),
            "Toys.test.csv:2: column 'item_id': is no item of FOLDER/Toys.index.json: '9'; \
                 check that both files are of one data set",
        ),
        (
            TEST,
            rows(&[("v", "[3, 9]", 4)]),
            "Toys.test.csv:2: column 'history_item_id': is no item of FOLDER/Toys.index.json: '9'; \
                 check that both files are of one data set",
        ),
        (
            TEST,
            rows(&[("v", "[3, 4]", 3)]).replace("<a_3>", "<a_5>"),
            "Toys.test.csv:2: column 'item_sid': is not <a_3><b_0>, the semantic ID of item 3: '<a_5><b_0>'; \
                 check that split and index are of one data set",
        ),
        (
            TEST,
            rows(&[("v", "3 4", 3)]),
            "Toys.test.csv:2: column 'history_item_id': is no list of item ids: '3 4'; write it as [12, 7, 3]",
        ),
        (
            TEST,
            rows(&[("v", "[]", 3)]),
            "Toys.test.csv:2: column 'history_item_id': has no item: '[]'; write it as [12, 7, 3]",
        ),
        (TRAIN, rows(&[]), "Toys.train.csv: holds no rows; check that it is the right file"),
        (
            INDEX,
            "[]".to_owned(),
            "Toys.index.json: is no index of semantic IDs: invalid type: sequence, expected an object of item ids \
                 at line 1 column 0; expected {\"item id\": [\"<a_3>\", ..], ..}",
        ),
        (
            INDEX,
            "{\"1\": [\"<a_1>\"], \"1\": [\"<a_2>\"]}".to_owned(),
            "Toys.index.json: item '1' stands twice; keep one entry an item",
        ),
    ] {
        let folder = folder();
        write(&folder, suffix, &text);
        assert_eq!(read(&folder).unwrap_err(), format!("FOLDER/{message}"));
    }
}

#[test]
fn a_least_rating_is_refused() {
    let folder = folder();
    let read = read_interactions(
        folder.path(),
        &LogOptions { min_rating: Some(4.0), ..LogOptions::default() },
    );
    let message = read.unwrap_err().to_string();
    assert!(message.contains("a folder of MiniOneRec has no ratings"), "{message}");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(50))]

    #[test]
    fn folders_hold_any_user_and_integers_of_64_bits(
        users in proptest::collection::btree_map(id(), 4..9usize, 1..5),
        first in proptest::sample::select(vec![0, 1 << 53, u64::MAX - 8]),
    ) {
        let items: Vec<u64> = (first..=first + 8).collect();
        let folder = tempfile::tempdir().unwrap();
        let entries: Vec<String> = items
            .iter()
            .zip(0..)
            .map(|(item, code): (_, u32)| format!("\"{item}\": [\"<a_{code}>\", \"<b_0>\"]"))
            .collect();
        write(&folder, INDEX, &format!("{{{}}}", entries.join(", ")));
        let mut parts = [TRAIN, VALID, TEST].map(|suffix| (suffix, format!("{HEADER}\n")));
        let mut expected = Vec::new();
        for (user, length) in &users {
            let quoted = format!("\"{}\"", user.replace('"', "\"\""));
            let time = |code: usize| i64::try_from(code).unwrap();
            let of_user = (0..*length)
                .map(|code| (user.replace("\r\n", "\n"), items[code].to_string(), time(code)));
            expected.extend(of_user);
            for code in 1..*length {
                let part = match length - code {
                    1 => 2,
                    2 => 1,
                    _ => 0,
                };
                let (history, item) = (&items[..code], items[code]);
                let row = format!("{quoted},[],T,\"{history:?}\",{item},[],<a_{code}><b_0>\n");
                parts[part].1 += &row;
            }
        }
        for (suffix, text) in &parts {
            write(&folder, suffix, text);
        }
        let log = read(&folder).map_err(TestCaseError::fail)?;
        let mut rows: Vec<(String, String, i64)> = named(&log)
            .into_iter()
            .map(|(user, item, time)| (user.to_owned(), item.to_owned(), time))
            .collect();
        rows.sort();
        expected.sort();
        prop_assert_eq!(rows, expected);
    }
}
