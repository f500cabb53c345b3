//! Items files: tables, lines of JSON, one JSON object, and lines of other public layouts.

use std::collections::{BTreeMap, HashMap};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::Read as _;
use std::path::Path;

use encoding_rs::Encoding;
use serde_json::Value;

use super::keys::{Entry, IdKey, id_text, is_rounded, item_numbers, item_text, with_id};
use super::{ItemText, Items};
use crate::data::join::OtherKey;
use crate::data::readers::csv::{Dialect, Table};
use crate::data::readers::lines::{for_each_line, json_error};
use crate::data::{Ids, Join};
use crate::error::{Error, Result};
use crate::storage::{Entries, Source, Sources};

/// An items file and the way to read it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct ItemsFile<'a> {
    pub(crate) path: &'a Path,
    /// The key that holds ids; `None` means the first usual key.
    pub(crate) id_key: Option<&'a str>,
    /// The encoding of text; `None` means UTF-8, or UTF-16 with a byte order mark.
    pub(crate) encoding: Option<&'static Encoding>,
}

/// Reads item metadata and aligns the items to the vocabulary `ids`.
///
/// - A table has a header line: `.csv`, `.tsv`, RecBole's `.item`.
/// - A `.json` file is one JSON object that holds an object under each id, or has one JSON object a
///   line.
/// - A `.txt` file has lines of a semantic ID, a title and an id with tabs between them, as
///   MiniOneRec writes them.
/// - The items of MovieLens are read as published: `movies.dat` and `u.item`.
/// - Any other file has one JSON object a line.
///
/// gzip or zstd may pack each of these: `.jsonl.gz`. A number in a table is text only as an id or a
/// title.
///
/// The id is a string or number under `id`, `item`, `item_id`, `parent_asin` or `asin`, whichever
/// comes first in this list, else under a usual name of public data sets (`movieId`, `video_id`).
/// The title is `title`, else `name`, else `keywords`, else the id. The text is the title and then,
/// in alphabetical order of their keys, all other strings and arrays of strings. Numbers under all
/// other keys are the item's numbers: [`Items::column`]. An exact copy of an earlier entry counts
/// once.
///
/// # Errors
///
/// If the file cannot be read, or a line or the file is not of its kind. If an item has no id, or
/// two items that differ have one id. If no item of the vocabulary is in the file.
pub fn read_items(path: &Path, ids: &Ids) -> Result<Items> {
    let file = ItemsFile { path, id_key: None, encoding: None };
    items_of(&file, ids, &Sources::default()).map(|(items, ..)| items)
}

/// Reads items as [`read_items`] does, and notes the file among `sources`. The join of the texts
/// and warnings stand beside the items.
pub(crate) fn items_of(
    file: &ItemsFile<'_>,
    ids: &Ids,
    sources: &Sources,
) -> Result<(Items, Join, Vec<String>)> {
    let path = file.path;
    let id_key = file.id_key.map_or(IdKey::Usual, IdKey::Named);
    let mut read = ItemsRead {
        path,
        id_key,
        ids,
        rows: Vec::new(),
        numbers: BTreeMap::new(),
        seen: HashMap::new(),
        copies: None,
        other_keys: BTreeMap::new(),
    };
    let source = sources.text(path, file.encoding)?;
    for_each_entry(source, id_key, |line, entry| read.push(line, &entry))?;
    read.finish()
}

/// The items of a file while they are read.
struct ItemsRead<'a> {
    path: &'a Path,
    id_key: IdKey<'a>,
    ids: &'a Ids,
    rows: Vec<(String, ItemText)>,
    numbers: BTreeMap<String, Vec<Option<f64>>>,
    /// The line and the hash of the first entry of each id.
    seen: HashMap<String, (Option<u64>, u64)>,
    /// The number of exact copies, and the first one in words.
    copies: Option<(usize, String)>,
    /// The items of the log that entries of other items name under another key.
    other_keys: BTreeMap<String, Vec<bool>>,
}

impl ItemsRead<'_> {
    fn push(&mut self, line: Option<u64>, entry: &Entry) -> Result<()> {
        let path = self.path;
        let fault = |problem: String, hint: &str| match line {
            Some(line) => Error::line(path, line, problem, hint),
            None => Error::file(path, problem, hint),
        };
        let Some((id_key, id)) = self.id_key.find(entry, self.ids) else {
            let problem = format!("no id under {}", self.id_key.name());
            let keys = entry.keys().map(|key| format!("'{key}'")).collect::<Vec<_>>().join(", ");
            let hint = format!(
                "give each item its id as a string or number, or name its key by data.items_id; the keys \
                 here are {keys}"
            );
            return Err(fault(problem, &hint));
        };
        if is_rounded(&entry[id_key]) {
            let problem = format!("the id {id} under '{id_key}' is a number that lost digits");
            return Err(fault(problem, "write ids of more than 15 digits as strings"));
        }
        let hash = hash_of(entry);
        if let Some(&(first, earlier)) = self.seen.get(&id) {
            if hash != earlier {
                let place = first.map_or_else(String::new, |line| format!(", first on line {line}"));
                let problem = format!("item '{id}' stands twice with different entries{place}");
                return Err(fault(problem, "keep one entry an item"));
            }
            let place = line.map_or_else(String::new, |line| format!(", line {line}"));
            self.copies.get_or_insert_with(|| (0, format!("item '{id}'{place}"))).0 += 1;
        }
        let text = item_text(entry, id_key, &id);
        if let Some(index) = self.ids.index_of(&id) {
            for (key, number) in item_numbers(entry, id_key) {
                let column = match self.numbers.get_mut(key) {
                    Some(column) => column,
                    None => {
                        let none = vec![None; self.ids.len()];
                        self.numbers.entry(key.to_owned()).or_insert(none)
                    }
                };
                column[index as usize] = Some(number);
            }
        } else {
            self.note_other_keys(entry, id_key);
        }
        self.seen.entry(id.clone()).or_insert((line, hash));
        self.rows.push((id, text));
        Ok(())
    }

    /// Notes the ids of the log in an entry of another item.
    fn note_other_keys(&mut self, entry: &Entry, id_key: &str) {
        for (key, value) in entry.iter().filter(|(key, _)| *key != id_key) {
            let Some(index) = id_text(value).and_then(|id| self.ids.index_of(&id)) else {
                continue;
            };
            let none = || vec![false; self.ids.len()];
            self.other_keys.entry(key.clone()).or_insert_with(none)[index as usize] = true;
        }
    }

    fn finish(self) -> Result<(Items, Join, Vec<String>)> {
        let mut rows = self.rows.iter().map(|row| &row.0[..]);
        let distinct: indexmap::IndexSet<&str> = rows.by_ref().collect();
        let mut join = Join::by_id("texts", "items", self.ids, distinct);
        let items = Items { numbers: self.numbers, ..Items::from_rows(self.rows, self.ids) };
        let more = |met: &[bool]| {
            let met = (0u32..).zip(met).filter(|it| *it.1);
            met.filter(|(index, _)| items.row_of(*index).is_none()).count()
        };
        // the first of the keys with most ids; a few may be there by chance
        let best = self.other_keys.iter().rev().map(|(key, met)| (more(met), key)).max_by_key(|it| it.0);
        join.other_key = best
            .filter(|(matched, _)| 2 * matched >= join.total - join.matched && *matched > 0)
            .map(|(matched, key)| OtherKey { key: key.clone(), matched });
        join.check_any(self.path)?;
        let warning = self.copies.map(|(count, first)| {
            let entries = if count == 1 { "entry repeats" } else { "entries repeat" };
            format!("texts: {count} {entries} an earlier entry exactly, which counts once ({first})")
        });
        Ok((items, join, warning.into_iter().collect()))
    }
}

fn hash_of(entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    for (key, value) in entry {
        (key, value.to_string()).hash(&mut hasher);
    }
    hasher.finish()
}

/// Hands each item to `each` as an entry, with its line from 1 where items stand on lines.
fn for_each_entry(
    source: Source,
    id_key: IdKey<'_>,
    mut each: impl FnMut(Option<u64>, Entry) -> Result<()>,
) -> Result<()> {
    let path = &source.path().to_owned();
    let dialect = match layout(&source) {
        Layout::Table(dialect) => dialect,
        Layout::Object => return for_each_of_object(source, id_key, |entry| each(None, entry)),
        Layout::Fields(fields) => {
            return for_each_line(source, |line, text| each(Some(line), fields.entry(path, line, text)?));
        }
        Layout::Lines => {
            return for_each_line(source, |line, text| each(Some(line), parsed(path, line, text)?));
        }
    };
    let mut table = Table::open(source, dialect)?;
    let header = table.header.clone();
    while let Some((line, record)) = table.next()? {
        let value = |key: &str, text: &str| match (id_key.is_text(key), text.parse::<i64>()) {
            (true, _) => Value::from(text),
            (false, Ok(number)) => Value::from(number),
            (false, Err(_)) => text.parse::<f64>().map_or_else(|_| Value::from(text), Value::from),
        };
        let fields = header.iter().zip(record);
        each(Some(line), fields.map(|(key, text)| (key.to_owned(), value(key, text))).collect())?;
    }
    Ok(())
}

/// The entry on a line of JSON.
fn parsed(path: &Path, line: u64, text: &str) -> Result<Entry> {
    serde_json::from_str(text).map_err(|fault| json_error(path, line, &fault))
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
        Some("csv") => Layout::Table(Dialect::Comma),
        Some("tsv") => Layout::Table(Dialect::Tab),
        Some("item") if first.contains('|') && !first.contains('\t') => {
            Layout::Fields(Fields::MovieLens100K)
        }
        Some("item") => Layout::Table(Dialect::TypedTab),
        Some("dat") if first.contains("::") => Layout::Fields(Fields::MovieLens),
        Some("txt") => Layout::Fields(Fields::MiniOneRec),
        // an object on the first line and more behind it
        Some("json") if first.starts_with('{') && first.ends_with('}') && lines.next().is_some() => {
            Layout::Lines
        }
        Some("json") => Layout::Object,
        _ => Layout::Lines,
    }
}

/// The extension in lower case, without that of gzip or zstd.
fn extension(path: &Path) -> Option<String> {
    let lower = |path: &Path| path.extension().map(|it| it.to_string_lossy().to_ascii_lowercase());
    match lower(path).as_deref() {
        Some("gz" | "zst") => lower(&path.with_extension("")),
        _ => lower(path),
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
            list.iter().map(|(key, text)| ((*key).to_owned(), Value::from(*text))).collect::<Entry>()
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
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
];

/// Hands each entry of one JSON object to `each`, with its key as the id.
fn for_each_of_object(
    mut source: Source,
    id_key: IdKey<'_>,
    mut each: impl FnMut(Entry) -> Result<()>,
) -> Result<()> {
    let path = &source.path().to_owned();
    let mut text = String::new();
    source.read_to_string(&mut text).map_err(|cause| Error::read(path, cause))?;
    let entries: Entries<Entry> = serde_json::from_str(&text).map_err(|fault| {
        let hint = r#"expected {"item id": {"title": "..", ..}, ..}, or one object a line"#;
        Error::file(path, format!("is not one JSON object of items: {fault}"), hint)
    })?;
    entries.0.into_iter().try_for_each(|(id, mut entry)| {
        with_id(&mut entry, id_key, id);
        each(entry)
    })
}
