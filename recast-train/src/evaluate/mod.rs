//! Ranking metrics, at the level of items and of semantic IDs, and the baselines beside them.

pub mod baselines;
mod search_check;

pub(crate) use search_check::check_search;

use rayon::prelude::*;
use recast_core::metrics::{ndcg_at_k, pass_at_k, recall_at_k};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, SidTable, Trie};
use crate::data::Example;
use crate::decode::{Completion, Search, Searcher};
use crate::error::{Error, Result};
use crate::event::Monitor;
pub use crate::event::{Metrics, SearchCheck};
use crate::model::Decoder;

/// The settings of recommendations and their metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct EvaluateConfig {
    /// The search for semantic IDs.
    pub search: Search,
    /// The beams of the search, and the number of ranked semantic IDs.
    pub beam_width: usize,
    /// Whether items of the history are left out of the recommendations.
    pub mask_history: bool,
    /// The number of prompts decoded at once.
    pub batch_prompts: usize,
    /// The number of test prompts; 0 means all. Every table says a number below all.
    pub test_prompts: usize,
}

impl Default for EvaluateConfig {
    fn default() -> Self {
        Self {
            search: Search::Beam,
            beam_width: 32,
            mask_history: false,
            batch_prompts: 64,
            test_prompts: 0,
        }
    }
}

impl EvaluateConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// If a count is 0 but must not be.
    pub(crate) fn check(&self) -> Result<()> {
        for (key, value, usual) in [
            ("evaluate.beam_width", self.beam_width, "give 10 or more"),
            ("evaluate.batch_prompts", self.batch_prompts, "64 is usual"),
        ] {
            if value == 0 {
                return Err(Error::setting(key, "is 0", usual));
            }
        }
        Ok(())
    }
}

impl Metrics {
    /// The means over prompts; each prompt gives its ranking and its targets. All means are 0
    /// without prompts.
    #[must_use]
    pub(crate) fn mean<'a, I: PartialEq + 'a>(
        rankings: impl ExactSizeIterator<Item = (&'a [I], &'a [I])>,
    ) -> Self {
        let prompts = rankings.len().max(1) as f64;
        let mut sum = Self::default();
        for (ranking, targets) in rankings {
            sum.pass_at_1 += pass_at_k::<_, f64>(ranking, targets, 1);
            sum.pass_at_10 += pass_at_k::<_, f64>(ranking, targets, 10);
            sum.recall_at_5 += recall_at_k::<_, f64>(ranking, targets, 5);
            sum.recall_at_10 += recall_at_k::<_, f64>(ranking, targets, 10);
            sum.ndcg_at_5 += ndcg_at_k::<_, f64>(ranking, targets, 5);
            sum.ndcg_at_10 += ndcg_at_k::<_, f64>(ranking, targets, 10);
        }
        Self {
            pass_at_1: sum.pass_at_1 / prompts,
            pass_at_10: sum.pass_at_10 / prompts,
            recall_at_5: sum.recall_at_5 / prompts,
            recall_at_10: sum.recall_at_10 / prompts,
            ndcg_at_5: sum.ndcg_at_5 / prompts,
            ndcg_at_10: sum.ndcg_at_10 / prompts,
        }
    }
}

/// The metrics of a ranking system at both levels.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct Evaluation {
    /// Metrics with an item as a hit only if the item is the target itself.
    pub item: Metrics,
    /// Metrics with a semantic ID as a hit if a target carries it, whatever other items do.
    pub sid: Metrics,
}

/// The metrics of rankings of items, one ranking for each example, in order.
#[must_use]
pub fn judge(examples: &[Example], rankings: &[Vec<u32>], sids: &SidTable) -> Evaluation {
    let item = examples.iter().zip(rankings);
    let sid_ranking = |items: &[u32]| {
        let mut ranking: Vec<&[u16]> = Vec::with_capacity(items.len());
        for &item in items {
            let sid = sids.sid(item);
            if !ranking.contains(&sid) {
                ranking.push(sid);
            }
        }
        ranking
    };
    let by_sid: Vec<_> = examples
        .par_iter()
        .zip(rankings)
        .map(|(example, ranking)| (sid_ranking(ranking), sid_ranking(&example.targets)))
        .collect();
    Evaluation {
        item: Metrics::mean(item.map(|(e, ranking)| (&ranking[..], &e.targets[..]))),
        sid: Metrics::mean(by_sid.iter().map(|(ranking, targets)| (&ranking[..], &targets[..]))),
    }
}

/// Ranks items for each history by the search of `config`.
///
/// # Errors
///
/// If the user interrupts.
pub(crate) fn rank(
    model: &Decoder,
    catalogue: Catalogue<'_>,
    histories: &[&[u32]],
    config: &EvaluateConfig,
    monitor: &Monitor,
    label: &str,
) -> Result<Vec<Vec<u32>>> {
    let mut order: Vec<usize> = (0..histories.len()).collect();
    order.sort_by_key(|&i| histories[i].len().min(catalogue.max_history));
    let progress = monitor.progress(label, histories.len() as u64);
    let searcher = Searcher::new(model, catalogue.trie);
    let mut rankings = vec![Vec::new(); histories.len()];
    for batch in order.chunks(config.batch_prompts) {
        monitor.check_interrupt()?;
        let prompts: Vec<Vec<u32>> =
            batch.iter().map(|&i| catalogue.prompt(model, histories[i])).collect();
        let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let found = searcher.run(config.search, &prompts, config.beam_width);
        for (&i, completions) in batch.iter().zip(found) {
            let mut items = items(catalogue.trie, &completions);
            if config.mask_history {
                items.retain(|item| !histories[i].contains(item));
            }
            rankings[i] = items;
        }
        progress.advance(batch.len() as u64);
    }
    progress.finish();
    Ok(rankings)
}

/// The items of completions in order; items that share a semantic ID stand in order of items.
fn items(trie: &Trie, completions: &[Completion]) -> Vec<u32> {
    completions.iter().flat_map(|completion| trie.items(completion.leaf)).copied().collect()
}

/// Ranks items for examples and computes the metrics.
///
/// # Errors
///
/// If the user interrupts.
pub(crate) fn evaluate(
    model: &Decoder,
    catalogue: Catalogue<'_>,
    examples: &[Example],
    config: &EvaluateConfig,
    monitor: &Monitor,
    label: &str,
) -> Result<Evaluation> {
    let histories: Vec<&[u32]> = examples.iter().map(|e| &e.history[..]).collect();
    let rankings = rank(model, catalogue, &histories, config, monitor, label)?;
    Ok(judge(examples, &rankings, catalogue.sids))
}
