//! The backward passes, and the operations with automatic differentiation around them.

use burn::backend::autodiff::checkpoint::base::Checkpointer;
use burn::backend::autodiff::checkpoint::strategy::CheckpointStrategy;
use burn::backend::autodiff::grads::Gradients;
use burn::backend::autodiff::ops::{Backward, Ops, OpsKind};
use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Autodiff, TensorMetadata};

use super::{FusedKernels, FusedOps};

#[derive(Debug)]
struct MatmulBackward;

impl<B: FusedKernels> Backward<B, 2> for MatmulBackward {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (lhs, rhs) = ops.state;
        let transposed = |x: FloatTensor<B>| {
            let rank = x.shape().num_dims();
            B::float_swap_dims(x, rank - 2, rank - 1)
        };
        let [lhs_node, rhs_node] = ops.parents;
        if let Some(node) = lhs_node {
            grads.register::<B>(node.id, B::kernel_matmul(grad.clone(), transposed(rhs)));
        }
        if let Some(node) = rhs_node {
            grads.register::<B>(node.id, B::kernel_matmul(transposed(lhs), grad));
        }
    }
}

#[derive(Debug)]
struct SwigluBackward;

impl<B: FusedKernels> Backward<B, 2> for SwigluBackward {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (gate, up) = ops.state;
        let (grad_gate, grad_up) = B::kernel_swiglu_backward(gate, up, grad);
        for (parent, grad) in ops.parents.into_iter().zip([grad_gate, grad_up]) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct GatedBackward;

impl<B: FusedKernels> Backward<B, 3> for GatedBackward {
    type State = (FloatTensor<B>, [FloatTensor<B>; 2], Vec<FloatTensor<B>>);

    fn backward(self, ops: Ops<Self::State, 3>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (x, weights, products) = ops.state;
        let found = B::kernel_gated_backward(x, weights, products, grad);
        for (parent, grad) in ops.parents.into_iter().zip(found) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct RmsNormBackward;

impl<B: FusedKernels> Backward<B, 2> for RmsNormBackward {
    type State = (FloatTensor<B>, FloatTensor<B>, f32);

    fn backward(self, ops: Ops<Self::State, 2>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (x, weight, epsilon) = ops.state;
        let (grad_x, grad_weight) = B::kernel_rms_norm_backward(x, weight, epsilon, grad);
        for (parent, grad) in ops.parents.into_iter().zip([grad_x, grad_weight]) {
            if let Some(node) = parent {
                grads.register::<B>(node.id, grad);
            }
        }
    }
}

#[derive(Debug)]
struct RopeBackward;

impl<B: FusedKernels> Backward<B, 1> for RopeBackward {
    type State = (FloatTensor<B>, FloatTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (cos, sin) = ops.state;
        if let [Some(node)] = ops.parents {
            grads.register::<B>(node.id, B::kernel_rope(grad, cos, sin, -1.0));
        }
    }
}

#[derive(Debug)]
struct MaskedSoftmaxBackward;

impl<B: FusedKernels> Backward<B, 1> for MaskedSoftmaxBackward {
    type State = (FloatTensor<B>, f32);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (probabilities, scale) = ops.state;
        if let [Some(node)] = ops.parents {
            let grad = B::kernel_masked_softmax_backward(probabilities, grad, scale);
            grads.register::<B>(node.id, grad);
        }
    }
}

#[derive(Debug)]
struct TokenLogProbsBackward;

impl<B: FusedKernels> Backward<B, 1> for TokenLogProbsBackward {
    type State = (FloatTensor<B>, IntTensor<B>);

    fn backward(self, ops: Ops<Self::State, 1>, grads: &mut Gradients, _: &mut Checkpointer) {
        let grad = grads.consume::<B>(&ops.node);
        let (probabilities, targets) = ops.state;
        if let [Some(node)] = ops.parents {
            let grad = B::kernel_token_log_probs_backward(probabilities, targets, grad);
            grads.register::<B>(node.id, grad);
        }
    }
}

impl<B: FusedKernels, C: CheckpointStrategy> FusedOps for Autodiff<B, C> {
    fn fused_matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((lhs, lhs_node), (rhs, rhs_node)) = (lhs.into_parts(), rhs.into_parts());
        let node = Backward::<B, 2>::prepare::<C>(MatmulBackward, [lhs_node, rhs_node]);
        match node.compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((lhs.clone(), rhs.clone()), B::kernel_matmul(lhs, rhs))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_matmul(lhs, rhs)),
        }
    }

    fn fused_swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        let ((gate, gate_node), (up, up_node)) = (gate.into_parts(), up.into_parts());
        let node = Backward::<B, 2>::prepare::<C>(SwigluBackward, [gate_node, up_node]);
        match node.compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((gate.clone(), up.clone()), B::kernel_swiglu(gate, up))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_swiglu(gate, up)),
        }
    }

    fn fused_gated(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (gate, gate_node)) = (x.into_parts(), gate.into_parts());
        let (up, up_node) = up.into_parts();
        let (out, products) = B::kernel_gated(x.clone(), [gate.clone(), up.clone()]);
        let nodes = [x_node, gate_node, up_node];
        match Backward::<B, 3>::prepare::<C>(GatedBackward, nodes).compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((x, [gate, up], products), out),
            OpsKind::UnTracked(prep) => prep.finish(out),
        }
    }

    fn fused_rms_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        let ((x, x_node), (weight, weight_node)) = (x.into_parts(), weight.into_parts());
        let node = Backward::<B, 2>::prepare::<C>(RmsNormBackward, [x_node, weight_node]);
        match node.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish(
                (x.clone(), weight.clone(), epsilon),
                B::kernel_rms_norm(x, weight, epsilon),
            ),
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_rms_norm(x, weight, epsilon)),
        }
    }

    fn fused_rope(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        let (x, node) = x.into_parts();
        let (cos, sin) = (cos.into_primitive(), sin.into_primitive());
        let node = Backward::<B, 1>::prepare::<C>(RopeBackward, [node]);
        match node.compute_bound().stateful() {
            OpsKind::Tracked(prep) => {
                prep.finish((cos.clone(), sin.clone()), B::kernel_rope(x, cos, sin, 1.0))
            }
            OpsKind::UnTracked(prep) => prep.finish(B::kernel_rope(x, cos, sin, 1.0)),
        }
    }

    fn fused_masked_softmax(
        scores: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        scale: f32,
    ) -> FloatTensor<Self> {
        let (scores, node) = scores.into_parts();
        let probabilities = B::kernel_masked_softmax(scores, mask.into_primitive(), scale);
        let node = Backward::<B, 1>::prepare::<C>(MaskedSoftmaxBackward, [node]);
        match node.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((probabilities.clone(), scale), probabilities),
            OpsKind::UnTracked(prep) => prep.finish(probabilities),
        }
    }

    fn fused_token_log_probs(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> FloatTensor<Self> {
        let (logits, node) = logits.into_parts();
        let (log_probs, probabilities) = B::kernel_token_log_probs(logits, targets.clone());
        let node = Backward::<B, 1>::prepare::<C>(TokenLogProbsBackward, [node]);
        match node.compute_bound().stateful() {
            OpsKind::Tracked(prep) => prep.finish((probabilities, targets), log_probs),
            OpsKind::UnTracked(prep) => prep.finish(log_probs),
        }
    }
}
