//! Rankings of items: the search's completions, without the items that a mask hides.

use std::collections::HashSet;

use super::RANKED;
use crate::catalogue::{Catalogue, Node, Trie};
use crate::decode::{Completion, Search, Searcher};
use crate::error::Result;
use crate::event::{Both, Monitor};
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

/// The two rankings of [`RANKED`] items, fewer only if the catalogue has no more. `rank` gives as
/// many items as it is asked for, the best first.
pub(crate) fn both_rankings(
    history: &[u32],
    rank: impl FnOnce(usize) -> Vec<u32>,
) -> Both<Vec<u32>> {
    let mask = Mask::new(history, true);
    let mut unmasked = rank(RANKED + mask.len());
    let left = unmasked.iter().copied().filter(|&item| !mask.hides(item));
    let masked = left.take(RANKED).collect();
    unmasked.truncate(RANKED);
    Both { unmasked, masked }
}

/// An item that a search found.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(super) struct Candidate {
    pub(super) item: u32,
    /// The item's semantic ID.
    leaf: Node,
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
        let job = Job::new(model, catalogue, histories, monitor, label);
        let mut found = self.candidates(&job)?;
        for candidates in &mut found {
            order(candidates, weight);
        }
        let items = |candidates: Vec<Candidate>| {
            candidates.into_iter().map(|it| (it.item, it.log_prob)).collect()
        };
        Ok(found.into_iter().map(items).collect())
    }

    /// The two rankings of each history, by one search: that of a masked ranking. The unmasked
    /// ranking is the start of its result: its beam is wider by the leaves that the history hides.
    ///
    /// # Errors
    ///
    /// If the user interrupts.
    pub(crate) fn both(
        &self,
        model: &Decoder,
        catalogue: Catalogue<'_>,
        histories: &[&[u32]],
        monitor: &Monitor,
        label: &str,
    ) -> Result<Vec<Both<Vec<u32>>>> {
        let job = Job::new(model, catalogue, histories, monitor, label);
        self.both_found(&job, |_, prompts, width| job.searcher.run(self.search, prompts, width))
    }

    /// [`Ranking::both`] of what `find` finds: for the histories of the given indices, their
    /// prompts and a width, the completions of each prompt.
    ///
    /// # Errors
    ///
    /// If the user interrupts.
    pub(super) fn both_found(
        &self,
        job: &Job<'_>,
        find: impl FnMut(&[usize], &[&[u32]], usize) -> Vec<Vec<Completion>>,
    ) -> Result<Vec<Both<Vec<u32>>>> {
        let masked = Self { mask_history: true, ..*self };
        masked.search(job, find, |history, found| {
            Both::of(|mask_history| {
                let mut candidates = self.cut(&found, &Mask::new(history, mask_history));
                order(&mut candidates, job.model.item_weight());
                candidates.iter().map(|it| it.item).collect()
            })
        })
    }

    /// The items that the search finds for each history, in its order.
    ///
    /// # Errors
    ///
    /// If the user interrupts.
    pub(super) fn candidates(&self, job: &Job<'_>) -> Result<Vec<Vec<Candidate>>> {
        let find =
            |_: &[usize], prompts: &[&[u32]], width| job.searcher.run(self.search, prompts, width);
        self.search(job, find, |history, found| {
            self.cut(&found, &Mask::new(history, self.mask_history))
        })
    }

    /// Finds completions for each history, and keeps what `keep` makes of their items, in order.
    fn search<T: Clone + Default>(
        &self,
        job: &Job<'_>,
        mut find: impl FnMut(&[usize], &[&[u32]], usize) -> Vec<Vec<Completion>>,
        keep: impl Fn(&[u32], Vec<Candidate>) -> T,
    ) -> Result<Vec<T>> {
        let Job { searcher, model, catalogue, histories, of_items, monitor, label } = job;
        let hidden =
            |history: &&[u32]| Mask::new(history, self.mask_history).hidden_leaves(*catalogue);
        let hidden: Vec<usize> = histories.iter().map(hidden).collect();
        let mut order: Vec<usize> = (0..histories.len()).collect();
        order.sort_by_key(|&i| (hidden[i], histories[i].len().min(catalogue.max_history)));
        let progress = monitor.progress(label, histories.len() as u64);
        let mut kept = vec![T::default(); histories.len()];
        let of_one_width = order.chunk_by(|&a, &b| hidden[a] == hidden[b]);
        for batch in of_one_width.flat_map(|prompts| prompts.chunks(self.batch_prompts)) {
            monitor.check_interrupt()?;
            let prompts: Vec<Vec<u32>> =
                batch.iter().map(|&i| catalogue.prompt(model, histories[i])).collect();
            let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
            let found = find(batch, &prompts, self.width + hidden[batch[0]]);
            let of_trie = |completions: &Vec<_>| candidates(catalogue.trie, completions);
            let mut found: Vec<Vec<Candidate>> = found.iter().map(of_trie).collect();
            if *of_items {
                add_item_log_probs(model, &mut found, &searcher.item_log_probs(&prompts));
            }
            for (&i, candidates) in batch.iter().zip(found) {
                kept[i] = keep(histories[i], candidates);
            }
            progress.advance(batch.len() as u64);
        }
        progress.finish();
        Ok(kept)
    }

    /// The items of the first `width` semantic IDs that have any left.
    fn cut(&self, found: &[Candidate], mask: &Mask) -> Vec<Candidate> {
        let left: Vec<Candidate> =
            found.iter().filter(|it| !mask.hides(it.item)).copied().collect();
        let by_leaf = left.chunk_by(|a, b| a.leaf == b.leaf);
        by_leaf.take(self.width).flatten().copied().collect()
    }
}

/// A search of many histories.
pub(super) struct Job<'a> {
    searcher: Searcher<'a>,
    pub(super) model: &'a Decoder,
    pub(super) catalogue: Catalogue<'a>,
    histories: &'a [&'a [u32]],
    /// Whether candidates get the log-probabilities of their items.
    of_items: bool,
    monitor: &'a Monitor,
    label: &'a str,
}

impl<'a> Job<'a> {
    /// A search whose candidates have log-probabilities of their items if the decoder ranks by
    /// these.
    pub(super) fn new(
        model: &'a Decoder,
        catalogue: Catalogue<'a>,
        histories: &'a [&'a [u32]],
        monitor: &'a Monitor,
        label: &'a str,
    ) -> Self {
        let searcher = Searcher::new(model, catalogue.trie);
        let of_items = model.item_weight() > 0.0;
        Self { searcher, model, catalogue, histories, of_items, monitor, label }
    }

    /// The same search, with or without log-probabilities of items.
    pub(super) fn with_items(self, of_items: bool) -> Self {
        Self { of_items, ..self }
    }
}

/// The items of completions, in their order.
fn candidates(trie: &Trie, completions: &[Completion]) -> Vec<Candidate> {
    let of_completion = |&Completion { leaf, log_prob }: &Completion| {
        let candidate = move |&item: &u32| Candidate { item, leaf, log_prob, item_log_prob: None };
        trie.items(leaf).iter().map(candidate)
    };
    completions.iter().flat_map(of_completion).collect()
}

/// Gives candidates the log-probabilities of their items, `(B items)`.
fn add_item_log_probs(model: &Decoder, found: &mut [Vec<Candidate>], log_probs: &[f32]) {
    let items = log_probs.len() / found.len();
    for (candidates, log_probs) in found.iter_mut().zip(log_probs.chunks_exact(items)) {
        for candidate in candidates {
            let is_known = model.embeds_item(candidate.item);
            candidate.item_log_prob = is_known.then_some(log_probs[candidate.item as usize]);
        }
    }
}

#[cfg(test)]
mod tests;
