//! Rollouts by chance: independent draws, and draws without replacement by Gumbel top-k.

use rand_chacha::ChaCha8Rng;

use super::draws::Draws;
use super::levels::{Beam, Best, Frontier, LevelSearch};
use super::rollout::{Rollout, Rule, Sampling};
use super::{Completion, beam_search, children};
use crate::catalogue::{Node, Trie};
use crate::model::Decoder;

/// The least log-weight of a code relative to the most probable one. None so improbable is drawn
/// before a more probable one; sums over levels stay far above what forbids a place.
pub(super) const LEAST_LOG_WEIGHT: f32 = -1e6;

/// For each prompt a group of `width` completions, generated as `rollout` says.
///
/// `beam` is [`beam_search`]. The other two draw from the distribution that the policy and the
/// trie give, code by code:
///
/// ```text
/// p(code | prefix) = softmax over the codes that may follow of (logit / temperature)
/// ```
///
/// `sample` draws `width` completions independently of each other, so that a completion may
/// occur several times; they stand in the order of the draws. Truncation keeps, first, the `top_k`
/// most probable codes; then, of the mass of these, the fewest most probable codes that hold at
/// least `top_p`. A code as probable as the last one kept is kept too. Probabilities are rounded
/// to multiples of 2^-24.
///
/// `gumbel` draws without replacement: completions are distinct, the first is a draw from the
/// distribution, the second a draw from it without the first, and so on; all of the trie's leaves
/// where these are fewer. They stand in the order of the draws, by descending perturbed
/// log-probability. Memory and computation are those of beam search.
///
/// [`Completion::log_prob`] is always the policy's: at temperature 1, over all codes that may
/// follow. Its exponential is a draw's probability only at temperature 1 without truncation; under
/// other settings the draw's own probability is not returned.
///
/// Draws depend on a prompt's stream alone: neither on the batch nor on threads. A wider group
/// begins with the narrower one of the same stream.
///
/// Source of Gumbel top-k: "Stochastic Beams and Where to Find Them: The Gumbel-Top-k Trick for
/// Sampling Sequences Without Replacement", Kool et al., <https://arxiv.org/abs/1903.06059>.
///
/// # Panics
///
/// If a prompt is empty, the width is 0, or, unless `rollout` is beam search, there is not one
/// stream for each prompt.
#[must_use]
pub fn rollout(
    model: &Decoder,
    trie: &Trie,
    prompts: &[&[u32]],
    width: usize,
    rollout: &Rollout,
    streams: &[ChaCha8Rng],
) -> Vec<Vec<Completion>> {
    if prompts.is_empty() {
        return Vec::new();
    }
    match rollout.0 {
        Rule::Beam => beam_search(model, trie, prompts, width),
        Rule::Sample(sampling) => {
            let draws = Draws::new(streams, prompts.len());
            let extend = drawn_extensions(trie, width, sampling, draws);
            LevelSearch::run(model, trie, prompts, width, extend).completions()
        }
        Rule::Gumbel { temperature } => {
            let draws = Draws::new(streams, prompts.len());
            let extend = perturbed_extensions(trie, width, temperature, draws);
            LevelSearch::run(model, trie, prompts, width, extend).completions()
        }
    }
}

/// One extension of each beam, and `width` of the empty prefix.
fn drawn_extensions(
    trie: &Trie,
    width: usize,
    sampling: Sampling,
    draws: Draws<'_>,
) -> impl Fn(&Frontier<'_, Node>, &mut Vec<Beam<Node>>) + Sync {
    move |frontier, extended| {
        extended.clear();
        let each = if frontier.level == 0 { width } else { 1 };
        for (parent, beam, logits) in frontier.rows() {
            let following: Vec<(Node, f32)> = children(trie, beam.node, 0.0, logits).collect();
            let mut weights = log_weights(&following, sampling.temperature);
            weights.iter_mut().for_each(|weight| *weight = weight.exp());
            let cumulative = sampling.cumulative(weights);
            for place in parent..parent + each {
                let u = draws.uniform(frontier.prompt, frontier.level, place);
                let (node, log_prob) = following[drawn(&cumulative, u)];
                let log_prob = beam.log_prob + log_prob;
                extended.push(Beam { node, log_prob, tempered: log_prob, score: log_prob, parent });
            }
        }
    }
}

/// The `width` extensions of the highest perturbed log-probabilities, the highest first.
fn perturbed_extensions(
    trie: &Trie,
    width: usize,
    temperature: f32,
    draws: Draws<'_>,
) -> impl Fn(&Frontier<'_, Node>, &mut Vec<Beam<Node>>) + Sync {
    move |frontier, extended| {
        let mut best = Best::new(extended, width);
        for (parent, beam, logits) in frontier.rows() {
            let following: Vec<(Node, f32)> = children(trie, beam.node, 0.0, logits).collect();
            let tempered = log_weights(&following, temperature);
            let log_total = super::log_sum_exp(tempered.iter().copied());
            let gumbels = draws.gumbels(frontier.prompt, frontier.level, parent);
            let perturbed: Vec<f32> = tempered.iter().zip(gumbels).map(|(w, g)| w + g).collect();
            let highest = perturbed.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            for ((&(node, log_prob), tempered), perturbed) in
                following.iter().zip(tempered).zip(perturbed)
            {
                let score = conditioned(beam, perturbed - log_total, highest - perturbed);
                let (log_prob, tempered) =
                    (beam.log_prob + log_prob, beam.tempered + (tempered - log_total));
                best.offer(Beam { node, log_prob, tempered, score, parent });
            }
        }
        best.keep();
    }
}

/// The perturbed log-probability of a child, given that the highest of all is the parent's.
///
/// ```text
/// v = G - phi - g + ln(1 - exp(-gap))        G_child = G - max(0, v) - ln(1 + exp(-|v|))
/// ```
///
/// `G` and `phi` are the parent's perturbed and plain log-probability, `g` the child's perturbed
/// log-probability given the parent, and `gap` what the highest of its siblings is above it. The
/// highest child has the parent's. Appendix B.3 of Kool et al., written without differences of
/// large numbers.
fn conditioned(parent: &Beam<Node>, perturbed: f32, gap: f32) -> f32 {
    let rest = 1.0 - (-gap).exp();
    if rest <= 0.0 {
        return parent.score;
    }
    let v = parent.score - parent.tempered - perturbed + rest.ln();
    parent.score - v.max(0.0) - (-v.abs()).exp().ln_1p()
}

/// The logarithm of each code's weight at a temperature: 0 for the most probable one.
fn log_weights(following: &[(Node, f32)], temperature: f32) -> Vec<f32> {
    let log_probs = following.iter().map(|&(_, log_prob)| log_prob);
    let top = log_probs.clone().fold(f32::NEG_INFINITY, f32::max);
    log_probs.map(|log_prob| ((log_prob - top) / temperature).max(LEAST_LOG_WEIGHT)).collect()
}

impl Sampling {
    /// The cumulative weights of codes, those that truncation leaves out without any.
    fn cumulative(&self, mut weights: Vec<f32>) -> Vec<f32> {
        let least = self.least_weight(&weights);
        let mut total = 0.0;
        for weight in &mut weights {
            total += if *weight < least { 0.0 } else { *weight };
            *weight = total;
        }
        weights
    }

    /// The weight below which a code is left out.
    fn least_weight(&self, weights: &[f32]) -> f32 {
        let all = weights.len();
        let count = if self.top_k == 0 { all } else { self.top_k.min(all) };
        if count == all && self.top_p >= 1.0 {
            return 0.0;
        }
        let mut descending = weights.to_vec();
        descending.sort_unstable_by(|a, b| b.total_cmp(a));
        let mut least = descending[count - 1];
        if self.top_p < 1.0 {
            descending.truncate(descending.partition_point(|&weight| weight >= least));
            let enough = self.top_p * descending.iter().sum::<f32>();
            let mut mass = 0.0;
            for weight in descending {
                if mass >= enough {
                    break;
                }
                least = weight;
                mass += weight;
            }
        }
        least
    }
}

/// The first code whose cumulative weight reaches the share `u`, in (0, 1], of the whole.
fn drawn(cumulative: &[f32], u: f32) -> usize {
    let target = cumulative.last().map_or(0.0, |total| u * total);
    cumulative.partition_point(|&sum| sum < target)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Which of the weights a truncation keeps.
    fn kept(weights: &[f32], top_k: usize, top_p: f32) -> Vec<bool> {
        let sampling = Sampling { temperature: 1.0, top_k, top_p };
        let cumulative = sampling.cumulative(weights.to_vec());
        let before = std::iter::once(&0.0).chain(&cumulative);
        cumulative.iter().zip(before).map(|(sum, before)| sum > before).collect()
    }

    const WEIGHTS: [f32; 5] = [0.125, 0.5, 1.0, 0.125, 0.25];

    #[test]
    fn top_k_keeps_the_most_probable_and_what_is_as_probable_as_the_last() {
        assert_eq!(kept(&WEIGHTS, 2, 1.0), [false, true, true, false, false]);
        assert_eq!(kept(&WEIGHTS, 4, 1.0), [true; 5]);
        assert_eq!(kept(&WEIGHTS, 0, 1.0), [true; 5]);
        assert_eq!(kept(&WEIGHTS, 9, 1.0), [true; 5]);
    }

    #[test]
    fn top_p_keeps_the_fewest_that_hold_the_mass() {
        // half of the mass of 2 is the first one's
        assert_eq!(kept(&WEIGHTS, 0, 0.5), [false, false, true, false, false]);
        assert_eq!(kept(&WEIGHTS, 0, 0.51), [false, true, true, false, false]);
        assert_eq!(kept(&WEIGHTS, 0, 0.9), [true; 5]);
        assert_eq!(kept(&WEIGHTS, 0, 1e-9), [false, false, true, false, false]);
    }

    #[test]
    fn top_p_is_of_the_mass_that_top_k_left() {
        // 1 of 1.5 is two thirds
        assert_eq!(kept(&WEIGHTS, 2, 0.66), [false, false, true, false, false]);
        assert_eq!(kept(&WEIGHTS, 0, 0.66), [false, true, true, false, false]);
    }

    #[test]
    fn a_share_draws_the_code_that_holds_it() {
        let cumulative = [0.0, 1.0, 1.0, 4.0];
        let smallest = (-24_f32).exp2();
        assert_eq!([smallest, 0.25, 0.26, 1.0].map(|u| drawn(&cumulative, u)), [1, 1, 3, 3]);
    }

    #[test]
    fn the_highest_child_has_its_parents_perturbed_log_probability_and_others_less() {
        let parent =
            Beam { node: Trie::ROOT, log_prob: -3.0, tempered: -3.0, score: -1.5, parent: 0 };
        assert_eq!(conditioned(&parent, 0.3, 0.0).to_bits(), (-1.5_f32).to_bits());
        for (perturbed, gap) in [(0.2, 0.1), (-5.0, 5.3), (-1e6, 1e6)] {
            assert!(conditioned(&parent, perturbed, gap) < -1.5);
        }
    }
}
