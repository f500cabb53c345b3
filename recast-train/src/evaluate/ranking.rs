//! Rankings of items: the search's completions, without the items that a mask hides.

use std::collections::HashSet;

use crate::catalogue::{Catalogue, Node, Trie};
use crate::decode::{Completion, Search, Searcher};
use crate::error::Result;
use crate::event::Monitor;
use crate::model::Decoder;

/// The distinct items that a ranking leaves out.
#[derive(Debug, Clone)]
pub(crate) struct Mask {
    items: HashSet<u32>,
}

impl Mask {
    /// Hides the items of a history, or nothing.
    pub(crate) fn new(history: &[u32], mask_history: bool) -> Self {
        let hidden = if mask_history { history } else { &[] };
        Self { items: hidden.iter().copied().collect() }
    }

    /// The number of items that are left out.
    pub(crate) fn len(&self) -> usize {
        self.items.len()
    }

    /// Whether the item is left out.
    pub(crate) fn hides(&self, item: u32) -> bool {
        self.items.contains(&item)
    }

    /// The number of leaves of whose items none is left. A search that finds so many more
    /// completions still has as many as were asked for.
    fn hidden_leaves(&self, catalogue: Catalogue<'_>) -> usize {
        let leaf = |&item: &u32| catalogue.trie.walk(catalogue.sids.sid(item));
        let leaves: HashSet<Node> = self.items.iter().filter_map(leaf).collect();
        let hidden = |leaf: &&Node| catalogue.trie.items(**leaf).iter().all(|&it| self.hides(it));
        leaves.iter().filter(hidden).count()
    }
}

/// An item that a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) item: u32,
    /// The log-probability of the item's semantic ID.
    log_prob: f32,
    /// The log-probability of the item itself; `None` for an item without an embedding of its own.
    item_log_prob: Option<f32>,
}

/// Orders candidates by the log-probability of their semantic IDs and, with a weight, that of the
/// items. The former stands in for the latter where an item has none. Equal candidates keep their
/// order.
pub(super) fn order(candidates: &mut [Candidate], item_weight: f32) {
    if item_weight > 0.0 {
        let score =
            |it: &Candidate| it.log_prob + item_weight * it.item_log_prob.unwrap_or(it.log_prob);
        candidates.sort_by(|a, b| score(b).total_cmp(&score(a)));
    }
}

/// A ranking of items: the items of the best `width` semantic IDs that have any left.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ranking {
    pub(crate) search: Search,
    pub(crate) width: usize,
    /// Whether items of the history are left out.
    pub(crate) mask_history: bool,
    /// The number of prompts searched at once.
    pub(crate) batch_prompts: usize,
}

impl Ranking {
    /// Ranks items for each history, with the log-probability of each item's semantic ID. Items
    /// that share a semantic ID stand in order of items.
    ///
    /// The search of a history finds `width` semantic IDs more than its mask hides. So a ranking
    /// has `width` semantic IDs, or all that have an item left. Its result is the same in every
    /// batch. A decoder with an item weight orders what the search found by both log-probabilities.
    ///
    /// # Errors
    ///
    /// If the user interrupts.
    pub(crate) fn items(
        &self,
        model: &Decoder,
        catalogue: Catalogue<'_>,
        histories: &[&[u32]],
        monitor: &Monitor,
        label: &str,
    ) -> Result<Vec<Vec<(u32, f32)>>> {
        let weight = model.item_weight();
        let scores_items = weight > 0.0;
        let mut found =
            self.candidates(model, catalogue, histories, scores_items, monitor, label)?;
        for candidates in &mut found {
            order(candidates, weight);
        }
        let items = |candidates: Vec<Candidate>| {
            candidates.into_iter().map(|it| (it.item, it.log_prob)).collect()
        };
        Ok(found.into_iter().map(items).collect())
    }

    /// The items that the search finds for each history, in its order.
    ///
    /// # Errors
    ///
    /// If the user interrupts.
    pub(super) fn candidates(
        &self,
        model: &Decoder,
        catalogue: Catalogue<'_>,
        histories: &[&[u32]],
        scores_items: bool,
        monitor: &Monitor,
        label: &str,
    ) -> Result<Vec<Vec<Candidate>>> {
        let mask = |history: &&[u32]| Mask::new(history, self.mask_history);
        let masks: Vec<Mask> = histories.iter().map(mask).collect();
        let hidden: Vec<usize> = masks.iter().map(|mask| mask.hidden_leaves(catalogue)).collect();
        let mut order: Vec<usize> = (0..histories.len()).collect();
        order.sort_by_key(|&i| (hidden[i], histories[i].len().min(catalogue.max_history)));
        let progress = monitor.progress(label, histories.len() as u64);
        let searcher = Searcher::new(model, catalogue.trie);
        let mut rankings = vec![Vec::new(); histories.len()];
        let of_one_width = order.chunk_by(|&a, &b| hidden[a] == hidden[b]);
        for batch in of_one_width.flat_map(|prompts| prompts.chunks(self.batch_prompts)) {
            monitor.check_interrupt()?;
            let prompts: Vec<Vec<u32>> =
                batch.iter().map(|&i| catalogue.prompt(model, histories[i])).collect();
            let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
            let width = self.width + hidden[batch[0]];
            let found = searcher.run(self.search, &prompts, width);
            for (&i, completions) in batch.iter().zip(found) {
                rankings[i] = self.unhidden(catalogue.trie, &completions, &masks[i]);
            }
            if scores_items {
                let log_probs = searcher.item_log_probs(&prompts);
                let items = log_probs.len() / batch.len();
                for (&i, log_probs) in batch.iter().zip(log_probs.chunks_exact(items)) {
                    for candidate in &mut rankings[i] {
                        let is_known = model.embeds_item(candidate.item);
                        let log_prob = log_probs[candidate.item as usize];
                        candidate.item_log_prob = is_known.then_some(log_prob);
                    }
                }
            }
            progress.advance(batch.len() as u64);
        }
        progress.finish();
        Ok(rankings)
    }

    /// The items of the first `width` completions that have any left.
    fn unhidden(&self, trie: &Trie, completions: &[Completion], mask: &Mask) -> Vec<Candidate> {
        let left = completions.iter().filter_map(|completion| {
            let log_prob = completion.log_prob;
            let candidate = move |&item: &u32| Candidate { item, log_prob, item_log_prob: None };
            let items = trie.items(completion.leaf).iter().filter(|&&item| !mask.hides(item));
            let mut items = items.map(candidate).peekable();
            items.peek()?;
            Some(items)
        });
        left.take(self.width).flatten().collect()
    }
}

#[cfg(test)]
mod tests;
