use std::sync::Arc;

use rand::RngExt;
use recast_burn::DeviceKind;

use super::*;
use crate::catalogue::SidTable;
use crate::decode::leaf_log_probs;
use crate::model::{Input, ItemTable, ModelConfig};
use crate::random::{Purpose, stream};

/// A catalogue of 40 items, of which some share a semantic ID, and a decoder of it.
struct Shop {
    sids: SidTable,
    trie: Trie,
    model: Decoder,
}

impl Shop {
    fn new(device: &str) -> Self {
        let mut rng = stream(1, Purpose::Catalogue, 0);
        let codes: Vec<u16> = (0..80).map(|_| rng.random_range(0..6)).collect();
        let sids = SidTable::new(vec![6, 6], codes).unwrap();
        let trie = Trie::new(&sids);
        let shape = ModelConfig { hidden_size: 16, head_dim: 8, ..ModelConfig::tiny() };
        let device = DeviceKind::find(device).unwrap().device();
        let model = Decoder::new(&shape, sids.codes_per_level(), 1, &device);
        Self { sids, trie, model }
    }

    fn catalogue(&self) -> Catalogue<'_> {
        Catalogue { sids: &self.sids, trie: &self.trie, max_history: 4 }
    }

    fn ranked(&self, ranking: &Ranking, histories: &[&[u32]]) -> Vec<Vec<u32>> {
        let monitor = Monitor::silent();
        let found = ranking.items(&self.model, self.catalogue(), histories, &monitor, "test");
        let items = |ranking: Vec<(u32, f32)>| ranking.into_iter().map(|(item, _)| item).collect();
        found.unwrap().into_iter().map(items).collect()
    }

    /// All items that the history doesn't hold, by the log-probability of their semantic IDs.
    fn reference(&self, history: &[u32]) -> Vec<u32> {
        let prompt = self.catalogue().prompt(&self.model, history);
        let log_probs = leaf_log_probs(&self.model, &self.trie, &[&prompt]).remove(0);
        let leaves = self.trie.nodes_at(self.trie.levels());
        let mut leaves: Vec<(u32, f32)> = leaves.zip(log_probs).collect();
        leaves.sort_by(|a, b| b.1.total_cmp(&a.1).then(a.0.cmp(&b.0)));
        let items =
            leaves.iter().flat_map(|&(leaf, _)| self.trie.items(self.trie.node(leaf).unwrap()));
        items.copied().filter(|item| !history.contains(item)).collect()
    }

    /// The distinct semantic IDs of items.
    fn sids_of(&self, items: &[u32]) -> usize {
        items.iter().map(|&item| self.sids.sid(item)).collect::<HashSet<_>>().len()
    }
}

/// Histories of 1 to 60 items; the long ones hold most of the catalogue, and items twice.
fn histories() -> Vec<Vec<u32>> {
    let mut rng = stream(2, Purpose::Catalogue, 0);
    [1, 3, 60, 17, 2, 45, 30, 4]
        .map(|length| (0..length).map(|_| rng.random_range(0..40)).collect())
        .to_vec()
}

const MASKED: Ranking =
    Ranking { search: Search::Exact, width: 64, mask_history: true, batch_prompts: 3 };

#[test]
fn a_masked_ranking_is_the_whole_ranking_without_the_history() {
    for device in ["cpu", "ndarray"] {
        if device == "ndarray" && cfg!(not(feature = "ndarray")) {
            continue;
        }
        let shop = Shop::new(device);
        for history in histories() {
            let reference = shop.reference(&history);
            for search in Search::ALL {
                let ranking = Ranking { search, ..MASKED };
                assert_eq!(shop.ranked(&ranking, &[&history]).remove(0), reference, "{device}");
            }
        }
    }
}

#[test]
fn a_mask_never_shortens_a_ranking_while_items_are_left() {
    let shop = Shop::new("cpu");
    for history in histories() {
        let left = shop.reference(&history);
        for (search, width) in [(Search::Beam, 1), (Search::Beam, 10), (Search::Exact, 10)] {
            let found = shop.ranked(&Ranking { search, width, ..MASKED }, &[&history]).remove(0);
            assert_eq!(shop.sids_of(&found), width.min(shop.sids_of(&left)));
            assert!(found.iter().all(|item| !history.contains(item)));
            if search == Search::Exact {
                assert_eq!(found, left[..found.len()]);
            }
        }
    }
}

#[test]
fn a_ranking_is_the_same_alone_and_in_any_batch() {
    let shop = Shop::new("cpu");
    let all = histories();
    let slices: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
    for mask_history in [false, true] {
        for batch_prompts in [1, 3, 8] {
            let ranking = Ranking { search: Search::Beam, width: 10, mask_history, batch_prompts };
            let together = shop.ranked(&ranking, &slices);
            for (history, found) in slices.iter().zip(together) {
                assert_eq!(shop.ranked(&ranking, &[history]), [found]);
            }
        }
    }
}

#[test]
fn both_rankings_come_from_one_search() {
    let shop = Shop::new("cpu");
    let all = histories();
    let slices: Vec<&[u32]> = all.iter().map(Vec::as_slice).collect();
    let monitor = Monitor::silent();
    for (search, width) in [(Search::Exact, 64), (Search::Exact, 10), (Search::Beam, 10)] {
        let ranking = Ranking { search, width, ..MASKED };
        let both = ranking.both(&shop.model, shop.catalogue(), &slices, &monitor, "test").unwrap();
        let unmasked = Ranking { mask_history: false, ..ranking };
        for (history, both) in slices.iter().zip(&both) {
            assert_eq!(shop.ranked(&ranking, &[history]).concat(), both.masked);
            if search == Search::Exact {
                assert_eq!(shop.ranked(&unmasked, &[history]).concat(), both.unmasked);
            }
            assert_eq!(
                shop.sids_of(&both.unmasked),
                width.min(shop.sids_of(&Vec::from_iter(0..40)))
            );
        }
    }
    let job = Job::new(&shop.model, shop.catalogue(), &slices, &monitor, "test");
    let mut searched = Vec::new();
    let found = MASKED.both_found(&job, |batch, prompts, _| {
        searched.extend_from_slice(batch);
        vec![Vec::new(); prompts.len()]
    });
    assert_eq!(found.unwrap(), vec![Both::default(); slices.len()]);
    searched.sort_unstable();
    assert_eq!(searched, Vec::from_iter(0..slices.len()));
}

#[test]
fn both_rankings_of_a_list_hold_fifty_items_while_some_are_left() {
    let list = |k: usize| (0u32..60).take(k).collect::<Vec<u32>>();
    let history = [3, 59, 3, 0];
    let both = both_rankings(&history, list);
    assert_eq!(both.unmasked, Vec::from_iter(0..50));
    let masked: Vec<u32> = (0..53).filter(|item| !history.contains(item)).take(50).collect();
    assert_eq!(both.masked, masked);
    let whole: Vec<u32> = (0..12).collect();
    let both = both_rankings(&whole[..4], |k| whole[..k.min(12)].to_vec());
    assert_eq!((&both.unmasked[..], &both.masked[..]), (&whole[..], &whole[4..]));
}

#[test]
fn a_leaf_is_hidden_only_with_all_its_items() {
    let sids = SidTable::new(vec![3], vec![0, 0, 1, 2]).unwrap();
    let trie = Trie::new(&sids);
    let catalogue = Catalogue { sids: &sids, trie: &trie, max_history: 4 };
    for (history, hidden) in [(&[0][..], 0), (&[0, 1], 1), (&[2, 2, 2, 0], 1), (&[], 0)] {
        assert_eq!(Mask::new(history, true).hidden_leaves(catalogue), hidden);
        assert_eq!(Mask::new(history, false).hidden_leaves(catalogue), 0);
    }
}

#[test]
fn an_item_s_own_log_prob_counts_by_its_weight_and_that_of_its_codes_stands_in() {
    let leaf = Trie::ROOT;
    let candidate =
        |item, log_prob, item_log_prob| Candidate { item, leaf, log_prob, item_log_prob };
    let found = [
        candidate(7, -1.0, Some(-6.0)),
        candidate(3, -2.0, Some(-2.0)),
        candidate(4, -2.0, Some(-2.0)),
        candidate(9, -3.0, None),
    ];
    // the sums are -7, -4, -4 and -6
    for (weight, expected) in [(0.0, [7, 3, 4, 9]), (0.1, [7, 3, 4, 9]), (1.0, [3, 4, 9, 7])] {
        let mut found = found;
        order(&mut found, weight);
        assert_eq!(found.map(|it| it.item), expected, "{weight}");
    }
}

#[test]
fn a_ranking_by_both_heads_is_the_sum_of_the_two_log_probs() {
    let shop = Shop::new("cpu");
    let shape =
        ModelConfig { hidden_size: 16, head_dim: 8, input: Input::Items, ..ModelConfig::tiny() };
    let sids = shop.sids.clone();
    let codes = sids.sids().flatten().copied().collect();
    let table = Arc::new(ItemTable::new(codes, 2, vec![true; 40], None));
    let device = DeviceKind::Cpu.device();
    let model = Decoder::of_items(&shape, sids.codes_per_level(), table, 1, &device);
    let shop = Shop { model: model.with_item_weight(0.5), ..shop };
    let catalogue = shop.catalogue();
    for history in histories() {
        let prompt = catalogue.prompt(&shop.model, &history);
        let of_leaves = leaf_log_probs(&shop.model, &shop.trie, &[&prompt]).remove(0);
        let of_items = Searcher::new(&shop.model, &shop.trie).item_log_probs(&[&prompt]);
        let first_leaf = shop.trie.nodes_at(2).start;
        let score = |item: u32| {
            let leaf = shop.trie.walk(sids.sid(item)).unwrap();
            of_leaves[(leaf.index() - first_leaf) as usize] + 0.5 * of_items[item as usize]
        };
        let mut expected: Vec<u32> = (0..40).filter(|item| !history.contains(item)).collect();
        expected.sort_by(|&a, &b| score(b).total_cmp(&score(a)));
        assert_eq!(shop.ranked(&MASKED, &[&history]), [expected]);
    }
}
