//! Memory that training takes, estimated from shapes before anything is allocated.

use serde::Serialize;

use super::config::CatalogueShape;
use super::{Input, ModelConfig, Precision};

/// The rows, slots and predictions that go through the decoder at once, forward and backward.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pass {
    /// Rows `B`.
    pub rows: usize,
    /// Slots `S` of a row, padding included.
    pub slots: usize,
    /// The number of tokens predicted at each level.
    pub predictions: usize,
    /// The most items over which a prediction's own cross-entropy is taken; 0 for none.
    pub items: usize,
}

/// Bytes that training takes at its largest, without the rest of the program.
///
/// The estimate counts weights, their gradients, the optimiser's two moments, and a second copy of
/// the weights while they are updated. The estimate also counts every tensor that a pass keeps for
/// its backward, and the largest of those that come and go. `recast bench` sets the estimate beside
/// the measured peak.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(crate) struct MemoryEstimate {
    /// Weights, gradients, optimiser, and decoders that are only read.
    pub(crate) state_bytes: u64,
    /// The tensors of one pass.
    pub(crate) pass_bytes: u64,
}

impl MemoryEstimate {
    /// The estimate for a decoder in training beside `frozen` others of its shape that are only
    /// read.
    #[must_use]
    pub(crate) fn new(
        model: &ModelConfig,
        catalogue: CatalogueShape<'_>,
        precision: Precision,
        frozen: usize,
        pass: Pass,
    ) -> Self {
        let weights = model.weights(catalogue);
        let narrowed = match precision {
            Precision::F32 => 0,
            Precision::Bf16 => weights * precision.bytes(),
        };
        let Pass { rows, slots, predictions, items } = pass;
        let tokens = rows.saturating_mul(slots);
        let kept = model.num_hidden_layers * layer_bytes(model, slots, precision);
        let head: usize =
            catalogue.codes_per_level.iter().map(|codes| 2 * codes + model.hidden_size).sum();
        let head = head + item_numbers(model, catalogue, items);
        // settings within their ranges may still ask for more than a number holds
        let product = |of: usize, by: usize| (of as u64).saturating_mul(by as u64);
        let of_tokens = product(tokens, kept.saturating_add(passing_bytes(model, slots)));
        Self {
            state_bytes: product(4 * weights, 5 + frozen).saturating_add(narrowed as u64),
            pass_bytes: of_tokens.saturating_add(product(4 * predictions, head)),
        }
    }

    /// The state and the pass together.
    #[must_use]
    pub(crate) fn bytes(self) -> u64 {
        self.state_bytes.saturating_add(self.pass_bytes)
    }
}

/// The bytes of each token that a layer keeps for its backward pass.
fn layer_bytes(model: &ModelConfig, slots: usize, precision: Precision) -> usize {
    let (width, heads) = (model.hidden_size, model.num_attention_heads);
    let queries = heads * model.head_dim;
    let keys = model.num_key_value_heads * model.head_dim;
    // inputs of the normalisations of both branches, of queries and of keys; attention
    // probabilities
    let wide = 2 * width + queries + keys + heads * slots;
    // inputs of the products: both branches, queries, keys, values, their mean; gate, up and the
    // gated
    let products = 2 * width + 2 * queries + 2 * keys + 3 * model.intermediate_size;
    let narrowed = match precision {
        Precision::F32 => 0,
        Precision::Bf16 => heads * slots,
    };
    let masks = if model.dropout > 0.0 { 2 * width } else { 0 };
    4 * (wide + masks) + precision.bytes() * (products + narrowed)
}

/// The numbers that a prediction of a decoder of items keeps beside the logits of codes. The head's
/// blocks keep some, and the logits of the scored items are the others.
fn item_numbers(model: &ModelConfig, catalogue: CatalogueShape<'_>, items: usize) -> usize {
    match model.input {
        Input::Codes => 0,
        Input::Items => {
            let block = 2 * model.hidden_size + 3 * model.intermediate_size;
            catalogue.codes_per_level.len() * model.head_blocks * block
                + 2 * items.min(catalogue.items)
        }
    }
}

/// The bytes of each token of the gradients that one layer's backward pass holds at once.
fn passing_bytes(model: &ModelConfig, slots: usize) -> usize {
    let feed_forward = 3 * model.intermediate_size;
    let attention = 2 * model.num_attention_heads * slots;
    4 * (2 * model.hidden_size + feed_forward.max(attention))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::model::{Decoder, ItemTable};
    use burn::module::Module;
    use recast_burn::DeviceKind;

    #[test]
    fn the_weights_are_counted() {
        let device = DeviceKind::Cpu.device();
        let catalogue = CatalogueShape { codes_per_level: &[5, 7], items: 4, content: 3 };
        let tied = ModelConfig { tie_word_embeddings: true, ..ModelConfig::tiny() };
        for config in [ModelConfig::tiny(), tied] {
            let model = Decoder::new(&config, &[5, 7], 1, &device);
            assert_eq!(config.weights(catalogue), model.num_params());
        }
        for content in [true, false] {
            let config = ModelConfig { input: Input::Items, content, ..ModelConfig::tiny() };
            let values = content.then(|| (vec![0.5; 12], 3));
            let table = Arc::new(ItemTable::new(vec![0; 8], 2, vec![true; 4], values));
            let model = Decoder::of_items(&config, &[5, 7], table, 1, &device);
            assert_eq!(config.weights(catalogue), model.num_params());
        }
    }

    #[test]
    fn tokens_and_slots_cost_memory_and_bf16_saves_some() {
        let catalogue = CatalogueShape { codes_per_level: &[256; 3], items: 9000, content: 0 };
        let estimate = |rows, slots, precision| {
            let pass = Pass { rows, slots, predictions: rows * slots / 3, items: 0 };
            MemoryEstimate::new(&ModelConfig::small(), catalogue, precision, 0, pass)
        };
        let one = estimate(8, 60, Precision::F32);
        assert_eq!(estimate(16, 60, Precision::F32).pass_bytes, 2 * one.pass_bytes);
        assert!(estimate(4, 120, Precision::F32).pass_bytes > one.pass_bytes);
        assert!(estimate(8, 60, Precision::Bf16).pass_bytes < one.pass_bytes);
        assert_eq!(one.state_bytes, 5 * 4 * ModelConfig::small().weights(catalogue) as u64);
    }
}
