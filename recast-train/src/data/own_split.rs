//! A log in three files of one's own: training, validation and test.

use std::collections::HashSet;
use std::path::Path;

use super::readers::{read_log, scale_between};
use super::{GivenSplit, HeldOut, Interaction, Interactions, Join, LogOptions};
use crate::error::{Error, Result};
use crate::storage::Sources;

/// The files of a log, each in a format of its own.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OwnSplit<'a> {
    /// The interactions to learn from.
    pub(crate) train: &'a Path,
    /// The targets of validation.
    pub(crate) valid: &'a Path,
    /// The targets of test.
    pub(crate) test: &'a Path,
    /// Items of an example's longest history.
    pub(crate) max_history: usize,
}

impl OwnSplit<'_> {
    /// Reads the three files as one log with a given split, and joins their users.
    ///
    /// Each row of validation or test is an example. Its history is all before it: the user's
    /// training rows, then validation rows, then earlier rows of its own file. Rows of a user
    /// without training rows have no history; such rows are left out and counted.
    ///
    /// The files' order counts more than times. A held-out row that is not later than the user's
    /// rows before it gets a time one unit after them.
    ///
    /// # Errors
    ///
    /// The errors of a log. If a file brings a split of its own, or times are of several units. If
    /// a held-out file has no user of the training rows.
    pub(crate) fn read(
        &self,
        options: &LogOptions,
        sources: &Sources,
    ) -> Result<(Interactions, Vec<Join>)> {
        let read = |path: &Path| {
            let log = read_log(path, options, sources)?;
            match log.given {
                None => Ok(log),
                Some(_) => Err(Error::file(
                    path,
                    "brings a split of its own",
                    "leave data.valid and data.test out, or name a table",
                )),
            }
        };
        let log = read(self.train)?;
        let held_out = vec![HeldOut::default(); log.users.len()];
        let mut whole = Whole { learnt: log.items.len(), log, held_out, joins: Vec::new() };
        for (part, path) in [(Held::Validation, self.valid), (Held::Test, self.test)] {
            let log = read(path)?;
            whole.check_times(self.train, path, &log)?;
            whole.add(part, path, log)?;
        }
        let Whole { mut log, held_out, joins, .. } = whole;
        log.given = Some(GivenSplit { max_history: self.max_history, held_out });
        Ok((log, joins))
    }
}

/// A part that is not for training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Held {
    Validation,
    Test,
}

impl Held {
    const fn name(self) -> &'static str {
        match self {
            Self::Validation => "validation",
            Self::Test => "test",
        }
    }
}

/// The log while its parts are put together.
#[derive(Debug)]
struct Whole {
    log: Interactions,
    /// The items of the training rows come first.
    learnt: usize,
    held_out: Vec<HeldOut>,
    joins: Vec<Join>,
}

impl Whole {
    /// Checks that a part's times can be compared with those of the training rows.
    fn check_times(&self, train: &Path, path: &Path, part: &Interactions) -> Result<()> {
        if part.in_row_order == self.log.in_row_order {
            return Ok(());
        }
        let [this, other] = [part, &self.log].map(|log| match log.in_row_order {
            true => "has the order of its rows",
            false => "has times",
        });
        let problem = format!("{this}, where {} {other}", train.display());
        Err(Error::file(path, problem, "order all files alike"))
    }

    /// Adds the rows of a part.
    fn add(&mut self, held: Held, path: &Path, mut part: Interactions) -> Result<()> {
        let name = held.name();
        let join = Join::by_id(name, "users", &part.users, self.log.users.iter());
        let known: Vec<Option<u32>> =
            part.users.iter().map(|user| self.log.users.index_of(user)).collect();
        join.check_any(path)?;
        self.joins.push(join);
        same_unit(&mut self.log, &mut part, path)?;

        let mut last = vec![i64::MIN; self.log.users.len()];
        let mut before = HashSet::with_capacity(self.log.len());
        for row in self.log.iter() {
            let last = &mut last[row.user as usize];
            *last = row.timestamp.max(*last);
            before.insert((row.user, row.item));
        }
        let floor = last.clone();
        let mut rows: Vec<Interaction> = part.iter().collect();
        rows.sort_by_key(|row| row.timestamp);
        let items: Vec<&str> = part.items.iter().collect();
        let mut told = Told::default();
        let mut of_part = HashSet::with_capacity(rows.len());
        for row in rows {
            let Some(user) = known[row.user as usize] else {
                told.strangers += 1;
                continue;
            };
            if !of_part.insert(row_key(&row)) {
                told.repeated += 1;
                continue;
            }
            let item = self.log.items.intern(items[row.item as usize]);
            told.new_items += usize::from(item as usize >= self.learnt);
            told.met += usize::from(before.contains(&(user, item)));
            let last = &mut last[user as usize];
            let in_rows = self.log.in_row_order;
            told.early += usize::from(!in_rows && row.timestamp < floor[user as usize]);
            *last = row.timestamp.max(last.saturating_add(1));
            self.log.push_indices(user, item, *last);
            let held_out = &mut self.held_out[user as usize];
            match held {
                Held::Validation => held_out.valid += 1,
                Held::Test => held_out.test += 1,
            }
        }
        self.log.below_min_rating += part.below_min_rating;
        self.log.missing += part.missing;
        self.log.not_kept += part.not_kept;
        self.log.warnings.extend(part.warnings.iter().map(|warning| format!("{name}: {warning}")));
        self.log.warnings.extend(told.warnings(name));
        Ok(())
    }
}

fn row_key(row: &Interaction) -> (u32, u32, i64) {
    (row.user, row.item, row.timestamp)
}

/// Rows of a part that a person should know of.
#[derive(Debug, Default)]
struct Told {
    strangers: usize,
    repeated: usize,
    met: usize,
    early: usize,
    new_items: usize,
}

impl Told {
    fn warnings(&self, name: &str) -> impl Iterator<Item = String> {
        let warnings = [
            (self.strangers, "are of users without a training row, and are left out"),
            (self.repeated, "repeat a row of the same file, and are left out"),
            (self.met, "hold an item that the user met in an earlier part"),
            (
                self.early,
                "are earlier than a row of their user in an earlier part, and count as later",
            ),
            (self.new_items, "hold an item that is in no training row"),
        ];
        let told = warnings.into_iter().filter(|(rows, _)| *rows > 0);
        told.map(move |(rows, what)| format!("{name}: {rows} rows {what}"))
    }
}

/// Brings the times of two parts to one unit. A reader scales times with fractions to nanoseconds,
/// so one part may be in seconds.
fn same_unit(log: &mut Interactions, part: &mut Interactions, path: &Path) -> Result<()> {
    let fault = || {
        let problem = "has times of another unit than the training rows, by their size";
        Error::file(path, problem, "write the times of all files in one unit")
    };
    let scales = scale_between(&log.timestamps, &part.timestamps).ok_or_else(fault)?;
    for (log, scale) in [log, part].into_iter().zip(scales).filter(|it| it.1 > 1) {
        for time in &mut log.timestamps {
            *time = time.checked_mul(scale).ok_or_else(fault)?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests;
