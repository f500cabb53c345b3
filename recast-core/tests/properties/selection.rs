//! Repair, contrast and every other selection.

use approx::assert_abs_diff_eq;
use half::{bf16, f16};
use proptest::prelude::*;
use recast_core::boundary::boundary_pair;
use recast_core::repair::{AllZeroRate, Evidence, repair_slot};
use recast_core::signal::{Recast, RepairPolicy};
use recast_core::{Group, Regime, Signal, Skip};

use crate::groups::{
    assert_selects_alike, owned, owned_and_order, select, signals, whole_group_signals,
};
use crate::tolerance::{BRAIN, HALF, ROUNDING, SINGLE};

proptest! {
    #[test]
    fn permuting_a_group_permutes_its_repair_slot((owned, order) in owned_and_order()) {
        let permuted = owned.permuted(&order);
        let slot = repair_slot(permuted.group()).map(|slot| order[slot]);
        prop_assert_eq!(slot, repair_slot(owned.group()));
    }

    #[test]
    fn permuting_a_group_permutes_its_boundary_pair((owned, order) in owned_and_order()) {
        let permuted = owned.permuted(&order);
        let pair = boundary_pair(permuted.group()).map(|p| (order[p.positive], order[p.negative]));
        prop_assert_eq!(pair, boundary_pair(owned.group()).map(|p| (p.positive, p.negative)));
    }

    // ReRe is left out: its reward is a function of the rank, so a permutation is another input.
    #[test]
    fn permuting_a_group_permutes_its_selection((owned, order) in owned_and_order()) {
        let permuted = owned.permuted(&order);
        for signal in signals() {
            if matches!(signal, Signal::Rere { .. }) {
                continue;
            }
            let back = select(signal, permuted.group()).map(|mut selection| {
                for (slot, _) in &mut selection {
                    *slot = order[*slot];
                }
                selection.sort_by_key(|&(slot, _)| slot);
                selection
            });
            match (back, select(signal, owned.group())) {
                (Ok(back), Ok(expected)) => {
                    prop_assert_eq!(back.len(), expected.len());
                    for (back, expected) in back.into_iter().zip(expected) {
                        prop_assert_eq!(back.0, expected.0);
                        assert_abs_diff_eq!(back.1, expected.1, epsilon = ROUNDING);
                    }
                }
                (back, expected) => prop_assert_eq!(back, expected),
            }
        }
    }

    #[test]
    fn scaling_structural_scores_changes_nothing(owned in owned(), factor in 1e-3..1e3_f64) {
        let mut scaled = owned.clone();
        scaled.scores.iter_mut().for_each(|score| *score *= factor);
        prop_assert_eq!(repair_slot(scaled.group()), repair_slot(owned.group()));
        for signal in signals() {
            prop_assert_eq!(select(signal, scaled.group()), select(signal, owned.group()));
        }
    }

    #[test]
    fn without_log_probs_generation_order_stands_in(owned in owned()) {
        let mut sorted = owned.clone();
        sorted.old_log_probs.sort_by(|a, b| b.total_cmp(a));
        let unknown = Group::new(&owned.rewards, &owned.scores, None).unwrap();
        prop_assert_eq!(repair_slot(unknown), repair_slot(sorted.group()));
        prop_assert_eq!(boundary_pair(unknown), boundary_pair(sorted.group()));
    }

    #[test]
    fn repair_touches_exactly_the_all_zero_groups(owned in owned()) {
        let all_zero = owned.group().regime() == Regime::AllZero;
        prop_assert_eq!(repair_slot(owned.group()).is_some(), all_zero);
        for signal in signals() {
            let slot = signal.repair(owned.group());
            match signal {
                Signal::Recast(Recast { repair, .. }) | Signal::Dpo { repair, .. } => {
                    let repairs = all_zero && repair != RepairPolicy::Never;
                    prop_assert_eq!(slot.is_some(), repairs);
                }
                Signal::Gcpo { .. } | Signal::Grpo { add_gt: true, .. } => {
                    prop_assert_eq!(slot.is_some(), all_zero);
                }
                Signal::Rere { add_gt: true, .. } | Signal::Luffy { .. } | Signal::Supervised => {
                    prop_assert_eq!(slot, Some(owned.rewards.len() - 1));
                }
                _ => prop_assert_eq!(slot, None),
            }
        }
    }

    // Evidence beside the group holds repairs back and never makes one.
    #[test]
    fn evidence_only_ever_holds_a_repair_back(
        owned in owned(),
        rate in 0.0..=1.0_f64,
        anchor_log_prob in -20.0..=0.0_f64,
    ) {
        let evidence =
            Evidence { all_zero_rate: Some(rate), anchor_log_prob: Some(anchor_log_prob) };
        for signal in signals() {
            let free = signal.repair(owned.group());
            let held = signal.repair_given(owned.group(), evidence);
            prop_assert!(held == free || held.is_none());
            if let Signal::Recast(Recast { repair, .. }) = signal {
                prop_assert_eq!(held, free.filter(|_| repair.repairs(evidence)));
            }
        }
    }

    #[test]
    fn the_all_zero_rate_is_a_share_that_does_not_see_the_decay_of_equal_regimes(
        regimes in proptest::collection::vec(any::<bool>(), 1..64),
        decay in 0.0..0.999_f64,
    ) {
        let mut average = AllZeroRate::new(decay).expect("within the range above");
        for &all_zero in &regimes {
            average.observe(if all_zero { Regime::AllZero } else { Regime::SingleHit });
            let rate = average.rate().expect("something was observed");
            prop_assert!((0.0..=1.0).contains(&rate));
        }
        let rate = average.rate().expect("something was observed");
        if regimes.iter().all(|&all_zero| all_zero) {
            assert_abs_diff_eq!(rate, 1.0, epsilon = ROUNDING);
        }
        if !regimes.contains(&true) {
            prop_assert_eq!(rate, 0.0);
        }
    }

    #[test]
    fn repair_takes_no_slot_that_scores_above_another(owned in owned()) {
        if let Some(slot) = repair_slot(owned.group()) {
            prop_assert!(owned.scores.iter().all(|&score| score >= owned.scores[slot]));
        }
    }

    #[test]
    fn a_pair_exists_if_and_only_if_the_group_is_mixed(owned in owned()) {
        prop_assert_eq!(boundary_pair(owned.group()).is_some(), owned.is_mixed());
        let repaired = owned.repaired(repair_slot(owned.group()));
        prop_assert_eq!(boundary_pair(repaired.group()).is_some(), repaired.is_mixed());
        prop_assert_eq!(select(Signal::recast(), repaired.group()).is_ok(), repaired.is_mixed());
    }

    #[test]
    fn only_an_all_hit_group_is_skipped_after_repair(owned in owned()) {
        let repaired = owned.repaired(Signal::recast().repair(owned.group()));
        let outcome = select(Signal::recast(), repaired.group());
        let all_hit = repaired.group().regime() == Regime::AllHit;
        prop_assert_eq!(outcome.err(), all_hit.then_some(Skip::NoNegative));
    }

    #[test]
    fn a_selection_is_an_ascending_subset_with_finite_advantages(owned in owned()) {
        for signal in signals() {
            if let Ok(selection) = select(signal, owned.group()) {
                prop_assert!(!selection.is_empty());
                prop_assert!(selection.iter().all(|&(slot, _)| slot < owned.rewards.len()));
                prop_assert!(selection.windows(2).all(|pair| pair[0].0 < pair[1].0));
                prop_assert!(selection.iter().all(|(_, advantage)| advantage.is_finite()));
            }
        }
    }

    #[test]
    fn dapo_and_dpo_train_exactly_the_mixed_groups(owned in owned()) {
        for signal in [Signal::dapo(), Signal::dpo(), Signal::s_dpo(3)] {
            prop_assert_eq!(select(signal, owned.group()).is_ok(), owned.is_mixed());
        }
    }

    #[test]
    fn dpo_prefers_the_boundary_pair(owned in owned()) {
        let pair = select(Signal::recast(), owned.group());
        prop_assert_eq!(select(Signal::dpo(), owned.group()), pair);
    }

    #[test]
    fn s_dpo_leaves_out_no_harder_negative_than_it_keeps(owned in owned(), most in 1_usize..20) {
        if let Ok(selection) = select(Signal::s_dpo(most), owned.group()) {
            let negatives: Vec<_> = (0..owned.rewards.len())
                .filter(|&slot| owned.rewards[slot] == 0.0)
                .collect();
            let kept: Vec<_> = selection.iter().filter(|kept| kept.1 < 0.0).map(|k| k.0).collect();
            prop_assert_eq!(kept.len(), most.min(negatives.len()));
            prop_assert_eq!(selection.len(), kept.len() + 1);
            let hardness = |slot: usize| (owned.scores[slot], owned.old_log_probs[slot]);
            for left_out in negatives.iter().filter(|slot| !kept.contains(slot)) {
                prop_assert!(kept.iter().all(|&slot| hardness(slot) > hardness(*left_out)));
            }
        }
    }

    #[test]
    fn pass_at_k_trains_exactly_the_groups_with_one_best_response(owned in owned()) {
        let trained = select(Signal::PassAtK, owned.group());
        let hits = owned.group().hits();
        prop_assert_eq!(trained.is_ok(), hits == 1);
        if let Ok(selection) = trained {
            prop_assert_eq!(selection.len(), 1);
            prop_assert_eq!(owned.rewards[selection[0].0], 1.0);
        }
    }

    #[test]
    fn a_positive_alone_changes_all_hit_groups_only(owned in owned()) {
        let alone = Signal::Recast(Recast { positive_only: true, ..Recast::default() });
        let with = select(alone, owned.group());
        if owned.group().regime() == Regime::AllHit {
            let selection = with.expect("the strongest positive is kept");
            prop_assert_eq!(selection.len(), 1);
            prop_assert_eq!(selection[0].1, 1.0);
        } else {
            prop_assert_eq!(with, select(Signal::recast(), owned.group()));
        }
    }

    #[test]
    fn a_boundary_selection_is_two_opposite_advantages(owned in owned(), weight in 1e-3..1e3_f64) {
        let signal = Signal::Recast(Recast { weight, ..Recast::default() });
        if let Ok(selection) = select(signal, owned.group()) {
            prop_assert_eq!(selection.len(), 2);
            prop_assert_eq!(selection[0].1 + selection[1].1, 0.0);
            for (slot, advantage) in selection {
                let expected = if owned.rewards[slot] > 0.0 { weight } else { -weight };
                prop_assert_eq!(advantage, expected);
            }
        }
    }

    #[test]
    fn whole_group_signals_keep_every_completion(owned in owned()) {
        for signal in whole_group_signals() {
            let kept = select(signal, owned.group()).map(|selection| selection.len());
            prop_assert_eq!(kept, Ok(owned.rewards.len()));
        }
    }

    #[test]
    fn group_advantages_sum_to_zero(owned in owned()) {
        // A group of one has mean 0 by definition.
        if owned.rewards.len() == 1 {
            return Ok(());
        }
        for signal in whole_group_signals() {
            // The virtual hit of NGRPO takes its share of the sum.
            if matches!(signal, Signal::Ngrpo { .. }) {
                continue;
            }
            let total: f64 = select(signal, owned.group()).unwrap().iter().map(|(_, a)| a).sum();
            assert_abs_diff_eq!(total, 0.0, epsilon = ROUNDING);
        }
    }

    #[test]
    fn half_precision_selects_alike(owned in owned()) {
        assert_selects_alike::<f16>(&owned, HALF);
        assert_selects_alike::<bf16>(&owned, BRAIN);
    }

    #[test]
    fn single_precision_selects_alike(owned in owned()) {
        assert_selects_alike::<f32>(&owned, SINGLE);
    }

    #[test]
    fn a_number_that_is_not_finite_is_refused_in_every_column(
        owned in owned(),
        place in any::<prop::sample::Index>(),
        bad in prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
    ) {
        let index = place.index(owned.rewards.len());
        for column in 0..3 {
            let mut owned = owned.clone();
            [&mut owned.rewards, &mut owned.scores, &mut owned.old_log_probs][column][index] = bad;
            let refused = Group::new(&owned.rewards, &owned.scores, Some(&owned.old_log_probs));
            prop_assert!(refused.is_err());
        }
    }


    #[test]
    fn binary_rewards_see_no_threshold_between_a_miss_and_a_hit(
        owned in owned(),
        threshold in 1e-6..=1.0_f64,
    ) {
        let stated = owned.group().with_hit_threshold(threshold).expect("a finite threshold");
        let hits: Vec<_> = owned.rewards.iter().map(|&reward| reward == 1.0).collect();
        let marked = owned.group().with_hits(&hits).expect("one mark for each completion");
        for signal in signals() {
            for group in [stated, marked] {
                prop_assert_eq!(signal.repair(group), signal.repair(owned.group()));
                prop_assert_eq!(select(signal, group), select(signal, owned.group()));
            }
        }
    }

    #[test]
    fn equal_lengths_are_no_lengths(owned in owned(), length in 1_usize..100) {
        let lengths = vec![length; owned.rewards.len()];
        let group = owned.group().with_lengths(&lengths).expect("one length for each completion");
        for signal in signals() {
            match (select(signal, group), select(signal, owned.group())) {
                (Ok(with), Ok(without)) => {
                    for (with, without) in with.into_iter().zip(without) {
                        prop_assert_eq!(with.0, without.0);
                        assert_abs_diff_eq!(with.1, without.1, epsilon = ROUNDING);
                    }
                }
                (with, without) => prop_assert_eq!(with, without),
            }
        }
    }

    #[test]
    fn an_average_goes_on_from_its_parts(
        regimes in proptest::collection::vec(any::<bool>(), 0..64),
        decay in 0.0..0.9999_f64,
    ) {
        let mut average = AllZeroRate::new(decay).expect("within the range above");
        let mut resumed = average;
        for all_zero in regimes {
            let regime = if all_zero { Regime::AllZero } else { Regime::SingleHit };
            resumed = AllZeroRate::from_parts(resumed.parts()).expect("sums that observations leave");
            average.observe(regime);
            resumed.observe(regime);
            prop_assert_eq!(average, resumed);
        }
    }
}
