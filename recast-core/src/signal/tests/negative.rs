//! The settings of ReCast's negative, and the signals that keep the ground truth.

use super::*;

fn recast(settings: Recast<f64>) -> Signal<f64> {
    Signal::Recast(settings)
}

/// The selection in a group of one hit and three misses, whose hardest is in slot 2.
fn of_misses(settings: Recast<f64>) -> Result<(Vec<usize>, Vec<f64>), Skip> {
    select(recast(settings), &[0.0, 1.0, 0.0, 0.0], &[0.01, 1.0, 0.1, 0.0])
}

#[test]
fn the_negative_weight_scales_the_negative_alone() {
    for (weight, negative_weight) in [(1.0, 0.25), (2.0, 3.0), (0.5, 1.0)] {
        let found = of_misses(Recast { weight, negative_weight, ..Recast::default() });
        let advantages = [weight, -weight * negative_weight];
        assert_eq!(found, Ok(([1, 2].into(), advantages.into())));
    }
}

#[test]
fn a_negative_without_weight_leaves_the_positive_alone() {
    let settings = Recast { negative_weight: 0.0, ..Recast::default() };
    assert_eq!(of_misses(settings), Ok(([1].into(), [1.0].into())));
    // the groups that are skipped stay the same
    assert_eq!(select(recast(settings), &[1.0; 2], &[1.0; 2]), Err(Skip::NoNegative));
    assert_eq!(select(recast(settings), &[0.0; 2], &[0.0; 2]), Err(Skip::NoPositive));
    let (mut kept, mut advantages) = ([0; 3], [0.0; 3]);
    let group = Group::new(&[1.0, 0.0, 0.0], &[1.0, 0.0, 0.0], None).unwrap();
    for (normaliser, divisor) in [(Normaliser::Kept, 1), (Normaliser::Group, 3)] {
        let signal = recast(Recast { normaliser, ..settings });
        let Outcome::Trained(selection) = signal.select(group, &mut kept, &mut advantages) else {
            panic!("the group is mixed");
        };
        assert_eq!(selection.divisor, divisor);
    }
}

#[test]
fn a_negative_that_shares_no_prefix_leaves_the_positive_alone() {
    let settings = Recast { negative: NegativeRule::SharedPrefix, ..Recast::default() };
    assert_eq!(of_misses(settings), Ok(([1, 2].into(), [1.0, -1.0].into())));
    let alone = Ok(([1].into(), [1.0].into()));
    assert_eq!(select(recast(settings), &[0.0, 1.0], &[0.0, 1.0]), alone);
    assert_eq!(select(recast(settings), &[1.0; 2], &[1.0; 2]), Err(Skip::NoNegative));
}

#[test]
fn first_codes_tell_a_shared_prefix_whatever_the_score() {
    let signal = recast(Recast { negative: NegativeRule::SharedPrefix, ..Recast::default() });
    // the hardest negative follows another target
    let (rewards, scores) = ([1.0, 0.0, 0.0], [1.0, 0.1, 0.0]);
    let group = Group::new(&rewards, &scores, None).unwrap();
    let (mut kept, mut advantages) = ([0; 3], [0.0; 3]);
    for (codes, expected) in [([7, 3, 7], &[0][..]), ([7, 7, 3], &[0, 1])] {
        let group = group.with_first_codes(&codes).unwrap();
        let Outcome::Trained(selection) = signal.select(group, &mut kept, &mut advantages) else {
            panic!("the group is mixed");
        };
        assert_eq!(selection.kept, expected);
    }
    let refused = Err(crate::GroupError::FirstCodeCount { rewards: 3, codes: 2 });
    assert_eq!(group.with_first_codes(&[1, 2]), refused);
}

#[test]
fn a_uniform_negative_follows_the_draw_over_all_misses() {
    let signal = recast(Recast { negative_choice: NegativeChoice::Uniform, ..Recast::default() });
    let (rewards, scores) = ([0.0, 1.0, 0.0, 0.0, 0.0], [0.0, 1.0, 0.1, 0.0, 0.0]);
    let group = Group::new(&rewards, &scores, None).unwrap();
    // the last miss repeats the first
    let group = group.with_duplicates(&[0, 1, 2, 3, 0]).unwrap();
    let third = u64::MAX / 3;
    for (draw, negative) in [(0, 0), (third, 0), (third + 1, 2), (2 * third + 2, 3), (u64::MAX, 3)]
    {
        let (mut kept, mut advantages) = ([0; 5], [0.0; 5]);
        let group = group.with_draw(draw);
        let Outcome::Trained(selection) = signal.select(group, &mut kept, &mut advantages) else {
            panic!("the group is mixed");
        };
        assert!(selection.kept.contains(&1) && selection.kept.contains(&negative), "{draw}");
        // the hardest negative reads no draw
        let hardest = Signal::recast().select(group, &mut kept, &mut advantages);
        assert!(matches!(hardest, Outcome::Trained(selection) if selection.kept == [1, 2]));
    }
    assert_eq!(select(signal, &[1.0; 2], &[1.0; 2]), Err(Skip::NoNegative));
    assert_eq!(select(signal, &[0.0; 2], &[0.0; 2]), Err(Skip::NoPositive));
}

#[test]
fn a_margin_is_part_of_the_loss_of_a_boundary_pair() {
    let margin_of = |signal: Signal<f64>| {
        let Loss::Policy(loss) = signal.loss() else { panic!("a policy loss") };
        loss.negative_margin
    };
    assert_eq!(margin_of(Signal::recast()), None);
    let settings = Recast { negative_margin: Some(2.0), ..Recast::default() };
    assert_eq!(margin_of(recast(settings)), Some(2.0));
    assert_eq!(margin_of(recast(Recast { boundary: false, ..settings })), None);
}

#[test]
fn numbers_of_a_negative_out_of_range_are_refused() {
    for value in [-1.0, f64::INFINITY] {
        let signal = recast(Recast { negative_weight: value, ..Recast::default() });
        assert_eq!(signal.check(), Err(SignalError::NegativeWeight { value }));
    }
    assert!(recast(Recast { negative_weight: f64::NAN, ..Recast::default() }).check().is_err());
    let overflow = Recast { weight: 2.0, negative_weight: f64::MAX, ..Recast::default() };
    assert!(recast(overflow).check().is_err());
    for value in [0.0, -1.0, f64::INFINITY] {
        let signal = recast(Recast { negative_margin: Some(value), ..Recast::default() });
        assert_eq!(signal.check(), Err(SignalError::NegativeMargin { value }));
    }
    let settings = Recast { negative_weight: 0.0, negative_margin: Some(0.5), ..Recast::default() };
    assert_eq!(recast(settings).check(), Ok(recast(settings)));
}

#[test]
fn grpo_takes_the_anchor_into_the_last_slot_of_an_all_zero_group() {
    let signal = Signal::Grpo { epsilon: 1e-6, scale: RewardScale::Group, add_gt: true };
    let repair = |rewards: &[f64]| signal.repair(Group::new(rewards, rewards, None).unwrap());
    assert_eq!(repair(&[0.0; 4]), Some(3));
    assert_eq!(repair(&[1.0, 0.0, 0.0, 0.0]), None);
    assert_eq!(repair(&[1.0; 4]), None);
    assert_eq!(Signal::grpo().repair(Group::new(&[0.0; 4], &[0.0; 4], None).unwrap()), None);
    // the advantages are GRPO's
    let rewards = [0.0, 0.0, 1.0];
    let expected = select(Signal::grpo(), &rewards, &rewards);
    assert_eq!(select(signal, &rewards, &rewards), expected);
}

#[test]
fn supervised_training_keeps_the_anchor_alone_with_advantage_one() {
    let signal = Signal::Supervised;
    assert!(!signal.needs_rollout());
    assert!(defaults::<f64>().filter(|signal| !signal.needs_rollout()).eq([signal]));
    assert_eq!(signal.repair(Group::new(&[0.0], &[0.0], None).unwrap()), Some(0));
    let alone = Ok(([0].into(), [1.0].into()));
    assert_eq!(select(signal, &[1.0], &[1.0]), alone);
    assert_eq!(select(signal, &[0.0], &[0.0]), Err(Skip::NoPositive));
    assert_eq!(select(signal, &[2.0, 0.0, 2.0], &[1.0, 0.0, 1.0]), alone);
    // the positive of a repaired group whose negative has no weight is the same selection
    let settings = Recast { negative_weight: 0.0, ..Recast::default() };
    let repaired = select(recast(settings), &[1.0, 0.0, 0.0], &[1.0, 0.1, 0.0]);
    assert_eq!(repaired, alone);
}
