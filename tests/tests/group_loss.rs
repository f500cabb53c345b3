//! The loss over groups is core's token loss, averaged over levels, divisors and groups.

use burn::tensor::{Tensor, TensorData};
use recast_core::objective::Objective;
use recast_train::catalogue::Trie;
use recast_train::train::KeptGroup;

use crate::core_loss::token_loss;
use crate::device::devices;
use crate::kept::{group_loss, kept};
use crate::numbers::{assert_each_close, seeded, values};
use crate::tolerance::OBJECTIVE;

tests![each_token_has_the_advantage_and_the_weight_of_its_group];

const LEVELS: usize = 3;

/// Groups of different sizes, from a signal without selection.
fn groups() -> Vec<KeptGroup> {
    let group = |advantages: &[f32], divisor| {
        kept(Vec::new(), vec![Trie::ROOT; advantages.len()], advantages, divisor, LEVELS)
    };
    vec![group(&[1.0, -1.0], 2), group(&[2.5], 8), group(&[-0.3, 0.0, 0.7, -1.5], 4)]
}

fn each_token_has_the_advantage_and_the_weight_of_its_group() {
    let groups = groups();
    let by_completion: Vec<(f32, usize)> = groups
        .iter()
        .flat_map(|group| {
            let of_completions = group.token_advantages.iter().step_by(LEVELS);
            of_completions.map(|&advantage| (advantage, group.divisor))
        })
        .collect();
    let count = LEVELS * by_completion.len();
    // log-probs within 0.1 of each other keep clear of every kink
    let column =
        |index| -> Vec<f32> { seeded(index, count).into_iter().map(|v| v * 0.025 - 3.0).collect() };
    let [policy, old, reference] = [40, 41, 42].map(column);
    let term = |token: usize| {
        // tokens go level by level, completions in order
        let (advantage, divisor) = by_completion[token % by_completion.len()];
        let of = |column: &[f32]| f64::from(column[token]);
        let objective = Objective::default();
        let term = token_loss(of(&policy), of(&old), of(&reference), advantage.into(), &objective);
        let weight = 1.0 / (groups.len() * divisor * LEVELS) as f64;
        (weight * term.value, weight * term.gradient)
    };
    let (terms, gradient): (Vec<f64>, Vec<f64>) = (0..count).map(term).unzip();
    for (device_name, device) in devices() {
        let [policy, old, reference] = [&policy, &old, &reference].map(|column| {
            Tensor::<1>::from_data(TensorData::new(column.clone(), [count]), &device)
        });
        let policy = policy.require_grad();
        let objective = Objective::default();
        let loss =
            group_loss(policy.clone(), old, reference, &groups, groups.len(), LEVELS, &objective);
        let name = |i: usize| format!("{device_name}, number {i}");
        assert_each_close(&values(&loss), &[terms.iter().sum()], OBJECTIVE, name);
        let found = values(&policy.grad(&loss.backward()).expect("a gradient"));
        assert_each_close(&found, &gradient, OBJECTIVE, name);
    }
}
