use super::*;

fn sequences(users: &[&[(u32, i64)]]) -> Sequences {
    let mut offsets = vec![0];
    for rows in users {
        offsets.push(offsets.last().unwrap() + rows.len());
    }
    Sequences {
        users: (0..users.len()).map(|it| it.to_string()).collect(),
        items: (0..10).map(|it| it.to_string()).collect(),
        item_rows: (0..10).collect(),
        log_items: 10,
        offsets,
        flat: users.iter().flat_map(|it| it.iter().map(|row| row.0)).collect(),
        timestamps: users.iter().flat_map(|it| it.iter().map(|row| row.1)).collect(),
        given: None,
    }
}

fn example(user: u32, history: &[u32], target: u32) -> Example {
    Example { user, history: history.to_vec(), targets: vec![target] }
}

#[test]
fn the_last_two_items_are_left_out_and_the_test_history_holds_the_validation_item() {
    let data = sequences(&[&[(1, 1), (2, 2), (3, 3), (4, 4)], &[(5, 1), (6, 2), (7, 3)]]);
    let split = Split::new(&data, SplitKind::LeaveOneOut).unwrap();
    assert_eq!(split.train.iter().collect::<Vec<_>>(), [&[1, 2][..], &[5]]);
    assert_eq!(split.valid, [example(0, &[1, 2], 3), example(1, &[5], 6)]);
    assert_eq!(split.test, [example(0, &[1, 2, 3], 4), example(1, &[5, 6], 7)]);
}

#[test]
fn cold_and_repeated_targets_are_counted() {
    // 9 is never trained on; the second user met 4 before
    let data = sequences(&[&[(1, 1), (4, 2), (3, 3), (9, 4)], &[(4, 1), (1, 2), (4, 3)]]);
    let report = Split::new(&data, SplitKind::LeaveOneOut).unwrap().report();
    let expected = SplitReport {
        train_interactions: 3,
        valid: 2,
        test: 2,
        cold_targets: 1,
        repeated_targets: 1,
        // the second user keeps one item for training
        lone_items: 1,
    };
    assert_eq!(report, expected);
}

#[test]
fn short_users_are_trained_on_and_not_evaluated() {
    let data = sequences(&[&[(2, 1), (3, 2)], &[(4, 1), (5, 2), (6, 3)]]);
    let split = Split::new(&data, SplitKind::LeaveOneOut).unwrap();
    assert_eq!(split.train.iter().collect::<Vec<_>>(), [&[2, 3][..], &[4]]);
    assert_eq!((split.valid.len(), split.test.len(), split.test[0].user), (1, 1, 1));
}

#[test]
fn a_user_with_one_item_is_trained_on_and_counted() {
    let users: [&[(u32, i64)]; 3] =
        [&[(2, 1), (3, 2), (4, 3), (1, 4)], &[(1, 1)], &[(2, 1), (1, 2), (3, 3)]];
    let data = sequences(&users);
    let split = Split::new(&data, SplitKind::LeaveOneOut).unwrap();
    assert_eq!(split.train.iter().collect::<Vec<_>>(), [&[2, 3][..], &[1], &[2]]);
    assert_eq!((split.valid.len(), split.test.len()), (2, 2));
    let report = split.report();
    // the third user keeps one item, the others are held out
    assert_eq!(report.lone_items, 2);
    assert!(report.to_string().contains("; 2 users have one item for training"), "{report}");
    let split = Split::new(&data, SplitKind::GlobalTime { valid: 0.25, test: 0.125 }).unwrap();
    assert!(split.test.iter().all(|example| example.user != 1));
}

#[test]
fn leave_one_out_of_short_users_only_is_an_error() {
    let error = Split::new(&sequences(&[&[(1, 1), (2, 2)]]), SplitKind::LeaveOneOut).unwrap_err();
    assert_eq!(
        error.to_string(),
        "none of 1 users has the 3 items that leave-one-out needs; give longer histories or split by global time"
    );
}

#[test]
fn a_global_cut_makes_every_later_interaction_an_example() {
    let data = sequences(&[
        &[(0, 1), (1, 2), (2, 7), (3, 9)],
        &[(4, 3), (5, 4), (6, 5), (7, 6)],
        &[(8, 8), (9, 10)],
    ]);
    let split = Split::new(&data, SplitKind::GlobalTime { valid: 0.2, test: 0.2 }).unwrap();
    assert_eq!(split.train.iter().collect::<Vec<_>>(), [&[0, 1][..], &[4, 5, 6, 7], &[]]);
    assert_eq!(split.valid, [example(0, &[0, 1], 2)]);
    assert_eq!(split.test, [example(0, &[0, 1, 2], 3), example(2, &[8], 9)]);
}

#[test]
fn an_interaction_at_the_cut_is_after_it() {
    let data = sequences(&[&[(0, 1), (1, 1), (2, 5), (3, 5), (4, 9)]]);
    let split = Split::new(&data, SplitKind::GlobalTime { valid: 0.2, test: 0.2 }).unwrap();
    assert_eq!(split.train.sequence(0), [0, 1]);
    assert_eq!((split.valid.len(), split.test.len()), (2, 1));
}

#[test]
fn a_given_split_holds_out_the_last_items_and_cuts_histories() {
    let mut data = sequences(&[
        &[(0, 1), (1, 2), (2, 3), (3, 4), (4, 5)],
        &[(5, 1), (6, 2)],
        &[(7, 1), (8, 2)],
    ]);
    let held_out = |valid, test| HeldOut { valid, test };
    let held_out = vec![held_out(1, 2), held_out(0, 1), held_out(0, 0)];
    data.given = Some(GivenSplit { max_history: 2, held_out });
    let split = Split::new(&data, SplitKind::Given).unwrap();
    assert_eq!(split.train.iter().collect::<Vec<_>>(), [&[0, 1][..], &[5], &[7, 8]]);
    assert_eq!(split.valid, [example(0, &[0, 1], 2)]);
    assert_eq!(split.test, [example(0, &[1, 2], 3), example(0, &[2, 3], 4), example(1, &[5], 6)]);
}

#[test]
fn a_log_without_a_split_has_none_to_give() {
    let data = sequences(&[&[(0, 1), (1, 2)]]);
    assert_eq!(
        Split::new(&data, SplitKind::Given).unwrap_err().to_string(),
        "config key 'data.split': is \"given\", but the log came without a split; \
             name a folder of MiniOneRec, or the files data.valid and data.test, or set it to \"leave_one_out\""
    );
}

#[test]
fn shares_out_of_range_are_named() {
    let data = sequences(&[&[(0, 1), (1, 2)]]);
    let message = |valid, test| {
        Split::new(&data, SplitKind::GlobalTime { valid, test }).unwrap_err().to_string()
    };
    assert_eq!(
        message(f64::NAN, 0.1),
        "config key 'data.split.global_time.valid': a share must be above 0 and below 1, not NaN; try 0.1"
    );
    assert!(message(0.1, 0.0).contains("global_time.test"));
    assert_eq!(
        message(0.5, 0.5),
        "config key 'data.split.global_time': valid 0.5 and test 0.5 leave nothing for training; try 0.1 each"
    );
}

#[test]
fn a_part_without_data_is_an_error() {
    let data = sequences(&[&[(0, 1), (1, 1), (2, 1)]]);
    let error = Split::new(&data, SplitKind::GlobalTime { valid: 0.1, test: 0.1 }).unwrap_err();
    assert_eq!(
        error.to_string(),
        "a split by global time at 1 and 1 leaves nothing for training; change the shares or use leave-one-out"
    );
}
