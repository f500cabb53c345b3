//! The way to read a log.

use std::collections::BTreeMap;
use std::fmt;

use encoding_rs::Encoding;
use serde::{Deserialize, Serialize};

use super::Format;
use crate::error::{Error, Result};

/// The names under which a table or JSON object holds an interaction. S3-Rec text and folders of
/// MiniOneRec ignore these names. In a file of RecBole the defaults stand for `user_id`, `item_id`,
/// `timestamp` and `rating`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct Columns {
    /// The user.
    pub user: String,
    /// The item.
    pub item: String,
    /// The time: an integer, or a float without a fraction.
    pub timestamp: String,
    /// The rating; a reader reads it only if a least rating is asked for.
    pub rating: String,
}

impl Default for Columns {
    fn default() -> Self {
        Self {
            user: "user".into(),
            item: "item".into(),
            timestamp: "timestamp".into(),
            rating: "rating".into(),
        }
    }
}

impl Columns {
    /// These names with `layout`'s in place of the defaults.
    pub(super) fn or(&self, layout: Self) -> Self {
        let default = Self::default();
        let name = |given: &String, default: &String, there: String| {
            if given == default { there } else { given.clone() }
        };
        Self {
            user: name(&self.user, &default.user, layout.user),
            item: name(&self.item, &default.item, layout.item),
            timestamp: name(&self.timestamp, &default.timestamp, layout.timestamp),
            rating: name(&self.rating, &default.rating, layout.rating),
        }
    }
}

/// The treatment of rows without a user, an item or a time.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Missing {
    /// The first such row is an error.
    #[default]
    Refuse,
    /// Such rows are left out and counted.
    Drop,
    /// `NaN`, `NULL` and their like are ids as any other text; an empty id is an error.
    Keep,
}

/// The order of a user's interactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogOrder {
    /// The order of the times.
    Time,
    /// The order of the file's rows; times are not read.
    Rows,
}

/// The values of a column whose rows count.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(untagged)]
pub enum Kept {
    /// A text.
    Text(String),
    /// An integer.
    Integer(i64),
    /// A float.
    Float(f64),
    /// True or false.
    Bool(bool),
    /// Any of these.
    AnyOf(Vec<Kept>),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Text(text) => write!(f, "'{text}'"),
            Self::Integer(number) => number.fmt(f),
            Self::Float(number) => number.fmt(f),
            Self::Bool(truth) => truth.fmt(f),
            Self::AnyOf(all) => {
                let all: Vec<String> = all.iter().map(ToString::to_string).collect();
                f.write_str(&all.join(", "))
            }
        }
    }
}

impl Kept {
    /// Whether a row with the text `value` in the column counts.
    pub(super) fn accepts(&self, value: &str) -> bool {
        match self {
            Self::Text(text) => text == value,
            Self::Integer(number) => {
                value.parse() == Ok(*number) || value.parse() == Ok(*number as f64)
            }
            Self::Float(number) => value.parse() == Ok(*number),
            Self::Bool(truth) => value.to_ascii_lowercase().parse() == Ok(*truth),
            Self::AnyOf(all) => all.iter().any(|kept| kept.accepts(value)),
        }
    }
}

/// The way to read a log. The default leaves all to the file: its extension and its first bytes.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct LogOptions {
    /// The format; `None` means the format of the extension or the content.
    pub format: Option<Format>,
    /// The names of columns or keys.
    pub columns: Columns,
    /// The names of the columns of a table without a header line.
    pub header: Option<Vec<String>>,
    /// The text between two fields: one character of one byte, or `::`. `None` means that of the
    /// format or the content.
    pub delimiter: Option<String>,
    /// The encoding of text, by a label of the WHATWG's standard; `None` means UTF-8, or UTF-16
    /// with a byte order mark.
    pub encoding: Option<String>,
    /// The treatment of rows without an id or a time.
    pub missing: Missing,
    /// Whether spellings of one id (`3` and `3.0`, composed and decomposed letters, blanks) are
    /// one id.
    pub join_spellings: bool,
    /// The order of a user's interactions; `None` means time, unless the layout has none.
    pub order: Option<LogOrder>,
    /// The lowest rating that counts.
    pub min_rating: Option<f64>,
    /// Columns, and their values whose rows count.
    pub keep: BTreeMap<String, Kept>,
}

impl LogOptions {
    /// The encoding by its label.
    pub(crate) fn encoding(&self) -> Result<Option<&'static Encoding>> {
        let Some(label) = &self.encoding else { return Ok(None) };
        Encoding::for_label(label.as_bytes()).map(Some).ok_or_else(|| {
            let problem = format!("'{label}' is no encoding");
            Error::setting("data.encoding", problem, "utf-8, latin1, utf-16le or gbk are some")
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_is_kept_by_its_text_however_the_setting_writes_it() {
        let kept = |toml: &str| {
            let table: toml::Table = toml::from_str(&format!("it = {toml}")).unwrap();
            Kept::deserialize(table["it"].clone()).unwrap()
        };
        for (setting, accepted, refused) in [
            ("\"view\"", "view", "View"),
            ("1", "1", "0"),
            ("1", "1.0", "11"),
            ("0.5", "0.50", "0.51"),
            ("true", "True", "false"),
            ("[\"view\", 3]", "3", "2"),
        ] {
            assert!(kept(setting).accepts(accepted), "{setting} {accepted}");
            assert!(!kept(setting).accepts(refused), "{setting} {refused}");
        }
    }

    #[test]
    fn an_unknown_encoding_is_named() {
        let options = LogOptions { encoding: Some("klingon".into()), ..LogOptions::default() };
        let message = options.encoding().unwrap_err().to_string();
        assert!(message.contains("'klingon' is no encoding"), "{message}");
    }
}
