//! Ranking metrics, at the level of items and of semantic IDs, and the baselines beside them.

pub mod baselines;
mod diagnosis;
mod ranking;
mod ranks;
mod search_check;

pub(crate) use diagnosis::diagnose;
use ranking::{Job, order};
pub(crate) use ranking::{Mask, Ranking, both_rankings};
pub(crate) use ranks::ranks;
pub(crate) use search_check::check_search;

use rayon::prelude::*;
use recast_core::metrics::{ndcg_at_k, pass_at_k, recall_at_k};
use serde::{Deserialize, Serialize};

use crate::catalogue::{Catalogue, SidTable};
use crate::data::Example;
use crate::decode::Search;
use crate::error::{Error, Result, check_most};
use crate::event::Monitor;
pub use crate::event::{Both, Diagnosis, Evaluation, Metrics, SearchCheck};
use crate::model::Decoder;

/// The number of ranked items that the longest metric reads.
pub(crate) const RANKED: usize = 50;

/// The fewest beams: validation reads metrics at 10.
const FEWEST_BEAMS: usize = 10;

/// The settings of recommendations and their metrics.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct EvaluateConfig {
    /// The search for semantic IDs.
    pub search: Search,
    /// The beams of the search, and the number of ranked semantic IDs.
    pub beam_width: usize,
    /// Whether recommendations and validation leave out items of the history. Test prompts are
    /// judged both ways, and this figure comes first.
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
            beam_width: 64,
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
            ("evaluate.beam_width", self.beam_width, "64 is usual"),
            ("evaluate.batch_prompts", self.batch_prompts, "64 is usual"),
        ] {
            if value == 0 {
                return Err(Error::setting(key, "is 0", usual));
            }
        }
        let most = 1 << 20;
        let counts =
            [("beam_width", self.beam_width, most), ("batch_prompts", self.batch_prompts, most)];
        check_most("evaluate", &counts)?;
        if self.beam_width < FEWEST_BEAMS {
            let problem = format!(
                "is {}, and metrics at {FEWEST_BEAMS} need as many ranked items",
                self.beam_width
            );
            return Err(Error::setting("evaluate.beam_width", problem, "give 10 or more"));
        }
        Ok(())
    }

    /// The ranking that metrics judge.
    pub(crate) fn ranking(&self) -> Ranking {
        Ranking {
            search: self.search,
            width: self.beam_width,
            mask_history: self.mask_history,
            batch_prompts: self.batch_prompts,
        }
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
            sum.recall_at_50 += recall_at_k::<_, f64>(ranking, targets, RANKED);
            sum.ndcg_at_5 += ndcg_at_k::<_, f64>(ranking, targets, 5);
            sum.ndcg_at_10 += ndcg_at_k::<_, f64>(ranking, targets, 10);
        }
        Self {
            pass_at_1: sum.pass_at_1 / prompts,
            pass_at_10: sum.pass_at_10 / prompts,
            recall_at_5: sum.recall_at_5 / prompts,
            recall_at_10: sum.recall_at_10 / prompts,
            recall_at_50: sum.recall_at_50 / prompts,
            ndcg_at_5: sum.ndcg_at_5 / prompts,
            ndcg_at_10: sum.ndcg_at_10 / prompts,
        }
    }
}

/// The metrics of rankings of items, one ranking for each example, in order.
#[must_use]
pub fn judge<R: AsRef<[u32]> + Sync>(
    examples: &[Example],
    rankings: &[R],
    sids: &SidTable,
) -> Evaluation {
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
        .map(|(example, ranking)| (sid_ranking(ranking.as_ref()), sid_ranking(&example.targets)))
        .collect();
    Evaluation {
        item: Metrics::mean(item.map(|(e, ranking)| (ranking.as_ref(), &e.targets[..]))),
        sid: Metrics::mean(by_sid.iter().map(|(ranking, targets)| (&ranking[..], &targets[..]))),
    }
}

/// Ranks items for examples and computes the metrics of the primary figure.
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
    let weights = [model.item_weight()];
    evaluate_weights(model, catalogue, examples, config, &weights, monitor, label).map(|it| it.0)
}

/// The weights of items' log-probabilities that validation chooses from.
pub(crate) const ITEM_WEIGHTS: [f32; 6] = [0.0, 0.1, 0.25, 0.5, 1.0, 2.0];

/// The metrics under the best of `item_weights` by NDCG@10, and this weight. One search serves all
/// weights.
///
/// # Errors
///
/// If the user interrupts.
pub(crate) fn evaluate_weights(
    model: &Decoder,
    catalogue: Catalogue<'_>,
    examples: &[Example],
    config: &EvaluateConfig,
    item_weights: &[f32],
    monitor: &Monitor,
    label: &str,
) -> Result<(Evaluation, f32)> {
    let histories: Vec<&[u32]> = examples.iter().map(|e| &e.history[..]).collect();
    let of_items = item_weights.iter().any(|&weight| weight > 0.0);
    let job = Job::new(model, catalogue, &histories, monitor, label).with_items(of_items);
    let found = config.ranking().candidates(&job)?;
    let mut best: Option<(Evaluation, f32)> = None;
    for &weight in item_weights {
        let ranking = |candidates: &Vec<_>| {
            let mut candidates = candidates.clone();
            order(&mut candidates, weight);
            candidates.iter().map(|it| it.item).collect()
        };
        let rankings: Vec<Vec<u32>> = found.par_iter().map(ranking).collect();
        let found = judge(examples, &rankings, catalogue.sids);
        if best.is_none_or(|(best, _)| found.item.ndcg_at_10 > best.item.ndcg_at_10) {
            best = Some((found, weight));
        }
    }
    Ok(best.unwrap_or_default())
}
