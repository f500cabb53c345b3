use super::*;
use crate::data::HeldOut;

fn log(rows: &[(&str, &str, i64)]) -> Interactions {
    let mut interactions = Interactions::default();
    for (user, item, timestamp) in rows {
        interactions.push(user, item, *timestamp);
    }
    interactions
}

const ALL: PrepareOptions = PrepareOptions { min_user: 1, min_item: 1, tie_order: TieOrder::File };

fn items(sequences: &Sequences) -> Vec<&str> {
    sequences.items.iter().collect()
}

#[test]
fn time_orders_and_ties_keep_file_order() {
    let (sequences, report) =
        prepare(log(&[("u", "c", 2), ("u", "b", 1), ("u", "a", 1)]), &ALL, 1).unwrap();
    assert_eq!(items(&sequences), ["c", "b", "a"]);
    assert_eq!(
        (sequences.sequence(0), &sequences.timestamps[..]),
        (&[1, 2, 0][..], &[1, 1, 2][..])
    );
    assert!((report.tied_share - 0.5).abs() < 1e-12);
    assert_eq!(
        report.warnings,
        [
            "50.0% of neighbouring interactions have the same timestamp and keep the file's order, in which item \
                 ids ascend in 0.0%; if that is far from half, the next item is partly given away: see \
                 data.prepare.tie_order"
        ]
    );
}

#[test]
fn shuffled_ties_keep_time_and_follow_the_seed() {
    let rows: Vec<(&str, String, i64)> =
        (0..40).map(|i| ("u", i.to_string(), i64::from(i / 20))).collect();
    let rows: Vec<(&str, &str, i64)> = rows.iter().map(|(u, i, t)| (*u, &i[..], *t)).collect();
    let shuffle = PrepareOptions { tie_order: TieOrder::Shuffle, ..ALL };
    let prepared = |seed| prepare(log(&rows), &shuffle, seed).unwrap();
    let (sequences, report) = prepared(1);
    let (first, second) = sequences.sequence(0).split_at(20);
    assert!(first.iter().all(|&item| item < 20) && second.iter().all(|&item| item >= 20));
    assert_ne!(first, (0..20).collect::<Vec<u32>>());
    assert_eq!(prepared(1).0, sequences);
    assert_ne!(prepared(2).0, sequences);
    // the report is about the file
    assert!((report.tied_ascending_share - 1.0).abs() < 1e-12);
    assert!(report.warnings.is_empty());
}

#[test]
fn ids_ascend_as_numbers_or_else_as_text() {
    let shares = |items: [&str; 3]| {
        let rows: Vec<(&str, &str, i64)> =
            items.iter().zip(0..).map(|(item, time)| ("u", *item, time / 2)).collect();
        let report = prepare(log(&rows), &ALL, 1).unwrap().1;
        (report.ascending_share, report.tied_ascending_share)
    };
    assert_eq!(shares(["9", "10", "2"]), (0.5, 1.0));
    assert_eq!(shares(["a9", "a10", "a2"]), (0.5, 0.0));
    assert_eq!(shares(["a", "a", "b"]), (1.0, 0.0));
}

#[test]
fn neighbours_of_two_users_are_no_tie() {
    let (_, report) = prepare(log(&[("u", "a", 1), ("v", "a", 1)]), &ALL, 1).unwrap();
    assert!(report.tied_share.abs() < 1e-12 && report.warnings.is_empty());
}

#[test]
fn only_the_same_user_item_and_time_is_a_duplicate() {
    let (sequences, report) =
        prepare(log(&[("u", "a", 1), ("u", "a", 2), ("u", "a", 1), ("v", "a", 1)]), &ALL, 1)
            .unwrap();
    assert_eq!((report.duplicates, report.interactions, report.interactions_read), (1, 3, 4));
    assert_eq!(sequences.sequence(0), [0, 0]);
}

#[test]
fn the_core_is_iterated_until_it_holds() {
    // c has one row; without c, v has one; without v, a has two.
    let rows =
        [("u", "a", 1), ("u", "b", 2), ("v", "c", 1), ("v", "a", 2), ("w", "a", 1), ("w", "b", 2)];
    let (sequences, report) =
        prepare(log(&rows), &PrepareOptions { min_user: 2, min_item: 2, ..ALL }, 1).unwrap();
    assert_eq!(sequences.users.iter().collect::<Vec<_>>(), ["u", "w"]);
    assert_eq!(items(&sequences), ["a", "b"]);
    assert_eq!((sequences.offsets, sequences.flat), (vec![0, 2, 4], vec![0, 1, 0, 1]));
    assert_eq!((report.core_dropped, report.core_passes, report.users_read), (2, 3, 3));
    assert_eq!((report.core_dropped_users, report.core_dropped_items), (1, 1));
}

#[test]
fn integer_items_stand_in_numeric_order_and_know_their_log_row() {
    let rows = [("u", "30", 1), ("u", "4", 2), ("u", "30", 3), ("u", "100", 4), ("u", "100", 5)];
    let (sequences, report) =
        prepare(log(&rows), &PrepareOptions { min_user: 1, min_item: 2, ..ALL }, 1).unwrap();
    assert_eq!(items(&sequences), ["30", "100"]);
    assert_eq!((sequences.item_rows, sequences.log_items), (vec![1, 2], 3));
    assert_eq!((report.items, report.items_read), (2, 3));
}

#[test]
fn items_never_met_stay_only_without_a_least_count() {
    let mut interactions = log(&[("u", "a", 1)]);
    interactions.items.intern("b");
    let none = PrepareOptions { min_user: 0, min_item: 0, ..ALL };
    assert_eq!(items(&prepare(interactions.clone(), &none, 1).unwrap().0), ["a", "b"]);
    assert_eq!(items(&prepare(interactions, &ALL, 1).unwrap().0), ["a"]);
}

#[test]
fn repeats_are_counted_user_by_user() {
    let rows = [("u", "a", 1), ("u", "b", 2), ("u", "a", 3), ("u", "a", 4), ("v", "b", 1)];
    assert_eq!(prepare(log(&rows), &ALL, 1).unwrap().1.repeats, 2);
}

#[test]
fn a_given_split_is_taken_whole() {
    let mut interactions = log(&[("u", "a", 1), ("u", "b", 2)]);
    let held_out = vec![HeldOut { valid: 0, test: 1 }];
    interactions.given = Some(GivenSplit { max_history: 1, held_out });
    interactions.warnings.push("reduced train".to_owned());
    let none = PrepareOptions { min_user: 0, min_item: 0, ..ALL };
    let (sequences, report) = prepare(interactions.clone(), &none, 1).unwrap();
    assert_eq!(sequences.given, interactions.given);
    assert_eq!(report.warnings, ["reduced train"]);
    assert_eq!(
        prepare(interactions, &ALL, 1).unwrap_err().to_string(),
        "config key 'data.prepare': a core of users with 1 and items with 1 interactions breaks the split that \
             came with the log; set min_user and min_item to 0, or data.split to \"leave_one_out\""
    );
}

#[test]
fn an_empty_core_is_an_error() {
    let error = prepare(log(&[("u", "a", 1)]), &PrepareOptions::default(), 1).unwrap_err();
    assert_eq!(
        error.to_string(),
        "no interaction is left of 1: no group of users with at least 5 interactions and \
             items with at least 5 exists; lower data.prepare.min_user and data.prepare.min_item"
    );
}
