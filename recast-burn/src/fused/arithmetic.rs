//! Row kernels over f32 slices: plain loops that the compiler vectorises for the CPU found at run
//! time. They have no fused multiply-add, so that equal inputs give equal bits on every x86-64
//! machine.

use crate::vectors::dispatch;

/// Sums and maxima run over this many lanes, joined in lane order.
const LANES: usize = 16;

/// `e^x` to about 2 ulp; 0 below -87.3, before subnormal numbers begin, saturated above 88; NaN
/// stays NaN.
///
/// The 0 is exact, so that a masked score has no probability at all.
/// Range reduction by `ln 2` in two parts and a polynomial of degree 6, with the constants of
/// Cephes' `expf` (S. Moshier, <https://www.netlib.org/cephes/>). The code has no branches, so that
/// it vectorises.
#[inline(always)]
fn exp(x: f32) -> f32 {
    // 1.5 * 2^23: adding this rounds to the nearest integer, which the low bits then hold
    const ROUND: f32 = 12_582_912.0;
    const LOWEST: f32 = -87.336_54;
    let vanishes = x < LOWEST;
    let x = if vanishes { LOWEST } else { x };
    let x = if x > 88.0 { 88.0 } else { x };
    let shifted = x * std::f32::consts::LOG2_E + ROUND;
    let whole = shifted - ROUND;
    let rest = x - whole * 0.693_359_4 + whole * 2.121_944_4e-4;
    let mut p = 1.987_569_1e-4;
    p = p * rest + 1.398_199_9e-3;
    p = p * rest + 8.333_452e-3;
    p = p * rest + 4.166_579_6e-2;
    p = p * rest + 1.666_666_5e-1;
    p = p * rest + 0.5;
    let y = p * (rest * rest) + rest + 1.0;
    let y = y * f32::from_bits(shifted.to_bits().wrapping_add(127) << 23);
    if vanishes { 0.0 } else { y }
}

#[inline(always)]
fn lanes(x: &[f32], start: f32, join: impl Fn(f32, f32) -> f32 + Copy) -> f32 {
    let mut lane = [start; LANES];
    let (chunks, rest) = x.as_chunks::<LANES>();
    for chunk in chunks {
        for (a, &v) in lane.iter_mut().zip(chunk) {
            *a = join(*a, v);
        }
    }
    let joined = lane.into_iter().fold(start, join);
    rest.iter().copied().fold(joined, join)
}

/// The largest value that is not NaN; minus infinity without one.
#[inline(always)]
fn maximum(x: &[f32]) -> f32 {
    lanes(x, f32::NEG_INFINITY, |a, v| if v > a { v } else { a })
}

#[inline(always)]
fn sum(x: &[f32]) -> f32 {
    lanes(x, 0.0, |a, v| a + v)
}

#[inline(always)]
fn dot(x: &[f32], y: &[f32]) -> f32 {
    let mut lane = [0f32; LANES];
    let ((xs, x_rest), (ys, y_rest)) = (x.as_chunks::<LANES>(), y.as_chunks::<LANES>());
    for (x, y) in xs.iter().zip(ys) {
        for ((a, &x), &y) in lane.iter_mut().zip(x).zip(y) {
            *a += x * y;
        }
    }
    let rest: f32 = x_rest.iter().zip(y_rest).map(|(x, y)| x * y).sum();
    lane.into_iter().sum::<f32>() + rest
}

/// `x <- softmax(x)`; returns the log of the normaliser relative to the maximum, and the maximum.
#[inline(always)]
fn softmax_row(x: &mut [f32]) -> (f32, f32) {
    let top = maximum(x);
    for v in &mut *x {
        *v = exp(*v - top);
    }
    let total = sum(x);
    let scale = 1.0 / total;
    for v in &mut *x {
        *v *= scale;
    }
    (total.ln(), top)
}

pub(super) fn swiglu(gate: &[f32], up: &[f32], out: &mut [f32]) {
    dispatch(
        #[inline(always)]
        || {
            for ((out, &g), &u) in out.iter_mut().zip(gate).zip(up) {
                *out = g * u / (1.0 + exp(-g));
            }
        },
    );
}

/// `grad` holds the gradient of the output on entry and that of `up` on exit; `gate` becomes its
/// own gradient.
pub(super) fn swiglu_backward(gate: &mut [f32], up: &[f32], grad: &mut [f32]) {
    dispatch(
        #[inline(always)]
        || {
            for ((gate, d), &u) in gate.iter_mut().zip(grad.iter_mut()).zip(up) {
                let g = *gate;
                let sigmoid = 1.0 / (1.0 + exp(-g));
                *gate = *d * u * sigmoid * (1.0 + g * (1.0 - sigmoid));
                *d *= g * sigmoid;
            }
        },
    );
}

/// The [`swiglu`] of rows with `width` elements of gate and then as many of up.
pub(super) fn swiglu_rows(both: &[f32], width: usize, out: &mut [f32]) {
    for (both, out) in both.chunks_exact(2 * width).zip(out.chunks_exact_mut(width)) {
        let (gate, up) = both.split_at(width);
        swiglu(gate, up, out);
    }
}

/// The [`swiglu_backward`] of rows as in [`swiglu_rows`].
pub(super) fn swiglu_rows_backward(both: &mut [f32], width: usize, grad: &mut [f32]) {
    for (both, grad) in both.chunks_exact_mut(2 * width).zip(grad.chunks_exact_mut(width)) {
        let (gate, up) = both.split_at_mut(width);
        swiglu_backward(gate, up, grad);
    }
}

pub(super) fn rms_norm(x: &[f32], weight: &[f32], epsilon: f32, out: &mut [f32]) {
    let width = weight.len();
    dispatch(
        #[inline(always)]
        || {
            for (x, out) in x.chunks_exact(width).zip(out.chunks_exact_mut(width)) {
                let inverse = 1.0 / (dot(x, x) / width as f32 + epsilon).sqrt();
                for ((out, &x), &w) in out.iter_mut().zip(x).zip(weight) {
                    *out = x * inverse * w;
                }
            }
        },
    );
}

/// `grad` becomes the gradient of `x`; the weight's gradient is added to `grad_weight`.
pub(super) fn rms_norm_backward(
    x: &[f32],
    weight: &[f32],
    epsilon: f32,
    grad: &mut [f32],
    grad_weight: &mut [f32],
) {
    let width = weight.len();
    dispatch(
        #[inline(always)]
        || {
            for (x, grad) in x.chunks_exact(width).zip(grad.chunks_exact_mut(width)) {
                let inverse = 1.0 / (dot(x, x) / width as f32 + epsilon).sqrt();
                for (((d, &x), &w), dw) in
                    grad.iter_mut().zip(x).zip(weight).zip(grad_weight.iter_mut())
                {
                    *dw += *d * inverse * x;
                    *d *= w;
                }
                let correction = dot(x, grad) * inverse * inverse * inverse / width as f32;
                for (d, &x) in grad.iter_mut().zip(x) {
                    *d = *d * inverse - x * correction;
                }
            }
        },
    );
}

/// Rows `[.., H, K]` from `first_row`; rows of one token share a line of the tables.
pub(super) fn rope(
    x: &mut [f32],
    first_row: usize,
    heads: usize,
    (cos, sin): (&[f32], &[f32]),
    half: usize,
    sign: f32,
) {
    dispatch(
        #[inline(always)]
        || {
            for (row, x) in x.chunks_exact_mut(2 * half).enumerate() {
                let at = (first_row + row) / heads * half;
                let (cos, sin) = (&cos[at..at + half], &sin[at..at + half]);
                let (low, high) = x.split_at_mut(half);
                for (((low, high), &c), &s) in low.iter_mut().zip(high).zip(cos).zip(sin) {
                    let (a, b, s) = (*low, *high, s * sign);
                    *low = a * c - b * s;
                    *high = b * c + a * s;
                }
            }
        },
    );
}

/// Rows of `width` scores from `first_row` of `[B, H, S, T]`; mask `[B, 1, S, T]`.
pub(super) fn masked_softmax(
    scores: &mut [f32],
    first_row: usize,
    (mask, queries, heads): (&[f32], usize, usize),
    width: usize,
    scale: f32,
) {
    dispatch(
        #[inline(always)]
        || {
            for (row, x) in scores.chunks_exact_mut(width).enumerate() {
                let row = first_row + row;
                let at = (row / (heads * queries) * queries + row % queries) * width;
                for (x, &m) in x.iter_mut().zip(&mask[at..at + width]) {
                    *x = *x * scale + m;
                }
                softmax_row(x);
            }
        },
    );
}

/// `grad <- scale p (grad - sum(p grad))`, row by row.
pub(super) fn softmax_backward(p: &[f32], grad: &mut [f32], width: usize, scale: f32) {
    dispatch(
        #[inline(always)]
        || {
            for (p, grad) in p.chunks_exact(width).zip(grad.chunks_exact_mut(width)) {
                let mean = dot(p, grad);
                for (d, &p) in grad.iter_mut().zip(p) {
                    *d = scale * p * (*d - mean);
                }
            }
        },
    );
}

/// Rows of logits become probabilities; `out` gets the log-probability of each target.
pub(super) fn token_log_probs(
    logits: &mut [f32],
    width: usize,
    targets: &[usize],
    out: &mut [f32],
) {
    dispatch(
        #[inline(always)]
        || {
            for ((x, &target), out) in logits.chunks_exact_mut(width).zip(targets).zip(out) {
                let of_target = x[target];
                let (log_total, top) = softmax_row(x);
                *out = of_target - top - log_total;
            }
        },
    );
}

/// Rows of probabilities become `grad (onehot(target) - p)`.
pub(super) fn token_log_probs_backward(
    probabilities: &mut [f32],
    width: usize,
    targets: &[usize],
    grad: &[f32],
) {
    dispatch(
        #[inline(always)]
        || {
            for ((p, &target), &d) in probabilities.chunks_exact_mut(width).zip(targets).zip(grad) {
                for v in &mut *p {
                    *v *= -d;
                }
                p[target] += d;
            }
        },
    );
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exp_is_within_four_ulp_of_the_exact_value() {
        let mut x = -87.0f32;
        while x < 87.9 {
            let exact = f64::from(x).exp();
            let error = (f64::from(exp(x)) - exact).abs() / exact;
            assert!(error < 4.0 * f64::from(f32::EPSILON), "exp({x}) is off by {error:e}");
            x += 0.003_7;
        }
    }

    #[test]
    fn exp_keeps_nan_vanishes_and_saturates() {
        assert!(exp(f32::NAN).is_nan());
        assert_eq!(exp(-1e9).to_bits(), 0);
        assert_eq!(exp(f32::NEG_INFINITY).to_bits(), 0);
        assert!(exp(1e9).is_finite());
    }
}
