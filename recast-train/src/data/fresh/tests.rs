use std::collections::HashSet;

use proptest::prelude::*;

use super::*;
use crate::data::{Split, SplitKind};
use crate::train::RlPrompt;

fn sequences(users: &[Vec<(u32, i64)>]) -> Sequences {
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
        flat: users.iter().flatten().map(|row| row.0).collect(),
        timestamps: users.iter().flatten().map(|row| row.1).collect(),
        given: None,
    }
}

/// All interactions for training.
fn whole(sequences: &Sequences) -> Histories {
    let mut train = Histories::default();
    sequences.iter().for_each(|items| train.push(items));
    train
}

#[test]
fn the_newest_items_of_each_user_are_fresh() {
    let data = sequences(&[
        vec![(1, 1), (2, 2), (3, 3), (4, 4)],
        vec![(5, 9), (6, 10)],
        vec![(7, 1)],
        Vec::new(),
    ]);
    let train = whole(&data);
    let found = Fresh::new(&data, &train, FreshRule::Items(1)).unwrap();
    assert_eq!(found.older.iter().collect::<Vec<_>>(), [&[1, 2, 3][..], &[5], &[], &[]]);
    let report = FreshReport { older: 4, fresh: 3, prompts: 2, too_short: 2, without_history: 1 };
    assert_eq!(found.report, report);
    let found = Fresh::new(&data, &train, FreshRule::Items(2)).unwrap();
    assert_eq!(found.older.iter().collect::<Vec<_>>(), [&[1, 2][..], &[], &[], &[]]);
    // the second user's second item has the first before it
    let report = FreshReport { older: 2, fresh: 5, prompts: 3, too_short: 2, without_history: 2 };
    assert_eq!(found.report, report);
}

#[test]
fn the_newest_share_is_fresh_by_time_over_all_users() {
    let data = sequences(&[
        vec![(1, 1), (2, 2), (3, 3), (4, 9)],
        vec![(5, 4), (6, 5), (7, 10)],
        vec![(8, 11)],
    ]);
    let found = Fresh::new(&data, &whole(&data), FreshRule::Share(0.4)).unwrap();
    assert_eq!(found.older.iter().collect::<Vec<_>>(), [&[1, 2, 3][..], &[5, 6], &[]]);
    let report = FreshReport { older: 5, fresh: 3, prompts: 2, too_short: 1, without_history: 1 };
    assert_eq!(found.report, report);
}

#[test]
fn interactions_at_the_cut_are_fresh() {
    let data = sequences(&[vec![(1, 1), (2, 1), (3, 2), (4, 2), (5, 2)]]);
    let found = Fresh::new(&data, &whole(&data), FreshRule::Share(0.2)).unwrap();
    assert_eq!((found.report.older, found.report.fresh), (2, 3));
}

#[test]
fn a_part_that_would_be_empty_is_refused_by_the_key_of_its_rule() {
    let data = sequences(&[vec![(1, 1), (2, 2), (3, 3)], vec![(4, 1)]]);
    for (rule, expected) in [
        (FreshRule::Items(2), "'rl.fresh_items': is 2, which leaves supervised training without"),
        (FreshRule::Share(0.9), "'rl.fresh_share': is 0.9, which leaves supervised training"),
        (FreshRule::Share(1e-6), "which leaves reinforcement learning without a prompt; give more"),
    ] {
        let message = Fresh::new(&data, &whole(&data), rule).unwrap_err().to_string();
        assert!(message.contains(expected), "{message}");
    }
}

#[test]
fn the_report_counts_users_only_where_there_are_some() {
    let report = FreshReport { older: 5, fresh: 3, prompts: 3, ..FreshReport::default() };
    assert_eq!(
        report.to_string(),
        "reinforcement learning: 3 fresh prompts; supervised training sees the 5 older of 8 training interactions"
    );
    let report = FreshReport { prompts: 2, too_short: 4, without_history: 1, ..report };
    let text = report.to_string();
    assert!(text.contains("; 4 users have fewer than two older ones, which predict nothing"));
    assert!(
        text.ends_with("; 1 users have no item before their first fresh one, which is no prompt")
    );
}

/// Logs of up to eight users, in time order, with ties.
fn logs() -> impl Strategy<Value = Vec<Vec<(u32, i64)>>> {
    let user = prop::collection::vec((0u32..10, 0i64..30), 0..9).prop_map(|mut rows| {
        rows.sort_by_key(|row| row.1);
        rows
    });
    prop::collection::vec(user, 1..8)
}

fn rules() -> impl Strategy<Value = FreshRule> {
    prop_oneof![(1usize..5).prop_map(FreshRule::Items), (0.01..0.99).prop_map(FreshRule::Share)]
}

proptest! {
    #![proptest_config(ProptestConfig { failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn older_and_fresh_targets_part_those_of_the_training_part(log in logs(), rule in rules()) {
        let data = sequences(&log);
        let Ok(split) = Split::new(&data, SplitKind::LeaveOneOut) else { return Ok(()) };
        let Ok(found) = Fresh::new(&data, &split.train, rule) else { return Ok(()) };
        let fresh = RlPrompt::fresh(&split.train, &found.older);
        let supervised = RlPrompt::all(&found.older);
        prop_assert_eq!(fresh.len(), found.report.prompts);
        prop_assert_eq!(found.report.fresh, fresh.len() + found.report.without_history);
        prop_assert_eq!(found.report.older + found.report.fresh, split.train.flat.len());
        let place = |prompt: &RlPrompt| (prompt.user, prompt.position);
        let seen: HashSet<(u32, u32)> = supervised.iter().map(place).collect();
        prop_assert!(fresh.iter().all(|prompt| !seen.contains(&place(prompt))));
        // no target is lost, but for users with a fresh item alone in front
        let mut both: Vec<(u32, u32)> = fresh.iter().chain(&supervised).map(place).collect();
        both.sort_unstable();
        let all: Vec<(u32, u32)> = RlPrompt::all(&split.train).iter().map(place).collect();
        prop_assert_eq!(both, all);
        for (older, train) in found.older.iter().zip(split.train.iter()) {
            prop_assert!(train.starts_with(older));
        }
        // several targets stay within the fresh part
        for prompt in fresh {
            let older = found.older.sequence(prompt.user).len();
            let targets = prompt.targets(&split.train, 3);
            let train = split.train.sequence(prompt.user);
            prop_assert!(!targets.is_empty() && prompt.position as usize >= older.max(1));
            prop_assert_eq!(targets, &train[prompt.position as usize..][..targets.len()]);
        }
    }

    #[test]
    fn no_older_interaction_is_later_than_a_fresh_one_of_a_share(
        log in logs(),
        share in 0.01..0.99,
    ) {
        let data = sequences(&log);
        let train = whole(&data);
        let Ok(found) = Fresh::new(&data, &train, FreshRule::Share(share)) else { return Ok(()) };
        let (mut older, mut fresh) = (Vec::<i64>::new(), Vec::<i64>::new());
        for (range, kept) in data.offsets.windows(2).zip(found.older.iter()) {
            let (first, second) = data.timestamps[range[0]..range[1]].split_at(kept.len());
            older.extend(first);
            fresh.extend(second);
        }
        prop_assert!(older.iter().max() < fresh.iter().min());
        prop_assert!(fresh.len() as f64 >= share * data.flat.len() as f64 - 0.5);
    }
}
