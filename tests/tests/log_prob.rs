//! Log-probabilities equal plain `f64` arithmetic, value and gradient, on every device.

use burn::tensor::{Device, Int, Tensor, TensorData};
use rand::RngExt;
use rand::seq::SliceRandom;
use recast_burn::fused::token_log_probs;
use recast_burn::log_prob::allowed_log_probs;
use recast_train::random::{Purpose, stream};
use serde::Deserialize;

use crate::device::devices;
use crate::numbers::{assert_each_close, seeded, values};
use crate::tolerance::LOG_PROB;

tests![
    allowed_log_probs_are_renormalised_over_the_allowed_codes,
    a_forbidden_code_gets_no_gradient_at_all,
    token_log_probs_are_normalised_over_all_codes,
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cases: Vec<Case>,
    generated: Vec<Generated>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    logits: Vec<Vec<f32>>,
    targets: Vec<u16>,
    allowed: Vec<Vec<u16>>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Generated {
    rows: usize,
    codes: usize,
    allowed_share: f64,
}

impl Generated {
    fn case(&self, index: u64) -> Case {
        let mut rng = stream(12, Purpose::Embedding, index);
        let count = ((self.codes as f64 * self.allowed_share) as usize).max(1);
        let mut row_of_codes = || {
            let mut codes: Vec<u16> = (0..self.codes as u16).collect();
            codes.shuffle(&mut rng);
            codes.truncate(count);
            codes
        };
        let allowed: Vec<Vec<u16>> = (0..self.rows).map(|_| row_of_codes()).collect();
        let targets = allowed.iter().map(|row| row[rng.random_range(0..row.len())]).collect();
        let logits = seeded(index, self.rows * self.codes);
        Case {
            name: format!("{} of {} codes in {} rows", count, self.codes, self.rows),
            logits: logits
                .chunks(self.codes)
                .map(|row| row.iter().map(|v| v * 3.0).collect())
                .collect(),
            targets,
            allowed,
        }
    }
}

impl Case {
    fn all() -> Vec<Self> {
        let file: File = toml::from_str(include_str!("../cases/log_prob.toml")).expect("cases");
        let generated = file.generated.iter().zip(0..).map(|(generated, i)| generated.case(i));
        file.cases.into_iter().chain(generated).collect()
    }

    /// The same case with every code allowed.
    fn unconstrained(self) -> Self {
        let codes = self.logits[0].len() as u16;
        let allowed = vec![(0..codes).collect(); self.logits.len()];
        Self { allowed, ..self }
    }

    fn logits(&self, device: &Device) -> Tensor<2> {
        let data = TensorData::new(self.logits.concat(), [self.logits.len(), self.logits[0].len()]);
        Tensor::<2>::from_data(data, device).require_grad()
    }

    fn targets(&self, device: &Device) -> Tensor<1, Int> {
        let targets: Vec<i32> = self.targets.iter().map(|&code| code.into()).collect();
        Tensor::from_data(TensorData::new(targets, [self.targets.len()]), device)
    }

    /// The log-probability of each row's target, and the gradient of their sum by the logits under
    /// the rows' weights.
    fn expected(&self, weights: &[f32]) -> (Vec<f64>, Vec<f64>) {
        let (mut log_probs, mut gradient) = (Vec::new(), Vec::new());
        for (row, logits) in self.logits.iter().enumerate() {
            let (target, allowed) = (self.targets[row], &self.allowed[row]);
            let of = |code: u16| f64::from(logits[usize::from(code)]);
            let top = allowed.iter().map(|&code| of(code)).fold(f64::NEG_INFINITY, f64::max);
            let total: f64 = allowed.iter().map(|&code| (of(code) - top).exp()).sum();
            let log_total = top + total.ln();
            log_probs.push(of(target) - log_total);
            gradient.extend((0..logits.len() as u16).map(|code| {
                let one = if code == target { 1.0 } else { 0.0 };
                let p = if allowed.contains(&code) { (of(code) - log_total).exp() } else { 0.0 };
                f64::from(weights[row]) * (one - p)
            }));
        }
        (log_probs, gradient)
    }

    /// Asserts that log-probabilities of `logits` and their gradient are as expected.
    fn check(&self, device_name: &str, logits: &Tensor<2>, log_probs: Tensor<1>) {
        let rows = self.logits.len();
        let weights = seeded(1, rows);
        let (expected, gradient) = self.expected(&weights);
        let name = |i: usize| format!("{device_name}, {}, number {i}", self.name);
        assert_each_close(&values(&log_probs), &expected, LOG_PROB, name);
        let weights = Tensor::from_data(TensorData::new(weights, [rows]), &log_probs.device());
        let grads = (log_probs * weights).sum().backward();
        let found = values(&logits.grad(&grads).expect("a gradient"));
        assert_each_close(&found, &gradient, LOG_PROB, name);
    }
}

fn allowed_log_probs_are_renormalised_over_the_allowed_codes() {
    for (device_name, device) in devices() {
        for case in Case::all() {
            let logits = case.logits(&device);
            let allowed = case.allowed.iter().map(Vec::as_slice);
            let log_probs = allowed_log_probs(logits.clone(), case.targets(&device), allowed);
            case.check(&device_name, &logits, log_probs);
        }
    }
}

fn a_forbidden_code_gets_no_gradient_at_all() {
    for (device_name, device) in devices() {
        for case in Case::all() {
            let logits = case.logits(&device);
            let allowed = case.allowed.iter().map(Vec::as_slice);
            let log_probs = allowed_log_probs(logits.clone(), case.targets(&device), allowed);
            let found = values(&logits.grad(&log_probs.sum().backward()).expect("a gradient"));
            let codes = case.logits[0].len();
            for (i, gradient) in found.into_iter().enumerate() {
                let forbidden = !case.allowed[i / codes].contains(&((i % codes) as u16));
                assert!(
                    !forbidden || gradient.abs().to_bits() == 0,
                    "{device_name}, {}, code {i}: {gradient:e}",
                    case.name
                );
            }
        }
    }
}

fn token_log_probs_are_normalised_over_all_codes() {
    for (device_name, device) in devices() {
        for case in Case::all().into_iter().map(Case::unconstrained) {
            let logits = case.logits(&device);
            let log_probs = token_log_probs(logits.clone(), case.targets(&device));
            case.check(&device_name, &logits, log_probs);
        }
    }
}
