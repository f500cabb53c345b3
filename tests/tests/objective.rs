//! The policy objective of every device equals core's, value and gradient.

use burn::tensor::{Device, Tensor, TensorData};
use recast_burn::objective::{PolicyTokens, policy_loss};
use recast_core::objective::{Clip, KlEstimator, Objective, ObjectiveError, TokenTerm};
use serde::Deserialize;

use crate::core_loss::{is_clipped, token_loss};
use crate::device::devices;
use crate::numbers::{assert_each_close, seeded, values};
use crate::tolerance::OBJECTIVE;

tests![
    the_cases_reach_every_branch,
    every_device_gives_cores_value_and_gradient,
    the_loss_is_the_weighted_sum_of_the_tokens,
    without_a_coefficient_the_reference_is_not_read,
    extreme_log_probs_give_finite_losses_and_gradients,
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Cases {
    log_ratios: Vec<f32>,
    advantages: Vec<f32>,
    kl_differences: Vec<f32>,
    objectives: Vec<ObjectiveCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ObjectiveCase {
    name: String,
    #[serde(default)]
    clip_low: f32,
    #[serde(default)]
    clip_high: f32,
    dual_clip: Option<f32>,
    /// In place of a dual clip.
    ecpo_delta: Option<f32>,
    /// In place of any clip.
    #[serde(default)]
    gbpo: bool,
    log_ratio_limit: f32,
    kl_estimator: Estimator,
    kl_coef: f32,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Estimator {
    K1,
    K2,
    K3,
}

impl From<Estimator> for KlEstimator {
    fn from(estimator: Estimator) -> Self {
        match estimator {
            Estimator::K1 => Self::K1,
            Estimator::K2 => Self::K2,
            Estimator::K3 => Self::K3,
        }
    }
}

impl ObjectiveCase {
    fn single(&self) -> Result<Objective<f32>, ObjectiveError> {
        let clip = match (self.gbpo, self.ecpo_delta) {
            (true, _) => Clip::gbpo(),
            (false, Some(delta)) => Clip::ecpo(self.clip_low, self.clip_high, delta)?,
            (false, None) => Clip::new(self.clip_low, self.clip_high, self.dual_clip)?,
        };
        Objective::new(clip, self.log_ratio_limit, self.kl_estimator.into(), self.kl_coef)
    }

    fn double(&self) -> Result<Objective<f64>, ObjectiveError> {
        let (low, high) = (self.clip_low.into(), self.clip_high.into());
        let clip = match (self.gbpo, self.ecpo_delta) {
            (true, _) => Clip::gbpo(),
            (false, Some(delta)) => Clip::ecpo(low, high, delta.into())?,
            (false, None) => Clip::new(low, high, self.dual_clip.map(f64::from))?,
        };
        Objective::new(
            clip,
            self.log_ratio_limit.into(),
            self.kl_estimator.into(),
            self.kl_coef.into(),
        )
    }
}

#[derive(Clone, Copy, Debug)]
struct Token {
    policy: f32,
    old: f32,
    reference: f32,
    advantage: f32,
}

impl Token {
    fn expected(self, objective: &Objective<f64>) -> TokenTerm<f64> {
        let Self { policy, old, reference, advantage } = self;
        token_loss(policy.into(), old.into(), reference.into(), advantage.into(), objective)
    }

    fn log_ratio(self) -> f32 {
        self.policy - self.old
    }
}

impl Cases {
    fn read() -> Self {
        toml::from_str(include_str!("../cases/objective.toml")).expect("cases")
    }

    fn tokens(&self) -> Vec<Token> {
        // far enough below 0 for all log-probabilities to be negative; and a probable one
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

fn column(tokens: &[Token], of_token: impl Fn(&Token) -> f32, device: &Device) -> Tensor<1> {
    let values: Vec<f32> = tokens.iter().map(of_token).collect();
    Tensor::from_data(TensorData::new(values, [tokens.len()]), device)
}

/// The tokens as tensors, and the leaf that takes the gradient.
fn policy_tokens(tokens: &[Token], weights: Tensor<1>) -> (PolicyTokens, Tensor<1>) {
    let device = weights.device();
    let policy = column(tokens, |token| token.policy, &device).require_grad();
    let tensors = PolicyTokens {
        policy_log_probs: policy.clone(),
        old_log_probs: column(tokens, |token| token.old, &device),
        ref_log_probs: column(tokens, |token| token.reference, &device),
        advantages: column(tokens, |token| token.advantage, &device),
        weights,
    };
    (tensors, policy)
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
}

fn every_device_gives_cores_value_and_gradient() {
    let cases = Cases::read();
    let tokens = cases.tokens();
    for (device_name, device) in devices() {
        for case in &cases.objectives {
            let expected: Vec<TokenTerm<f64>> = {
                let objective = case.double().expect("an objective");
                tokens.iter().map(|token| token.expected(&objective)).collect()
            };
            // with weight 1, the loss by a weight is the token's value
            let weights = Tensor::<1>::ones([tokens.len()], &device).require_grad();
            let (tensors, policy) = policy_tokens(&tokens, weights.clone());
            let grads = policy_loss(tensors, &case.single().expect("an objective")).backward();
            let found = |leaf: &Tensor<1>| values(&leaf.grad(&grads).expect("a gradient"));

            let name = |quantity: &'static str| {
                let (device_name, case, tokens) = (&device_name, &case.name, &tokens);
                move |i: usize| format!("{device_name}, {case}, {quantity} of {:?}", tokens[i])
            };
            let value: Vec<f64> = expected.iter().map(|term| term.value).collect();
            assert_each_close(&found(&weights), &value, OBJECTIVE, name("value"));
            let gradient: Vec<f64> = expected.iter().map(|term| term.gradient).collect();
            assert_each_close(&found(&policy), &gradient, OBJECTIVE, name("gradient"));
        }
    }
}

fn the_loss_is_the_weighted_sum_of_the_tokens() {
    let cases = Cases::read();
    let mut tokens = cases.tokens();
    // a term of e^20 would hide the others in a sum of f32
    tokens.retain(|token| token.log_ratio().abs() < 2.0 && (token.reference - token.policy) < 4.0);
    let weights = seeded(0, tokens.len());
    for (device_name, device) in devices() {
        for case in &cases.objectives {
            let objective = case.double().expect("an objective");
            let by_token = tokens.iter().zip(&weights);
            let terms: Vec<(f64, f64)> = by_token
                .map(|(token, &weight)| {
                    let term = token.expected(&objective);
                    (f64::from(weight) * term.value, f64::from(weight) * term.gradient)
                })
                .collect();
            let data = TensorData::new(weights.clone(), [tokens.len()]);
            let (tensors, policy) = policy_tokens(&tokens, Tensor::from_data(data, &device));
            let loss = policy_loss(tensors, &case.single().expect("an objective"));

            let size: f64 = terms.iter().map(|term| term.0.abs()).sum();
            let error = f64::from(values(&loss)[0]) - terms.iter().map(|term| term.0).sum::<f64>();
            assert!(error.abs() <= OBJECTIVE * size, "{device_name}, {}: {error:e}", case.name);
            let found = values(&policy.grad(&loss.backward()).expect("a gradient"));
            let gradient: Vec<f64> = terms.iter().map(|term| term.1).collect();
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
        let (tensors, policy) = policy_tokens(&[token], Tensor::ones([1], &device));
        let loss = policy_loss(tensors, &objective);
        assert_eq!(values(&loss), [-1.0]);
        assert_eq!(values(&policy.grad(&loss.backward()).expect("a gradient")), [-1.0]);
    }
}

fn extreme_log_probs_give_finite_losses_and_gradients() {
    let token = |policy, old, advantage| Token { policy, old, reference: old, advantage };
    let tokens: Vec<Token> =
        [1.0, -1.0].map(|a| [token(0.0, -1e30, a), token(-1e30, 0.0, a)]).concat();
    for (_, device) in devices() {
        let (tensors, policy) = policy_tokens(&tokens, Tensor::ones([tokens.len()], &device));
        let loss = policy_loss(tensors, &Objective::default());
        let found = values(&policy.grad(&loss.backward()).expect("a gradient"));
        assert!(values(&loss)[0].is_finite() && found.iter().all(|g| g.is_finite()));
    }
}
