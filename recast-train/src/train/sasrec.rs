//! SASRec with cross-entropy over all items: supervised training of the same decoder over items as
//! tokens.
//!
//! The baseline of a generator of semantic IDs: SASRec knows nothing of items but their users, and
//! scores the whole catalogue. See "Self-Attentive Sequential Recommendation",
//! <https://arxiv.org/abs/1808.09781>. For its loss see "Turning Dross Into Gold Loss: is BERT4Rec
//! really better than SASRec?", <https://arxiv.org/abs/2309.07602>.

use serde::{Deserialize, Serialize};

use super::SftConfig;
use crate::catalogue::{MAX_CODES, SidTable};
use crate::error::{Error, Result};
use crate::model::{Input, ModelConfig};

/// The shape of the baseline's decoder and its training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SasrecConfig {
    /// The decoder's shape.
    pub model: ModelConfig,
    /// The supervised training of the baseline.
    pub sft: SftConfig,
}

impl Default for SasrecConfig {
    fn default() -> Self {
        Self {
            model: ModelConfig {
                num_key_value_heads: 2,
                tie_word_embeddings: true,
                dropout: 0.3,
                ..ModelConfig::tiny()
            },
            sft: SftConfig { epochs: 20, batch_tokens: 1024, ..SftConfig::default() },
        }
    }
}

impl SasrecConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    ///
    /// The errors of [`ModelConfig::check`] and [`SftConfig::check`].
    pub(crate) fn check(&self) -> Result<()> {
        self.model.check("sasrec.model")?;
        let hint = "leave it out: the baseline's tokens are items, and an item is its only code";
        if self.model.input != Input::Codes {
            return Err(Error::setting("sasrec.model.input", "is not \"codes\"", hint));
        }
        if self.sft.item_loss > 0.0 {
            return Err(Error::setting("sasrec.sft.item_loss", "is not 0", hint));
        }
        self.sft.check("sasrec.sft")
    }
}

/// The table that gives each item its own code at one level.
///
/// # Errors
///
/// If the catalogue has more than 65536 items.
pub(crate) fn item_tokens(n_items: usize) -> Result<SidTable> {
    if n_items > MAX_CODES {
        let problem = format!("{n_items} items, each a token of its own");
        return Err(Error::data(problem, format!("SASRec takes at most {MAX_CODES} here")));
    }
    SidTable::new(vec![n_items], (0..n_items).map(|item| item as u16).collect())
}
