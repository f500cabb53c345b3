//! From embeddings to semantic IDs: quantisers, collisions, and the quality of the table.

mod assignment;
mod capacity;
mod collision;
mod comparison;
mod kmeans;
mod neighbourhood;
mod options;
mod report;
mod residual;
mod residual_kmeans;
mod rq_vae;

pub use collision::Collisions;
pub use comparison::{ComparedTable, TokenizerComparison};
pub use kmeans::KmeansOptions;
pub(crate) use options::MAX_LEVELS;
pub use options::{Codes, Method, TokenizerOptions};
pub use residual::Quantised;
pub use residual_kmeans::residual_kmeans;
pub use rq_vae::{Journal, RqVaeOptions, rq_vae};

use burn::tensor::Device;

use crate::catalogue::SidTable;
use crate::embedding::Embeddings;
use crate::error::Result;
use crate::event::Monitor;
pub use crate::event::{LevelReport, Neighbourhood, SharedPrefix, TokenizerReport};
use crate::optim::Stage;

/// Gives every item a SID, and reports the quality of the SIDs.
///
/// The training of an autoencoder keeps its checkpoints in `stage`, if there is one, and resumes
/// them.
///
/// # Errors
///
/// [`Error::Setting`](crate::Error::Setting) if the options do not pass
/// [`TokenizerOptions::check`]. [`Error::Data`](crate::Error::Data) if collisions cannot be
/// resolved. [`Error::Interrupted`](crate::Error::Interrupted) after the user asked to stop. The
/// training of an autoencoder adds the errors of [`rq_vae()`].
pub(crate) fn tokenize(
    embeddings: &Embeddings,
    options: &TokenizerOptions,
    seed: u64,
    device: &Device,
    stage: Option<&Stage>,
    monitor: &Monitor,
) -> Result<(SidTable, TokenizerReport)> {
    options.check()?;
    let codes = options.codes_per_level();
    let kmeans = options.kmeans();
    let (fit, latents) = match options.method {
        Method::Kmeans | Method::BalancedKmeans => {
            (residual_kmeans(embeddings, &codes, kmeans, seed, monitor)?, None)
        }
        Method::RqVae => {
            let (fit, latents) = rq_vae(
                embeddings,
                &codes,
                &options.rq_vae,
                kmeans,
                seed,
                device,
                Journal { stage, monitor },
            )?;
            (fit, Some(latents))
        }
    };
    let vectors = latents.as_ref().unwrap_or(embeddings);
    let before = Collisions::Keep.resolve(&fit, vectors)?;
    let after = options.collisions.resolve(&fit, vectors)?;
    let neighbourhood = Neighbourhood::new(&after, embeddings, seed, monitor)?;
    let report =
        TokenizerReport::new(&before, &after, fit.reconstruction_errors(), Some(neighbourhood));
    Ok((after, report))
}

#[cfg(test)]
mod tests {
    use super::*;
    use recast_burn::DeviceKind;

    fn run(embeddings: &Embeddings, options: &TokenizerOptions) -> (SidTable, TokenizerReport) {
        let device = DeviceKind::Cpu.device();
        tokenize(embeddings, options, 11, &device, None, &Monitor::silent()).unwrap()
    }

    #[test]
    fn equal_seeds_give_equal_tables_with_one_thread_or_two() {
        let embeddings = residual_kmeans::tests::random_embeddings(300, 8, 2);
        for method in [Method::Kmeans, Method::BalancedKmeans] {
            let options =
                TokenizerOptions { method, codes: Codes::Each(8), ..TokenizerOptions::default() };
            let with = |threads| {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| run(&embeddings, &options))
            };
            assert_eq!(with(1), with(2));
        }
    }

    #[test]
    fn every_method_tells_items_apart_and_levels_may_differ() {
        let embeddings = residual_kmeans::tests::random_embeddings(200, 8, 2);
        let rq_vae = RqVaeOptions { hidden: vec![16], epochs: 5, ..RqVaeOptions::default() };
        for method in [Method::Kmeans, Method::BalancedKmeans, Method::RqVae] {
            let options = TokenizerOptions {
                method,
                levels: 2,
                codes: Codes::PerLevel(vec![8, 32]),
                collisions: Collisions::NearestFree,
                rq_vae: rq_vae.clone(),
                ..TokenizerOptions::default()
            };
            let (table, report) = run(&embeddings, &options);
            assert_eq!(table.codes_per_level(), [8, 32]);
            assert_eq!((table.n_distinct(), report.distinct_after), (200, 200), "{method:?}");
        }
    }

    #[test]
    fn beauty_is_told_apart_by_every_way_of_resolving_collisions() {
        let Some(embeddings) = residual_kmeans::tests::beauty() else { return };
        for collisions in [Collisions::ExtraLevel, Collisions::NearestFree] {
            let options = TokenizerOptions { collisions, iterations: 5, ..Default::default() };
            let (table, report) = run(&embeddings, &options);
            eprintln!("{collisions:?}\n{report}");
            assert_eq!(table.n_distinct(), 12_101);
            assert_eq!(crate::catalogue::Trie::new(&table).levels(), table.levels());
        }
    }

    #[test]
    fn balanced_codes_of_beauty_are_used_more_evenly() {
        let Some(embeddings) = residual_kmeans::tests::beauty() else { return };
        let report = |method| {
            let options = TokenizerOptions { method, ..TokenizerOptions::default() };
            let (_, report) = run(&embeddings, &options);
            eprintln!("{method:?}\n{report}");
            report
        };
        let (plain, balanced) = (report(Method::Kmeans), report(Method::BalancedKmeans));
        for (plain, balanced) in plain.levels.iter().zip(&balanced.levels).take(3) {
            assert_eq!(balanced.used, 256);
            assert!(balanced.perplexity > 250.0 && balanced.perplexity > plain.perplexity + 40.0);
        }
        assert!(balanced.distinct_before > plain.distinct_before + 300);
        assert_eq!(balanced.distinct_after, 12_101);
    }
}
