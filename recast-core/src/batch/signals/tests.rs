use super::*;
use crate::batch::BatchError;
use crate::group::GroupError;
#[cfg(feature = "rayon")]
use std::vec::Vec;

const OFFSETS: [usize; 5] = [0, 4, 5, 7, 10];
const REWARDS: [f64; 10] = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0];
const SCORES: [f64; 10] = [0.0, 0.1, 0.01, 0.0, 1.0, 1.0, 0.1, 0.1, 1.0, 0.1];
const OLD: [f64; 10] = [-1.0, -2.0, -3.0, -4.0, -1.0, -1.0, -2.0, -3.0, -2.0, -1.0];

fn batch() -> Batch<'static, f64> {
    Batch::new(&OFFSETS, &REWARDS, &SCORES, Some(&OLD)).unwrap()
}

#[test]
fn a_batch_selects_as_its_groups_do() {
    for signal in [Signal::recast(), Signal::grpo(), Signal::rere(), Signal::s_dpo(2)] {
        let (mut kept, mut advantages) = ([usize::MAX; 10], [f64::NAN; 10]);
        let mut outcomes = [BatchOutcome::default(); 4];
        signal.select_batch(batch(), &mut kept, &mut advantages, &mut outcomes);
        let written = batch().outcomes(&kept, &advantages, &outcomes);
        for (group, outcome) in batch().groups().zip(written) {
            let (mut kept, mut advantages) = ([0; 4], [0.0; 4]);
            assert_eq!(outcome, signal.select(group, &mut kept, &mut advantages));
        }
    }
}

#[test]
fn a_batch_repairs_as_its_groups_do() {
    let mut slots = [None; 4];
    Signal::recast().repair_batch(batch(), BatchEvidence::default(), &mut slots);
    assert_eq!(slots, [Some(3), None, None, None]);
    Signal::luffy().repair_batch(batch(), BatchEvidence::default(), &mut slots);
    assert_eq!(slots, [Some(3), Some(0), Some(1), Some(2)]);
}

#[test]
fn evidence_reaches_its_group() {
    use crate::signal::{Recast, RepairPolicy};
    let zero = [0.0; 4];
    let batch = Batch::new(&[0, 2, 4], &zero, &zero, None).unwrap();
    let repair = RepairPolicy::Confident { tau: 0.5 };
    let signal = Signal::Recast(Recast { repair, ..Recast::default() });
    let evidence =
        BatchEvidence { anchor_log_probs: Some(&[-9.0, -0.1]), ..BatchEvidence::default() };
    let mut slots = [None; 2];
    signal.repair_batch(batch, evidence, &mut slots);
    assert_eq!(slots, [Some(1), None]);
    let repair = RepairPolicy::Gated { threshold: 0.5 };
    let signal = Signal::Recast(Recast { repair, ..Recast::default() });
    let evidence = BatchEvidence { all_zero_rate: Some(0.1), ..BatchEvidence::default() };
    signal.repair_batch(batch, evidence, &mut slots);
    assert_eq!(slots, [None, None]);
}

#[test]
fn duplicates_are_counted_inside_their_group() {
    let marked = batch().with_duplicates(&[0, 1, 2, 0, 0, 0, 1, 0, 1, 0]).unwrap();
    let mut slots = [None; 4];
    Signal::recast().repair_batch(marked, BatchEvidence::default(), &mut slots);
    assert_eq!(slots[0], Some(3));
    let (mut kept, mut advantages) = ([0; 10], [0.0; 10]);
    let mut outcomes = [BatchOutcome::default(); 4];
    Signal::recast().select_batch(marked, &mut kept, &mut advantages, &mut outcomes);
    // In the last group slot 2 repeats slot 0 and is no negative, though it is more probable.
    assert_eq!(outcomes[3], BatchOutcome::Trained { kept: 2, divisor: 2 });
    assert_eq!(kept[7..9], [0, 1]);
    assert_eq!(
        batch().with_duplicates(&[0; 9]),
        Err(BatchError::DuplicateCount { rewards: 10, duplicates: 9 })
    );
    let error = GroupError::DuplicateDiffers { index: 1, first: 0 };
    assert_eq!(
        batch().with_duplicates(&[0, 1, 2, 3, 0, 0, 0, 0, 1, 2]),
        Err(BatchError::Group { group: 2, error })
    );
}

// GRPO by batch and REINFORCE++ see the whole batch: the flat call does what a loop does.
#[test]
fn a_batch_is_scaled_as_a_loop_over_its_groups_scales() {
    let lengths = [3, 1, 2, 3, 3, 3, 2, 1, 3, 3];
    let batch = batch().with_lengths(&lengths).unwrap();
    for signal in [Signal::grpo_by_batch(), Signal::reinforce_plus_plus()] {
        let (mut kept, mut advantages) = ([usize::MAX; 10], [f64::NAN; 10]);
        let mut outcomes = [BatchOutcome::default(); 4];
        signal.select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
        let mut expected = [f64::NAN; 10];
        let mut scale = signal.batch_scale();
        for index in 0..batch.len() {
            let (group, range) = (batch.group(index), batch.range(index));
            let Outcome::Trained(selection) =
                signal.select(group, &mut kept, &mut expected[range.clone()])
            else {
                panic!("every group is kept");
            };
            scale.observe(group.rewards(), selection.advantages, &lengths[range]);
        }
        scale.apply(&mut expected);
        assert_eq!(advantages, expected);
    }
}

#[test]
#[should_panic(expected = "needs as many outcomes and slots, got 4 outcomes, 9 slots")]
fn short_slices_panic_with_the_lengths() {
    let mut outcomes = [BatchOutcome::default(); 4];
    Signal::recast().select_batch(batch(), &mut [0; 9], &mut [0.0; 10], &mut outcomes);
}

#[test]
#[should_panic(expected = "4 groups needs as many slots and anchor log-probs, got 4 and 1")]
fn missing_anchors_panic_with_the_lengths() {
    let evidence = BatchEvidence { anchor_log_probs: Some(&[0.0]), ..BatchEvidence::default() };
    Signal::recast().repair_batch(batch(), evidence, &mut [None; 4]);
}

// Large enough to be split.
#[cfg(feature = "rayon")]
#[test]
fn in_parallel_the_results_are_equal() {
    let groups = 5000;
    let sizes = (0..groups).map(|group| 1 + group % 7);
    let offsets: Vec<usize> = core::iter::once(0)
        .chain(sizes.scan(0, |end, size| {
            *end += size;
            Some(*end)
        }))
        .collect();
    let completions = offsets[groups];
    let rewards: Vec<f64> =
        (0..completions).map(|index| f64::from(u8::from(index % 5 == 0))).collect();
    let scores: Vec<f64> = (0..completions).map(|index| (index % 3) as f64 / 10.0).collect();
    let batch = Batch::new(&offsets, &rewards, &scores, None).unwrap();
    for signal in [Signal::recast(), Signal::grpo(), Signal::s_dpo(3)] {
        let (mut kept, mut advantages) = (
            [(); 2].map(|()| std::vec![0; completions]),
            [(); 2].map(|()| std::vec![0.0; completions]),
        );
        let mut outcomes = [(); 2].map(|()| std::vec![BatchOutcome::default(); groups]);
        signal.select_batch(batch, &mut kept[0], &mut advantages[0], &mut outcomes[0]);
        signal.par_select_batch(batch, &mut kept[1], &mut advantages[1], &mut outcomes[1]);
        assert_eq!(outcomes[0], outcomes[1]);
        assert_eq!(kept[0], kept[1]);
        assert_eq!(advantages[0], advantages[1]);
        let mut slots = [(); 2].map(|()| std::vec![None; groups]);
        signal.repair_batch(batch, BatchEvidence::default(), &mut slots[0]);
        signal.par_repair_batch(batch, BatchEvidence::default(), &mut slots[1]);
        assert_eq!(slots[0], slots[1]);
    }
}
