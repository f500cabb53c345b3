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
