//! The settings of a run: presets, then a TOML file, then flags.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use recast_burn::DeviceKind;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::data::{
    Columns, Format, Kept, LogOptions, LogOrder, Missing, PrepareOptions, SplitKind,
    SyntheticConfig,
};
use crate::error::{Error, Result};
use crate::evaluate::EvaluateConfig;
use crate::model::{ModelConfig, Precision};
use crate::tokenizer::{Codes, Collisions, TokenizerOptions};
use crate::train::{RlConfig, SasrecConfig, SftConfig};

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

/// Settings to start from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum Preset {
    /// The synthetic catalogue in minutes: the default without a log.
    Demo,
    /// A small synthetic catalogue in seconds: for continuous integration.
    Smoke,
    /// Real data of some ten thousand users and items: the default with a log.
    Standard,
    /// A folder of MiniOneRec, by its own split: the default with such a folder.
    MiniOneRec,
}

/// A decoder's size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ModelPreset {
    /// Width 64, 2 layers.
    Tiny,
    /// Width 128, 4 layers.
    Small,
    /// Width 256, 6 layers.
    Base,
    /// Width 768, 12 layers: for a GPU.
    Large,
}

impl ModelPreset {
    /// All sizes, the smallest first.
    pub(crate) const ALL: [Self; 4] = [Self::Tiny, Self::Small, Self::Base, Self::Large];

    /// The name for people and machines.
    #[must_use]
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Tiny => "tiny",
            Self::Small => "small",
            Self::Base => "base",
            Self::Large => "large",
        }
    }

    /// The decoder's shape.
    #[must_use]
    pub(crate) fn config(self) -> ModelConfig {
        match self {
            Self::Tiny => ModelConfig::tiny(),
            Self::Small => ModelConfig::small(),
            Self::Base => ModelConfig::base(),
            Self::Large => ModelConfig::large(),
        }
    }
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

impl Preset {
    /// All presets.
    pub const ALL: [Self; 4] = [Self::Demo, Self::Smoke, Self::Standard, Self::MiniOneRec];

    /// The name for people and machines.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Demo => "demo",
            Self::Smoke => "smoke",
            Self::Standard => "standard",
            Self::MiniOneRec => "mini_one_rec",
        }
    }

    /// The settings.
    #[must_use]
    pub fn config(self) -> Config {
        let mut config = Config::default();
        match self {
            Self::Standard => {}
            Self::MiniOneRec => {
                config.data.split = SplitKind::Given;
                config.data.prepare.min_user = 0;
                config.data.prepare.min_item = 0;
                config.data.max_history = 10;
            }
            Self::Demo => {
                config.data.synthetic.items = 3000;
                config.data.synthetic.companion = 0.98;
                config.tokenizer.codes = Codes::Each(64);
                config.model = ModelConfig::tiny();
                // few epochs, so that reinforcement learning can still improve the decoder
                config.sft.epochs = 4;
                config.sft.batch_tokens = 1024;
                config.sft.validation_prompts = 1000;
                config.rl.steps = 200;
                config.rl.group_size = 16;
                config.rl.validation_prompts = 2000;
            }
            Self::Smoke => {
                config.data.synthetic.users = 600;
                config.data.synthetic.items = 120;
                config.tokenizer.codes = Codes::Each(16);
                config.model = ModelConfig { hidden_size: 32, head_dim: 16, ..ModelConfig::tiny() };
                config.model.intermediate_size = 96;
                config.sft.epochs = 6;
                config.sft.batch_tokens = 512;
                config.rl.steps = 8;
                config.rl.prompts_per_step = 32;
                config.rl.groups_per_minibatch = 16;
                config.rl.group_size = 8;
                config.rl.evaluate_every = 4;
                config.rl.validation_prompts = 200;
                config.sft.validation_prompts = 200;
                config.evaluate.beam_width = 16;
            }
        }
        config
    }
}

impl Config {
    /// The preset, then the file's keys, then `key=value` overrides in order.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a key is unknown or a value does not fit.
    pub fn resolve(
        preset: Preset,
        file: Option<&Path>,
        overrides: &[(String, String)],
    ) -> Result<Self> {
        Self::resolve_over(&preset.config(), file, overrides)
    }

    /// These settings, then the file's keys, then overrides, as in [`Config::resolve`].
    pub(crate) fn resolve_over(
        base: &Self,
        file: Option<&Path>,
        overrides: &[(String, String)],
    ) -> Result<Self> {
        let mut table = base.to_table()?;
        if let Some(path) = file {
            let text = std::fs::read_to_string(path).map_err(|source| Error::read(path, source))?;
            let fault = |e: toml::de::Error| Error::Config {
                origin: path.display().to_string(),
                problem: e.to_string().trim_end().to_owned(),
            };
            // the text is parsed as settings first: errors then know line, column and the known
            // keys
            toml::from_str::<Self>(&text).map_err(fault)?;
            merge(&mut table, toml::from_str(&text).map_err(fault)?);
        }
        for (key, value) in overrides {
            let origin = format!("{key}={value}");
            let fault = |problem: String| Error::Config { origin: origin.clone(), problem };
            let patch = patch(key, value).map_err(&fault)?;
            merge(&mut table, patch);
            Self::from_table(table.clone())
                .map_err(|e| fault(e.to_string().trim_end().to_owned()))?;
        }
        Self::from_table(table).map_err(|e| Error::Config {
            origin: "settings".to_owned(),
            problem: e.to_string().trim_end().to_owned(),
        })
    }

    fn to_table(&self) -> Result<Table> {
        Table::try_from(self).map_err(|e| Error::Config {
            origin: "settings".to_owned(),
            problem: format!("cannot be written as TOML: {}", e.to_string().trim_end()),
        })
    }

    fn from_table(table: Table) -> std::result::Result<Self, toml::de::Error> {
        Value::Table(table).try_into()
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
        self.evaluate.check()?;
        if self.data.interactions.is_none() {
            self.data.synthetic.check()?;
            for (key, given) in [
                ("data.items", self.data.items.is_some()),
                ("data.embeddings", self.data.embeddings.is_some()),
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

/// The override `a.b.c` with a TOML value, or else a string, as nested tables.
fn patch(key: &str, value: &str) -> std::result::Result<Table, String> {
    let parsed = toml::from_str::<Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    let mut parts: Vec<&str> = key.split('.').collect();
    let Some(last) = parts.pop().filter(|last| !last.is_empty()) else {
        return Err("a key is needed before '='".to_owned());
    };
    let mut table = Table::from_iter([(last.to_owned(), parsed)]);
    for part in parts.into_iter().rev() {
        table = Table::from_iter([(part.to_owned(), Value::Table(table))]);
    }
    Ok(table)
}

/// Lays `over` onto `base`, table by table.
fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) if key != "split" => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}

#[cfg(test)]
mod tests;
