//! The settings under which a part of a run folder was made.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Config, Keys};
use crate::error::{Error, Result, SettingChange};
use crate::storage::{read_noted, write_noted};
use crate::train::{Prompts, SignalName};

/// The settings of a stage's validations, which choose its best decoder.
const VALIDATION: [&str; 3] = ["evaluate.search", "evaluate.beam_width", "evaluate.mask_history"];

/// The remedy for a damaged record.
const REMEDY: &str = "remove its folder to do that phase again";

/// The rules of fresh prompts.
const FRESH: [&str; 2] = ["rl.fresh_items", "rl.fresh_share"];

/// A part of a run folder: the work of one phase.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// The prepared data.
    Data,
    /// The semantic IDs.
    Sids,
    /// The supervised decoder.
    Sft,
    /// The decoder of a signal.
    Rl(SignalName),
    /// The trained baseline.
    Sasrec,
}

impl Part {
    /// Every part, in the order of the phases.
    pub(crate) fn all() -> impl Iterator<Item = Self> {
        let signals = SignalName::ALL.into_iter().map(Self::Rl);
        [Self::Data, Self::Sids, Self::Sft].into_iter().chain(signals).chain([Self::Sasrec])
    }

    /// The part's folder within the run folder.
    #[must_use]
    pub(crate) fn folder(self) -> String {
        match self {
            Self::Data => "data".to_owned(),
            Self::Sids => "sid".to_owned(),
            Self::Sft => "sft".to_owned(),
            Self::Rl(signal) => format!("rl-{}", signal.key()),
            Self::Sasrec => "sasrec".to_owned(),
        }
    }

    /// Whether the part depends on a key: on those of its own phase, and on those of the parts from
    /// which it was made.
    ///
    /// No part depends on `device`, `precision`, `replicas`, `threads` or a `micro_batch_tokens`,
    /// which a session may choose.
    fn reads(self, key: &str, config: &Config) -> bool {
        let (section, rest) = key.split_once('.').unwrap_or((key, ""));
        if rest.ends_with("micro_batch_tokens") {
            return false;
        }
        match self {
            Self::Data => {
                let later = ["embedding_dim", "behaviour_dim", "max_history"].contains(&rest);
                key == "seed" || key == "tokenizer.table" || (section == "data" && !later)
            }
            Self::Sids => {
                let of_embeddings = ["data.embedding_dim", "data.behaviour_dim"].contains(&key);
                let of_behaviour = reads_behaviour(config) && parts_training(key, config);
                let own = section == "tokenizer" || of_embeddings || of_behaviour;
                Self::Data.reads(key, config) || own
            }
            Self::Sft => {
                let own = ["model", "sft"].contains(&section) || key == "data.max_history";
                let own = own || parts_training(key, config) || VALIDATION.contains(&key);
                Self::Sids.reads(key, config) || own
            }
            Self::Rl(signal) => {
                let of_another_part = rest == "signals" || FRESH.contains(&key);
                let own = section == "rl" && !of_another_part && !is_of_another(signal, rest);
                Self::Sft.reads(key, config) || own
            }
            Self::Sasrec => {
                let own = section == "sasrec" || key == "data.max_history";
                let own = own || parts_training(key, config) || VALIDATION.contains(&key);
                Self::Data.reads(key, config) || own
            }
        }
    }

    /// Whether a key may change although the part depends on it.
    ///
    /// The judgement of a finished part is made anew. Before that, validations may change too, and
    /// so may the learning rate of the part's own phase: the remedy for diverged training.
    #[must_use]
    pub(crate) fn may_change(self, key: &str, finished: bool) -> bool {
        let rate = match self {
            Self::Data => "",
            Self::Sids => "tokenizer.rq_vae.learning_rate",
            Self::Sft => "sft.learning_rate",
            Self::Rl(_) => "rl.learning_rate",
            Self::Sasrec => "sasrec.sft.learning_rate",
        };
        VALIDATION.contains(&key) || (!finished && key == rate)
    }
}

/// Whether a key tells which training interactions supervised training sees. A rule of fresh
/// prompts tells nothing where the prompts are seen ones.
fn parts_training(key: &str, config: &Config) -> bool {
    key == "rl.prompts" || (FRESH.contains(&key) && config.rl.prompts == Prompts::Fresh)
}

/// Whether semantic IDs follow from embeddings made from interactions.
fn reads_behaviour(config: &Config) -> bool {
    let is_made = config.data.embeddings.is_none() || config.data.behaviour_dim > 0;
    is_made && config.tokenizer.table.is_none()
}

/// Whether a key of `[rl]` stands in the section of another signal.
fn is_of_another(signal: SignalName, key: &str) -> bool {
    let mut sections = key.strip_prefix("overrides.").unwrap_or(key).split('.');
    let (Some(section), Some(_)) = (sections.next(), sections.next()) else { return false };
    section != signal.key() && SignalName::ALL.iter().any(|other| other.key() == section)
}

/// The settings under which a part was made, as `settings.toml` in its folder keeps them.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Record {
    /// The changes of settings that happened in the middle, as sentences.
    pub(crate) changes: Vec<String>,
    settings: Keys,
}

impl Record {
    /// The record of a part that is made under these settings from its beginning.
    pub(crate) fn new(part: Part, config: &Config) -> Result<Self> {
        let settings = Keys::of(config)?.filtered(|key| part.reads(key, config));
        Ok(Self { changes: Vec::new(), settings })
    }

    /// The record of a part; `None` if an earlier version made it, or nothing did.
    pub(crate) fn load(run_dir: &Path, part: Part) -> Result<Option<Self>> {
        let path = path(run_dir, part);
        if !path.exists() {
            return Ok(None);
        }
        let text = read_noted(&path, REMEDY)?;
        toml::from_str(&text).map(Some).map_err(|e| {
            let problem = format!("is not what recast writes: {}", e.message());
            Error::file(&path, problem, REMEDY)
        })
    }

    /// Writes the record into the part's folder.
    pub(crate) fn save(&self, run_dir: &Path, part: Part) -> Result<()> {
        let path = path(run_dir, part);
        let text = toml::to_string(self).map_err(|e| {
            Error::write(&path, std::io::Error::other(e.to_string().trim_end().to_owned()))
        })?;
        write_noted(&path, |writer| writer.write_all(text.as_bytes()))
    }

    /// The settings of the part, from the recorded ones to those of `config`. A key that this
    /// version added has its default in older records.
    pub(crate) fn changes_to(&self, part: Part, config: &Config) -> Result<Vec<SettingChange>> {
        let reads = |key: &str| part.reads(key, config);
        let default = Keys::of(&Config::default())?;
        let recorded = default.overlaid(self.settings.clone()).filtered(reads);
        Ok(recorded.changes(&Keys::of(config)?.filtered(reads)))
    }

    /// The recorded settings.
    pub(crate) fn into_settings(self) -> Keys {
        self.settings
    }

    /// Goes on under other settings, and remembers how far the part had come.
    pub(crate) fn change(
        self,
        part: Part,
        config: &Config,
        changes: &[SettingChange],
        step: usize,
    ) -> Result<Self> {
        let folder = part.folder();
        let said =
            changes.iter().map(|change| format!("{folder} changed {change} after step {step}"));
        let changes = self.changes.into_iter().chain(said).collect();
        Ok(Self { changes, ..Self::new(part, config)? })
    }
}

fn path(run_dir: &Path, part: Part) -> PathBuf {
    run_dir.join(part.folder()).join("settings.toml")
}
