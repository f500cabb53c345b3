//! The settings of a run: presets, then a TOML file, then flags.

mod keys;
mod layers;
mod preset;
mod record;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use recast_burn::DeviceKind;
use serde::{Deserialize, Serialize};
use toml::Table;

use crate::data::{
    Columns, Format, Kept, LogOptions, LogOrder, Missing, PrepareOptions, SplitKind,
    SyntheticConfig,
};
use crate::error::{Error, Result, check_most};
use crate::evaluate::EvaluateConfig;
use crate::model::{Input, ModelConfig, Precision};
use crate::tokenizer::{Collisions, TokenizerOptions};
use crate::train::{RlConfig, SasrecConfig, SftConfig};

pub(crate) use keys::Keys;
pub(crate) use layers::{Layers, merge, nested};
pub(crate) use preset::ModelPreset;
pub use preset::Preset;
pub(crate) use record::{Part, Record};

/// Every key with its meaning, as `recast init` writes it.
pub(crate) const TEMPLATE: &str = include_str!("config.toml");

/// The source of the data and their split.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct DataConfig {
    /// The log; `None` means the synthetic catalogue.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub interactions: Option<PathBuf>,
    /// Titles and text of items, as JSONL.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items: Option<PathBuf>,
    /// Item embeddings, `.npy` or `.safetensors`; `None` means embeddings made from the data.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub embeddings: Option<PathBuf>,
    /// The format of the log; `None` means the format of its extension.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub format: Option<Format>,
    /// The names of the columns of a table without a header line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub header: Option<Vec<String>>,
    /// The text between two fields; `None` means that of the format or the content.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delimiter: Option<String>,
    /// The encoding of text files; `None` means UTF-8, or UTF-16 with a byte order mark.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<String>,
    /// The order of a user's interactions; `None` means time, unless the log's layout has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub order: Option<LogOrder>,
    /// The lowest rating that counts; interactions below are left out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_rating: Option<f64>,
    /// The treatment of rows without an id or a time.
    pub missing: Missing,
    /// Whether spellings of one id are one id.
    pub join_spellings: bool,
    /// The log's part for validation, where it has a split of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub valid: Option<PathBuf>,
    /// The log's part for test, where it has a split of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub test: Option<PathBuf>,
    /// The column or key of the items file that holds ids; `None` means the first usual name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub items_id: Option<String>,
    /// Width of embeddings made from the data.
    pub embedding_dim: usize,
    /// Numbers of co-occurrence that join each given embedding; 0 for none.
    pub behaviour_dim: usize,
    /// Vectors of items by their users, which join each embedding in the place of co-occurrence.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behaviour: Option<PathBuf>,
    /// Items of the longest prompt.
    pub max_history: usize,
    /// The split of interactions.
    pub split: SplitKind,
    /// Column or key names.
    pub columns: Columns,
    /// Columns, and their values whose rows count.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub keep: BTreeMap<String, Kept>,
    /// The k-core.
    pub prepare: PrepareOptions,
    /// The synthetic catalogue.
    pub synthetic: SyntheticConfig,
}

impl Default for DataConfig {
    fn default() -> Self {
        Self {
            interactions: None,
            items: None,
            embeddings: None,
            format: None,
            header: None,
            delimiter: None,
            encoding: None,
            order: None,
            min_rating: None,
            missing: Missing::Refuse,
            join_spellings: false,
            valid: None,
            test: None,
            items_id: None,
            embedding_dim: 64,
            behaviour_dim: 0,
            behaviour: None,
            max_history: 20,
            split: SplitKind::LeaveOneOut,
            columns: Columns::default(),
            keep: BTreeMap::new(),
            prepare: PrepareOptions::default(),
            synthetic: SyntheticConfig::default(),
        }
    }
}

impl DataConfig {
    /// The format of the log, by its setting, its name or its folder's files.
    pub(crate) fn log_format(&self) -> Option<Format> {
        self.format.or_else(|| Format::of(self.interactions.as_ref()?).ok())
    }

    /// Checks that files of a split of one's own are complete, and are the split.
    fn check_own_split(&self) -> Result<()> {
        let [key, other] = match (&self.valid, &self.test) {
            (None, None) => return Ok(()),
            (Some(_), Some(_)) if self.split == SplitKind::Given => return Ok(()),
            (Some(_), Some(_)) => {
                let problem = "is not \"given\", where data.valid and data.test are";
                let hint = "take \"given\", or leave these files out";
                return Err(Error::setting("data.split", problem, hint));
            }
            (Some(_), None) => ["data.valid", "data.test"],
            (None, Some(_)) => ["data.test", "data.valid"],
        };
        Err(Error::setting(key, format!("is given without {other}"), "name both files or none"))
    }

    /// The way to read the log.
    pub(crate) fn log_options(&self) -> LogOptions {
        LogOptions {
            format: self.format,
            columns: self.columns.clone(),
            header: self.header.clone(),
            delimiter: self.delimiter.clone(),
            encoding: self.encoding.clone(),
            missing: self.missing,
            join_spellings: self.join_spellings,
            order: self.order,
            min_rating: self.min_rating,
            keep: self.keep.clone(),
        }
    }
}

/// All settings of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Config {
    /// The seed of all randomness.
    pub seed: u64,
    /// The name of the decoder's device: one of [`DeviceKind::NAMES`].
    pub device: String,
    /// The number format of the decoder's matrix products.
    pub precision: Precision,
    /// GPUs that share each training step: `device` and the next ones.
    pub replicas: usize,
    /// CPU threads; 0 means one a core.
    pub threads: usize,
    /// The data.
    pub data: DataConfig,
    /// The tokenizer, which gives items their semantic IDs.
    pub tokenizer: TokenizerOptions,
    /// The decoder's shape.
    pub model: ModelConfig,
    /// Supervised training.
    pub sft: SftConfig,
    /// Reinforcement learning.
    pub rl: RlConfig,
    /// Recommendation and its judgement.
    pub evaluate: EvaluateConfig,
    /// The trained baseline.
    pub sasrec: SasrecConfig,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            seed: 1,
            device: DeviceKind::Cpu.to_string(),
            precision: Precision::F32,
            replicas: 1,
            threads: 0,
            data: DataConfig::default(),
            tokenizer: TokenizerOptions {
                collisions: Collisions::NearestFree,
                ..TokenizerOptions::default()
            },
            model: ModelConfig::default(),
            sft: SftConfig::default(),
            rl: RlConfig::default(),
            evaluate: EvaluateConfig::default(),
            sasrec: SasrecConfig::default(),
        }
    }
}

/// The most threads of a process.
const MOST_THREADS: usize = 1 << 12;

/// Checks a number of threads before they start.
///
/// # Errors
///
/// [`Error::Setting`] if there are too many.
pub(crate) fn check_threads(threads: usize) -> Result<()> {
    check_most("", &[("threads", threads, MOST_THREADS)])
}

impl Config {
    fn to_table(&self) -> Result<Table> {
        Table::try_from(self).map_err(|e| Error::Config {
            origin: "settings".to_owned(),
            problem: format!("cannot be written as TOML: {}", e.to_string().trim_end()),
        })
    }

    /// The settings that a run folder keeps, then `key=value` overrides.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a key is unknown or a value does not fit.
    pub(crate) fn of_run(run_dir: &Path, overrides: &[(String, String)]) -> Result<Self> {
        Layers::read(Some(&Self::path(run_dir)), overrides)?.over(&Self::default())
    }

    /// The file of a run folder's settings.
    pub(crate) fn path(run_dir: &Path) -> PathBuf {
        run_dir.join("config.toml")
    }

    /// The file of the settings while a run folder's data are prepared. Its name is that of a
    /// temporary file, so that it goes with these.
    pub(crate) fn preparing_path(run_dir: &Path) -> PathBuf {
        run_dir.join(".recast-config.toml")
    }

    /// The settings of a preparation that was ended early; `None` if there was none.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a key is unknown or a value does not fit.
    pub(crate) fn of_ended_preparation(run_dir: &Path) -> Result<Option<Self>> {
        let path = Self::preparing_path(run_dir);
        if Self::path(run_dir).exists() || !path.exists() {
            return Ok(None);
        }
        Layers::read(Some(&path), &[])?.over(&Self::default()).map(Some)
    }

    /// The settings as TOML, with every key.
    ///
    /// # Errors
    ///
    /// If TOML has no form for a value: a seed above `i64::MAX`, a path that is not UTF-8.
    pub(crate) fn to_toml(&self) -> Result<String> {
        Ok(self.to_table()?.to_string())
    }

    /// Checks the assumptions of each part.
    ///
    /// # Errors
    ///
    /// If a value is out of its range or contradicts another value.
    pub fn check(&self) -> Result<()> {
        let device = self.device_kind()?;
        if !self.precision.is_supported(&device.device()) {
            let problem = format!("device {device} does not compute in {}", self.precision.name());
            return Err(Error::setting("precision", problem, "take f32, or another device"));
        }
        self.replicas()?;
        if self.data.max_history == 0 {
            return Err(Error::setting("data.max_history", "is 0", "give at least 1 item"));
        }
        if self.data.embedding_dim == 0 {
            return Err(Error::setting("data.embedding_dim", "is 0", "64 is usual"));
        }
        check_threads(self.threads)?;
        let counts = [
            ("max_history", self.data.max_history, 1 << 20),
            ("embedding_dim", self.data.embedding_dim, 1 << 16),
            ("behaviour_dim", self.data.behaviour_dim, 1 << 16),
        ];
        check_most("data", &counts)?;
        self.data.check_own_split()?;
        self.evaluate.check()?;
        if self.data.interactions.is_none() {
            self.data.synthetic.check()?;
            for (key, given) in [
                ("data.items", self.data.items.is_some()),
                ("data.embeddings", self.data.embeddings.is_some()),
                ("data.behaviour", self.data.behaviour.is_some()),
                ("data.valid", self.data.valid.is_some()),
                ("tokenizer.table", self.tokenizer.table.is_some()),
            ] {
                if given {
                    let problem = "is given without data.interactions";
                    return Err(Error::setting(key, problem, "name the log too"));
                }
            }
        }
        self.tokenizer.check()?;
        self.model.check("model")?;
        self.sft.check("sft")?;
        if self.sft.item_loss > 0.0 && self.model.input == Input::Codes {
            let problem = "has no effect where model.input is \"codes\"";
            return Err(Error::setting("sft.item_loss", problem, "leave it out, or read items"));
        }
        self.sasrec.check()?;
        self.rl.check()
    }

    /// The devices that share each training step, the decoder's own device first.
    ///
    /// # Errors
    ///
    /// If the machine has fewer devices.
    pub(crate) fn replicas(&self) -> Result<Vec<DeviceKind>> {
        if self.replicas == 0 {
            return Err(Error::setting("replicas", "is 0", "give at least 1"));
        }
        self.device_kind()?
            .with_next(self.replicas)
            .map_err(|e| Error::setting("replicas", e.to_string(), "give fewer"))
    }

    /// The device; an error if this build or this machine lacks a device of that name.
    pub(crate) fn device_kind(&self) -> Result<DeviceKind> {
        DeviceKind::find(&self.device)
            .map_err(|e| Error::setting("device", e.to_string(), "name another device"))
    }
}

#[cfg(test)]
mod tests;
