//! The diagnosis of a decoder, level by level.

use serde::Serialize;

use super::results::{Both, Metrics};

/// A decoder's losses and rankings on test prompts, level by level.
///
/// A prompt with several targets counts by the mean over these.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Diagnosis {
    /// The decoder's name for machines.
    pub name: String,
    /// The decoder's name for people.
    pub title: String,
    /// Prompts diagnosed.
    pub prompts: usize,
    /// The share of all test prompts.
    pub share: f64,
    /// For each level the mean negative log-likelihood of the target's code after its earlier
    /// codes, over all codes of the level, in nats.
    pub nll_vocabulary: Vec<f64>,
    /// The same over the codes that the trie allows.
    pub nll_trie: Vec<f64>,
    /// For each length below a whole semantic ID: the mean share of the targets' prefixes among
    /// the ten most probable prefixes of that length. The first value is for one code.
    pub prefix_recall_at_10: Vec<f64>,
    /// Metrics at item level, by exact search.
    #[serde(flatten)]
    pub exact: Both<Metrics>,
}
