//! The catalogue of a folder: all items with their semantic IDs.

use std::path::Path;

use super::field::Place;
use crate::data::Ids;
use crate::error::{Error, Result};
use crate::storage::{Entries, Sources, read_whole};

/// The catalogue, as the file `NAME.index.json` lists it.
#[derive(Debug)]
pub(super) struct Index<'a> {
    path: &'a Path,
    pub(super) ids: Ids,
    /// The semantic ID of each item: its tokens one after the other, as rows of a split write them.
    pub(super) sids: Vec<String>,
}

impl<'a> Index<'a> {
    pub(super) fn read(path: &'a Path, sources: &Sources) -> Result<Self> {
        let source = sources.text(path, None)?;
        let text = read_whole(source).map_err(|cause| Error::read(path, cause))?;
        let entries: Entries<Vec<String>> = serde_json::from_str(&text).map_err(|fault| {
            let hint = r#"expected {"item id": ["<a_3>", ..], ..}"#;
            Error::file(path, format!("is no index of semantic IDs: {fault}"), hint)
        })?;
        let mut index = Self { path, ids: Ids::new(), sids: Vec::with_capacity(entries.0.len()) };
        for (id, tokens) in entries.0 {
            if index.ids.index_of(&id).is_some() {
                let hint = "keep one entry an item";
                return Err(Error::file(path, format!("item '{id}' stands twice"), hint));
            }
            index.ids.intern(&id);
            index.sids.push(tokens.concat());
        }
        Ok(index)
    }

    /// The index of an item.
    pub(super) fn item(&self, place: Place<'_>, id: &str) -> Result<u32> {
        self.ids.index_of(id).ok_or_else(|| {
            let problem = format!("is no item of {}", self.path.display());
            place.error(id, &problem, "check that both files are of one data set")
        })
    }
}
