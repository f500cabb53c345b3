//! The choice of extensions on the decoder's device: the best, drawn ones, or perturbed ones.
//!
//! Random numbers come from the prompts' streams and are uploaded. Equal seeds therefore give equal
//! draws on every device, up to rounding. The cost is that of [`super::device_rollout`].

use burn::tensor::activation::log_softmax;
use burn::tensor::{Bool, Device, Int, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rayon::prelude::*;
use recast_burn::packing::FORBIDDEN;

use super::draws::Draws;
use super::rollout::{Rule, Sampling};
use super::sample::LEAST_LOG_WEIGHT;

/// The number of codes that a code is compared with at once: enough for a device, few enough for
/// its memory.
const COMPARED: usize = 32;

/// The rule that chooses extensions of beams, with its numbers of the beams.
#[expect(clippy::large_enum_variant, reason = "a rollout holds one of these")]
pub(super) enum Choice<'a> {
    Best,
    Drawn {
        sampling: Sampling,
        draws: Draws<'a>,
    },
    Perturbed {
        temperature: f32,
        draws: Draws<'a>,
        /// The log-probabilities of the beams at the temperature, `(B, W)`.
        tempered: Tensor<2>,
        /// The perturbed log-probabilities, `(B, W)`.
        scores: Tensor<2>,
    },
}

/// The children of all beams of a level: `beams` for each of `prompts`, `most` children for each.
pub(super) struct Children {
    pub(super) level: usize,
    pub(super) prompts: usize,
    pub(super) beams: usize,
    pub(super) most: usize,
    /// The log-probability of each child given its beam, `(B W, most)`.
    pub(super) log_probs: Tensor<2>,
    /// Whether each child is missing.
    pub(super) missing: Tensor<2, Bool>,
}

impl<'a> Choice<'a> {
    /// # Panics
    ///
    /// If the rule draws and there is not one stream for each prompt.
    pub(super) fn new(
        rule: Rule,
        streams: &'a [ChaCha8Rng],
        prompts: usize,
        device: &Device,
    ) -> Self {
        let draws = |streams| Draws::new(streams, prompts);
        match rule {
            Rule::Beam => Self::Best,
            Rule::Sample(sampling) => Self::Drawn { sampling, draws: draws(streams) },
            Rule::Gumbel { temperature } => Self::Perturbed {
                temperature,
                draws: draws(streams),
                tempered: Tensor::zeros([prompts, 1], device),
                scores: Tensor::zeros([prompts, 1], device),
            },
        }
    }

    /// The places of the `width` chosen children, their log-probabilities, and the choice below.
    ///
    /// `log_probs` are those of whole prefixes, `(B, W most)`; a place counts along a row.
    pub(super) fn choose(
        self,
        children: &Children,
        log_probs: Tensor<2>,
        width: usize,
    ) -> (Tensor<2, Int>, Tensor<2>, Self) {
        let Children { prompts, beams, most, .. } = *children;
        let all = [prompts, beams * most];
        let fewer = width.min(beams * most);
        match self {
            Self::Best => {
                let (log_probs, best) = log_probs.topk_with_indices(fewer, 1);
                (best, log_probs, self)
            }
            Self::Drawn { sampling, draws } => {
                let drawn = children.draw(sampling, draws, width);
                (drawn.clone(), log_probs.gather(1, drawn), self)
            }
            Self::Perturbed { temperature, draws, tempered, scores } => {
                let (tempered, scores) = children.perturb(temperature, draws, tempered, scores);
                let (scores, best) = scores.reshape(all).topk_with_indices(fewer, 1);
                let tempered = tempered.reshape(all).gather(1, best.clone());
                let below = Self::Perturbed { temperature, draws, tempered, scores };
                (best.clone(), log_probs.gather(1, best), below)
            }
        }
    }

    /// The numbers that order the completions of a group, the highest first. Completions of equal
    /// numbers keep their order.
    pub(super) fn ranks(&self, log_probs: &[f32]) -> Vec<f32> {
        match self {
            Self::Best => log_probs.to_vec(),
            Self::Drawn { .. } => vec![0.0; log_probs.len()],
            #[expect(clippy::expect_used, reason = "the device was asked for this type")]
            Self::Perturbed { scores, .. } => {
                scores.clone().into_data().try_to_vec_as::<f32>().expect("scores")
            }
        }
    }
}

impl Children {
    /// The logarithm of each child's weight at a temperature: 0 for the most probable one.
    fn log_weights(&self, temperature: f32) -> Tensor<2> {
        let top = self.log_probs.clone().max_dim(1);
        let weights = (self.log_probs.clone() - top).div_scalar(temperature);
        weights.clamp_min(LEAST_LOG_WEIGHT).mask_fill(self.missing.clone(), FORBIDDEN)
    }

    /// The places of drawn children, `(B, width)`: one of each beam, `width` of the empty prefix.
    fn draw(&self, sampling: Sampling, draws: Draws<'_>, width: usize) -> Tensor<2, Int> {
        let Self { level, prompts, beams, most, .. } = *self;
        let (rows, each, device) = (prompts * beams, width / beams, self.log_probs.device());
        let numbers = (0..prompts * width)
            .map(|place| draws.uniform(place / width, level, place % width))
            .collect();
        let numbers: Tensor<2> =
            Tensor::from_data(TensorData::new::<f32, _>(numbers, [rows, each]), &device);

        let weights = truncated(self.log_weights(sampling.temperature).exp(), sampling);
        let cumulative = weights.cumsum(1);
        let total = cumulative.clone().narrow(1, most - 1, 1);
        let shape = [rows, each, most];
        let targets = (numbers * total).reshape([rows, each, 1]).expand(shape);
        // the first child that reaches the target follows all children that do not
        let short = cumulative.reshape([rows, 1, most]).expand(shape).lower(targets);
        let drawn = short.int().sum_dim(2).reshape([prompts, width]);
        let beam: Tensor<1, Int> = Tensor::arange(0..beams as i64, &device);
        let first = beam.mul_scalar(most as i32).reshape([1, beams, 1]);
        drawn + first.expand([prompts, beams, each]).reshape([prompts, width])
    }

    /// The log-probabilities of all children at a temperature, and the perturbed ones by the
    /// formula of `sample::conditioned`, `(B W, most)`.
    fn perturb(
        &self,
        temperature: f32,
        draws: Draws<'_>,
        tempered: Tensor<2>,
        scores: Tensor<2>,
    ) -> (Tensor<2>, Tensor<2>) {
        let Self { level, prompts, beams, most, .. } = *self;
        let rows = prompts * beams;
        let mut numbers = vec![0.0; rows * most];
        numbers.par_chunks_exact_mut(most).enumerate().for_each(|(row, numbers)| {
            let gumbels = draws.gumbels(row / beams, level, row % beams);
            numbers.iter_mut().zip(gumbels).for_each(|(number, gumbel)| *number = gumbel);
        });
        let numbers = TensorData::new(numbers, [rows, most]);
        let gumbels = Tensor::from_data(numbers, &self.log_probs.device());

        let log_probs = log_softmax(self.log_weights(temperature), 1);
        let perturbed = log_probs.clone() + gumbels;
        let [tempered, parents] =
            [tempered, scores].map(|of_beams| of_beams.reshape([rows, 1]).expand([rows, most]));
        let gap = perturbed.clone().max_dim(1) - perturbed.clone();
        let rest = gap.neg().exp().neg().add_scalar(1.0);
        let highest = rest.clone().lower_equal_elem(0.0);
        // the logarithm of 0 is infinite, and its replacement is never read
        let rest = rest.clamp_min(f32::MIN_POSITIVE).log();
        let v = parents.clone() - tempered.clone() - perturbed + rest;
        let scores = parents.clone() - v.clone().clamp_min(0.0) - v.abs().neg().exp().log1p();
        (log_probs + tempered, scores.mask_where(highest, parents))
    }
}

/// The weights, with 0 for codes that truncation leaves out.
fn truncated(weights: Tensor<2>, sampling: Sampling) -> Tensor<2> {
    let Sampling { top_k, top_p, .. } = sampling;
    let [_, most] = weights.dims();
    let mut weights = weights;
    if (1..most).contains(&top_k) {
        let more_probable = of_more_probable(&weights, &weights.ones_like());
        weights = weights.mask_fill(more_probable.greater_equal_elem(top_k as f32), 0.0);
    }
    if top_p < 1.0 {
        let enough = weights.clone().sum_dim(1).mul_scalar(top_p);
        let mass = of_more_probable(&weights, &weights);
        weights = weights.clone().mask_fill(mass.greater_equal(enough.expand(weights.dims())), 0.0);
    }
    weights
}

/// For each code of a row the sum of `numbers` over the more probable codes.
///
/// The function does not sort, as a sort goes through the host: `O(C^2)` comparisons, `32 C`
/// numbers of memory a row.
fn of_more_probable(weights: &Tensor<2>, numbers: &Tensor<2>) -> Tensor<2> {
    let [rows, codes] = weights.dims();
    let mut sums = weights.zeros_like();
    for start in (0..codes).step_by(COMPARED) {
        let others = COMPARED.min(codes - start);
        let shape = [rows, codes, others];
        let of_others = |all: &Tensor<2>| {
            all.clone().narrow(1, start, others).reshape([rows, 1, others]).expand(shape)
        };
        let own = weights.clone().reshape([rows, codes, 1]).expand(shape);
        let less_probable = of_others(weights).lower_equal(own);
        let sum = of_others(numbers).mask_fill(less_probable, 0.0).sum_dim(2);
        sums = sums + sum.reshape([rows, codes]);
    }
    sums
}
