//! Whole groups with anchors and token advantages, and preferences, under every loss.

use burn::tensor::{Device, Tensor};
use recast_burn::objective::{GroupAdvantages, LogProbs, UpdateBatch, policy_loss, unit_losses};
use recast_core::Signal;
use recast_core::objective::{
    AnchorRatio, GroupTokens, Loss, Objective, PolicyLoss, Preference, group_loss,
};

use super::cases::{Cases, Token, column, log_probs};
use crate::device::devices;
use crate::numbers::{assert_each_close, seeded, values};
use crate::tolerance::OBJECTIVE;

tests![
    every_device_gives_cores_value_and_gradient_of_groups,
    every_device_stops_negatives_below_their_margin_as_core_does,
    the_gradient_of_supervised_training_is_that_of_the_mean_negative_log_probability,
    a_unit_is_a_token_a_completion_or_a_group,
    the_parts_of_a_minibatch_add_up,
    every_device_gives_cores_preference_and_its_gradient,
    a_positive_alone_has_no_preference,
    extreme_preferences_give_finite_losses_and_gradients,
];

const LEVELS: usize = 3;

pub(super) const ANCHOR_RATIOS: [AnchorRatio<f32>; 4] = [
    AnchorRatio::Recompute,
    AnchorRatio::Detached,
    AnchorRatio::Shaped { gamma: 0.1 },
    AnchorRatio::Weighted { weight: 0.3 },
];

/// Kept completions, in sequence.
#[derive(Clone)]
pub(super) struct Kept {
    pub(super) tokens: Vec<Token>,
    pub(super) anchor: Option<usize>,
    divisor: usize,
}

/// Groups of different sizes, some with an anchor. Their tokens are on every side of every clip; an
/// anchor without need of an old log-probability has none.
pub(super) fn groups(ratio: AnchorRatio<f32>) -> Vec<Kept> {
    let shapes = [(1, None, 1), (2, Some(1), 2), (5, Some(0), 8), (3, None, 4), (4, Some(3), 4)];
    let shapes = shapes.into_iter().cycle().take(15).enumerate();
    let has_old = matches!(ratio, AnchorRatio::Recompute | AnchorRatio::Weighted { .. });
    let group =
        |(group, (completions, anchor, divisor)): (usize, (usize, Option<usize>, usize))| {
            let count = completions * LEVELS;
            let numbers = |column: u64| seeded(100 * group as u64 + column, count);
            let (policy, advantages) = (numbers(0), numbers(1));
            // sums of three keep clear of the kinks of the cases, since all but the limits are
            // irrational
            let log_ratios = [
                0.0, 0.09, -0.11, 0.24, 0.26, -0.22, -0.23, 0.45, -0.45, -0.7, 1.05, 1.15, 1.6,
                -3.0,
            ];
            let log_ratios = picked(&numbers(2), &log_ratios);
            let differences =
                picked(&numbers(3), &[0.0, 1e-4, 0.01, -0.01, 0.3, -0.3, 2.5, 2.7, -3.0]);
            let token = |i: usize| {
                let (policy, is_anchor) = (policy[i] - 2.5, anchor == Some(i / LEVELS));
                let old = if is_anchor && !has_old { f32::NAN } else { policy - log_ratios[i] };
                Token { policy, old, reference: policy + differences[i], advantage: advantages[i] }
            };
            Kept { tokens: (0..count).map(token).collect(), anchor, divisor }
        };
    shapes.map(group).collect()
}

/// The value at each number's place in the list, for a number of [-2, 2).
fn picked(numbers: &[f32], list: &[f32]) -> Vec<f32> {
    let place = |number: f32| (number + 2.0) / 4.0 * list.len() as f32;
    numbers.iter().map(|&number| list[(place(number) as usize).min(list.len() - 1)]).collect()
}

/// All tokens, level by level.
pub(super) fn by_level(groups: &[Kept]) -> Vec<Token> {
    let level = |level| {
        let tokens = groups.iter().flat_map(|group| group.tokens.iter());
        tokens.skip(level).step_by(LEVELS).copied()
    };
    (0..LEVELS).flat_map(level).collect()
}

pub(super) fn batch(
    groups: &[Kept],
    loss: Loss<f32>,
    objective: Objective<f32>,
    of_groups: usize,
) -> UpdateBatch {
    let advantages =
        |group: &Kept| -> Vec<f32> { group.tokens.iter().map(|token| token.advantage).collect() };
    let advantages: Vec<Vec<f32>> = groups.iter().map(advantages).collect();
    let groups = groups.iter().zip(&advantages).map(|(group, advantages)| {
        let Kept { anchor, divisor, .. } = *group;
        GroupAdvantages { advantages, anchor, divisor }
    });
    UpdateBatch::new(loss, objective, LEVELS, of_groups, groups).expect("a batch")
}

pub(super) fn on_device(groups: &[Kept], device: &Device) -> (LogProbs, Tensor<1>) {
    log_probs(&by_level(groups), device)
}

/// Core's loss of a group, and its gradient by token, completion by completion.
fn expected(group: &Kept, loss: &Loss<f64>, objective: &Objective<f64>) -> (f64, Vec<f64>) {
    let offsets: Vec<usize> = (0..=group.tokens.len()).step_by(LEVELS).collect();
    let tokens = GroupTokens {
        offsets: &offsets,
        policy_log_probs: &column(&group.tokens, |token| token.policy),
        old_log_probs: &column(&group.tokens, |token| token.old),
        ref_log_probs: &column(&group.tokens, |token| token.reference),
        advantages: &column(&group.tokens, |token| token.advantage),
        anchor: group.anchor,
        divisor: group.divisor,
    };
    let mut gradients = vec![f64::NAN; group.tokens.len()];
    let value = group_loss(loss, tokens, objective, &mut gradients);
    (value, gradients)
}

/// Core's losses of groups, and the gradient of their mean over `of_groups`, level by level.
fn all_expected(
    groups: &[Kept],
    loss: &Loss<f64>,
    objective: &Objective<f64>,
    of_groups: usize,
) -> (Vec<f64>, Vec<f64>) {
    let (losses, gradients): (Vec<f64>, Vec<Vec<f64>>) =
        groups.iter().map(|group| expected(group, loss, objective)).unzip();
    let gradients = gradients.concat();
    let level = |level| gradients.iter().skip(level).step_by(LEVELS);
    let gradients = (0..LEVELS).flat_map(level).map(|gradient| gradient / of_groups as f64);
    (losses, gradients.collect())
}

fn every_device_gives_cores_value_and_gradient_of_groups() {
    for (device_name, device) in devices() {
        for case in &Cases::read().losses {
            for ratio in ANCHOR_RATIOS {
                let groups = groups(ratio);
                let of_groups = groups.len();
                let (losses, gradient) =
                    all_expected(&groups, &case.loss(ratio), &case.objective(), of_groups);
                let batch = batch(&groups, case.loss(ratio), case.objective(), of_groups);
                let (log_probs, policy) = on_device(&groups, &device);
                let loss = policy_loss(log_probs, &batch);

                let name = format!("{device_name}, {}, {ratio:?}", case.name);
                let value = losses.iter().sum::<f64>() / of_groups as f64;
                assert_each_close(&values(&loss), &[value], OBJECTIVE, |_| {
                    format!("{name}: value")
                });
                let found = values(&policy.grad(&loss.backward()).expect("a gradient"));
                assert_each_close(&found, &gradient, OBJECTIVE, |i| {
                    format!("{name}: gradient of {:?}", by_level(&groups)[i])
                });
            }
        }
    }
}

fn every_device_stops_negatives_below_their_margin_as_core_does() {
    let ratio = AnchorRatio::Recompute;
    let groups = groups(ratio);
    let of_groups = groups.len();
    for (device_name, device) in devices() {
        for case in &Cases::read().losses {
            // no sum of the differences is as near as rounding to a margin
            for margin in [0.123, 1.37] {
                let of_core = PolicyLoss {
                    negative_margin: Some(f64::from(margin)),
                    ..case.policy_loss::<f64>(ratio)
                };
                let (losses, gradient) =
                    all_expected(&groups, &Loss::Policy(of_core), &case.objective(), of_groups);
                let free = all_expected(&groups, &case.loss(ratio), &case.objective(), of_groups);
                assert!(free.1 != gradient, "{}: no negative is below {margin}", case.name);
                let loss = PolicyLoss { negative_margin: Some(margin), ..case.policy_loss(ratio) };
                let batch = batch(&groups, Loss::Policy(loss), case.objective(), of_groups);
                let (log_probs, policy) = on_device(&groups, &device);
                let loss = policy_loss(log_probs, &batch);

                let name = format!("{device_name}, {}, margin {margin}", case.name);
                let value = losses.iter().sum::<f64>() / of_groups as f64;
                assert_each_close(&values(&loss), &[value], OBJECTIVE, |_| name.clone());
                let found = values(&policy.grad(&loss.backward()).expect("a gradient"));
                assert_each_close(&found, &gradient, OBJECTIVE, |i| format!("{name}, number {i}"));
            }
        }
    }
}

fn the_gradient_of_supervised_training_is_that_of_the_mean_negative_log_probability() {
    let signal = Signal::<f32>::Supervised;
    let numbers = seeded(9000, 4 * LEVELS);
    // neither old nor reference log-probabilities are read
    let token = |&policy: &f32| Token {
        policy: policy - 2.5,
        old: f32::NAN,
        reference: f32::NAN,
        advantage: 1.0,
    };
    let tokens: Vec<Token> = numbers.iter().map(token).collect();
    let group = |tokens: &[Token]| Kept { tokens: tokens.to_vec(), anchor: Some(0), divisor: 1 };
    let groups: Vec<Kept> = tokens.chunks(LEVELS).map(group).collect();
    let case = Objective::default();
    let objective =
        Objective::new(case.clip(), case.log_ratio_limit(), case.kl_estimator(), 0.0).expect("0");
    for (device_name, device) in devices() {
        let batch = batch(&groups, signal.loss(), objective, groups.len());
        let (log_probs, policy) = on_device(&groups, &device);
        let loss = policy_loss(log_probs, &batch);
        let found = values(&policy.grad(&loss.backward()).expect("a gradient"));
        // the derivative of the mean negative log-probability of all tokens
        let expected = vec![-1.0 / tokens.len() as f64; tokens.len()];
        let name = |i: usize| format!("{device_name}, number {i}");
        assert_each_close(&found, &expected, OBJECTIVE, name);
    }
}

fn a_unit_is_a_token_a_completion_or_a_group() {
    let groups = groups(AnchorRatio::Recompute);
    let tokens = by_level(&groups).len();
    for (_, device) in devices() {
        for case in &Cases::read().losses {
            let loss = case.loss(AnchorRatio::Recompute);
            let batch = batch(&groups, loss, case.objective(), groups.len());
            let units = if case.is_of_completions() { tokens / LEVELS } else { tokens };
            let (log_probs, _) = on_device(&groups, &device);
            assert_eq!(unit_losses(log_probs, &batch).dims(), [units], "{}", case.name);
        }
    }
}

fn the_parts_of_a_minibatch_add_up() {
    let ratio = AnchorRatio::Shaped { gamma: 0.1 };
    let groups = groups(ratio);
    for (device_name, device) in devices() {
        for case in &Cases::read().losses {
            let loss = |part: &[Kept]| {
                let batch = batch(part, case.loss(ratio), case.objective(), groups.len());
                let (log_probs, _) = on_device(part, &device);
                f64::from(values(&policy_loss(log_probs, &batch))[0])
            };
            let (first, second) = groups.split_at(4);
            let name = |_| format!("{device_name}, {}", case.name);
            assert_each_close(&[loss(first) + loss(second)], &[loss(&groups)], OBJECTIVE, name);
        }
    }
}

/// Groups of one positive and none to six negatives. The loss does not read their old
/// log-probabilities.
fn contrasts() -> Vec<Kept> {
    let sizes = [2, 7, 1, 3, 2, 4];
    let group = |(group, completions): (usize, usize)| {
        let positive = group % completions;
        let count = completions * LEVELS;
        let numbers = |column: u64| seeded(5000 + 100 * group as u64 + column, count);
        let (policy, reference) = (numbers(0), numbers(1));
        let token = |i: usize| Token {
            policy: policy[i] - 2.5,
            old: f32::NAN,
            reference: reference[i] - 2.5,
            advantage: if i / LEVELS == positive { 1.0 } else { -1.0 },
        };
        Kept { tokens: (0..count).map(token).collect(), anchor: Some(positive), divisor: 9 }
    };
    sizes.into_iter().enumerate().map(group).collect()
}

fn preference(beta: f32) -> Preference<f32> {
    Preference::new(beta).expect("a preference")
}

fn every_device_gives_cores_preference_and_its_gradient() {
    let groups = contrasts();
    let of_groups = groups.len() + 2;
    for (device_name, device) in devices() {
        for beta in [0.1, 1.0, 3.0] {
            let core = Loss::Preference(Preference::new(f64::from(beta)).expect("a preference"));
            let (losses, gradient) = all_expected(&groups, &core, &Objective::default(), of_groups);
            let loss = Loss::Preference(preference(beta));
            let batch = batch(&groups, loss, Objective::default(), of_groups);
            let (log_probs, policy) = on_device(&groups, &device);
            let found = unit_losses(log_probs.clone(), &batch);
            let loss = policy_loss(log_probs, &batch);

            let name = |i: usize| format!("{device_name}, beta {beta}, number {i}");
            assert_each_close(&values(&found), &losses, OBJECTIVE, name);
            let mean = losses.iter().sum::<f64>() / of_groups as f64;
            assert_each_close(&values(&loss), &[mean], OBJECTIVE, name);
            let found = values(&policy.grad(&loss.backward()).expect("a gradient"));
            assert_each_close(&found, &gradient, OBJECTIVE, name);
        }
    }
}

fn a_positive_alone_has_no_preference() {
    let mut groups = contrasts();
    groups.retain(|group| group.tokens.len() == LEVELS);
    for (_, device) in devices() {
        let loss = Loss::Preference(preference(1.0));
        let batch = batch(&groups, loss, Objective::default(), 1);
        let (log_probs, policy) = on_device(&groups, &device);
        let loss = policy_loss(log_probs, &batch);
        assert_eq!(values(&loss), [0.0]);
        assert_eq!(values(&policy.grad(&loss.backward()).expect("a gradient")), [0.0; LEVELS]);
    }
}

fn extreme_preferences_give_finite_losses_and_gradients() {
    // one side of two pairs is nearly impossible; a larger group pads these pairs
    let mut groups = contrasts();
    for (group, side) in [(0, 0), (4, 1)] {
        for token in &mut groups[group].tokens[side * LEVELS..(side + 1) * LEVELS] {
            token.policy = -1e6;
        }
    }
    for (device_name, device) in devices() {
        let core = Loss::Preference(Preference::new(1.0).expect("a preference"));
        let (losses, gradient) = all_expected(&groups, &core, &Objective::default(), 1);
        let (losses, gradient): (Vec<f64>, Vec<f64>) =
            (losses, gradient.iter().map(|gradient| gradient / groups.len() as f64).collect());
        let loss = Loss::Preference(preference(1.0));
        let batch = batch(&groups, loss, Objective::default(), groups.len());
        let (log_probs, policy) = on_device(&groups, &device);
        let found = unit_losses(log_probs.clone(), &batch);
        let grads = policy_loss(log_probs, &batch).backward();
        let name = |i: usize| format!("{device_name}, number {i}");
        assert_each_close(&values(&found), &losses, OBJECTIVE, name);
        let found = values(&policy.grad(&grads).expect("a gradient"));
        assert_each_close(&found, &gradient, OBJECTIVE, name);
    }
}
