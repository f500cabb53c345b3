//! Each user's items in one JSON object, as LC-Rec and LETTER publish them.

use std::borrow::Cow;
use std::path::Path;

use serde_json::value::RawValue;

use super::folder::{Folder, INDEX, INTER};
use super::index::Index;
use super::list::scalar;
use super::rows::Rows;
use super::{Columns, Interactions, LogOptions, LogOrder, without_columns, without_ratings};
use crate::error::{Error, Result};
use crate::storage::{Entries, Sources, read_whole};

/// Reads `NAME.inter.json`, `{"user": [item, item, ...]}`, by its own path or its folder's. A list
/// is in time order; an interaction's timestamp is its position, from 0.
///
/// The items are all those of `NAME.index.json`, if the folder has that file.
pub(super) fn read(path: &Path, options: &LogOptions, sources: &Sources) -> Result<Interactions> {
    without_ratings(path, "a log of LC-Rec", options.min_rating)?;
    without_columns(path, options)?;
    let folder = Folder::of_lc_rec(path)?;
    let inter = &if path.is_dir() { folder.file(INTER) } else { path.to_owned() };
    let source = sources.text(inter, options.encoding()?)?;
    let text = read_whole(source).map_err(|cause| Error::read(inter, cause))?;
    let users: Entries<Vec<&RawValue>> = serde_json::from_str(&text).map_err(|fault| {
        let hint = r#"expected {"user": [item, item, ..], ..}"#;
        Error::file(inter, format!("holds no lists of items: {fault}"), hint)
    })?;
    let columns = &Columns::default();
    let mut rows = Rows::new(inter, options, columns, LogOrder::Time);
    for (number, (user, items)) in (1..).zip(&users.0) {
        let items = items.iter().map(|value| scalar(value).map(|it| it.map(Cow::Owned)));
        let items = items.collect::<Option<Vec<_>>>().ok_or_else(|| {
            let problem = format!("the list of user '{user}' holds more than strings and numbers");
            Error::file(inter, problem, "give ids of items")
        })?;
        rows.push_list(number, Some(user.trim()), &items, None)?;
    }
    let mut log = rows.into_log(false)?;
    let index = folder.file(INDEX);
    if index.is_file() {
        let index = Index::read(&index, sources)?;
        if let Some(id) = log.items.iter().find(|id| index.ids.index_of(id).is_none()) {
            let problem = format!("item '{id}' is no item of {}", folder.file(INDEX).display());
            let hint = "check that both files are of one data set";
            return Err(Error::file(inter, problem, hint));
        }
        for id in index.ids.iter() {
            log.items.intern(id);
        }
    }
    log.read_as = Some("one list of items a user, as LC-Rec publishes it".to_owned());
    Ok(log)
}

#[cfg(test)]
mod tests;
