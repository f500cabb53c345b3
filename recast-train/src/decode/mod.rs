//! From prompts to completions: search and sampling constrained by the trie.
//!
//! At each level only the codes of a trie node's children may follow. Log-probabilities are
//! renormalised over these codes, so that an illegal semantic ID cannot be expressed. The prompt is
//! computed once for all its completions.

mod beam;
mod draws;
mod exact;
mod levels;
mod on_device;
mod path;
mod reading;
mod rollout;
mod sample;
mod sample_on_device;

pub use beam::{beam_search, unconstrained_beam_search};
pub(crate) use exact::{best_leaves, node_log_probs};
pub use exact::{exact_search, leaf_log_probs};
pub use on_device::{DeviceTrie, device_beam_search, device_rollout};
pub(crate) use path::code_log_probs;
pub use rollout::{Rollout, RolloutConfig, RolloutKind};
pub use sample::rollout;

use burn::tensor::activation::log_softmax;
use rand_chacha::ChaCha8Rng;
use recast_burn::device::is_cpu;
use serde::{Deserialize, Serialize};

use crate::catalogue::{Node, Trie};
use crate::model::Decoder;
use reading::Reading;

/// A completion: a whole semantic ID, as the leaf of the trie, and its log-probability.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Completion {
    /// The leaf: one semantic ID and the items that carry it.
    pub leaf: Node,
    /// Sum over levels of the policy's log-probability, renormalised over the allowed codes, in
    /// nats.
    ///
    /// The sum ignores temperature and truncation of a rollout. The update's old log-probabilities
    /// are the same numbers, up to rounding.
    pub log_prob: f32,
}

/// A completion of a search without a trie.
#[derive(Debug, Clone, PartialEq)]
pub struct UnconstrainedCompletion {
    /// The codes, one a level: a semantic ID, or codes that resemble one.
    pub codes: Vec<u16>,
    /// Sum over levels of the log-probability over all codes, in nats.
    pub log_prob: f32,
}

/// The search for the best completions.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Search {
    /// Beam search: the search follows the best prefixes of each level.
    #[default]
    Beam,
    /// Exact search of the whole catalogue: slow, and the oracle of beam search.
    Exact,
}

impl Search {
    /// All searches.
    pub const ALL: [Self; 2] = [Self::Beam, Self::Exact];

    /// The name for people and machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Beam => "beam",
            Self::Exact => "exact",
        }
    }
}

/// A decoder and a trie, ready to complete prompts: beam search runs on the decoder's device.
#[derive(Debug)]
pub struct Searcher<'a> {
    model: &'a Decoder,
    trie: &'a Trie,
    /// The trie on the decoder's GPU, if it is on one.
    on_device: Option<DeviceTrie<'a>>,
}

impl<'a> Searcher<'a> {
    /// Copies the trie to the decoder's device, if that device is a GPU.
    #[must_use]
    pub fn new(model: &'a Decoder, trie: &'a Trie) -> Self {
        let device = model.device();
        let on_device = (!is_cpu(&device)).then(|| DeviceTrie::new(trie, &device));
        Self { model, trie, on_device }
    }

    /// For each prompt its `width` best completions, best first.
    ///
    /// # Panics
    ///
    /// If a prompt is empty or the width is 0.
    #[must_use]
    pub fn run(&self, search: Search, prompts: &[&[u32]], width: usize) -> Vec<Vec<Completion>> {
        let Self { model, trie, on_device } = self;
        match (search, on_device) {
            (Search::Beam, Some(on_device)) => device_beam_search(model, on_device, prompts, width),
            (Search::Beam, None) => beam_search(model, trie, prompts, width),
            (Search::Exact, _) => exact_search(model, trie, prompts, width),
        }
    }

    /// The log-probability of each item after each prompt, in nats, by a decoder of items:
    /// `(B items)`, prompt after prompt.
    ///
    /// # Panics
    ///
    /// If a prompt is empty, or the decoder reads codes.
    #[must_use]
    pub(crate) fn item_log_probs(&self, prompts: &[&[u32]]) -> Vec<f32> {
        let (_, hidden) = Reading::prompts(self.model, prompts);
        let log_probs = log_softmax(self.model.item_logits(hidden, None), 1).into_data();
        #[expect(clippy::expect_used, reason = "the decoder's weights are f32")]
        log_probs.try_into_vec::<f32>().expect("f32 log-probabilities")
    }

    /// [`Searcher::run`] by beam search.
    ///
    /// # Panics
    ///
    /// If a prompt is empty or the width is 0.
    #[must_use]
    pub fn beams(&self, prompts: &[&[u32]], width: usize) -> Vec<Vec<Completion>> {
        self.run(Search::Beam, prompts, width)
    }

    /// For each prompt a group of `width` completions, as [`rollout`] generates them, on the
    /// decoder's device.
    ///
    /// # Panics
    ///
    /// If a prompt is empty or the width is 0. If there is not one stream for each prompt, unless
    /// `rollout` is beam search.
    #[must_use]
    pub fn rollout(
        &self,
        rollout: &Rollout,
        prompts: &[&[u32]],
        width: usize,
        streams: &[ChaCha8Rng],
    ) -> Vec<Vec<Completion>> {
        let Self { model, trie, on_device } = self;
        match on_device {
            Some(trie) => device_rollout(model, trie, prompts, width, rollout, streams),
            None => self::rollout(model, trie, prompts, width, rollout, streams),
        }
    }
}

/// The children of a node of log-probability `log_prob`, each with its own log-probability, in
/// order of codes.
///
/// `logits` are those of all codes of the children's level.
fn children<'a>(
    trie: &'a Trie,
    node: Node,
    log_prob: f32,
    logits: &'a [f32],
) -> impl Iterator<Item = (Node, f32)> + 'a {
    let allowed = trie.codes(node);
    let of = |code: &u16| logits[usize::from(*code)];
    let log_total = log_sum_exp(allowed.iter().map(of));
    allowed.iter().enumerate().map(move |(position, code)| {
        (trie.nth_child(node, position), log_prob + of(code) - log_total)
    })
}

/// The width of a search whose completions are distinct: a trie has no more than its leaves.
fn distinct_width(trie: &Trie, width: usize) -> usize {
    width.min(trie.nodes_at(trie.levels()).len())
}

fn log_sum_exp(logits: impl Iterator<Item = f32> + Clone) -> f32 {
    let top = logits.clone().fold(f32::NEG_INFINITY, f32::max);
    top + logits.map(|logit| (logit - top).exp()).sum::<f32>().ln()
}
