//! One prompt and its completions as one sequence, and several such sequences in one row.
//!
//! A [`Tree`] is a prompt followed by its completions. Each completion sees the prompt and itself,
//! never a sibling. Its positions continue the prompt's. Attention then gives exactly the
//! numbers of separate rows, with the prompt computed once. Trees fill rows of equal length without
//! padding between them, and see nothing of each other.

use burn::tensor::{Device, Int, Tensor, TensorData};

/// The value of a forbidden entry of an additive mask, far below any logit. The value is finite,
/// so that a row that forbids everything gives no NaN.
pub const FORBIDDEN: f32 = -1e9;

/// A prompt and its completions, as tokens. Either part may stand alone.
///
/// The last token of a completion predicts nothing and stays out of the packed sequence. The
/// prompt's last token predicts the first token of each completion.
#[derive(Debug, Clone, Copy)]
pub struct Tree<'a> {
    /// The prompt's tokens.
    pub prompt: &'a [u32],
    /// The completions' tokens.
    pub completions: &'a [&'a [u32]],
}

impl Tree<'_> {
    /// The number of tokens that this tree takes in a packed row.
    #[must_use]
    pub fn packed_tokens(&self) -> usize {
        let inputs = |completion: &&[u32]| completion.len().saturating_sub(1);
        self.prompt.len() + self.completions.iter().map(inputs).sum::<usize>()
    }
}

/// Trees in rows of one length: the input of a decoder, and the slots of its answers.
///
/// # Shapes
///
/// `B` rows of `S` slots; `tokens` and `positions` are `(B, S)`, the mask is `(B, 1, S, S)`.
#[derive(Debug, Clone)]
pub struct Packed {
    rows: usize,
    slots: usize,
    tokens: Vec<i32>,
    positions: Vec<i32>,
    /// The segment of each slot, a prompt or a completion. 0 is padding.
    segments: Vec<u32>,
    /// The segment that each segment continues: its prompt's, or itself.
    parents: Vec<u32>,
    /// The flat slot of the first token of each tree's prompt.
    prompts: Vec<usize>,
    /// The flat slot of the first input token of each completion, in order of trees.
    completions: Vec<usize>,
    /// The flat slot of the last token of each completion's prompt.
    prompt_ends: Vec<usize>,
}

impl Packed {
    /// Packs trees into rows of at least `capacity` slots, longest trees first (first fit).
    ///
    /// A tree longer than `capacity` makes all rows as long as itself. The trees keep their
    /// numbers: [`Packed::prompts`] and the completions follow the order given here.
    ///
    /// # Panics
    ///
    /// If a tree has completions but no prompt: nothing would predict their first tokens.
    #[must_use]
    pub fn new(trees: &[Tree<'_>], capacity: usize) -> Self {
        let lengths: Vec<usize> = trees.iter().map(Tree::packed_tokens).collect();
        let capacity = lengths.iter().copied().max().unwrap_or(0).max(capacity);
        let mut order: Vec<usize> = (0..trees.len()).collect();
        order.sort_by_key(|&tree| std::cmp::Reverse(lengths[tree]));
        let mut used: Vec<usize> = Vec::new();
        let mut places = vec![(0, 0); trees.len()];
        let mut first_open = 0;
        for tree in order {
            let length = lengths[tree];
            let fits = |&used: &usize| used + length <= capacity;
            let row =
                used[first_open..].iter().position(fits).map_or(used.len(), |r| first_open + r);
            if row == used.len() {
                used.push(0);
            }
            places[tree] = (row, used[row]);
            used[row] += length;
            while first_open < used.len() && used[first_open] == capacity {
                first_open += 1;
            }
        }
        let (rows, slots) = (used.len(), used.iter().copied().max().unwrap_or(0));
        let mut packed = Self {
            rows,
            slots,
            tokens: vec![0; rows * slots],
            positions: vec![0; rows * slots],
            segments: vec![0; rows * slots],
            parents: vec![0],
            prompts: Vec::with_capacity(trees.len()),
            completions: Vec::new(),
            prompt_ends: Vec::new(),
        };
        for (tree, &(row, start)) in trees.iter().zip(&places) {
            packed.place(tree, row * slots + start);
        }
        packed
    }

    fn place(&mut self, tree: &Tree<'_>, start: usize) {
        assert!(
            tree.completions.is_empty() || !tree.prompt.is_empty(),
            "a completion needs a prompt to go on from"
        );
        let prompt_segment = self.parents.len() as u32;
        self.parents.push(prompt_segment);
        self.prompts.push(start);
        self.write(tree.prompt, start, 0, prompt_segment);
        let end = start + tree.prompt.len();
        let mut next = end;
        for completion in tree.completions {
            let inputs = &completion[..completion.len().saturating_sub(1)];
            let segment = self.parents.len() as u32;
            self.parents.push(prompt_segment);
            self.completions.push(next);
            self.prompt_ends.push(end - 1);
            self.write(inputs, next, tree.prompt.len(), segment);
            next += inputs.len();
        }
    }

    fn write(&mut self, tokens: &[u32], at: usize, first_position: usize, segment: u32) {
        for (i, &token) in tokens.iter().enumerate() {
            self.tokens[at + i] = token as i32;
            self.positions[at + i] = (first_position + i) as i32;
            self.segments[at + i] = segment;
        }
    }

    /// The number of rows `B` and of slots `S`.
    #[must_use]
    pub fn dims(&self) -> [usize; 2] {
        [self.rows, self.slots]
    }

    /// The number of slots that hold a token.
    #[must_use]
    pub fn used_slots(&self) -> usize {
        self.segments.iter().filter(|&&segment| segment != 0).count()
    }

    /// The flat slot (`row * S + slot`) of the first token of each tree's prompt.
    #[must_use]
    pub fn prompts(&self) -> &[usize] {
        &self.prompts
    }

    /// The flat slot that predicts token number `level` of each completion, in order of trees. The
    /// slot is the prompt's last for the first token, else that of the token before.
    #[must_use]
    pub fn predictors(&self, level: usize) -> Vec<i32> {
        match level.checked_sub(1) {
            None => self.prompt_ends.iter().map(|&slot| slot as i32).collect(),
            Some(before) => self.completions.iter().map(|&slot| (slot + before) as i32).collect(),
        }
    }

    /// The tokens of all slots, row after row: `(B S)`; padding is token 0.
    #[must_use]
    pub fn tokens(&self) -> &[i32] {
        &self.tokens
    }

    /// The position of each slot in its own prompt or completion.
    #[must_use]
    pub fn positions(&self) -> &[i32] {
        &self.positions
    }

    /// The additive mask, `(B, 1, S, S)`: 0 where a slot sees another, [`FORBIDDEN`] elsewhere.
    /// Each slot sees itself.
    #[must_use]
    pub fn mask(&self, device: &Device) -> Tensor<4> {
        let (rows, slots) = (self.rows, self.slots);
        let ints = |values: Vec<i32>, dims: [usize; 3]| {
            let values: Tensor<3, Int> = Tensor::from_data(TensorData::new(values, dims), device);
            values.expand([rows, slots, slots])
        };
        let segments = |of: fn(&Self, u32) -> u32| {
            self.segments.iter().map(|&segment| of(self, segment) as i32).collect::<Vec<i32>>()
        };
        let own = segments(|_, segment| segment);
        let parent = segments(|packed, segment| packed.parents[segment as usize]);
        let keys = ints(own.clone(), [rows, 1, slots]);
        let seen = keys.clone().equal(ints(own, [rows, slots, 1]));
        let seen = seen.bool_or(keys.equal(ints(parent, [rows, slots, 1])));
        let places: Vec<i32> = (0..slots as i32).collect();
        let later = ints(places.clone(), [1, 1, slots]).greater(ints(places, [1, slots, 1]));
        let mask = Tensor::<3>::zeros([rows, slots, slots], device);
        mask.mask_fill(seen.bool_not().bool_or(later), FORBIDDEN).reshape([rows, 1, slots, slots])
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::DeviceKind;

    fn two_trees() -> Packed {
        let first: [&[u32]; 2] = [&[5, 6, 7], &[8, 9, 10]];
        let trees = [
            Tree { prompt: &[1, 2, 3], completions: &first },
            Tree { prompt: &[4, 11], completions: &[] },
        ];
        Packed::new(&trees, 9)
    }

    /// The slots that a slot sees by the mask, which holds nothing but 0 and [`FORBIDDEN`].
    fn seen(packed: &Packed, row: usize, query: usize) -> Vec<usize> {
        let mask = packed.mask(&DeviceKind::Cpu.device());
        assert_eq!(mask.dims(), [packed.rows, 1, packed.slots, packed.slots]);
        let mask = mask.into_data().try_into_vec::<f32>().unwrap();
        let bits = [0.0, FORBIDDEN].map(f32::to_bits);
        assert!(mask.iter().all(|entry| bits.contains(&entry.to_bits())));
        let line = &mask[(row * packed.slots + query) * packed.slots..][..packed.slots];
        (0..packed.slots).filter(|&key| line[key] > 0.5 * FORBIDDEN).collect()
    }

    #[test]
    fn trees_share_a_row_and_the_last_token_is_left_out() {
        let packed = two_trees();
        assert_eq!(packed.dims(), [1, 9]);
        assert_eq!(packed.tokens, [1, 2, 3, 5, 6, 8, 9, 4, 11]);
        assert_eq!(packed.used_slots(), 9);
    }

    #[test]
    fn positions_go_on_from_the_prompt_in_each_completion() {
        assert_eq!(two_trees().positions(), [0, 1, 2, 3, 4, 3, 4, 0, 1]);
    }

    #[test]
    fn a_completion_sees_its_prompt_and_itself_only() {
        let seen = |query| seen(&two_trees(), 0, query);
        assert_eq!(seen(2), [0, 1, 2]);
        assert_eq!(seen(4), [0, 1, 2, 3, 4]);
        assert_eq!(seen(6), [0, 1, 2, 5, 6]);
        assert_eq!(seen(8), [7, 8]);
    }

    #[test]
    fn the_first_token_is_predicted_by_the_prompts_end() {
        let packed = two_trees();
        assert_eq!(packed.predictors(0), [2, 2]);
        assert_eq!(packed.predictors(1), [3, 5]);
        assert_eq!(packed.predictors(2), [4, 6]);
    }

    #[test]
    fn a_tree_that_does_not_fit_starts_a_row() {
        let tree = Tree { prompt: &[1, 2, 3], completions: &[] };
        let packed = Packed::new(&[tree, tree, tree], 7);
        assert_eq!(packed.dims(), [2, 6]);
        assert_eq!(packed.prompts(), [0, 3, 6]);
    }

    #[test]
    fn padding_sees_only_padding() {
        let packed = Packed::new(
            &[Tree { prompt: &[1, 2], completions: &[] }, Tree { prompt: &[3], completions: &[] }],
            2,
        );
        assert_eq!(packed.dims(), [2, 2]);
        assert_eq!(seen(&packed, 1, 1), [1]);
    }
}
