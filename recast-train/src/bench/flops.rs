//! Floating-point operations of matrix products; a multiplication and an addition count as two.
//!
//! Counts include padding and leave out everything but matrix products.

use recast_burn::packing::{Packed, Tree};

use crate::catalogue::SidTable;
use crate::model::ModelConfig;
use crate::train::{KeptGroup, Layout};

/// A backward pass has two products for each product of the forward pass.
pub(super) const WITH_BACKWARD: f64 = 3.0;

/// The operations of the layers, for `slots` tokens of which each attends to `keys` slots.
fn layers(model: &ModelConfig, slots: usize, keys: usize) -> f64 {
    let (width, head) = (model.hidden_size, model.head_dim);
    let queries = model.num_attention_heads * head;
    let key_values = 2 * model.num_key_value_heads * head;
    let weights = width * (2 * queries + key_values + 3 * model.intermediate_size);
    let attention = 2 * queries * keys;
    2.0 * (model.num_hidden_layers * slots) as f64 * (weights + attention) as f64
}

fn head(model: &ModelConfig, rows: usize, codes: usize) -> f64 {
    2.0 * (model.hidden_size * rows) as f64 * codes as f64
}

/// The operations of packed trees and `predictors` predictions at each level, forward and backward.
fn packed(model: &ModelConfig, table: &SidTable, trees: &[Tree<'_>], predictors: usize) -> f64 {
    let [rows, slots] = Packed::new(trees, 0).dims();
    let heads: f64 =
        table.codes_per_level().iter().map(|&codes| head(model, predictors, codes)).sum();
    WITH_BACKWARD * (layers(model, rows * slots, slots) + heads)
}

/// The operations of one supervised step.
pub(super) fn supervised(model: &ModelConfig, table: &SidTable, sequences: &[&[u32]]) -> f64 {
    let trees: Vec<Tree<'_>> =
        sequences.iter().map(|&prompt| Tree { prompt, completions: &[] }).collect();
    let items: usize = sequences.iter().map(|sequence| sequence.len() / table.levels()).sum();
    packed(model, table, &trees, items)
}

/// The operations of one update.
pub(super) fn update(
    model: &ModelConfig,
    table: &SidTable,
    groups: &[KeptGroup],
    layout: Layout,
) -> f64 {
    let completion = vec![0u32; table.levels()];
    let completions: Vec<Vec<&[u32]>> =
        groups.iter().map(|group| vec![&completion[..]; group.leaves.len()]).collect();
    let trees: Vec<Tree<'_>> = groups
        .iter()
        .zip(&completions)
        .flat_map(|(group, completions)| {
            layout
                .chunks(completions)
                .map(|completions| Tree { prompt: &group.prompt, completions })
        })
        .collect();
    let predictors = completions.iter().map(Vec::len).sum();
    packed(model, table, &trees, predictors)
}

/// The operations of one beam search over a batch of prompts.
pub(super) fn beam_search(
    model: &ModelConfig,
    table: &SidTable,
    prompts: &[&[u32]],
    width: usize,
) -> f64 {
    let longest = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
    let codes = table.codes_per_level();
    let mut total = layers(model, prompts.len() * longest, longest);
    total += head(model, prompts.len(), codes[0]);
    for (level, &codes) in codes.iter().enumerate().skip(1) {
        let beams = prompts.len() * width;
        total += layers(model, beams, longest + level * width) + head(model, beams, codes);
    }
    total
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_products_of_a_small_decoder_are_counted() {
        let model = ModelConfig {
            hidden_size: 4,
            num_hidden_layers: 1,
            num_attention_heads: 2,
            num_key_value_heads: 1,
            head_dim: 2,
            intermediate_size: 5,
            ..ModelConfig::tiny()
        };
        // queries and output 4x4 each, keys and values 4x2 each, gate, up and down 4x5 each
        let weights = 16 + 16 + 8 + 8 + 60;
        // 3 tokens see 3 slots: two heads of 2, scores and values
        let attention = 2 * 3 * 4;
        let forward = 2.0 * 3.0 * f64::from(weights + attention);
        assert!((layers(&model, 3, 3) - forward).abs() < 1e-9);
        let table = SidTable::new(vec![7, 6, 9], vec![0, 1, 2]).unwrap();
        let heads = 2.0 * 4.0 * f64::from(7 + 6 + 9);
        let step = supervised(&model, &table, &[&[0, 8, 15]]);
        assert!((step - 3.0 * (forward + heads)).abs() < 1e-9);
    }
}
