//! Every signal on groups of every regime.

mod negative;
mod others;

use super::*;
use crate::advantage;
use crate::objective::{AnchorRatio, Loss, PolicyLoss, Preference, Surrogate};
use crate::repair::{Evidence, RepairError};
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
        assert_eq!(Signal::Dapo { epsilon: value }.check(), Err(SignalError::Epsilon { value }));
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
        let luffy = Signal::Luffy { epsilon: None, gamma: value };
        assert_eq!(luffy.check(), Err(SignalError::Gamma { value }));
        let dpo = Signal::Dpo { repair: RepairPolicy::Always, negatives: 1, beta: value };
        assert_eq!(dpo.check(), Err(SignalError::Beta { value }));
        for [positive, negative] in [[value, 1.0], [1.0, value]] {
            let sapo = Signal::Sapo { epsilon: 0.0, positive, negative };
            assert_eq!(sapo.check(), Err(SignalError::Temperature { value }));
        }
    }
    for value in [-1.0, f64::INFINITY] {
        let anchor_ratio = AnchorRatio::Weighted { weight: value };
        let signal = Signal::Recast(Recast { anchor_ratio, ..Recast::default() });
        assert_eq!(signal.check(), Err(SignalError::AnchorWeight { value }));
        let luffy = Signal::Luffy { epsilon: Some(value), gamma: 0.1 };
        assert_eq!(luffy.check(), Err(SignalError::Epsilon { value }));
    }
    let repair = RepairPolicy::Gated { threshold: 2.0 };
    let refused = Err(SignalError::Repair(RepairError::Threshold { value: 2.0 }));
    assert_eq!(Signal::Recast(Recast { repair, ..Recast::default() }).check(), refused);
    assert_eq!(Signal::Dpo { repair, negatives: 1, beta: 0.1 }.check(), refused);
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

/// Every kind of signal, and the kinds with another setting that is a system of its own.
fn defaults<T: Real>() -> impl Iterator<Item = Signal<T>> {
    Signal::all().into_iter().chain([Signal::s_dpo(3), Signal::grpo_by_batch()])
}

#[test]
fn every_kind_of_signal_is_in_the_list_once() {
    let all = Signal::<f64>::all();
    for (index, signal) in all.iter().enumerate() {
        // A new variant does not compile here without its place in the list.
        let place = match signal {
            Signal::Recast(_) => 0,
            Signal::Grpo { .. } => 1,
            Signal::DrGrpo => 2,
            Signal::Rloo => 3,
            Signal::Dapo { .. } => 4,
            Signal::Gspo { .. } => 5,
            Signal::PassAtK => 6,
            Signal::Ngrpo { .. } => 7,
            Signal::RlZvp { .. } => 8,
            Signal::Gcpo { .. } => 9,
            Signal::Rere { .. } => 10,
            Signal::Luffy { .. } => 11,
            Signal::Dpo { .. } => 12,
            Signal::Cispo { .. } => 13,
            Signal::Sapo { .. } => 14,
            Signal::Gmpo { .. } => 15,
            Signal::ReinforcePlusPlus { .. } => 16,
            Signal::Opo => 17,
            Signal::Supervised => 18,
        };
        assert_eq!(place, index);
    }
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
    assert_eq!(Signal::Dpo { repair, negatives: 1, beta: 0.1 }.repair_given(group, evidence), None);
}

#[test]
fn a_reward_below_the_threshold_is_a_miss_to_every_signal() {
    let (rewards, scores) = ([0.1, 0.01, 0.0], [0.1, 0.01, 0.0]);
    let group = Group::new(&rewards, &scores, None).unwrap();
    assert_eq!(Signal::recast().repair(group), Some(2));
    let (mut kept, mut advantages) = ([0; 3], [0.0; 3]);
    for signal in [Signal::recast(), Signal::dapo(), Signal::gcpo(), Signal::dpo()] {
        let outcome = signal.select(group, &mut kept, &mut advantages);
        assert_eq!(outcome, Outcome::Skipped(Skip::NoPositive));
        let hit = group.with_hit_threshold(0.1).unwrap();
        assert_eq!(signal.repair(hit), None);
        assert!(matches!(
            signal.select(hit, &mut kept, &mut advantages),
            Outcome::Trained(selection) if selection.kept[0] == 0
        ));
    }
}

#[test]
fn each_signal_names_its_loss_with_all_its_numbers() {
    for signal in defaults::<f64>() {
        let policy = |surrogate| Loss::Policy(PolicyLoss { surrogate, ..PolicyLoss::default() });
        let expected = match signal {
            Signal::Gspo { .. } | Signal::Gcpo { .. } => policy(Surrogate::Sequence),
            Signal::Gmpo { .. } => policy(Surrogate::GeometricMean),
            Signal::Cispo { .. } => policy(Surrogate::Cispo),
            Signal::Sapo { .. } => policy(Surrogate::Sapo { positive: 1.0, negative: 1.05 }),
            Signal::Luffy { .. } => Loss::Policy(PolicyLoss {
                anchor_ratio: AnchorRatio::Shaped { gamma: 0.1 },
                ..PolicyLoss::default()
            }),
            Signal::Supervised => Loss::Policy(PolicyLoss {
                anchor_ratio: AnchorRatio::Detached,
                ..PolicyLoss::default()
            }),
            Signal::Dpo { negatives, .. } => {
                let beta = if negatives == 1 { 0.1 } else { 1.0 };
                Loss::Preference(Preference::new(beta).unwrap())
            }
            _ => policy(Surrogate::Clipped),
        };
        assert_eq!(signal.loss(), expected);
    }
    let recast = Recast { anchor_ratio: AnchorRatio::Detached, ..Recast::default() };
    let Loss::Policy(loss) = Signal::<f64>::Recast(recast).loss() else { panic!("a policy loss") };
    assert_eq!(loss.anchor_ratio, AnchorRatio::Detached);
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
    for signal in defaults().filter(|s| !matches!(s, Signal::RlZvp { .. })) {
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
