//! The semantic ID of every item.

use std::collections::HashMap;
use std::path::Path;

use rayon::prelude::*;
use serde::{Deserialize, Serialize};

use crate::error::{Error, Result};
use crate::storage::{Entries, read_text, write_json};

/// The largest number of codes of a level: a code is a `u16`.
pub(crate) const MAX_CODES: usize = 1 << 16;

/// The semantic IDs (SIDs) of all items: `L` codes per item, each below its level's number of
/// codes.
///
/// There is at least one item and one level. Items may share a SID.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SidTable {
    codes_per_level: Vec<usize>,
    codes: Vec<u16>,
}

impl SidTable {
    /// Takes `codes` as one SID after the other, of as many codes as `codes_per_level` has entries.
    ///
    /// # Errors
    ///
    /// [`Error::Data`] if there is no level or no item, or a level has not 1 to 65536 codes.
    /// [`Error::Data`] if the last SID is not full, or a code is not below its level's number of
    /// codes. [`Error::Data`] if there are more than 2^32 - 2 codes.
    pub fn new(codes_per_level: Vec<usize>, codes: Vec<u16>) -> Result<Self> {
        check(&codes_per_level, &codes).map_err(|(problem, hint)| Error::data(problem, hint))?;
        Ok(Self { codes_per_level, codes })
    }

    /// The number of levels L.
    #[must_use]
    pub fn levels(&self) -> usize {
        self.codes_per_level.len()
    }

    /// The number of codes of each level, used or not.
    #[must_use]
    pub fn codes_per_level(&self) -> &[usize] {
        &self.codes_per_level
    }

    /// The number of items.
    #[must_use]
    pub fn n_items(&self) -> usize {
        self.codes.len() / self.levels()
    }

    /// The SID of an item.
    ///
    /// # Panics
    ///
    /// If `item` is not below [`SidTable::n_items`].
    #[must_use]
    pub fn sid(&self, item: u32) -> &[u16] {
        let start = item as usize * self.levels();
        &self.codes[start..start + self.levels()]
    }

    /// All SIDs in item order.
    pub fn sids(&self) -> std::slice::ChunksExact<'_, u16> {
        self.codes.chunks_exact(self.levels())
    }

    /// The items in the order of their SIDs, items that share a SID in item order.
    #[must_use]
    pub(crate) fn items_by_sid(&self) -> Vec<u32> {
        let mut items: Vec<u32> = (0..self.n_items() as u32).collect();
        items.par_sort_unstable_by_key(|&item| (self.sid(item), item));
        items
    }

    /// The number of different SIDs.
    #[must_use]
    pub fn n_distinct(&self) -> usize {
        self.n_prefixes(self.levels())
    }

    /// The number of different prefixes of `length` codes.
    ///
    /// # Panics
    ///
    /// If there are fewer levels.
    #[must_use]
    pub(crate) fn n_prefixes(&self, length: usize) -> usize {
        let prefix = |item: u32| &self.sid(item)[..length];
        self.items_by_sid().chunk_by(|&a, &b| prefix(a) == prefix(b)).count()
    }

    /// Writes the table as JSON under the ids of the items.
    ///
    /// ```text
    /// {"codes_per_level":[256,256,256],"sids":{"B0001":[3,141,59],"B0002":[26,5,35]}}
    /// ```
    ///
    /// The file is written under a temporary name, synced and renamed.
    ///
    /// # Errors
    ///
    /// [`Error::Write`] if the file cannot be written.
    ///
    /// # Panics
    ///
    /// If there is not one id per item.
    pub fn save<S: AsRef<str>>(&self, path: &Path, item_ids: &[S]) -> Result<()> {
        assert_eq!(item_ids.len(), self.n_items(), "ids, items of the SID table");
        let file = TableFile {
            codes_per_level: self.codes_per_level.clone(),
            sids: Entries(
                item_ids
                    .iter()
                    .zip(self.sids())
                    .map(|(id, sid)| {
                        (id.as_ref().to_owned(), sid.iter().map(|&c| u64::from(c)).collect())
                    })
                    .collect(),
            ),
        };
        write_json(path, &file)
    }

    /// Reads a table that [`SidTable::save`] wrote, for the items `item_ids` in that order.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the file cannot be read. [`Error::File`] if the file is no such JSON
    /// object, or names an item twice or one outside `item_ids`. [`Error::File`] if the file lacks
    /// an item, or holds a SID of another length or a code out of range. The message names the
    /// item.
    pub fn load<S: AsRef<str>>(path: &Path, item_ids: &[S]) -> Result<Self> {
        let text = read_text(path)?;
        Self::parse(&text, item_ids).map_err(|(problem, hint)| Error::file(path, problem, hint))
    }

    fn parse<S: AsRef<str>>(text: &str, item_ids: &[S]) -> Checked<Self> {
        let file: TableFile<u64> = serde_json::from_str(text).map_err(|error| {
            (
                format!("not a SID table: {error}"),
                r#"expected {"codes_per_level":[256,..],"sids":{"item id":[3,..],..}}"#,
            )
        })?;
        let rows = rows_of(item_ids);
        if let Some((id, _)) = file.sids.0.iter().find(|(id, _)| !rows.contains_key(id.as_str())) {
            return Err((format!("item '{id}' is not in the data"), OTHER_DATA));
        }
        Self::in_item_order(file.codes_per_level, &file.sids.0, item_ids, &rows)
    }

    /// Puts the SIDs of a file in item order and checks them. The items of the file are all among
    /// `item_ids`.
    pub(super) fn in_item_order<S: AsRef<str>>(
        codes_per_level: Vec<usize>,
        entries: &[(impl AsRef<str>, Vec<u64>)],
        item_ids: &[S],
        rows: &HashMap<&str, usize>,
    ) -> Checked<Self> {
        let levels = codes_per_level.len();
        let mut sids: Vec<Option<Vec<u16>>> = vec![None; item_ids.len()];
        for (id, sid) in entries {
            let id = id.as_ref();
            if sid.len() != levels {
                return Err((
                    format!("the SID of item '{id}' has {} codes for {levels} levels", sid.len()),
                    "give every item one code per level",
                ));
            }
            let narrow = |(&code, &n): (&u64, &usize)| {
                u16::try_from(code).ok().filter(|&code| usize::from(code) < n)
            };
            let Some(narrowed) = sid.iter().zip(&codes_per_level).map(narrow).collect() else {
                return Err((
                    format!("the SID {sid:?} of item '{id}' exceeds {codes_per_level:?} codes"),
                    "codes count from 0, are at most 65535 and below their level's number of codes",
                ));
            };
            if sids[rows[id]].replace(narrowed).is_some() {
                return Err((format!("item '{id}' appears twice"), "keep one SID per item"));
            }
        }
        if let Some(row) = sids.iter().position(Option::is_none) {
            return Err((format!("item '{}' has no SID", item_ids[row].as_ref()), OTHER_DATA));
        }
        let codes: Vec<u16> = sids.into_iter().flatten().flatten().collect();
        check(&codes_per_level, &codes)?;
        Ok(Self { codes_per_level, codes })
    }
}

pub(super) fn rows_of<S: AsRef<str>>(item_ids: &[S]) -> HashMap<&str, usize> {
    item_ids.iter().enumerate().map(|(i, id)| (id.as_ref(), i)).collect()
}

/// A fault, and its remedy.
type Fault = (String, &'static str);

pub(super) type Checked<T> = std::result::Result<T, Fault>;

const OTHER_DATA: &str =
    "the table belongs to other data; use the one of this data or tokenize it again";

fn check(codes_per_level: &[usize], codes: &[u16]) -> Checked<()> {
    let levels = codes_per_level.len();
    if levels == 0 || codes.is_empty() || !codes.len().is_multiple_of(levels) {
        return Err((
            format!("{} codes do not make SIDs of {levels} levels", codes.len()),
            "give at least one level and one item, and every item one code per level",
        ));
    }
    if let Some(n) = codes_per_level.iter().find(|&n| !(1..=MAX_CODES).contains(n)) {
        return Err((format!("a level of {n} codes"), "give every level 1 to 65536 codes"));
    }
    // Trie nodes are u32: at most one node per code, and the root.
    if codes.len() >= u32::MAX as usize {
        return Err((format!("{} codes in all", codes.len()), "use fewer items or levels"));
    }
    let bad =
        codes.iter().enumerate().find(|&(i, &c)| usize::from(c) >= codes_per_level[i % levels]);
    match bad {
        None => Ok(()),
        Some((i, code)) => Err((
            format!(
                "code {code} of item {} at level {} of {} codes",
                i / levels,
                i % levels,
                codes_per_level[i % levels]
            ),
            "codes count from 0 and are below codes_per_level",
        )),
    }
}

#[derive(Serialize, Deserialize)]
#[serde(
    deny_unknown_fields,
    bound(serialize = "C: Serialize", deserialize = "C: Deserialize<'de>")
)]
pub(super) struct TableFile<C> {
    pub(super) codes_per_level: Vec<usize>,
    pub(super) sids: Entries<Vec<C>>,
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn example() -> SidTable {
        SidTable::new(vec![4, 300], vec![3, 299, 0, 7, 3, 299, 0, 1]).unwrap()
    }

    const IDS: [&str; 4] = ["B01", "B\"02", "3", "item four"];

    #[test]
    fn items_have_their_sids() {
        let table = example();
        assert_eq!((table.levels(), table.n_items(), table.n_distinct()), (2, 4, 3));
        assert_eq!([0, 1, 2].map(|length| table.n_prefixes(length)), [1, 2, 3]);
        assert_eq!(table.sid(1), [0, 7]);
        assert_eq!(table.items_by_sid(), [3, 1, 0, 2]);
    }

    #[test]
    fn a_saved_table_loads_in_any_item_order() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sids.json");
        example().save(&path, &IDS).unwrap();
        assert_eq!(SidTable::load(&path, &IDS).unwrap(), example());
        let reversed: Vec<String> = IDS.iter().rev().map(|&id| id.to_owned()).collect();
        assert_eq!(SidTable::load(&path, &reversed).unwrap().sid(2), [0, 7]);
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1, "no temporary file is left");
    }

    #[test]
    fn every_bad_table_gives_its_message() {
        let cases: [(&[usize], &[u16], &str); 6] = [
            (&[], &[], "0 codes do not make SIDs of 0 levels"),
            (&[4], &[], "0 codes"),
            (&[4, 4], &[1, 2, 3], "3 codes do not make SIDs of 2 levels"),
            (&[4, 0], &[1, 0], "a level of 0 codes"),
            (&[4, 65537], &[1, 0], "a level of 65537 codes"),
            (&[4, 8], &[1, 7, 3, 8], "code 8 of item 1 at level 1 of 8 codes"),
        ];
        for (codes_per_level, codes, part) in cases {
            let error = SidTable::new(codes_per_level.to_vec(), codes.to_vec()).unwrap_err();
            assert!(error.to_string().contains(part), "'{part}' is not in: {error}");
        }
    }

    #[test]
    fn every_bad_file_gives_its_message() {
        let cases = [
            ("", "not a SID table: EOF"),
            ("[1]", "not a SID table"),
            (r#"{"codes_per_level":[4]}"#, "missing field `sids`"),
            (r#"{"codes_per_level":[4],"sids":[1]}"#, "an object of item ids"),
            (r#"{"codes_per_level":[4],"sids":{"a":[-1],"b":[0]}}"#, "integer `-1`"),
            (r#"{"codes_per_level":[4],"sids":{"a":[0],"c":[0]}}"#, "item 'c' is not in the data"),
            (r#"{"codes_per_level":[4],"sids":{"a":[0]}}"#, "item 'b' has no SID"),
            (
                r#"{"codes_per_level":[4],"sids":{"a":[0],"b":[1,2]}}"#,
                "'b' has 2 codes for 1 levels",
            ),
            (r#"{"codes_per_level":[4],"sids":{"a":[0],"b":[4]}}"#, "[4] of item 'b' exceeds [4]"),
            (r#"{"codes_per_level":[4],"sids":{"a":[99999],"b":[0]}}"#, "of item 'a' exceeds"),
            (r#"{"codes_per_level":[4],"sids":{"a":[0],"a":[1]}}"#, "item 'a' appears twice"),
            (r#"{"codes_per_level":[99999],"sids":{"a":[0],"b":[1]}}"#, "a level of 99999 codes"),
            (r#"{"codes_per_level":[],"sids":{"a":[],"b":[]}}"#, "SIDs of 0 levels"),
        ];
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sids.json");
        for (text, part) in cases {
            fs::write(&path, text).unwrap();
            let message = SidTable::load(&path, &["a", "b"]).unwrap_err().to_string();
            assert!(message.contains(part), "'{part}' is not in: {message}");
            assert!(message.contains("sids.json: "), "{message}");
        }
    }
}
