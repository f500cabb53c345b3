//! Layouts of items files: tables, lines of JSON, one JSON object, and lines of public data sets.

use std::collections::HashMap;
use std::fmt;
use std::path::Path;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::Value;
use serde_json::value::RawValue;

use super::keys::{Entry, IdKey, is_rounded, is_text, with_id};
use crate::data::readers::csv::{Dialect, Table};
use crate::data::readers::extension;
use crate::data::readers::lenient;
use crate::data::readers::lines::{for_each_line, json_error};
use crate::error::{Error, Result};
use crate::storage::{Entries, Source, read_whole};

/// Hands each item to `each` as an entry, with its line from 1 where items stand on lines.
///
/// Returns a warning about the file, if there is one.
pub(super) fn for_each_entry(
    source: Source,
    id_key: IdKey<'_>,
    mut each: impl FnMut(Option<u64>, Entry) -> Result<()>,
) -> Result<Option<String>> {
    let path = &source.path().to_owned();
    let dialect = match layout(&source) {
        Layout::Table(dialect) => dialect,
        Layout::Object => {
            for_each_of_object(source, id_key, |entry| each(None, entry))?;
            return Ok(None);
        }
        Layout::Fields(fields) => {
            for_each_line(source, |line, text| each(Some(line), fields.entry(path, line, text)?))?;
            return Ok(None);
        }
        Layout::Lines => {
            for_each_line(source, |line, text| {
                each(Some(line), parsed(path, line, text, id_key)?)
            })?;
            return Ok(None);
        }
    };
    let mut table = Table::open(source, dialect)?;
    let header = table.header.clone();
    for name in header.iter().filter(|name| !name.is_empty()) {
        table.position(name)?;
    }
    let id_column = id_key.among(header.iter());
    while let Some((line, record)) = table.next()? {
        let value = |key: &str, text: &str| match (is_text(key, id_column), text.parse::<i64>()) {
            (true, _) => Value::from(text),
            (false, Ok(number)) => Value::from(number),
            (false, Err(_)) => text.parse::<f64>().map_or_else(|_| Value::from(text), Value::from),
        };
        let fields = header.iter().zip(record);
        each(Some(line), fields.map(|(key, text)| (key.to_owned(), value(key, text))).collect())?;
    }
    Ok(table.warning())
}

/// The entry on a line of JSON, or of a literal of Python.
fn parsed(path: &Path, line: u64, text: &str, id_key: IdKey<'_>) -> Result<Entry> {
    let entry = |text: &str| {
        let UniqueKeys(mut entry) = serde_json::from_str(text)?;
        restore_digits(&mut entry, text, id_key)?;
        Ok(entry)
    };
    entry(text).or_else(|fault: serde_json::Error| match lenient::json(text) {
        Some(json) => entry(&json).map_err(|fault| json_error(path, line, &fault)),
        None => Err(json_error(path, line, &fault)),
    })
}

/// An object whose keys stand once each.
struct UniqueKeys(Entry);

impl<'de> Deserialize<'de> for UniqueKeys {
    fn deserialize<D: Deserializer<'de>>(json: D) -> std::result::Result<Self, D::Error> {
        json.deserialize_map(UniqueKeys(Entry::new()))
    }
}

impl<'de> Visitor<'de> for UniqueKeys {
    type Value = Self;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<M: MapAccess<'de>>(
        mut self,
        mut object: M,
    ) -> std::result::Result<Self, M::Error> {
        while let Some((key, value)) = object.next_entry::<String, Value>()? {
            if self.0.contains_key(&key) {
                return Err(M::Error::custom(format!("key '{key}' stands twice")));
            }
            self.0.insert(key, value);
        }
        Ok(self)
    }
}

/// Turns an integer that lost digits into text, where it is the id.
fn restore_digits(entry: &mut Entry, text: &str, id_key: IdKey<'_>) -> serde_json::Result<()> {
    let id_key = id_key.among(entry.keys().map(String::as_str)).map(str::to_owned);
    let Some(key) = id_key else { return Ok(()) };
    if let Some(value) = entry.get_mut(&key).filter(|value| is_rounded(value)) {
        let raw: HashMap<String, &RawValue> = serde_json::from_str(text)?;
        let is_digit = |byte: u8| byte.is_ascii_digit() || byte == b'-';
        let digits = raw.get(&key).map(|raw| raw.get()).filter(|raw| raw.bytes().all(is_digit));
        if let Some(digits) = digits {
            *value = Value::from(digits);
        }
    }
    Ok(())
}

/// The layout of an items file.
enum Layout {
    /// A table with a header line.
    Table(Dialect),
    /// One JSON object of all items.
    Object,
    /// One JSON object a line.
    Lines,
    /// Fields without names on each line.
    Fields(Fields),
}

/// The layout by the extension, without that of the packing, and where it leaves a choice by the
/// first lines.
fn layout(source: &Source) -> Layout {
    let head = String::from_utf8_lossy(source.head());
    let mut lines = head.lines().map(str::trim).filter(|line| !line.is_empty());
    let first = lines.next().unwrap_or_default();
    match extension(source.path()).as_deref() {
        Some("csv") if !first.contains(',') => {
            let other =
                [b';', b'\t', b'|'].into_iter().find(|&byte| first.contains(char::from(byte)));
            Layout::Table(other.map_or(Dialect::Comma, Dialect::Byte))
        }
        Some("csv") => Layout::Table(Dialect::Comma),
        Some("tsv") => Layout::Table(Dialect::Tab),
        Some("item") if first.contains('|') && !first.contains('\t') => {
            Layout::Fields(Fields::MovieLens100K)
        }
        Some("item") => Layout::Table(Dialect::TypedTab),
        Some("dat") if first.contains("::") => Layout::Fields(Fields::MovieLens),
        Some("txt") => Layout::Fields(Fields::MiniOneRec),
        // an object on the first line and more behind it
        Some("json")
            if first.starts_with('{') && first.ends_with('}') && lines.next().is_some() =>
        {
            Layout::Lines
        }
        Some("json") => Layout::Object,
        _ => Layout::Lines,
    }
}

/// Layouts of lines whose fields have no names.
#[derive(Debug, Clone, Copy)]
enum Fields {
    /// A semantic ID, a title and an id with tabs between them.
    MiniOneRec,
    /// `movies.dat` of MovieLens 1M and 10M: an id, a title and genres.
    MovieLens,
    /// `u.item` of MovieLens 100K: an id, a title, two dates, a link, and a flag for each genre.
    MovieLens100K,
}

impl Fields {
    fn entry(self, path: &Path, line: u64, text: &str) -> Result<Entry> {
        let delimiter = match self {
            Self::MiniOneRec => "\t",
            Self::MovieLens => "::",
            Self::MovieLens100K => "|",
        };
        let fields: Vec<&str> = text.split(delimiter).collect();
        let strings = |list: &[(&str, &str)]| {
            list.iter()
                .map(|(key, text)| ((*key).to_owned(), Value::from(*text)))
                .collect::<Entry>()
        };
        match (self, &fields[..]) {
            (Self::MiniOneRec, [_, title, id]) => Ok(strings(&[("id", id), ("title", title)])),
            (Self::MovieLens, [id, title, genres]) => {
                let mut entry = strings(&[("id", id), ("title", title)]);
                entry.insert("genres".to_owned(), genres.split('|').collect());
                Ok(entry)
            }
            (Self::MovieLens100K, [id, title, _, _, _, flags @ ..])
                if flags.len() == GENRES_OF_100K.len() =>
            {
                let mut entry = strings(&[("id", id), ("title", title)]);
                let genres = GENRES_OF_100K.iter().zip(flags).filter(|it| *it.1 == "1");
                entry.insert("genres".to_owned(), genres.map(|it| *it.0).collect());
                Ok(entry)
            }
            _ => {
                let (problem, hint) = match self {
                    Self::MiniOneRec => (
                        "is not three fields with tabs",
                        "write a semantic ID, a title and an id, as MiniOneRec does",
                    ),
                    Self::MovieLens => (
                        "is not three fields with '::'",
                        "write an id, a title and genres, as MovieLens does",
                    ),
                    Self::MovieLens100K => (
                        "is not 24 fields with '|'",
                        "write an id, a title, two dates, a link and 19 flags, as MovieLens does",
                    ),
                };
                Err(Error::line(path, line, problem, hint))
            }
        }
    }
}

/// The genres of `u.item`, in the order of its flags.
const GENRES_OF_100K: [&str; 19] = [
    "unknown",
    "Action",
    "Adventure",
    "Animation",
    "Children's",
    "Comedy",
    "Crime",
    "Documentary",
    "Drama",
    "Fantasy",
    "Film-Noir",
    "Horror",
    "Musical",
    "Mystery",
    "Romance",
    "Sci-Fi",
    "Thriller",
    "War",
    "Western",
];

/// Hands each entry of one JSON object to `each`, with its key as the id.
fn for_each_of_object(
    source: Source,
    id_key: IdKey<'_>,
    mut each: impl FnMut(Entry) -> Result<()>,
) -> Result<()> {
    let path = &source.path().to_owned();
    let text = read_whole(source).map_err(|cause| Error::read(path, cause))?;
    let entries = serde_json::from_str(&text).or_else(|fault| {
        lenient::json(&text).ok_or(fault).and_then(|json| serde_json::from_str(&json))
    });
    let entries: Entries<Entry> = entries.map_err(|fault| {
        let hint = r#"expected {"item id": {"title": "..", ..}, ..}, or one object a line"#;
        Error::file(path, format!("is not one JSON object of items: {fault}"), hint)
    })?;
    entries.0.into_iter().try_for_each(|(id, mut entry)| {
        with_id(&mut entry, id_key, id);
        each(entry)
    })
}
