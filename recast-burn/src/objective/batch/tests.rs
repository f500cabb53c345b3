use recast_core::Signal;
use recast_core::objective::{Clip, KlEstimator};

use super::*;

fn batch(
    loss: Loss<f32>,
    levels: usize,
    of_groups: usize,
    groups: &[GroupAdvantages<'_>],
) -> Result<UpdateBatch, UpdateBatchError> {
    UpdateBatch::new(loss, Objective::default(), levels, of_groups, groups.iter().copied())
}

fn group(advantages: &[f32], anchor: Option<usize>, divisor: usize) -> GroupAdvantages<'_> {
    GroupAdvantages { advantages, anchor, divisor }
}

#[test]
fn tokens_are_laid_out_level_by_level() {
    let groups = [group(&[1.0, 2.0], None, 2), group(&[3.0, 4.0, 5.0, 6.0], Some(1), 4)];
    let found = batch(Signal::grpo().loss(), 2, 2, &groups).unwrap();
    assert_eq!(found.token_advantages(), [1.0, 3.0, 5.0, 2.0, 4.0, 6.0]);
    let weights = [1.0 / 8.0, 1.0 / 16.0, 1.0 / 16.0];
    assert_eq!(found.weights(), weights.repeat(2));
    assert_eq!(found.anchors(), Some(&[false, false, true][..]));
    assert_eq!(found.tokens(), 6);
}

#[test]
fn a_ratio_of_completions_takes_the_mean_of_their_advantages() {
    let groups = [group(&[0.1, 0.1, 0.1], None, 1), group(&[1.0, 2.0, 6.0], None, 5)];
    let found = batch(Signal::gspo().loss(), 3, 2, &groups).unwrap();
    assert_eq!(found.completion_advantages(), [0.1, 3.0]);
    assert_eq!(found.weights(), [0.5, 0.1]);
    assert_eq!(found.anchors(), None);
}

#[test]
fn a_preference_takes_one_positive_of_each_group() {
    let groups = [group(&[-1.0, 1.0], None, 7), group(&[1.0, -1.0, -1.0], None, 7)];
    let found = batch(Signal::s_dpo(2).loss(), 1, 4, &groups).unwrap();
    let sides =
        [Sides { positive: 1, negatives: vec![0] }, Sides { positive: 2, negatives: vec![3, 4] }];
    assert_eq!(found.sides(), sides);
    assert_eq!(found.weights(), [0.25; 2]);
}

#[test]
fn what_the_loss_cannot_read_is_refused() {
    let loss = Signal::grpo().loss();
    let refused =
        |loss, levels, of_groups, groups: &[_]| batch(loss, levels, of_groups, groups).unwrap_err();
    assert_eq!(refused(loss, 0, 1, &[]), UpdateBatchError::Levels);
    let good = group(&[1.0; 4], None, 1);
    let groups = UpdateBatchError::Groups { groups: 2, of_groups: 1 };
    assert_eq!(refused(loss, 2, 1, &[good; 2]), groups);
    let advantages = UpdateBatchError::Advantages { group: 1, advantages: 3, levels: 2 };
    assert_eq!(refused(loss, 2, 2, &[good, group(&[1.0; 3], None, 1)]), advantages);
    let infinite = UpdateBatchError::NotFinite { group: 0, value: f32::INFINITY };
    assert_eq!(refused(loss, 1, 1, &[group(&[f32::INFINITY], None, 1)]), infinite);
    let divisor = UpdateBatchError::Divisor { group: 0 };
    assert_eq!(refused(loss, 1, 1, &[group(&[1.0], None, 0)]), divisor);
    let anchor = UpdateBatchError::Anchor { group: 0, anchor: 2, completions: 2 };
    assert_eq!(refused(loss, 2, 1, &[group(&[1.0; 4], Some(2), 1)]), anchor);
    for (advantages, positives) in [(&[1.0, 0.5], 2), (&[-1.0, 0.0], 0)] {
        let expected = UpdateBatchError::Positives { group: 0, positives };
        let groups = [group(advantages, None, 1)];
        assert_eq!(refused(Signal::dpo().loss(), 1, 1, &groups), expected);
    }
}

#[test]
fn a_bound_that_the_surrogate_does_not_read_is_refused() {
    let objective = Objective::new(Clip::gbpo(), 20.0, KlEstimator::K3, 0.0).unwrap();
    let with = |signal: Signal<f32>| UpdateBatch::new(signal.loss(), objective, 3, 0, []);
    assert!(with(Signal::recast()).is_ok());
    assert!(matches!(with(Signal::cispo()), Err(UpdateBatchError::Objective(_))));
}
