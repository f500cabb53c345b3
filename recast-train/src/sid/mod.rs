//! From items to semantic IDs: embeddings, residual k-means, the SID table and its trie.

mod collision;
mod cooccurrence;
mod embedding;
mod from_data;
mod kmeans;
mod report;
mod residual;
mod sparse;
mod svd;
mod table;
mod text;
mod trie;

pub use collision::Collisions;
pub use cooccurrence::positive_mutual_information;
pub use embedding::{Embeddings, read_embeddings};
pub use kmeans::{Kmeans, MAX_CODES};
pub use report::{LevelReport, TokenizerReport};
pub use residual::ResidualKmeans;
pub use sparse::SparseMatrix;
pub use svd::{TruncatedSvd, truncated_svd};
pub use table::SidTable;
pub use text::tf_idf;
pub use trie::{Node, Trie};

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};

/// How embeddings become SIDs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct TokenizerOptions {
    /// The levels of residual k-means; `extra_level` adds one more to the table.
    pub levels: usize,
    /// The codes of each of these levels.
    pub codes: usize,
    /// The most rounds of k-means at each level.
    pub iterations: usize,
    /// What to do with items that share a SID.
    pub collisions: Collisions,
    /// The table of another program, taken as it is: the settings above then mean nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<PathBuf>,
}

impl Default for TokenizerOptions {
    fn default() -> Self {
        Self {
            levels: 3,
            codes: 256,
            iterations: 20,
            collisions: Collisions::default(),
            table: None,
        }
    }
}

/// The most levels of a SID: more would name any catalogue many times over.
const MAX_LEVELS: usize = 16;

impl TokenizerOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// If there is no level or there are more than 16, or a level has not 1 to 65536 codes.
    pub fn check(&self) -> Result<()> {
        if self.levels > MAX_LEVELS {
            let problem = format!("{} levels", self.levels);
            let hint = format!("set 1 to {MAX_LEVELS}; 3 is usual");
            return Err(Error::setting("tokenizer.levels", problem, hint));
        }
        residual::check_codes(&self.codes_per_level())
    }

    fn codes_per_level(&self) -> Vec<usize> {
        vec![self.codes; self.levels]
    }
}

/// Gives every item a SID, and reports how well.
///
/// # Errors
///
/// [`Error::Setting`] if the options do not pass [`TokenizerOptions::check`]; [`Error::Data`] if collisions cannot
/// be resolved.
pub fn tokenize(
    embeddings: &Embeddings,
    options: &TokenizerOptions,
    seed: u64,
) -> Result<(SidTable, TokenizerReport)> {
    options.check()?;
    let fit =
        ResidualKmeans::fit(embeddings, &options.codes_per_level(), options.iterations, seed)?;
    let before = Collisions::Keep.resolve(&fit, embeddings)?;
    let after = options.collisions.resolve(&fit, embeddings)?;
    let report = TokenizerReport::new(&before, &after, fit.reconstruction_errors());
    Ok((after, report))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_seeds_give_equal_tables_with_one_thread_or_two() {
        let embeddings = residual::tests::random_embeddings(300, 8, 2);
        let options = TokenizerOptions { codes: 8, ..TokenizerOptions::default() };
        let run = |threads| {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            pool.install(|| tokenize(&embeddings, &options, 11).unwrap())
        };
        assert_eq!(run(1), run(2));
    }

    #[test]
    fn beauty_is_told_apart_by_every_way_of_resolving_collisions() {
        let Some(embeddings) = residual::tests::beauty() else { return };
        for collisions in [Collisions::ExtraLevel, Collisions::NearestFree] {
            let options = TokenizerOptions { collisions, iterations: 5, ..Default::default() };
            let (table, report) = tokenize(&embeddings, &options, 0).unwrap();
            eprintln!("{collisions:?}\n{report}");
            assert_eq!(table.n_distinct(), 12_101);
            assert_eq!(Trie::new(&table).levels(), table.levels());
        }
    }
}
