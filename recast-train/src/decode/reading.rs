//! The states of a batch of prompts, and of the codes read after them.

use burn::tensor::{Int, Tensor, TensorData};
use recast_burn::packing::FORBIDDEN;

use crate::model::{Decoder, KvCache, indices};

/// A batch of prompts, padded to the longest, and the slots of the codes after them.
///
/// Clones share the slots read so far, and then read on apart.
#[derive(Clone)]
pub(super) struct Reading<'a> {
    pub(super) model: &'a Decoder,
    pub(super) prompts: &'a [&'a [u32]],
    kept: Kept,
    slots: usize,
}

/// The numbers that later codes read.
#[derive(Clone)]
#[expect(clippy::large_enum_variant, reason = "a search holds one or a few of these")]
enum Kept {
    /// Keys and values of prompts and codes, where every code is a token.
    Cache(KvCache),
    /// The states of a decoder of items, `(B, T, D)`. Slot 0 holds the state of the prompt, and
    /// each later slot that of a code.
    States(Tensor<3>),
}

/// The codes of one level that follow each prompt of a batch.
pub(super) struct Step {
    /// The level of these codes.
    level: usize,
    /// The number of codes for each prompt.
    per_prompt: usize,
    /// Slots before this step and of it.
    slots: usize,
    tokens: Vec<i32>,
    positions: Vec<i32>,
    /// The slots that each code sees; empty for a decoder of items.
    mask: Vec<f32>,
    /// The slot before each code, for a decoder of items.
    parents: Vec<i32>,
}

impl<'a> Reading<'a> {
    /// Reads the prompts and returns the hidden state of each one's last token, `(B, D)`.
    pub(super) fn prompts(model: &'a Decoder, prompts: &'a [&'a [u32]]) -> (Self, Tensor<2>) {
        let slots = prompts.iter().map(|prompt| prompt.len()).max().unwrap_or(0);
        let batch = prompts.len();
        let mut tokens = vec![0i32; batch * slots];
        let mut mask = vec![FORBIDDEN; batch * slots * slots];
        for (row, prompt) in prompts.iter().enumerate() {
            assert!(!prompt.is_empty(), "a prompt holds at least one item");
            for (slot, &token) in prompt.iter().enumerate() {
                tokens[row * slots + slot] = token as i32;
            }
            for query in 0..slots {
                let line = (row * slots + query) * slots;
                mask[line..=line + query].fill(0.0);
            }
        }
        let positions: Vec<i32> = (0..batch).flat_map(|_| 0..slots as i32).collect();
        let ends: Vec<i32> = prompts
            .iter()
            .enumerate()
            .map(|(row, prompt)| (row * slots + prompt.len() - 1) as i32)
            .collect();
        let device = model.device();
        let mask = TensorData::new(mask, [batch, 1, slots, slots]);
        let context = model.context(&positions, Tensor::from_data(mask, &device));
        let mut cache = (!model.reads_items()).then(|| model.cache());
        let hidden = model.forward(model.embed(&tokens), &context, cache.as_mut(), None);
        let hidden = hidden.select(0, indices(ends, &device));
        let [_, width] = hidden.dims();
        let (kept, slots) = match cache {
            Some(cache) => (Kept::Cache(cache), slots),
            None => (Kept::States(hidden.clone().reshape([batch, 1, width])), 1),
        };
        (Self { model, prompts, kept, slots }, hidden)
    }

    /// The slots read so far, padding included.
    pub(super) fn slots(&self) -> usize {
        self.slots
    }

    /// A step that reads `per_prompt` codes of `level` after each prompt. Until [`Step::place`]
    /// changes the mask, each code sees nothing but itself.
    pub(super) fn step(&self, level: usize, per_prompt: usize) -> Step {
        let rows = self.prompts.len() * per_prompt;
        let slots = self.slots + per_prompt;
        let mut mask = Vec::new();
        if !self.model.reads_items() {
            mask.resize(rows * slots, FORBIDDEN);
            for (row, line) in mask.chunks_exact_mut(slots).enumerate() {
                line[self.slots + row % per_prompt] = 0.0;
            }
        }
        let [tokens, positions, parents] = [0; 3].map(|zero| vec![zero; rows]);
        Step { level, per_prompt, slots, tokens, positions, mask, parents }
    }

    /// Reads a step's codes and returns their states, `(B per_prompt, D)`.
    pub(super) fn read(&mut self, step: Step) -> Tensor<2> {
        let (batch, device) = (self.prompts.len(), self.model.device());
        let dims = [batch, step.per_prompt];
        let parents = Tensor::from_data(TensorData::new(step.parents, dims), &device);
        let tokens = Tensor::from_data(TensorData::new(step.tokens, dims), &device);
        let slots = step.slots;
        let mask = || {
            let mask = TensorData::new(step.mask, [batch, 1, step.per_prompt, slots]);
            Tensor::from_data(mask, &device)
        };
        self.read_codes(tokens, &step.positions, mask, parents)
    }

    /// Reads codes `(B, W)` of a level and returns their states, `(B W, D)`. The codes see the
    /// slots that `mask` `(B, 1, W, T)` leaves. For a decoder of items, each continues the slot of
    /// `parents` `(B, W)` instead, and nothing makes the mask.
    pub(super) fn read_level(
        &mut self,
        tokens: Tensor<2, Int>,
        level: usize,
        mask: impl FnOnce() -> Tensor<4>,
        parents: Tensor<2, Int>,
    ) -> Tensor<2> {
        let [_, width] = tokens.dims();
        let position = |prompt: &&[u32]| std::iter::repeat_n((prompt.len() + level) as i32, width);
        let positions: Vec<i32> = self.prompts.iter().flat_map(position).collect();
        self.read_codes(tokens, &positions, mask, parents)
    }

    fn read_codes(
        &mut self,
        tokens: Tensor<2, Int>,
        positions: &[i32],
        mask: impl FnOnce() -> Tensor<4>,
        parents: Tensor<2, Int>,
    ) -> Tensor<2> {
        let [batch, codes] = tokens.dims();
        let tokens = tokens.reshape([batch * codes]);
        self.slots += codes;
        let model = self.model;
        match &mut self.kept {
            Kept::Cache(cache) => {
                let context = model.context(positions, mask());
                model.forward(model.embed_codes(tokens), &context, Some(cache), None)
            }
            Kept::States(states) => {
                let [_, _, width] = states.dims();
                let parents = parents.reshape([batch, codes, 1]).expand([batch, codes, width]);
                let before = states.clone().gather(1, parents).reshape([batch * codes, width]);
                let read = model.written(before, tokens);
                let slots = read.clone().reshape([batch, codes, width]);
                *states = Tensor::cat(vec![states.clone(), slots], 1);
                read
            }
        }
    }
}

impl Step {
    /// Puts `code` at place `index` after a prompt. The code sees the prompt, the slots of its
    /// ancestors and itself.
    pub(super) fn place(
        &mut self,
        reading: &Reading<'_>,
        prompt: usize,
        index: usize,
        code: u16,
        ancestors: impl IntoIterator<Item = usize>,
    ) {
        let row = prompt * self.per_prompt + index;
        let length = reading.prompts[prompt].len();
        self.tokens[row] = reading.model.token(self.level, code) as i32;
        self.positions[row] = (length + self.level) as i32;
        if reading.model.reads_items() {
            // later levels stand in later slots
            self.parents[row] = ancestors.into_iter().max().unwrap_or(0) as i32;
            return;
        }
        let line = &mut self.mask[row * self.slots..][..self.slots];
        line[..length].fill(0.0);
        for slot in ancestors {
            line[slot] = 0.0;
        }
    }
}

/// The logits of a level's codes for each hidden state, row after row.
pub(super) fn logits(model: &Decoder, hidden: Tensor<2>, level: usize) -> Vec<f32> {
    let logits = model.logits(hidden, level).into_data();
    #[expect(clippy::expect_used, reason = "the decoder's weights are f32")]
    logits.try_into_vec::<f32>().expect("f32 logits")
}
