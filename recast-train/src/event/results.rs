//! Metrics of systems, and of beam search beside exact search.

use std::fmt::{self, Display};

use serde::{Deserialize, Serialize};

/// Means over prompts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Metrics {
    /// Share of prompts whose first prediction is a target.
    pub pass_at_1: f64,
    /// Share of prompts with a target among the first 10.
    pub pass_at_10: f64,
    /// Mean share of the targets among the first 5.
    pub recall_at_5: f64,
    /// Mean share of the targets among the first 10.
    pub recall_at_10: f64,
    /// Mean share of the targets among the first 50.
    pub recall_at_50: f64,
    /// Mean normalised discounted gain of the first 5.
    pub ndcg_at_5: f64,
    /// Mean normalised discounted gain of the first 10.
    pub ndcg_at_10: f64,
}

/// The metrics of a ranking system at both levels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Metrics with an item as a hit only if the item is the target itself.
    #[serde(flatten)]
    pub item: Metrics,
    /// Metrics with a semantic ID as a hit if a target carries it, whatever other items do.
    #[serde(rename = "sid_level")]
    pub sid: Metrics,
}

/// One value for each figure of a judgement: with all items, and without those of the history.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Both<T> {
    /// All items are ranked, those of the history too.
    pub unmasked: T,
    /// The items of the history are left out.
    pub masked: T,
}

impl<T> Both<T> {
    /// Makes each value; the argument says whether the history is masked.
    pub fn of(mut make: impl FnMut(bool) -> T) -> Self {
        Self { unmasked: make(false), masked: make(true) }
    }

    /// The value with or without a masked history.
    #[must_use]
    pub const fn get(&self, mask_history: bool) -> &T {
        if mask_history { &self.masked } else { &self.unmasked }
    }
}

/// One system's metrics on the test prompts.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemResult {
    /// The name for machines.
    pub name: String,
    /// The name for people.
    pub title: String,
    /// The primary figure: the one of both that `evaluate.mask_history` names.
    #[serde(flatten)]
    pub primary: Evaluation,
    /// The two figures, from one search.
    #[serde(flatten)]
    pub both: Both<Evaluation>,
}

/// Beam search against exact search, over prompts.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct SearchCheck {
    /// Prompts searched both ways.
    pub prompts: usize,
    /// The number of beams.
    pub beam_width: usize,
    /// Share of the prompts for which the beam found all ten best semantic IDs.
    pub top_10_found: f64,
    /// Share of the prompts for which the beam found the best semantic ID.
    pub top_1_found: f64,
    /// Mean share of the ten best semantic IDs that the beam found.
    pub mean_overlap: f64,
    /// Mean probability of the exact ten best, less that of the beam's ten best.
    pub lost_probability: f64,
    /// Share of the completions of a beam search without the trie that name no item.
    pub illegal_without_trie: f64,
}

impl Display for SearchCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "beam width {:>4} beside exact search, {} prompts: the ten best found for {:.2}%, the best for {:.2}%, \
             {:.2}% of the ten on average; probability lost {:.2e}; without the trie {:.1}% of the beams are no item's",
            self.beam_width,
            self.prompts,
            100.0 * self.top_10_found,
            100.0 * self.top_1_found,
            100.0 * self.mean_overlap,
            self.lost_probability,
            100.0 * self.illegal_without_trie
        )
    }
}
