//! Settings by their dotted keys, and the keys that differ between two.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use super::Config;
use super::layers::is_leaf;
use crate::error::{Result, SettingChange};

/// Settings by their dotted keys, such as `rl.group_size`; a key without a value is missing.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct Keys(BTreeMap<String, Value>);

impl Keys {
    /// All keys of the settings.
    ///
    /// # Errors
    ///
    /// If TOML has no form for a value.
    pub(crate) fn of(config: &Config) -> Result<Self> {
        let mut keys = BTreeMap::new();
        flatten(config.to_table()?, "", &mut keys);
        Ok(Self(keys))
    }

    /// The keys of tables, each over the one before.
    #[must_use]
    pub(crate) fn of_tables<'a>(tables: impl IntoIterator<Item = &'a Table>) -> Self {
        let mut keys = BTreeMap::new();
        for table in tables {
            flatten(table.clone(), "", &mut keys);
        }
        Self(keys)
    }

    /// The keys with their values in TOML, in alphabetical order.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, String)> {
        self.0.iter().map(|(key, value)| (&key[..], value.to_string()))
    }

    /// Those keys of which `holds` is true.
    #[must_use]
    pub(crate) fn filtered(mut self, holds: impl Fn(&str) -> bool) -> Self {
        self.0.retain(|key, _| holds(key));
        self
    }

    /// These keys, with the values of `over` where it has some.
    #[must_use]
    pub(crate) fn overlaid(mut self, over: Self) -> Self {
        self.0.extend(over.0);
        self
    }

    /// These keys and one more.
    #[must_use]
    pub(crate) fn with(mut self, key: &str, value: String) -> Self {
        self.0.insert(key.to_owned(), Value::String(value));
        self
    }

    /// The keys whose values differ, in alphabetical order, from these values to those of `new`.
    #[must_use]
    pub(crate) fn changes(&self, new: &Self) -> Vec<SettingChange> {
        let keys: BTreeSet<&String> = self.0.keys().chain(new.0.keys()).collect();
        let differing = keys.into_iter().filter(|key| self.0.get(*key) != new.0.get(*key));
        let text = |keys: &Self, key: &str| keys.0.get(key).map(Value::to_string);
        differing
            .map(|key| SettingChange {
                key: key.clone(),
                old: text(self, key),
                new: text(new, key),
            })
            .collect()
    }
}

fn flatten(table: Table, prefix: &str, into: &mut BTreeMap<String, Value>) {
    for (key, value) in table {
        let path = format!("{prefix}{key}");
        match value {
            Value::Table(section) if !is_leaf(&key) => flatten(section, &format!("{path}."), into),
            value => {
                into.insert(path, value);
            }
        }
    }
}
