//! Kernels of the CPU backend flex, over f32 slices. Other element types take the decomposed form.

use burn::backend::flex::{Flex, FlexTensor, Layout};
use burn::backend::ops::FloatTensorOps;
use burn::tensor::{Bytes, DType, Shape};
use rayon::prelude::*;

use super::product::{Matrices, product_into, products, written};
use super::{FusedKernels, arithmetic, decomposed};

/// Elements of one parallel task; the split does not depend on the number of threads.
const GRAIN: usize = 1 << 14;

/// Rows of a task that multiplies and gates: few enough for a core's cache, enough to outweigh the
/// copy of the weights.
const TILE: usize = 256;

/// Rows of a tile, so that tiles have about equal size.
fn tile(rows: usize) -> usize {
    rows.div_ceil(rows.div_ceil(TILE).max(1)).max(1)
}

/// Elements of a task in whole rows.
fn task(width: usize) -> usize {
    (GRAIN / width).max(1) * width
}

fn contiguous(tensor: FlexTensor) -> FlexTensor {
    if tensor.layout().contiguous_offsets().is_some() { tensor } else { tensor.to_contiguous() }
}

#[expect(clippy::expect_used, reason = "every caller passes contiguous f32 tensors")]
fn values(tensor: &FlexTensor) -> &[f32] {
    tensor.as_slice::<f32>().expect("a contiguous f32 tensor")
}

fn tensor(values: Vec<f32>, shape: Shape) -> FlexTensor {
    FlexTensor::new(Bytes::from_elems(values), Layout::contiguous(shape), DType::F32)
}

fn is_f32(tensors: &[&FlexTensor]) -> bool {
    tensors.iter().all(|tensor| tensor.dtype() == DType::F32)
}

/// The tensor with a buffer that holds exactly its own elements, in order; `storage_mut` then works
/// in place unless the buffer is shared.
fn whole(tensor: FlexTensor) -> FlexTensor {
    match tensor.layout().contiguous_offsets() {
        Some((0, end)) if end * size_of::<f32>() == tensor.bytes().len() => tensor,
        Some(_) => self::tensor(values(&tensor).to_vec(), tensor.layout().shape().clone()),
        None => tensor.to_contiguous(),
    }
}

fn indices(tensor: FlexTensor) -> Vec<usize> {
    let tensor = contiguous(tensor);
    let from_i32 = |v: &[i32]| v.iter().map(|&i| i as usize).collect();
    let from_i64 = |v: &[i64]| v.iter().map(|&i| i as usize).collect();
    tensor
        .as_slice::<i32>()
        .map(from_i32)
        .or_else(|| tensor.as_slice::<i64>().map(from_i64))
        .unwrap_or_else(|| panic!("indices are i32 or i64, not {:?}", tensor.dtype()))
}

fn last_dim(tensor: &FlexTensor) -> usize {
    let shape = tensor.layout().shape();
    shape[shape.num_dims() - 1]
}

/// The first columns of rows of `stride` elements.
fn first_columns(rows: &[f32], columns: usize, stride: usize) -> Matrices<'_> {
    Matrices::new(rows, vec![0], [rows.len() / stride, columns], [stride as isize, 1])
}

fn dims(matrix: &FlexTensor) -> [usize; 2] {
    let shape = matrix.layout().shape();
    [shape[0], shape[1]]
}

/// The matrices of the last two dimensions, in any layout.
fn matrices(tensor: &FlexTensor) -> Matrices<'_> {
    let (layout, shape) = (tensor.layout(), tensor.layout().shape());
    let (strides, rank) = (layout.strides(), shape.num_dims());
    let mut starts = vec![layout.start_offset() as isize];
    for dim in 0..rank - 2 {
        let stack = starts.iter();
        let along =
            |&start: &isize| (0..shape[dim] as isize).map(move |i| start + i * strides[dim]);
        starts = stack.flat_map(along).collect();
    }
    Matrices::new(
        tensor.storage::<f32>(),
        starts.into_iter().map(|start| start as usize).collect(),
        [shape[rank - 2], shape[rank - 1]],
        [strides[rank - 2], strides[rank - 1]],
    )
}

impl FusedKernels for Flex {
    fn kernel_matmul(lhs: FlexTensor, rhs: FlexTensor) -> FlexTensor {
        if !is_f32(&[&lhs, &rhs]) {
            return Self::float_matmul(lhs, rhs);
        }
        let mut shape = lhs.layout().shape().clone();
        let last = shape.num_dims() - 1;
        shape[last] = last_dim(&rhs);
        tensor(products(&matrices(&lhs), &matrices(&rhs)), shape)
    }

    fn kernel_swiglu(gate: FlexTensor, up: FlexTensor) -> FlexTensor {
        if !is_f32(&[&gate, &up]) {
            return decomposed::swiglu::<Self>(gate, up);
        }
        let (gate, up) = (contiguous(gate), contiguous(up));
        let (g, u) = (values(&gate), values(&up));
        let given = g.par_chunks(GRAIN).zip(u.par_chunks(GRAIN));
        let [out] = written((g.len(), GRAIN), [1], given, |(g, u), [out]| {
            arithmetic::swiglu(g, u, out);
        });
        tensor(out, gate.layout().shape().clone())
    }

    fn kernel_swiglu_backward(
        gate: FlexTensor,
        up: FlexTensor,
        grad: FlexTensor,
    ) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&gate, &up, &grad]) {
            return decomposed::swiglu_backward::<Self>(gate, up, grad);
        }
        let (mut gate, up, mut grad) = (whole(gate), contiguous(up), whole(grad));
        grad.storage_mut::<f32>()
            .par_chunks_mut(GRAIN)
            .zip(gate.storage_mut::<f32>().par_chunks_mut(GRAIN))
            .zip(values(&up).par_chunks(GRAIN))
            .for_each(|((d, g), u)| arithmetic::swiglu_backward(g, u, d));
        (gate, grad)
    }

    fn kernel_gated(x: FlexTensor, weights: [FlexTensor; 2]) -> (FlexTensor, Vec<FlexTensor>) {
        let ([rows, _], width) = (dims(&x), last_dim(&weights[0]));
        if !is_f32(&[&x, &weights[0], &weights[1]]) || rows * width == 0 {
            return decomposed::gated::<Self>(x, weights);
        }
        let (xs, [gate, up]) = (matrices(&x), weights.each_ref().map(matrices));
        let tile = tile(rows);
        let tiles = (0..rows.div_ceil(tile)).into_par_iter();
        let [both, out] = written((rows, tile), [2 * width, width], tiles, |i, [both, out]| {
            let x = xs.rows(i * tile..rows.min((i + 1) * tile));
            product_into(&x, &gate, (&mut *both, 2 * width, false));
            product_into(&x, &up, (&mut both[width..], 2 * width, false));
            arithmetic::swiglu_rows(both, width, out);
        });
        let both = tensor(both, Shape::new([rows, 2 * width]));
        (tensor(out, Shape::new([rows, width])), vec![both])
    }

    fn kernel_gated_backward(
        x: FlexTensor,
        weights: [FlexTensor; 2],
        mut kept: Vec<FlexTensor>,
        grad: FlexTensor,
    ) -> [FlexTensor; 3] {
        let ([rows, inner], width) = (dims(&x), last_dim(&grad));
        let Some(both) = kept.pop_if(|both| last_dim(both) == 2 * width) else {
            return decomposed::gated_backward::<Self>(x, weights, kept, grad);
        };
        let (mut both, mut grad) = (whole(both), whole(grad));
        // the layout that the products read
        let transposed = weights.map(|weight| Self::float_swap_dims(weight, 0, 1).to_contiguous());
        let [gate, up] = transposed.each_ref().map(matrices);
        let tile = tile(rows);
        let grads = grad.storage_mut::<f32>().par_chunks_mut(tile * width);
        let given = both.storage_mut::<f32>().par_chunks_mut(2 * tile * width).zip(grads);
        let [grad_x] = written((rows, tile), [inner], given, |(both, grad), [grad_x]| {
            arithmetic::swiglu_rows_backward(both, width, grad);
            let of_gate = first_columns(both, width, 2 * width);
            product_into(&of_gate, &gate, (&mut *grad_x, inner, false));
            product_into(&first_columns(grad, width, width), &up, (grad_x, inner, true));
        });
        let x = Self::float_swap_dims(x, 0, 1);
        let of_weight =
            |grad: &Matrices<'_>| tensor(products(&matrices(&x), grad), Shape::new([inner, width]));
        let of_gate = of_weight(&first_columns(values(&both), width, 2 * width));
        [tensor(grad_x, Shape::new([rows, inner])), of_gate, of_weight(&matrices(&grad))]
    }

    fn kernel_rms_norm(x: FlexTensor, weight: FlexTensor, epsilon: f32) -> FlexTensor {
        if !is_f32(&[&x, &weight]) {
            return decomposed::rms_norm::<Self>(x, weight, epsilon);
        }
        let (x, weight) = (contiguous(x), contiguous(weight));
        let (xs, ws) = (values(&x), values(&weight));
        let task = task(ws.len());
        let (width, given) = (ws.len(), xs.par_chunks(task));
        let [out] = written((xs.len() / width, task / width), [width], given, |x, [out]| {
            arithmetic::rms_norm(x, ws, epsilon, out);
        });
        tensor(out, x.layout().shape().clone())
    }

    fn kernel_rms_norm_backward(
        x: FlexTensor,
        weight: FlexTensor,
        epsilon: f32,
        grad: FlexTensor,
    ) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&x, &weight, &grad]) {
            return decomposed::rms_norm_backward::<Self>(x, weight, epsilon, grad);
        }
        let (x, weight, mut grad) = (contiguous(x), contiguous(weight), whole(grad));
        let (xs, ws) = (values(&x), values(&weight));
        let task = task(ws.len());
        let partial: Vec<Vec<f32>> = grad
            .storage_mut::<f32>()
            .par_chunks_mut(task)
            .zip(xs.par_chunks(task))
            .map(|(grad, x)| {
                let mut grad_weight = vec![0f32; ws.len()];
                arithmetic::rms_norm_backward(x, ws, epsilon, grad, &mut grad_weight);
                grad_weight
            })
            .collect();
        let mut grad_weight = vec![0f32; ws.len()];
        for part in &partial {
            for (total, v) in grad_weight.iter_mut().zip(part) {
                *total += v;
            }
        }
        (grad, tensor(grad_weight, weight.layout().shape().clone()))
    }

    fn kernel_rope(x: FlexTensor, cos: FlexTensor, sin: FlexTensor, sign: f32) -> FlexTensor {
        if !is_f32(&[&x, &cos, &sin]) {
            return decomposed::rope::<Self>(x, cos, sin, sign);
        }
        let (mut x, cos, sin) = (whole(x), contiguous(cos), contiguous(sin));
        let (heads, width) = (x.layout().shape()[2], last_dim(&x));
        let tables = (values(&cos), values(&sin));
        let task = task(width);
        x.storage_mut::<f32>().par_chunks_mut(task).enumerate().for_each(|(i, x)| {
            arithmetic::rope(x, i * task / width, heads, tables, width / 2, sign);
        });
        x
    }

    fn kernel_masked_softmax(scores: FlexTensor, mask: FlexTensor, scale: f32) -> FlexTensor {
        if !is_f32(&[&scores, &mask]) {
            return decomposed::masked_softmax::<Self>(scores, mask, scale);
        }
        let (mut scores, mask) = (whole(scores), contiguous(mask));
        let shape = scores.layout().shape().clone();
        let (heads, queries, width) = (shape[1], shape[2], shape[3]);
        let mask = (values(&mask), queries, heads);
        let task = task(width);
        scores.storage_mut::<f32>().par_chunks_mut(task).enumerate().for_each(|(i, x)| {
            arithmetic::masked_softmax(x, i * task / width, mask, width, scale);
        });
        scores
    }

    fn kernel_masked_softmax_backward(
        probabilities: FlexTensor,
        grad: FlexTensor,
        scale: f32,
    ) -> FlexTensor {
        if !is_f32(&[&probabilities, &grad]) {
            return decomposed::masked_softmax_backward::<Self>(probabilities, grad, scale);
        }
        let (probabilities, mut grad) = (contiguous(probabilities), whole(grad));
        let width = last_dim(&probabilities);
        let task = task(width);
        grad.storage_mut::<f32>()
            .par_chunks_mut(task)
            .zip(values(&probabilities).par_chunks(task))
            .for_each(|(grad, p)| arithmetic::softmax_backward(p, grad, width, scale));
        grad
    }

    fn kernel_token_log_probs(logits: FlexTensor, targets: FlexTensor) -> (FlexTensor, FlexTensor) {
        if !is_f32(&[&logits]) {
            return decomposed::token_log_probs::<Self>(logits, targets);
        }
        let (mut logits, targets) = (whole(logits), indices(targets));
        let width = last_dim(&logits);
        let task = task(width);
        let mut out = vec![0f32; targets.len()];
        logits
            .storage_mut::<f32>()
            .par_chunks_mut(task)
            .zip(targets.par_chunks(task / width))
            .zip(out.par_chunks_mut(task / width))
            .for_each(|((x, t), out)| arithmetic::token_log_probs(x, width, t, out));
        let rows = Shape::new([out.len()]);
        (tensor(out, rows), logits)
    }

    fn kernel_token_log_probs_backward(
        probabilities: FlexTensor,
        targets: FlexTensor,
        grad: FlexTensor,
    ) -> FlexTensor {
        if !is_f32(&[&probabilities, &grad]) {
            return decomposed::token_log_probs_backward::<Self>(probabilities, targets, grad);
        }
        let (mut probabilities, targets) = (whole(probabilities), indices(targets));
        let grad = contiguous(grad);
        let width = last_dim(&probabilities);
        let task = task(width);
        probabilities
            .storage_mut::<f32>()
            .par_chunks_mut(task)
            .zip(targets.par_chunks(task / width))
            .zip(values(&grad).par_chunks(task / width))
            .for_each(|((p, t), d)| arithmetic::token_log_probs_backward(p, width, t, d));
        probabilities
    }
}
