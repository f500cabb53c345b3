//! Each call beside core.

use core::fmt::Write;

use recast_core::Signal;
use recast_core::objective::Objective;

use super::*;
use crate::fault::Cut;

#[test]
fn every_kind_has_the_numbers_of_core() {
    for (kind, expected) in (0..).zip(Signal::all()) {
        assert_eq!(signal(kind).signal(&Sink::default()), Some(expected));
    }
    let mut error = nothing();
    // SAFETY: the kind is refused before the pointer is read.
    let status = unsafe { recast_signal_init(19, null_mut(), &raw mut error) };
    assert_eq!((status, error.status, error.value), (RecastStatus::Signal, status, 19.0));
    assert_eq!(words(&error), "kind 19 of the signal is no option");
}

#[test]
fn the_objective_is_that_of_core() {
    assert_eq!(objective().objective(&Sink::default()), Some(Objective::default()));
}

#[test]
fn a_fault_says_where_and_why_and_writes_nothing() {
    let (offsets, mut rewards, mut scores) = ([0, 1, 3], [0.0, f32::NAN, 0.0], [0.0; 3]);
    let columns = batch(&offsets, &mut rewards, &mut scores);
    let (status, .., error) = plan(&signal(RECAST_SIGNAL_RECAST), &columns, 3);
    assert_eq!(status, RecastStatus::NotFinite);
    assert_eq!((error.status, error.group, error.index), (status, 1, 0));
    assert!(error.value.is_nan());
    assert_eq!(words(&error), "group 1: reward NaN of completion 0 is not finite");
    assert_eq!((rewards[0], scores), (0.0, [0.0; 3]));
}

#[test]
fn a_large_number_leaves_room_for_the_reason() {
    let mut changed = signal(RECAST_SIGNAL_GRPO);
    changed.epsilon = f32::MIN;
    let mut error = nothing();
    // SAFETY: one signal, one error.
    let status = unsafe { recast_signal_check(&raw const changed, &raw mut error) };
    assert_eq!((status, error.value), (RecastStatus::Signal, f64::from(f32::MIN)));
    assert_eq!(words(&error), "epsilon -3.40282347e38 is not finite and at least 0");
}

#[test]
fn a_long_message_is_cut_and_ended() {
    let mut bytes = [9; 8];
    let mut cut = Cut::new(&mut bytes);
    assert!(write!(cut, "group {}: ", 12).is_ok() && write!(cut, "more").is_ok());
    assert_eq!(bytes.map(|byte| byte as u8), *b"group 1\0");
}

#[test]
fn pointers_that_are_null_or_not_aligned_are_refused() {
    let (offsets, mut rewards, mut scores) = ([0, 2], [0.0; 2], [0.0; 2]);
    let good = batch(&offsets, &mut rewards, &mut scores);
    let recast = signal(RECAST_SIGNAL_RECAST);
    let odd = null_mut::<f32>().wrapping_byte_add(1);
    for bad in [
        RecastBatchF32 { rewards: null_mut(), ..good },
        RecastBatchF32 { scores: odd, ..good },
        RecastBatchF32 { offsets: null(), ..good },
        RecastBatchF32 { old_log_probs: odd, ..good },
        RecastBatchF32 { draws: null::<u64>().wrapping_byte_add(4), ..good },
    ] {
        let (status, .., error) = plan(&recast, &bad, 2);
        assert_eq!(status, RecastStatus::Pointer);
        assert!(words(&error).ends_with(" is null or not aligned"), "{}", words(&error));
    }
    // SAFETY: null pointers are refused.
    unsafe {
        let outputs = (null_mut(), null_mut(), null_mut());
        let status = recast_plan_f32(null(), null(), outputs.0, outputs.1, outputs.2, null_mut());
        assert_eq!(status, RecastStatus::Pointer);
        let status = recast_plan_f32(
            &raw const recast,
            &raw const good,
            outputs.0,
            outputs.1,
            outputs.2,
            null_mut(),
        );
        assert_eq!(status, RecastStatus::Pointer);
        assert_eq!(recast_signal_check(null(), null_mut()), RecastStatus::Pointer);
        assert_eq!(recast_trie_check_u32(null(), null_mut()), RecastStatus::Pointer);
    }
}

#[test]
fn counts_that_memory_cannot_hold_are_refused() {
    let (offsets, mut rewards, mut scores) = ([0, usize::MAX], [0.0; 2], [0.0; 2]);
    let columns = batch(&offsets, &mut rewards, &mut scores);
    let (status, ..) = plan(&signal(RECAST_SIGNAL_RECAST), &columns, 0);
    assert_eq!(status, RecastStatus::Size);
    let endless = RecastBatchF32 { groups: usize::MAX, ..columns };
    let mut error = nothing();
    // SAFETY: the number of groups is refused before an array is read.
    let status = unsafe {
        let recast = signal(RECAST_SIGNAL_RECAST);
        let outputs = (null_mut(), null_mut(), null_mut());
        let (recast, endless) = (&raw const recast, &raw const endless);
        recast_plan_f32(recast, endless, outputs.0, outputs.1, outputs.2, &raw mut error)
    };
    assert_eq!((status, error.index), (RecastStatus::Size, usize::MAX));
    let mut nodes = 0;
    for (items, levels) in [(usize::MAX, 2), (usize::MAX / 4, 1), (1, 0)] {
        let sorted = [1_u32];
        // SAFETY: the counts are refused before the array is read.
        let status = unsafe {
            recast_trie_nodes_u32(sorted.as_ptr(), items, levels, &raw mut nodes, null_mut())
        };
        let expected = if levels == 0 { RecastStatus::Levels } else { RecastStatus::Size };
        assert_eq!(status, expected);
    }
}

#[test]
fn marks_other_than_0_and_1_are_refused() {
    let (offsets, mut rewards, mut scores) = ([0, 2], [0.0; 2], [0.0; 2]);
    let mut hits = [1, 2_u8];
    let hits =
        RecastBatchF32 { hits: hits.as_mut_ptr(), ..batch(&offsets, &mut rewards, &mut scores) };
    let (status, .., error) = plan(&signal(RECAST_SIGNAL_GRPO), &hits, 2);
    assert_eq!((status, error.index, error.value), (RecastStatus::Mark, 1, 2.0));
}

#[test]
fn the_rate_is_that_of_core() {
    let mut rate = RecastAllZeroRate { decay: 0.5, total: 0.0, weight: 0.0 };
    let outcome = |regime| RecastOutcome { skip: 0, regime, kept: 0, divisor: 0, repaired: 0 };
    let outcomes = [outcome(RECAST_REGIME_ALL_ZERO), outcome(RECAST_REGIME_ALL_HIT)];
    // SAFETY: as many outcomes as groups.
    let observe = |rate: &mut RecastAllZeroRate, outcomes: &[RecastOutcome]| unsafe {
        recast_all_zero_rate_observe(rate, outcomes.as_ptr(), outcomes.len(), null_mut())
    };
    assert_eq!(observe(&mut rate, &outcomes), RecastStatus::Ok);
    assert_eq!(rate, RecastAllZeroRate { decay: 0.5, total: 0.25, weight: 0.75 });
    assert_eq!(observe(&mut rate, &[outcome(7)]), RecastStatus::Anchor);
    let mut bad = RecastAllZeroRate { decay: 1.0, ..rate };
    assert_eq!(observe(&mut bad, &[]), RecastStatus::Signal);
    let mut bad = RecastAllZeroRate { total: 1.0, ..rate };
    assert_eq!(observe(&mut bad, &[]), RecastStatus::Anchor);
}

#[test]
fn codes_give_rewards_scores_duplicates_and_anchors() {
    let codes = [7_u32, 8, 1, 1, 2, 9, 1, 2, 3, 1, 2, 9];
    let (offsets, target_offsets) = ([0_usize, 1, 4], [0_usize, 0, 2]);
    let targets = [4_u32, 4, 4, 1, 2, 3];
    let mut columns = RecastCodesU32 {
        groups: 2,
        levels: 3,
        offsets: offsets.as_ptr(),
        sid_offsets: null(),
        codes: codes.as_ptr(),
        target_offsets: target_offsets.as_ptr(),
        targets: targets.as_ptr(),
    };
    let (mut rewards, mut scores) = ([9.0_f32; 4], [9.0_f32; 4]);
    let mut duplicate_of = [9; 4];
    let mut anchors = [9; 2];
    let mut error = nothing();
    let mut closest = signal(RECAST_SIGNAL_RECAST);
    closest.anchor_target = RECAST_ANCHOR_TARGET_CLOSEST;
    // SAFETY: every array has the length that the columns say.
    unsafe {
        let of = &raw const columns;
        let (r, s) = (rewards.as_mut_ptr(), scores.as_mut_ptr());
        assert_eq!(recast_score_u32_f32(of, null(), r, s, null_mut()), RecastStatus::Ok);
        assert_eq!((rewards, scores), ([0.0, 0.0, 1.0, 0.0], [0.0, 0.1, 1.0, 0.1]));
        let credit = [0.0, 0.25, 0.5, 1.0];
        recast_score_u32_f32(of, credit.as_ptr(), r, s, null_mut());
        assert_eq!(scores, [0.0, 0.5, 1.0, 0.5]);
        let falling = [0.0, 0.5, 0.25, 1.0];
        let status = recast_score_u32_f32(of, falling.as_ptr(), r, s, &raw mut error);
        assert_eq!((status, error.index), (RecastStatus::Levels, 2));
        let status = recast_duplicates_u32(of, duplicate_of.as_mut_ptr(), null_mut());
        assert_eq!((status, duplicate_of), (RecastStatus::Ok, [0, 0, 1, 0]));
        let (signal, anchor) = (&raw const closest, anchors.as_mut_ptr());
        recast_anchor_targets_u32(signal, of, null(), null(), anchor, null_mut());
        assert_eq!(anchors, [usize::MAX, 1]);
    }
    closest.anchor_target = RECAST_ANCHOR_TARGET_UNIFORM;
    // SAFETY: as above.
    unsafe {
        let (signal, of, anchor) = (&raw const closest, &raw const columns, anchors.as_mut_ptr());
        let status = recast_anchor_targets_u32(signal, of, null(), null(), anchor, null_mut());
        assert_eq!(status, RecastStatus::Anchor);
        let draws = [0, u64::MAX];
        recast_anchor_targets_u32(signal, of, null(), draws.as_ptr(), anchor, null_mut());
        assert_eq!(anchors, [usize::MAX, 1]);
    }
    // Two SIDs in the first completion, none in the others.
    let sid_offsets = [0, 2, 2, 2, 4];
    columns.sid_offsets = sid_offsets.as_ptr();
    // SAFETY: as above.
    unsafe {
        let (of, r, s) = (&raw const columns, rewards.as_mut_ptr(), scores.as_mut_ptr());
        assert_eq!(recast_score_u32_f32(of, null(), r, s, null_mut()), RecastStatus::Ok);
        assert_eq!((rewards, scores), ([0.0, 0.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.55]));
        let status = recast_duplicates_u32(of, duplicate_of.as_mut_ptr(), null_mut());
        assert_eq!(status, RecastStatus::Loss);
    }
}

#[test]
fn losses_are_those_of_core() {
    let (policy, old) = ([-1.0_f32, -2.0, -1.5, -3.0], [-1.5_f32, -2.0, -2.5, -2.0]);
    let (reference, advantages) = ([-1.0_f32, -2.5, -1.0, -3.0], [1.0_f32, 1.0, -1.0, -1.0]);
    let offsets = [0, 2, 4];
    let numbers = objective();
    let core = Objective::<f32>::default();
    let mut tokens = RecastGroupTokensF32 {
        kept: 2,
        offsets: offsets.as_ptr(),
        policy: policy.as_ptr(),
        old: old.as_ptr(),
        reference: reference.as_ptr(),
        advantages: advantages.as_ptr(),
        anchor: 0,
        divisor: 2,
    };
    for (kind, expected) in (0..).zip(Signal::<f32>::all()) {
        let of_core = recast_core::objective::GroupTokens {
            offsets: &offsets,
            policy_log_probs: &policy,
            old_log_probs: &old,
            ref_log_probs: &reference,
            advantages: &advantages,
            anchor: Some(0),
            divisor: 2,
        };
        let mut gradients = [0.0; 4];
        let value =
            recast_core::objective::group_loss(&expected.loss(), of_core, &core, &mut gradients);
        let (mut got, mut by) = (0.0_f32, [0.0_f32; 4]);
        let made = signal(kind);
        // SAFETY: every array has the length that the tokens say.
        let status = unsafe {
            recast_group_loss_f32(
                &raw const made,
                &raw const numbers,
                &raw const tokens,
                &raw mut got,
                by.as_mut_ptr(),
                null_mut(),
            )
        };
        assert_eq!((status, got.to_bits(), by), (RecastStatus::Ok, value.to_bits(), gradients));
    }
    let lost = |tokens: &RecastGroupTokensF32| {
        let (mut value, mut by) = (0.0, [0.0; 4]);
        let (dpo, mut error) = (signal(RECAST_SIGNAL_DPO), nothing());
        // SAFETY: as above.
        unsafe {
            let (dpo, numbers) = (&raw const dpo, &raw const numbers);
            let (value, by) = (&raw mut value, by.as_mut_ptr());
            recast_group_loss_f32(dpo, numbers, tokens, value, by, &raw mut error)
        }
    };
    let all_positive = [1.0; 4];
    tokens.anchor = 2;
    assert_eq!(lost(&tokens), RecastStatus::Loss);
    tokens.anchor = usize::MAX;
    assert_eq!(lost(&RecastGroupTokensF32 { divisor: 0, ..tokens }), RecastStatus::Loss);
    assert_eq!(
        lost(&RecastGroupTokensF32 { advantages: all_positive.as_ptr(), ..tokens }),
        RecastStatus::Loss
    );
    let (mut values, mut by) = ([0.0_f32; 4], [0.0_f32; 4]);
    // SAFETY: four tokens each.
    unsafe {
        let (p, o, r, a) = (policy.as_ptr(), old.as_ptr(), reference.as_ptr(), advantages.as_ptr());
        let (v, g) = (values.as_mut_ptr(), by.as_mut_ptr());
        recast_token_loss_f32(&raw const numbers, 4, p, o, r, a, v, g, null_mut());
    }
    // The ratio of the first token is clipped, and its penalty is 0.
    assert_eq!((values[0], by[0]), (-1.28, 0.0));
}

#[test]
fn entropies_give_the_advantages_of_rl_zvp() {
    let (entropies, mut out) = ([2.0, 0.0, 1.0], [9.0_f32; 3]);
    // SAFETY: three tokens each.
    let mut call = |hit, alpha| unsafe {
        recast_entropy_advantages_f32(
            hit,
            alpha,
            3,
            entropies.as_ptr(),
            out.as_mut_ptr(),
            null_mut(),
        )
    };
    assert_eq!(call(0, 0.5), RecastStatus::Ok);
    for alpha in [0.0, -1.0, f32::NAN, f32::INFINITY] {
        assert_eq!(call(1, alpha), RecastStatus::Signal);
    }
    assert_eq!(out, [0.0, -1.0, -0.5]);
}

#[test]
fn a_trie_is_built_walked_and_checked() {
    let sorted = [1_u32, 5, 1, 7, 4, 5];
    let (mut nodes, mut error) = (0, nothing());
    let (mut first_child, mut tokens) = ([9_u32; 7], [9_u32; 6]);
    // SAFETY: three rows of two tokens, and as many nodes as counted.
    unsafe {
        let counted = recast_trie_nodes_u32(sorted.as_ptr(), 3, 2, &raw mut nodes, null_mut());
        assert_eq!((counted, nodes), (RecastStatus::Ok, 6));
        let (offsets, of) = (first_child.as_mut_ptr(), tokens.as_mut_ptr());
        let build =
            |nodes, error| recast_trie_build_u32(sorted.as_ptr(), 3, 2, offsets, of, nodes, error);
        assert_eq!(build(5, &raw mut error), RecastStatus::Capacity);
        assert_eq!(error.index, 6);
        assert_eq!(build(6, null_mut()), RecastStatus::Ok);
        let trie = RecastTrieU32 { nodes: 6, first_child: offsets, tokens: of };
        let trie = &raw const trie;
        assert_eq!(recast_trie_check_u32(trie, null_mut()), RecastStatus::Ok);
        let (mut first, mut count, mut child) = (9, 9, 9);
        let (f, c) = (&raw mut first, &raw mut count);
        assert_eq!(recast_trie_children_u32(trie, 0, f, c, null_mut()), RecastStatus::Ok);
        assert_eq!((first, count), (1, 2));
        let step = |node, token, child: &mut u32, error| {
            recast_trie_step_u32(trie, node, token, child, error)
        };
        assert_eq!(step(0, 4, &mut child, null_mut()), RecastStatus::Ok);
        assert_eq!(child, 2);
        assert_eq!(step(2, 7, &mut child, &raw mut error), RecastStatus::NotFound);
        assert_eq!((child, words(&error)), (2, "no sequence continues with token 7"));
        assert_eq!(step(u32::MAX, 7, &mut child, null_mut()), RecastStatus::NotFound);
    }
    let unsorted = [4_u32, 5, 1, 5];
    // SAFETY: two rows of two tokens.
    let status =
        unsafe { recast_trie_nodes_u32(unsorted.as_ptr(), 2, 2, &raw mut nodes, &raw mut error) };
    assert_eq!((status, error.index), (RecastStatus::Trie, 1));
}
