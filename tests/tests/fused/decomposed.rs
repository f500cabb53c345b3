//! The fused operations written with ordinary tensor operations.

use burn::tensor::activation::{log_softmax, silu, softmax};
use burn::tensor::{Int, Tensor};

pub(super) fn swiglu(gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    silu(gate) * up
}

pub(super) fn rms_norm(x: Tensor<2>, weight: Tensor<1>, epsilon: f32) -> Tensor<2> {
    let square = (x.clone() * x.clone()).mean_dim(1);
    x / (square + epsilon).sqrt() * weight.unsqueeze()
}

pub(super) fn rope(x: Tensor<4>, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<4> {
    let half = x.dims()[3] / 2;
    let (low, high) = (x.clone().narrow(3, 0, half), x.narrow(3, half, half));
    let (cos, sin): (Tensor<4>, Tensor<4>) = (cos.unsqueeze_dim(2), sin.unsqueeze_dim(2));
    let rotated_low = low.clone() * cos.clone() - high.clone() * sin.clone();
    Tensor::cat(vec![rotated_low, high * cos + low * sin], 3)
}

pub(super) fn masked_softmax(scores: Tensor<4>, mask: Tensor<4>, scale: f32) -> Tensor<4> {
    softmax(scores * scale + mask, 3)
}

pub(super) fn token_log_probs(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<2> {
    log_softmax(logits, 1).gather(1, targets.unsqueeze_dim(1))
}
