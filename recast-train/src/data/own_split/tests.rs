use std::fs;

use proptest::prelude::*;

use super::*;
use crate::data::{PrepareOptions, Split, SplitKind, prepare};

fn read(parts: [&str; 3]) -> std::result::Result<(Interactions, Vec<Join>), String> {
    let folder = tempfile::tempdir().unwrap();
    let names = ["train.csv", "valid.csv", "test.csv"].map(|name| folder.path().join(name));
    for (path, rows) in names.iter().zip(parts) {
        fs::write(path, format!("user,item,timestamp\n{rows}")).unwrap();
    }
    let [train, valid, test] = &names;
    OwnSplit { train, valid, test, max_history: 20 }
        .read(&LogOptions::default(), &Sources::default())
        .map_err(|error| error.to_string().replace(&folder.path().display().to_string(), "FOLDER"))
}

/// The examples of both held-out parts: user, history and target by their ids.
fn examples(log: Interactions) -> [Vec<(String, Vec<String>, String)>; 2] {
    let options = PrepareOptions { min_user: 0, min_item: 0, ..PrepareOptions::default() };
    let (sequences, _) = prepare(log, &options, 1).unwrap();
    let split = Split::new(&sequences, SplitKind::Given).unwrap();
    let item = |item: u32| sequences.items.get(item).unwrap().to_owned();
    [&split.valid, &split.test].map(|part| {
        let of = |it: &crate::data::Example| {
            let user = sequences.users.get(it.user).unwrap().to_owned();
            (user, it.history.iter().map(|it| item(*it)).collect(), item(it.targets[0]))
        };
        part.iter().map(of).collect()
    })
}

fn example(user: &str, history: &[&str], target: &str) -> (String, Vec<String>, String) {
    (user.to_owned(), history.iter().map(|&it| it.to_owned()).collect(), target.to_owned())
}

#[test]
fn each_held_out_row_is_an_example_of_all_before_it() {
    let train = "u,a,1\nv,c,5\nu,b,2\n";
    let (log, joins) = read([train, "u,c,3\nu,d,4\n", "v,a,9\nu,e,5\n"]).unwrap();
    assert!(
        log.warnings.iter().any(|it| it.contains("validation: 1 rows hold an item that is in no"))
    );
    assert_eq!(joins.iter().map(|it| (it.matched, it.total)).collect::<Vec<_>>(), [(1, 1), (2, 2)]);
    let [valid, test] = examples(log);
    assert_eq!(valid, [example("u", &["a", "b"], "c"), example("u", &["a", "b", "c"], "d")]);
    assert_eq!(test, [example("u", &["a", "b", "c", "d"], "e"), example("v", &["c"], "a")]);
}

#[test]
fn the_files_order_counts_more_than_times_and_is_told() {
    let (log, _) = read(["u,a,10\nu,b,20\n", "u,a,15\n", "u,b,20\nu,a,21\n"]).unwrap();
    assert!(log.warnings.iter().any(|it| it.starts_with("validation: 1 rows are earlier")));
    let [valid, test] = examples(log);
    assert_eq!(valid, [example("u", &["a", "b"], "a")]);
    let both = [example("u", &["a", "b", "a"], "b"), example("u", &["a", "b", "a", "b"], "a")];
    assert_eq!(test, both);
}

#[test]
fn rows_of_two_files_are_told_and_stay() {
    let (log, _) = read(["u,a,1\nu,b,2\n", "u,b,2\nu,b,2\n", "u,c,3\n"]).unwrap();
    for told in [
        "validation: 1 rows repeat a row of the same file, and are left out",
        "validation: 1 rows hold an item that the user met in an earlier part",
        "test: 1 rows hold an item that is in no training row",
    ] {
        assert!(log.warnings.iter().any(|it| it == told), "{told}: {:?}", log.warnings);
    }
    let [valid, test] = examples(log);
    assert_eq!(valid, [example("u", &["a", "b"], "b")]);
    assert_eq!(test, [example("u", &["a", "b", "b"], "c")]);
}

#[test]
fn users_without_training_rows_are_left_out_and_told() {
    let (log, joins) = read(["u,a,1\n", "u,b,2\nv,a,2\n", "v,b,3\nu,a,4\n"]).unwrap();
    assert_eq!((joins[0].matched, joins[0].total), (1, 2));
    assert!(joins[0].warning().is_some());
    for part in ["validation", "test"] {
        let told = format!("{part}: 1 rows are of users without a training row, and are left out");
        assert!(log.warnings.contains(&told), "{:?}", log.warnings);
    }
    let [valid, test] = examples(log);
    assert_eq!((valid.len(), test.len()), (1, 1));
}

#[test]
fn files_that_do_not_go_together_are_refused() {
    let train = "u,a,1704067200\nu,b,1704067201\n";
    for (valid, expected) in [
        ("x,a,1704067202\n", "FOLDER/valid.csv: matched 0 of 1 users by id"),
        ("u,a,5\n", "FOLDER/valid.csv: has times of another unit than the training rows"),
        ("", "FOLDER/valid.csv: holds no interactions"),
    ] {
        let message = read([train, valid, "u,a,1704067203\n"]).unwrap_err();
        assert!(message.starts_with(expected), "{valid}: {message}");
    }
}

#[test]
fn a_fraction_in_one_file_does_not_part_the_units() {
    let (log, _) = read(["u,a,1704067200\n", "u,b,1704067200.5\n", "u,c,1704067300\n"]).unwrap();
    assert!(!log.warnings.iter().any(|it| it.contains("earlier")), "{:?}", log.warnings);
    let [valid, test] = examples(log);
    assert_eq!(valid, [example("u", &["a"], "b")]);
    assert_eq!(test, [example("u", &["a", "b"], "c")]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    #[test]
    fn every_held_out_row_of_a_known_user_is_one_example(
        parts in proptest::array::uniform3(
            proptest::collection::vec((0..4u32, 0..5u32, 0..9i64), 1..20),
        ),
    ) {
        let text = parts.clone().map(|rows| {
            let rows = rows.iter().map(|(user, item, time)| format!("{user},{item},{time}\n"));
            rows.collect::<String>()
        });
        let known = |user: u32| parts[0].iter().any(|row| row.0 == user);
        let held = |part: usize| -> HashSet<&(u32, u32, i64)> {
            parts[part].iter().filter(|row| known(row.0)).collect()
        };
        match read([&text[0], &text[1], &text[2]]) {
            Ok((log, _)) => {
                let [valid, test] = examples(log);
                prop_assert_eq!((valid.len(), test.len()), (held(1).len(), held(2).len()));
                let learnt = |user: &str| {
                    let of = parts[0].iter().filter(|row| row.0.to_string() == user);
                    of.collect::<HashSet<_>>().len()
                };
                for example in valid.iter().chain(&test) {
                    prop_assert!(example.1.len() >= learnt(&example.0).min(20));
                }
            }
            Err(_) => prop_assert!(held(1).is_empty() || held(2).is_empty()),
        }
    }
}
