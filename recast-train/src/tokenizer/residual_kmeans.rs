//! Residual k-means: each level clusters the residuals of the levels before.

use super::kmeans::{Kmeans, KmeansOptions};
use super::options::check_codes;
use super::residual::{Quantised, Residuals};
use crate::embedding::Embeddings;
use crate::error::Result;
use crate::event::Monitor;
use crate::random::{Purpose, stream};

/// Fits one k-means per entry of `codes_per_level`, each to the residuals of the one before.
///
/// ```text
/// r_i0 = e_i        c_il = argmin_c |r_il - m_lc|        r_i(l+1) = r_il - m_l(c_il)
/// ```
///
/// A level with fewer distinct residuals than codes uses fewer codes. In a balanced fit no code
/// takes more than its share of the items (see [`KmeansOptions::balanced`]). Equal seeds give equal
/// codes for any number of threads.
///
/// `O(items * codes * D)` time a round and level. Residuals are computed when asked for. Memory
/// beside the embeddings holds the codebooks, a few numbers an item, and 16 residuals a code while
/// a level is seeded.
///
/// # Errors
///
/// [`Error::Setting`](crate::Error::Setting) if there is no level or a level has not 1 to 65536
/// codes. [`Error::Interrupted`](crate::Error::Interrupted) after the user asked to stop.
pub fn residual_kmeans(
    embeddings: &Embeddings,
    codes_per_level: &[usize],
    options: KmeansOptions,
    seed: u64,
    monitor: &Monitor,
) -> Result<Quantised> {
    check_codes(codes_per_level)?;
    let (items, dim, levels) = (embeddings.rows(), embeddings.dim(), codes_per_level.len());
    let work: usize = codes_per_level.iter().map(|&n| options.assignments(n, items)).sum();
    let progress = monitor.progress("tokenize", work as u64);

    let energy = Residuals::of(embeddings).sum_of_squares();
    let mut codebooks: Vec<Vec<f32>> = Vec::with_capacity(levels);
    let mut codes = vec![0; items * levels];
    let mut reconstruction_errors = Vec::with_capacity(levels);
    for (level, &n_codes) in codes_per_level.iter().enumerate() {
        progress.note(&format!("level {} of {levels}", level + 1));
        let mut rng = stream(seed, Purpose::Centroids, level as u64);
        let residuals = Residuals::after(embeddings, &codebooks, &codes, levels);
        let found = Kmeans::fit(residuals, n_codes, options, &mut rng, &progress)?;
        for (sid, code) in codes.chunks_exact_mut(levels).zip(found.codes) {
            sid[level] = code;
        }
        codebooks.push(found.centroids);
        let left = Residuals::after(embeddings, &codebooks, &codes, levels).sum_of_squares();
        reconstruction_errors.push(if energy > 0.0 { left / energy } else { 0.0 });
    }
    progress.finish();
    let codes_per_level = codes_per_level.to_vec();
    Ok(Quantised { dim, codes_per_level, codebooks, codes, reconstruction_errors })
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::embedding::read_embeddings;
    use crate::tokenizer::residual::subtract;
    use rand::RngExt;
    use std::path::Path;
    use std::time::Instant;

    pub(in crate::tokenizer) fn random_embeddings(n: usize, dim: usize, seed: u64) -> Embeddings {
        let mut rng = stream(seed, Purpose::Catalogue, 0);
        let values = (0..n * dim).map(|_| rng.random_range(-1.0..1.0)).collect();
        Embeddings::new(dim, values).unwrap()
    }

    /// The embeddings of Amazon Beauty in the folder that `RECAST_DATA` names, or a message that
    /// they are missing.
    pub(in crate::tokenizer) fn beauty() -> Option<Embeddings> {
        let folder = std::env::var_os("RECAST_DATA").unwrap_or_default();
        let path = Path::new(&folder).join("beauty/embeddings.minilm384.f16.npy");
        if !path.exists() {
            eprintln!("skipped: {} is not here; set RECAST_DATA", path.display());
            return None;
        }
        Some(read_embeddings(&path).unwrap())
    }

    /// Plain residual k-means of ten rounds.
    pub(in crate::tokenizer) fn fit(
        embeddings: &Embeddings,
        codes: &[usize],
        seed: u64,
    ) -> Quantised {
        residual_kmeans(embeddings, codes, PLAIN, seed, &Monitor::silent()).unwrap()
    }

    const PLAIN: KmeansOptions =
        KmeansOptions { iterations: 10, balanced: false, sample_per_code: 0 };

    #[test]
    fn the_error_falls_with_every_level() {
        for seed in 0..5 {
            let fit = fit(&random_embeddings(200, 6, seed), &[8, 8, 8], seed);
            let errors = fit.reconstruction_errors();
            assert!(errors[0] < 1.0 && errors[1] < errors[0] && errors[2] < errors[1]);
        }
    }

    #[test]
    fn the_last_error_is_that_of_the_summed_centroids() {
        let embeddings = random_embeddings(100, 4, 1);
        let fit = fit(&embeddings, &[4, 6], 1);
        let sum_of_squares =
            |row: &[f32]| row.iter().map(|&x| f64::from(x) * f64::from(x)).sum::<f64>();
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
        for balanced in [false, true] {
            let options = KmeansOptions { balanced, sample_per_code: 20, ..PLAIN };
            let run = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                let monitor = Monitor::silent();
                pool.install(|| {
                    residual_kmeans(&embeddings, &[16, 16], options, 9, &monitor).unwrap()
                })
            };
            assert_eq!(run(1), run(2));
        }
    }

    #[test]
    fn equal_rows_and_zeros_do_not_fail() {
        let zeros = Embeddings::new(2, vec![0.0; 8]).unwrap();
        for balanced in [false, true] {
            let options = KmeansOptions { balanced, ..PLAIN };
            let fit = residual_kmeans(&zeros, &[4, 4], options, 0, &Monitor::silent()).unwrap();
            assert_eq!(fit.codes(), [0; 8]);
            assert_eq!(fit.centroid(0, 1), None);
            assert!(fit.reconstruction_errors().iter().all(|e| e.abs() < 1e-12));
        }
    }

    #[test]
    fn bad_settings_are_named() {
        let embeddings = random_embeddings(3, 2, 0);
        let message = |codes: &[usize]| {
            let fit = residual_kmeans(&embeddings, codes, PLAIN, 0, &Monitor::silent());
            fit.unwrap_err().to_string()
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
        let options = KmeansOptions { iterations: 15, ..PLAIN };
        let fit = residual_kmeans(&embeddings, &[256; 3], options, 0, &Monitor::silent()).unwrap();
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
