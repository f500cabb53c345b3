//! A folder as MiniOneRec publishes one: the semantic IDs and texts of all items, and the split.
//! Each row of the split is a history and the next item.

use std::fs;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::csv::{Dialect, Table};
use super::field::Place;
use super::lines::{for_each_line, json_error};
use super::without_ratings;
use crate::data::{GivenSplit, HeldOut, Ids, Interactions};
use crate::error::{Error, Result};
use crate::storage::{Entries, Sources};

/// The end of a file's name, after `NAME`.
const INDEX: &str = ".index.json";
const TRAIN: &str = ".train.csv";
const RECOVERED: &str = ".recovered_sequences.jsonl";
const VALID: &str = ".valid.csv";
const TEST: &str = ".test.csv";
const ITEMS: &str = ".item.json";
const INFO: &str = ".info.txt";

const COLUMN_USER: &str = "user_id";
const COLUMN_HISTORY: &str = "history_item_id";
const COLUMN_ITEM: &str = "item_id";
const COLUMN_SID: &str = "item_sid";

/// A folder of MiniOneRec, found by its one file `NAME.index.json`.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    name: String,
}

impl Folder {
    /// Finds the folder's `NAME`.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read, or holds not exactly one `NAME.index.json`.
    pub(crate) fn open(path: &Path) -> Result<Self> {
        let failed = |cause| Error::read(path, cause);
        let mut names = Vec::new();
        for entry in fs::read_dir(path).map_err(failed)? {
            let file = entry.map_err(failed)?.file_name();
            if let Some(name) = file.to_str().and_then(|file| file.strip_suffix(INDEX)) {
                names.push(name.to_owned());
            }
        }
        names.sort_unstable();
        match <[String; 1]>::try_from(names) {
            Ok([name]) => Ok(Self { path: path.to_owned(), name }),
            Err(names) if names.is_empty() => Err(Error::file(
                path,
                format!("is a folder without a file NAME{INDEX}"),
                "name a file, or a folder as MiniOneRec publishes it",
            )),
            Err(names) => Err(Error::file(
                path,
                format!("holds several data sets: {}", names.join(", ")),
                "put each in a folder of its own",
            )),
        }
    }

    fn file(&self, suffix: &str) -> PathBuf {
        self.path.join(format!("{}{suffix}", self.name))
    }

    fn existing(&self, suffixes: [&str; 2]) -> Option<PathBuf> {
        suffixes.into_iter().map(|suffix| self.file(suffix)).find(|path| path.is_file())
    }

    /// The file of item text: `NAME.item.json`, else `NAME.info.txt`, which has titles only.
    pub(crate) fn items(&self) -> Option<PathBuf> {
        self.existing([ITEMS, INFO])
    }

    /// The files that interactions are read from.
    ///
    /// # Errors
    ///
    /// If there is no file to learn from.
    pub(crate) fn interactions(&self) -> Result<[PathBuf; 4]> {
        let train = self.existing([TRAIN, RECOVERED]).ok_or_else(|| {
            Error::file(
                &self.path,
                format!("holds neither {0}{TRAIN} nor {0}{RECOVERED}", self.name),
                "add one: there is nothing to learn from",
            )
        })?;
        Ok([self.file(INDEX), train, self.file(VALID), self.file(TEST)])
    }
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
    let folder = Folder::open(path)?;
    let [index, train, valid, test] = folder.interactions()?;
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
            folder.name,
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

/// The catalogue.
#[derive(Debug)]
struct Index<'a> {
    path: &'a Path,
    ids: Ids,
    /// The semantic ID of each item: its tokens one after the other, as rows of a split write them.
    sids: Vec<String>,
}

impl<'a> Index<'a> {
    fn read(path: &'a Path, sources: &Sources) -> Result<Self> {
        let mut text = String::new();
        let mut source = sources.text(path, None)?;
        source.read_to_string(&mut text).map_err(|cause| Error::read(path, cause))?;
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
    fn item(&self, place: Place<'_>, id: &str) -> Result<u32> {
        self.ids.index_of(id).ok_or_else(|| {
            let problem = format!("is no item of {}", self.path.display());
            place.error(id, &problem, "check that both files are of one data set")
        })
    }
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
