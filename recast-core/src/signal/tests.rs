//! Every signal on groups of every regime.

use super::*;
use crate::advantage;
use crate::repair::RepairError;
use crate::tolerance::ROUNDING;
use approx::assert_abs_diff_eq;
use std::vec::Vec;

const OLD: [f64; 4] = [-1.0, -2.0, -3.0, -4.0];

fn ablation(repair: RepairPolicy<f64>, boundary: bool) -> Signal<f64> {
    Signal::Recast(Recast { repair, boundary, ..Recast::default() })
}

fn select(
    signal: Signal<f64>,
    rewards: &[f64],
    scores: &[f64],
) -> Result<(Vec<usize>, Vec<f64>), Skip> {
    let group = Group::new(rewards, scores, Some(&OLD[..rewards.len()])).unwrap();
    let (mut kept, mut advantages) = ([usize::MAX; 9], [f64::NAN; 9]);
    match signal.select(group, &mut kept, &mut advantages) {
        Outcome::Trained(selection) => Ok((selection.kept.to_vec(), selection.advantages.to_vec())),
        Outcome::Skipped(skip) => Err(skip),
    }
}

#[test]
fn the_all_zero_example_of_the_method_is_reproduced() {
    let signal = Signal::recast();
    let group = Group::new(&[0.0; 4], &[0.0, 0.1, 0.01, 0.0], Some(&OLD)).unwrap();
    assert_eq!(signal.repair(group), Some(3));
    let repaired = select(signal, &[0.0, 0.0, 0.0, 1.0], &[0.0, 0.1, 0.01, 1.0]);
    assert_eq!(repaired, Ok(([1, 3].into(), [-1.0, 1.0].into())));
}

#[test]
fn the_natural_example_of_the_method_is_reproduced() {
    let (signal, rewards, scores) = (Signal::recast(), [1.0, 0.0, 0.0, 0.0], [1.0, 0.1, 0.01, 0.0]);
    assert_eq!(signal.repair(Group::new(&rewards, &scores, Some(&OLD)).unwrap()), None);
    assert_eq!(select(signal, &rewards, &scores), Ok(([0, 1].into(), [1.0, -1.0].into())));
}

#[test]
fn groups_that_cannot_be_contrasted_are_skipped_with_the_reason() {
    assert_eq!(select(Signal::recast(), &[0.0, 0.0], &[0.0, 0.1]), Err(Skip::NoPositive));
    assert_eq!(select(Signal::recast(), &[1.0, 1.0], &[1.0, 1.0]), Err(Skip::NoNegative));
    assert_eq!(select(Signal::recast(), &[1.0], &[1.0]), Err(Skip::NoNegative));
    assert_eq!(select(Signal::recast(), &[0.0], &[0.0]), Err(Skip::NoPositive));
}

#[test]
fn the_ablation_without_repair_keeps_pairs_of_natural_groups_only() {
    let signal = ablation(RepairPolicy::Never, true);
    let all_zero = Group::new(&[0.0; 2], &[0.0; 2], None).unwrap();
    assert_eq!(signal.repair(all_zero), None);
    assert_eq!(select(signal, &[0.0; 2], &[0.0; 2]), Err(Skip::NoPositive));
    let pair = Ok(([0, 1].into(), [-1.0, 1.0].into()));
    assert_eq!(select(signal, &[0.0, 1.0], &[0.0, 1.0]), pair);
}

#[test]
fn the_ablation_without_boundary_is_grpo_over_the_repaired_group() {
    let signal = ablation(RepairPolicy::Always, false);
    let (rewards, scores) = ([0.0, 0.0, 0.0, 1.0], [0.0, 0.1, 0.01, 1.0]);
    assert_eq!(signal.repair(Group::new(&[0.0; 4], &scores, Some(&OLD)).unwrap()), Some(0));
    assert_eq!(select(signal, &rewards, &scores), select(Signal::grpo(), &rewards, &scores));
    assert_eq!(select(signal, &[0.0; 4], &scores), Err(Skip::NoPositive));
}

#[test]
fn the_ablation_without_either_is_grpo() {
    let signal = ablation(RepairPolicy::Never, false);
    for rewards in [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]] {
        assert_eq!(select(signal, &rewards, &rewards), select(Signal::grpo(), &rewards, &rewards));
    }
}

#[test]
fn grpo_and_rere_keep_a_group_without_a_hit_at_advantage_zero() {
    for signal in [Signal::grpo(), Signal::rere()] {
        let expected = Ok(([0, 1, 2].into(), [0.0; 3].into()));
        assert_eq!(select(signal, &[0.0; 3], &[0.1; 3]), expected);
    }
}

#[test]
fn rere_orders_misses_by_their_rank() {
    let (kept, advantages) = select(Signal::rere(), &[0.0, 1.0, 0.0, 0.0], &[0.0; 4]).unwrap();
    assert_eq!(kept, [0, 1, 2, 3]);
    assert!(advantages[0] < advantages[2] && advantages[2] < advantages[3]);
    assert!(advantages[1] > 0.0);
    assert_abs_diff_eq!(advantages.iter().sum::<f64>(), 0.0, epsilon = ROUNDING);
}

#[test]
fn the_weight_scales_the_pair() {
    let signal = Signal::Recast(Recast { weight: 0.5, ..Recast::default() });
    let halved = Ok(([0, 1].into(), [-0.5, 0.5].into()));
    assert_eq!(select(signal, &[0.0, 1.0], &[0.0, 1.0]), halved);
}

#[test]
fn the_divisor_is_the_kept_sequences_or_the_group() {
    let group = Group::new(&[1.0, 0.0, 0.0], &[1.0, 0.0, 0.0], None).unwrap();
    for (normaliser, expected) in [(Normaliser::Kept, 2), (Normaliser::Group, 3)] {
        let signal = Signal::Recast(Recast { normaliser, ..Recast::default() });
        let (mut kept, mut advantages) = ([0; 3], [0.0; 3]);
        let Outcome::Trained(selection) = signal.select(group, &mut kept, &mut advantages) else {
            panic!("the group is mixed");
        };
        assert_eq!(selection.divisor, expected);
    }
}

#[test]
fn numbers_that_give_no_finite_advantage_are_refused() {
    for value in [-1.0, f64::INFINITY] {
        assert_eq!(Signal::Grpo { epsilon: value }.check(), Err(SignalError::Epsilon { value }));
        assert_eq!(
            Signal::Rere { epsilon: value, add_gt: true }.check(),
            Err(SignalError::Epsilon { value })
        );
    }
    for value in [0.0, -1.0, f64::INFINITY] {
        let signal = Signal::Recast(Recast { weight: value, ..Recast::default() });
        assert_eq!(signal.check(), Err(SignalError::Weight { value }));
    }
    assert!(Signal::Recast(Recast { weight: f64::NAN, ..Recast::default() }).check().is_err());
    assert!(Signal::Recast(Recast { epsilon: f64::NAN, ..Recast::default() }).check().is_err());
    for value in [0.0, -1.0, f64::INFINITY] {
        let zvp = Signal::RlZvp { epsilon: 0.0, alpha: value };
        assert_eq!(zvp.check(), Err(SignalError::Alpha { value }));
        let luffy = Signal::Luffy { epsilon: 0.0, gamma: value };
        assert_eq!(luffy.check(), Err(SignalError::Gamma { value }));
    }
    for value in [-1.0, f64::INFINITY] {
        let anchor_ratio = AnchorRatio::Weighted { weight: value };
        let signal = Signal::Recast(Recast { anchor_ratio, ..Recast::default() });
        assert_eq!(signal.check(), Err(SignalError::AnchorWeight { value }));
    }
    let repair = RepairPolicy::Gated { threshold: 2.0 };
    let refused = Err(SignalError::Repair(RepairError::Threshold { value: 2.0 }));
    assert_eq!(Signal::Recast(Recast { repair, ..Recast::default() }).check(), refused);
    assert_eq!(Signal::Dpo { repair, negatives: 1 }.check(), refused);
    assert_eq!(Signal::<f64>::s_dpo(0).check(), Err(SignalError::Negatives));
}

#[test]
fn the_defaults_pass_the_check_in_every_precision() {
    fn check<T: Real>() {
        for signal in defaults::<T>() {
            assert_eq!(signal.check(), Ok(signal));
        }
    }
    check::<f64>();
    check::<f32>();
    check::<half::bf16>();
    check::<half::f16>();
}

fn defaults<T: Real>() -> [Signal<T>; 14] {
    [
        Signal::recast(),
        Signal::grpo(),
        Signal::DrGrpo,
        Signal::Rloo,
        Signal::dapo(),
        Signal::gspo(),
        Signal::PassAtK,
        Signal::ngrpo(),
        Signal::rl_zvp(),
        Signal::gcpo(),
        Signal::rere(),
        Signal::luffy(),
        Signal::dpo(),
        Signal::s_dpo(3),
    ]
}

#[test]
fn whole_group_signals_keep_all_with_the_advantages_of_their_function() {
    type Advantage = fn(&[f64], &mut [f64]);
    let cases: [(Signal<f64>, Advantage); 8] = [
        (Signal::DrGrpo, advantage::dr_grpo),
        (Signal::Rloo, advantage::rloo),
        (Signal::dapo(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::gspo(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::ngrpo(), |rewards, out| advantage::ngrpo(rewards, 1e-6, out)),
        (Signal::rl_zvp(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::gcpo(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::luffy(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
    ];
    let rewards = [0.0, 1.0, 0.0, 0.0];
    for (signal, advantage) in cases {
        let mut expected = [f64::NAN; 4];
        advantage(&rewards, &mut expected);
        let selected = select(signal, &rewards, &rewards);
        assert_eq!(selected, Ok(([0, 1, 2, 3].into(), expected.into())));
    }
}

#[test]
fn dapo_skips_groups_without_a_contrast() {
    assert_eq!(select(Signal::dapo(), &[0.0; 3], &[0.0; 3]), Err(Skip::NoPositive));
    assert_eq!(select(Signal::dapo(), &[1.0; 3], &[1.0; 3]), Err(Skip::NoNegative));
}

#[test]
fn gcpo_wants_a_golden_answer_in_an_all_zero_group() {
    let scores = [0.0, 0.1, 0.01, 0.0];
    let group = Group::new(&[0.0; 4], &scores, Some(&OLD)).unwrap();
    assert_eq!(Signal::gcpo().repair(group), Some(3));
    assert_eq!(select(Signal::gcpo(), &[0.0; 4], &scores), Err(Skip::NoPositive));
    assert!(select(Signal::gcpo(), &[1.0; 4], &[1.0; 4]).is_ok());
}

#[test]
fn add_gt_and_luffy_write_an_anchor_into_the_last_slot_of_every_group() {
    for signal in [Signal::Rere { epsilon: 1e-4, add_gt: true }, Signal::luffy()] {
        for rewards in [[0.0; 3], [1.0, 0.0, 0.0], [1.0; 3]] {
            let group = Group::new(&rewards, &rewards, None).unwrap();
            assert_eq!(signal.repair(group), Some(2));
            assert_eq!(Signal::rere().repair(group), None);
        }
    }
}

#[test]
fn pass_at_k_keeps_the_best_response_and_divides_by_the_group() {
    let expected = Ok(([1].into(), [1.0].into()));
    assert_eq!(select(Signal::PassAtK, &[0.0, 1.0, 0.0], &[0.0, 1.0, 0.0]), expected);
    let group = Group::new(&[0.0, 1.0, 0.0], &[0.0; 3], None).unwrap();
    let (mut kept, mut advantages) = ([0; 3], [0.0; 3]);
    let Outcome::Trained(selection) = Signal::PassAtK.select(group, &mut kept, &mut advantages)
    else {
        panic!("the second is ahead");
    };
    assert_eq!(selection.divisor, 3);
}

#[test]
fn pass_at_k_skips_a_group_in_which_nothing_is_ahead() {
    for (rewards, skip) in [
        ([0.0; 3], Skip::NoPositive),
        ([1.0; 3], Skip::NoNegative),
        ([1.0, 0.0, 1.0], Skip::NoLead),
    ] {
        assert_eq!(select(Signal::PassAtK, &rewards, &rewards), Err(skip));
    }
}

#[test]
fn dpo_is_the_boundary_pair_with_signs_for_sides() {
    let (rewards, scores) = ([0.0, 0.0, 0.0, 1.0], [0.0, 0.1, 0.01, 1.0]);
    let pair = select(Signal::recast(), &rewards, &scores);
    assert_eq!(select(Signal::dpo(), &rewards, &scores), pair);
    assert_eq!(select(Signal::dpo(), &[0.0; 2], &[0.0; 2]), Err(Skip::NoPositive));
    assert_eq!(select(Signal::dpo(), &[1.0; 2], &[1.0; 2]), Err(Skip::NoNegative));
}

#[test]
fn s_dpo_keeps_the_hardest_negatives_in_slot_order() {
    let (rewards, scores) = ([0.0, 0.0, 1.0, 0.0], [0.0, 0.1, 1.0, 0.01]);
    let two = Ok(([1, 2, 3].into(), [-1.0, 1.0, -1.0].into()));
    assert_eq!(select(Signal::s_dpo(2), &rewards, &scores), two);
    let all = Ok(([0, 1, 2, 3].into(), [-1.0, -1.0, 1.0, -1.0].into()));
    assert_eq!(select(Signal::s_dpo(9), &rewards, &scores), all);
    // Equal scores: the more probable miss, slot 0, is the harder one.
    let tied = Ok(([0, 2].into(), [-1.0, 1.0].into()));
    assert_eq!(select(Signal::s_dpo(1), &rewards, &[0.0, 0.0, 1.0, 0.0]), tied);
}

#[test]
fn s_dpo_passes_over_later_duplicates() {
    let (rewards, scores) = ([0.0, 0.0, 1.0], [0.1, 0.1, 1.0]);
    let group = Group::new(&rewards, &scores, None).unwrap().with_duplicates(&[0, 0, 2]);
    let (mut kept, mut advantages) = ([0; 3], [0.0; 3]);
    let Outcome::Trained(selection) =
        Signal::s_dpo(2).select(group.unwrap(), &mut kept, &mut advantages)
    else {
        panic!("the group is mixed");
    };
    assert_eq!(selection.kept, [0, 2]);
}

#[test]
fn the_positive_alone_is_kept_where_that_is_asked_for() {
    let signal = Signal::Recast(Recast { positive_only: true, ..Recast::default() });
    let alone = Ok(([1].into(), [1.0].into()));
    let group = select(signal, &[0.5, 1.0, 1.0], &[1.0; 3]);
    assert_eq!(group, alone);
    assert_eq!(select(signal, &[0.0; 2], &[0.0; 2]), Err(Skip::NoPositive));
    let pair = Ok(([0, 1].into(), [-1.0, 1.0].into()));
    assert_eq!(select(signal, &[0.0, 1.0], &[0.0, 1.0]), pair);
}

#[test]
fn a_positive_alone_is_divided_by_one_or_by_the_group() {
    let group = Group::new(&[1.0; 3], &[1.0; 3], None).unwrap();
    for (normaliser, divisor) in [(Normaliser::Kept, 1), (Normaliser::Group, 3)] {
        let recast = Recast { positive_only: true, normaliser, ..Recast::default() };
        let (mut kept, mut advantages) = ([0; 3], [0.0; 3]);
        let Outcome::Trained(selection) =
            Signal::Recast(recast).select(group, &mut kept, &mut advantages)
        else {
            panic!("the positive is kept");
        };
        assert_eq!((selection.kept.len(), selection.divisor), (1, divisor));
    }
}

#[test]
fn a_held_back_repair_leaves_the_group_to_be_skipped() {
    let repair = RepairPolicy::Gated { threshold: 0.5 };
    let evidence = Evidence { all_zero_rate: Some(0.1), anchor_log_prob: None };
    let group = Group::new(&[0.0; 2], &[0.0; 2], None).unwrap();
    for boundary in [true, false] {
        let signal = ablation(repair, boundary);
        assert_eq!(signal.repair_given(group, evidence), None);
        assert_eq!(signal.repair(group), Some(1));
        assert_eq!(select(signal, &[0.0; 2], &[0.0; 2]), Err(Skip::NoPositive));
    }
    assert_eq!(Signal::Dpo { repair, negatives: 1 }.repair_given(group, evidence), None);
}

#[test]
fn sequence_ratios_and_preferences_are_told_to_the_objective() {
    for signal in defaults::<f64>() {
        let expected = match signal {
            Signal::Gspo { .. } | Signal::Gcpo { .. } => Loss::Policy(RatioLevel::Sequence),
            Signal::Dpo { .. } => Loss::Preference,
            _ => Loss::Policy(RatioLevel::Token),
        };
        assert_eq!(signal.loss(), expected);
    }
}

#[test]
fn luffy_shapes_its_anchor_and_recast_as_it_is_set() {
    let shaped = AnchorRatio::Shaped { gamma: 0.1 };
    assert_eq!(Signal::luffy().anchor_ratio(), shaped);
    assert_eq!(Signal::<f64>::gcpo().anchor_ratio(), AnchorRatio::Recompute);
    let recast = Recast { anchor_ratio: AnchorRatio::Detached, ..Recast::default() };
    assert_eq!(Signal::<f64>::Recast(recast).anchor_ratio(), AnchorRatio::Detached);
}

#[test]
fn tokens_share_their_advantage_unless_rl_zvp_reads_their_entropy() {
    let tokens = |signal: Signal<f64>, rewards: &[f64]| {
        let group = Group::new(rewards, rewards, None).unwrap();
        let mut out = [f64::NAN; 2];
        signal.token_advantages(group, 1, 0.25, &[1.0, 3.0], &mut out);
        out
    };
    let zvp = Signal::RlZvp { epsilon: 1e-6, alpha: 0.5 };
    assert_eq!(tokens(zvp, &[1.0, 1.0]), [0.5, 1.5]);
    assert_eq!(tokens(zvp, &[0.0, 0.0]), [-1.0, 0.0]);
    assert_eq!(tokens(zvp, &[1.0, 0.0]), [0.25; 2]);
    for signal in defaults().into_iter().filter(|s| !matches!(s, Signal::RlZvp { .. })) {
        assert_eq!(tokens(signal, &[0.0, 0.0]), [0.25; 2]);
    }
}

#[test]
#[should_panic(expected = "a group of 2 has no completion 2")]
fn tokens_of_no_completion_panic() {
    let group = Group::new(&[0.0, 1.0], &[0.0, 1.0], None).unwrap();
    Signal::grpo().token_advantages(group, 2, 0.0, &[], &mut [0.0]);
}

#[test]
#[should_panic(
    expected = "a group of 2 needs as many slots, got 1 for indices and 2 for advantages"
)]
fn a_short_slice_panics_with_the_lengths() {
    let group = Group::new(&[0.0, 1.0], &[0.0, 1.0], None).unwrap();
    let _ = Signal::recast().select(group, &mut [0], &mut [0.0; 2]);
}
