//! Items as single tokens: the vector that an item enters with, and the head that writes the codes
//! of the next one.

use std::sync::Arc;

use burn::module::{Module, Param};
use burn::tensor::{Int, Tensor, TensorData};
use recast_burn::fused::{matmul, rms_norm};

use super::{Dropout, Mlp, ModelConfig, Precision, Projection, WeightSource, indices, rows};

/// The facts of items that a decoder reads beside its weights.
#[derive(Debug)]
pub struct ItemTable {
    /// The codes of each item, `(N, L)`.
    codes: Vec<u16>,
    levels: usize,
    /// Whether the item has training interactions; other items have no embedding of their own.
    is_trained: Vec<bool>,
    /// The content of each item, `(N, C)`, and `C`.
    content: Option<(Vec<f32>, usize)>,
}

impl ItemTable {
    /// The table of items with these codes, `(N, L)`.
    ///
    /// # Panics
    ///
    /// If the codes are not those of as many items as `is_trained` has, or the content is not a row
    /// an item.
    #[must_use]
    pub fn new(
        codes: Vec<u16>,
        levels: usize,
        is_trained: Vec<bool>,
        content: Option<(Vec<f32>, usize)>,
    ) -> Self {
        assert_eq!(codes.len(), levels * is_trained.len(), "L codes for each item");
        if let Some((values, width)) = &content {
            assert_eq!(values.len(), width * is_trained.len(), "a row of content for each item");
        }
        Self { codes, levels, is_trained, content }
    }

    /// The number of items.
    #[must_use]
    pub fn items(&self) -> usize {
        self.is_trained.len()
    }

    /// The width of an item's content; `None` without content.
    #[must_use]
    pub fn content_width(&self) -> Option<usize> {
        self.content.as_ref().map(|content| content.1)
    }
}

/// The layers of a decoder that reads items.
#[derive(Module, Debug)]
pub(super) struct ItemLayers {
    /// Embeddings of items, `(N, D)`.
    embed_items: Param<Tensor<2>>,
    content_proj: Option<Projection>,
    /// Embeddings of the codes written so far, `(V, D)`.
    embed_written: Param<Tensor<2>>,
    head: Vec<LevelHead>,
    #[module(skip)]
    table: Arc<ItemTable>,
    #[module(skip)]
    epsilon: f32,
}

/// The head of a level: residual blocks and a normalisation.
#[derive(Module, Debug)]
struct LevelHead {
    blocks: Vec<HeadBlock>,
    norm: Param<Tensor<1>>,
}

/// A gated feed-forward layer on a normalised residual branch.
#[derive(Module, Debug)]
struct HeadBlock {
    mlp: Mlp,
    layernorm: Param<Tensor<1>>,
}

impl ItemLayers {
    pub(super) fn new(
        config: &ModelConfig,
        vocabulary: usize,
        table: Arc<ItemTable>,
        weights: &mut WeightSource<'_>,
    ) -> Self {
        let width = config.hidden_size;
        let block = |weights: &mut WeightSource<'_>| HeadBlock {
            mlp: weights.mlp(width, config.intermediate_size),
            layernorm: weights.ones(width),
        };
        let mut level = || LevelHead {
            blocks: (0..config.head_blocks).map(|_| block(weights)).collect(),
            norm: weights.ones(width),
        };
        let head = (0..table.levels).map(|_| level()).collect();
        Self {
            embed_items: weights.normal([table.items(), width]),
            content_proj: table.content_width().map(|content| weights.projection(content, width)),
            embed_written: weights.normal([vocabulary, width]),
            head,
            table,
            epsilon: config.rms_norm_eps as f32,
        }
    }

    /// The vectors of items, `(T, D)`: the sum of the embeddings of their codes, their own one, and
    /// the projection of their content.
    ///
    /// `embed_tokens` are the embeddings of codes, `(V, D)`, and `level_starts` the first token of
    /// each level.
    pub(super) fn embed(
        &self,
        items: &[i32],
        embed_tokens: Tensor<2>,
        level_starts: &[usize],
        precision: Precision,
    ) -> Tensor<2> {
        let (table, device) = (&*self.table, embed_tokens.device());
        let [_, width] = embed_tokens.dims();
        let codes: Vec<i32> = items
            .iter()
            .flat_map(|&item| {
                let codes = &table.codes[item as usize * table.levels..][..table.levels];
                codes.iter().zip(level_starts).map(|(&code, start)| *start as i32 + i32::from(code))
            })
            .collect();
        let codes = rows(embed_tokens, indices(codes, &device));
        let codes = codes.reshape([items.len(), table.levels, width]).sum_dim(1);
        let own = rows(self.embed_items.val(), indices(items.to_vec(), &device));
        let mut sum = codes.reshape([items.len(), width]);
        if items.iter().all(|&item| table.is_trained[item as usize]) {
            sum = sum + own;
        } else {
            let is_trained =
                items.iter().map(|&item| f32::from(u8::from(table.is_trained[item as usize])));
            let is_trained: Vec<f32> = is_trained.collect();
            let is_trained = TensorData::new(is_trained, [items.len(), 1]);
            sum = sum + own * Tensor::from_data(is_trained, &device);
        }
        let (Some(projection), Some((values, content))) = (&self.content_proj, &table.content)
        else {
            return sum;
        };
        let values: Vec<f32> = items
            .iter()
            .flat_map(|&item| &values[item as usize * content..][..*content])
            .copied()
            .collect();
        let values = TensorData::new(values, [items.len(), *content]);
        let values = precision.narrow(Tensor::from_data(values, &device));
        sum + precision.widen(projection.forward(values, precision))
    }

    /// Whether the item has training interactions.
    pub(super) fn is_trained(&self, item: u32) -> bool {
        self.table.is_trained[item as usize]
    }

    /// The logits of these items, or of all, `(N, D) -> (N, items)`: products with the items' own
    /// embeddings.
    pub(super) fn item_logits(
        &self,
        hidden: Tensor<2>,
        items: Option<Tensor<1, Int>>,
        precision: Precision,
    ) -> Tensor<2> {
        let own = self.embed_items.val();
        let own = match items {
            Some(items) => rows(own, items),
            None => own,
        };
        precision.widen(matmul(precision.narrow(hidden), precision.narrow(own.transpose())))
    }

    /// The states after one more code, `(N, D)`.
    pub(super) fn written(&self, states: Tensor<2>, tokens: Tensor<1, Int>) -> Tensor<2> {
        states + rows(self.embed_written.val(), tokens)
    }

    /// The states from which a level's logits are read, `(N, D)`.
    pub(super) fn predictors(
        &self,
        states: Tensor<2>,
        level: usize,
        precision: Precision,
        mut dropout: Option<&mut Dropout>,
    ) -> Tensor<2> {
        let head = &self.head[level];
        let mut x = states;
        for block in &head.blocks {
            let normed = rms_norm(x.clone(), block.layernorm.val(), self.epsilon);
            let branch = block.mlp.forward(normed, precision);
            x = x + match &mut dropout {
                Some(dropout) => dropout.forward(branch),
                None => branch,
            };
        }
        rms_norm(x, head.norm.val(), self.epsilon)
    }
}
