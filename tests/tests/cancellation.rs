//! At ratio 1 a boundary pair's gradients cancel on the shared codes: the net gradient starts at
//! the first level where the completions differ. See section 2 of the method.

use burn::tensor::{Tensor, TensorData};
use recast_burn::log_prob::allowed_log_probs;
use recast_burn::packing::{Packed, Tree};
use recast_core::objective::{Clip, KlEstimator, Objective};
use recast_train::catalogue::{SidTable, Trie};
use recast_train::model::Decoder;
use recast_train::train::{KeptGroup, Layout, completion_log_probs};

use crate::decoder::{catalogue, completion, decoder, prompt, weight_gradients};
use crate::device::devices;
use crate::kept::{group_loss, kept};
use crate::numbers::{bits, largest, values};
use crate::tolerance::{CANCELLED, NOT_CANCELLED};

tests![
    the_logits_get_a_net_gradient_from_the_first_level_that_differs,
    the_heads_columns_of_shared_levels_get_no_gradient,
    away_from_ratio_1_a_shared_prefix_does_not_cancel,
];

/// The hardest negatives of the target (2, 4, 4). The shared prefix of each has as many codes as
/// its place in the list.
const TARGET: [u16; 3] = [2, 4, 4];
const NEGATIVES: [[u16; 3]; 3] = [[0, 0, 3], [2, 2, 1], [2, 4, 0]];

fn objective() -> Objective<f32> {
    Objective::new(Clip::default(), 20.0, KlEstimator::K3, 0.0).expect("an objective")
}

/// A group that keeps the pair, the negative first as in generation order.
fn pair(model: &Decoder, table: &SidTable, trie: &Trie, shared: usize) -> KeptGroup {
    let leaf = |sid: &[u16]| trie.walk(sid).expect("a semantic ID of the catalogue");
    let prompt = prompt(model, table, &[3, 14, 15, 9]);
    kept(prompt, vec![leaf(&NEGATIVES[shared]), leaf(&TARGET)], &[-1.0, 1.0], 2, trie.levels())
}

fn equal_codes(shared: usize) -> usize {
    TARGET.iter().zip(NEGATIVES[shared]).take_while(|(a, b)| *a == b).count()
}

/// The logits of each level, cut off from the decoder, with one row for each completion.
fn level_logits(model: &Decoder, trie: &Trie, group: &KeptGroup) -> Vec<Tensor<2>> {
    let tokens = [0, 1].map(|i| completion(model, trie, group.leaves[i]));
    let completions = tokens.each_ref().map(Vec::as_slice);
    let packed = Packed::new(&[Tree { prompt: &group.prompt, completions: &completions }], 0);
    let device = model.device();
    let context = model.context(packed.positions(), packed.mask(&device));
    let hidden = model.forward(model.embed(packed.tokens()), &context, None, None);
    let of_level = |level: usize| {
        let predictors = TensorData::new(packed.predictors(level), [2]);
        let hidden = hidden.clone().select(0, Tensor::from_data(predictors, &device));
        model.logits(hidden, level).detach().require_grad()
    };
    (0..model.levels()).map(of_level).collect()
}

/// The log-probabilities of [`completion_log_probs`], from logits.
fn log_probs(trie: &Trie, group: &KeptGroup, logits: &[Tensor<2>]) -> Tensor<1> {
    let paths: Vec<_> = group.leaves.iter().map(|&leaf| trie.path(leaf)).collect();
    let of_level = |(level, logits): (usize, &Tensor<2>)| {
        let codes = paths.iter().map(|path| i32::from(trie.code(path[level + 1])));
        let codes = TensorData::new(codes.collect::<Vec<_>>(), [2]);
        let allowed = paths.iter().map(|path| trie.codes(path[level]));
        allowed_log_probs(logits.clone(), Tensor::from_data(codes, &logits.device()), allowed)
    };
    Tensor::cat(logits.iter().enumerate().map(of_level).collect(), 0)
}

/// The loss at ratio 1: the old log-probabilities are the policy's own.
fn loss(policy: Tensor<1>, group: &KeptGroup) -> Tensor<1> {
    let old = policy.clone().detach();
    let levels = policy.dims()[0] / group.leaves.len();
    let groups = std::slice::from_ref(group);
    group_loss(policy, old.clone(), old, groups, 1, levels, &objective())
}

fn the_logits_get_a_net_gradient_from_the_first_level_that_differs() {
    let (table, trie) = catalogue();
    for (device_name, device) in devices() {
        let model = decoder(&table, &device);
        for shared in 0..NEGATIVES.len() {
            assert_eq!(equal_codes(shared), shared);
            let group = pair(&model, &table, &trie, shared);
            let logits = level_logits(&model, &trie, &group);
            let policy = log_probs(&trie, &group, &logits);
            let of_model =
                completion_log_probs(&model, &trie, std::slice::from_ref(&group), Layout::Packed);
            assert_eq!(bits(&values(&policy)), bits(&values(&of_model)), "{device_name}");

            let grads = loss(policy, &group).backward();
            for (level, logits) in logits.iter().enumerate() {
                let grad = logits.grad(&grads).expect("a gradient");
                // up to the first difference the two rows predict the same code of the same prefix
                let (each, net) = (largest(&values(&grad)), largest(&values(&grad.sum_dim(0))));
                let name = format!("{device_name}, shared prefix {shared}, level {level}");
                assert!(each > 0.0, "{name}: no completion got a gradient");
                if level < shared {
                    assert!(net <= CANCELLED * each, "{name}: {net:e} of {each:e} is left");
                } else {
                    assert!(net > NOT_CANCELLED * each, "{name}: {net:e} of {each:e} is left");
                }
            }
        }
    }
}

fn the_heads_columns_of_shared_levels_get_no_gradient() {
    let (table, trie) = catalogue();
    for (device_name, device) in devices() {
        let model = decoder(&table, &device);
        for shared in 0..NEGATIVES.len() {
            let group = pair(&model, &table, &trie, shared);
            let policy =
                completion_log_probs(&model, &trie, std::slice::from_ref(&group), Layout::Packed);
            let gradients = weight_gradients(&model, &loss(policy, &group));
            let (_, head) =
                gradients.iter().find(|(name, _)| name == "lm_head").expect("the head's gradient");
            let vocabulary: usize = table.codes_per_level().iter().sum();
            let mut start = 0;
            for (level, &codes) in table.codes_per_level().iter().enumerate() {
                let columns: Vec<f32> = head
                    .chunks(vocabulary)
                    .flat_map(|row| row[start..start + codes].iter().copied())
                    .collect();
                start += codes;
                let (found, all) = (largest(&columns), largest(head));
                let name = format!("{device_name}, shared prefix {shared}, level {level}");
                if level < shared {
                    assert!(found <= CANCELLED * all, "{name}: {found:e} of {all:e}");
                } else {
                    assert!(found > NOT_CANCELLED * all, "{name}: {found:e} of {all:e}");
                }
            }
        }
    }
}

fn away_from_ratio_1_a_shared_prefix_does_not_cancel() {
    // the claim above is about ratio 1; this test shows that the claim can fail
    let (table, trie) = catalogue();
    for (device_name, device) in devices() {
        let model = decoder(&table, &device);
        let group = pair(&model, &table, &trie, 2);
        let logits = level_logits(&model, &trie, &group);
        let policy = log_probs(&trie, &group, &logits);
        // the negative's ratio is 1.1 and the positive's 1
        let offsets = TensorData::new([-0.1f32, 0.0].repeat(model.levels()), [6]);
        let old = policy.clone().detach() + Tensor::from_data(offsets, &device);
        let groups = std::slice::from_ref(&group);
        let loss = group_loss(policy, old.clone(), old, groups, 1, model.levels(), &objective());
        let grads = loss.backward();
        let net = logits[0].grad(&grads).expect("a gradient").sum_dim(0);
        assert!(largest(&values(&net)) > NOT_CANCELLED * 0.1, "{device_name}");
    }
}
