//! Checks of rows that all formats of logs share.

use std::borrow::Cow;
use std::path::Path;

use super::field::Place;
use super::spelling::{self, joined};
use super::time::Times;
use super::{Columns, Kept, LogOptions, LogOrder, Missing, without_ratings};
use crate::data::{Ids, Interactions};
use crate::error::{Error, Result};

/// Words that stand for no value.
const MISSING: [&str; 14] = [
    "nan", "NaN", "NAN", "NaT", "null", "NULL", "Null", "None", "<NA>", "NA", "N/A", "n/a", "#N/A",
    "\\N",
];

/// The values of a filtered column that an error lists.
const LISTED: usize = 5;

/// A log while its rows are read.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    path: &'a Path,
    columns: &'a Columns,
    order: LogOrder,
    missing: Missing,
    join_spellings: bool,
    min_rating: Option<f64>,
    filters: Vec<Filter<'a>>,
    times: Times,
    log: Interactions,
}

/// A column whose values choose rows.
#[derive(Debug)]
struct Filter<'a> {
    column: &'a str,
    kept: &'a Kept,
    /// The first distinct values that were not kept.
    refused: Vec<String>,
    /// Which of several values a row has had.
    met: Vec<bool>,
}

impl Filter<'_> {
    fn accepts(&mut self, value: &str) -> bool {
        let Kept::AnyOf(all) = self.kept else { return self.kept.accepts(value) };
        let found = all.iter().position(|kept| kept.accepts(value));
        if let Some(at) = found {
            self.met[at] = true;
        }
        found.is_some()
    }

    /// A warning of values that no row has.
    fn warning(&self) -> Option<String> {
        let Kept::AnyOf(all) = self.kept else { return None };
        let unmet: Vec<String> =
            all.iter().zip(&self.met).filter(|it| !it.1).map(|it| it.0.to_string()).collect();
        (!unmet.is_empty()).then(|| {
            format!("data.keep.{}: no row has the value {}", self.column, unmet.join(" or "))
        })
    }
}

impl<'a> Rows<'a> {
    /// A log without rows; `columns` and `order` are those of the file, where they differ from the
    /// options.
    pub(super) fn new(
        path: &'a Path,
        options: &'a LogOptions,
        columns: &'a Columns,
        order: LogOrder,
    ) -> Self {
        let filters = options.keep.iter();
        let filters = filters.map(|(column, kept)| {
            let values = if let Kept::AnyOf(all) = kept { all.len() } else { 0 };
            Filter { column, kept, refused: Vec::new(), met: vec![false; values] }
        });
        let log = Interactions { in_row_order: order == LogOrder::Rows, ..Interactions::default() };
        Self {
            path,
            columns,
            order,
            missing: options.missing,
            join_spellings: options.join_spellings,
            min_rating: options.min_rating,
            filters: filters.collect(),
            times: Times::default(),
            log,
        }
    }

    /// Whether rows without an id or a time are left out.
    pub(super) fn drops_missing(&self) -> bool {
        self.missing == Missing::Drop
    }

    /// Whether ratings are asked for.
    pub(super) fn want_ratings(&self) -> bool {
        self.min_rating.is_some()
    }

    /// Whether times are read; otherwise a row's number is its time.
    pub(super) fn want_times(&self) -> bool {
        self.order == LogOrder::Time
    }

    /// The interactions so far.
    pub(super) fn count(&self) -> usize {
        self.log.len()
    }

    /// The columns whose values choose rows, in the order of [`Rows::keeps`].
    pub(super) fn filters(&self) -> impl Iterator<Item = &'a str> {
        self.filters.iter().map(|filter| filter.column)
    }

    /// The place of the value of `column` in a line, or a row, from 1.
    pub(super) fn place(&self, line: u64, column: &'a str) -> Place<'a> {
        Place { path: self.path, line, column }
    }

    /// Whether a row's values of the filtered columns let it count. A row that does not count is
    /// counted.
    pub(super) fn keeps<'v>(&mut self, values: impl IntoIterator<Item = &'v str>) -> bool {
        for (filter, value) in self.filters.iter_mut().zip(values) {
            if !filter.accepts(value) {
                if filter.refused.len() < LISTED && filter.refused.iter().all(|it| it != value) {
                    filter.refused.push(value.to_owned());
                }
                self.log.not_kept += 1;
                return false;
            }
        }
        true
    }

    /// Whether a row is rated too low to be read further. Such a row is counted.
    pub(super) fn rated_too_low(&mut self, line: u64, rating: &str) -> Result<bool> {
        let Some(least) = self.min_rating else { return Ok(false) };
        let too_low = self.place(line, &self.columns.rating).rating(rating)? < least;
        self.log.below_min_rating += usize::from(too_low);
        Ok(too_low)
    }

    /// Adds a row. `None` stands for a value that the format itself marks as missing. The time is
    /// not looked at unless [`Rows::want_times`].
    pub(super) fn push(
        &mut self,
        line: u64,
        user: Option<&str>,
        item: Option<&str>,
        time: Option<&str>,
    ) -> Result<()> {
        let columns = self.columns;
        let (Some(user), Some(item)) =
            (self.id(line, &columns.user, user)?, self.id(line, &columns.item, item)?)
        else {
            self.log.missing += 1;
            return Ok(());
        };
        let time = match self.order {
            LogOrder::Rows => self.log.len() as i64,
            LogOrder::Time => {
                let Some(time) = self.present(line, &columns.timestamp, time)? else {
                    self.log.missing += 1;
                    return Ok(());
                };
                let place = self.place(line, &columns.timestamp);
                self.times.read(place, time, self.log.len())?
            }
        };
        if self.join_spellings {
            self.log.push(&joined(user), &joined(item), time);
        } else {
            self.log.push(user, item, time);
        }
        Ok(())
    }

    /// Adds all interactions of a user, who stands in one row. Without times an item's position is
    /// its time, from 0.
    pub(super) fn push_list<'v>(
        &mut self,
        line: u64,
        user: Option<&str>,
        items: &[Option<Cow<'v, str>>],
        times: Option<&[Option<Cow<'v, str>>]>,
    ) -> Result<()> {
        without_ratings(self.path, "a row with all items of a user", self.min_rating)?;
        let columns = self.columns;
        if let Some(times) = times {
            if times.len() != items.len() {
                let problem = format!(
                    "{} items in '{}' but {} times in '{}'",
                    items.len(),
                    columns.item,
                    times.len(),
                    columns.timestamp
                );
                return Err(Error::line(self.path, line, problem, "give each item its time"));
            }
            for (item, time) in items.iter().zip(times) {
                self.push(line, user, item.as_deref(), time.as_deref())?;
            }
            return Ok(());
        }
        self.log.in_row_order = true;
        let Some(user) = self.id(line, &columns.user, user)? else {
            self.log.missing += 1;
            return Ok(());
        };
        let user = self.one_spelling(user);
        if self.log.users.index_of(&user).is_some() {
            let problem = format!("user '{user}' has a line already");
            let hint = "put all items of a user on one line";
            return Err(Error::line(self.path, line, problem, hint));
        }
        for (position, item) in (0i64..).zip(items) {
            let Some(item) = self.id(line, &columns.item, item.as_deref())? else {
                self.log.missing += 1;
                continue;
            };
            let item = self.one_spelling(item);
            self.log.push(&user, &item, position);
        }
        Ok(())
    }

    /// The log of all added rows. `cut` says that the file's last line has no line end.
    pub(super) fn into_log(self, cut: bool) -> Result<Interactions> {
        let Self { mut log, times, .. } = self;
        let place = Place { path: self.path, line: 0, column: &self.columns.timestamp };
        log.warnings.extend(times.finish(place, &mut log.timestamps, cut)?);
        if log.is_empty() && log.not_kept > 0 {
            return Err(nothing_kept(self.path, &self.filters, log.not_kept));
        }
        log.warnings.extend(self.filters.iter().filter_map(Filter::warning));
        if !self.join_spellings {
            log.warnings.extend(spelling::warning(&log.users, "users"));
            log.warnings.extend(spelling::warning(&log.items, "items"));
        }
        log.warnings.extend(undecodable(&log));
        Ok(log)
    }

    fn one_spelling<'v>(&self, id: &'v str) -> Cow<'v, str> {
        if self.join_spellings { joined(id) } else { Cow::Borrowed(id) }
    }

    /// An id; `None` if it is missing and its row is to be dropped.
    fn id<'v>(
        &self,
        line: u64,
        column: &'a str,
        value: Option<&'v str>,
    ) -> Result<Option<&'v str>> {
        match value {
            Some(word) if self.missing == Missing::Keep && !word.is_empty() => Ok(Some(word)),
            value => self.present(line, column, value),
        }
    }

    /// A value; `None` if it is missing and its row is to be dropped.
    fn present<'v>(
        &self,
        line: u64,
        column: &'a str,
        value: Option<&'v str>,
    ) -> Result<Option<&'v str>> {
        match value {
            Some(value) if !is_missing(value) => Ok(Some(value)),
            _ if self.missing == Missing::Drop => Ok(None),
            value => {
                let is_word = value.is_some_and(|it| !it.is_empty());
                let problem = match value {
                    Some("") => "is empty",
                    Some(_) => "stands for a missing value",
                    None => "is missing",
                };
                let hint = if is_word && column != self.columns.timestamp {
                    "data.missing = \"drop\" leaves such rows out and counts them, \"keep\" takes \
                     the word as an id"
                } else {
                    "data.missing = \"drop\" leaves such rows out and counts them"
                };
                let place = self.place(line, column);
                Err(place.error(value.unwrap_or("null"), problem, hint))
            }
        }
    }
}

/// Whether a value is none, or a word for none.
pub(in crate::data) fn is_missing(value: &str) -> bool {
    value.is_empty() || (value.len() <= 4 && MISSING.contains(&value))
}

/// The error of filters that leave nothing.
fn nothing_kept(path: &Path, filters: &[Filter<'_>], rows: usize) -> Error {
    let columns: Vec<String> = filters
        .iter()
        .filter(|filter| !filter.refused.is_empty())
        .map(|filter| {
            let values = filter.refused.iter().map(|it| format!("'{it}'")).collect::<Vec<_>>();
            format!("'{}' has {}", filter.column, values.join(", "))
        })
        .collect();
    Error::file(
        path,
        format!("data.keep keeps none of {rows} rows: {}", columns.join("; ")),
        "name values that the column has",
    )
}

/// A warning of a last id that may be cut: no row before has the id, and it is shorter than all
/// others, which are of one length. `column` holds the index of each row's id.
pub(super) fn cut_id(ids: &Ids, column: &[u32], kind: &str) -> Option<String> {
    let (index, before) = column.split_last()?;
    // an id of no row before is the last that has an index
    let others = ids.len().checked_sub(1)?;
    if *index as usize != others || before.contains(index) {
        return None;
    }
    let last = ids.get(*index)?;
    let mut lengths = ids.iter().take(others).map(str::len);
    let length = lengths.next()?;
    let is_cut = last.len() < length && lengths.all(|other| other == length);
    is_cut.then(|| {
        format!(
            "the last row's {kind} '{last}' is shorter than all others, and no line end follows: \
             the file may be cut in its last row"
        )
    })
}

/// A warning of ids with the sign for bytes that an encoding has no character for.
fn undecodable(log: &Interactions) -> Option<String> {
    let is_marked = |id: &&str| id.contains('\u{fffd}');
    let mut marked = log.users.iter().chain(log.items.iter()).filter(is_marked);
    let first = marked.next()?;
    Some(format!(
        "{} ids hold U+FFFD, the sign for bytes that are no text in this encoding, such as \
         '{first}'; check data.encoding",
        1 + marked.count()
    ))
}
