//! Groups of completions for prompts.

use super::RlConfig;
use super::config::SignalName;
use crate::catalogue::{Node, Trie};
use crate::decode::{Completion, Rollout, Searcher};
use crate::error::Result;
use crate::random::{Purpose, stream};

/// Prompts decoded at once.
const DECODE_PROMPTS: usize = 64;

/// The generation of a signal's groups.
#[derive(Debug, Clone, Copy)]
pub(super) struct Generation {
    rollout: Rollout,
    /// Completions of a group.
    group_size: usize,
    /// Completions of a group's search: above the group size with dynamic sampling.
    width: usize,
    seed: u64,
}

impl Generation {
    /// The generation under these settings.
    ///
    /// # Errors
    ///
    /// If a setting of the rollout is out of range.
    pub(super) fn new(name: SignalName, config: &RlConfig, seed: u64) -> Result<Self> {
        let group_size = config.group_size_of(name);
        let dynamic = name == SignalName::Rere && config.rere.dynamic_sampling;
        let width = if dynamic { group_size + group_size.div_ceil(2) } else { group_size };
        Ok(Self { rollout: config.rollout()?, group_size, width, seed })
    }

    /// Generates a group for each prompt, in order. `first` is the first prompt's number in the
    /// endless order, which keeps draws independent of batches.
    pub(super) fn groups(
        &self,
        searcher: &Searcher<'_>,
        prompts: &[Vec<u32>],
        first: usize,
    ) -> Vec<Vec<Completion>> {
        // prompts of similar length are decoded together
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|&i| prompts[i].len());
        let mut groups = vec![Vec::new(); prompts.len()];
        for batch in order.chunks(DECODE_PROMPTS) {
            let tokens: Vec<&[u32]> = batch.iter().map(|&i| &prompts[i][..]).collect();
            let streams: Vec<_> = batch
                .iter()
                .map(|&i| stream(self.seed, Purpose::Rollout, (first + i) as u64))
                .collect();
            let found = searcher.rollout(&self.rollout, &tokens, self.width, &streams);
            for (&i, found) in batch.iter().zip(found) {
                groups[i] = found;
            }
        }
        groups
    }

    /// The completions of a wider search that form the group: hits, then the most diverse
    /// completions.
    ///
    /// Completions join one by one. The next completion has the shortest longest common prefix with
    /// any chosen completion; of equal completions, the first joins. The group keeps the order of
    /// the search. A search of the group's own width stays unchanged.
    pub(super) fn narrowed(
        &self,
        completions: Vec<Completion>,
        targets: &[Node],
        trie: &Trie,
    ) -> Vec<Completion> {
        if completions.len() <= self.group_size {
            return completions;
        }
        let paths: Vec<Vec<Node>> = completions.iter().map(|c| trie.path(c.leaf)).collect();
        let common =
            |a: usize, b: usize| paths[a].iter().zip(&paths[b]).take_while(|(a, b)| a == b).count();
        let is_hit = |&i: &usize| targets.contains(&completions[i].leaf);
        let (mut chosen, mut rest): (Vec<usize>, Vec<usize>) =
            (0..completions.len()).partition(is_hit);
        chosen.truncate(self.group_size);
        while chosen.len() < self.group_size {
            let nearest = |&i: &usize| chosen.iter().map(|&other| common(i, other)).max();
            let Some(next) = rest.iter().copied().min_by_key(|i| (nearest(i), *i)) else { break };
            rest.retain(|&other| other != next);
            chosen.push(next);
        }
        chosen.sort_unstable();
        chosen.into_iter().map(|i| completions[i]).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::SidTable;
    use crate::decode::RolloutConfig;

    fn trie() -> (SidTable, Trie) {
        let codes = [[1, 1], [1, 2], [1, 3], [2, 1], [3, 1], [3, 2]];
        let sids = SidTable::new(vec![4; 2], codes.concat()).unwrap();
        let trie = Trie::new(&sids);
        (sids, trie)
    }

    fn narrowed(group_size: usize, targets: &[u32]) -> Vec<u32> {
        let (sids, trie) = trie();
        let leaf = |item: u32| trie.walk(sids.sid(item)).unwrap();
        let completions =
            (0..6).map(|item| Completion { leaf: leaf(item), log_prob: -1.0 }).collect();
        let targets: Vec<Node> = targets.iter().map(|&item| leaf(item)).collect();
        let generation = Generation {
            rollout: RolloutConfig::default().rollout().unwrap(),
            group_size,
            width: 6,
            seed: 1,
        };
        let kept = generation.narrowed(completions, &targets, &trie);
        kept.iter().map(|completion| trie.items(completion.leaf)[0]).collect()
    }

    #[test]
    fn hits_stay_and_the_most_diverse_join_them_in_beam_order() {
        // the hit is (1,2): (2,1) and (3,1) share nothing with it, then all others share a code
        assert_eq!(narrowed(3, &[1]), [1, 3, 4]);
        assert_eq!(narrowed(4, &[1]), [0, 1, 3, 4]);
        // without a hit the first beam is the first
        assert_eq!(narrowed(3, &[]), [0, 3, 4]);
        assert_eq!(narrowed(6, &[2]), [0, 1, 2, 3, 4, 5]);
    }

    #[test]
    fn more_hits_than_places_keep_the_most_probable() {
        assert_eq!(narrowed(2, &[5, 2, 4]), [2, 4]);
    }
}
