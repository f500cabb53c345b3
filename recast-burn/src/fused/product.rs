//! Matrix products of f32 slices, written into new memory once.
//!
//! burn's own product on this backend zeroes its result, copies that to other memory and only then writes it: beside the
//! narrow matrices of a small decoder that takes a third of the product's time. The only file with unsafe code.
#![expect(unsafe_code, reason = "the crate gemm takes pointers")]

use std::mem::MaybeUninit;

use gemm::Parallelism;
use rayon::prelude::*;

/// Multiplications from which the threads share one product.
const SHARED: usize = 1 << 22;

/// Multiplications of a task that makes several products.
const GRAIN: usize = 1 << 16;

/// Matrices of one shape and layout within a slice.
#[derive(Debug)]
pub(super) struct Matrices<'a> {
    values: &'a [f32],
    /// Where each begins.
    starts: Vec<usize>,
    /// Rows and columns.
    dims: [usize; 2],
    /// From one row to the next and from one column to the next.
    strides: [isize; 2],
}

impl<'a> Matrices<'a> {
    /// # Panics
    /// If an element is not within the slice.
    pub(super) fn new(
        values: &'a [f32],
        starts: Vec<usize>,
        dims: [usize; 2],
        strides: [isize; 2],
    ) -> Self {
        if dims.iter().all(|&length| length > 0) {
            let reach = |i: usize| (dims[i] as isize - 1) * strides[i];
            let (least, most) =
                (reach(0).min(0) + reach(1).min(0), reach(0).max(0) + reach(1).max(0));
            for &start in &starts {
                let (first, last) = (start as isize + least, start as isize + most);
                assert!(
                    first >= 0 && (last as usize) < values.len(),
                    "elements {first} to {last} of {}",
                    values.len()
                );
            }
        }
        Self { values, starts, dims, strides }
    }
}

/// The product of each pair of matrices, row after row, one product after the other.
///
/// # Panics
/// If the matrices do not fit, or are not as many.
pub(super) fn products(lhs: &Matrices<'_>, rhs: &Matrices<'_>) -> Vec<f32> {
    let ([m, k], [inner, n]) = (lhs.dims, rhs.dims);
    assert_eq!(k, inner, "as many columns as the other has rows");
    assert_eq!(lhs.starts.len(), rhs.starts.len(), "as many matrices on either side");
    let (count, size) = (lhs.starts.len(), m * n);
    if k == 0 || size == 0 {
        return vec![0.0; count * size];
    }
    let mut out = Vec::with_capacity(count * size);
    let room = &mut out.spare_capacity_mut()[..count * size];
    let work = size * k;
    if count == 1 {
        let parallelism = if work < SHARED { Parallelism::None } else { Parallelism::Rayon(0) };
        product(lhs, rhs, 0, room, parallelism);
    } else {
        let products = room.par_chunks_mut(size).enumerate().with_min_len(GRAIN.div_ceil(work));
        products.for_each(|(i, out)| product(lhs, rhs, i, out, Parallelism::None));
    }
    // SAFETY: the chunks make up all of `room`, and each product has written all of its chunk.
    unsafe { out.set_len(count * size) };
    out
}

/// Writes all of `out` with the product of the `i`-th matrices, which are not empty.
fn product(
    lhs: &Matrices<'_>,
    rhs: &Matrices<'_>,
    i: usize,
    out: &mut [MaybeUninit<f32>],
    parallelism: Parallelism,
) {
    let ([m, k], [_, n]) = (lhs.dims, rhs.dims);
    assert_eq!(out.len(), m * n, "room for the product");
    let ([lhs_row, lhs_column], [rhs_row, rhs_column]) = (lhs.strides, rhs.strides);
    let (lhs_start, rhs_start) = (lhs.starts[i], rhs.starts[i]);
    // SAFETY: `Matrices::new` has checked that every element lies within its slice; `out` has m rows of n elements, which
    // are not read, since `read_dst` is false, and nobody else holds.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out.as_mut_ptr().cast::<f32>(),
            1,
            n as isize,
            false,
            lhs.values.as_ptr().add(lhs_start),
            lhs_column,
            lhs_row,
            rhs.values.as_ptr().add(rhs_start),
            rhs_column,
            rhs_row,
            0.0,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matrices<'a>(values: &'a [f32], starts: &[usize], dims: [usize; 2]) -> Matrices<'a> {
        Matrices::new(values, starts.to_vec(), dims, [dims[1] as isize, 1])
    }

    #[test]
    fn products_stand_one_after_the_other() {
        let values = [1.0, 2.0, 3.0, 4.0, 5.0, 6.0];
        let (lhs, rhs) = (matrices(&values, &[0, 2], [2, 2]), matrices(&values, &[4, 0], [2, 1]));
        assert_eq!(products(&lhs, &rhs), [17.0, 39.0, 11.0, 17.0]);
        // backwards and transposed
        let lhs = Matrices::new(&values, vec![5], [2, 3], [-1, -2]);
        let rhs = matrices(&[1.0, 10.0, 100.0], &[0], [3, 1]);
        assert_eq!(products(&lhs, &rhs), [246.0, 135.0]);
    }

    #[test]
    fn nothing_times_nothing_is_zero() {
        let (lhs, rhs) = (matrices(&[], &[0], [2, 0]), matrices(&[], &[0], [0, 3]));
        assert_eq!(products(&lhs, &rhs), [0.0; 6]);
        let (lhs, rhs) = (matrices(&[], &[0], [0, 1]), matrices(&[1.0], &[0], [1, 1]));
        assert!(products(&lhs, &rhs).is_empty());
    }

    #[test]
    #[should_panic(expected = "elements 2 to 6 of 6")]
    fn a_matrix_beyond_the_slice_is_refused() {
        matrices(&[0.0; 6], &[2], [1, 5]);
    }

    #[test]
    #[should_panic(expected = "elements -1 to 0 of 6")]
    fn a_matrix_before_the_slice_is_refused() {
        Matrices::new(&[0.0; 6], vec![0], [2, 1], [-1, 1]);
    }
}
