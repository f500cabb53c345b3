//! Packed trees equal separate rows: log-probabilities and gradients.

use burn::tensor::{Tensor, TensorData};
use recast_burn::packing::{Packed, Tree};
use recast_train::catalogue::{SidTable, Trie};
use recast_train::model::Decoder;
use recast_train::train::{KeptGroup, Layout, completion_log_probs};
use serde::Deserialize;

use crate::decoder::{
    assert_weights_close, catalogue, completion, decoder, decoders, leaves, prompt,
    separate_log_probs, weight_gradients,
};
use crate::device::devices;
use crate::kept::kept;
use crate::numbers::{assert_all_close, seeded, values};
use crate::tolerance::{DECODER, on};

tests![
    packed_trees_give_the_log_probs_and_gradients_of_separate_rows,
    the_order_of_groups_only_orders_the_log_probs,
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Case {
    name: String,
    /// The number of rows that the trees take, where the case is about rows.
    rows: Option<usize>,
    groups: Vec<GroupCase>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct GroupCase {
    prompt: Vec<u32>,
    completions: Vec<usize>,
}

impl Case {
    fn all() -> Vec<Self> {
        let file: File = toml::from_str(include_str!("../cases/packing.toml")).expect("cases");
        file.cases
    }

    fn groups(&self, model: &Decoder, table: &SidTable, trie: &Trie) -> Vec<KeptGroup> {
        let all = leaves(trie);
        let group = |case: &GroupCase| {
            let leaves = case.completions.iter().map(|&leaf| all[leaf]).collect();
            let advantages = vec![0.0; case.completions.len()];
            kept(prompt(model, table, &case.prompt), leaves, &advantages, 1, trie.levels())
        };
        self.groups.iter().map(group).collect()
    }
}

/// The number of rows into which [`completion_log_probs`] packs groups.
fn rows(model: &Decoder, trie: &Trie, groups: &[KeptGroup]) -> usize {
    let completions: Vec<Vec<Vec<u32>>> = groups
        .iter()
        .map(|group| group.leaves.iter().map(|&leaf| completion(model, trie, leaf)).collect())
        .collect();
    let completions: Vec<Vec<&[u32]>> =
        completions.iter().map(|of_group| of_group.iter().map(Vec::as_slice).collect()).collect();
    let trees: Vec<Tree<'_>> = groups
        .iter()
        .zip(&completions)
        .map(|(group, completions)| Tree { prompt: &group.prompt, completions })
        .collect();
    Packed::new(&trees, 0).dims()[0]
}

/// The same log-probabilities, with each completion in a row of its own.
fn separately(model: &Decoder, trie: &Trie, groups: &[KeptGroup]) -> Tensor<1> {
    let by_completion: Vec<Vec<Tensor<1>>> = groups
        .iter()
        .flat_map(|group| group.leaves.iter().map(|&leaf| (&group.prompt, leaf)))
        .map(|(prompt, leaf)| separate_log_probs(model, trie, prompt, leaf))
        .collect();
    let of_level = |level: usize| by_completion.iter().map(move |levels| levels[level].clone());
    Tensor::cat((0..trie.levels()).flat_map(of_level).collect(), 0)
}

fn packed_trees_give_the_log_probs_and_gradients_of_separate_rows() {
    let (table, trie) = catalogue();
    for (device_name, device) in devices() {
        let models = decoders(&table, &device);
        let cases =
            models.iter().flat_map(|model| Case::all().into_iter().map(move |it| (model, it)));
        for ((kind, model), case) in cases {
            let name = format!("{device_name}, {kind}, {}", case.name);
            let groups = case.groups(model, &table, &trie);
            if let Some(expected) = case.rows
                && !model.reads_items()
            {
                assert_eq!(rows(model, &trie, &groups), expected, "rows of {name}");
            }
            let run = |log_probs: Tensor<1>| {
                let count = log_probs.dims()[0];
                let weights = TensorData::new(seeded(30, count), [count]);
                let loss = (log_probs.clone() * Tensor::from_data(weights, &device)).sum();
                (values(&log_probs), weight_gradients(model, &loss))
            };
            let (separate, separate_gradients) = run(separately(model, &trie, &groups));
            for layout in [Layout::Packed, Layout::RowWise] {
                let name = format!("{name}, {layout:?}");
                let log_probs = completion_log_probs(model, &trie, &groups, layout);
                let (found, gradients) = run(log_probs);
                let tolerance = on(&device, DECODER);
                assert_all_close(&found, &separate, tolerance, &name);
                assert_weights_close(&gradients, &separate_gradients, tolerance, &name);
            }
        }
    }
}

fn the_order_of_groups_only_orders_the_log_probs() {
    let (table, trie) = catalogue();
    for (device_name, device) in devices() {
        let model = decoder(&table, &device);
        for case in Case::all() {
            let mut groups = case.groups(&model, &table, &trie);
            let by_level = |groups: &[KeptGroup]| {
                let counts = groups.iter().map(|group| group.leaves.len()).collect::<Vec<_>>();
                let found = values(&completion_log_probs(&model, &trie, groups, Layout::Packed));
                let completions = counts.iter().sum::<usize>();
                let mut of_groups = vec![Vec::new(); groups.len()];
                for level in found.chunks(completions) {
                    let mut rest = level;
                    for (of_group, &count) in of_groups.iter_mut().zip(&counts) {
                        let (these, later) = rest.split_at(count);
                        of_group.extend_from_slice(these);
                        rest = later;
                    }
                }
                of_groups
            };
            let forward = by_level(&groups);
            groups.reverse();
            let mut backward = by_level(&groups);
            backward.reverse();
            let name = format!("{device_name}, {}", case.name);
            let tolerance = on(&device, DECODER);
            assert_all_close(&backward.concat(), &forward.concat(), tolerance, &name);
        }
    }
}
