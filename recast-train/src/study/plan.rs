//! Plans: their text, and layers of settings within it.

use std::fmt::Display;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::jobs::slug;
use crate::config::{Config, Keys, Layers, Preset, merge, nested};
use crate::error::{Error, Result};

/// Settings of a study itself, which no layer may set.
const OF_STUDY: [(&str, &str); 2] =
    [("seed", "list seeds in the plan's key seeds"), ("threads", "name them at the start")];

/// The text of a plan and its place.
#[derive(Debug, Clone)]
pub(super) struct Source {
    /// The file; `None` for the plan of a preset.
    pub(super) file: Option<PathBuf>,
    /// The name in messages.
    pub(super) origin: PathBuf,
    pub(super) text: String,
}

impl Source {
    /// Reads a plan's file.
    pub(super) fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(|cause| Error::read(path, cause))?;
        Ok(Self { file: Some(path.to_owned()), origin: path.to_owned(), text })
    }

    /// The text as a plan of type `T`.
    pub(super) fn parsed<T: DeserializeOwned>(&self) -> Result<T> {
        toml::from_str(&self.text).map_err(|e| Error::Config {
            origin: self.origin.display().to_string(),
            problem: e.to_string().trim_end().to_owned(),
        })
    }

    /// A fault of a key of the plan.
    pub(super) fn fault(&self, key: &str, problem: impl Display, hint: &str) -> Error {
        Error::file(&self.origin, format!("key '{key}': {problem}"), hint)
    }

    /// The folder of the study: `dir`, or one with the name of the plan's file.
    pub(super) fn dir(&self, kind: &str, dir: Option<&Path>) -> PathBuf {
        let stem = self.origin.file_stem().unwrap_or_default().to_string_lossy();
        let own = || Path::new("runs").join(format!("{kind}-{}", slug(&stem)));
        dir.map_or_else(own, Path::to_owned)
    }

    /// Checks that a key has values, and each of these once.
    pub(super) fn check_values<T: PartialEq + Display>(&self, key: &str, all: &[T]) -> Result<()> {
        match all.is_empty() {
            true => Err(self.fault(key, "is an empty list", "give at least one value")),
            false => self.check_once(key, all),
        }
    }

    /// Checks that each value of a key stands there once.
    pub(super) fn check_once<T: PartialEq + Display>(&self, key: &str, all: &[T]) -> Result<()> {
        match repeated(all) {
            Some(twice) => {
                let problem = format!("{twice} stands in it twice");
                Err(self.fault(key, problem, "name each value once"))
            }
            None => Ok(()),
        }
    }

    /// Checks that names are different folders, and that each layer has known keys.
    pub(super) fn check_named(&self, key: &str, all: &[Named]) -> Result<()> {
        let slugs: Vec<String> = all.iter().map(|named| slug(&named.name)).collect();
        if slugs.iter().any(|slug| slug.trim_matches('_').is_empty()) {
            let hint = "name it in letters and digits";
            return Err(self.fault(&format!("{key}.name"), "has no letter", hint));
        }
        if let Some(twice) = repeated(&slugs) {
            let problem = format!("'{twice}' stands in it twice");
            return Err(self.fault(&format!("{key}.name"), problem, "take another name"));
        }
        all.iter().try_for_each(|named| self.check_layer(&named.place(key), &named.layer))
    }

    /// Checks that a layer has known keys with values of their types.
    pub(super) fn check_layer(&self, place: &str, layer: &Layer) -> Result<()> {
        for (key, hint) in OF_STUDY {
            if layer.settings.contains_key(key) {
                return Err(self.fault(&format!("{place}.{key}"), "is no key of a layer", hint));
            }
        }
        layer.preset(self, place)?;
        let settings = Value::Table(layer.settings.clone());
        settings.try_into::<Config>().map(drop).map_err(|e| Error::Config {
            origin: format!("{}: {place}", self.origin.display()),
            problem: e.to_string().trim_end().to_owned(),
        })
    }

    /// The settings of layers, each over the one before, under a seed; `place` tells of faults.
    pub(super) fn settings(&self, place: &str, layers: &[&Layer], seed: u64) -> Result<Config> {
        let presets = layers.iter().map(|layer| layer.preset(self, place));
        let preset = presets.collect::<Result<Vec<_>>>()?.into_iter().flatten().next_back();
        let stacked = Layers::stacked(layers.iter().map(|layer| &layer.settings), &[]);
        let mut config = stacked.over(&stacked.base(preset)?)?;
        config.seed = seed;
        let checked = config.check();
        checked.map(|()| config).map_err(|fault| match fault {
            Error::Setting { key, problem, hint } => {
                Error::file(&self.origin, format!("{place}: config key '{key}': {problem}"), hint)
            }
            other => other,
        })
    }
}

/// The first value that stands twice in a list.
fn repeated<T: PartialEq>(all: &[T]) -> Option<&T> {
    (1..).zip(all.iter().skip(1)).find(|&(i, one)| all[..i].contains(one)).map(|found| found.1)
}

/// A layer of settings: the keys of a config file, and a preset below them.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
#[serde(default)]
pub(super) struct Layer {
    preset: Option<String>,
    #[serde(flatten)]
    pub(super) settings: Table,
}

impl Layer {
    /// The layer of one key.
    pub(super) fn of(key: &str, value: &Value) -> Self {
        Self { preset: None, settings: nested(key, value.clone()) }
    }

    /// This layer with the keys of another one over it.
    pub(super) fn with(&self, over: &Self) -> Self {
        let mut settings = self.settings.clone();
        merge(&mut settings, over.settings.clone());
        Self { preset: over.preset.clone().or_else(|| self.preset.clone()), settings }
    }

    fn preset(&self, source: &Source, place: &str) -> Result<Option<Preset>> {
        let Some(name) = &self.preset else { return Ok(None) };
        let found = Preset::ALL.into_iter().find(|preset| preset.name() == name);
        found.map(Some).ok_or_else(|| {
            let hint = format!("name one of {}", Preset::ALL.map(Preset::name).join(", "));
            source.fault(&format!("{place}.preset"), format!("'{name}' is no preset"), &hint)
        })
    }
}

/// The keys that layers set, for a record.
pub(super) fn keys(layers: &[&Layer]) -> Keys {
    let keys = Keys::of_tables(layers.iter().map(|layer| &layer.settings));
    match layers.iter().rev().find_map(|layer| layer.preset.clone()) {
        Some(preset) => keys.with("preset", preset),
        None => keys,
    }
}

/// A layer with a name.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(super) struct Named {
    pub(super) name: String,
    #[serde(flatten)]
    pub(super) layer: Layer,
}

impl Named {
    /// The place in messages.
    pub(super) fn place(&self, key: &str) -> String {
        format!("{key} '{}'", self.name)
    }

    /// The data sets of a plan; one without a name of its own stands for none.
    pub(super) fn or_one(all: Vec<Self>) -> Vec<Self> {
        match all.is_empty() {
            true => vec![Self { name: "data".to_owned(), layer: Layer::default() }],
            false => all,
        }
    }
}

/// A name of a key's value: `sft.learning_rate=0.002`.
pub(super) fn name_of(key: &str, value: &Value) -> String {
    let value = value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    format!("{key}={value}")
}
