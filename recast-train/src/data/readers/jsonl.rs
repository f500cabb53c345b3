//! One JSON object a line.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

use serde::de::{DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, Visitor};
use serde_json::Map;
use serde_json::value::RawValue;

use super::field::Place;
use super::layout::{Layout, without_times};
use super::lenient;
use super::lines::{each_line_and_cut, json_error};
use super::list::{scalar, scalars};
use super::rows::Rows;
use super::{Columns, Interactions, LogOptions};
use crate::error::{Error, Result};
use crate::storage::Source;

/// Reads the objects' keys named in `columns`; other keys are ignored. Values are strings or
/// numbers, by their digits. An array of items is all of a user, with an array of times or without.
/// A line that is no JSON is read as a literal of Python.
pub(super) fn read(source: Source, layout: &Layout, options: &LogOptions) -> Result<Interactions> {
    let path = &source.path().to_owned();
    let columns = &layout.columns;
    let mut rows = Rows::new(path, options, columns, layout.order);
    let mut names: Vec<&str> =
        vec![&columns.user, &columns.item, &columns.timestamp, &columns.rating];
    names.extend(rows.filters());
    let cut = each_line_and_cut(source, |line, text| {
        let mut values = vec![None; names.len()];
        let lenient = match pick(text, &names, &mut values) {
            Ok(()) => None,
            Err(fault) => {
                let lenient = lenient::json(text);
                Some(lenient.ok_or_else(|| json_error(path, line, &fault))?)
            }
        };
        if let Some(lenient) = &lenient {
            values.fill(None);
            pick(lenient, &names, &mut values).map_err(|fault| json_error(path, line, &fault))?;
        }
        let text = lenient.as_deref().unwrap_or(text);
        let drops_missing = rows.drops_missing();
        Row { path, line, text, columns, values, drops_missing }.add_to(&mut rows)
    })?;
    rows.into_log(cut)
}

/// The values of one line: user, item, time, rating and those of the filters.
struct Row<'a> {
    path: &'a Path,
    line: u64,
    text: &'a str,
    columns: &'a Columns,
    values: Vec<Option<&'a RawValue>>,
    /// Whether a key that the line lacks is a missing value like null.
    drops_missing: bool,
}

impl Row<'_> {
    fn add_to(&self, rows: &mut Rows<'_>) -> Result<()> {
        let columns = self.columns;
        let filtered: Vec<Cow<'_, str>> = self.values[4..].iter().copied().map(plain).collect();
        if !rows.keeps(filtered.iter().map(AsRef::as_ref)) {
            return Ok(());
        }
        if let Some(items) = self.values[1].and_then(list) {
            let user = self.text_of(0, &columns.user)?;
            let times = match self.values[2].filter(|_| rows.want_times()) {
                Some(times) => Some(list(times).ok_or_else(|| {
                    let problem = "is no array of plain values, where the items are one";
                    let place = self.place(&columns.timestamp);
                    place.error(times.get(), problem, "give each item its time")
                })?),
                None => None,
            };
            return rows.push_list(self.line, user.as_deref(), &items, times.as_deref());
        }
        if rows.want_ratings() {
            let rating = self.text_of(3, &columns.rating)?.unwrap_or_default();
            if rows.rated_too_low(self.line, &rating)? {
                return Ok(());
            }
        }
        let (user, item) = (self.text_of(0, &columns.user)?, self.text_of(1, &columns.item)?);
        let time = match rows.want_times() {
            true => self.text_of(2, &columns.timestamp)?,
            false => None,
        };
        rows.push(self.line, user.as_deref(), item.as_deref(), time.as_deref())
    }

    fn place<'p>(&'p self, column: &'p str) -> Place<'p> {
        Place { path: self.path, line: self.line, column }
    }

    /// The text of a value; `None` for null.
    fn text_of(&self, index: usize, column: &str) -> Result<Option<String>> {
        let Some(value) = self.values[index] else {
            return if self.drops_missing { Ok(None) } else { Err(self.without(column)) };
        };
        scalar(value).ok_or_else(|| {
            let problem = "is neither a string nor a number";
            self.place(column).error(value.get(), problem, "give a plain value")
        })
    }

    /// The error of a key that the line lacks.
    fn without(&self, column: &str) -> Error {
        let object: Map<_, _> = serde_json::from_str(self.text).unwrap_or_default();
        let names: Vec<&str> = object.keys().map(String::as_str).collect();
        if *column == self.columns.timestamp {
            return without_times(self.path, self.line, self.columns, &names);
        }
        let found = names.iter().map(|it| format!("'{it}'")).collect::<Vec<_>>().join(", ");
        Error::line(
            self.path,
            self.line,
            format!("no key '{column}' among {found}"),
            "set the columns' names or add the key",
        )
    }
}

/// The elements of an array of plain values.
fn list(value: &RawValue) -> Option<Vec<Option<Cow<'_, str>>>> {
    let list: Vec<&RawValue> = serde_json::from_str(value.get()).ok()?;
    Some(scalars(&list)?.into_iter().map(|it| it.map(Cow::Owned)).collect())
}

/// A value as a filter sees it: strings without quotes, all else as written.
fn plain(value: Option<&RawValue>) -> Cow<'_, str> {
    match value {
        None => Cow::Borrowed(""),
        Some(value) => match scalar(value) {
            Some(Some(text)) => Cow::Owned(text),
            _ => Cow::Borrowed(value.get()),
        },
    }
}

/// The keys of an object, each with whether its value is an array; `None` for any other text.
pub(super) fn keys(text: &str) -> Option<Vec<(String, bool)>> {
    let text = text.trim();
    if !text.starts_with('{') {
        return None;
    }
    let object = |text: &str| serde_json::from_str::<Map<_, _>>(text).ok();
    let object = object(text).or_else(|| object(&lenient::json(text)?))?;
    Some(object.into_iter().map(|(name, value)| (name, value.is_array())).collect())
}

/// Picks the values of the keys `names` out of an object.
fn pick<'t>(
    text: &'t str,
    names: &[&str],
    values: &mut [Option<&'t RawValue>],
) -> serde_json::Result<()> {
    let mut json = serde_json::Deserializer::from_str(text);
    Picked { names, values }.deserialize(&mut json)?;
    json.end()
}

struct Picked<'p, 't> {
    names: &'p [&'p str],
    values: &'p mut [Option<&'t RawValue>],
}

impl<'t> DeserializeSeed<'t> for Picked<'_, 't> {
    type Value = ();

    fn deserialize<D: Deserializer<'t>>(self, json: D) -> std::result::Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'t> Visitor<'t> for Picked<'_, 't> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a map")
    }

    fn visit_map<M: MapAccess<'t>>(self, mut object: M) -> std::result::Result<(), M::Error> {
        while let Some(index) = object.next_key_seed(Index { names: self.names })? {
            let Some(index) = index else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = object.next_value()?;
            if self.values[index].replace(value).is_some() {
                let name = self.names[index];
                return Err(M::Error::custom(format!("key '{name}' stands twice")));
            }
        }
        // a filter may name a column that is read anyway
        for at in 0..self.names.len() {
            let first = self.names.iter().position(|name| *name == self.names[at]);
            self.values[at] = first.and_then(|first| self.values[first]);
        }
        Ok(())
    }
}

/// The index of a key among names.
struct Index<'p> {
    names: &'p [&'p str],
}

impl<'t> DeserializeSeed<'t> for Index<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'t>>(
        self,
        json: D,
    ) -> std::result::Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for Index<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a key")
    }

    fn visit_str<E>(self, key: &str) -> std::result::Result<Option<usize>, E> {
        Ok(self.names.iter().position(|name| *name == key))
    }
}

#[cfg(test)]
mod tests;
