//! Equal seeds give equal weights, bit for bit.

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use recast_core::Signal;
use recast_core::objective::Objective;
use recast_train::decode::beam_search;
use recast_train::optim::Optimiser;
use recast_train::reward::Rewards;
use recast_train::train::{KeptGroup, Layout, Selector, completion_log_probs};

use crate::decoder::{catalogue, decoder, prompt, weights};
use crate::device::devices;
use crate::kept::group_loss;
use crate::numbers::{assert_same, bits};

tests![two_runs_from_one_seed_give_equal_weights, one_and_two_threads_give_equal_weights];

/// The weights after a few whole steps: rollout, repair, selection, loss, optimiser.
fn train(device: &Device) -> Vec<(String, Vec<f32>)> {
    let (table, trie) = catalogue();
    let mut policy = decoder(&table, device);
    let reference = policy.valid();
    let mut optimiser = Optimiser::new(0.1, 1.0);
    for step in 0..3 {
        let frozen = policy.valid();
        // an example is the items before, and the target
        let examples = [1, 8, 21, 34].map(|item| ([item, item + step, 7], item + 2 * step));
        let length = 2 + step as usize % 2;
        let prompts = examples.map(|(items, _)| prompt(&frozen, &table, &items[..length]));
        let found = beam_search(&frozen, &trie, &prompts.each_ref().map(Vec::as_slice), 6);
        let groups: Vec<KeptGroup> = (0..examples.len())
            .filter_map(|i| {
                let (target, prompt) = (examples[i].1, prompts[i].clone());
                let (signal, rewards) = (&Signal::recast(), &Rewards::hit_alone());
                Selector { signal, rewards, sids: &table, trie: &trie }
                    .kept(prompt, &found[i], &[target])
                    .expect("finite log-probabilities")
            })
            .collect();
        assert_eq!(groups.len(), examples.len(), "every group has its pair");
        let constant = |model| {
            Tensor::<1>::from_data(
                completion_log_probs(model, &trie, &groups, Layout::Packed).into_data(),
                device,
            )
        };
        let (old, reference) = (constant(&frozen), constant(&reference));
        for _ in 0..2 {
            let log_probs = completion_log_probs(&policy, &trie, &groups, Layout::Packed);
            let (old, reference) = (old.clone(), reference.clone());
            let (levels, objective) = (table.levels(), Objective::default());
            let loss =
                group_loss(log_probs, old, reference, &groups, groups.len(), levels, &objective);
            let found = optimiser.gradients(&policy, [loss]);
            policy = optimiser.step(1e-3, policy, found.clipped);
        }
    }
    weights(&policy)
}

fn two_runs_from_one_seed_give_equal_weights() {
    for (device_name, device) in devices() {
        let start = weights(&decoder(&catalogue().0, &device));
        let (first, second) = (train(&device), train(&device));
        for ((name, first), (_, second)) in first.iter().zip(&second) {
            assert_same(&device, first, second, &format!("{device_name}, {name}"));
        }
        for ((name, trained), (_, start)) in first.iter().zip(&start) {
            assert!(bits(trained) != bits(start), "{device_name}: {name} was not trained");
        }
    }
}

fn one_and_two_threads_give_equal_weights() {
    for (device_name, device) in devices() {
        let on_threads = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build();
            pool.expect("a pool of threads").install(|| train(&device))
        };
        for ((name, one), (_, two)) in on_threads(1).iter().zip(&on_threads(2)) {
            assert_same(&device, one, two, &format!("{device_name}, {name}"));
        }
    }
}
