//! Matrix products of f32 slices, written into new memory once.
//!
//! burn's own product on this backend zeroes its result, copies that to other memory and only then writes it: beside the
//! narrow matrices of a small decoder that takes a third of the product's time. The only file with unsafe code.
#![expect(unsafe_code, reason = "the crate gemm takes pointers")]

use std::mem::MaybeUninit;

use gemm::Parallelism;
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use gemm_common::{
    gemm::gemm_basic_generic,
    simd::{MixedSimd, V3},
};
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
use gemm_f32::microkernel::fma::f32 as fma;
use rayon::prelude::*;

use crate::vectors::Vectors;

/// Multiplications from which the threads share one product.
const SHARED: usize = 1 << 22;

/// Columns of a task that makes some of one product.
const COLUMNS: usize = 64;

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

/// New numbers in chunks of `chunk`, each written by `write`, which gets zeros.
///
/// The zeros of a chunk are written by the task that needs them, when they are in its cache.
pub(super) fn written(
    length: usize,
    chunk: usize,
    write: impl Fn(usize, &mut [f32]) + Sync,
) -> Vec<f32> {
    let mut out = Vec::with_capacity(length);
    let room = &mut out.spare_capacity_mut()[..length];
    room.par_chunks_mut(chunk).enumerate().for_each(|(i, room)| {
        for number in &mut *room {
            number.write(0.0);
        }
        // SAFETY: each number has just been written.
        write(i, unsafe { room.assume_init_mut() });
    });
    // SAFETY: the chunks make up all of `room`.
    unsafe { out.set_len(length) };
    out
}

/// The product of each pair of matrices, row after row, one product after the other.
///
/// # Panics
/// If the matrices do not fit, or are not as many.
pub(super) fn products(lhs: &Matrices<'_>, rhs: &Matrices<'_>) -> Vec<f32> {
    products_by(Vectors::in_use(), lhs, rhs)
}

fn products_by(vectors: Vectors, lhs: &Matrices<'_>, rhs: &Matrices<'_>) -> Vec<f32> {
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
    if count == 1 && work >= SHARED && by_columns(m, k, n) {
        return product_by_columns(vectors, lhs, rhs);
    }
    if count == 1 {
        let parallelism = if work < SHARED { Parallelism::None } else { Parallelism::Rayon(0) };
        product(lhs, rhs, 0, room, (vectors, parallelism));
    } else {
        let products = room.par_chunks_mut(size).enumerate().with_min_len(GRAIN.div_ceil(work));
        products.for_each(|(i, out)| {
            product(lhs, rhs, i, out, (vectors, Parallelism::None));
        });
    }
    // SAFETY: the chunks make up all of `room`, and each product has written all of its chunk.
    unsafe { out.set_len(count * size) };
    out
}

/// Whether a product is better shared by columns than in the way of gemm, whose threads copy all of the longer
/// matrix each.
///
/// So it is with the gradient of a weight, a sum over all tokens. Below as many columns or rows gemm splits
/// the sum in other places, and other bits come out.
fn by_columns(m: usize, k: usize, n: usize) -> bool {
    m > COLUMNS && k >= 4 * m.max(n) && n / COLUMNS >= rayon::current_num_threads().max(2)
}

/// The product of two matrices, of which each task makes some columns.
fn product_by_columns(vectors: Vectors, lhs: &Matrices<'_>, rhs: &Matrices<'_>) -> Vec<f32> {
    let ([m, _], [k, n]) = (lhs.dims, rhs.dims);
    let blocks = n / COLUMNS;
    let made: Vec<Vec<f32>> = (0..blocks)
        .into_par_iter()
        .map(|i| {
            let first = i * COLUMNS;
            let width = if i + 1 == blocks { n - first } else { COLUMNS };
            let start = rhs.starts[0] as isize + first as isize * rhs.strides[1];
            let part = Matrices::new(rhs.values, vec![start as usize], [k, width], rhs.strides);
            let mut out = Vec::with_capacity(m * width);
            let room = &mut out.spare_capacity_mut()[..m * width];
            product(lhs, &part, 0, room, (vectors, Parallelism::None));
            // SAFETY: the product has written all of `room`.
            unsafe { out.set_len(m * width) };
            out
        })
        .collect();
    let row =
        |row: usize| made.iter().flat_map(move |part| part.chunks_exact(part.len() / m).nth(row));
    (0..m).flat_map(row).flatten().copied().collect()
}

/// Writes all of `out` with the product of the `i`-th matrices, which are not empty.
fn product(
    lhs: &Matrices<'_>,
    rhs: &Matrices<'_>,
    i: usize,
    out: &mut [MaybeUninit<f32>],
    (vectors, parallelism): (Vectors, Parallelism),
) {
    let ([m, k], [_, n]) = (lhs.dims, rhs.dims);
    assert_eq!(out.len(), m * n, "room for the product");
    let ([lhs_row, lhs_column], [rhs_row, rhs_column]) = (lhs.strides, rhs.strides);
    let out = out.as_mut_ptr().cast::<f32>();
    // SAFETY: `Matrices::new` has checked that every element lies within its slice.
    let (lhs, rhs) =
        unsafe { (lhs.values.as_ptr().add(lhs.starts[i]), rhs.values.as_ptr().add(rhs.starts[i])) };
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if vectors == Vectors::Avx2
        && let Some(simd) = <V3 as MixedSimd<f32, f32, f32, f32>>::try_new()
    {
        // the kernels write down columns: the transposed product of the transposed matrices
        // SAFETY: as below; V3 is proof that the CPU has what the kernels need.
        unsafe {
            gemm_basic_generic::<
                V3,
                f32,
                8,
                { 8 * fma::MR_DIV_N },
                { fma::NR },
                { fma::MR_DIV_N },
                { fma::H_M },
                { fma::H_N },
            >(
                simd,
                n,
                m,
                k,
                out,
                n as isize,
                1,
                false,
                rhs,
                rhs_row,
                rhs_column,
                lhs,
                lhs_row,
                lhs_column,
                0.0,
                1.0,
                false,
                false,
                false,
                |a, b, c| a * b + c,
                &fma::UKR,
                &fma::H_UKR,
                false,
                parallelism,
            );
        }
        return;
    }
    // gemm itself takes AVX-512 where the CPU has it
    // SAFETY: the elements lie within their slices; `out` has m rows of n elements, which are not read, since `read_dst`
    // is false, and nobody else holds.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            n as isize,
            false,
            lhs,
            lhs_column,
            lhs_row,
            rhs,
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
    fn every_kind_of_vectors_multiplies_alike() {
        let (m, k, n) = (37, 65, 51);
        let values: Vec<f32> = (0..m * k + k * n).map(|i| (i as f32).sin()).collect();
        for transposed in [false, true] {
            let lhs = if transposed {
                Matrices::new(&values, vec![0], [m, k], [1, m as isize])
            } else {
                matrices(&values, &[0], [m, k])
            };
            let rhs = matrices(&values, &[m * k], [k, n]);
            let element = |matrices: &Matrices<'_>, row: usize, column: usize| {
                let at = row as isize * matrices.strides[0] + column as isize * matrices.strides[1];
                f64::from(values[matrices.starts[0] + at as usize])
            };
            for vectors in [Vectors::in_use(), Vectors::Avx2] {
                let found = products_by(vectors, &lhs, &rhs);
                for (i, &found) in found.iter().enumerate() {
                    let exact: f64 = (0..k)
                        .map(|inner| element(&lhs, i / n, inner) * element(&rhs, inner, i % n))
                        .sum();
                    // 65 terms of at most 1 in f32
                    assert!(
                        (f64::from(found) - exact).abs() < 65.0 * 65.0 * 6e-8,
                        "{vectors}, {i}"
                    );
                }
            }
        }
    }

    #[test]
    fn bits_are_those_of_one_product_however_it_is_shared() {
        let (m, k, n) = (67, 1111, 150);
        let values: Vec<f32> = (0..m * k + k * n).map(|i| (i as f32).sin()).collect();
        let lhs = Matrices::new(&values, vec![0], [m, k], [1, m as isize]);
        let rhs = matrices(&values, &[m * k], [k, n]);
        for vectors in [Vectors::in_use(), Vectors::Avx2] {
            let mut whole = Vec::with_capacity(m * n);
            let room = &mut whole.spare_capacity_mut()[..m * n];
            product(&lhs, &rhs, 0, room, (vectors, Parallelism::None));
            // SAFETY: the product has written all of `room`.
            unsafe { whole.set_len(m * n) };
            let bits = |x: &[f32]| x.iter().map(|x| x.to_bits()).collect::<Vec<_>>();
            assert_eq!(bits(&product_by_columns(vectors, &lhs, &rhs)), bits(&whole), "{vectors}");
        }
    }

    #[test]
    fn a_part_is_written_over_zeros() {
        let found = written(5, 2, |i, part| {
            assert!(part.iter().all(|&x| x == 0.0));
            part[0] = i as f32 + 1.0;
        });
        assert_eq!(found, [1.0, 0.0, 2.0, 0.0, 3.0]);
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
