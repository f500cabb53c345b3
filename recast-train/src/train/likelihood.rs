//! The supervised loss: the negative log-likelihood of codes.

use burn::tensor::{Tensor, TensorData};
use recast_burn::fused::token_log_probs;
use recast_burn::log_prob::allowed_log_probs;
use recast_burn::packing::{Packed, Tree};
use serde::{Deserialize, Serialize};

use super::candidates::Candidates;
use crate::catalogue::{Catalogue, Node, Trie};
use crate::model::{Decoder, Dropout, indices};

/// The codes over which a code's probability is normalised.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Normalise {
    /// All codes of the level.
    #[default]
    Vocabulary,
    /// The codes that the trie allows after the codes before. The product over levels is then a
    /// distribution over the catalogue, as rollout and update have it.
    Trie,
}

/// The negative log-likelihood of the codes of the next items.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Likelihood<'a> {
    pub(crate) catalogue: Catalogue<'a>,
    pub(crate) normalise: Normalise,
    /// The weight of the items' own cross-entropy beside that of their codes, for a decoder of
    /// items.
    pub(crate) item_loss: f32,
    /// The items over which that cross-entropy is taken.
    pub(crate) candidates: &'a Candidates,
}

/// The predictions at one level.
#[derive(Default)]
struct Predictions<'a> {
    /// The flat slot that predicts each code.
    slots: Vec<i32>,
    /// The predicted codes.
    codes: Vec<i32>,
    /// The codes that the trie allows in place of each; empty without need.
    allowed: Vec<&'a [u16]>,
}

impl<'a> Likelihood<'a> {
    /// The number of predicted codes. A decoder of codes predicts all but each sequence's first
    /// code, a decoder of items those of all but each sequence's first item.
    pub(crate) fn codes(&self, model: &Decoder, sequences: &[&[u32]]) -> usize {
        let after_first: usize = sequences.iter().map(|it| it.len().saturating_sub(1)).sum();
        if model.reads_items() { after_first * model.levels() } else { after_first }
    }

    /// The negative log-likelihood of every predicted code, summed and divided by `codes`. With the
    /// number of predicted codes, the result is their mean.
    ///
    /// ```text
    /// loss = -1 / codes (sum over codes of ln p(code) + item_loss sum over items of ln p(item))
    /// ```
    pub(crate) fn loss(
        &self,
        model: &Decoder,
        sequences: &[&[u32]],
        codes: usize,
        mut dropout: Option<&mut Dropout>,
    ) -> Tensor<1> {
        let device = model.device();
        let trees: Vec<Tree<'_>> =
            sequences.iter().map(|&prompt| Tree { prompt, completions: &[] }).collect();
        let packed = Packed::new(&trees, 0);
        let context = model.context(packed.positions(), packed.mask(&device));
        let embedded = model.embed(packed.tokens());
        let hidden = model.forward(embedded, &context, None, dropout.as_deref_mut());
        let mut states: Option<Tensor<2>> = None;
        let mut total: Option<Tensor<1>> = None;
        for level in 0..model.levels() {
            let predictions = if model.reads_items() {
                self.of_items(sequences, packed.prompts(), level)
            } else {
                self.of_codes(model, sequences, packed.prompts(), level)
            };
            let Predictions { slots, codes, allowed } = predictions;
            let before = match states.take() {
                Some(states) => states,
                None => hidden.clone().select(0, indices(slots, &device)),
            };
            if level == 0 && self.item_loss > 0.0 {
                total =
                    Some(self.item_log_probs(model, before.clone(), sequences) * self.item_loss);
            }
            if model.reads_items() && level + 1 < model.levels() {
                let first = model.token(level, 0) as i32;
                let tokens = codes.iter().map(|code| first + code).collect();
                states = Some(model.written(before.clone(), indices(tokens, &device)));
            }
            let logits = model.logits_with(before, level, dropout.as_deref_mut());
            let targets = indices(codes, &device);
            let log_probs = match self.normalise {
                Normalise::Vocabulary => token_log_probs(logits, targets),
                Normalise::Trie => allowed_log_probs(logits, targets, allowed.into_iter()),
            };
            let sum = log_probs.sum();
            total = Some(match total {
                None => sum,
                Some(total) => total + sum,
            });
        }
        let total = total.unwrap_or_else(|| Tensor::zeros([1], &device));
        total * (-1.0 / codes.max(1) as f32)
    }

    /// The predictions of a decoder of codes, at the level of these codes.
    fn of_codes(
        &self,
        model: &Decoder,
        sequences: &[&[u32]],
        starts: &[usize],
        level: usize,
    ) -> Predictions<'a> {
        let levels = model.levels();
        let code = |token: u32, level: usize| token - model.token(level, 0);
        let mut found = Predictions::default();
        for (sequence, &start) in sequences.iter().zip(starts) {
            for at in (level..sequence.len()).step_by(levels).filter(|&at| at > 0) {
                found.slots.push((start + at - 1) as i32);
                found.codes.push(code(sequence[at], level) as i32);
                if self.normalise == Normalise::Trie {
                    let before = sequence[at - level..at].iter().zip(0..);
                    let before: Vec<u16> =
                        before.map(|(&token, level)| code(token, level) as u16).collect();
                    let node = self.catalogue.trie.walk(&before).unwrap_or(Trie::ROOT);
                    found.allowed.push(self.catalogue.trie.codes(node));
                }
            }
        }
        found
    }

    /// The predictions of a decoder of items: the codes of every item but each sequence's first.
    fn of_items(&self, sequences: &[&[u32]], starts: &[usize], level: usize) -> Predictions<'a> {
        let Catalogue { sids, trie, .. } = self.catalogue;
        let mut found = Predictions::default();
        for (sequence, &start) in sequences.iter().zip(starts) {
            for (before, &item) in sequence.iter().skip(1).enumerate() {
                let sid = sids.sid(item);
                found.slots.push((start + before) as i32);
                found.codes.push(i32::from(sid[level]));
                if self.normalise == Normalise::Trie {
                    let node: Node = trie.walk(&sid[..level]).unwrap_or(Trie::ROOT);
                    found.allowed.push(trie.codes(node));
                }
            }
        }
        found
    }

    /// The log-probabilities, over the candidates, of every item but each sequence's first, summed;
    /// `before` are the hidden states of the items before, (N, D).
    fn item_log_probs(
        &self,
        model: &Decoder,
        before: Tensor<2>,
        sequences: &[&[u32]],
    ) -> Tensor<1> {
        let device = model.device();
        let next = next_items(sequences);
        match self.candidates {
            Candidates::All => {
                let next = indices(next.map(|item| item as i32).collect(), &device);
                token_log_probs(model.item_logits(before, None), next).sum()
            }
            Candidates::Drawn(drawn) => {
                let next = indices(next.map(|item| drawn.place(item) as i32).collect(), &device);
                let items = drawn.items().iter().map(|&item| item as i32).collect();
                let logits = model.item_logits(before, Some(indices(items, &device)));
                let corrections = drawn.corrections();
                let corrections = TensorData::new(corrections, [1, drawn.items().len()]);
                token_log_probs(logits + Tensor::from_data(corrections, &device), next).sum()
            }
        }
    }
}

/// The predicted items: all but each sequence's first.
pub(super) fn next_items<'a>(sequences: &'a [&[u32]]) -> impl Iterator<Item = u32> + 'a {
    sequences.iter().flat_map(|sequence| sequence.iter().skip(1)).copied()
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use recast_burn::DeviceKind;

    use super::*;
    use crate::catalogue::SidTable;
    use crate::decode::leaf_log_probs;
    use crate::model::{Input, ItemTable, ModelConfig};

    /// Six items, of which the first two share a semantic ID, and a decoder of each kind.
    fn shop() -> (SidTable, Trie, [Decoder; 2]) {
        let codes = vec![0, 0, 0, 0, 0, 1, 1, 2, 2, 0, 2, 2];
        let sids = SidTable::new(vec![3, 3], codes.clone()).unwrap();
        let shape =
            |input| ModelConfig { hidden_size: 8, head_dim: 4, input, ..ModelConfig::tiny() };
        let device = DeviceKind::Cpu.device();
        let table = Arc::new(ItemTable::new(codes, 2, vec![true; 6], None));
        let decoders = [
            Decoder::new(&shape(Input::Codes), &[3, 3], 1, &device),
            Decoder::of_items(&shape(Input::Items), &[3, 3], table, 1, &device),
        ];
        let trie = Trie::new(&sids);
        (sids, trie, decoders)
    }

    /// The likelihood whose items' cross-entropy is over the catalogue.
    fn exact(catalogue: Catalogue<'_>, normalise: Normalise, item_loss: f32) -> Likelihood<'_> {
        Likelihood { catalogue, normalise, item_loss, candidates: &Candidates::All }
    }

    fn number(loss: Tensor<1>) -> f32 {
        loss.into_data().try_into_vec::<f32>().unwrap()[0]
    }

    #[test]
    fn over_the_trie_the_loss_is_that_of_the_semantic_ids_as_the_search_has_them() {
        let (sids, trie, decoders) = shop();
        let catalogue = Catalogue { sids: &sids, trie: &trie, max_history: 9 };
        let items = [3, 0, 5, 1, 4];
        let first_leaf = trie.nodes_at(2).start;
        for model in &decoders {
            let of_next = |end: usize| {
                let prompt = catalogue.prompt(model, &items[..end]);
                let leaf = trie.walk(sids.sid(items[end])).unwrap().index() - first_leaf;
                leaf_log_probs(model, &trie, &[&prompt])[0][leaf as usize]
            };
            let expected: f32 = (1..items.len()).map(of_next).sum();
            let likelihood = exact(catalogue, Normalise::Trie, 0.0);
            let sequence = catalogue.prompt(model, &items);
            let mut found = -number(likelihood.loss(model, &[&sequence], 1, None));
            if !model.reads_items() {
                // a decoder of codes predicts the last code of the first item too
                let first = catalogue.prompt(model, &items[..1]);
                found += number(likelihood.loss(model, &[&first], 1, None));
            }
            assert!((found - expected).abs() < 1e-4, "{found} {expected}");
        }
    }

    #[test]
    fn over_the_vocabulary_illegal_codes_take_their_share() {
        let (sids, trie, decoders) = shop();
        let catalogue = Catalogue { sids: &sids, trie: &trie, max_history: 9 };
        for model in &decoders {
            let sequence = catalogue.prompt(model, &[3, 0, 5]);
            let loss = |normalise| {
                let likelihood = exact(catalogue, normalise, 0.0);
                number(likelihood.loss(model, &[&sequence], 1, None))
            };
            assert!(loss(Normalise::Vocabulary) > loss(Normalise::Trie) + 0.5);
        }
    }

    #[test]
    fn the_items_own_cross_entropy_is_added_by_its_weight() {
        let (sids, trie, [_, model]) = shop();
        let catalogue = Catalogue { sids: &sids, trie: &trie, max_history: 9 };
        let items: [u32; 3] = [3, 0, 5];
        let loss = |item_loss| {
            let likelihood = exact(catalogue, Normalise::Trie, item_loss);
            number(likelihood.loss(&model, &[&items], 1, None))
        };
        let searcher = crate::decode::Searcher::new(&model, &trie);
        let of_next = |end: usize| searcher.item_log_probs(&[&items[..end]])[items[end] as usize];
        let expected = -(of_next(1) + of_next(2));
        assert!((loss(2.0) - loss(0.0) - 2.0 * expected).abs() < 1e-4);
    }

    #[test]
    fn drawn_items_stand_for_the_catalogue() {
        let (sids, trie, [_, model]) = shop();
        let catalogue = Catalogue { sids: &sids, trie: &trie, max_history: 9 };
        let (items, sequence) = ([3u32, 0], &[&[3u32, 0][..]]);
        let of = |candidates: &Candidates| {
            let likelihood = Likelihood { candidates, ..exact(catalogue, Normalise::Trie, 1.0) };
            let without = exact(catalogue, Normalise::Trie, 0.0);
            number(likelihood.loss(&model, sequence, 1, None))
                - number(without.loss(&model, sequence, 1, None))
        };
        let whole = of(&Candidates::All);
        // 1 / p(0) = sum over items of exp (s_j - s_0): the mean of the estimate is the whole sum
        let draws: u16 = 600;
        let mean = (0..draws).map(|step| {
            let next = next_items(sequence);
            f64::from(of(&Candidates::draw(next, items.len() + 4, 2, 1, usize::from(step)))).exp()
        });
        let mean = mean.sum::<f64>() / f64::from(draws);
        let expected = f64::from(whole).exp();
        assert!((mean / expected - 1.0).abs() < 0.02, "{mean} {expected}");
    }

    #[test]
    fn predicted_codes_are_counted() {
        let (sids, trie, [codes, items]) = shop();
        let catalogue = Catalogue { sids: &sids, trie: &trie, max_history: 9 };
        let likelihood = exact(catalogue, Normalise::Trie, 0.0);
        let count = |model: &Decoder| {
            let sequences = [&[3, 0, 5][..], &[1]].map(|items| catalogue.prompt(model, items));
            likelihood.codes(model, &[&sequences[0], &sequences[1]])
        };
        assert_eq!((count(&codes), count(&items)), (6, 4));
    }
}
