//! Groups laid out flat, and the scale of a whole step.

use approx::assert_abs_diff_eq;
use proptest::prelude::*;
use recast_core::Signal;
use recast_core::advantage::{dr_grpo, grpo};
use recast_core::batch::{BatchError, BatchEvidence, BatchOutcome};
use recast_core::signal::RewardScale;

use crate::groups::{Flat, owned, rewards, signals, written};
use crate::tolerance::ROUNDING;

proptest! {
    #[test]
    fn a_batch_is_its_groups(groups in proptest::collection::vec(owned(), 0..12)) {
        let flat = Flat::of(groups.iter());
        let batch = flat.batch().expect("every group is checked");
        prop_assert_eq!(batch.len(), groups.len());
        for signal in signals() {
            // These signals see the whole batch.
            let of_batches = [Signal::reinforce_plus_plus(), Signal::grpo_by_batch()];
            if of_batches.contains(&signal) {
                continue;
            }
            let mut slots = vec![None; batch.len()];
            signal.repair_batch(batch, BatchEvidence::default(), &mut slots);
            let mut kept = vec![usize::MAX; batch.completions()];
            let mut advantages = vec![f64::NAN; batch.completions()];
            let mut outcomes = vec![BatchOutcome::default(); batch.len()];
            signal.select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
            let written = batch.outcomes(&kept, &advantages, &outcomes);
            for ((owned, slot), outcome) in groups.iter().zip(slots).zip(written) {
                prop_assert_eq!(slot, signal.repair(owned.group()));
                let size = owned.rewards.len();
                let (mut kept, mut advantages) = (vec![0; size], vec![0.0; size]);
                prop_assert_eq!(outcome, signal.select(owned.group(), &mut kept, &mut advantages));
            }
        }
    }

    #[cfg(feature = "rayon")]
    #[test]
    fn a_batch_in_parallel_gives_the_same_bits(
        groups in proptest::collection::vec(owned(), 0..12),
        repeats in 1_usize..200,
    ) {
        // Some batches are large enough to be split.
        let repeated: Vec<_> = groups.iter().cycle().take(groups.len() * repeats).collect();
        let flat = Flat::of(repeated.into_iter());
        let batch = flat.batch().expect("every group is checked");
        for signal in [Signal::recast(), Signal::grpo(), Signal::s_dpo(2)] {
            let [one, many] = [false, true].map(|parallel| {
                let mut slots = vec![None; batch.len()];
                let mut kept = vec![usize::MAX; batch.completions()];
                let mut advantages = vec![0.0; batch.completions()];
                let mut outcomes = vec![BatchOutcome::default(); batch.len()];
                let evidence = BatchEvidence::default();
                if parallel {
                    signal.par_repair_batch(batch, evidence, &mut slots);
                    signal.par_select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
                } else {
                    signal.repair_batch(batch, evidence, &mut slots);
                    signal.select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
                }
                (slots, kept, advantages, outcomes)
            });
            prop_assert_eq!(one, many);
        }
    }

    #[test]
    fn a_batch_refuses_a_number_that_is_not_finite_and_names_its_group(
        groups in proptest::collection::vec(owned(), 1..6),
        place in any::<prop::sample::Index>(),
        bad in prop::sample::select(vec![f64::NAN, f64::INFINITY, f64::NEG_INFINITY]),
    ) {
        let plain = Flat::of(groups.iter());
        let index = place.index(plain.rewards.len());
        let expected = plain.offsets.iter().rposition(|&start| start <= index).expect("0 is first");
        for column in 0..3 {
            let mut flat = plain.clone();
            [&mut flat.rewards, &mut flat.scores, &mut flat.old_log_probs][column][index] = bad;
            let refused = flat.batch().map(|batch| batch.len());
            let named = matches!(
                refused, Err(BatchError::Group { group, .. }) if group == expected
            );
            prop_assert!(named);
        }
    }


    #[test]
    fn reinforce_plus_plus_has_mean_zero_and_variance_one_over_tokens(
        groups in proptest::collection::vec((rewards(2), 1_usize..6), 2..8),
    ) {
        let signal = Signal::ReinforcePlusPlus { epsilon: 0.0 };
        let mut scale = signal.batch_scale();
        let mut step = Vec::new();
        for (rewards, tokens) in &groups {
            let mut advantages = written(&dr_grpo, rewards);
            let lengths: Vec<_> = (0..rewards.len()).map(|slot| tokens + slot % 3).collect();
            scale.observe(rewards, &advantages, &lengths);
            step.push((std::mem::take(&mut advantages), lengths));
        }
        for (advantages, _) in &mut step {
            scale.apply(advantages);
        }
        let by_token: Vec<f64> = step
            .iter()
            .flat_map(|(advantages, lengths)| advantages.iter().zip(lengths))
            .flat_map(|(&advantage, &tokens)| std::iter::repeat_n(advantage, tokens))
            .collect();
        let count = by_token.len() as f64;
        let mean = by_token.iter().sum::<f64>() / count;
        let squares: f64 = by_token.iter().map(|a| (a - mean) * (a - mean)).sum();
        assert_abs_diff_eq!(mean, 0.0, epsilon = ROUNDING);
        // A batch of groups with equal rewards has no variance.
        if by_token.iter().any(|&advantage| advantage != 0.0) {
            assert_abs_diff_eq!(squares / (count - 1.0), 1.0, epsilon = ROUNDING);
        }
    }

    #[test]
    fn grpo_by_batch_is_grpo_where_the_batch_is_one_group(rewards in rewards(1)) {
        let signal = Signal::Grpo { epsilon: 1e-6, scale: RewardScale::Batch, add_gt: false };
        let mut advantages = written(&dr_grpo, &rewards);
        let mut scale = signal.batch_scale();
        scale.observe(&rewards, &advantages, &vec![3; rewards.len()]);
        scale.apply(&mut advantages);
        let expected = written(&|rewards, out| grpo(rewards, 1e-6, out), &rewards);
        for (advantage, expected) in advantages.into_iter().zip(expected) {
            assert_abs_diff_eq!(advantage, expected, epsilon = ROUNDING);
        }
    }

    #[test]
    fn the_order_of_groups_is_not_seen_by_a_batch_scale(
        groups in proptest::collection::vec(rewards(1), 1..8),
    ) {
        for signal in [Signal::grpo_by_batch(), Signal::reinforce_plus_plus()] {
            let [forth, back] = [false, true].map(|reversed| {
                let mut scale = signal.batch_scale();
                let mut order: Vec<_> = groups.iter().collect();
                if reversed {
                    order.reverse();
                }
                for rewards in order {
                    let advantages = written(&dr_grpo, rewards);
                    scale.observe(rewards, &advantages, &vec![3; rewards.len()]);
                }
                let mut advantages = written(&dr_grpo, &groups[0]);
                scale.apply(&mut advantages);
                advantages
            });
            for (forth, back) in forth.into_iter().zip(back) {
                assert_abs_diff_eq!(forth, back, epsilon = ROUNDING * forth.abs().max(1.0));
            }
        }
    }
}
