//! Completions of one token under every loss with advantages, on every branch.

use recast_burn::objective::{GroupAdvantages, UpdateBatch, policy_loss, unit_losses};
use recast_core::objective::{
    AnchorRatio, Clip, CompletionTokens, KlEstimator, Loss, Objective, PolicyLoss, completion_loss,
};

use super::cases::{Cases, LossCase, Token, log_probs};
use crate::core_loss::is_clipped;
use crate::device::devices;
use crate::numbers::{assert_each_close, values};
use crate::tolerance::OBJECTIVE;

tests![
    the_cases_reach_every_branch,
    every_device_gives_cores_value_and_gradient,
    the_loss_is_the_weighted_sum_of_the_tokens,
    without_a_coefficient_the_reference_is_not_read,
    extreme_log_probs_give_finite_losses_and_gradients,
];

const SAMPLED: AnchorRatio<f32> = AnchorRatio::Recompute;

impl Cases {
    fn tokens(&self) -> Vec<Token> {
        // the bases keep all log-probabilities negative, and one base is probable
        let mut tokens = Vec::new();
        for policy in [-25.0, -0.3] {
            for log_ratio in &self.log_ratios {
                for &advantage in &self.advantages {
                    for difference in &self.kl_differences {
                        let (old, reference) = (policy - log_ratio, policy + difference);
                        tokens.push(Token { policy, old, reference, advantage });
                    }
                }
            }
        }
        tokens
    }
}

/// Core's value and gradient of a token alone.
fn expected(token: Token, case: &LossCase) -> (f64, f64) {
    let Token { policy, old, reference, advantage } = token;
    let [policy, old, reference, advantage] = [policy, old, reference, advantage].map(f64::from);
    let tokens = CompletionTokens {
        policy_log_probs: &[policy],
        old_log_probs: &[old],
        ref_log_probs: &[reference],
        advantages: &[advantage],
        is_anchor: false,
    };
    let mut gradient = [f64::NAN];
    let (loss, objective) = (case.policy_loss(SAMPLED), case.objective());
    (completion_loss(&loss, tokens, &objective, &mut gradient), gradient[0])
}

/// All tokens as one group of completions, each of weight 1.
fn batch(tokens: &[Token], loss: Loss<f32>, objective: Objective<f32>) -> UpdateBatch {
    let advantages: Vec<f32> = tokens.iter().map(|token| token.advantage).collect();
    let group = GroupAdvantages { advantages: &advantages, anchor: None, divisor: 1 };
    UpdateBatch::new(loss, objective, 1, 1, [group]).expect("a batch")
}

fn the_cases_reach_every_branch() {
    let tokens = Cases::read().tokens();
    let objective = Objective::<f32>::default();
    let is_clipped = |t: &Token| is_clipped(t.policy, t.old, t.advantage, &objective);
    let reached = |branch: &dyn Fn(&Token, bool) -> bool| {
        tokens.iter().any(|token| branch(token, is_clipped(token)))
    };
    for sign in [1.0, -1.0] {
        let reached = |branch: &dyn Fn(f32, bool) -> bool| {
            reached(&|t, clipped| t.advantage * sign > 0.0 && branch(t.log_ratio(), clipped))
        };
        assert!(reached(&|log_ratio, clipped| log_ratio.abs().to_bits() == 0 && !clipped));
        assert!(reached(&|log_ratio, clipped| log_ratio > 0.0 && !clipped));
        assert!(reached(&|log_ratio, clipped| log_ratio < 0.0 && !clipped));
        assert!(reached(&|log_ratio, clipped| log_ratio * sign > 0.0 && clipped));
        assert!(reached(&|log_ratio, _| log_ratio > 20.0));
        assert!(reached(&|log_ratio, _| log_ratio < -20.0));
    }
    let dual_clipped = |t: &Token, clipped| t.advantage < 0.0 && t.log_ratio() > 1.1 && clipped;
    assert!(reached(&dual_clipped));
    assert!(reached(&|t, clipped| t.advantage.abs().to_bits() == 0 && !clipped));
    // k3 within and beyond OpenOneRec's limit of 10, on either side
    let difference = |t: &Token| t.reference - t.policy;
    for within in [2.0..2.61, 2.62..20.0, -10.99..-3.0, -20.0..-11.01] {
        assert!(reached(&|t, _| within.contains(&difference(t))), "{within:?}");
    }
}

fn every_device_gives_cores_value_and_gradient() {
    let cases = Cases::read();
    let tokens = cases.tokens();
    for (device_name, device) in devices() {
        for case in &cases.losses {
            // a penalty times the ratio has rounding errors of the ratio's size
            let scale: Vec<f64> = tokens
                .iter()
                .map(|token| f64::from(token.log_ratio()).min(20.0).exp().max(1.0))
                .map(|ratio| if case.kl_times_ratio { ratio } else { 1.0 })
                .collect();
            let (value, gradient): (Vec<f64>, Vec<f64>) = tokens
                .iter()
                .zip(&scale)
                .map(|(&token, scale)| {
                    let (value, gradient) = expected(token, case);
                    (value / scale, gradient / scale)
                })
                .unzip();
            let batch = batch(&tokens, case.loss(SAMPLED), case.objective());
            let (log_probs, policy) = log_probs(&tokens, &device);
            let losses = unit_losses(log_probs.clone(), &batch);
            let grads = policy_loss(log_probs, &batch).backward();
            let scaled = |found: Vec<f32>| -> Vec<f64> {
                found.iter().zip(&scale).map(|(&found, scale)| f64::from(found) / scale).collect()
            };

            let name = |quantity: &'static str| {
                let (device_name, case, tokens) = (&device_name, &case.name, &tokens);
                move |i: usize| format!("{device_name}, {case}, {quantity} of {:?}", tokens[i])
            };
            assert_each_close(&scaled(values(&losses)), &value, OBJECTIVE, name("value"));
            let found = scaled(values(&policy.grad(&grads).expect("a gradient")));
            assert_each_close(&found, &gradient, OBJECTIVE, name("gradient"));
        }
    }
}

fn the_loss_is_the_weighted_sum_of_the_tokens() {
    let cases = Cases::read();
    let mut tokens = cases.tokens();
    // a term of e^20 would hide the others in a sum of f32
    tokens.retain(|token| token.log_ratio().abs() < 2.0 && (token.reference - token.policy) < 4.0);
    let advantages: Vec<f32> = tokens.iter().map(|token| token.advantage).collect();
    // the groups have seven tokens and several divisors, in a part of a larger minibatch
    let divisor = |group: usize| 1 + group % 5;
    let groups: Vec<GroupAdvantages<'_>> = advantages
        .chunks(7)
        .enumerate()
        .map(|(group, advantages)| GroupAdvantages {
            advantages,
            anchor: None,
            divisor: divisor(group),
        })
        .collect();
    let of_groups = 2 * groups.len();
    for (device_name, device) in devices() {
        for case in &cases.losses {
            let (terms, gradient): (Vec<f64>, Vec<f64>) = tokens
                .iter()
                .enumerate()
                .map(|(i, &token)| {
                    let weight = 1.0 / (of_groups * divisor(i / 7)) as f64;
                    let (value, gradient) = expected(token, case);
                    (weight * value, weight * gradient)
                })
                .unzip();
            let (loss, objective) = (case.loss(SAMPLED), case.objective());
            let batch = UpdateBatch::new(loss, objective, 1, of_groups, groups.iter().copied());
            let (log_probs, policy) = log_probs(&tokens, &device);
            let loss = policy_loss(log_probs, &batch.expect("a batch"));

            let size: f64 = terms.iter().map(|term| term.abs()).sum();
            let error = f64::from(values(&loss)[0]) - terms.iter().sum::<f64>();
            assert!(error.abs() <= OBJECTIVE * size, "{device_name}, {}: {error:e}", case.name);
            let found = values(&policy.grad(&loss.backward()).expect("a gradient"));
            let name = |i: usize| format!("{device_name}, {}, {:?}", case.name, tokens[i]);
            assert_each_close(&found, &gradient, OBJECTIVE, name);
        }
    }
}

fn without_a_coefficient_the_reference_is_not_read() {
    let token = Token { policy: -1.0, old: -1.0, reference: f32::NAN, advantage: 1.0 };
    let clip = Clip::default();
    let objective = Objective::new(clip, 20.0, KlEstimator::K3, 0.0).expect("an objective");
    for (_, device) in devices() {
        let batch = batch(&[token], Loss::Policy(PolicyLoss::default()), objective);
        let (log_probs, policy) = log_probs(&[token], &device);
        let loss = policy_loss(log_probs, &batch);
        assert_eq!(values(&loss), [-1.0]);
        assert_eq!(values(&policy.grad(&loss.backward()).expect("a gradient")), [-1.0]);
    }
}

fn extreme_log_probs_give_finite_losses_and_gradients() {
    let token = |policy, old, advantage| Token { policy, old, reference: old, advantage };
    let tokens: Vec<Token> =
        [1.0, -1.0].map(|a| [token(0.0, -1e30, a), token(-1e30, 0.0, a)]).concat();
    for (device_name, device) in devices() {
        for case in &Cases::read().losses {
            let batch = batch(&tokens, case.loss(SAMPLED), case.objective());
            let (log_probs, policy) = log_probs(&tokens, &device);
            let loss = policy_loss(log_probs, &batch);
            let found = values(&policy.grad(&loss.backward()).expect("a gradient"));
            let finite = values(&loss)[0].is_finite() && found.iter().all(|g| g.is_finite());
            assert!(finite, "{device_name}, {}", case.name);
        }
    }
}
