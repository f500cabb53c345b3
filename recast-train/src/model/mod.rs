//! A decoder in the manner of Qwen3 (RMSNorm, rotate-half rotary embedding, grouped-query attention
//! with normalised queries and keys, SwiGLU) over the tokens of semantic IDs.
//!
//! Field names equal those of Hugging Face checkpoints; weights are stored `(in, out)`, the
//! transpose of theirs. The vocabulary holds nothing but codes: token = first token of the level +
//! code. The head computes one level's codes only.
//!
//! A decoder of codes reads and writes a token for each code. A decoder of items reads a token for
//! each item, and a light head writes the codes of the next item:
//!
//! ```text
//! x_i  = sum over levels of embed_tokens[c_il] + embed_items[i] + content_i content_proj
//! h    = layers(x of the history)
//! z_l  = h + sum over earlier levels of embed_written[c]
//! logits_l = norm_l(blocks_l(z_l)) lm_head_l
//! ```
//!
//! The layout follows "One token an item in, a small decoder out": RPG
//! (<https://arxiv.org/abs/2506.05781>) and OneRec-V2 (<https://arxiv.org/abs/2508.20900>). An
//! item-level head beside the codes is that of LIGER, <https://arxiv.org/abs/2411.18814>.

mod attention;
mod config;
mod dropout;
mod items;
mod memory;
mod precision;
mod weights;

pub use attention::AttentionContext;
pub(crate) use config::CatalogueShape;
pub use config::{Input, ModelConfig};
pub use dropout::Dropout;
pub use items::ItemTable;
pub(crate) use memory::MemoryEstimate;
pub use memory::Pass;
pub use precision::Precision;

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::module::embedding;
use burn::tensor::{Device, Int, Tensor, TensorData};
use recast_burn::fused::{gated, matmul, rms_norm};

use attention::{Attention, LayerCache};
use items::ItemLayers;
use weights::WeightSource;

/// A linear map without bias.
#[derive(Module, Debug)]
pub struct Projection {
    /// The weights, `(in, out)`.
    weight: Param<Tensor<2>>,
}

impl Projection {
    /// The product of `x` and the weights in the precision, as the product comes out.
    fn forward(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        matmul(x, precision.narrow(self.weight.val()))
    }
}

/// The gated feed-forward layer.
#[derive(Module, Debug)]
pub struct Mlp {
    gate_proj: Projection,
    up_proj: Projection,
    down_proj: Projection,
}

impl Mlp {
    fn forward(&self, x: Tensor<2>, precision: Precision) -> Tensor<2> {
        let [gate, up] = [&self.gate_proj, &self.up_proj].map(|p| precision.narrow(p.weight.val()));
        let gated = gated(precision.narrow(x), gate, up);
        precision.widen(self.down_proj.forward(gated, precision))
    }
}

/// One decoder layer: attention and feed-forward, each on a normalised residual branch.
#[derive(Module, Debug)]
pub struct Layer {
    self_attn: Attention,
    mlp: Mlp,
    input_layernorm: Param<Tensor<1>>,
    post_attention_layernorm: Param<Tensor<1>>,
}

/// The decoder.
#[derive(Module, Debug)]
pub struct Decoder {
    embed_tokens: Param<Tensor<2>>,
    layers: Vec<Layer>,
    norm: Param<Tensor<1>>,
    /// The head's weights, `(D, V)`; without them the embeddings serve.
    lm_head: Option<Param<Tensor<2>>>,
    /// The layers that read and write whole items; without them every code is a token.
    items: Option<ItemLayers>,
    #[module(skip)]
    config: ModelConfig,
    #[module(skip)]
    level_starts: Vec<usize>,
    #[module(skip)]
    precision: Precision,
    #[module(skip)]
    item_weight: f32,
}

/// The key-value cache of all layers.
#[derive(Debug, Clone)]
pub struct KvCache {
    layers: Vec<LayerCache>,
}

impl Decoder {
    /// A decoder of codes with seeded random weights: every code of the history is a token.
    #[must_use]
    pub fn new(
        config: &ModelConfig,
        codes_per_level: &[usize],
        seed: u64,
        device: &Device,
    ) -> Self {
        Self::with_table(config, codes_per_level, None, seed, device)
    }

    /// A decoder of items with seeded random weights. Every item of the history is a token, and a
    /// light head writes the codes of the next item.
    #[must_use]
    pub fn of_items(
        config: &ModelConfig,
        codes_per_level: &[usize],
        table: Arc<ItemTable>,
        seed: u64,
        device: &Device,
    ) -> Self {
        Self::with_table(config, codes_per_level, Some(table), seed, device)
    }

    fn with_table(
        config: &ModelConfig,
        codes_per_level: &[usize],
        table: Option<Arc<ItemTable>>,
        seed: u64,
        device: &Device,
    ) -> Self {
        let mut weights = WeightSource::new(seed, device);
        let vocabulary: usize = codes_per_level.iter().sum();
        let width = config.hidden_size;
        let layer = |weights: &mut WeightSource<'_>| Layer {
            self_attn: Attention::new(config, weights),
            mlp: weights.mlp(width, config.intermediate_size),
            input_layernorm: weights.ones(width),
            post_attention_layernorm: weights.ones(width),
        };
        let mut level_starts = vec![0];
        level_starts.extend(codes_per_level.iter().scan(0, |start, &codes| {
            *start += codes;
            Some(*start)
        }));
        Self {
            embed_tokens: weights.normal([vocabulary, width]),
            layers: (0..config.num_hidden_layers).map(|_| layer(&mut weights)).collect(),
            norm: weights.ones(width),
            lm_head: (!config.tie_word_embeddings).then(|| weights.normal([width, vocabulary])),
            items: table.map(|table| ItemLayers::new(config, vocabulary, table, &mut weights)),
            config: config.clone(),
            level_starts,
            precision: Precision::F32,
            item_weight: 0.0,
        }
    }

    /// The same decoder, with products in another precision than `f32`.
    #[must_use]
    pub fn with_precision(self, precision: Precision) -> Self {
        Self { precision, ..self }
    }

    /// The same decoder, whose rankings add the item's log-probability to that of its semantic ID,
    /// with a weight. A weight of 0 leaves the semantic ID alone.
    #[must_use]
    pub fn with_item_weight(self, item_weight: f32) -> Self {
        Self { item_weight, ..self }
    }

    /// The weight of an item's log-probability in rankings.
    #[must_use]
    pub fn item_weight(&self) -> f32 {
        self.item_weight
    }

    /// Levels `L` of a semantic ID.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.level_starts.len() - 1
    }

    /// The number of codes of a level.
    #[must_use]
    pub fn codes(&self, level: usize) -> usize {
        self.level_starts[level + 1] - self.level_starts[level]
    }

    /// The token of a code.
    #[must_use]
    pub fn token(&self, level: usize, code: u16) -> u32 {
        self.level_starts[level] as u32 + u32::from(code)
    }

    /// Whether a token of a prompt is an item; otherwise it is a code.
    #[must_use]
    pub fn reads_items(&self) -> bool {
        self.items.is_some()
    }

    /// Whether the item has an embedding of its own, which training interactions make.
    #[must_use]
    pub fn embeds_item(&self, item: u32) -> bool {
        self.items.as_ref().is_some_and(|items| items.is_trained(item))
    }

    /// The device of the weights.
    #[must_use]
    pub fn device(&self) -> Device {
        self.norm.val().device()
    }

    /// An empty cache.
    #[must_use]
    pub fn cache(&self) -> KvCache {
        KvCache { layers: vec![LayerCache::default(); self.layers.len()] }
    }

    /// The rotary tables at `positions`, `(B, S, K / 2)` each.
    #[must_use]
    pub fn context(&self, positions: &[i32], mask: Tensor<4>) -> AttentionContext {
        let half = self.config.head_dim / 2;
        let [batch, _, tokens, _] = mask.dims();
        let base = self.config.rope_theta as f32;
        let frequency = |i: usize| base.powf(-(i as f32) / half as f32);
        let frequencies: Vec<f32> = (0..half).map(frequency).collect();
        // one line for each position, laid out on the device
        let lines = positions.iter().max().map_or(0, |&last| last + 1);
        let angles = (0..lines).flat_map(|at| frequencies.iter().map(move |f| at as f32 * f));
        let (sin, cos): (Vec<f32>, Vec<f32>) = angles.map(f32::sin_cos).unzip();
        let device = mask.device();
        let at = indices(positions.to_vec(), &device);
        let table = |values| {
            let lines = TensorData::new(values, [lines as usize, half]);
            let lines = Tensor::<2>::from_data(lines, &device);
            lines.select(0, at.clone()).reshape([batch, tokens, half])
        };
        AttentionContext { cos: table(cos), sin: table(sin), mask }
    }

    /// The embeddings of a prompt's tokens, which are codes or items, `(T, D)`.
    #[must_use]
    pub fn embed(&self, tokens: &[i32]) -> Tensor<2> {
        let table = self.embed_tokens.val();
        match &self.items {
            Some(items) => items.embed(tokens, table, &self.level_starts, self.precision),
            None => self.embed_codes(indices(tokens.to_vec(), &self.device())),
        }
    }

    /// The embeddings of codes, `(T, D)`.
    #[must_use]
    pub fn embed_codes(&self, tokens: Tensor<1, Int>) -> Tensor<2> {
        rows(self.embed_tokens.val(), tokens)
    }

    /// The hidden states after the last normalisation.
    ///
    /// With a cache, the cached slots come before the new tokens, and the new tokens are appended
    /// to the cache.
    ///
    /// # Shapes
    ///
    /// `embedded` and the result `(B S, D)`, where the context has `B` rows of `S` tokens.
    #[must_use]
    pub fn forward(
        &self,
        embedded: Tensor<2>,
        context: &AttentionContext,
        mut cache: Option<&mut KvCache>,
        mut dropout: Option<&mut Dropout>,
    ) -> Tensor<2> {
        let epsilon = self.config.rms_norm_eps as f32;
        let mut drop = |x: Tensor<2>| match &mut dropout {
            Some(dropout) => dropout.forward(x),
            None => x,
        };
        let mut x = drop(embedded);
        for (i, layer) in self.layers.iter().enumerate() {
            let normed = rms_norm(x.clone(), layer.input_layernorm.val(), epsilon);
            let cache = cache.as_mut().map(|cache| &mut cache.layers[i]);
            x = x + drop(layer.self_attn.forward(normed, context, cache, self.precision));
            let normed = rms_norm(x.clone(), layer.post_attention_layernorm.val(), epsilon);
            x = x + drop(layer.mlp.forward(normed, self.precision));
        }
        rms_norm(x, self.norm.val(), epsilon)
    }

    /// The states of a decoder of items after one more code, `(N, D)`. The `states` before are
    /// hidden states of prompts, or results of this function; `tokens` `(N)` are those of the
    /// codes.
    ///
    /// # Panics
    ///
    /// If the decoder reads codes: its layers read the code like any other token.
    #[must_use]
    pub fn written(&self, states: Tensor<2>, tokens: Tensor<1, Int>) -> Tensor<2> {
        self.item_layers().written(states, tokens)
    }

    fn item_layers(&self) -> &ItemLayers {
        #[expect(clippy::expect_used, reason = "callers ask first, or say that they panic")]
        self.items.as_ref().expect("a decoder of items")
    }

    /// The logits of these items, or of all, `(N, D) -> (N, items)`, from hidden states of a
    /// decoder of items: the products with the items' own embeddings.
    ///
    /// # Panics
    ///
    /// If the decoder reads codes.
    #[must_use]
    pub fn item_logits(&self, hidden: Tensor<2>, items: Option<Tensor<1, Int>>) -> Tensor<2> {
        self.item_layers().item_logits(hidden, items, self.precision)
    }

    /// The logits of one level's codes, `(N, D) -> (N, C)`, from the states before these codes.
    #[must_use]
    pub fn logits(&self, states: Tensor<2>, level: usize) -> Tensor<2> {
        self.logits_with(states, level, None)
    }

    /// Does the work of [`Decoder::logits`] with dropout in the head of a decoder of items.
    pub(crate) fn logits_with(
        &self,
        states: Tensor<2>,
        level: usize,
        dropout: Option<&mut Dropout>,
    ) -> Tensor<2> {
        let hidden = match &self.items {
            Some(items) => items.predictors(states, level, self.precision, dropout),
            None => states,
        };
        let codes = self.level_starts[level]..self.level_starts[level + 1];
        let head = match &self.lm_head {
            Some(head) => head.val().slice([0..self.config.hidden_size, codes]),
            None => self.embed_tokens.val().slice([codes]).transpose(),
        };
        let precision = self.precision;
        precision.widen(matmul(precision.narrow(hidden), precision.narrow(head)))
    }
}

/// The rows of a table of embeddings, `(T, D)`.
fn rows(table: Tensor<2>, at: Tensor<1, Int>) -> Tensor<2> {
    let ([count], [_, width]) = (at.dims(), table.dims());
    embedding(table, at.reshape([1, count])).reshape([count, width])
}

/// Whole numbers that pick tokens, slots or nodes.
pub(crate) fn indices(values: Vec<i32>, device: &Device) -> Tensor<1, Int> {
    let length = values.len();
    Tensor::from_data(TensorData::new(values, [length]), device)
}

#[cfg(test)]
mod tests {
    use super::*;
    use recast_burn::DeviceKind;

    #[test]
    fn a_tied_head_is_the_embeddings_of_the_level() {
        let config = ModelConfig { tie_word_embeddings: true, ..ModelConfig::tiny() };
        let model = Decoder::new(&config, &[3, 2], 1, &DeviceKind::Cpu.device());
        let width = config.hidden_size;
        let hidden: Vec<f32> = (0..width).map(|i| (i as f32).sin()).collect();
        let embeddings = model.embed_tokens.val().into_data().try_into_vec::<f32>().unwrap();
        let row = Tensor::from_data(TensorData::new(hidden.clone(), [1, width]), &model.device());
        let logits = model.logits(row, 1).into_data().try_into_vec::<f32>().unwrap();
        let expected = embeddings[3 * width..]
            .chunks_exact(width)
            .map(|embedding| embedding.iter().zip(&hidden).map(|(e, h)| e * h).sum::<f32>());
        assert_eq!(logits.len(), 2);
        assert!(logits.iter().zip(expected).all(|(found, e)| (found - e).abs() < 1e-5));
    }
}
