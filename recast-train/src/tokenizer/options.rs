//! The settings of a tokenizer.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::collision::Collisions;
use super::kmeans::KmeansOptions;
use super::rq_vae::RqVaeOptions;
use crate::catalogue::MAX_CODES;
use crate::error::{Error, Result};

/// The quantiser that makes codes of embeddings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Method {
    /// Residual k-means: fast, and the closest to the embeddings. Some codes name one item, some
    /// very many.
    #[default]
    Kmeans,
    /// Residual k-means whose codes name about equally many items.
    ///
    /// An item asks the codes of a level, the nearest first, and a full code keeps the closest
    /// items: see [`KmeansOptions::balanced`](super::KmeansOptions::balanced).
    ///
    /// Source of even use: "OneRec: Unifying Retrieve and Rank with Generative Recommender and
    /// Iterative Preference Alignment", Deng et al., <https://arxiv.org/abs/2502.18965>, section
    /// 3.1.
    ///
    /// Departs from the paper: the paper fills one cluster after the other, up to a fixed size. The
    /// last ones take the rest wherever it lies. Here all clusters choose at once, and each keeps
    /// the closest items.
    BalancedKmeans,
    /// A residual-quantised autoencoder, trained; see [`RqVaeOptions`].
    RqVae,
}

/// The codes of the levels.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(untagged, expecting = "expected a number of codes, or a list of one for each level")]
pub enum Codes {
    /// One number for all levels.
    Each(usize),
    /// One number for each level.
    PerLevel(Vec<usize>),
}

/// The settings that make SIDs of embeddings.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct TokenizerOptions {
    /// The quantiser that makes codes of embeddings.
    pub method: Method,
    /// The levels L of a SID; `extra_level` adds one more to the table.
    pub levels: usize,
    /// The codes of these levels.
    pub codes: Codes,
    /// The largest number of rounds of k-means at each level.
    pub iterations: usize,
    /// The largest number of items a code in the sample that k-means fits centroids to; 0 means all
    /// items.
    pub sample_per_code: usize,
    /// The way to tell items that share a SID apart.
    pub collisions: Collisions,
    /// The autoencoder, if that is the method.
    pub rq_vae: RqVaeOptions,
    /// The table of another program, taken as it is: the settings above then mean nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub table: Option<PathBuf>,
}

impl Default for TokenizerOptions {
    fn default() -> Self {
        Self {
            method: Method::default(),
            levels: 3,
            codes: Codes::Each(256),
            iterations: 20,
            sample_per_code: 0,
            collisions: Collisions::default(),
            rq_vae: RqVaeOptions::default(),
            table: None,
        }
    }
}

/// The largest number of levels of a SID: more levels would name any catalogue many times over.
pub(crate) const MAX_LEVELS: usize = 16;

impl TokenizerOptions {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if there is no level or there are more than 16, or a level has not 1 to
    /// 65536 codes. [`Error::Setting`] if there are not as many numbers of codes as levels.
    /// [`Error::Setting`] if the autoencoder's settings do not pass [`RqVaeOptions::check`].
    pub(crate) fn check(&self) -> Result<()> {
        if self.levels > MAX_LEVELS {
            let problem = format!("{} levels", self.levels);
            let hint = format!("set 1 to {MAX_LEVELS}; 3 is usual");
            return Err(Error::setting("tokenizer.levels", problem, hint));
        }
        if let Codes::PerLevel(codes) = &self.codes
            && codes.len() != self.levels
        {
            let problem = format!("{} numbers of codes for {} levels", codes.len(), self.levels);
            let hint = "give one number for all levels, or one for each";
            return Err(Error::setting("tokenizer.codes", problem, hint));
        }
        check_codes(&self.codes_per_level())?;
        self.rq_vae.check()
    }

    /// The number of codes of each level.
    #[must_use]
    pub(crate) fn codes_per_level(&self) -> Vec<usize> {
        match &self.codes {
            Codes::Each(codes) => vec![*codes; self.levels],
            Codes::PerLevel(codes) => codes.clone(),
        }
    }

    pub(super) fn kmeans(&self) -> KmeansOptions {
        KmeansOptions {
            iterations: self.iterations,
            balanced: self.method == Method::BalancedKmeans,
            sample_per_code: self.sample_per_code,
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(text: &str) -> std::result::Result<TokenizerOptions, String> {
        toml::from_str(text).map_err(|e| e.to_string())
    }

    #[test]
    fn codes_are_one_number_or_one_for_each_level() {
        let options = parsed("codes = 8192").unwrap();
        assert_eq!(options.codes_per_level(), [8192; 3]);
        let options = parsed("levels = 2\ncodes = [256, 64]").unwrap();
        assert_eq!(options.codes_per_level(), [256, 64]);
        options.check().unwrap();
        let message = parsed("codes = [256, 64]").unwrap().check().unwrap_err().to_string();
        assert!(
            message.contains("'tokenizer.codes': 2 numbers of codes for 3 levels"),
            "{message}"
        );
        let message = parsed("codes = [256, 0, 256]").unwrap().check().unwrap_err().to_string();
        assert!(message.contains("'tokenizer.codes': 0 codes in a level"), "{message}");
        let message = parsed("codes = \"many\"").unwrap_err();
        assert!(message.contains("a list of one for each level"), "{message}");
    }

    #[test]
    fn methods_have_their_names_and_others_are_refused_with_them() {
        for (name, method) in [
            ("kmeans", Method::Kmeans),
            ("balanced_kmeans", Method::BalancedKmeans),
            ("rq_vae", Method::RqVae),
        ] {
            assert_eq!(parsed(&format!("method = \"{name}\"")).unwrap().method, method);
        }
        let message = parsed("method = \"opq\"").unwrap_err();
        assert!(message.contains("opq") && message.contains("balanced_kmeans"), "{message}");
    }
}
