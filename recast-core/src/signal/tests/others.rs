//! The signals beside ReCast.

use super::*;
use crate::anchor::AnchorTarget;

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
fn whole_group_signals_keep_all_with_the_advantages_of_their_function() {
    type Advantage = fn(&[f64], &mut [f64]);
    let cases: [(Signal<f64>, Advantage); 14] = [
        (Signal::DrGrpo, advantage::dr_grpo),
        (Signal::Rloo, advantage::rloo),
        (Signal::dapo(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::gspo(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::ngrpo(), |rewards, out| advantage::ngrpo(rewards, 1e-6, out)),
        (Signal::rl_zvp(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::gcpo(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::luffy(), advantage::dr_grpo),
        (Signal::Luffy { epsilon: Some(1e-6), gamma: 0.1 }, |rewards, out| {
            advantage::grpo(rewards, 1e-6, out);
        }),
        (Signal::cispo(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::sapo(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::gmpo(), |rewards, out| advantage::grpo(rewards, 1e-6, out)),
        (Signal::Opo, advantage::dr_grpo),
        (Signal::reinforce_plus_plus(), advantage::dr_grpo),
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
    // The scores are equal, so the more probable miss, slot 0, is the harder one.
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
fn opo_weighs_by_the_lengths_of_the_group() {
    let group = Group::new(&[1.0, 0.0], &[1.0, 0.0], None).unwrap().with_lengths(&[3, 1]).unwrap();
    let (mut kept, mut advantages) = ([0; 2], [0.0; 2]);
    let Outcome::Trained(selection) = Signal::Opo.select(group, &mut kept, &mut advantages) else {
        panic!("every group is kept");
    };
    assert_eq!(selection.advantages, [0.25, -0.75]);
}

#[test]
fn a_cast_keeps_every_default_and_every_option() {
    let cast = Signal::<f64>::all().map(Signal::cast::<f32>);
    assert_eq!(cast, Signal::<f32>::all());
    let (threshold, gamma, share) = (0.25, 0.5, 2.0);
    let recast = Recast {
        repair: RepairPolicy::Gated { threshold },
        boundary: false,
        weight: share,
        epsilon: gamma,
        normaliser: Normaliser::Group,
        negative_choice: NegativeChoice::Uniform,
        negative: NegativeRule::SharedPrefix,
        negative_margin: Some(share),
        negative_weight: threshold,
        positive_only: true,
        anchor_target: AnchorTarget::Closest,
        anchor_ratio: AnchorRatio::Shaped { gamma },
    };
    for signal in [
        Signal::Recast(recast),
        Signal::Recast(Recast {
            repair: RepairPolicy::Confident { tau: threshold },
            anchor_ratio: AnchorRatio::Weighted { weight: share },
            ..recast
        }),
        Signal::Luffy { epsilon: Some(gamma), gamma },
        Signal::Dpo { repair: RepairPolicy::Never, negatives: 5, beta: gamma },
        Signal::Grpo { epsilon: gamma, scale: RewardScale::Batch, add_gt: true },
        Signal::Rere { epsilon: gamma, add_gt: true },
    ] {
        // These numbers are exact in both types.
        assert_eq!(signal.cast::<f32>().cast::<f64>(), signal);
    }
}
