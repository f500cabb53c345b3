//! Beam search and exact search with their caches rank and score like whole rows without one.

use std::collections::HashMap;

use burn::module::Module;
use recast_burn::device::is_cpu;
use recast_train::catalogue::{Node, SidTable, Trie};
use recast_train::decode::{
    Completion, DeviceTrie, beam_search, device_beam_search, exact_search, leaf_log_probs,
    unconstrained_beam_search,
};
use recast_train::model::Decoder;

use crate::decoder::{
    catalogue, decoder, decoders, deep_catalogue, leaves, prompt, separate_log_probs,
    wide_catalogue,
};
use crate::device::devices;
use crate::numbers::{assert_all_close, values};
use crate::tolerance::{DECODER, on};

tests![
    every_width_keeps_and_ranks_what_rows_of_their_own_do,
    a_beam_as_wide_as_the_catalogue_is_the_exhaustive_ranking,
    beams_are_distinct_semantic_ids_of_the_catalogue_best_first,
    a_prompt_is_answered_alike_alone_and_in_any_batch,
    exact_scores_are_those_of_rows_of_their_own,
    exact_search_of_many_prefixes_is_the_beam_as_wide_as_the_catalogue,
    without_a_trie_any_code_may_follow_as_where_every_semantic_id_is_legal,
];

/// The items of prompts of several lengths.
const PROMPTS: [&[u32]; 4] = [&[3, 14, 15], &[9], &[26, 5, 35, 8, 9, 7, 9], &[32, 3]];

/// Beam widths: greedy; below, at and above the children of the root; above the leaves.
const WIDTHS: [usize; 6] = [1, 2, 4, 5, 9, 64];

struct Setting {
    device_name: String,
    /// Whether the search is [`device_beam_search`], which any device can run.
    on_device: bool,
    table: SidTable,
    trie: Trie,
    model: Decoder,
}

/// Frozen decoders of either catalogue on every device, and both kinds of beam search.
fn settings() -> impl Iterator<Item = Setting> {
    devices().flat_map(|(name, device)| {
        let kinds = [(false, catalogue()), (false, deep_catalogue()), (true, catalogue())];
        let kinds = kinds.into_iter().chain([(true, deep_catalogue())]);
        kinds.flat_map(move |(on_device, (table, trie))| {
            let name = format!("{name}{}", if on_device { ", search on it" } else { "" });
            decoders(&table, &device).map(|(kind, model)| Setting {
                device_name: format!("{name}, {kind}"),
                on_device,
                table: table.clone(),
                trie: trie.clone(),
                model: model.valid(),
            })
        })
    })
}

impl Setting {
    fn search(&self, prompts: &[Vec<u32>], width: usize) -> Vec<Vec<Completion>> {
        let Self { model, trie, .. } = self;
        let prompts: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        if self.on_device {
            let trie = DeviceTrie::new(trie, &model.device());
            device_beam_search(model, &trie, &prompts, width)
        } else {
            beam_search(model, trie, &prompts, width)
        }
    }

    fn tolerance(&self) -> f64 {
        on(&self.model.device(), DECODER)
    }

    /// Asserts that completions are those expected, on a CPU in their order. On a GPU
    /// completions of nearly equal log-probability, which `all` knows, may change places.
    fn assert_found(
        &self,
        found: &[Completion],
        expected: &[Completion],
        all: &HashMap<Node, f32>,
        name: &str,
    ) {
        if is_cpu(&self.model.device()) {
            assert_eq!(found_leaves(found), found_leaves(expected), "{name}");
        } else {
            let of_found: Vec<f32> = found.iter().map(|c| all[&c.leaf]).collect();
            assert_all_close(&log_probs(found), &of_found, self.tolerance(), name);
        }
        assert_all_close(&log_probs(found), &log_probs(expected), self.tolerance(), name);
    }
}

fn prompts(model: &Decoder, table: &SidTable) -> Vec<Vec<u32>> {
    PROMPTS.iter().map(|items| prompt(model, table, items)).collect()
}

/// The log-probability of every prefix of every semantic ID, from rows of their own.
fn exhaustive(model: &Decoder, trie: &Trie, prompt: &[u32]) -> HashMap<Node, f32> {
    let mut log_probs = HashMap::from([(Trie::ROOT, 0.0)]);
    for leaf in leaves(trie) {
        let levels = separate_log_probs(model, trie, prompt, leaf);
        let path = trie.path(leaf);
        for (level, log_prob) in levels.iter().enumerate() {
            let total = log_probs[&path[level]] + values(log_prob)[0];
            log_probs.insert(path[level + 1], total);
        }
    }
    log_probs
}

/// The `width` best extensions of the kept nodes, level by level.
fn reference_search(trie: &Trie, log_probs: &HashMap<Node, f32>, width: usize) -> Vec<Completion> {
    let mut kept = vec![Trie::ROOT];
    for _ in 0..trie.levels() {
        let children = kept.iter().flat_map(|&node| trie.children(node));
        kept = children.map(|index| trie.node(index).expect("a child")).collect();
        kept.sort_by(|a, b| log_probs[b].total_cmp(&log_probs[a]));
        if let [.., last, next] = kept[..kept.len().min(width + 1)] {
            let gap = log_probs[&last] - log_probs[&next];
            assert!(kept.len() <= width || gap > 1e-4, "the case is a near tie: change a prompt");
        }
        kept.truncate(width);
    }
    kept.into_iter().map(|leaf| Completion { leaf, log_prob: log_probs[&leaf] }).collect()
}

fn log_probs(completions: &[Completion]) -> Vec<f32> {
    completions.iter().map(|completion| completion.log_prob).collect()
}

fn found_leaves(completions: &[Completion]) -> Vec<Node> {
    completions.iter().map(|completion| completion.leaf).collect()
}

fn every_width_keeps_and_ranks_what_rows_of_their_own_do() {
    for setting in settings() {
        let Setting { device_name, table, trie, model, .. } = &setting;
        let prompts = prompts(model, table);
        let exhaustive: Vec<HashMap<Node, f32>> =
            prompts.iter().map(|prompt| exhaustive(model, trie, prompt)).collect();
        for width in WIDTHS {
            let found = setting.search(&prompts, width);
            for (i, (found, all)) in found.iter().zip(&exhaustive).enumerate() {
                let name =
                    format!("{device_name}, {} levels, prompt {i}, width {width}", trie.levels());
                setting.assert_found(found, &reference_search(trie, all, width), all, &name);
            }
        }
    }
}

fn a_beam_as_wide_as_the_catalogue_is_the_exhaustive_ranking() {
    for setting in settings() {
        let Setting { device_name, table, trie, model, .. } = &setting;
        let all = leaves(trie);
        for prompt in prompts(model, table) {
            let log_probs = exhaustive(model, trie, &prompt);
            let completion = |&leaf: &Node| Completion { leaf, log_prob: log_probs[&leaf] };
            let mut ranking: Vec<Completion> = all.iter().map(completion).collect();
            ranking.sort_by(|a, b| b.log_prob.total_cmp(&a.log_prob));
            for width in [all.len(), all.len() + 10, usize::MAX] {
                let found = setting.search(std::slice::from_ref(&prompt), width);
                let name = format!("{device_name}, width {width}");
                setting.assert_found(&found[0], &ranking, &log_probs, &name);
                let total: f64 = found[0].iter().map(|c| f64::from(c.log_prob).exp()).sum();
                assert!((total - 1.0).abs() < setting.tolerance(), "{name}: sums to {total}");
            }
        }
    }
}

fn beams_are_distinct_semantic_ids_of_the_catalogue_best_first() {
    for setting in settings() {
        let Setting { device_name, table, trie, model, .. } = &setting;
        for width in WIDTHS {
            for found in setting.search(&prompts(model, table), width) {
                let name = format!("{device_name}, width {width}");
                assert_eq!(found.len(), width.min(leaves(trie).len()), "{name}");
                assert!(found.windows(2).all(|pair| pair[0].log_prob >= pair[1].log_prob));
                let mut nodes = found_leaves(&found);
                nodes.sort_unstable();
                nodes.dedup();
                assert_eq!(nodes.len(), found.len(), "{name}");
                for leaf in nodes {
                    let items = trie.items(leaf);
                    assert!(!items.is_empty() && trie.walk(table.sid(items[0])) == Some(leaf));
                }
            }
        }
    }
}

fn a_prompt_is_answered_alike_alone_and_in_any_batch() {
    for setting in settings() {
        let Setting { device_name, table, trie, model, .. } = &setting;
        let prompts = prompts(model, table);
        for width in [4, 64] {
            let together = setting.search(&prompts, width);
            let mut reversed = prompts.clone();
            reversed.reverse();
            let mut backwards = setting.search(&reversed, width);
            backwards.reverse();
            for (i, prompt) in prompts.iter().enumerate() {
                let name =
                    format!("{device_name}, {} levels, prompt {i}, width {width}", trie.levels());
                let all = exhaustive(model, trie, prompt);
                let alone = &setting.search(std::slice::from_ref(prompt), width)[0];
                for batched in [&together[i], &backwards[i]] {
                    setting.assert_found(batched, alone, &all, &name);
                }
            }
        }
    }
}

fn exact_scores_are_those_of_rows_of_their_own() {
    for setting in settings().filter(|setting| !setting.on_device) {
        let Setting { device_name, table, trie, model, .. } = &setting;
        let prompts = prompts(model, table);
        let slices: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let found = leaf_log_probs(model, trie, &slices);
        for (i, (found, prompt)) in found.iter().zip(&prompts).enumerate() {
            let all = exhaustive(model, trie, prompt);
            let expected: Vec<f32> = leaves(trie).iter().map(|leaf| all[leaf]).collect();
            let name = format!("{device_name}, {} levels, prompt {i}", trie.levels());
            assert_all_close(found, &expected, setting.tolerance(), &name);
        }
    }
}

fn exact_search_of_many_prefixes_is_the_beam_as_wide_as_the_catalogue() {
    let (table, trie) = wide_catalogue();
    assert!(trie.nodes_at(1).len() > 128 && trie.nodes_at(2).len() > 3 * 128);
    let n_leaves = leaves(&trie).len();
    for (device_name, device) in devices() {
        for (kind, model) in decoders(&table, &device) {
            let (name, model) = (format!("{device_name}, {kind}"), model.valid());
            let prompts = prompts(&model, &table);
            let slices: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
            let beam = beam_search(&model, &trie, &slices, n_leaves);
            for (exact, beam) in exact_search(&model, &trie, &slices, 10).iter().zip(&beam) {
                if is_cpu(&device) {
                    assert_eq!(found_leaves(exact), found_leaves(&beam[..10]), "{name}");
                }
                let tolerance = on(&device, DECODER);
                assert_all_close(&log_probs(exact), &log_probs(&beam[..10]), tolerance, &name);
            }
        }
    }
}

fn without_a_trie_any_code_may_follow_as_where_every_semantic_id_is_legal() {
    for (device_name, device) in devices() {
        let (table, trie) = catalogue();
        let sizes = table.codes_per_level().to_vec();
        let model = decoder(&table, &device).valid();
        // the list has every combination of codes, in the order of an odometer
        let count: usize = sizes.iter().product();
        let codes = |index: usize| -> Vec<u16> {
            let places = sizes.iter().rev().scan(index, |rest, &size| {
                let code = *rest % size;
                *rest /= size;
                Some(code as u16)
            });
            let mut codes: Vec<u16> = places.collect();
            codes.reverse();
            codes
        };
        let all =
            SidTable::new(sizes.clone(), (0..count).flat_map(codes).collect()).expect("a table");
        let all = Trie::new(&all);
        let prompts = prompts(&model, &table);
        let slices: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let mut illegal = 0;
        for width in WIDTHS {
            let free = unconstrained_beam_search(&model, &slices, width);
            let expected = beam_search(&model, &all, &slices, width);
            assert_eq!(free.len(), PROMPTS.len());
            for (free, expected) in free.iter().zip(&expected) {
                let leaves: Vec<Node> =
                    free.iter().map(|c| all.walk(&c.codes).expect("a semantic ID")).collect();
                if is_cpu(&device) {
                    assert_eq!(leaves, found_leaves(expected), "{device_name}, width {width}");
                }
                let found: Vec<f32> = free.iter().map(|c| c.log_prob).collect();
                let tolerance = on(&device, DECODER);
                assert_all_close(&found, &log_probs(expected), tolerance, &device_name);
                illegal += free.iter().filter(|c| trie.walk(&c.codes).is_none()).count();
            }
        }
        assert!(illegal > 0, "a search without a trie finds a completion of no item");
        assert!(unconstrained_beam_search(&model, &[], 3).is_empty());
    }
}
