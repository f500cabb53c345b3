//! The loop's loss of each signal is core's: value and gradient, on a fixed group.

use burn::optim::GradientsParams;
use burn::tensor::{Tensor, TensorData};
use recast_burn::objective::{LogProbs, policy_loss};
use recast_core::objective::{GroupTokens, group_loss};
use recast_core::repair::Evidence;
use recast_core::{Group, Outcome, Signal};
use recast_train::catalogue::{Node, SidTable, Trie};
use recast_train::decode::Completion;
use recast_train::model::Decoder;
use recast_train::reward::Rewards;
use recast_train::train::{
    KeptGroup, Layout, RlConfig, Selector, SignalName, completion_log_probs, update_batch,
};

use crate::decoder::{
    Catalogue, assert_weights_close, decoder, leaves, parameter_gradients, prompt,
};
use crate::device::devices;
use crate::numbers::{assert_each_close, seeded, values};
use crate::tolerance::{DECODER, OBJECTIVE, on};

tests![
    every_signal_selects_as_core_does,
    every_signal_has_the_value_and_the_gradient_of_cores_loss,
    repair_with_the_positive_alone_updates_as_supervised_training_does,
];

const LEVELS: usize = 3;
/// The SIDs of four completions, then those of the target items.
const CODES: [[u16; LEVELS]; 6] =
    [[4, 4, 4], [1, 2, 9], [1, 7, 3], [5, 5, 5], [1, 2, 3], [6, 6, 6]];
const OLD: [f32; 4] = [-1.0, -2.0, -3.0, -4.0];

fn catalogue() -> (SidTable, Trie) {
    let table = SidTable::new(vec![10; LEVELS], CODES.concat()).expect("a table");
    let trie = Trie::new(&table);
    (table, trie)
}

/// The group that the trainer keeps if `target` is the target.
fn kept(signal: &Signal<f32>, target: u32) -> Option<KeptGroup> {
    let (table, trie) = catalogue();
    let completion = |(sid, &log_prob): (&[u16; LEVELS], &f32)| Completion {
        leaf: trie.walk(sid).expect("a semantic ID of the catalogue"),
        log_prob,
    };
    let completions: Vec<Completion> = CODES.iter().zip(&OLD).map(completion).collect();
    Selector { signal, rewards: &Rewards::hit_alone(), sids: &table, trie: &trie }
        .kept(vec![7], &completions, &[target])
        .expect("finite numbers")
}

/// A selection by core alone.
struct ByCore {
    slots: Vec<usize>,
    advantages: Vec<f32>,
    divisor: usize,
    /// The anchor among the kept completions.
    anchor: Option<usize>,
}

fn by_core(signal: &Signal<f32>, target: usize) -> Option<ByCore> {
    if !signal.needs_rollout() {
        // the group is the anchor alone
        let (mut slots, mut advantages) = ([0], [0.0]);
        let group = Group::new(&[1.0], &[1.0], None).expect("a group");
        let Outcome::Trained(selection) = signal.select(group, &mut slots, &mut advantages) else {
            panic!("the anchor is a positive");
        };
        let (slots, divisor) = (selection.kept.to_vec(), selection.divisor);
        let advantages = selection.advantages.to_vec();
        return Some(ByCore { slots, advantages, divisor, anchor: signal.repair(group) });
    }
    let mut hits: Vec<f32> = (0..4).map(|slot| f32::from(u8::from(slot == target))).collect();
    let score = |sid: &[u16; LEVELS]| {
        let credit = recast_core::reward::PrefixCredit::decimal();
        recast_core::reward::structural_score(sid, &CODES[target], LEVELS, credit)
    };
    let mut scores: Vec<f32> = CODES[..4].iter().map(score).collect();
    let group = Group::new(&hits, &scores, Some(&OLD)).expect("a group");
    let slot = signal.repair_given(group, Evidence::default());
    let mut duplicates = [0, 1, 2, 3];
    if let Some(slot) = slot {
        (hits[slot], scores[slot]) = (1.0, 1.0);
        if target < 4 {
            duplicates[slot.max(target)] = slot.min(target);
        }
    }
    let group = Group::new(&hits, &scores, Some(&OLD)).expect("a group");
    let group = group.with_duplicates(&duplicates).expect("duplicates");
    let (mut slots, mut advantages) = ([0; 4], [0.0; 4]);
    match signal.select(group, &mut slots, &mut advantages) {
        Outcome::Trained(selection) => {
            let anchor = selection.kept.iter().position(|&kept| Some(kept) == slot);
            Some(ByCore {
                slots: selection.kept.to_vec(),
                advantages: selection.advantages.to_vec(),
                divisor: selection.divisor,
                anchor,
            })
        }
        Outcome::Skipped(_) => None,
    }
}

fn every_signal_selects_as_core_does() {
    let config = RlConfig::default();
    let (_, trie) = catalogue();
    for name in SignalName::ALL {
        let signal = config.signal(name);
        // an all-zero group, then a group with a hit
        for target in [4, 1] {
            // RL-ZVP takes advantages from entropies in a group of equal rewards
            if name == SignalName::RlZvp && target == 4 {
                continue;
            }
            let (found, expected) = (kept(&signal, target), by_core(&signal, target as usize));
            let case = format!("{name}, target {target}");
            let (Some(found), Some(ByCore { slots, advantages, divisor, anchor })) =
                (&found, &expected)
            else {
                assert_eq!(found.is_none(), expected.is_none(), "{case}");
                continue;
            };
            let leaves = slots.iter().enumerate().map(|(kept, &slot)| {
                let sid = if Some(kept) == *anchor { target as usize } else { slot };
                trie.walk(&CODES[sid]).expect("a semantic ID of the catalogue")
            });
            assert!(leaves.eq(found.leaves.iter().copied()), "{case}");
            assert_eq!((found.divisor, found.anchor), (*divisor, *anchor), "{case}");
            let first: Vec<u32> =
                found.token_advantages.iter().step_by(LEVELS).map(|a| a.to_bits()).collect();
            let expected: Vec<u32> = advantages.iter().map(|a| a.to_bits()).collect();
            assert_eq!(first, expected, "{case}");
        }
    }
}

fn every_signal_has_the_value_and_the_gradient_of_cores_loss() {
    let config = RlConfig::default();
    for (index, name) in SignalName::ALL.into_iter().enumerate() {
        let (signal, objective) = (config.signal(name), config.objective(name).expect("numbers"));
        // the first group with a loss: all-zero for signals that repair, mixed for others
        let teaches = |group: &KeptGroup| group.token_advantages.iter().any(|a| a.abs() > 0.0);
        let targets = if name == SignalName::RlZvp { [1, 1] } else { [4, 1] };
        let mut group = targets
            .into_iter()
            .filter_map(|target| kept(&signal, target))
            .find(teaches)
            .expect("a mixed group teaches");
        if name == SignalName::RlZvp {
            // each token has its own advantage, as under entropies
            let tokens = group.token_advantages.iter_mut().enumerate();
            tokens.for_each(|(token, advantage)| *advantage *= 1.0 + 0.1 * token as f32);
        }
        let (completions, count) = (group.leaves.len(), group.token_advantages.len());
        // ratios keep clear of every kink: within 1.0002 for GSPO, which clips at 1.0004, within
        // 1.1 for others
        let spread = if name == SignalName::Gspo { 5e-5 } else { 0.025 };
        let column = |at: usize| -> Vec<f32> {
            seeded(100 + 3 * index as u64 + at as u64, count)
                .into_iter()
                .map(|v| v * spread - 3.0)
                .collect()
        };
        let [policy, old, reference] = [0, 1, 2].map(column);
        let wide = |column: &[f32]| -> Vec<f64> { column.iter().map(|&v| f64::from(v)).collect() };
        let offsets: Vec<usize> = (0..=completions).map(|i| i * LEVELS).collect();
        let mut gradients = vec![f32::NAN; count];
        let value = group_loss(
            &signal.loss(),
            GroupTokens {
                offsets: &offsets,
                policy_log_probs: &policy,
                old_log_probs: &old,
                ref_log_probs: &reference,
                advantages: &group.token_advantages,
                anchor: group.anchor,
                divisor: group.divisor,
            },
            &objective,
            &mut gradients,
        );
        // core orders values by completion, the trainer by level
        let by_level = |column: &[f32]| -> Vec<f32> {
            let of = |level| column.iter().skip(level).step_by(LEVELS).copied();
            (0..LEVELS).flat_map(of).collect()
        };
        for (device_name, device) in devices() {
            let [policy, old, reference] = [&policy, &old, &reference].map(|column| {
                Tensor::<1>::from_data(TensorData::new(by_level(column), [count]), &device)
            });
            let policy_log_probs = policy.require_grad();
            let groups = std::slice::from_ref(&group);
            let batch =
                update_batch(groups, 1, LEVELS, signal.loss(), &objective).expect("a batch");
            let log_probs = LogProbs {
                policy_log_probs: policy_log_probs.clone(),
                old_log_probs: old,
                ref_log_probs: reference,
            };
            let loss = policy_loss(log_probs, &batch);
            let at = |i: usize| format!("{device_name}, {name}, number {i}");
            assert_each_close(&values(&loss), &[value.into()], OBJECTIVE, at);
            let found = policy_log_probs.grad(&loss.backward()).expect("a gradient");
            let expected = wide(&by_level(&gradients));
            assert!(expected.iter().any(|&gradient| gradient.abs() > 0.0), "{name}");
            assert_each_close(&values(&found), &expected, OBJECTIVE, at);
        }
    }
}

/// The gradients of a decoder's first update on all-zero groups, under a signal.
fn update(
    name: SignalName,
    config: &RlConfig,
    model: &Decoder,
    catalogue: &Catalogue,
) -> Vec<(String, Vec<f32>)> {
    let (sids, trie) = catalogue;
    let (signal, objective) = (config.signal(name), config.objective(name).expect("numbers"));
    let leaves = leaves(trie);
    let selector = Selector { signal: &signal, rewards: &Rewards::hit_alone(), sids, trie };
    let mut groups = Vec::new();
    for (items, target) in [(&[1, 2, 3][..], 20), (&[11, 12], 9), (&[30], 25)] {
        let wanted = trie.walk(sids.sid(target)).expect("a target of the catalogue");
        let misses = leaves.iter().filter(|&&leaf| leaf != wanted).take(4);
        let completion =
            |(i, &leaf): (usize, &Node)| Completion { leaf, log_prob: -1.0 - i as f32 };
        let completions: Vec<Completion> = misses.enumerate().map(completion).collect();
        let prompt = prompt(model, sids, items);
        groups.extend(selector.kept(prompt, &completions, &[target]).expect("finite numbers"));
    }
    assert_eq!(groups.len(), 3);
    let policy = completion_log_probs(model, trie, &groups, Layout::Packed);
    let at_hand = policy.clone().detach();
    let log_probs = LogProbs {
        policy_log_probs: policy,
        old_log_probs: at_hand.clone(),
        ref_log_probs: at_hand,
    };
    let levels = trie.levels();
    let batch = update_batch(&groups, 3, levels, signal.loss(), &objective).expect("a batch");
    let gradients = policy_loss(log_probs, &batch).backward();
    parameter_gradients(model, &GradientsParams::from_grads(gradients, model))
}

fn repair_with_the_positive_alone_updates_as_supervised_training_does() {
    let mut config = RlConfig::default();
    config.kl_coef = 0.0;
    config.recast.negative_weight = 0.0;
    let catalogue = crate::decoder::catalogue();
    for (device_name, device) in devices() {
        let model = decoder(&catalogue.0, &device);
        let [recast, supervised] = [SignalName::Recast, SignalName::Supervised]
            .map(|name| update(name, &config, &model, &catalogue));
        assert_weights_close(&recast, &supervised, on(&device, DECODER), &device_name);
    }
}
