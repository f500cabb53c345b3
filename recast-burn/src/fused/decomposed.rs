//! The fused operations in a backend's ordinary operations: the fallback of backends without
//! kernels, and the reference of kernels.

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, TensorMetadata};
use burn::tensor::ops::IndexingUpdateOp;
use burn::tensor::{Shape, Slice};

use super::FusedKernels;

pub(super) fn swiglu<B: Backend>(gate: FloatTensor<B>, up: FloatTensor<B>) -> FloatTensor<B> {
    let sigmoid = B::sigmoid(gate.clone());
    B::float_mul(B::float_mul(gate, sigmoid), up)
}

/// `d silu(g) / d g = s + silu(g) (1 - s)` with `s = sigmoid(g)`.
pub(super) fn swiglu_backward<B: Backend>(
    gate: FloatTensor<B>,
    up: FloatTensor<B>,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let sigmoid = B::sigmoid(gate.clone());
    let silu = B::float_mul(gate, sigmoid.clone());
    let grad_up = B::float_mul(grad.clone(), silu.clone());
    let complement = B::float_add_scalar(B::float_neg(sigmoid.clone()), 1f32.into());
    let slope = B::float_add(sigmoid, B::float_mul(silu, complement));
    (B::float_mul(B::float_mul(grad, up), slope), grad_up)
}

/// Returns the result, and the products `x gate` and `x up`.
pub(super) fn gated<B: FusedKernels>(
    x: FloatTensor<B>,
    weights: [FloatTensor<B>; 2],
) -> (FloatTensor<B>, Vec<FloatTensor<B>>) {
    let [gate, up] = weights;
    let (gate, up) = (B::kernel_matmul(x.clone(), gate), B::kernel_matmul(x, up));
    (B::kernel_swiglu(gate.clone(), up.clone()), vec![gate, up])
}

/// Takes the products `x gate` and `x up`.
pub(super) fn gated_backward<B: FusedKernels>(
    x: FloatTensor<B>,
    weights: [FloatTensor<B>; 2],
    products: Vec<FloatTensor<B>>,
    grad: FloatTensor<B>,
) -> [FloatTensor<B>; 3] {
    let mut products = products.into_iter();
    let (Some(gate), Some(up)) = (products.next(), products.next()) else {
        unreachable!("two products");
    };
    let (grad_gate, grad_up) = B::kernel_swiglu_backward(gate, up, grad);
    let [gate, up] = weights.map(|weight| B::float_swap_dims(weight, 0, 1));
    let transposed = B::float_swap_dims(x, 0, 1);
    let grad_x = B::float_add(
        B::kernel_matmul(grad_gate.clone(), gate),
        B::kernel_matmul(grad_up.clone(), up),
    );
    let grad_gate = B::kernel_matmul(transposed.clone(), grad_gate);
    [grad_x, grad_gate, B::kernel_matmul(transposed, grad_up)]
}

pub(super) fn rms_norm<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    epsilon: f32,
) -> FloatTensor<B> {
    let weight_shape = broadcast_last(&x.shape());
    let inverse = inverse_rms::<B>(x.clone(), epsilon);
    B::float_mul(B::float_mul(x, inverse), B::float_reshape(weight, weight_shape))
}

/// With `n = x / rms`: `dw = sum(grad n)`, `dx = (grad w - n mean(grad w n)) / rms`.
pub(super) fn rms_norm_backward<B: Backend>(
    x: FloatTensor<B>,
    weight: FloatTensor<B>,
    epsilon: f32,
    grad: FloatTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let shape = x.shape();
    let last = shape.num_dims() - 1;
    let width = shape[last];
    let rows = shape.num_elements() / width;
    let inverse = inverse_rms::<B>(x.clone(), epsilon);
    let normed = B::float_mul(x, inverse.clone());
    let per_row = B::float_mul(grad.clone(), normed.clone());
    let grad_weight = B::float_sum_dim(B::float_reshape(per_row, Shape::new([rows, width])), 0);
    let grad_weight = B::float_reshape(grad_weight, weight.shape());
    let scaled = B::float_mul(grad, B::float_reshape(weight, broadcast_last(&shape)));
    let mean = B::float_mean_dim(B::float_mul(scaled.clone(), normed.clone()), last);
    let grad_x = B::float_mul(B::float_sub(scaled, B::float_mul(normed, mean)), inverse);
    (grad_x, grad_weight)
}

/// `sign` 1 rotates forward, -1 back: the rotation is orthogonal, so its transpose is its inverse.
pub(super) fn rope<B: Backend>(
    x: FloatTensor<B>,
    cos: FloatTensor<B>,
    sin: FloatTensor<B>,
    sign: f32,
) -> FloatTensor<B> {
    let shape = x.shape();
    let half = shape[3] / 2;
    let part = |x: FloatTensor<B>, from: usize, to: usize| {
        let all = |n: usize| Slice::new(0, Some(n as isize), 1);
        let cut = Slice::new(from as isize, Some(to as isize), 1);
        B::float_slice(x, &[all(shape[0]), all(shape[1]), all(shape[2]), cut])
    };
    let (low, high) = (part(x.clone(), 0, half), part(x, half, 2 * half));
    let table = Shape::new([shape[0], shape[1], 1, half]);
    let cos = B::float_reshape(cos, table.clone());
    let sin = B::float_mul_scalar(B::float_reshape(sin, table), sign.into());
    let rotated_low = B::float_sub(
        B::float_mul(low.clone(), cos.clone()),
        B::float_mul(high.clone(), sin.clone()),
    );
    let rotated_high = B::float_add(B::float_mul(high, cos), B::float_mul(low, sin));
    B::float_cat(vec![rotated_low, rotated_high], 3)
}

pub(super) fn masked_softmax<B: Backend>(
    scores: FloatTensor<B>,
    mask: FloatTensor<B>,
    scale: f32,
) -> FloatTensor<B> {
    let keys = scores.shape()[3];
    let scores = B::float_add(B::float_mul_scalar(scores, scale.into()), mask);
    if keys == 1 {
        // A single key has all of the probability. burn's fusion of its reduction fails to compile
        // for a transposed tensor (perhaps tracel-ai/burn issue 5060).
        return B::float_exp(B::float_sub(scores.clone(), scores));
    }
    B::float_exp(B::log_softmax(scores, 3))
}

pub(super) fn masked_softmax_backward<B: Backend>(
    probabilities: FloatTensor<B>,
    grad: FloatTensor<B>,
    scale: f32,
) -> FloatTensor<B> {
    let weighted = B::float_mul(probabilities.clone(), grad);
    let sum = B::float_sum_dim(weighted.clone(), 3);
    let grad = B::float_sub(weighted, B::float_mul(probabilities, sum));
    B::float_mul_scalar(grad, scale.into())
}

/// The log-probabilities of the targets, and the probabilities that the backward pass needs.
pub(super) fn token_log_probs<B: Backend>(
    logits: FloatTensor<B>,
    targets: IntTensor<B>,
) -> (FloatTensor<B>, FloatTensor<B>) {
    let rows = logits.shape()[0];
    let log_probs = B::log_softmax(logits, 1);
    let column = B::int_reshape(targets, Shape::new([rows, 1]));
    let of_targets = B::float_gather(1, log_probs.clone(), column);
    (B::float_reshape(of_targets, Shape::new([rows])), B::float_exp(log_probs))
}

/// `d logits = grad (onehot(target) - p)`, row by row.
pub(super) fn token_log_probs_backward<B: Backend>(
    probabilities: FloatTensor<B>,
    targets: IntTensor<B>,
    grad: FloatTensor<B>,
) -> FloatTensor<B> {
    let column = Shape::new([probabilities.shape()[0], 1]);
    let grad = B::float_reshape(grad, column.clone());
    let spread = B::float_neg(B::float_mul(probabilities, grad.clone()));
    B::float_scatter(1, spread, B::int_reshape(targets, column), grad, IndexingUpdateOp::Add)
}

fn inverse_rms<B: Backend>(x: FloatTensor<B>, epsilon: f32) -> FloatTensor<B> {
    let last = x.shape().num_dims() - 1;
    let square = B::float_mean_dim(B::float_mul(x.clone(), x), last);
    B::float_recip(B::float_sqrt(B::float_add_scalar(square, epsilon.into())))
}

fn broadcast_last(shape: &Shape) -> Shape {
    let last = shape.num_dims() - 1;
    let mut dims = vec![1; last + 1];
    dims[last] = shape[last];
    Shape::from(dims)
}
