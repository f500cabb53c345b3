//! The rewards of completions: a weighted sum of named rewards.
//!
//! ```text
//! r_i = sum over named rewards k of weight_k r_k,i
//!
//! hit          1 if the SID of completion i is a target's, else 0
//! ranking      -a_i / sum of a for a miss in a group with a hit, else 0   a_i = 1 / log2(i + 2)
//! prefix       max over targets t of phi(y_i, t): the prefix credit
//! diversity    1 / (G - 1) sum over j != i of (1 - d_ij / L), d_ij = equal leading codes
//! popularity   s(ln(1 + n)), n = interactions of the item in the training part
//! value.KEY    s(v), v = the item's number under KEY in the items file
//!              s(v) = (v - min) / (max - min) over all items of the catalogue; 0 if all are equal
//! ```
//!
//! Every reward but `ranking` is within 0 and 1, and `ranking` is within -1 and 0; a negative
//! weight turns a reward into a cost. A group of one has diversity 0. A SID that several items
//! share has their mean popularity and mean value. Sums follow the order above, values the order of
//! their keys.
//!
//! # Hits, repair and selection
//!
//! The SID alone decides whether a completion is a hit: by equality with a target's, never by the
//! weighted sum. A dear miss may be worth more than a cheap hit, so no threshold on the sum
//! separates them. A [`Group`](recast_core::Group) therefore gets its hits beside its rewards.
//!
//! | follows the hits | follows the structural score | follows the weighted sum |
//! |---|---|---|
//! | regime, repair, positives and negatives, ranking penalties | hardest negative, repair slot | advantages, the strongest of several hits |
//!
//! An anchor that takes a slot is one more completion. All rewards of its group are computed anew,
//! since ranking and diversity of the others change with it.
//!
//! # ReRe's ranking
//!
//! The signal `rere` adds the ranking penalties itself. The reward `ranking` gives the penalties to
//! every other signal. GRPO over `hit = 1, ranking = 1`, with ReRe's epsilon, has ReRe's advantages
//! bit for bit. The two together would count the penalty twice, so
//! [`RlConfig::check`](crate::train::RlConfig::check) refuses `rere` beside a weight of `ranking`.

mod config;
mod diversity;
mod means;
mod per_item;

use recast_core::reward::ranking_rewards;

pub use self::config::RewardsConfig;
use self::diversity::write_diversity;
pub use self::means::RewardMeans;
use self::per_item::{min_max, popularity};
use crate::catalogue::{Node, SidTable, Trie};
use crate::data::{Histories, Items};
use crate::error::{Error, Result};

/// The rewards that have a name.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Reward {
    Hit,
    Ranking,
    Prefix,
    Diversity,
    Popularity,
    /// The number of each item under a key of the items file.
    Value(String),
}

impl Reward {
    /// The name in events and summaries, which is also the key below `rl.rewards`.
    fn name(&self) -> String {
        match self {
            Self::Hit => "hit".to_owned(),
            Self::Ranking => "ranking".to_owned(),
            Self::Prefix => "prefix".to_owned(),
            Self::Diversity => "diversity".to_owned(),
            Self::Popularity => "popularity".to_owned(),
            Self::Value(key) => format!("value.{key}"),
        }
    }

    fn setting(&self) -> String {
        format!("rl.rewards.{}", self.name())
    }

    /// The number of each item under this reward's key.
    fn numbers(&self, items: &Items) -> Result<Vec<f64>> {
        let Self::Value(key) = self else { return Ok(Vec::new()) };
        items.column(key).map_err(|error| match error {
            Error::Data { problem, hint } => Error::setting(self.setting(), problem, hint),
            other => other,
        })
    }
}

/// A named reward in the weighted sum.
#[derive(Debug, Clone, PartialEq)]
struct Term {
    reward: Reward,
    weight: f32,
    /// The reward of each item; empty for rewards that read the group.
    of_items: Vec<f32>,
}

impl Term {
    fn write(&self, completions: &Completions<'_>, out: &mut [f32]) {
        let Completions { leaves, hits, structural_scores, trie, .. } = *completions;
        match self.reward {
            Reward::Hit => {
                for (reward, &hit) in out.iter_mut().zip(hits) {
                    *reward = if hit { 1.0 } else { 0.0 };
                }
            }
            Reward::Ranking => ranking_rewards(hits, out),
            Reward::Prefix => out.copy_from_slice(structural_scores),
            Reward::Diversity => write_diversity(&completions.sids(), out),
            Reward::Popularity | Reward::Value(_) => {
                for (reward, &leaf) in out.iter_mut().zip(leaves) {
                    let items = trie.items(leaf);
                    let sum: f32 = items.iter().map(|&item| self.of_items[item as usize]).sum();
                    *reward = sum / items.len() as f32;
                }
            }
        }
    }
}

/// The completions of a group, for rewards, in beam rank.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Completions<'a> {
    /// The leaf of each completion: (G).
    pub(crate) leaves: &'a [Node],
    /// Whether each completion is a hit: (G).
    pub(crate) hits: &'a [bool],
    /// The structural score of each completion: (G).
    pub(crate) structural_scores: &'a [f32],
    /// Semantic IDs of the catalogue.
    pub(crate) sids: &'a SidTable,
    /// The trie of the semantic IDs.
    pub(crate) trie: &'a Trie,
}

impl<'a> Completions<'a> {
    fn sids(&self) -> Vec<&'a [u16]> {
        // all items of a leaf share one semantic ID
        self.leaves.iter().map(|&leaf| self.sids.sid(self.trie.items(leaf)[0])).collect()
    }
}

/// The rewards of a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupRewards {
    /// The weighted sum of each completion: (G).
    pub(crate) totals: Vec<f32>,
    /// The mean of each named reward over the completions, before its weight.
    pub(crate) means: Vec<f32>,
}

/// The weighted sum of a run, with the numbers of each item that rewards read.
#[derive(Debug, Clone, PartialEq)]
pub struct Rewards {
    terms: Vec<Term>,
}

impl Rewards {
    /// The weighted sum of `config` over a catalogue of `n_items` items.
    ///
    /// # Errors
    ///
    /// If the weights do not pass [`RewardsConfig::check`], or an item lacks a number.
    pub fn new(
        config: &RewardsConfig,
        items: &Items,
        train: &Histories,
        n_items: usize,
    ) -> Result<Self> {
        config.check()?;
        let term = |(reward, weight)| {
            let of_items = match &reward {
                Reward::Popularity => min_max(&popularity(train, n_items)),
                Reward::Value(_) => min_max(&reward.numbers(items)?),
                Reward::Hit | Reward::Ranking | Reward::Prefix | Reward::Diversity => Vec::new(),
            };
            Ok(Term { reward, weight, of_items })
        };
        Ok(Self { terms: config.terms().map(term).collect::<Result<_>>()? })
    }

    /// The hit alone with weight 1: the binary task reward.
    #[must_use]
    pub fn hit_alone() -> Self {
        Self { terms: vec![Term { reward: Reward::Hit, weight: 1.0, of_items: Vec::new() }] }
    }

    /// The names in the order of the sum.
    pub fn names(&self) -> impl Iterator<Item = String> {
        self.terms.iter().map(|term| term.reward.name())
    }

    /// Rewards every completion of a group.
    pub(crate) fn of_group(&self, completions: &Completions<'_>) -> GroupRewards {
        let count = completions.leaves.len();
        let (mut totals, mut rewards) = (vec![0.0; count], vec![0.0; count]);
        let means = self.terms.iter().map(|term| {
            term.write(completions, &mut rewards);
            for (total, &reward) in totals.iter_mut().zip(&rewards) {
                *total += term.weight * reward;
            }
            rewards.iter().sum::<f32>() / count as f32
        });
        let means = means.collect();
        GroupRewards { totals, means }
    }
}

#[cfg(test)]
mod tests;
