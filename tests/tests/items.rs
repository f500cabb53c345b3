//! A decoder of items: what its vectors and its distribution depend on.

use burn::module::Module;
use recast_train::decode::leaf_log_probs;
use recast_train::model::Decoder;

use crate::decoder::{catalogue, decoder_of_items, deep_catalogue};
use crate::device::devices;
use crate::numbers::{assert_all_close, values};
use crate::tolerance::{DECODER, on};

tests![
    semantic_ids_share_one_distribution,
    a_vector_is_the_item_s_own_and_those_of_no_other,
    an_item_without_training_has_no_embedding_of_its_own,
    items_of_one_semantic_id_differ_in_their_own_part,
];

fn embedded(model: &Decoder, item: i32) -> Vec<f32> {
    values(&model.embed(&[item]))
}

fn semantic_ids_share_one_distribution() {
    for (device_name, device) in devices() {
        for (table, trie) in [catalogue(), deep_catalogue()] {
            let model = decoder_of_items(&table, &device).valid();
            let prompts: [&[u32]; 3] = [&[3, 14, 15], &[9], &[26, 5, 35, 8]];
            for log_probs in leaf_log_probs(&model, &trie, &prompts) {
                let sum: f32 = log_probs.iter().map(|it| it.exp()).sum();
                assert_all_close(&[sum], &[1.0], on(&device, DECODER), &device_name);
            }
        }
    }
}

fn a_vector_is_the_item_s_own_and_those_of_no_other() {
    let (table, _) = catalogue();
    for (device_name, device) in devices() {
        let model = decoder_of_items(&table, &device);
        let width = embedded(&model, 0).len();
        let all: Vec<i32> = (0..table.n_items() as i32).collect();
        let together = values(&model.embed(&all));
        for (row, &item) in together.chunks_exact(width).zip(&all) {
            let tolerance = on(&device, DECODER);
            assert_all_close(row, &embedded(&model, item), tolerance, &device_name);
        }
    }
}

fn an_item_without_training_has_no_embedding_of_its_own() {
    let (table, _) = catalogue();
    for (_, device) in devices() {
        let model = decoder_of_items(&table, &device);
        assert!(!model.embeds_item(9) && model.embeds_item(10));
        // the gradient of an embedding shows whether the item's vector reads it
        let gradient = |item: i32| {
            let loss = model.embed(&[item]).sum();
            let gradients = crate::decoder::weight_gradients_of(&model, &loss, "items.embed_items");
            gradients.iter().map(|it| it.abs()).sum::<f32>()
        };
        assert!(gradient(10) > 0.5, "{}", gradient(10));
        assert!(gradient(9) < 1e-6, "{}", gradient(9));
    }
}

fn items_of_one_semantic_id_differ_in_their_own_part() {
    let (table, _) = catalogue();
    // items 40 to 44 have the semantic IDs of items 1, 2, 0, 1 and 2
    assert_eq!(table.sid(41), table.sid(2));
    for (device_name, device) in devices() {
        let model = decoder_of_items(&table, &device);
        let (one, other) = (embedded(&model, 41), embedded(&model, 2));
        let apart = one.iter().zip(&other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart > 1e-3, "{device_name}: {apart}");
    }
}
