//! The keys and values of a batch of prompts, and of the codes read after them.

use burn::tensor::{Int, Tensor, TensorData};
use recast_burn::packing::FORBIDDEN;

use crate::model::{Decoder, KvCache, indices};

/// A batch of prompts, padded to the longest, and the slots of keys and values after them.
///
/// Clones share the slots read so far, and then read on apart.
#[derive(Clone)]
pub(super) struct Reading<'a> {
    pub(super) model: &'a Decoder,
    pub(super) prompts: &'a [&'a [u32]],
    cache: KvCache,
    slots: usize,
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
    mask: Vec<f32>,
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
        let mut reading = Self { model, prompts, cache: model.cache(), slots };
        let hidden = reading.read_numbers(tokens, &positions, mask, slots);
        let ends = indices(ends, &model.device());
        (reading, hidden.select(0, ends))
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
        let mut mask = vec![FORBIDDEN; rows * slots];
        for (row, line) in mask.chunks_exact_mut(slots).enumerate() {
            line[self.slots + row % per_prompt] = 0.0;
        }
        let (tokens, positions) = (vec![0; rows], vec![0; rows]);
        Step { level, per_prompt, slots, tokens, positions, mask }
    }

    /// Reads a step's codes and returns their hidden states, `(B per_prompt, D)`.
    pub(super) fn read(&mut self, step: Step) -> Tensor<2> {
        self.slots = step.slots;
        self.read_numbers(step.tokens, &step.positions, step.mask, step.per_prompt)
    }

    /// Reads tokens `(B, W)` of a level and returns their hidden states, `(B W, D)`. The tokens see
    /// the slots that `mask` `(B, 1, W, T)` leaves.
    pub(super) fn read_level(
        &mut self,
        tokens: Tensor<2, Int>,
        mask: Tensor<4>,
        level: usize,
    ) -> Tensor<2> {
        let [_, width] = tokens.dims();
        self.slots += width;
        let position = |prompt: &&[u32]| std::iter::repeat_n((prompt.len() + level) as i32, width);
        let positions: Vec<i32> = self.prompts.iter().flat_map(position).collect();
        self.forward(tokens, &positions, mask)
    }

    fn read_numbers(
        &mut self,
        tokens: Vec<i32>,
        positions: &[i32],
        mask: Vec<f32>,
        length: usize,
    ) -> Tensor<2> {
        let (batch, device) = (self.prompts.len(), self.model.device());
        let mask = TensorData::new(mask, [batch, 1, length, self.slots]);
        let tokens = TensorData::new(tokens, [batch, length]);
        let mask = Tensor::from_data(mask, &device);
        self.forward(Tensor::from_data(tokens, &device), positions, mask)
    }

    fn forward(&mut self, tokens: Tensor<2, Int>, positions: &[i32], mask: Tensor<4>) -> Tensor<2> {
        let context = self.model.context(positions, mask);
        self.model.forward(tokens, &context, Some(&mut self.cache), None)
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
