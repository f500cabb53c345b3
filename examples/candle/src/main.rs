//! ReCast in a training loop of candle: core selects and gives the loss's gradient by log-prob, and
//! candle differentiates the policy.
//!
//! ```sh
//! cargo run --release --manifest-path examples/candle/Cargo.toml
//! ```
//!
//! The 64 prompts have 16 features and one target each among 200 items. Two linear layers score the
//! items, and the 8 best with some noise are a group. A completion is one item, so a SID has one
//! level.

use std::error::Error;

use candle_core::{D, DType, Device, Tensor, Var};
use recast_core::objective::{GroupTokens, Objective, group_loss};
use recast_core::{Group, Outcome, Signal};

const PROMPTS: usize = 64;
const FEATURES: usize = 16;
const WIDTH: usize = 32;
const ITEMS: usize = 200;
const GROUP: usize = 8;
const STEPS: usize = 400;
const LEARNING_RATE: f64 = 4.0;

/// A generator of uniform numbers in [0, 1): enough for an example.
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f32 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 40) as f32 / (1_u32 << 24) as f32
    }

    /// Gumbel noise: the best of noisy scores are a sample without replacement.
    fn gumbel(&mut self) -> f32 {
        -(-self.next().max(1e-30).ln()).ln()
    }

    fn tensor(&mut self, rows: usize, columns: usize, scale: f32) -> candle_core::Result<Tensor> {
        let values = (0..rows * columns).map(|_| scale * (self.next() - 0.5)).collect();
        Tensor::from_vec(values, (rows, columns), &Device::Cpu)
    }
}

struct Policy {
    hidden: Var,
    head: Var,
}

impl Policy {
    /// Log-probabilities of all items, `(PROMPTS, ITEMS)`.
    fn log_probs(&self, features: &Tensor) -> candle_core::Result<Tensor> {
        let scores = features.matmul(&self.hidden)?.tanh()?.matmul(&self.head)?;
        let shifted = scores.broadcast_sub(&scores.max_keepdim(D::Minus1)?)?;
        shifted.broadcast_sub(&shifted.exp()?.sum_keepdim(D::Minus1)?.log()?)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut uniform = Uniform(1);
    let features = uniform.tensor(PROMPTS, FEATURES, 2.0)?;
    let targets: Vec<usize> =
        (0..PROMPTS).map(|_| (uniform.next() * ITEMS as f32) as usize).collect();
    let policy = Policy {
        hidden: Var::from_tensor(&uniform.tensor(FEATURES, WIDTH, 1.0)?)?,
        head: Var::from_tensor(&uniform.tensor(WIDTH, ITEMS, 0.1)?)?,
    };
    let (signal, objective) = (Signal::recast().check()?, Objective::default());
    let reference = policy.log_probs(&features)?.to_vec2::<f32>()?;

    for step in 0..=STEPS {
        let log_probs = policy.log_probs(&features)?;
        let values = log_probs.to_vec2::<f32>()?;
        // d loss / d log-prob of each item; it stays 0 for items that are not selected
        let mut gradient = vec![0.0f32; PROMPTS * ITEMS];
        let (mut all_zero, mut trained, mut hits) = (0, 0, 0);
        for (prompt, (&target, values)) in targets.iter().zip(&values).enumerate() {
            let noisy: Vec<f32> = values.iter().map(|p| p + uniform.gumbel()).collect();
            let mut items: Vec<usize> = (0..ITEMS).collect();
            items.sort_by(|&a, &b| noisy[b].total_cmp(&noisy[a]));
            items.truncate(GROUP);
            let best = (0..ITEMS).max_by(|&a, &b| values[a].total_cmp(&values[b]));
            hits += usize::from(best == Some(target));

            // a SID has one level, so a structural score says no more than the reward
            let mut rewards: Vec<f32> =
                items.iter().map(|&i| f32::from(u8::from(i == target))).collect();
            let old: Vec<f32> = items.iter().map(|&i| values[i]).collect();
            let repaired = signal.repair(Group::new(&rewards, &rewards, Some(&old))?);
            if let Some(slot) = repaired {
                (items[slot], rewards[slot]) = (target, 1.0);
                all_zero += 1;
            }
            let group = Group::new(&rewards, &rewards, Some(&old))?;
            let (mut kept, mut advantages) = ([0; GROUP], [0.0; GROUP]);
            let Outcome::Trained(selection) = signal.select(group, &mut kept, &mut advantages)
            else {
                continue;
            };
            let of = |log_probs: &[f32]| -> Vec<f32> {
                selection.kept.iter().map(|&slot| log_probs[items[slot]]).collect()
            };
            // each completion has one token; every step is the first of its rollout
            let (now, reference) = (of(values), of(&reference[prompt]));
            let offsets: Vec<usize> = (0..=now.len()).collect();
            let tokens = GroupTokens {
                offsets: &offsets,
                policy_log_probs: &now,
                old_log_probs: &now,
                ref_log_probs: &reference,
                advantages: selection.advantages,
                anchor: repaired.and_then(|slot| selection.kept.iter().position(|&k| k == slot)),
                divisor: selection.divisor,
            };
            let mut by_log_prob = vec![0.0; now.len()];
            let _ = group_loss(&signal.loss(), tokens, &objective, &mut by_log_prob);
            for (&slot, by_log_prob) in selection.kept.iter().zip(by_log_prob) {
                gradient[prompt * ITEMS + items[slot]] += by_log_prob / PROMPTS as f32;
                trained += 1;
            }
        }
        if step % 100 == 0 {
            println!(
                "step {step:>3}: Pass@1 {:.3}, all-zero groups {all_zero:>2} of {PROMPTS}, trained on {trained} of {}",
                hits as f64 / PROMPTS as f64,
                PROMPTS * GROUP
            );
        }
        // the gradient of this sum by the policy's weights is that of the loss
        let gradient = Tensor::from_vec(gradient, (PROMPTS, ITEMS), &Device::Cpu)?;
        let gradients = (log_probs * gradient)?.sum_all()?.to_dtype(DType::F32)?.backward()?;
        for weights in [&policy.hidden, &policy.head] {
            let by_weights = gradients.get(weights).ok_or("a weight without a gradient")?;
            weights.set(&(weights.as_tensor() - (by_weights * LEARNING_RATE)?)?)?;
        }
    }
    Ok(())
}
