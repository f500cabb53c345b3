//! Matrix products of f32 slices, each written into new memory once.
//!
//! burn's own product on this backend zeroes its result, copies the result to other memory and only
//! then writes the product. With the narrow matrices of a small decoder, these passes take a third
//! of the product's time. No other file has unsafe code.
#![expect(unsafe_code, reason = "the crate gemm takes pointers")]

use std::mem::MaybeUninit;
use std::ops::Range;

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

#[cfg(test)]
mod tests;

/// Multiplications from which threads share one product.
const SHARED: usize = 1 << 22;

/// Rows of gemm's kernel for AVX2.
#[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
const AVX2_ROWS: usize = 8 * fma::MR_DIV_N;

/// Columns of a task that makes some of one product.
const COLUMNS: usize = 64;

/// Multiplications of a task that makes several products.
const GRAIN: usize = 1 << 16;

/// Matrices of one shape and layout within a slice.
#[derive(Debug)]
pub(super) struct Matrices<'a> {
    values: &'a [f32],
    /// The start of each matrix in the slice.
    starts: Vec<usize>,
    /// Rows and columns.
    dims: [usize; 2],
    /// The distance between rows, and between columns.
    strides: [isize; 2],
}

impl<'a> Matrices<'a> {
    /// # Panics
    ///
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

    /// Some rows of the first matrix.
    pub(super) fn rows(&self, rows: Range<usize>) -> Self {
        self.cut(0, rows)
    }

    /// Some rows or columns of the first matrix.
    fn cut(&self, dim: usize, range: Range<usize>) -> Self {
        let start = self.starts[0] as isize + range.start as isize * self.strides[dim];
        let mut dims = self.dims;
        dims[dim] = range.len();
        Self::new(self.values, vec![start as usize], dims, self.strides)
    }
}

/// New rows of several widths, in tiles of `tile` rows. `write` gets a tile's item of `given`, and
/// zeroed rows.
///
/// The task of a tile writes its zeros, so that these are in the task's cache.
///
/// # Panics
///
/// If the number of items is not the number of tiles.
pub(super) fn written<T: Send, const N: usize>(
    (rows, tile): (usize, usize),
    widths: [usize; N],
    given: impl IndexedParallelIterator<Item = T>,
    write: impl Fn(T, [&mut [f32]; N]) + Sync,
) -> [Vec<f32>; N] {
    let tiles = rows.div_ceil(tile);
    assert_eq!(given.len(), tiles, "one item for each tile");
    let mut out = widths.map(|width| Vec::<f32>::with_capacity(rows * width));
    let mut rest = out.each_mut().map(Vec::spare_capacity_mut);
    let rooms: Vec<[&mut [MaybeUninit<f32>]; N]> = (0..tiles)
        .map(|i| {
            let rows = tile.min(rows - i * tile);
            let mut lengths = widths.iter().map(|width| rows * width);
            rest.each_mut().map(|rest| {
                let length = lengths.next().unwrap_or_default();
                let (room, left) = std::mem::take(rest).split_at_mut(length);
                *rest = left;
                room
            })
        })
        .collect();
    rooms.into_par_iter().zip(given).for_each(|(rooms, given)| {
        let parts = rooms.map(|room| {
            for number in &mut *room {
                number.write(0.0);
            }
            // SAFETY: each number has just been written.
            unsafe { room.assume_init_mut() }
        });
        write(given, parts);
    });
    for (out, width) in out.iter_mut().zip(widths) {
        // SAFETY: the tiles make up all rows, and each has been written.
        unsafe { out.set_len(rows * width) };
    }
    out
}

/// The product of each pair of matrices: rows in sequence, products in sequence.
///
/// # Panics
///
/// If the matrices do not fit, or their numbers differ.
pub(super) fn products(lhs: &Matrices<'_>, rhs: &Matrices<'_>) -> Vec<f32> {
    let vectors = Vectors::in_use();
    let ([m, k], [inner, n]) = (lhs.dims, rhs.dims);
    assert_eq!(k, inner, "as many columns as the other has rows");
    assert_eq!(lhs.starts.len(), rhs.starts.len(), "as many matrices on either side");
    let (count, size) = (lhs.starts.len(), m * n);
    if k == 0 || size == 0 {
        return vec![0.0; count * size];
    }
    let work = size * k;
    if count == 1 && work >= SHARED {
        return if by_columns(m, k, n) {
            product_by_columns(lhs, rhs, vectors)
        } else {
            one_product(lhs, rhs, (vectors, Parallelism::Rayon(0)))
        };
    }
    if count == 1 {
        return one_product(lhs, rhs, (vectors, Parallelism::None));
    }
    let mut out = Vec::with_capacity(count * size);
    let room = &mut out.spare_capacity_mut()[..count * size];
    let chunks = room.par_chunks_mut(size).enumerate().with_min_len(GRAIN.div_ceil(work));
    chunks.for_each(|(i, out)| {
        let out = out.as_mut_ptr().cast();
        // SAFETY: each chunk is room for m rows of n elements.
        unsafe { product(lhs, rhs, i, (out, n, false), (vectors, Parallelism::None)) };
    });
    // SAFETY: the chunks make up all of `room`, and each product has written all of its chunk.
    unsafe { out.set_len(count * size) };
    out
}

/// The product of the first matrices, which are not empty.
fn one_product(lhs: &Matrices<'_>, rhs: &Matrices<'_>, way: (Vectors, Parallelism)) -> Vec<f32> {
    let ([m, _], [_, n]) = (lhs.dims, rhs.dims);
    let mut out = Vec::<f32>::with_capacity(m * n);
    // SAFETY: there is room for m rows of n elements, and the product has written all.
    unsafe {
        product(lhs, rhs, 0, (out.as_mut_ptr(), n, false), way);
        out.set_len(m * n);
    }
    out
}

/// Whether threads share a product by columns. In gemm's way each thread copies all of the longer
/// matrix.
///
/// A weight's gradient is such a product, a sum over all tokens. With at most [`COLUMNS`] rows,
/// gemm would split that sum at other places and give other bits.
fn by_columns(m: usize, k: usize, n: usize) -> bool {
    m > COLUMNS && k >= 4 * m.max(n) && n / COLUMNS >= rayon::current_num_threads().max(2)
}

/// The product of the first matrices; each task makes some columns.
fn product_by_columns(lhs: &Matrices<'_>, rhs: &Matrices<'_>, vectors: Vectors) -> Vec<f32> {
    let ([m, _], [_, n]) = (lhs.dims, rhs.dims);
    let blocks = n / COLUMNS;
    let made: Vec<Vec<f32>> = (0..blocks)
        .into_par_iter()
        .map(|i| {
            let last = if i + 1 == blocks { n } else { (i + 1) * COLUMNS };
            one_product(lhs, &rhs.cut(1, i * COLUMNS..last), (vectors, Parallelism::None))
        })
        .collect();
    let mut out = Vec::with_capacity(m * n);
    for row in 0..m {
        for part in &made {
            let width = part.len() / m;
            out.extend_from_slice(&part[row * width..][..width]);
        }
    }
    out
}

/// Writes the product of the first matrices to the first columns of rows of `stride` elements, or
/// adds the product to these.
///
/// # Panics
///
/// If the matrices do not fit, or their product does not fit `out`.
pub(super) fn product_into(
    lhs: &Matrices<'_>,
    rhs: &Matrices<'_>,
    (out, stride, add): (&mut [f32], usize, bool),
) {
    let ([m, k], [inner, n]) = (lhs.dims, rhs.dims);
    assert_eq!(k, inner, "as many columns as the other has rows");
    if m == 0 || n == 0 {
        return;
    }
    assert!(n <= stride && (m - 1) * stride + n <= out.len(), "room for the product");
    let way = (Vectors::in_use(), Parallelism::None);
    // SAFETY: the rows lie within `out`, whose elements are numbers.
    unsafe { product(lhs, rhs, 0, (out.as_mut_ptr(), stride, add), way) };
}

/// Writes the product of the `i`-th matrices to rows of `stride` elements at `out`, or adds the
/// product to these.
///
/// # Safety
///
/// The memory at `out` has room for these rows and no other holder; with `add` it holds numbers.
unsafe fn product(
    lhs: &Matrices<'_>,
    rhs: &Matrices<'_>,
    i: usize,
    (out, stride, add): (*mut f32, usize, bool),
    (vectors, parallelism): (Vectors, Parallelism),
) {
    let ([m, k], [_, n]) = (lhs.dims, rhs.dims);
    let ([lhs_row, lhs_column], [rhs_row, rhs_column]) = (lhs.strides, rhs.strides);
    let (row, keep) = (stride as isize, if add { 1.0 } else { 0.0 });
    // SAFETY: `Matrices::new` has checked that every element lies within its slice.
    let (lhs, rhs) =
        unsafe { (lhs.values.as_ptr().add(lhs.starts[i]), rhs.values.as_ptr().add(rhs.starts[i])) };
    #[cfg(any(target_arch = "x86", target_arch = "x86_64"))]
    if vectors == Vectors::Avx2
        && let Some(simd) = <V3 as MixedSimd<f32, f32, f32, f32>>::try_new()
    {
        // the kernels write down columns, so they make the transposed product
        // SAFETY: as below; `simd` is the proof that the CPU has what the kernels need.
        unsafe {
            gemm_basic_generic::<
                V3,
                f32,
                8,
                AVX2_ROWS,
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
                row,
                1,
                add,
                rhs,
                rhs_row,
                rhs_column,
                lhs,
                lhs_row,
                lhs_column,
                keep,
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
    // SAFETY: the elements lie within their slices, and the rows at `out` where the caller says;
    // the rows are read only if `add`. gemm itself takes AVX-512 on a CPU that has it.
    unsafe {
        gemm::gemm(
            m,
            n,
            k,
            out,
            1,
            row,
            add,
            lhs,
            lhs_column,
            lhs_row,
            rhs,
            rhs_column,
            rhs_row,
            keep,
            1.0,
            false,
            false,
            false,
            parallelism,
        );
    }
}
