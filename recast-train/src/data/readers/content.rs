//! The first rows of a text file, which tell its layout.

use std::borrow::Cow;
use std::collections::HashSet;

use super::csv::Dialect;
use super::known::Known;
use super::time::{is_surely_time, is_time};
use super::{Columns, list};

/// The rows at the start of a file that tell its layout.
const ROWS: usize = 100;

/// The first lines of a file.
pub(super) struct Head<'a> {
    text: &'a str,
    pub(super) lines: Vec<&'a str>,
    /// Whether the text ends before its first line does.
    pub(super) is_within_a_line: bool,
}

impl<'a> Head<'a> {
    /// The lines of `text`, without one that may be cut. `is_whole` says that no text follows.
    pub(super) fn of(text: &'a str, is_whole: bool) -> Self {
        let end = if text.contains('\n') { '\n' } else { '\r' };
        let last = text.rfind(end);
        let is_within_a_line = last.is_none() && !is_whole;
        let length = last.map_or(text.len(), |at| at + 1);
        let text = if is_whole { text } else { &text[..length] };
        let lines = text.split(end).map(|line| line.trim_end_matches('\r')).collect();
        Self { text, lines, is_within_a_line }
    }

    /// The first rows of a table, as trimmed fields.
    pub(super) fn rows(&self, dialect: Dialect) -> Vec<Vec<String>> {
        let text = match dialect {
            // no field of a table with two colons holds the byte that stands for them
            Dialect::Colons => Cow::Owned(self.text.replace("::", "\u{1f}")),
            _ => Cow::Borrowed(self.text),
        };
        let rows = csv::ReaderBuilder::new()
            .delimiter(dialect.delimiter())
            .quoting(dialect.quoting())
            .trim(csv::Trim::All)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes())
            .into_records();
        let fields = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
        rows.map_while(std::result::Result::ok).take(ROWS).map(fields).collect()
    }
}

/// Whether the first row names the columns of users and items, or those of a public data set.
pub(super) fn names_columns(rows: &[Vec<String>], columns: &Columns) -> bool {
    let names: Vec<&str> = rows.first().into_iter().flatten().map(String::as_str).collect();
    let has = |name: &String| names.contains(&name.as_str());
    (has(&columns.user) && has(&columns.item)) || Known::by_names(&names).is_some()
}

/// The columns of a table without a header line, if the first rows leave no doubt.
///
/// The columns are a user, an item, a time, and maybe a rating from 0 to 10.
pub(super) fn bare_columns(rows: &[Vec<String>], columns: &Columns) -> Option<Vec<String>> {
    let Columns { user, item, timestamp, rating } = columns;
    let is_rating = |text: &String| text.parse().is_ok_and(|it: f64| (0.0..=10.0).contains(&it));
    let all = |at: usize, is: &dyn Fn(&String) -> bool| rows.iter().all(|row| is(&row[at]));
    let is_time = |text: &String| is_surely_time(text);
    let width = rows.first()?.len();
    if rows.iter().any(|row| row.len() != width || row.iter().any(String::is_empty)) {
        return None;
    }
    let names = match width {
        3 if all(2, &is_time) => vec![user, item, timestamp],
        4 if all(3, &is_time) && all(2, &is_rating) => vec![user, item, rating, timestamp],
        4 if all(2, &is_time) && all(3, &is_rating) => vec![user, item, timestamp, rating],
        _ => return None,
    };
    // the two ids are no times: a column of times would leave two readings
    (!all(0, &is_time) && !all(1, &is_time)).then(|| names.into_iter().cloned().collect())
}

/// Whether the rows hold lists of items, by user: with as many times, or without times and surely
/// lists.
pub(super) fn are_lists(
    rows: &[Vec<String>],
    user: usize,
    item: usize,
    timestamp: Option<usize>,
) -> bool {
    let field = |row: &'_ [String], at: usize| row.get(at).cloned().unwrap_or_default();
    let mut users = HashSet::new();
    let mut longest = 0;
    for row in rows {
        let items = field(row, item);
        let elements = list::elements(&items);
        longest = longest.max(elements.len());
        let is_list = if let Some(timestamp) = timestamp {
            let times = field(row, timestamp);
            let times = list::elements(&times);
            times.len() == elements.len() && times.iter().all(|time| is_time(time))
        } else {
            let integers = elements.iter().all(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
            (integers || items.starts_with('[')) && users.insert(field(row, user))
        };
        if !is_list {
            return false;
        }
    }
    longest > 1
}
