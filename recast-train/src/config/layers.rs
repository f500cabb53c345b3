//! Layers of settings: a preset, then a TOML file, then overrides.

use std::path::Path;

use toml::{Table, Value};

use super::{Config, Preset};
use crate::error::{Error, Result};
use crate::model::Input;
use crate::storage::read_text;
use crate::tokenizer::{Codes, MAX_LEVELS};

/// The settings that lie over a preset. The file is read once, so it may be a pipe.
#[derive(Debug)]
pub(crate) struct Layers<'a> {
    file: Table,
    overrides: &'a [(String, String)],
}

impl<'a> Layers<'a> {
    /// The file's keys, then `key=value` overrides in order.
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a key of it is unknown or a value does not fit.
    pub(crate) fn read(file: Option<&Path>, overrides: &'a [(String, String)]) -> Result<Self> {
        let Some(path) = file else { return Ok(Self { file: Table::new(), overrides }) };
        let text = read_text(path)?;
        let fault = |e: toml::de::Error| Error::Config {
            origin: path.display().to_string(),
            problem: e.to_string().trim_end().to_owned(),
        };
        // the text is parsed as settings first: errors then know line, column and the known keys
        toml::from_str::<Config>(&text).map_err(fault)?;
        Ok(Self { file: toml::from_str(&text).map_err(fault)?, overrides })
    }

    /// Several layers of keys, each over the one before. A layer that names only the epochs of
    /// supervised training takes away the floor below them, as a file does.
    pub(crate) fn stacked<'t>(
        tables: impl IntoIterator<Item = &'t Table>,
        overrides: &'a [(String, String)],
    ) -> Self {
        let mut file = Table::new();
        for table in tables {
            merge(&mut file, without_floor(table.clone()));
        }
        Self { file, overrides }
    }

    /// The settings to start from: those of a preset, or of the data that these layers name.
    ///
    /// Some values of a preset follow others. A decoder of codes where the preset's reads items has
    /// a training of its own. A list of codes has one number for each level.
    ///
    /// # Errors
    ///
    /// The errors of [`Layers::over`].
    pub(crate) fn base(&self, preset: Option<Preset>) -> Result<Config> {
        let mut base = match preset {
            Some(preset) => preset.config(),
            None => Preset::defaults(&self.over(&Config::default())?.data),
        };
        let asked = self.over(&base)?;
        if base.model.input == Input::Items && asked.model.input == Input::Codes {
            base = base.reading_codes();
        }
        if let Codes::PerLevel(codes) = &mut base.tokenizer.codes
            && let Some(&last) = codes.last()
            && asked.tokenizer.levels <= MAX_LEVELS
        {
            codes.resize(asked.tokenizer.levels, last);
        }
        Ok(base)
    }

    /// These layers over other settings.
    ///
    /// # Errors
    ///
    /// If a key of an override is unknown or a value does not fit.
    pub(crate) fn over(&self, base: &Config) -> Result<Config> {
        let mut table = base.to_table()?;
        merge(&mut table, without_floor(self.file.clone()));
        for (key, value) in self.overrides {
            let origin = format!("{key}={value}");
            let fault = |problem: String| Error::Config { origin: origin.clone(), problem };
            let patch = patch(key, value).map_err(&fault)?;
            merge(&mut table, without_floor(patch));
            from_table(table.clone()).map_err(|e| fault(e.to_string().trim_end().to_owned()))?;
        }
        from_table(table).map_err(|e| Error::Config {
            origin: "settings".to_owned(),
            problem: e.to_string().trim_end().to_owned(),
        })
    }
}

impl Config {
    /// The preset, then the file's keys, then `key=value` overrides in order. Without a preset, the
    /// data that the file and the overrides name decide, by [`Preset::of`].
    ///
    /// # Errors
    ///
    /// If the file cannot be read, a key is unknown or a value does not fit.
    pub fn resolve(
        preset: Option<Preset>,
        file: Option<&Path>,
        overrides: &[(String, String)],
    ) -> Result<Self> {
        let layers = Layers::read(file, overrides)?;
        layers.over(&layers.base(preset)?)
    }
}

fn from_table(table: Table) -> std::result::Result<Config, toml::de::Error> {
    Value::Table(table).try_into()
}

/// The override `a.b.c` with a TOML value, or else a string, as nested tables.
fn patch(key: &str, value: &str) -> std::result::Result<Table, String> {
    let parsed = toml::from_str::<Table>(&format!("value = {value}"))
        .ok()
        .and_then(|mut table| table.remove("value"))
        .unwrap_or_else(|| Value::String(value.to_owned()));
    match key.is_empty() || key.ends_with('.') {
        true => Err("a key is needed before '='".to_owned()),
        false => Ok(nested(key, parsed)),
    }
}

/// The value of the key `a.b.c` within nested tables.
pub(crate) fn nested(key: &str, value: Value) -> Table {
    let mut parts = key.split('.').rev();
    let last = parts.next().unwrap_or_default();
    let innermost = Table::from_iter([(last.to_owned(), value)]);
    let within = |table, part: &str| Table::from_iter([(part.to_owned(), Value::Table(table))]);
    parts.fold(innermost, within)
}

/// A layer that names the epochs of supervised training, and no floor of steps, means these epochs:
/// the floor below them goes.
fn without_floor(mut layer: Table) -> Table {
    if let Some(Value::Table(sasrec)) = layer.get_mut("sasrec") {
        *sasrec = without_floor(std::mem::take(sasrec));
    }
    if let Some(Value::Table(sft)) = layer.get_mut("sft")
        && sft.contains_key("epochs")
        && !sft.contains_key("min_steps")
    {
        sft.insert("min_steps".to_owned(), Value::Integer(0));
    }
    layer
}

/// Whether a key's table is one value, not a section: a split by time.
pub(super) fn is_leaf(key: &str) -> bool {
    key == "split"
}

/// Lays `over` onto `base`, table by table.
pub(crate) fn merge(base: &mut Table, over: Table) {
    for (key, value) in over {
        match (base.get_mut(&key), value) {
            (Some(Value::Table(base)), Value::Table(over)) if !is_leaf(&key) => merge(base, over),
            (_, value) => {
                base.insert(key, value);
            }
        }
    }
}
