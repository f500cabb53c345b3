//! A training loop of another framework: a linear policy in `ndarray`, ReCast's signal, and core's
//! closed-form gradients in place of automatic differentiation.
//!
//! ```sh
//! cargo run --release -p recast-core --example ndarray_loop
//! ```
//!
//! The 64 prompts have 16 features and one target each among 200 items. A completion is one item,
//! so a SID has one level. The policy's scores are `features . weights`. A group is the 8 best
//! items with some noise; at the start about one group in twenty-five holds the target.

use std::error::Error;

use ndarray::{Array1, Array2, ArrayView1, Axis};
use recast_core::objective::{GroupTokens, Objective, group_loss};
use recast_core::{Group, Outcome, Signal};

const PROMPTS: usize = 64;
const FEATURES: usize = 16;
const ITEMS: usize = 200;
const GROUP: usize = 8;
const STEPS: usize = 400;
const LEARNING_RATE: f64 = 2.0;

/// A generator of uniform numbers in [0, 1): enough for an example.
struct Uniform(u64);

impl Uniform {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (self.0 >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Gumbel noise: the best of noisy scores are a sample without replacement.
    fn gumbel(&mut self) -> f64 {
        -(-self.next().max(1e-300).ln()).ln()
    }
}

fn log_softmax(scores: &ArrayView1<'_, f64>) -> Array1<f64> {
    let largest = scores.fold(f64::NEG_INFINITY, |a, &b| a.max(b));
    let total = scores.mapv(|score| (score - largest).exp()).sum();
    scores.mapv(|score| score - largest - total.ln())
}

fn pass_at_1(scores: &Array2<f64>, targets: &[usize]) -> f64 {
    let best = |row: ArrayView1<'_, f64>| (0..ITEMS).max_by(|&a, &b| row[a].total_cmp(&row[b]));
    let hits = scores.axis_iter(Axis(0)).zip(targets).filter(|(row, t)| best(*row) == Some(**t));
    hits.count() as f64 / targets.len() as f64
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut uniform = Uniform(1);
    let features = Array2::from_shape_simple_fn((PROMPTS, FEATURES), || uniform.next() - 0.5);
    let targets: Vec<usize> =
        (0..PROMPTS).map(|_| (uniform.next() * ITEMS as f64) as usize).collect();
    let (signal, objective) = (Signal::recast().check()?, Objective::default());
    let mut weights = Array2::<f64>::zeros((FEATURES, ITEMS));
    let reference = features.dot(&weights);

    for step in 0..=STEPS {
        let scores = features.dot(&weights);
        let mut gradient = Array2::<f64>::zeros((PROMPTS, ITEMS));
        let (mut all_zero, mut trained) = (0, 0);
        for (prompt, &target) in targets.iter().enumerate() {
            let policy = log_softmax(&scores.row(prompt));
            let noisy: Vec<f64> = policy.iter().map(|p| p + uniform.gumbel()).collect();
            let mut items: Vec<usize> = (0..ITEMS).collect();
            items.sort_by(|&a, &b| noisy[b].total_cmp(&noisy[a]));
            items.truncate(GROUP);

            // a SID has one level, so a structural score says no more than the reward
            let mut rewards: Vec<f64> =
                items.iter().map(|&i| f64::from(u8::from(i == target))).collect();
            let old: Vec<f64> = items.iter().map(|&i| policy[i]).collect();
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
            let reference = log_softmax(&reference.row(prompt));
            let of = |log_probs: &Array1<f64>| -> Vec<f64> {
                selection.kept.iter().map(|&slot| log_probs[items[slot]]).collect()
            };
            // each completion has one token; every step is the first of its rollout
            let (now, reference) = (of(&policy), of(&reference));
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
            let mut row = gradient.row_mut(prompt);
            for (&slot, by_log_prob) in selection.kept.iter().zip(by_log_prob) {
                // d log softmax_i / d score_j = [i = j] - p_j
                let by_log_prob = by_log_prob / PROMPTS as f64;
                row[items[slot]] += by_log_prob;
                row.zip_mut_with(&policy, |g, log_prob| *g -= by_log_prob * log_prob.exp());
                trained += 1;
            }
        }
        if step % 100 == 0 {
            println!(
                "step {step:>3}: Pass@1 {:.3}, all-zero groups {all_zero:>2} of {PROMPTS}, trained on {trained} of {}",
                pass_at_1(&scores, &targets),
                PROMPTS * GROUP
            );
        }
        weights.scaled_add(-LEARNING_RATE, &features.t().dot(&gradient));
    }
    Ok(())
}
