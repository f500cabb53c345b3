//! From codes to hits, scores, anchors and duplicates.

use proptest::prelude::*;
use recast_core::anchor::{AnchorTarget, anchor_target};
use recast_core::boundary::boundary_pair;
use recast_core::duplicate::{declare, redeclare};
use recast_core::reward::{PrefixCredit, hit, prefix_credit, structural_score};

use crate::groups::owned;

proptest! {
    #[test]
    fn the_anchor_is_one_of_the_targets(
        completions in proptest::collection::vec(0_u8..3, 6),
        targets in proptest::collection::vec(0_u8..3, 12),
        count in 0_usize..=4,
        draw in any::<u64>(),
    ) {
        let targets = &targets[..count * 3];
        for choice in [AnchorTarget::First, AnchorTarget::Closest, AnchorTarget::Uniform] {
            let credit = PrefixCredit::<f64>::decimal();
            let target = anchor_target(choice, &completions, targets, 3, credit, draw);
            prop_assert_eq!(target.is_some(), count > 0);
            prop_assert!(target.is_none_or(|target| target < count));
        }
    }

    // A repeated completion must not draw a pair away from the group without it.
    #[test]
    fn repeating_completions_leaves_the_pair_as_it_was(
        owned in owned(),
        copies in proptest::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let size = owned.rewards.len();
        let duplicate_of: Vec<_> =
            (0..size).chain(copies.iter().map(|copy| copy.index(size))).collect();
        let mut repeated = owned.permuted(&duplicate_of);
        // A copy's log-prob may differ by rounding, here upwards.
        repeated.old_log_probs[size..].iter_mut().for_each(|log_prob| *log_prob += 1e-9);
        let group = repeated.group().with_duplicates(&duplicate_of).unwrap();
        prop_assert_eq!(boundary_pair(group), boundary_pair(owned.group()));
    }

    #[test]
    fn a_hit_is_the_full_prefix_and_scores_one_alone(
        predicted in proptest::collection::vec(0_u8..3, 3),
        targets in proptest::collection::vec(0_u8..3, 9),
    ) {
        let score: f64 = structural_score(&predicted, &targets, 3, PrefixCredit::decimal());
        prop_assert_eq!(score == 1.0, hit(&predicted, &targets, 3));
        prop_assert!((0.0..=1.0).contains(&score));
        for target in targets.chunks(3) {
            prop_assert!(score >= prefix_credit(&predicted, target, PrefixCredit::decimal()));
        }
    }


    #[test]
    fn a_score_sees_neither_the_order_nor_the_repetition_of_sids(
        sids in proptest::collection::vec(proptest::collection::vec(0_u8..3, 3), 1..8),
        rotation in 0_usize..8,
        times in 1_usize..8,
        targets in proptest::collection::vec(0_u8..3, 6),
        single in any::<bool>(),
    ) {
        let plain = sids.concat();
        let mut rotated = sids.clone();
        rotated.rotate_left(rotation % sids.len());
        let repeated = rotated.concat().repeat(times);
        let table = [0.0, 0.1, 0.3, 0.7];
        let credits =
            [PrefixCredit::decimal(), PrefixCredit::new(&table).expect("credits that rise")];
        for credit in credits {
            let score = |completion: &[u8]| -> f64 {
                structural_score(completion, &targets, 3, credit)
            };
            prop_assert_eq!(score(&plain), score(&repeated));
        }
        if single {
            let credit = PrefixCredit::<f32>::decimal();
            let [a, b] = [&plain, &repeated].map(|completion| {
                structural_score(completion, &targets, 3, credit)
            });
            prop_assert_eq!(a, b);
        }
    }

    // The test makes the same claim in integers: a score is the mean credit, in thousandths of a
    // SID's.
    #[test]
    fn scores_compare_as_the_exact_means_do(
        completions in proptest::collection::vec(
            proptest::collection::vec(proptest::collection::vec(0_u8..3, 3), 1..12), 2),
        target in proptest::collection::vec(0_u8..3, 3),
    ) {
        let [(a, of_a), (b, of_b)] = [0, 1].map(|which| {
            let hundredths = completions[which].iter().map(|sid| {
                match sid.iter().zip(&target).take_while(|(a, b)| a == b).count() {
                    0 => 0_u64,
                    depth => 10_u64.pow(depth as u32 - 1),
                }
            });
            (hundredths.sum::<u64>(), completions[which].len() as u64)
        });
        let score = |which: usize| -> f64 {
            structural_score(&completions[which].concat(), &target, 3, PrefixCredit::decimal())
        };
        let (a, b) = (a * of_b, b * of_a);
        prop_assert_eq!(score(0).partial_cmp(&score(1)), a.partial_cmp(&b));
    }

    #[test]
    fn the_closest_target_has_the_largest_exact_sum_and_is_the_first_of_those(
        completions in proptest::collection::vec(0_u8..3, 24),
        targets in proptest::collection::vec(0_u8..3, 12),
    ) {
        let sum = |target: &[u8]| -> u64 {
            let depth = |sid: &[u8]| sid.iter().zip(target).take_while(|(a, b)| a == b).count();
            let depths = completions.chunks(3).map(depth).filter(|&depth| depth > 0);
            depths.map(|depth| 10_u64.pow(depth as u32 - 1)).sum()
        };
        let sums: Vec<_> = targets.chunks(3).map(sum).collect();
        let largest = sums.iter().max().expect("four targets");
        let first = sums.iter().position(|sum| sum == largest);
        let credit = PrefixCredit::<f32>::decimal();
        let choice = AnchorTarget::Closest;
        prop_assert_eq!(anchor_target(choice, &completions, &targets, 3, credit, 0), first);
    }

    #[test]
    fn duplicates_are_the_first_of_equal_completions(
        completions in proptest::collection::vec(proptest::collection::vec(0_u8..2, 2), 0..20),
        slot in any::<prop::sample::Index>(),
        anchor in proptest::collection::vec(0_u8..2, 2),
    ) {
        let first = |completions: &[Vec<u8>]| -> Vec<usize> {
            let first = |sid| completions.iter().position(|other| other == sid);
            completions.iter().map(|sid| first(sid).expect("itself")).collect()
        };
        let mut duplicate_of = vec![usize::MAX; completions.len()];
        declare(&completions.concat(), 2, &mut duplicate_of);
        prop_assert_eq!(&duplicate_of, &first(&completions));
        if !completions.is_empty() {
            let slot = slot.index(completions.len());
            let mut repaired = completions.clone();
            repaired[slot] = anchor;
            redeclare(&repaired.concat(), 2, slot, &mut duplicate_of);
            prop_assert_eq!(duplicate_of, first(&repaired));
        }
    }
}
