//! The conditions of a run: runs under equal conditions differ in their seed alone.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;

use super::summary::Summary;
use crate::config::{Config, Keys, Part, Record};
use crate::error::{Error, Result, SettingChange};
use crate::storage::read_noted;

/// The key under which the checksums of the sources stand among the settings.
const CHECKSUMS: &str = "data checksums";

/// Digits of a checksum that tell sources apart.
const DIGITS: usize = 16;

/// All that a result depends on but the seed: the data by their checksums, the settings of each
/// phase, and the protocol of the judgement.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Conditions(Keys);

#[derive(Deserialize)]
struct Source {
    sha256: String,
}

impl Conditions {
    /// The conditions behind the summary of a run folder; without a summary, those of the settings.
    ///
    /// Records of parts come before `config.toml`, which a user may have edited since.
    ///
    /// # Errors
    ///
    /// If `config.toml`, `checksums.json` or a record is missing or has another form.
    pub(super) fn load(run_dir: &Path, summary: Option<&Summary>) -> Result<Self> {
        let mut keys = Keys::of(&Config::of_run(run_dir, &[])?)?;
        for part in Part::all() {
            if let Some(record) = Record::load(run_dir, part)? {
                keys = keys.overlaid(record.into_settings());
            }
        }
        if let Some(summary) = summary {
            let mut judged = Config { evaluate: summary.evaluate.clone(), ..Config::default() };
            judged.evaluate.test_prompts = summary.test_prompts;
            keys = keys.overlaid(Keys::of(&judged)?.filtered(|key| key.starts_with("evaluate.")));
        }
        let sources = sources(run_dir)?;
        let is_log = !sources.is_empty();
        keys = keys.filtered(|key| counts(key) && !(is_log && key.starts_with("data.synthetic.")));
        Ok(Self(keys.with(CHECKSUMS, sources.join(" "))))
    }

    /// The differences from these conditions to others.
    pub(super) fn changes(&self, other: &Self) -> Vec<SettingChange> {
        self.0.changes(&other.0)
    }
}

/// Whether a key is a condition. The seed is none. A key that leaves results equal up to rounding
/// is none either, nor is the name of a file in `checksums.json`.
fn counts(key: &str) -> bool {
    let none = [
        "seed",
        "device",
        "replicas",
        "threads",
        "rl.signals",
        "evaluate.batch_prompts",
        "data.interactions",
        "data.valid",
        "data.test",
        "data.items",
        "data.embeddings",
        "tokenizer.table",
    ];
    !none.contains(&key) && !key.ends_with(".micro_batch_tokens")
}

/// The checksums of the run's sources, whatever their names; none for a synthetic catalogue.
fn sources(run_dir: &Path) -> Result<Vec<String>> {
    let path = run_dir.join("checksums.json");
    let hint = "prepare the data again";
    let sources: BTreeMap<String, Source> = serde_json::from_str(&read_noted(&path, hint)?)
        .map_err(|e| Error::file(&path, format!("is not what recast writes: {e}"), hint))?;
    let mut sums: Vec<String> =
        sources.into_values().map(|source| source.sha256.chars().take(DIGITS).collect()).collect();
    sums.sort_unstable();
    Ok(sums)
}
