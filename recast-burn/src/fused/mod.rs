//! Hot operations with a hand-written backward pass.
//!
//! Automatic differentiation of the decomposed forms walks memory many times and keeps every
//! intermediate. Each operation here is one node of the graph: its forward keeps just the inputs of
//! its closed-form backward. `FusedKernels` holds the forms on a concrete backend; a backend
//! without kernels takes the decomposed ones. Tensor calls go to `FusedOps`.
//!
//! All reductions have a fixed order, so that equal inputs give equal bits for any number of
//! threads.
#![cfg_attr(
    feature = "ndarray",
    expect(deprecated, reason = "ndarray is the reference backend while burn still ships it")
)]

mod arithmetic;
mod backward;
mod decomposed;
mod flex;
mod product;

use burn::backend::tensor::{FloatTensor, IntTensor};
use burn::backend::{Backend, Dispatch, Flex, backend_extension};
use burn::tensor::{Int, Tensor};

#[cfg(feature = "cuda")]
use burn::backend::Cube;
#[cfg(feature = "ndarray")]
use burn::backend::NdArray;

/// The operations and their closed-form backward passes on a concrete backend.
trait FusedKernels: Backend {
    /// The product of two stacks of matrices of one shape.
    fn kernel_matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
        Self::float_matmul(lhs, rhs)
    }

    fn kernel_swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
        decomposed::swiglu::<Self>(gate, up)
    }

    /// Gradients of `gate` and `up`.
    fn kernel_swiglu_backward(
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        decomposed::swiglu_backward::<Self>(gate, up, grad)
    }

    /// The gated unit of `x` by two weights, and the products that its backward pass needs.
    fn kernel_gated(
        x: FloatTensor<Self>,
        weights: [FloatTensor<Self>; 2],
    ) -> (FloatTensor<Self>, Vec<FloatTensor<Self>>) {
        decomposed::gated::<Self>(x, weights)
    }

    /// Gradients of `x` and of both weights; `kept` as [`Self::kernel_gated`] returns it.
    fn kernel_gated_backward(
        x: FloatTensor<Self>,
        weights: [FloatTensor<Self>; 2],
        kept: Vec<FloatTensor<Self>>,
        grad: FloatTensor<Self>,
    ) -> [FloatTensor<Self>; 3] {
        decomposed::gated_backward::<Self>(x, weights, kept, grad)
    }

    fn kernel_rms_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self> {
        decomposed::rms_norm::<Self>(x, weight, epsilon)
    }

    /// Gradients of `x` and `weight`.
    fn kernel_rms_norm_backward(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        epsilon: f32,
        grad: FloatTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        decomposed::rms_norm_backward::<Self>(x, weight, epsilon, grad)
    }

    fn kernel_rope(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
        sign: f32,
    ) -> FloatTensor<Self> {
        decomposed::rope::<Self>(x, cos, sin, sign)
    }

    fn kernel_masked_softmax(
        scores: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        scale: f32,
    ) -> FloatTensor<Self> {
        decomposed::masked_softmax::<Self>(scores, mask, scale)
    }

    fn kernel_masked_softmax_backward(
        probabilities: FloatTensor<Self>,
        grad: FloatTensor<Self>,
        scale: f32,
    ) -> FloatTensor<Self> {
        decomposed::masked_softmax_backward::<Self>(probabilities, grad, scale)
    }

    /// Log-probabilities of the targets, and all probabilities.
    fn kernel_token_log_probs(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> (FloatTensor<Self>, FloatTensor<Self>) {
        decomposed::token_log_probs::<Self>(logits, targets)
    }

    fn kernel_token_log_probs_backward(
        probabilities: FloatTensor<Self>,
        targets: IntTensor<Self>,
        grad: FloatTensor<Self>,
    ) -> FloatTensor<Self> {
        decomposed::token_log_probs_backward::<Self>(probabilities, targets, grad)
    }
}

// with burn's own fusion, which compiles the element-wise runs of the decomposed forms to one
// kernel
#[cfg(feature = "cuda")]
impl FusedKernels for Cube {}

#[cfg(feature = "ndarray")]
impl FusedKernels for NdArray {}

/// The operations, for tensor calls.
#[backend_extension(Flex, Cube: cfg(feature = "cuda"), NdArray: cfg(feature = "ndarray"), Autodiff)]
trait FusedOps: Backend {
    fn fused_matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self>;
    fn fused_swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self>;
    fn fused_gated(
        x: FloatTensor<Self>,
        gate: FloatTensor<Self>,
        up: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    fn fused_rms_norm(
        x: FloatTensor<Self>,
        weight: FloatTensor<Self>,
        epsilon: f32,
    ) -> FloatTensor<Self>;
    fn fused_rope(
        x: FloatTensor<Self>,
        cos: FloatTensor<Self>,
        sin: FloatTensor<Self>,
    ) -> FloatTensor<Self>;
    fn fused_masked_softmax(
        scores: FloatTensor<Self>,
        mask: FloatTensor<Self>,
        scale: f32,
    ) -> FloatTensor<Self>;
    fn fused_token_log_probs(
        logits: FloatTensor<Self>,
        targets: IntTensor<Self>,
    ) -> FloatTensor<Self>;
}

macro_rules! route_to_kernels {
    ($backend:ty) => {
        impl FusedOps for $backend {
            fn fused_matmul(lhs: FloatTensor<Self>, rhs: FloatTensor<Self>) -> FloatTensor<Self> {
                Self::kernel_matmul(lhs, rhs)
            }

            fn fused_swiglu(gate: FloatTensor<Self>, up: FloatTensor<Self>) -> FloatTensor<Self> {
                Self::kernel_swiglu(gate, up)
            }

            fn fused_gated(
                x: FloatTensor<Self>,
                gate: FloatTensor<Self>,
                up: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::kernel_gated(x, [gate, up]).0
            }

            fn fused_rms_norm(
                x: FloatTensor<Self>,
                weight: FloatTensor<Self>,
                epsilon: f32,
            ) -> FloatTensor<Self> {
                Self::kernel_rms_norm(x, weight, epsilon)
            }

            fn fused_rope(
                x: FloatTensor<Self>,
                cos: FloatTensor<Self>,
                sin: FloatTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::kernel_rope(x, cos, sin, 1.0)
            }

            fn fused_masked_softmax(
                scores: FloatTensor<Self>,
                mask: FloatTensor<Self>,
                scale: f32,
            ) -> FloatTensor<Self> {
                Self::kernel_masked_softmax(scores, mask, scale)
            }

            fn fused_token_log_probs(
                logits: FloatTensor<Self>,
                targets: IntTensor<Self>,
            ) -> FloatTensor<Self> {
                Self::kernel_token_log_probs(logits, targets).0
            }
        }
    };
}

route_to_kernels!(Flex);
#[cfg(feature = "cuda")]
route_to_kernels!(Cube);
#[cfg(feature = "ndarray")]
route_to_kernels!(NdArray);

/// The matrix product over the last two dimensions.
///
/// The product is burn's own, except for memory: the CPU writes the result once, without zeroing or
/// copying.
///
/// # Shapes
///
/// `lhs (.., M, K)`, `rhs (.., K, N)`, the result `(.., M, N)`; the leading dimensions are equal.
///
/// # Panics
///
/// If the shapes do not fit.
#[must_use]
pub fn matmul<const R: usize>(lhs: Tensor<R>, rhs: Tensor<R>) -> Tensor<R> {
    let (left, right) = (lhs.dims(), rhs.dims());
    assert_eq!(left[R - 1], right[R - 2], "as many columns as the other has rows");
    assert_eq!(left[..R - 2], right[..R - 2], "stacks of one shape");
    Tensor::from_dispatch(Dispatch::fused_matmul(lhs.into_dispatch(), rhs.into_dispatch()))
}

/// `silu(gate) * up`, the gated unit of a decoder's feed-forward layer.
///
/// ```text
/// swiglu(g, u) = g sigmoid(g) u
/// ```
///
/// # Panics
///
/// If the shapes differ.
#[must_use]
pub fn swiglu<const N: usize>(gate: Tensor<N>, up: Tensor<N>) -> Tensor<N> {
    assert_eq!(gate.dims(), up.dims(), "gate and up have one shape");
    Tensor::from_dispatch(Dispatch::fused_swiglu(gate.into_dispatch(), up.into_dispatch()))
}

/// The first half of a gated feed-forward layer, products and gate in one.
///
/// ```text
/// gated(x, g, u) = swiglu(x g, x u)
/// ```
///
/// # Shapes
///
/// `x (N, D)`, `gate` and `up` `(D, F)`, the result `(N, F)`.
///
/// # Panics
///
/// If the shapes do not fit.
#[must_use]
pub fn gated(x: Tensor<2>, gate: Tensor<2>, up: Tensor<2>) -> Tensor<2> {
    assert_eq!(gate.dims(), up.dims(), "gate and up have one shape");
    assert_eq!(x.dims()[1], gate.dims()[0], "as many columns as the weights have rows");
    Tensor::from_dispatch(Dispatch::fused_gated(
        x.into_dispatch(),
        gate.into_dispatch(),
        up.into_dispatch(),
    ))
}

/// Root-mean-square normalisation over the last dimension.
///
/// ```text
/// rms_norm(x) = x / sqrt(mean(x^2) + epsilon) * weight
/// ```
///
/// # Panics
///
/// If `weight` is not as long as the last dimension of `x`.
#[must_use]
pub fn rms_norm<const N: usize>(x: Tensor<N>, weight: Tensor<1>, epsilon: f32) -> Tensor<N> {
    assert_eq!(x.dims()[N - 1], weight.dims()[0], "one weight for each element of a row");
    Tensor::from_dispatch(Dispatch::fused_rms_norm(
        x.into_dispatch(),
        weight.into_dispatch(),
        epsilon,
    ))
}

/// Rotary position embedding in the rotate-half layout of Qwen3 and Llama.
///
/// ```text
/// (a, b) = halves of a head's vector;  rope = (a cos - b sin, b cos + a sin)
/// ```
///
/// No gradient reaches the tables.
///
/// # Shapes
///
/// `x (B, S, H, K)`, `cos` and `sin` `(B, S, K / 2)`: one line of the tables for each token.
///
/// # Panics
///
/// If the tables do not fit `x`, or the width of a head is odd.
#[must_use]
pub fn rope(x: Tensor<4>, cos: Tensor<3>, sin: Tensor<3>) -> Tensor<4> {
    let [batch, tokens, _, width] = x.dims();
    assert!(width.is_multiple_of(2), "a head of width {width} has no halves");
    assert_eq!(cos.dims(), [batch, tokens, width / 2], "one line of cosines for each token");
    assert_eq!(sin.dims(), cos.dims(), "sines and cosines have one shape");
    Tensor::from_dispatch(Dispatch::fused_rope(
        x.into_dispatch(),
        cos.into_dispatch(),
        sin.into_dispatch(),
    ))
}

/// Attention probabilities: softmax of scaled scores plus an additive mask.
///
/// ```text
/// p = softmax(scale * scores + mask)  over the last dimension
/// ```
///
/// No gradient reaches the mask. Forbidden entries hold a large negative finite number; a row
/// without allowed entries becomes uniform, never NaN.
///
/// # Shapes
///
/// `scores (B, H, S, T)`, `mask (B, 1, S, T)`.
///
/// # Panics
///
/// If the mask does not fit the scores.
#[must_use]
pub fn masked_softmax(scores: Tensor<4>, mask: Tensor<4>, scale: f32) -> Tensor<4> {
    let [batch, _, queries, keys] = scores.dims();
    assert_eq!(mask.dims(), [batch, 1, queries, keys], "one mask for all heads");
    Tensor::from_dispatch(Dispatch::fused_masked_softmax(
        scores.into_dispatch(),
        mask.into_dispatch(),
        scale,
    ))
}

/// The log-probability of one target in each row of logits, in nats.
///
/// ```text
/// out_n = logits[n, target_n] - log sum_c exp(logits[n, c])
/// ```
///
/// # Shapes
///
/// `logits (N, C)`, `targets (N)`, the result `(N)`.
///
/// # Panics
///
/// If the number of targets is not the number of rows. A target outside the columns panics on a
/// CPU.
#[must_use]
pub fn token_log_probs(logits: Tensor<2>, targets: Tensor<1, Int>) -> Tensor<1> {
    assert_eq!(logits.dims()[0], targets.dims()[0], "one target for each row");
    Tensor::from_dispatch(Dispatch::fused_token_log_probs(
        logits.into_dispatch(),
        targets.into_dispatch(),
    ))
}
