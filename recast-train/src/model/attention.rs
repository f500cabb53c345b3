//! Grouped-query attention with normalised queries and keys, and its key-value cache.

use burn::module::{Module, Param};
use burn::tensor::Tensor;
use recast_burn::fused::{masked_softmax, matmul, rms_norm, rope};

use super::{ModelConfig, Precision, Projection, WeightSource};

/// The positions and the mask that every layer's attention reads.
///
/// # Shapes
///
/// `cos` and `sin` `(B, S, K / 2)`; `mask` `(B, 1, S, T)` with `T` = cached slots + `S`.
#[derive(Debug, Clone)]
pub struct AttentionContext {
    /// Cosines of the rotary embedding at each token's position.
    pub cos: Tensor<3>,
    /// Sines of the rotary embedding at each token's position.
    pub sin: Tensor<3>,
    /// Additive mask.
    pub mask: Tensor<4>,
}

/// Keys and values of one layer, in order of arrival; the cache never moves or drops one.
///
/// Beams keep their places too: a beam's ancestors are slots, and the mask picks them.
#[derive(Debug, Clone, Default)]
pub(super) struct LayerCache {
    /// Keys and values, `(B, key-value heads, T, K)`.
    slots: Option<(Tensor<4>, Tensor<4>)>,
}

impl LayerCache {
    fn append(&mut self, key: Tensor<4>, value: Tensor<4>) -> (Tensor<4>, Tensor<4>) {
        let slots = match self.slots.take() {
            None => (key, value),
            Some((keys, values)) => {
                (Tensor::cat(vec![keys, key], 2), Tensor::cat(vec![values, value], 2))
            }
        };
        self.slots.insert(slots).clone()
    }
}

/// Grouped-query attention of Qwen3: queries and keys are normalised by head, then rotated.
#[derive(Module, Debug)]
pub(super) struct Attention {
    q_proj: Projection,
    k_proj: Projection,
    v_proj: Projection,
    o_proj: Projection,
    q_norm: Param<Tensor<1>>,
    k_norm: Param<Tensor<1>>,
    #[module(skip)]
    heads: usize,
    #[module(skip)]
    key_value_heads: usize,
    #[module(skip)]
    head_dim: usize,
    #[module(skip)]
    epsilon: f32,
}

impl Attention {
    pub(super) fn new(config: &ModelConfig, weights: &mut WeightSource<'_>) -> Self {
        let (width, head) = (config.hidden_size, config.head_dim);
        let queries = config.num_attention_heads * head;
        let keys = config.num_key_value_heads * head;
        Self {
            q_proj: weights.projection(width, queries),
            k_proj: weights.projection(width, keys),
            v_proj: weights.projection(width, keys),
            o_proj: weights.projection(queries, width),
            q_norm: weights.ones(head),
            k_norm: weights.ones(head),
            heads: config.num_attention_heads,
            key_value_heads: config.num_key_value_heads,
            head_dim: head,
            epsilon: config.rms_norm_eps as f32,
        }
    }

    /// `(B S, D) -> (B S, D)`.
    pub(super) fn forward(
        &self,
        x: Tensor<2>,
        context: &AttentionContext,
        cache: Option<&mut LayerCache>,
        precision: Precision,
    ) -> Tensor<2> {
        let [batch, _, tokens, _] = context.mask.dims();
        let (heads, key_value_heads, head) = (self.heads, self.key_value_heads, self.head_dim);
        let by_head = |x: Tensor<2>, heads: usize| x.reshape([batch, tokens, heads, head]);
        let rotated = |x: Tensor<4>, weight: &Param<Tensor<1>>| {
            let x = rms_norm(precision.widen(x), weight.val(), self.epsilon);
            let x = rope(x, context.cos.clone(), context.sin.clone());
            precision.narrow(x).swap_dims(1, 2)
        };
        let x = precision.narrow(x);
        let project = |projection: &Projection, heads: usize| {
            by_head(projection.forward(x.clone(), precision), heads)
        };
        let query = rotated(project(&self.q_proj, heads), &self.q_norm);
        let key = rotated(project(&self.k_proj, key_value_heads), &self.k_norm);
        let value = project(&self.v_proj, key_value_heads).swap_dims(1, 2);
        let (key, value) = match cache {
            Some(cache) => cache.append(key, value),
            None => (key, value),
        };
        let slots = key.dims()[2];

        // the query heads of one key-value head stand below each other: no key is repeated
        let rows = heads / key_value_heads * tokens;
        let query = query.reshape([batch, key_value_heads, rows, head]);
        let scores = matmul(query, key.swap_dims(2, 3)).reshape([batch, heads, tokens, slots]);
        let scale = 1.0 / (head as f32).sqrt();
        let probabilities = masked_softmax(precision.widen(scores), context.mask.clone(), scale);
        let probabilities =
            precision.narrow(probabilities).reshape([batch, key_value_heads, rows, slots]);
        let merged = matmul(probabilities, value)
            .reshape([batch, heads, tokens, head])
            .swap_dims(1, 2)
            .reshape([batch * tokens, heads * head]);
        precision.widen(self.o_proj.forward(merged, precision))
    }
}
