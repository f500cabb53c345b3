//! The codes of a residual quantiser, and the residuals that its levels leave of vectors.

use std::ops::Range;

use recast_burn::vectors::dispatch;

use crate::embedding::Embeddings;

/// One code per vector and level, and the codebooks behind the codes.
#[derive(Debug, Clone, PartialEq)]
pub struct Quantised {
    pub(super) dim: usize,
    pub(super) codes_per_level: Vec<usize>,
    /// The codebook of each level, its centroids as rows. Rows are fewer than codes if fewer
    /// residuals were distinct.
    pub(super) codebooks: Vec<Vec<f32>>,
    /// The codes, one vector after the other, L codes each.
    pub(super) codes: Vec<u16>,
    pub(super) reconstruction_errors: Vec<f64>,
}

impl Quantised {
    /// The number of codes of each level, used or not.
    #[must_use]
    pub fn codes_per_level(&self) -> &[usize] {
        &self.codes_per_level
    }

    /// The width of the vectors.
    #[must_use]
    pub(crate) fn dim(&self) -> usize {
        self.dim
    }

    /// The codes of all vectors, one vector after the other.
    #[must_use]
    pub fn codes(&self) -> &[u16] {
        &self.codes
    }

    /// The centroid of a code; `None` if the level had fewer distinct residuals than codes.
    ///
    /// # Panics
    ///
    /// If there is no such level.
    #[must_use]
    pub(crate) fn centroid(&self, level: usize, code: u16) -> Option<&[f32]> {
        let start = usize::from(code) * self.dim;
        self.codebooks[level].get(start..start + self.dim)
    }

    /// The reconstruction error after each level, relative to the embeddings' squared length.
    ///
    /// ```text
    /// sum_i |e_i - ê_il|^2 / sum_i |e_i|^2    ê_il: the embedding that the first l codes stand for
    /// ```
    ///
    /// 0 if all embeddings are zero.
    #[must_use]
    pub fn reconstruction_errors(&self) -> &[f64] {
        &self.reconstruction_errors
    }
}

/// The residuals of vectors after the first levels of a residual quantiser.
///
/// ```text
/// r_i = x_i - m_1(c_i1) - m_2(c_i2) - ..
/// ```
///
/// Rows are computed when asked for, in `O(levels * D)` each: nothing of the size of the vectors is
/// kept.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Residuals<'a> {
    vectors: &'a Embeddings,
    /// The codebooks of the levels before.
    codebooks: &'a [Vec<f32>],
    /// The codes of all levels, also of those to come: `levels` a vector.
    codes: &'a [u16],
    levels: usize,
    /// The vectors that count as rows; `None` means all.
    chosen: Option<&'a [u32]>,
}

impl<'a> Residuals<'a> {
    /// The residuals before the first level: the vectors themselves.
    #[must_use]
    pub(crate) fn of(vectors: &'a Embeddings) -> Self {
        Self { vectors, codebooks: &[], codes: &[], levels: 0, chosen: None }
    }

    /// The residuals after `codebooks`. Every vector has `levels` codes, the first ones for these
    /// codebooks.
    pub(super) fn after(
        vectors: &'a Embeddings,
        codebooks: &'a [Vec<f32>],
        codes: &'a [u16],
        levels: usize,
    ) -> Self {
        Self { vectors, codebooks, codes, levels, chosen: None }
    }

    /// The same residuals, of the vectors `chosen` alone.
    pub(super) fn chosen(self, chosen: &'a [u32]) -> Self {
        Self { chosen: Some(chosen), ..self }
    }

    pub(super) fn rows(&self) -> usize {
        self.chosen.map_or(self.vectors.rows(), <[u32]>::len)
    }

    pub(super) fn dim(&self) -> usize {
        self.vectors.dim()
    }

    /// Appends one row.
    #[inline(always)]
    pub(super) fn append(&self, row: usize, into: &mut Vec<f32>) {
        let i = self.chosen.map_or(row, |chosen| chosen[row] as usize);
        let start = into.len();
        into.extend_from_slice(self.vectors.row(i));
        let dim = self.dim();
        for (codebook, &code) in self.codebooks.iter().zip(&self.codes[i * self.levels..]) {
            subtract(&mut into[start..], &codebook[usize::from(code) * dim..][..dim]);
        }
    }

    /// Some rows one after the other, written to `buffer` unless the rows stand in this order in
    /// memory.
    pub(super) fn block<'b>(&'b self, rows: Range<usize>, buffer: &'b mut Vec<f32>) -> &'b [f32] {
        if self.codebooks.is_empty() && self.chosen.is_none() {
            return &self.vectors.values()[rows.start * self.dim()..rows.end * self.dim()];
        }
        buffer.clear();
        dispatch(
            #[inline(always)]
            || rows.for_each(|row| self.append(row, buffer)),
        );
        buffer
    }

    /// The sum of all squared values, in the order of the rows.
    pub(super) fn sum_of_squares(&self) -> f64 {
        let mut row = Vec::with_capacity(self.dim());
        (0..self.rows()).fold(0.0, |sum, i| {
            row.clear();
            self.append(i, &mut row);
            row.iter().fold(sum, |sum, &x| sum + f64::from(x) * f64::from(x))
        })
    }
}

#[inline(always)]
pub(super) fn subtract(residual: &mut [f32], centroid: &[f32]) {
    residual.iter_mut().zip(centroid).for_each(|(x, c)| *x -= c);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_what_the_levels_leave() {
        let vectors = Embeddings::new(2, vec![1.0, 2.0, 3.0, 4.0, 5.0, 6.0]).unwrap();
        let codebooks = [vec![0.5, 0.5, 1.0, -1.0], vec![0.0, 0.25]];
        let codes = [0, 0, 9, 1, 0, 9, 1, 0, 9];
        let all = Residuals::after(&vectors, &codebooks, &codes, 3);
        let mut buffer = Vec::new();
        assert_eq!(all.block(0..3, &mut buffer), [0.5, 1.25, 2.0, 4.75, 4.0, 6.75]);
        assert_eq!(all.chosen(&[2, 0]).block(0..2, &mut buffer), [4.0, 6.75, 0.5, 1.25]);
        assert_eq!(Residuals::of(&vectors).block(1..3, &mut buffer), [3.0, 4.0, 5.0, 6.0]);
        assert_eq!((all.rows(), all.chosen(&[2]).rows(), all.dim()), (3, 1, 2));
        assert!((all.chosen(&[0]).sum_of_squares() - (0.25 + 1.5625)).abs() < 1e-12);
    }
}
