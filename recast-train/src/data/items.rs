//! Titles, text and numbers of items.

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::Path;

use serde_json::{Map, Value};

use super::Ids;
use super::readers::csv::{Dialect, Table};
use super::readers::lines::{for_each_line, json_error};
use crate::error::{Error, Result};
use crate::storage::{Entries, Source, Sources};

/// Keys that can hold an item's id, in order of preference; none of them is text.
const ID_KEYS: [&str; 5] = ["id", "item", "item_id", "parent_asin", "asin"];
/// Keys that can hold an item's title, in order of preference.
const TITLE_KEYS: [&str; 3] = ["title", "name", "keywords"];
/// The key of an item's text in a run folder.
const TEXT_KEY: &str = "text";

/// The words of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemText {
    /// The item's title.
    pub title: String,
    /// The title and all other words of the item.
    pub text: String,
}

/// Item text and numbers aligned to an item vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct Items {
    ids: Ids,
    texts: Vec<Option<ItemText>>,
    /// A number for each item that has one, by key.
    numbers: BTreeMap<String, Vec<Option<f64>>>,
    rows: Vec<Option<usize>>,
    n_rows: usize,
}

impl Items {
    /// Aligns `rows`, in the order of their file, to the vocabulary `ids`.
    ///
    /// The first of two rows with one id counts. Rows outside the vocabulary only count as rows.
    /// `rows` may be empty: every title is then the id.
    #[must_use]
    pub(crate) fn from_rows(rows: Vec<(String, ItemText)>, ids: &Ids) -> Self {
        let n_rows = rows.len();
        let mut items = Self {
            ids: ids.clone(),
            texts: vec![None; ids.len()],
            numbers: BTreeMap::new(),
            rows: vec![None; ids.len()],
            n_rows,
        };
        for (row, (id, text)) in rows.into_iter().enumerate() {
            if let Some(index) = ids.index_of(&id).map(|index| index as usize)
                && items.rows[index].is_none()
            {
                items.texts[index] = Some(text);
                items.rows[index] = Some(row);
            }
        }
        items
    }

    /// The title of an item, or its id if it has no text.
    ///
    /// # Panics
    ///
    /// If `index` is outside the vocabulary.
    #[must_use]
    pub fn title(&self, index: u32) -> &str {
        self.text(index)
            .map(|it| it.title.as_str())
            .or_else(|| self.ids.get(index))
            .expect("an index of the vocabulary")
    }

    /// The text of an item, if the file has it.
    #[must_use]
    pub fn text(&self, index: u32) -> Option<&ItemText> {
        self.texts.get(index as usize)?.as_ref()
    }

    /// The numbers of an item, by key.
    pub fn numbers(&self, index: u32) -> impl Iterator<Item = (&str, f64)> {
        self.numbers
            .iter()
            .filter_map(move |(key, column)| Some((&key[..], (*column.get(index as usize)?)?)))
    }

    /// The number of every item under a key of the items file: a column of its table.
    ///
    /// # Errors
    ///
    /// If no item has a number under the key, or some item has none: a missing number has no
    /// stand-in.
    pub fn column(&self, key: &str) -> Result<Vec<f64>> {
        let Some(column) = self.numbers.get(key) else {
            let problem = format!("no item of the items file has a number under '{key}'");
            let hint = match self.numbers.is_empty() {
                true => "name an items file with numbers by data.items".to_owned(),
                false => {
                    let known: Vec<&str> = self.numbers.keys().map(String::as_str).collect();
                    format!("keys with numbers are {}", known.join(", "))
                }
            };
            return Err(Error::data(problem, hint));
        };
        column.iter().copied().collect::<Option<Vec<f64>>>().ok_or_else(|| {
            let mut missing = (0..).zip(column).filter(|(_, number)| number.is_none());
            let first = missing.next().and_then(|(index, _)| self.ids.get(index));
            let problem = format!(
                "{} of {} items have no number under '{key}' in the items file, '{}' is the first",
                missing.count() + 1,
                column.len(),
                first.unwrap_or_default()
            );
            Error::data(problem, "give every item of the log a number there")
        })
    }

    /// The row of an item in its file, from 0, blank lines not counted. An embedding file that goes
    /// with the items file has the item in the same row.
    #[must_use]
    pub fn row_of(&self, index: u32) -> Option<usize> {
        *self.rows.get(index as usize)?
    }

    /// The number of rows of the file, those outside the vocabulary included.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The number of items of the vocabulary without text.
    #[must_use]
    pub fn n_missing(&self) -> usize {
        self.texts.iter().filter(|it| it.is_none()).count()
    }
}

/// Reads item metadata and aligns the items to the vocabulary `ids`.
///
/// - A table has a header line: `.csv`, `.tsv`, RecBole's `.item`.
/// - A `.json` file is one JSON object that holds an object under each id.
/// - A `.txt` file has lines of a semantic ID, a title and an id with tabs between them, as
///   MiniOneRec writes them.
/// - Any other file has one JSON object a line.
///
/// A number in a table is text only as an id or a title.
///
/// The id is a string or number under `id`, `item`, `item_id`, `parent_asin` or `asin`, whichever
/// comes first in this list. The title is `title`, else `name`, else `keywords`, else the id. The
/// text is the title and then, in alphabetical order of their keys, all other strings and arrays of
/// strings. Numbers under all other keys are the item's numbers: [`Items::column`].
///
/// # Errors
///
/// If the file cannot be read, or a line or the file is not of its kind. If an item has no id, or
/// two items have one id. If no item of the vocabulary is in the file.
pub fn read_items(path: &Path, ids: &Ids) -> Result<Items> {
    items_of(path, ids, &Sources::default())
}

/// Reads items as [`read_items`] does, and notes the file among `sources`.
pub(crate) fn items_of(path: &Path, ids: &Ids, sources: &Sources) -> Result<Items> {
    let mut rows = Vec::new();
    let mut seen = Ids::new();
    let mut numbers: BTreeMap<String, Vec<Option<f64>>> = BTreeMap::new();
    for_each_object(path, sources, |line, object| {
        let fault = |problem: String, hint| match line {
            Some(line) => Error::line(path, line, problem, hint),
            None => Error::file(path, problem, hint),
        };
        let id = id_of(&object).ok_or_else(|| {
            let problem = format!("no id under any of the keys {}", ID_KEYS.join(", "));
            fault(problem, "give each item its id as a string or number")
        })?;
        if seen.index_of(&id).is_some() {
            return Err(fault(format!("item '{id}' stands twice"), "keep one line an item"));
        }
        seen.intern(&id);
        let text = item_text(&object, &id);
        if let Some(index) = ids.index_of(&id) {
            for (key, number) in item_numbers(object) {
                let column = numbers.entry(key).or_insert_with(|| vec![None; ids.len()]);
                column[index as usize] = Some(number);
            }
        }
        rows.push((id, text));
        Ok(())
    })?;
    let items = Items { numbers, ..Items::from_rows(rows, ids) };
    if items.n_missing() == ids.len() {
        return Err(Error::file(
            path,
            format!("none of its {} items is among the {} of the log", items.n_rows, ids.len()),
            "check that both files use the same ids",
        ));
    }
    Ok(items)
}

/// Hands each item to `each` as an object, with its line from 1 where items stand on lines.
fn for_each_object(
    path: &Path,
    sources: &Sources,
    mut each: impl FnMut(Option<u64>, Map<String, Value>) -> Result<()>,
) -> Result<()> {
    let source = sources.text(path, None)?;
    let extension = path.extension().map(|it| it.to_string_lossy().to_ascii_lowercase());
    let dialect = match extension.as_deref() {
        Some("csv") => Dialect::Comma,
        Some("tsv") => Dialect::Tab,
        Some("item") => Dialect::TypedTab,
        Some("json") => return for_each_entry(source, |object| each(None, object)),
        Some("txt") => {
            return for_each_line(source, |line, text| {
                let [_, title, id] = text.split('\t').collect::<Vec<_>>()[..] else {
                    let hint = "write a semantic ID, a title and an id, as MiniOneRec does";
                    return Err(Error::line(path, line, "is not three fields with tabs", hint));
                };
                let field = |key: &str, text: &str| (key.to_owned(), Value::from(text));
                each(Some(line), [field("id", id), field("title", title)].into_iter().collect())
            });
        }
        _ => {
            return for_each_line(source, |line, text| {
                let object =
                    serde_json::from_str(text).map_err(|source| json_error(path, line, &source))?;
                each(Some(line), object)
            });
        }
    };
    let mut table = Table::open(source, dialect)?;
    let header = table.header.clone();
    while let Some((line, record)) = table.next()? {
        let value = |key: &str, text: &str| {
            let is_name = ID_KEYS.contains(&key) || TITLE_KEYS.contains(&key);
            match text.parse::<f64>() {
                Ok(number) if !is_name => Value::from(number),
                _ => Value::from(text),
            }
        };
        let fields = header.iter().zip(record);
        each(Some(line), fields.map(|(key, text)| (key.to_owned(), value(key, text))).collect())?;
    }
    Ok(())
}

/// Hands each entry of one JSON object to `each`, with its key as the id.
fn for_each_entry(
    mut source: Source,
    mut each: impl FnMut(Map<String, Value>) -> Result<()>,
) -> Result<()> {
    let path = &source.path().to_owned();
    let mut text = String::new();
    source.read_to_string(&mut text).map_err(|cause| Error::read(path, cause))?;
    let entries: Entries<Map<String, Value>> = serde_json::from_str(&text).map_err(|fault| {
        let hint = r#"expected {"item id": {"title": "..", ..}, ..}"#;
        Error::file(path, format!("is not one JSON object of items: {fault}"), hint)
    })?;
    entries.0.into_iter().try_for_each(|(id, mut object)| {
        object.retain(|key, _| !ID_KEYS.contains(&key.as_str()));
        object.insert(ID_KEYS[0].to_owned(), Value::from(id));
        each(object)
    })
}

fn id_of(object: &Map<String, Value>) -> Option<String> {
    ID_KEYS.iter().find_map(|key| match object.get(*key)? {
        Value::String(text) => Some(text.trim().to_owned()).filter(|it| !it.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    })
}

fn item_text(object: &Map<String, Value>, id: &str) -> ItemText {
    let named = TITLE_KEYS.iter().find_map(|key| {
        let title = object.get(*key)?.as_str()?.trim();
        (!title.is_empty()).then_some((*key, title))
    });
    let (title_key, title) = named.unwrap_or(("", id));
    // The keys are sorted here: the features of other crates decide whether serde_json keeps a
    // file's order.
    let mut keys: Vec<&String> = object.keys().collect();
    keys.sort_unstable();
    let mut parts = vec![title];
    for key in keys {
        if key == title_key || ID_KEYS.contains(&key.as_str()) {
            continue;
        }
        match &object[key] {
            Value::String(text) => parts.push(text.trim()),
            Value::Array(values) => {
                parts.extend(values.iter().filter_map(Value::as_str).map(str::trim));
            }
            _ => {}
        }
    }
    parts.retain(|it| !it.is_empty());
    ItemText { title: title.to_owned(), text: parts.join(". ") }
}

/// The numbers of an item; its id, title and text are no numbers of it.
fn item_numbers(object: Map<String, Value>) -> impl Iterator<Item = (String, f64)> {
    let is_name =
        |key: &str| ID_KEYS.contains(&key) || TITLE_KEYS.contains(&key) || key == TEXT_KEY;
    object
        .into_iter()
        .filter(move |(key, _)| !is_name(key))
        .filter_map(|(key, value)| Some((key, value.as_f64()?)))
}

#[cfg(test)]
mod tests;
