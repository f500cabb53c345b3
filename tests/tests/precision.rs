//! A decoder that multiplies in bf16 gives nearly its numbers in f32: log-probabilities,
//! gradients and the completions of beam search.

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use recast_train::decode::Searcher;
use recast_train::model::Precision;
use recast_train::train::{KeptGroup, Layout, completion_log_probs};

use crate::decoder::{
    Catalogue, assert_weights_close, catalogue, decoder, leaves, prompt, weight_gradients,
};
use crate::device::devices;
use crate::kept::kept;
use crate::numbers::{assert_all_close, largest, seeded, values};
use crate::tolerance::{BF16, BF16_DIFFERS};

tests![
    bf16_is_near_f32_in_value_and_gradient_and_not_the_same,
    beam_search_in_bf16_finds_items_of_nearly_the_same_log_probs,
    the_weights_and_their_gradients_stay_f32,
];

fn groups(model: &recast_train::model::Decoder, (table, trie): &Catalogue) -> Vec<KeptGroup> {
    let all = leaves(trie);
    let group = |items: &[u32], of: [usize; 2]| {
        let leaves = of.map(|leaf| all[leaf]).to_vec();
        kept(prompt(model, table, items), leaves, &[1.0, -1.0], 1, trie.levels())
    };
    vec![group(&[1, 2, 3], [4, 9]), group(&[12], [30, 2]), group(&[7, 40, 7, 21], [0, 17])]
}

fn bf16_is_near_f32_in_value_and_gradient_and_not_the_same() {
    let catalogue = catalogue();
    for (device_name, device) in devices() {
        if !Precision::Bf16.is_supported(&device) {
            continue;
        }
        let run = |precision| {
            let model = decoder(&catalogue.0, &device).with_precision(precision);
            let groups = groups(&model, &catalogue);
            let log_probs = completion_log_probs(&model, &catalogue.1, &groups, Layout::Packed);
            let weights = seeded(40, log_probs.dims()[0]);
            let weights = TensorData::new(weights, log_probs.dims());
            let loss = (log_probs.clone() * Tensor::from_data(weights, &device)).sum();
            (values(&log_probs), weight_gradients(&model, &loss))
        };
        let ((wide, wide_gradients), (narrow, narrow_gradients)) =
            (run(Precision::F32), run(Precision::Bf16));
        assert_all_close(&narrow, &wide, BF16, &device_name);
        let difference: Vec<f32> = narrow.iter().zip(&wide).map(|(a, b)| a - b).collect();
        assert!(largest(&difference) > BF16_DIFFERS * largest(&wide), "{device_name}: no bf16");
        assert_weights_close(&narrow_gradients, &wide_gradients, BF16, &device_name);
    }
}

fn beam_search_in_bf16_finds_items_of_nearly_the_same_log_probs() {
    let (table, trie) = catalogue();
    for (device_name, device) in devices() {
        if !Precision::Bf16.is_supported(&device) {
            continue;
        }
        let found = |precision| {
            let model = decoder(&table, &device).with_precision(precision).valid();
            let prompt = prompt(&model, &table, &[3, 14, 15]);
            let found = Searcher::new(&model, &trie).beams(&[&prompt], 8).remove(0);
            found.iter().map(|completion| completion.log_prob).collect::<Vec<f32>>()
        };
        let (wide, narrow) = (found(Precision::F32), found(Precision::Bf16));
        assert_all_close(&narrow, &wide, BF16, &device_name);
    }
}

fn the_weights_and_their_gradients_stay_f32() {
    let catalogue = catalogue();
    for (device_name, device) in devices() {
        if !Precision::Bf16.is_supported(&device) {
            continue;
        }
        let model = decoder(&catalogue.0, &device).with_precision(Precision::Bf16);
        let groups = groups(&model, &catalogue);
        let log_probs = completion_log_probs(&model, &catalogue.1, &groups, Layout::Packed);
        // `weight_gradients` reads f32, which fails for any other type
        let gradients = weight_gradients(&model, &log_probs.sum());
        assert!(gradients.iter().all(|(_, g)| largest(g) > 0.0), "{device_name}");
    }
}
