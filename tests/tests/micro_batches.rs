//! Micro-batches, one after the other or on several devices, add up to the minibatch.

use std::sync::Mutex;

use burn::tensor::Tensor;
use recast_core::objective::Objective;
use recast_train::catalogue::{SidTable, Trie};
use recast_train::model::Decoder;
use recast_train::optim::{Optimiser, Replicas, StepGradients};
use recast_train::train::{KeptGroup, Layout, completion_log_probs, micro_batches};

use crate::decoder::{
    assert_weights_close, catalogue, decoder, leaves, parameter_gradients, prompt,
};
use crate::device::devices;
use crate::kept::{group_loss, kept};
use crate::numbers::{assert_same, bits};
use crate::tolerance::{DECODER, on};

tests![
    micro_batches_add_up_to_the_loss_and_gradients_of_the_minibatch,
    devices_that_share_a_step_give_the_gradients_of_one,
    no_micro_batch_has_no_gradient,
];

/// Prompts of different lengths, groups of different sizes.
fn groups(model: &Decoder, table: &SidTable, trie: &Trie) -> Vec<KeptGroup> {
    let all = leaves(trie);
    let cases: [(&[u32], &[usize]); 5] = [
        (&[1, 2, 3, 4, 5], &[11, 2]),
        (&[11, 12], &[5, 19, 8]),
        (&[13], &[1, 2, 3]),
        (&[14, 15, 14], &[30, 20]),
        (&[7, 7, 9, 2], &[0, 33]),
    ];
    let group = |(items, of): (&[u32], &[usize])| {
        let leaves = of.iter().map(|&leaf| all[leaf]).collect();
        let advantages: Vec<f32> = (0..of.len()).map(|i| if i == 0 { 1.0 } else { -0.5 }).collect();
        kept(prompt(model, table, items), leaves, &advantages, of.len(), trie.levels())
    };
    cases.map(group).to_vec()
}

/// An optimiser whose bound no gradient reaches, so that the norm stays unclipped.
fn optimiser() -> Optimiser {
    Optimiser::new(0.0, f32::MAX)
}

fn loss(model: &Decoder, trie: &Trie, part: &[KeptGroup], of_groups: usize) -> Tensor<1> {
    let policy = completion_log_probs(model, trie, part, Layout::Packed);
    let old = policy.clone().detach() - 0.1;
    let reference = policy.clone().detach() + 0.1;
    let (levels, objective) = (trie.levels(), Objective::default());
    group_loss(policy, old, reference, part, of_groups, levels, &objective)
}

/// Asserts that `found` and `expected`, gradients of one decoder, are equal.
fn assert_equal(name: &str, model: &Decoder, found: &StepGradients, expected: &StepGradients) {
    let tolerance = on(&model.device(), DECODER);
    let close = |found: f64, expected: f64| (found - expected).abs() <= tolerance * expected.abs();
    assert!(close(found.loss, expected.loss), "{name}: {} {}", found.loss, expected.loss);
    assert!(close(found.norm.into(), expected.norm.into()), "{name}");
    let expected = parameter_gradients(model, &expected.clipped);
    let found = parameter_gradients(model, &found.clipped);
    assert_weights_close(&found, &expected, tolerance, name);
}

fn micro_batches_add_up_to_the_loss_and_gradients_of_the_minibatch() {
    let (table, trie) = catalogue();
    for (device_name, device) in devices() {
        let model = decoder(&table, &device);
        let groups = groups(&model, &table, &trie);
        let gradients = |tokens| {
            let parts = micro_batches(&groups, tokens, Layout::Packed, trie.levels());
            let losses = parts.iter().map(|part| loss(&model, &trie, part, groups.len()));
            (parts.len(), optimiser().gradients(&model, losses))
        };
        let (parts, whole) = gradients(0);
        assert_eq!(parts, 1);
        let (parts, split) = gradients(1);
        assert_eq!(parts, groups.len());
        assert_equal(&device_name, &model, &split, &whole);
    }
}

fn devices_that_share_a_step_give_the_gradients_of_one() {
    let (table, trie) = catalogue();
    for (device_name, device) in devices() {
        let model = decoder(&table, &device);
        let groups = groups(&model, &table, &trie);
        let parts = micro_batches(&groups, 1, Layout::Packed, trie.levels());
        let run = |devices: Vec<_>| {
            let (replicas, order) = (Replicas::new(devices), Mutex::new(Vec::new()));
            let found = replicas.gradients(&optimiser(), &model, &parts, |model, index, part| {
                let device = model.device();
                order.lock().expect("no panic").push((index, device.clone()));
                let number = Tensor::from_data([index as f32], &device.inner());
                (loss(model, &trie, part, groups.len()), Some(number))
            });
            let mut order = order.into_inner().expect("no panic");
            order.sort_by_key(|&(index, _)| index);
            // numbers come back in the order of the micro-batches, whichever device computed them
            let expected: Vec<Vec<f32>> = (0..parts.len()).map(|i| vec![i as f32]).collect();
            assert_eq!(found.numbers, expected);
            (found, order)
        };
        let (one, order) = run(vec![device.clone()]);
        assert_eq!(order.len(), parts.len());
        let plain = parts.iter().map(|part| loss(&model, &trie, part, groups.len()));
        let plain = optimiser().gradients(&model, plain);
        let of = |found: &StepGradients| parameter_gradients(&model, &found.clipped);
        for ((weight, found), (_, expected)) in of(&one).iter().zip(&of(&plain)) {
            assert_same(&device, found, expected, weight);
        }
        // the lists hold the same device twice, all devices, and more devices than micro-batches
        let all: Vec<_> = devices().map(|(_, device)| device).collect();
        let first = std::iter::once(device.clone());
        let more = first.clone().chain(all.iter().filter(|other| **other != device).cloned());
        for devices in [vec![device.clone(); 2], more.collect(), vec![device.clone(); 7]] {
            let name = format!("{device_name} and others, {} in all", devices.len());
            let (shared, order) = run(devices.clone());
            assert_equal(&name, &model, &shared, &one);
            // micro-batches go round the devices
            let expected = (0..parts.len()).map(|i| (i, devices[i % devices.len()].clone()));
            assert!(order.into_iter().eq(expected), "{name}");
        }
    }
}

fn no_micro_batch_has_no_gradient() {
    let (table, _) = catalogue();
    for (device_name, device) in devices() {
        let model = decoder(&table, &device);
        let nothing: [(); 0] = [];
        let part = |_: &Decoder, _: usize, (): &()| (Tensor::zeros([1], &device), None);
        let found =
            Replicas::new(vec![device.clone()]).gradients(&optimiser(), &model, &nothing, part);
        assert!(found.clipped.is_empty() && found.numbers.is_empty(), "{device_name}");
        assert!(bits(&[found.norm, found.loss as f32]) == bits(&[0.0, 0.0]), "{device_name}");
    }
}
