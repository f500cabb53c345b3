//! One call for repair and selection, beside the calls for each.

use proptest::prelude::*;
use recast_core::batch::{
    Anchors, Batch, BatchError, BatchEvidence, BatchOutcome, Columns, GroupPlan,
};
use recast_core::duplicate::declare;
use recast_core::signal::{NegativeChoice, Recast};
use recast_core::{Regime, Signal};

use crate::groups::{Flat, owned, signals};

/// Columns that own nothing but the offsets, the rewards and the scores.
fn columns<'a>(flat: &'a Flat, rewards: &'a mut [f64], scores: &'a mut [f64]) -> Columns<'a, f64> {
    Columns {
        offsets: &flat.offsets,
        rewards,
        structural_scores: scores,
        old_log_probs: Some(&flat.old_log_probs),
        duplicate_of: None,
        lengths: None,
        hit_threshold: None,
        hits: None,
        first_codes: None,
        draws: None,
    }
}

proptest! {
    #[test]
    fn a_plan_is_a_repair_and_a_selection(
        groups in proptest::collection::vec(owned(), 0..8),
        legal in proptest::collection::vec(any::<bool>(), 8),
        draws in proptest::collection::vec(any::<u64>(), 8),
        rate in proptest::option::of(0.0..=1.0_f64),
        log_probs in proptest::option::of(proptest::collection::vec(-2.0..=0.0_f64, 8)),
    ) {
        let flat = Flat::of(groups.iter());
        let count = groups.len();
        let (legal, draws) = (&legal[..count], &draws[..count]);
        let evidence = BatchEvidence {
            all_zero_rate: rate,
            anchor_log_probs: log_probs.as_deref().map(|log_probs| &log_probs[..count]),
        };
        for signal in signals() {
            let size = flat.rewards.len();
            let (mut rewards, mut scores) = (flat.rewards.clone(), flat.scores.clone());
            let (mut kept, mut advantages) = (vec![usize::MAX; size], vec![f64::NAN; size]);
            let mut plans = vec![GroupPlan::default(); count];
            let mut columns = columns(&flat, &mut rewards, &mut scores);
            columns.draws = Some(draws);
            let anchors = Anchors { legal: Some(legal), evidence, ..Anchors::default() };
            signal
                .plan_batch(&mut columns, anchors, &mut kept, &mut advantages, &mut plans)
                .expect("checked columns");

            let sampled = flat.batch().expect("every group is checked").with_draws(draws);
            let sampled = sampled.expect("one draw for each group");
            let mut slots = vec![None; count];
            signal.repair_batch(sampled, evidence, &mut slots);
            let repaired = Flat::of(
                groups.iter().zip(&mut slots).zip(legal).map(|((owned, slot), &legal)| {
                    *slot = slot.filter(|_| legal);
                    owned.repaired(*slot)
                }).collect::<Vec<_>>().iter(),
            );
            prop_assert_eq!((&rewards, &scores), (&repaired.rewards, &repaired.scores));
            let batch = repaired.batch().expect("as before").with_draws(draws).expect("as before");
            let (mut of, mut values) = (vec![usize::MAX; size], vec![f64::NAN; size]);
            let mut outcomes = vec![BatchOutcome::default(); count];
            signal.select_batch(batch, &mut of, &mut values, &mut outcomes);
            for (group, plan) in plans.iter().enumerate() {
                let regime = sampled.group(group).regime();
                let expected =
                    GroupPlan { regime, repaired: slots[group], outcome: outcomes[group] };
                prop_assert_eq!(*plan, expected);
            }
            let planned: Vec<_> = plans.iter().map(|plan| plan.outcome).collect();
            prop_assert!(batch
                .outcomes(&kept, &advantages, &planned)
                .eq(batch.outcomes(&of, &values, &outcomes)));
        }
    }

    // Duplicates, marks and first codes after a repair are those of the new completions.
    #[test]
    fn every_column_follows_the_repair(
        completions in proptest::collection::vec(0_u8..3, 1..12),
        marked in any::<bool>(),
    ) {
        let size = completions.len();
        // The codes are below 3, so that the anchor, 9, is none of them.
        let mut duplicate_of = vec![0; size];
        declare(&completions, 1, &mut duplicate_of);
        let (mut rewards, mut scores) = (vec![0.0; size], vec![0.0; size]);
        let mut hits = vec![false; size];
        let mut codes: Vec<usize> = completions.iter().map(|&code| usize::from(code)).collect();
        let mut columns = Columns {
            offsets: &[0, size],
            rewards: &mut rewards,
            structural_scores: &mut scores,
            old_log_probs: None,
            duplicate_of: Some(&mut duplicate_of),
            lengths: None,
            hit_threshold: None,
            hits: marked.then_some(&mut hits),
            first_codes: Some(&mut codes),
            draws: None,
        };
        let anchors = Anchors { first_codes: Some(&[9]), ..Anchors::default() };
        let (mut kept, mut advantages) = (vec![0; size], vec![0.0; size]);
        let mut plans = [GroupPlan::default()];
        Signal::recast()
            .plan_batch(&mut columns, anchors, &mut kept, &mut advantages, &mut plans)
            .expect("checked columns");
        prop_assert_eq!(plans[0].regime, Regime::AllZero);
        let slot = plans[0].repaired.expect("an all-zero group");
        let mut repaired = completions;
        repaired[slot] = 9;
        let mut declared = vec![0; size];
        declare(&repaired, 1, &mut declared);
        prop_assert_eq!(duplicate_of, declared);
        prop_assert_eq!(codes, repaired.iter().map(|&code| usize::from(code)).collect::<Vec<_>>());
        prop_assert_eq!(hits[slot], marked);
    }
}

#[test]
fn columns_and_anchors_that_do_not_fit_are_refused_and_left_alone() {
    let plan = |change: fn(&mut Columns<'_, f64>, &mut Anchors<'_, f64>)| {
        let (mut rewards, mut scores) = ([0.0; 3], [0.1, 0.0, 0.0]);
        let mut columns = Columns {
            offsets: &[0, 1, 3],
            rewards: &mut rewards,
            structural_scores: &mut scores,
            old_log_probs: None,
            duplicate_of: None,
            lengths: None,
            hit_threshold: None,
            hits: None,
            first_codes: None,
            draws: None,
        };
        let mut anchors = Anchors::default();
        change(&mut columns, &mut anchors);
        let (mut kept, mut advantages) = ([7; 3], [7.0; 3]);
        let mut plans = [GroupPlan::default(); 2];
        let refused = Signal::recast()
            .plan_batch(&mut columns, anchors, &mut kept, &mut advantages, &mut plans)
            .expect_err("a column that does not fit");
        assert_eq!((kept, advantages), ([7; 3], [7.0; 3]));
        assert_eq!((plans, rewards), ([GroupPlan::default(); 2], [0.0; 3]));
        refused
    };
    let count = |anchors, column| BatchError::AnchorCount { groups: 2, anchors, column };
    assert_eq!(plan(|_, anchors| anchors.legal = Some(&[true])), count(1, "marks"));
    assert_eq!(plan(|_, anchors| anchors.first_codes = Some(&[1; 3])), count(3, "first codes"));
    assert_eq!(
        plan(|_, anchors| anchors.evidence.anchor_log_probs = Some(&[])),
        count(0, "log-probs")
    );
    assert_eq!(plan(|_, anchors| anchors.first_codes = Some(&[1; 2])), BatchError::FirstCodesAlone);
    assert_eq!(
        plan(|_, anchors| anchors.evidence.all_zero_rate = Some(-0.1)),
        BatchError::AllZeroRate { value: -0.1 }
    );
    assert_eq!(
        plan(|_, anchors| anchors.evidence.all_zero_rate = Some(1.1)),
        BatchError::AllZeroRate { value: 1.1 }
    );
    assert!(matches!(
        plan(|_, anchors| anchors.evidence.anchor_log_probs = Some(&[-1.0, f64::NAN])),
        BatchError::AnchorLogProb { group: 1, value } if value.is_nan()
    ));
    assert_eq!(
        plan(|_, anchors| anchors.evidence.anchor_log_probs = Some(&[0.5, 0.0])),
        BatchError::AnchorLogProb { group: 0, value: 0.5 }
    );
    assert!(matches!(
        plan(|columns, _| columns.hit_threshold = Some(f64::NAN)),
        BatchError::HitThreshold(_)
    ));
    assert_eq!(
        plan(|columns, _| columns.draws = Some(&[1])),
        BatchError::DrawCount { groups: 2, draws: 1 }
    );
    let drawn = Recast { negative_choice: NegativeChoice::Uniform, ..Recast::default() };
    let (mut rewards, mut scores) = ([], []);
    let flat = Flat::of([].iter());
    let without = Signal::Recast(drawn).plan_batch(
        &mut columns(&flat, &mut rewards, &mut scores),
        Anchors::default(),
        &mut [],
        &mut [],
        &mut Vec::<GroupPlan>::new(),
    );
    assert_eq!(without, Err(BatchError::DrawCount { groups: 0, draws: 0 }));
    assert!(matches!(
        plan(|columns, _| columns.lengths = Some(&[1, 0, 1])),
        BatchError::Group { group: 1, .. }
    ));
}

#[test]
fn the_view_of_columns_is_that_of_a_batch() {
    let flat = Flat::of([].iter());
    let (mut rewards, mut scores) = ([], []);
    let columns = columns(&flat, &mut rewards, &mut scores);
    let expected = Batch::new(&[0], &[], &[], Some(&[]));
    assert_eq!(columns.batch(), expected);
}
