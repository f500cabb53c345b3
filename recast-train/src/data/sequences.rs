//! Each user's items in time order, and the file that keeps them.

use std::io::{self, Write};
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::readers::lines::{for_each_line, json_error};
use super::vocabulary::first_repeated;
use super::{GivenSplit, HeldOut, Ids};
use crate::error::{Error, Result};
use crate::storage::Sources;

/// Item indices of each user, one after the other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Histories {
    /// The start of each user's items in `flat`, and at last its length: users + 1 values.
    pub offsets: Vec<usize>,
    /// All users' items.
    pub flat: Vec<u32>,
}

impl Default for Histories {
    fn default() -> Self {
        Self { offsets: vec![0], flat: Vec::new() }
    }
}

impl Histories {
    /// Adds the next user, who may have no items.
    pub fn push(&mut self, items: &[u32]) {
        self.flat.extend_from_slice(items);
        self.offsets.push(self.flat.len());
    }

    /// A user's items in time order.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    #[must_use]
    pub fn sequence(&self, user: u32) -> &[u32] {
        let user = user as usize;
        &self.flat[self.offsets[user]..self.offsets[user + 1]]
    }

    /// All users' items, in user order.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.offsets.windows(2).map(|it| &self.flat[it[0]..it[1]])
    }

    /// The number of users.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there are no users.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

/// Each user's items in time order, after cleaning.
///
/// Items stand in *item order*: numeric order of their ids if all are integers, else order of first
/// appearance in the log. Cleaning may remove items; `item_rows` tells the place of each before
/// cleaning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sequences {
    /// User ids, in order of first appearance in the log.
    pub users: Ids,
    /// Item ids, in item order.
    pub items: Ids,
    /// The place of each item in the item order of the whole log, before cleaning. The place is the
    /// item's row in an embedding file made for that log, unless an items file gives another order.
    pub item_rows: Vec<u32>,
    /// The number of items of the log before cleaning: the rows of such an embedding file.
    pub log_items: usize,
    /// The start of each user's interactions in `flat`, and at last its length: users + 1 values.
    pub offsets: Vec<usize>,
    /// All users' items.
    pub flat: Vec<u32>,
    /// The timestamps that go with `flat`.
    pub timestamps: Vec<i64>,
    /// The split that came with the log, if one did.
    pub given: Option<GivenSplit>,
}

/// The first line of a file of sequences.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Header {
    recast_sequences: u32,
    users: usize,
    log_items: usize,
    items: Vec<String>,
    item_rows: Vec<u32>,
    /// The longest history of a given split.
    #[serde(skip_serializing_if = "Option::is_none")]
    max_history: Option<usize>,
}

/// Any line after the header.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Line {
    user: String,
    items: Vec<u32>,
    timestamps: Vec<i64>,
    /// The held-out part of a given split.
    #[serde(skip_serializing_if = "Option::is_none")]
    held_out: Option<HeldOut>,
}

/// The version of the file's layout.
const VERSION: u32 = 1;

impl Sequences {
    /// A user's items in time order.
    ///
    /// # Panics
    ///
    /// If there is no such user.
    #[must_use]
    pub fn sequence(&self, user: u32) -> &[u32] {
        let user = user as usize;
        &self.flat[self.offsets[user]..self.offsets[user + 1]]
    }

    /// All users' items, in user order.
    pub fn iter(&self) -> impl Iterator<Item = &[u32]> {
        self.offsets.windows(2).map(|it| &self.flat[it[0]..it[1]])
    }

    /// The number of users.
    #[must_use]
    pub fn len(&self) -> usize {
        self.users.len()
    }

    /// Whether there are no users.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.users.is_empty()
    }

    /// The number of items.
    #[must_use]
    pub fn n_items(&self) -> usize {
        self.items.len()
    }

    /// Writes the sequences: a header line with the items, then one JSON line a user.
    ///
    /// # Errors
    ///
    /// If `writer` fails.
    pub(crate) fn write_to(&self, mut writer: impl Write) -> io::Result<()> {
        let header = Header {
            recast_sequences: VERSION,
            users: self.len(),
            log_items: self.log_items,
            items: self.items.iter().map(str::to_owned).collect(),
            item_rows: self.item_rows.clone(),
            max_history: self.given.as_ref().map(|given| given.max_history),
        };
        serde_json::to_writer(&mut writer, &header)?;
        writeln!(writer)?;
        for (index, (user, range)) in self.users.iter().zip(self.offsets.windows(2)).enumerate() {
            let line = Line {
                user: user.to_owned(),
                items: self.flat[range[0]..range[1]].to_vec(),
                timestamps: self.timestamps[range[0]..range[1]].to_vec(),
                held_out: self.given.as_ref().map(|given| given.held_out[index]),
            };
            serde_json::to_writer(&mut writer, &line)?;
            writeln!(writer)?;
        }
        writer.flush()
    }

    /// Reads a file of [`Sequences::write_to`].
    ///
    /// # Errors
    ///
    /// If the file cannot be read, is of another layout or version, or is cut short. If a line
    /// doesn't fit the header.
    pub(crate) fn load(path: &Path) -> Result<Self> {
        let fault =
            |line, problem: String| Error::line(path, line, problem, "prepare the data again");
        let mut loaded: Option<(Self, usize)> = None;
        for_each_line(Sources::default().text(path, None)?, |number, text| {
            let Some((sequences, _)) = &mut loaded else {
                loaded = Some(parse_header(path, number, text)?);
                return Ok(());
            };
            let line: Line =
                serde_json::from_str(text).map_err(|source| json_error(path, number, &source))?;
            let (n_items, n_times) = (line.items.len(), line.timestamps.len());
            if n_items != n_times {
                return Err(fault(number, format!("{n_items} items but {n_times} timestamps")));
            }
            let known = sequences.n_items();
            if let Some(item) = line.items.iter().find(|it| **it as usize >= known) {
                return Err(fault(
                    number,
                    format!("item index {item} where {known} items are known"),
                ));
            }
            if sequences.users.index_of(&line.user).is_some() {
                return Err(fault(number, format!("user '{}' stands twice", line.user)));
            }
            match (&mut sequences.given, line.held_out) {
                (None, None) => {}
                (Some(given), Some(held_out)) => {
                    let all = held_out.valid.saturating_add(held_out.test);
                    if all >= n_items {
                        return Err(fault(number, format!("{all} of {n_items} items held out")));
                    }
                    given.held_out.push(held_out);
                }
                (Some(_), None) => return Err(fault(number, "has no 'held_out'".to_owned())),
                (None, Some(_)) => {
                    let problem = "has 'held_out' where the header has no 'max_history'";
                    return Err(fault(number, problem.to_owned()));
                }
            }
            sequences.users.intern(&line.user);
            sequences.flat.extend(line.items);
            sequences.timestamps.extend(line.timestamps);
            sequences.offsets.push(sequences.flat.len());
            Ok(())
        })?;
        let (sequences, users) =
            loaded.ok_or_else(|| Error::file(path, "is empty", "prepare the data again"))?;
        if sequences.len() != users {
            return Err(Error::file(
                path,
                format!("holds {} users where its header says {users}", sequences.len()),
                "it is cut short or edited: prepare the data again",
            ));
        }
        Ok(sequences)
    }
}

/// Sequences without users yet, and the number of users to come.
fn parse_header(path: &Path, line: u64, text: &str) -> Result<(Sequences, usize)> {
    let fault = |problem: String| Error::line(path, line, problem, "prepare the data again");
    let header: Header =
        serde_json::from_str(text).map_err(|source| json_error(path, line, &source))?;
    if header.recast_sequences != VERSION {
        return Err(fault(format!(
            "layout version {} where this program reads {VERSION}",
            header.recast_sequences
        )));
    }
    if let Some(id) = first_repeated(&header.items) {
        return Err(fault(format!("item '{id}' stands twice")));
    }
    if header.items.len() != header.item_rows.len() {
        return Err(fault(format!(
            "{} items but {} item rows",
            header.items.len(),
            header.item_rows.len()
        )));
    }
    if let Some(row) = header.item_rows.iter().find(|it| **it as usize >= header.log_items) {
        return Err(fault(format!("item row {row} in a log of {} items", header.log_items)));
    }
    if header.max_history == Some(0) {
        return Err(fault("a 'max_history' of 0".to_owned()));
    }
    let given = |max_history| GivenSplit { max_history, held_out: Vec::new() };
    let sequences = Sequences {
        users: Ids::new(),
        items: header.items.into_iter().collect(),
        item_rows: header.item_rows,
        log_items: header.log_items,
        offsets: vec![0],
        flat: Vec::new(),
        timestamps: Vec::new(),
        given: header.max_history.map(given),
    };
    Ok((sequences, header.users))
}

#[cfg(test)]
mod tests;
