//! Residual k-means: each level clusters what the levels before left unexplained.

use super::embedding::Embeddings;
use super::kmeans::{Kmeans, MAX_CODES};
use crate::error::{Error, Result};
use crate::random::{Purpose, stream};

/// One code per item and level, and the centroids behind the codes.
#[derive(Debug, Clone, PartialEq)]
pub struct ResidualKmeans {
    dim: usize,
    codes_per_level: Vec<usize>,
    centroids: Vec<Vec<f32>>,
    codes: Vec<u16>,
    reconstruction_errors: Vec<f64>,
}

impl ResidualKmeans {
    /// Fits one k-means per entry of `codes_per_level`, each to the residuals of the one before.
    ///
    /// ```text
    /// r_i0 = e_i        c_il = argmin_c |r_il - m_lc|        r_i(l+1) = r_il - m_l(c_il)
    /// ```
    ///
    /// Where a level has fewer distinct residuals than codes, it uses fewer codes. Equal seeds give equal codes
    /// for any number of threads.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if there is no level or a level has not 1 to 65536 codes.
    pub fn fit(
        embeddings: &Embeddings,
        codes_per_level: &[usize],
        iterations: usize,
        seed: u64,
    ) -> Result<Self> {
        check_codes(codes_per_level)?;
        let dim = embeddings.dim();
        let levels = codes_per_level.len();
        let mut fit = Self {
            dim,
            codes_per_level: codes_per_level.to_vec(),
            centroids: Vec::with_capacity(levels),
            codes: vec![0; embeddings.rows() * levels],
            reconstruction_errors: Vec::with_capacity(levels),
        };
        let mut residuals = embeddings.values().to_vec();
        let energy = sum_of_squares(&residuals);
        for (level, &n_codes) in codes_per_level.iter().enumerate() {
            let mut rng = stream(seed, Purpose::Centroids, level as u64);
            let found = Kmeans::fit(&residuals, dim, n_codes, iterations, &mut rng);
            for (i, residual) in residuals.chunks_exact_mut(dim).enumerate() {
                let code = found.codes[i];
                fit.codes[i * levels + level] = code;
                subtract(residual, &found.centroids[usize::from(code) * dim..][..dim]);
            }
            fit.centroids.push(found.centroids);
            let left = sum_of_squares(&residuals);
            fit.reconstruction_errors.push(if energy > 0.0 { left / energy } else { 0.0 });
        }
        Ok(fit)
    }

    /// The number of codes of each level, used or not.
    #[must_use]
    pub fn codes_per_level(&self) -> &[usize] {
        &self.codes_per_level
    }

    /// The width of the embeddings.
    #[must_use]
    pub fn dim(&self) -> usize {
        self.dim
    }

    /// The codes of all items, one item after the other.
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
    pub fn centroid(&self, level: usize, code: u16) -> Option<&[f32]> {
        let start = usize::from(code) * self.dim;
        self.centroids[level].get(start..start + self.dim)
    }

    /// What is left of the embeddings after each level, relative to all of it.
    ///
    /// ```text
    /// sum_i |r_i(l+1)|^2 / sum_i |e_i|^2
    /// ```
    ///
    /// 0 if all embeddings are zero.
    #[must_use]
    pub fn reconstruction_errors(&self) -> &[f64] {
        &self.reconstruction_errors
    }
}

pub(super) fn check_codes(codes_per_level: &[usize]) -> Result<()> {
    if codes_per_level.is_empty() {
        return Err(Error::setting("tokenizer.levels", "0 levels", "set at least 1; 3 is usual"));
    }
    match codes_per_level.iter().find(|&n| !(1..=MAX_CODES).contains(n)) {
        None => Ok(()),
        Some(n) => Err(Error::setting(
            "tokenizer.codes",
            format!("{n} codes in a level"),
            format!("set 1 to {MAX_CODES}; 256 is usual"),
        )),
    }
}

fn sum_of_squares(values: &[f32]) -> f64 {
    values.iter().map(|&x| f64::from(x) * f64::from(x)).sum()
}

pub(super) fn subtract(residual: &mut [f32], centroid: &[f32]) {
    residual.iter_mut().zip(centroid).for_each(|(x, c)| *x -= c);
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::sid::read_embeddings;
    use rand::RngExt;
    use std::path::Path;
    use std::time::Instant;

    pub(in crate::sid) fn random_embeddings(n: usize, dim: usize, seed: u64) -> Embeddings {
        let mut rng = stream(seed, Purpose::Catalogue, 0);
        let values = (0..n * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
        Embeddings::new(dim, values).unwrap()
    }

    /// The embeddings of Amazon Beauty in the folder that `RECAST_DATA` names, or a message that they are missing.
    pub(in crate::sid) fn beauty() -> Option<Embeddings> {
        let folder = std::env::var_os("RECAST_DATA").unwrap_or_default();
        let path = Path::new(&folder).join("beauty/embeddings.minilm384.f16.npy");
        if !path.exists() {
            eprintln!("skipped: {} is not here; set RECAST_DATA", path.display());
            return None;
        }
        Some(read_embeddings(&path).unwrap())
    }

    #[test]
    fn the_error_falls_with_every_level() {
        for seed in 0..5 {
            let fit = ResidualKmeans::fit(&random_embeddings(200, 6, seed), &[8, 8, 8], 10, seed)
                .unwrap();
            let errors = fit.reconstruction_errors();
            assert!(errors[0] < 1.0 && errors[1] < errors[0] && errors[2] < errors[1]);
        }
    }

    #[test]
    fn the_last_error_is_that_of_the_summed_centroids() {
        let embeddings = random_embeddings(100, 4, 1);
        let fit = ResidualKmeans::fit(&embeddings, &[4, 6], 10, 1).unwrap();
        let (mut left, mut all) = (0.0, 0.0);
        for i in 0..100 {
            let mut residual = embeddings.row(i).to_vec();
            all += sum_of_squares(&residual);
            for level in 0..2 {
                subtract(&mut residual, fit.centroid(level, fit.codes()[i * 2 + level]).unwrap());
            }
            left += sum_of_squares(&residual);
        }
        assert!((fit.reconstruction_errors()[1] - left / all).abs() < 1e-9);
    }

    #[test]
    fn equal_seeds_give_equal_codes_with_one_thread_or_two() {
        let embeddings = random_embeddings(500, 12, 3);
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| ResidualKmeans::fit(&embeddings, &[16, 16], 8, 9).unwrap())
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    fn equal_rows_and_zeros_do_not_fail() {
        let fit = ResidualKmeans::fit(&Embeddings::new(2, vec![0.0; 8]).unwrap(), &[4, 4], 5, 0);
        let fit = fit.unwrap();
        assert_eq!(fit.codes(), [0; 8]);
        assert_eq!(fit.centroid(0, 1), None);
        assert!(fit.reconstruction_errors().iter().all(|e| e.abs() < 1e-12));
    }

    #[test]
    fn bad_settings_are_named() {
        let embeddings = random_embeddings(3, 2, 0);
        let message = |codes: &[usize]| {
            ResidualKmeans::fit(&embeddings, codes, 5, 0).unwrap_err().to_string()
        };
        assert!(message(&[]).contains("'tokenizer.levels': 0 levels"));
        assert!(message(&[4, 0]).contains("'tokenizer.codes': 0 codes"));
        assert!(message(&[65537]).contains("65537 codes"));
    }

    #[test]
    fn beauty_gets_as_many_distinct_sids_as_the_reference() {
        let Some(embeddings) = beauty() else { return };
        assert_eq!(embeddings.rows(), 12_101);
        let start = Instant::now();
        let fit = ResidualKmeans::fit(&embeddings, &[256; 3], 15, 0).unwrap();
        let seconds = start.elapsed().as_secs_f64();
        let mut sids: Vec<&[u16]> = fit.codes().chunks_exact(3).collect();
        sids.sort_unstable();
        sids.dedup();
        eprintln!(
            "{} distinct SIDs in {seconds:.2} s, errors {:.4?}",
            sids.len(),
            fit.reconstruction_errors()
        );
        // Plain RQ-k-means in numpy: 10,550.
        assert!(sids.len() > 10_300, "{} distinct SIDs", sids.len());
    }
}
