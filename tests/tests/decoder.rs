//! A small catalogue and small decoders over it.

use std::sync::Arc;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Gradients, Tensor, TensorData};
use recast_burn::log_prob::allowed_log_probs;
use recast_burn::packing::FORBIDDEN;
use recast_train::catalogue::{Node, SidTable, Trie};
use recast_train::model::{Decoder, Input, ItemTable, ModelConfig};

use crate::numbers::{assert_all_close, seeded, values};

/// The semantic IDs of a few dozen items, and their trie.
pub(crate) type Catalogue = (SidTable, Trie);

/// The catalogue has 45 items of three levels, a few of them with the semantic ID of another.
///
/// Nodes have from 1 to 7 children, not all codes are used, and every length of shared prefix
/// occurs.
pub(crate) fn catalogue() -> Catalogue {
    let sid = |i: usize| match i {
        0..7 => [0, 0, i],
        7..20 => [1, i % 4, i % 5],
        20..40 => [2 + i % 2, i % 6, (i * 3) % 7],
        _ => [0, 0, i % 3],
    };
    of_sids(&[5, 6, 7], (0..45).flat_map(sid))
}

/// A catalogue of 40 items with four levels: a beam has an ancestor whose place is not its
/// parent's.
pub(crate) fn deep_catalogue() -> Catalogue {
    let sid = |i: usize| [i % 3, (i / 2) % 4, (i * 5) % 3, (i * 7) % 4];
    of_sids(&[3, 4, 3, 4], (0..40).flat_map(sid))
}

/// A catalogue of 900 items with three levels, each with more nodes than exact search reads at
/// once.
pub(crate) fn wide_catalogue() -> Catalogue {
    let sid = |i: usize| [i % 140, (i / 140 * 5 + i) % 9, (i * 3) % 7];
    of_sids(&[140, 9, 7], (0..900).flat_map(sid))
}

fn of_sids(codes_per_level: &[usize], codes: impl Iterator<Item = usize>) -> Catalogue {
    let codes = codes.map(|code| code as u16).collect();
    let table = SidTable::new(codes_per_level.to_vec(), codes).expect("a table");
    let trie = Trie::new(&table);
    (table, trie)
}

/// All semantic IDs, in trie order.
pub(crate) fn leaves(trie: &Trie) -> Vec<Node> {
    trie.nodes_at(trie.levels()).map(|index| trie.node(index).expect("a leaf")).collect()
}

/// The tokens of items: their codes, or the items themselves.
pub(crate) fn prompt(model: &Decoder, table: &SidTable, items: &[u32]) -> Vec<u32> {
    if model.reads_items() {
        return items.to_vec();
    }
    let codes = items.iter().flat_map(|&item| table.sid(item).iter().enumerate());
    codes.map(|(level, &code)| model.token(level, code)).collect()
}

/// The tokens of a leaf.
pub(crate) fn completion(model: &Decoder, trie: &Trie, leaf: Node) -> Vec<u32> {
    let path = trie.path(leaf);
    path[1..].iter().enumerate().map(|(level, &node)| model.token(level, trie.code(node))).collect()
}

/// A decoder of codes whose matrices are several times the usual initial ones, so that a wrong mask
/// or position shows.
pub(crate) fn decoder(table: &SidTable, device: &Device) -> Decoder {
    enlarged(Decoder::new(&shape(Input::Codes), table.codes_per_level(), 5, device))
}

/// Such a decoder of items, each with seeded content of three numbers. Item 9 has no training
/// interactions.
pub(crate) fn decoder_of_items(table: &SidTable, device: &Device) -> Decoder {
    let items = table.n_items();
    let codes = table.sids().flatten().copied().collect();
    let is_trained = (0..items).map(|item| item != 9).collect();
    let content = Some((seeded(40, 3 * items), 3));
    let facts = Arc::new(ItemTable::new(codes, table.levels(), is_trained, content));
    enlarged(Decoder::of_items(&shape(Input::Items), table.codes_per_level(), facts, 5, device))
}

/// A decoder of each kind, with its name.
pub(crate) fn decoders(table: &SidTable, device: &Device) -> [(&'static str, Decoder); 2] {
    [("codes", decoder(table, device)), ("items", decoder_of_items(table, device))]
}

fn shape(input: Input) -> ModelConfig {
    let mut config = ModelConfig::tiny();
    config.hidden_size = 24;
    config.num_hidden_layers = 2;
    config.num_attention_heads = 4;
    config.num_key_value_heads = 2;
    config.head_dim = 8;
    config.intermediate_size = 40;
    config.input = input;
    config
}

fn enlarged(decoder: Decoder) -> Decoder {
    struct Enlarge;
    impl ModuleMapper for Enlarge {
        fn map_float<const N: usize>(&mut self, param: Param<Tensor<N>>) -> Param<Tensor<N>> {
            let factor = if N == 1 { 1.0 } else { 6.0 };
            param.map(|weights| (weights * factor).detach().require_grad())
        }
    }
    decoder.map(&mut Enlarge)
}

/// The weights by name.
pub(crate) fn weights(model: &Decoder) -> Vec<(String, Vec<f32>)> {
    by_name(model, &Of::Weights)
}

/// The gradients of the weights by name.
///
/// # Panics
///
/// If a weight has no gradient.
pub(crate) fn weight_gradients(model: &Decoder, loss: &Tensor<1>) -> Vec<(String, Vec<f32>)> {
    by_name(model, &Of::Gradients(&loss.backward()))
}

/// The gradient of the weight `name` alone.
pub(crate) fn weight_gradients_of(model: &Decoder, loss: &Tensor<1>, name: &str) -> Vec<f32> {
    let gradients = by_name(model, &Of::Gradient(&loss.backward(), name));
    gradients.into_iter().find(|it| it.0 == name).map(|it| it.1).expect("a weight of this name")
}

/// The gradients of the weights by name, as an optimiser takes them.
///
/// # Panics
///
/// If a weight has no gradient.
pub(crate) fn parameter_gradients(
    model: &Decoder,
    grads: &GradientsParams,
) -> Vec<(String, Vec<f32>)> {
    by_name(model, &Of::ParameterGradients(grads))
}

/// Asserts that two decoders' numbers by name are close, each relative to its largest.
pub(crate) fn assert_weights_close(
    found: &[(String, Vec<f32>)],
    expected: &[(String, Vec<f32>)],
    tolerance: f64,
    name: &str,
) {
    assert_eq!(found.len(), expected.len(), "weights of {name}");
    for ((weight, found), (_, expected)) in found.iter().zip(expected) {
        assert_all_close(found, expected, tolerance, &format!("{name}, {weight}"));
    }
}

/// The tensors to collect.
enum Of<'a> {
    Weights,
    Gradients(&'a Gradients),
    Gradient(&'a Gradients, &'a str),
    ParameterGradients(&'a GradientsParams),
}

fn by_name(model: &Decoder, of: &Of<'_>) -> Vec<(String, Vec<f32>)> {
    struct Collect<'a> {
        of: &'a Of<'a>,
        path: Vec<String>,
        found: Vec<(String, Vec<f32>)>,
    }
    impl ModuleVisitor for Collect<'_> {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.path.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.path.pop();
        }

        fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
            let name = self.path.join(".");
            let tensor = match self.of {
                Of::Weights => Some(param.val()),
                Of::Gradients(grads) => param.val().grad(grads),
                Of::Gradient(grads, of) if *of == name => param.val().grad(grads),
                Of::Gradient(..) => return,
                Of::ParameterGradients(grads) => grads.get::<N>(param.id),
            };
            let tensor = tensor.unwrap_or_else(|| panic!("{name} got no gradient"));
            self.found.push((name, values(&tensor)));
        }
    }
    let mut collect = Collect { of, path: Vec::new(), found: Vec::new() };
    model.visit(&mut collect);
    collect.found
}

/// The log-probability of each code of a completion, from a row of its own. The row is the prompt
/// under a causal mask, without packing or cache. The row of a decoder of codes goes on with the
/// completion; the head of a decoder of items reads the completion code by code.
pub(crate) fn separate_log_probs(
    model: &Decoder,
    trie: &Trie,
    prompt: &[u32],
    leaf: Node,
) -> Vec<Tensor<1>> {
    let device = model.device();
    let path = trie.path(leaf);
    let written = completion(model, trie, leaf);
    let read = if model.reads_items() { &[] } else { &written[..] };
    let row: Vec<i32> = [prompt, read].concat().into_iter().map(|token| token as i32).collect();
    let slots = row.len();
    let positions: Vec<i32> = (0..slots as i32).collect();
    let causal = (0..slots * slots)
        .map(|at| if at % slots <= at / slots { 0.0 } else { FORBIDDEN })
        .collect::<Vec<f32>>();
    let mask = Tensor::from_data(TensorData::new(causal, [1, 1, slots, slots]), &device);
    let hidden = model.forward(model.embed(&row), &model.context(&positions, mask), None, None);
    let state = |level: usize| {
        if !model.reads_items() {
            return hidden.clone().narrow(0, prompt.len() - 1 + level, 1);
        }
        written[..level].iter().fold(
            hidden.clone().narrow(0, prompt.len() - 1, 1),
            |state, &code| {
                let code = TensorData::new(vec![code as i32], [1]);
                model.written(state, Tensor::from_data(code, &device))
            },
        )
    };
    let of_level = |level: usize| {
        let code = i32::from(trie.code(path[level + 1]));
        let target = Tensor::from_data(TensorData::new(vec![code], [1]), &device);
        let allowed = [trie.codes(path[level])].into_iter();
        allowed_log_probs(model.logits(state(level), level), target, allowed)
    };
    (0..trie.levels()).map(of_level).collect()
}
