//! Each fused operation beside its decomposed form, with inputs of every shape of the cases.

use burn::tensor::{Device, Int, Tensor, TensorData};
use recast_burn::fused::{gated, masked_softmax, matmul, rms_norm, rope, swiglu, token_log_probs};
use recast_burn::packing::FORBIDDEN;
use serde::Deserialize;

use super::decomposed;
use crate::device::devices;
use crate::numbers::{seeded, seeded_data, values};

/// A function from inputs of one rank to an output of the same rank.
type Form<const R: usize> = Box<dyn Fn([Tensor<R>; 2]) -> Tensor<R> + Sync>;

/// An operation of two differentiable inputs in both forms; one of a single input ignores the
/// second.
pub(super) struct Operation<const R: usize> {
    /// Device, operation and shape.
    pub(super) name: String,
    pub(super) device: Device,
    pub(super) fused: Form<R>,
    pub(super) decomposed: Form<R>,
    pub(super) inputs: [TensorData; 2],
}

/// A claim about every operation.
pub(super) trait Claim {
    fn assert_holds<const R: usize>(&self, operation: &Operation<R>);
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Shapes {
    matmul: Vec<[usize; 3]>,
    matmul_of_stacks: Vec<[usize; 5]>,
    swiglu: Vec<[usize; 2]>,
    gated: Vec<[usize; 3]>,
    rms_norm: Vec<[usize; 2]>,
    rope: Vec<[usize; 4]>,
    masked_softmax: Vec<[usize; 4]>,
    token_log_probs: Vec<[usize; 2]>,
}

/// Checks a claim on every operation, shape and device.
pub(super) fn on_every_operation(claim: &impl Claim) {
    let shapes: Shapes = toml::from_str(include_str!("../../cases/fused.toml")).expect("shapes");
    for (device_name, device) in devices() {
        let named = |name: &str, dims: &[usize]| format!("{device_name}, {name} {dims:?}");
        for dims in &shapes.matmul {
            let [rows, inner, columns] = *dims;
            let inputs = [seeded_data(11, &[rows, inner]), seeded_data(12, &[inner, columns])];
            claim.assert_holds::<2>(&matmul_of(inputs, named("matmul", dims), &device));
        }
        for dims in &shapes.matmul_of_stacks {
            let [batch, heads, rows, inner, columns] = *dims;
            let inputs = [[rows, inner], [inner, columns]];
            let inputs = inputs.map(|[m, n]| seeded_data((m + n) as u64, &[batch, heads, m, n]));
            claim.assert_holds::<4>(&matmul_of(inputs, named("matmul", dims), &device));
        }
        for dims in &shapes.swiglu {
            claim.assert_holds(&swiglu_of(*dims, named("swiglu", dims), &device));
        }
        for dims in &shapes.gated {
            claim.assert_holds(&gated_of(*dims, named("gated", dims), &device));
        }
        for dims in &shapes.rms_norm {
            claim.assert_holds(&rms_norm_of(*dims, named("rms_norm", dims), &device));
        }
        for dims in &shapes.rope {
            claim.assert_holds(&rope_of(*dims, named("rope", dims), &device));
        }
        for dims in &shapes.masked_softmax {
            claim.assert_holds(&masked_softmax_of(*dims, named("masked_softmax", dims), &device));
        }
        for dims in &shapes.token_log_probs {
            claim.assert_holds(&token_log_probs_of(*dims, named("token_log_probs", dims), &device));
        }
    }
}

fn matmul_of<const R: usize>(
    inputs: [TensorData; 2],
    name: String,
    device: &Device,
) -> Operation<R> {
    Operation {
        name,
        device: device.clone(),
        fused: Box::new(|[lhs, rhs]| matmul(lhs, rhs)),
        decomposed: Box::new(|[lhs, rhs]| lhs.matmul(rhs)),
        inputs,
    }
}

fn swiglu_of(dims: [usize; 2], name: String, device: &Device) -> Operation<2> {
    Operation {
        name,
        device: device.clone(),
        fused: Box::new(|[gate, up]| swiglu(gate, up)),
        decomposed: Box::new(|[gate, up]| decomposed::swiglu(gate, up)),
        inputs: [seeded_data(1, &dims), seeded_data(2, &dims)],
    }
}

/// The second input holds both weights, one beside the other.
fn gated_of([rows, inner, columns]: [usize; 3], name: String, device: &Device) -> Operation<2> {
    let halves = move |both: Tensor<2>| {
        (both.clone().narrow(1, 0, columns), both.narrow(1, columns, columns))
    };
    Operation {
        name,
        device: device.clone(),
        fused: Box::new(move |[x, both]| {
            let (gate, up) = halves(both);
            gated(x, gate, up)
        }),
        decomposed: Box::new(move |[x, both]| {
            let (gate, up) = halves(both);
            decomposed::swiglu(x.clone().matmul(gate), x.matmul(up))
        }),
        inputs: [seeded_data(13, &[rows, inner]), seeded_data(14, &[inner, 2 * columns])],
    }
}

fn rms_norm_of(dims: [usize; 2], name: String, device: &Device) -> Operation<2> {
    // the epsilon shows where it is added, and leaves a row of one element a gradient
    const EPSILON: f32 = 0.1;
    let width = dims[1];
    Operation {
        name,
        device: device.clone(),
        fused: Box::new(move |[x, weight]| rms_norm(x, weight.reshape([width]), EPSILON)),
        decomposed: Box::new(move |[x, weight]| {
            decomposed::rms_norm(x, weight.reshape([width]), EPSILON)
        }),
        inputs: [seeded_data(3, &dims), seeded_data(4, &[1, width])],
    }
}

fn rope_of(dims: [usize; 4], name: String, device: &Device) -> Operation<4> {
    let [batch, tokens, _, width] = dims;
    // the tables hold no unit circle: the backward pass is the transpose of any table
    let table =
        |index| Tensor::<3>::from_data(seeded_data(index, &[batch, tokens, width / 2]), device);
    let (cos, sin) = (table(6), table(7));
    let tables = (cos.clone(), sin.clone());
    Operation {
        name,
        device: device.clone(),
        fused: Box::new(move |[x, _]| rope(x, cos.clone(), sin.clone())),
        decomposed: Box::new(move |[x, _]| decomposed::rope(x, tables.0.clone(), tables.1.clone())),
        inputs: [seeded_data(5, &dims), seeded_data(5, &[1; 4])],
    }
}

fn masked_softmax_of(dims: [usize; 4], name: String, device: &Device) -> Operation<4> {
    const SCALE: f32 = 0.7;
    let [batch, _, queries, keys] = dims;
    // about a third of the entries is forbidden, but never a row's last
    let forbid =
        |(i, v): (usize, f32)| if v < -0.7 && (i + 1) % keys > 0 { FORBIDDEN } else { 0.0 };
    let mask: Vec<f32> =
        seeded(9, batch * queries * keys).into_iter().enumerate().map(forbid).collect();
    let mask: Tensor<4> =
        Tensor::from_data(TensorData::new(mask, [batch, 1, queries, keys]), device);
    let same_mask = mask.clone();
    Operation {
        name,
        device: device.clone(),
        fused: Box::new(move |[scores, _]| masked_softmax(scores, mask.clone(), SCALE)),
        decomposed: Box::new(move |[scores, _]| {
            decomposed::masked_softmax(scores, same_mask.clone(), SCALE)
        }),
        inputs: [seeded_data(8, &dims), seeded_data(8, &[1; 4])],
    }
}

fn token_log_probs_of(dims: [usize; 2], name: String, device: &Device) -> Operation<2> {
    let [rows, codes] = dims;
    let targets: Vec<i32> = (0..rows).map(|row| ((row * 7 + 3) % codes) as i32).collect();
    let targets: Tensor<1, Int> = Tensor::from_data(TensorData::new(targets, [rows]), device);
    let same_targets = targets.clone();
    Operation {
        name,
        device: device.clone(),
        fused: Box::new(move |[logits, _]| {
            token_log_probs(logits, targets.clone()).reshape([rows, 1])
        }),
        decomposed: Box::new(move |[logits, _]| {
            decomposed::token_log_probs(logits, same_targets.clone())
        }),
        inputs: [seeded_data(10, &dims), seeded_data(10, &[1; 2])],
    }
}

impl<const R: usize> Operation<R> {
    /// The inputs as leaves that take gradients.
    pub(super) fn leaves(&self) -> [Tensor<R>; 2] {
        let leaf = |data: &TensorData| Tensor::from_data(data.clone(), &self.device).require_grad();
        self.inputs.each_ref().map(leaf)
    }
}

/// The weighted sum of a tensor's elements, under seeded weights.
pub(super) fn weighted_sum<const R: usize>(output: Tensor<R>) -> Tensor<1> {
    let weights = Tensor::from_data(seeded_data(20, &output.dims()), &output.device());
    (output * weights).sum()
}

/// The gradient of each leaf; none for a leaf that the loss does not depend on.
pub(super) fn gradients<const R: usize>(
    loss: &Tensor<1>,
    leaves: &[Tensor<R>; 2],
) -> Vec<Vec<f32>> {
    let grads = loss.backward();
    leaves.iter().filter_map(|leaf| leaf.grad(&grads)).map(|grad| values(&grad)).collect()
}
