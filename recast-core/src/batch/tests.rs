use super::*;
use crate::group::GroupError;
use crate::signal::Signal;
use std::string::ToString;
use std::vec::Vec;

const OFFSETS: [usize; 5] = [0, 4, 5, 7, 10];
const REWARDS: [f64; 10] = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0];
const SCORES: [f64; 10] = [0.0, 0.1, 0.01, 0.0, 1.0, 1.0, 0.1, 0.1, 1.0, 0.1];
const OLD: [f64; 10] = [-1.0, -2.0, -3.0, -4.0, -1.0, -1.0, -2.0, -3.0, -2.0, -1.0];

fn batch() -> Batch<'static, f64> {
    Batch::new(&OFFSETS, &REWARDS, &SCORES, Some(&OLD)).unwrap()
}

#[test]
fn groups_are_the_slices_between_offsets() {
    let sizes: Vec<usize> = batch().groups().map(|group| group.len()).collect();
    assert_eq!(sizes, [4, 1, 2, 3]);
    let third = Group::new(&REWARDS[5..7], &SCORES[5..7], Some(&OLD[5..7])).unwrap();
    assert_eq!(batch().group(2), third);
    assert_eq!((batch().len(), batch().completions()), (4, 10));
}

#[test]
fn a_batch_without_a_group_is_a_batch() {
    let batch = Batch::<f32>::new(&[0], &[], &[], None).unwrap();
    assert!(batch.is_empty());
    Signal::recast().select_batch(batch, &mut [], &mut [], &mut []);
    Signal::recast().repair_batch(batch, BatchEvidence::default(), &mut []);
}

#[test]
fn offsets_that_are_no_layout_are_refused() {
    let new = |offsets: &'static [usize]| {
        Batch::new(offsets, &REWARDS[..2], &SCORES[..2], None).map(|_| ())
    };
    assert_eq!(new(&[]), Err(BatchError::NoOffset));
    assert_eq!(new(&[1, 2]), Err(BatchError::FirstOffset { offset: 1 }));
    let error = BatchError::Decreasing { group: 1, start: 2, end: 1 };
    assert_eq!(new(&[0, 2, 1]), Err(error));
    assert_eq!(new(&[0, 9]), Err(BatchError::LastOffset { offset: 9, rewards: 2 }));
    assert_eq!(new(&[0]), Err(BatchError::LastOffset { offset: 0, rewards: 2 }));
    let error = GroupError::Empty;
    assert_eq!(new(&[0, 2, 2]), Err(BatchError::Group { group: 1, error }));
}

#[test]
fn columns_of_other_lengths_are_refused() {
    assert_eq!(
        Batch::new(&[0, 2], &[0.0; 2], &[0.0], None),
        Err(BatchError::ScoreCount { rewards: 2, scores: 1 })
    );
    assert_eq!(
        Batch::new(&[0, 2], &[0.0; 2], &[0.0; 2], Some(&[0.0; 3])),
        Err(BatchError::OldLogProbCount { rewards: 2, old_log_probs: 3 })
    );
}

#[test]
fn a_refused_group_is_named() {
    let refused = Batch::new(&[0, 1, 3], &[0.0, 0.0, f64::NAN], &[0.0; 3], None);
    assert_eq!(
        refused.unwrap_err().to_string(),
        "group 1: reward NaN of completion 1 is not finite"
    );
}

#[test]
fn what_is_said_of_completions_reaches_their_group() {
    let hits = [false, true, false, false, false, false, true, false, true, true];
    let lengths = [1, 2, 3, 4, 5, 6, 7, 8, 9, 10];
    let marked = batch().with_hits(&hits).unwrap().with_lengths(&lengths).unwrap();
    for (group, (start, end)) in marked.groups().zip([(0, 4), (4, 5), (5, 7), (7, 10)]) {
        let expected = (0..end - start).filter(|&slot| hits[start + slot]).count();
        assert_eq!(group.hits(), expected);
        assert_eq!(group.lengths(), Some(&lengths[start..end]));
    }
    let strict = batch().with_hit_threshold(1.5).unwrap();
    assert!(strict.groups().all(|group| group.hits() == 0));
}

#[test]
fn what_is_said_of_completions_is_checked() {
    assert_eq!(batch().with_hits(&[true]), Err(BatchError::HitCount { rewards: 10, hits: 1 }));
    assert_eq!(
        batch().with_lengths(&[1]),
        Err(BatchError::LengthCount { rewards: 10, lengths: 1 })
    );
    let error = GroupError::LengthZero { index: 1 };
    assert_eq!(
        batch().with_lengths(&[1, 1, 1, 1, 1, 1, 0, 1, 1, 1]),
        Err(BatchError::Group { group: 2, error })
    );
    assert!(batch().with_hit_threshold(f64::NAN).is_err());
    let repeated = batch().with_duplicates(&[0, 1, 2, 0, 0, 0, 1, 0, 1, 0]).unwrap();
    let error = GroupError::DuplicateDiffers { index: 3, first: 0 };
    let hits = [true, false, false, false, true, true, true, true, true, true];
    assert_eq!(repeated.with_hits(&hits), Err(BatchError::Group { group: 0, error }));
}
