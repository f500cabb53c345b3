//! A log in three files of one's own: training, validation and test.

use std::collections::HashSet;
use std::path::Path;

use super::readers::read_log;
use super::{GivenSplit, HeldOut, Ids, Interaction, Interactions, Join, LogOptions};
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
    /// Reads the three files as one log with a given split. Each row of validation or test is an
    /// example, whose history is all before it: the user's training rows, then validation rows,
    /// then earlier rows of its own file.
    ///
    /// Rows of a user without training rows have no history, and are left out and counted. The
    /// files' order counts more than times: a row's time is moved behind the user's rows of the
    /// files before.
    ///
    /// # Errors
    ///
    /// The errors of a log. If a file brings a split of its own, times of the files are of several
    /// units, or validation or test has no user of the training rows.
    pub(crate) fn read(
        &self,
        options: &LogOptions,
        sources: &Sources,
    ) -> Result<(Interactions, Vec<Join>)> {
        let mut log = read_log(self.train, options, sources)?;
        without_split(self.train, &log)?;
        let mut held_out = vec![HeldOut::default(); log.users.len()];
        let mut joins = Vec::new();
        let mut seen: HashSet<(u32, u32, i64)> = HashSet::new();
        let mut last = vec![i64::MIN; log.users.len()];
        for row in log.iter() {
            last[row.user as usize] = last[row.user as usize].max(row.timestamp);
            seen.insert((row.user, row.item, row.timestamp));
        }
        let learnt = log.items.len();
        for (name, path) in [("validation", self.valid), ("test", self.test)] {
            let mut part = read_log(path, options, sources)?;
            without_split(path, &part)?;
            same_unit(self.train, &log, path, &part)?;
            let join = Join::by_id(name, "users", &part.users, log.users.iter());
            join.check_any(path)?;
            joins.push(join);
            let mut added = Added { of_part: HashSet::new(), seen: &mut seen, last: &mut last, ..Added::default_of(name) };
            added.rows(&mut log, &part, |user| match name {
                "test" => held_out[user as usize].test += 1,
                _ => held_out[user as usize].valid += 1,
            });
            log.warnings.append(&mut part.warnings);
        }
        let _ = learnt;
        log.given = Some(GivenSplit { max_history: self.max_history, held_out });
        Ok((log, joins))
    }
}
