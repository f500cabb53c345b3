//! A folder as MiniOneRec publishes one: the semantic IDs and texts of all items, and the split.
//! Each row of the split is a history and the next item.

use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::csv::{Dialect, Table};
use super::field::Place;
use super::folder::{Folder, INDEX, RECOVERED, TRAIN};
use super::index::Index;
use super::lines::{for_each_line, json_error};
use super::without_ratings;
use crate::data::{GivenSplit, HeldOut, Ids, Interactions};
use crate::error::{Error, Result};
use crate::storage::Sources;

/// The end of a file's name, after `NAME`.
const VALID: &str = ".valid.csv";
const TEST: &str = ".test.csv";

const COLUMN_USER: &str = "user_id";
const COLUMN_HISTORY: &str = "history_item_id";
const COLUMN_ITEM: &str = "item_id";
const COLUMN_SID: &str = "item_sid";

/// The files that interactions are read from.
///
/// # Errors
///
/// If there is no file to learn from.
fn files(folder: &Folder) -> Result<[PathBuf; 4]> {
    let train = folder.existing([TRAIN, RECOVERED]).ok_or_else(|| {
        Error::file(
            folder.path(),
            format!("holds neither {0}{TRAIN} nor {0}{RECOVERED}", folder.name()),
            "add one: there is nothing to learn from",
        )
    })?;
    Ok([folder.file(INDEX), train, folder.file(VALID), folder.file(TEST)])
}

/// Reads the catalogue and the split. An interaction's timestamp is its position among the user's,
/// from 0.
///
/// The items are all those of `NAME.index.json`. The reader puts the users' sequences together from
/// rows of a history and the next item. Each row must continue the sequence at the end of the row
/// before.
///
/// The rows stand first in `NAME.train.csv`, then in `NAME.valid.csv`, then in `NAME.test.csv`. If
/// `NAME.train.csv` is missing, the training part of `NAME.recovered_sequences.jsonl` stands in for
/// it, and a warning says so. The longest history of a row is that of the split.
pub(super) fn read(
    path: &Path,
    min_rating: Option<f64>,
    sources: &Sources,
) -> Result<Interactions> {
    without_ratings(path, "a folder of MiniOneRec", min_rating)?;
    let folder = Folder::open(path, INDEX)?;
    let [index, train, valid, test] = files(&folder)?;
    let index = Index::read(&index, sources)?;
    let (valid, test) = (Part::read(&valid, &index, sources)?, Part::read(&test, &index, sources)?);
    let mut max_history = valid.longest_history().max(test.longest_history());
    let mut sequences = Sequences::default();
    let mut warnings = Vec::new();
    if train == folder.file(TRAIN) {
        let train = Part::read(&train, &index, sources)?;
        max_history = max_history.max(train.longest_history());
        sequences.extend(&train, max_history)?;
    } else {
        sequences.recover(&train, &index, sources)?;
        let interactions: usize = sequences.items.iter().map(Vec::len).sum();
        warnings.push(format!(
            "reduced train: {}{TRAIN} is not in the folder; the {interactions} training interactions of {} users are \
             those of {0}{RECOVERED}, which lacks some",
            folder.name(),
            sequences.users.len()
        ));
    }
    let of_valid = sequences.extend(&valid, max_history)?;
    let of_test = sequences.extend(&test, max_history)?;
    let mut held_out = vec![HeldOut::default(); sequences.users.len()];
    for user in of_valid {
        held_out[user as usize].valid += 1;
    }
    for user in of_test {
        held_out[user as usize].test += 1;
    }
    let mut log = Interactions {
        users: sequences.users,
        items: index.ids,
        given: Some(GivenSplit { max_history, held_out }),
        warnings,
        ..Interactions::default()
    };
    for (user, items) in (0u32..).zip(sequences.items) {
        for (position, item) in (0i64..).zip(items) {
            log.push_indices(user, item, position);
        }
    }
    Ok(log)
}

/// A file of a split.
#[derive(Debug)]
struct Part<'a> {
    path: &'a Path,
    rows: Vec<Row>,
}

/// A history, and the next item.
#[derive(Debug)]
struct Row {
    line: u64,
    user: String,
    /// The history; never empty.
    history: Vec<u32>,
    target: u32,
}

impl<'a> Part<'a> {
    fn read(path: &'a Path, index: &Index<'_>, sources: &Sources) -> Result<Self> {
        let mut table = Table::open(sources.text(path, None)?, Dialect::Comma)?;
        let (user, history, item, sid) = (
            table.position(COLUMN_USER)?,
            table.position(COLUMN_HISTORY)?,
            table.position(COLUMN_ITEM)?,
            table.position(COLUMN_SID)?,
        );
        let mut rows = Vec::new();
        while let Some((line, record)) = table.next()? {
            let place = |column| Place { path, line, column };
            let target = index.item(place(COLUMN_ITEM), &record[item])?;
            if record[sid] != index.sids[target as usize] {
                let in_index = &index.sids[target as usize];
                let problem =
                    format!("is not {in_index}, the semantic ID of item {}", &record[item]);
                let hint = "check that split and index are of one data set";
                return Err(place(COLUMN_SID).error(&record[sid], &problem, hint));
            }
            let fault = |problem| {
                place(COLUMN_HISTORY).error(&record[history], problem, "write it as [12, 7, 3]")
            };
            let ids: Vec<u64> = serde_json::from_str(&record[history])
                .map_err(|_| fault("is no list of item ids"))?;
            if ids.is_empty() {
                return Err(fault("has no item"));
            }
            let history = ids
                .iter()
                .map(|id| index.item(place(COLUMN_HISTORY), &id.to_string()))
                .collect::<Result<_>>()?;
            let user = place(COLUMN_USER).id(&record[user])?.to_owned();
            rows.push(Row { line, user, history, target });
        }
        if rows.is_empty() {
            return Err(Error::file(path, "holds no rows", "check that it is the right file"));
        }
        Ok(Self { path, rows })
    }

    fn longest_history(&self) -> usize {
        self.rows.iter().map(|row| row.history.len()).max().unwrap_or(0)
    }
}

/// The users' items, put together from rows.
#[derive(Debug, Default)]
struct Sequences {
    users: Ids,
    items: Vec<Vec<u32>>,
}

impl Sequences {
    /// A user's items; a new user has none yet.
    fn of(&mut self, user: &str) -> (u32, &mut Vec<u32>) {
        let user = self.users.intern(user);
        self.items.resize(self.users.len(), Vec::new());
        (user, &mut self.items[user as usize])
    }

    /// Adds the next item of each row, and for a new user the row's history before that item.
    /// Returns the users of the rows.
    fn extend(&mut self, part: &Part<'_>, max_history: usize) -> Result<Vec<u32>> {
        let mut users = Vec::with_capacity(part.rows.len());
        for row in &part.rows {
            let (user, items) = self.of(&row.user);
            if items.is_empty() {
                items.extend_from_slice(&row.history);
            }
            if items[items.len().saturating_sub(max_history)..] != row.history {
                return Err(Error::line(
                    part.path,
                    row.line,
                    format!(
                        "the history of user '{}' is not the last {max_history} items of the rows before",
                        row.user
                    ),
                    "keep the rows of a user in time order: training, validation, test",
                ));
            }
            items.push(row.target);
            users.push(user);
        }
        Ok(users)
    }

    /// Takes the training part of recovered sequences.
    fn recover(&mut self, path: &Path, index: &Index<'_>, sources: &Sources) -> Result<()> {
        #[derive(Deserialize)]
        struct Line {
            user: String,
            items: Vec<u64>,
            n_train: usize,
        }
        for_each_line(sources.text(path, None)?, |number, text| {
            let line: Line =
                serde_json::from_str(text).map_err(|fault| json_error(path, number, &fault))?;
            let fault = |problem| Error::line(path, number, problem, "recover the sequences again");
            let train = line.items.get(..line.n_train).filter(|items| !items.is_empty());
            let train = train.ok_or_else(|| {
                fault(format!("{} of {} items for training", line.n_train, line.items.len()))
            })?;
            let (_, items) = self.of(&line.user);
            if !items.is_empty() {
                return Err(fault(format!("user '{}' has a line already", line.user)));
            }
            for id in train {
                let place = Place { path, line: number, column: "items" };
                items.push(index.item(place, &id.to_string())?);
            }
            Ok(())
        })
    }
}

#[cfg(test)]
mod tests;
