//! Every call with any numbers.

use proptest::prelude::*;
use recast_core::batch::{Anchors, Columns, GroupPlan};

use super::*;

/// Numbers that break careless code.
fn hostile() -> impl Strategy<Value = f32> {
    let few = [0.0, 1.0, 0.5, -1.0, f32::NAN, f32::INFINITY, f32::MAX, 1e-38, 1e38];
    prop_oneof![prop::sample::select(few.to_vec()).boxed(), any::<f32>().boxed()]
}

fn option() -> impl Strategy<Value = u32> {
    prop_oneof![8 => 0_u32..4, 1 => any::<u32>()]
}

/// A signal whose every field is anything.
fn any_signal() -> impl Strategy<Value = RecastSignal> {
    let options = proptest::collection::vec(option(), 11);
    let numbers = proptest::collection::vec(hostile(), 12);
    (prop_oneof![8 => 0_u32..19, 1 => any::<u32>()], options, numbers, 0..20_u64).prop_map(
        |(kind, options, numbers, reserved)| RecastSignal {
            kind,
            repair: options[0],
            boundary: options[1],
            normaliser: options[2],
            negative_choice: options[3],
            negative: options[4],
            positive_only: options[5],
            anchor_target: options[6],
            anchor_ratio: options[7],
            scale: options[8],
            add_gt: options[9],
            negatives: options[10],
            epsilon: numbers[0],
            weight: numbers[1],
            negative_weight: numbers[2],
            negative_margin: numbers[3],
            threshold: numbers[4],
            tau: numbers[5],
            gamma: numbers[6],
            anchor_weight: numbers[7],
            alpha: numbers[8],
            beta: numbers[9],
            temperature_positive: numbers[10],
            temperature_negative: numbers[11],
            reserved: [u64::from(reserved == 19), 0, 0, 0, 0, 0],
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    // The batch may be good or bad; where core takes the numbers, the plan is core's.
    #[test]
    fn a_plan_with_any_numbers_is_that_of_core_or_refused(
        offsets in prop_oneof![
            3 => proptest::collection::vec(1_usize..4, 0..4).prop_map(|sizes| {
                sizes.iter().fold(vec![0], |mut offsets, size| {
                    offsets.push(offsets[offsets.len() - 1] + size);
                    offsets
                })
            }),
            1 => proptest::collection::vec(0_usize..10, 1..5),
        ],
        numbers in proptest::collection::vec(
            prop_oneof![20 => prop::sample::select(vec![0.0_f32, 1.0, 0.1]), 1 => any::<f32>()], 40),
        indices in proptest::collection::vec(0_usize..3, 40),
        bytes in proptest::collection::vec(prop_oneof![30 => 0_u8..2, 1 => any::<u8>()], 20),
        draws in proptest::collection::vec(any::<u64>(), 5),
        given in any::<u16>(),
        made in any_signal(),
    ) {
        let has = |bit: u16| given >> bit & 1 == 1;
        let groups = offsets.len() - 1;
        let (mut rewards, mut scores) = (numbers[..10].to_vec(), numbers[10..20].to_vec());
        let mut duplicate_of: Vec<usize> = if has(0) { indices[..10].to_vec() } else { vec![0; 10] };
        let mut codes = indices[20..30].to_vec();
        let mut hits = bytes[..10].to_vec();
        let mut columns = batch(&offsets, &mut rewards, &mut scores);
        if has(1) { columns.old_log_probs = numbers[20..].as_ptr(); }
        if has(2) { columns.duplicate_of = duplicate_of.as_mut_ptr(); }
        if has(3) { columns.lengths = indices[10..].as_ptr(); }
        if has(4) { columns.hits = hits.as_mut_ptr(); }
        if has(5) { columns.hit_threshold = numbers[30..].as_ptr(); }
        if has(6) { columns.first_codes = codes.as_mut_ptr(); }
        if has(7) { columns.draws = draws.as_ptr(); }
        if has(8) { columns.can_repair = bytes[10..].as_ptr(); }
        if has(9) { columns.anchor_first_codes = indices[30..].as_ptr(); }
        if has(10) { columns.anchor_log_probs = numbers[31..].as_ptr(); }
        if has(11) { columns.all_zero_rate = numbers[36..].as_ptr(); }
        let (status, kept, advantages, outcomes, error) = plan(&made, &columns, 10);

        let rows = *offsets.last().expect("one at least");
        let rising = offsets[0] == 0 && offsets.is_sorted();
        let marks: Vec<bool> = bytes.iter().map(|&byte| byte == 1).collect();
        let bad_mark = has(4) && hits[..rows].iter().any(|&byte| byte > 1)
            || has(8) && bytes[10..10 + groups].iter().any(|&byte| byte > 1);
        let expected = made.signal(&Sink::default()).filter(|_| rising && !bad_mark).and_then(|signal| {
            let (mut rewards, mut scores) = (numbers[..rows].to_vec(), numbers[10..10 + rows].to_vec());
            let mut duplicate_of = if has(0) { indices[..rows].to_vec() } else { vec![0; rows] };
            let (mut hits, mut codes) = (marks[..rows].to_vec(), indices[20..20 + rows].to_vec());
            let mut columns = Columns {
                offsets: &offsets,
                rewards: &mut rewards,
                structural_scores: &mut scores,
                old_log_probs: has(1).then_some(&numbers[20..20 + rows]),
                duplicate_of: has(2).then_some(&mut duplicate_of),
                lengths: has(3).then_some(&indices[10..10 + rows]),
                hit_threshold: has(5).then_some(numbers[30]),
                hits: has(4).then_some(&mut hits),
                first_codes: has(6).then_some(&mut codes),
                draws: has(7).then_some(&draws[..groups]),
            };
            let mut anchors = Anchors {
                legal: has(8).then_some(&marks[10..10 + groups]),
                first_codes: has(9).then_some(&indices[30..30 + groups]),
                ..Anchors::default()
            };
            anchors.evidence.anchor_log_probs = has(10).then_some(&numbers[31..31 + groups]);
            anchors.evidence.all_zero_rate = has(11).then_some(numbers[36]);
            let (mut kept, mut advantages) = (vec![0; rows], vec![0.0; rows]);
            let mut plans = vec![GroupPlan::default(); groups];
            signal
                .plan_batch(&mut columns, anchors, &mut kept, &mut advantages, &mut plans)
                .ok()
                .map(|()| (kept, advantages, plans, rewards, hits, codes))
        });
        prop_assert_eq!(status == RecastStatus::Ok, expected.is_some(), "{}", words(&error));
        match expected {
            None => {
                prop_assert_eq!(error.status, status);
                prop_assert!(!words(&error).is_empty());
            }
            Some((of_core, values, plans, repaired, marks, first_codes)) => {
                let plans: Vec<_> = plans.into_iter().map(RecastOutcome::from).collect();
                prop_assert_eq!(outcomes, plans);
                prop_assert_eq!(&kept[..rows], &of_core[..]);
                let bits = |values: &[f32]| values.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
                prop_assert_eq!(bits(&advantages[..rows]), bits(&values));
                prop_assert_eq!(bits(&rewards[..rows]), bits(&repaired));
                if has(4) {
                    prop_assert!(hits[..rows].iter().zip(marks).all(|(&a, b)| (a == 1) == b));
                }
                if has(6) { prop_assert_eq!(&codes[..rows], &first_codes[..]); }
            }
        }
    }

    #[test]
    fn codes_and_losses_with_any_numbers_are_computed_or_refused(
        offsets in proptest::collection::vec(0_usize..6, 1..4),
        others in proptest::collection::vec(0_usize..6, 4),
        sid_offsets in proptest::collection::vec(0_usize..6, 7),
        codes in proptest::collection::vec(0_u32..3, 64),
        levels in 0_usize..5,
        credit in proptest::option::of(proptest::collection::vec(hostile(), 6)),
        numbers in proptest::collection::vec(hostile(), 64),
        options in proptest::collection::vec(option(), 4),
        given in any::<u8>(),
        anchor in prop_oneof![Just(usize::MAX), 0_usize..4],
        made in any_signal(),
    ) {
        let has = |bit: u8| given >> bit & 1 == 1;
        let groups = offsets.len() - 1;
        let mut of = offsets.clone();
        let mut target_offsets = others[..=groups].to_vec();
        let mut sids = sid_offsets.clone();
        if has(0) {
            (of[0], target_offsets[0], sids[0]) = (0, 0, 0);
            of.sort_unstable();
            target_offsets.sort_unstable();
            sids.sort_unstable();
        }
        let columns = RecastCodesU32 {
            groups,
            levels,
            offsets: of.as_ptr(),
            sid_offsets: if has(1) { sids.as_ptr() } else { null() },
            codes: codes.as_ptr(),
            target_offsets: target_offsets.as_ptr(),
            targets: codes.as_ptr(),
        };
        let table = credit.as_ref().map_or(null(), Vec::as_ptr);
        let (mut rewards, mut scores, mut places) = ([0.0; 8], [0.0; 8], [0_usize; 8]);
        let draws = [1_u64 << 63; 4];
        let numbers_of = RecastObjective {
            ratio_bound: options[0],
            kl_estimator: options[1],
            kl_times_ratio: options[2],
            reserved: u32::from(options[3] == 3),
            clip_low: numbers[0],
            clip_high: numbers[1],
            bound: numbers[2],
            log_ratio_limit: numbers[3],
            kl_coef: numbers[4],
            kl_value_limit: numbers[5],
        };
        let tokens = RecastGroupTokensF32 {
            kept: groups,
            offsets: of.as_ptr(),
            policy: numbers[8..].as_ptr(),
            old: numbers[16..].as_ptr(),
            reference: numbers[24..].as_ptr(),
            advantages: numbers[32..].as_ptr(),
            anchor,
            divisor: usize::from(has(2)),
        };
        let (mut value, mut gradients) = (0.0, [0.0; 8]);
        let mut error = nothing();
        // SAFETY: offsets are below 6 and levels below 5, so that every array is long enough.
        let statuses = unsafe {
            let (columns, made) = (&raw const columns, &raw const made);
            let (numbers_of, tokens) = (&raw const numbers_of, &raw const tokens);
            let (r, s, p) = (rewards.as_mut_ptr(), scores.as_mut_ptr(), places.as_mut_ptr());
            let draws = if has(3) { draws.as_ptr() } else { null() };
            let at = |place: usize| numbers[place..].as_ptr();
            let (v, g, e) = (&raw mut value, gradients.as_mut_ptr(), &raw mut error);
            [
                recast_score_u32_f32(columns, table, r, s, e),
                recast_duplicates_u32(columns, p, e),
                recast_anchor_targets_u32(made, columns, table, draws, p, e),
                recast_group_loss_f32(made, numbers_of, tokens, v, g, e),
                recast_token_loss_f32(numbers_of, 6, at(8), at(16), at(24), at(32), r, g, e),
                recast_signal_check(made, e),
            ]
        };
        if statuses.iter().all(|&status| status == RecastStatus::Ok) {
            prop_assert_eq!(error.status, RecastStatus::Ok);
        } else {
            prop_assert!(statuses.contains(&error.status) && !words(&error).is_empty());
        }
        prop_assert!(has(0) || statuses[0] != RecastStatus::Ok || of.is_sorted() && of[0] == 0);
        prop_assert!(levels > 0 || statuses[0] != RecastStatus::Ok);
    }

    #[test]
    fn a_damaged_trie_leads_nowhere(
        first_child in proptest::collection::vec(prop_oneof![0_u32..8, any::<u32>()], 9),
        tokens in proptest::collection::vec(0_u32..4, 8),
        nodes in 0_usize..=8,
        node in prop_oneof![0_u32..10, any::<u32>()],
        token in 0_u32..4,
    ) {
        let trie = RecastTrieU32 {
            nodes,
            first_child: first_child.as_ptr(),
            tokens: tokens.as_ptr(),
        };
        let (mut first, mut count, mut child) = (0, 0, 0);
        // SAFETY: the arrays hold as many nodes.
        unsafe {
            let trie = &raw const trie;
            let status = recast_trie_children_u32(trie, node, &raw mut first, &raw mut count, null_mut());
            prop_assert_eq!(status == RecastStatus::Ok, nodes > 0);
            prop_assert!(first as usize + count as usize <= nodes);
            let found = recast_trie_step_u32(trie, node, token, &raw mut child, null_mut());
            prop_assert!(found != RecastStatus::Ok || (child as usize) < nodes);
            recast_trie_check_u32(trie, null_mut());
        }
    }
}
