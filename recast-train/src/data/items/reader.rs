//! Items files, entry by entry, aligned to the items of a log.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::Path;

use encoding_rs::Encoding;
use indexmap::IndexMap;

use super::Items;
use super::keys::{Entry, IdKey, id_text, is_rounded, item_numbers, item_text};
use super::layout::for_each_entry;
use crate::data::join::OtherKey;
use crate::data::{Ids, Join};
use crate::error::{Error, Result};
use crate::storage::Sources;

/// Keys that a message shows.
const KEYS_SHOWN: usize = 12;

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
/// comes first in this list. A usual name of public data sets (`movieId`, `video_id`) comes next.
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
        items: Items::from_rows(Vec::new(), ids),
        seen: IndexMap::new(),
        copies: None,
        other_keys: BTreeMap::new(),
    };
    let source = sources.text(path, file.encoding)?;
    let warning = for_each_entry(source, id_key, |line, entry| read.push(line, &entry))?;
    let (items, join, mut warnings) = read.finish()?;
    warnings.extend(warning.map(|warning| format!("texts: {warning}")));
    Ok((items, join, warnings))
}

/// The items of a file while they are read.
struct ItemsRead<'a> {
    path: &'a Path,
    id_key: IdKey<'a>,
    ids: &'a Ids,
    items: Items,
    /// The line and the hash of the first entry of each id, in the order of the file.
    seen: IndexMap<String, (Option<u64>, u64)>,
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
            let mut keys: Vec<String> =
                entry.keys().take(KEYS_SHOWN).map(|key| format!("'{key}'")).collect();
            keys.extend((entry.len() > KEYS_SHOWN).then(|| "..".to_owned()));
            let keys = keys.join(", ");
            let hint = format!(
                "give each item its id as a string or number, or name its key by data.items_id; the keys \
                 here are {keys}"
            );
            return Err(fault(problem, &hint));
        };
        if is_rounded(&entry[id_key]) {
            let problem = format!("the id {id} under '{id_key}' is a number that lost digits");
            return Err(fault(problem, "write it as an integer or as a string"));
        }
        let hash = hash_of(entry);
        let row = self.items.n_rows;
        self.items.n_rows += 1;
        if let Some(&(first, earlier)) = self.seen.get(&id) {
            if hash != earlier {
                let place =
                    first.map_or_else(String::new, |line| format!(", first on line {line}"));
                let problem = format!("item '{id}' stands twice with different entries{place}");
                return Err(fault(problem, "keep one entry an item"));
            }
            let place = line.map_or_else(String::new, |line| format!(", line {line}"));
            self.copies.get_or_insert_with(|| (0, format!("item '{id}'{place}"))).0 += 1;
            return Ok(());
        }
        match self.ids.index_of(&id) {
            Some(index) => {
                let index = index as usize;
                self.items.rows[index] = Some(row);
                self.items.texts[index] = Some(item_text(entry, id_key, &id));
                for (key, number) in item_numbers(entry, id_key) {
                    let none = || vec![None; self.ids.len()];
                    let column = self.items.numbers.entry(key.to_owned()).or_insert_with(none);
                    column[index] = Some(number);
                }
            }
            None => self.note_other_keys(entry, id_key),
        }
        self.seen.insert(id, (line, hash));
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
        let ids = self.seen.keys().map(String::as_str);
        let mut join = Join::by_id("texts", "items", self.ids, ids);
        let items = self.items;
        let more = |met: &[bool]| {
            let met = (0u32..).zip(met).filter(|it| *it.1);
            met.filter(|(index, _)| items.row_of(*index).is_none()).count()
        };
        // the first of the keys with most ids; a few may be there by chance
        let best =
            self.other_keys.iter().rev().map(|(key, met)| (more(met), key)).max_by_key(|it| it.0);
        join.other_key = best
            .filter(|(matched, _)| 2 * matched >= join.total - join.matched && *matched > 0)
            .map(|(matched, key)| OtherKey { key: key.clone(), matched });
        join.check_any(self.path)?;
        let warning = self.copies.map(|(count, first)| {
            let entries = if count == 1 { "entry repeats" } else { "entries repeat" };
            format!(
                "texts: {count} {entries} an earlier entry exactly, which counts once ({first})"
            )
        });
        Ok((items, join, warning.into_iter().collect()))
    }
}

fn hash_of(entry: &Entry) -> u64 {
    let mut hasher = DefaultHasher::new();
    entry.hash(&mut hasher);
    hasher.finish()
}
