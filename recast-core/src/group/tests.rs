use super::*;
use std::string::ToString;

fn regime(rewards: &[f64]) -> Regime {
    Group::new(rewards, rewards, None).unwrap().regime()
}

#[test]
fn an_empty_group_is_refused() {
    assert_eq!(Group::<f64>::new(&[], &[], None), Err(GroupError::Empty));
}

#[test]
fn lengths_that_differ_are_refused_with_both_numbers() {
    assert_eq!(
        Group::new(&[0.0, 1.0], &[0.0], None),
        Err(GroupError::ScoreCount { rewards: 2, scores: 1 })
    );
    assert_eq!(
        Group::new(&[0.0, 1.0], &[0.0, 1.0], Some(&[-1.0])),
        Err(GroupError::OldLogProbCount { rewards: 2, old_log_probs: 1 })
    );
}

#[test]
fn numbers_that_are_not_finite_are_refused_with_their_index() {
    let finite = [0.0, 1.0];
    for bad in [f64::INFINITY, f64::NEG_INFINITY] {
        let column = [0.0, bad];
        assert_eq!(
            Group::new(&column, &finite, None),
            Err(GroupError::RewardNotFinite { index: 1, value: bad })
        );
        assert_eq!(
            Group::new(&finite, &column, None),
            Err(GroupError::ScoreNotFinite { index: 1, value: bad })
        );
        assert_eq!(
            Group::new(&finite, &finite, Some(&column)),
            Err(GroupError::OldLogProbNotFinite { index: 1, value: bad })
        );
    }
}

#[test]
fn nan_is_refused() {
    let (finite, nan) = ([0.0], [f32::NAN]);
    assert!(matches!(
        Group::new(&nan, &finite, None),
        Err(GroupError::RewardNotFinite { index: 0, value }) if value.is_nan()
    ));
    assert!(Group::new(&finite, &nan, None).is_err());
    assert!(Group::new(&finite, &finite, Some(&nan)).is_err());
}

#[test]
fn the_four_regimes_are_told_apart() {
    assert_eq!(regime(&[0.0, 0.0, 0.0]), Regime::AllZero);
    assert_eq!(regime(&[0.0, 1.0, 0.0]), Regime::SingleHit);
    assert_eq!(regime(&[1.0, 1.0, 0.0]), Regime::MultiHit);
    assert_eq!(regime(&[1.0, 1.0, 1.0]), Regime::AllHit);
}

#[test]
fn a_group_of_one_is_all_zero_or_all_hit() {
    assert_eq!(regime(&[0.0]), Regime::AllZero);
    assert_eq!(regime(&[1.0]), Regime::AllHit);
}

#[test]
fn duplicates_count_as_hits() {
    let group = Group::new(&[1.0, 1.0, 0.0], &[1.0, 1.0, 0.0], None).unwrap();
    assert_eq!(group.with_duplicates(&[0, 0, 2]).unwrap().hits(), 2);
}

#[test]
fn duplicate_indices_are_checked() {
    let group = Group::new(&[0.0, 0.0, 1.0], &[0.1, 0.1, 1.0], None).unwrap();
    assert_eq!(
        group.with_duplicates(&[0]),
        Err(GroupError::DuplicateCount { rewards: 3, duplicates: 1 })
    );
    for (duplicates, index, first) in [([1, 1, 2], 0, 1), ([0, 0, 1], 2, 1), ([0, 9, 2], 1, 9)] {
        assert_eq!(
            group.with_duplicates(&duplicates),
            Err(GroupError::DuplicateNotFirst { index, first })
        );
    }
    assert_eq!(
        group.with_duplicates(&[0, 0, 0]),
        Err(GroupError::DuplicateDiffers { index: 2, first: 0 })
    );
}

#[test]
fn messages_name_the_number_and_the_place() {
    let error = Group::new(&[0.0, f64::NAN], &[0.0, 0.0], None).unwrap_err();
    assert_eq!(error.to_string(), "reward NaN of completion 1 is not finite");
}

#[test]
fn a_hit_is_a_reward_of_at_least_the_threshold() {
    let group = Group::new(&[0.01, 0.5, 1.0], &[0.0; 3], None).unwrap();
    assert_eq!((group.hits(), group.hit_threshold()), (2, Some(0.5)));
    for (threshold, hits) in [(0.0, 3), (0.01, 3), (0.5, 2), (0.6, 1), (1.0, 1), (2.0, 0)] {
        assert_eq!(group.with_hit_threshold(threshold).unwrap().hits(), hits);
    }
    for value in [f64::INFINITY, f64::NEG_INFINITY] {
        assert_eq!(group.with_hit_threshold(value), Err(GroupError::HitThreshold { value }));
    }
    assert!(group.with_hit_threshold(f64::NAN).is_err());
}

#[test]
fn marks_say_what_is_a_hit_whatever_the_rewards() {
    let group = Group::new(&[0.9, 0.4, 0.9], &[0.0; 3], None).unwrap();
    let marked = group.with_hits(&[false, true, false]).unwrap();
    assert_eq!((marked.regime(), marked.hit_threshold()), (Regime::SingleHit, None));
    assert!(marked.is_hit(1) && !marked.is_hit(0));
    let refused = Err(GroupError::HitCount { rewards: 3, hits: 1 });
    assert_eq!(group.with_hits(&[true]), refused);
}

#[test]
fn duplicates_agree_in_their_marks_whichever_is_said_first() {
    let group = Group::new(&[0.9, 0.4, 0.9], &[0.0; 3], None).unwrap();
    let (hits, duplicate_of) = ([true, false, false], [0, 1, 0]);
    let refused = Err(GroupError::DuplicateDiffers { index: 2, first: 0 });
    assert_eq!(group.with_hits(&hits).unwrap().with_duplicates(&duplicate_of), refused);
    assert_eq!(group.with_duplicates(&duplicate_of).unwrap().with_hits(&hits), refused);
}

#[test]
fn lengths_are_one_positive_number_for_each_completion() {
    let group = Group::new(&[0.0, 1.0], &[0.0, 1.0], None).unwrap();
    assert_eq!(group.lengths(), None);
    assert_eq!(group.with_lengths(&[3, 4]).unwrap().lengths(), Some(&[3, 4][..]));
    let refused = Err(GroupError::LengthCount { rewards: 2, lengths: 1 });
    assert_eq!(group.with_lengths(&[3]), refused);
    assert_eq!(group.with_lengths(&[3, 0]), Err(GroupError::LengthZero { index: 1 }));
}
