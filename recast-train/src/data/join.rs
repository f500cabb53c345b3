//! Joins of other files with the log: which items, or users, of the log a file knows.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Ids;
use crate::error::{Error, Result};

/// Ids that a message shows of a longer list.
const SHOWN: usize = 3;
/// Characters of an id that a message shows.
const SHOWN_CHARS: usize = 40;
/// The least percentage of matches that goes without a warning.
const ENOUGH: usize = 95;

/// The join of a file with the items, or users, that cleaning kept.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Join {
    /// The joined part: `texts`, `embeddings`, `SID table`.
    pub part: String,
    /// The joined things: `items` or `users`.
    pub of: String,
    /// The number of these things in the log.
    pub total: usize,
    /// Those that the file knows.
    pub matched: usize,
    /// Ids of the file alone.
    pub others: usize,
    /// The first ids that the file lacks, in the order of the log.
    pub first_unmatched: Vec<String>,
    /// The first ids of the file alone, in its order.
    pub first_others: Vec<String>,
    /// Another key of the file that holds more ids of the log.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub other_key: Option<OtherKey>,
    /// The order by which rows were joined; `None` if they were joined by id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<Position>,
}

/// A key of an items file that holds ids of the log, though it is not the one that names items.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct OtherKey {
    /// The key.
    pub key: String,
    /// The distinct ids of unmatched items under it.
    pub matched: usize,
}

/// A join by position: row `i` of the file is the item `i` of an order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[non_exhaustive]
pub struct Position {
    /// The order.
    pub order: RowOrder,
    /// The first rows, from 0, and their items' ids.
    pub first: Vec<(usize, String)>,
}

/// The order of items by which the rows of a file without ids are read.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum RowOrder {
    /// The order of the items file.
    ItemsFile,
    /// Numeric order of the log's ids.
    Numeric,
    /// The order of first appearance in the log.
    FirstAppearance,
}

impl RowOrder {
    /// The order of the rows of a file that goes with a log alone.
    #[must_use]
    pub(crate) fn of_log(ids: &Ids) -> Self {
        if ids.are_integers() { Self::Numeric } else { Self::FirstAppearance }
    }

    /// The order in words.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::ItemsFile => "in the order of the items file",
            Self::Numeric => "in numeric order of the ids",
            Self::FirstAppearance => "in order of first appearance",
        }
    }
}

impl Join {
    /// The join of the `items` or `users` (`of`) with the distinct ids of a file.
    pub(crate) fn by_id<'a>(
        part: &str,
        of: &str,
        ids: &Ids,
        file: impl IntoIterator<Item = &'a str>,
    ) -> Self {
        let mut known = vec![false; ids.len()];
        let (mut others, mut first_others) = (0, Vec::new());
        for id in file {
            match ids.index_of(id) {
                Some(index) => known[index as usize] = true,
                None => {
                    others += 1;
                    if first_others.len() < SHOWN {
                        first_others.push(id.to_owned());
                    }
                }
            }
        }
        let unmatched = ids.iter().zip(&known).filter(|it| !it.1).map(|it| it.0.to_owned());
        Self {
            part: part.to_owned(),
            of: of.to_owned(),
            total: ids.len(),
            matched: known.iter().filter(|&&it| it).count(),
            others,
            first_unmatched: unmatched.take(SHOWN).collect(),
            first_others,
            other_key: None,
            position: None,
        }
    }

    /// The join of all items with rows by position; `rows` holds the row of each item.
    pub(crate) fn by_position(
        part: &str,
        ids: &Ids,
        order: RowOrder,
        rows: &[usize],
        file_rows: usize,
    ) -> Self {
        let mut first: Vec<(usize, &str)> = rows.iter().copied().zip(ids.iter()).collect();
        first.sort_unstable();
        let first = first.into_iter().take(SHOWN).map(|(row, id)| (row, id.to_owned())).collect();
        Self {
            part: part.to_owned(),
            of: "items".to_owned(),
            total: ids.len(),
            matched: ids.len(),
            others: file_rows - rows.len(),
            first_unmatched: Vec::new(),
            first_others: Vec::new(),
            other_key: None,
            position: Some(Position { order, first }),
        }
    }

    /// The warning about a join of too few.
    #[must_use]
    pub fn warning(&self) -> Option<String> {
        let few = self.matched * 100 < self.total * ENOUGH;
        let hint = self.other_key_hint().map_or_else(String::new, |hint| format!("; {hint}"));
        few.then(|| format!("{}: {}{hint}", self.part, self.gap()))
    }

    /// Refuses a join without a match.
    pub(crate) fn check_any(&self, path: &Path) -> Result<()> {
        if self.matched > 0 {
            return Ok(());
        }
        let hint = self.other_key_hint();
        let hint = hint.unwrap_or_else(|| "check that both files use the same ids".to_owned());
        Err(Error::file(path, self.gap(), hint))
    }

    /// Refuses a join that leaves anything out.
    pub(crate) fn check_all(&self, path: &Path, hint: &str) -> Result<()> {
        if self.matched == self.total {
            return Ok(());
        }
        Err(Error::file(path, self.gap(), hint))
    }

    /// The matches, and the first ids without one on both sides.
    fn gap(&self) -> String {
        let Self { total, matched, of, others, .. } = self;
        let missing = total - matched;
        let listed_missing = listed(&self.first_unmatched, missing);
        // users of a held-out part are sought in the training rows
        let [lacks, has] = match &of[..] {
            "users" => ["the training rows lack", "have"],
            _ => ["the file lacks", "has"],
        };
        let mut text = format!(
            "matched {matched} of {total} {of} by id; {lacks} {missing} of them ({listed_missing})"
        );
        if *others > 0 {
            let listed = listed(&self.first_others, *others);
            text += &format!(", and {has} {others} other ids ({listed})");
        }
        text
    }

    fn other_key_hint(&self) -> Option<String> {
        let OtherKey { key, matched } = self.other_key.as_ref()?;
        let of = &self.of;
        Some(format!("the key '{key}' holds ids of {matched} more {of}: name it by data.items_id"))
    }
}

impl fmt::Display for Join {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { part, matched, total, of, others, position, .. } = self;
        let Some(Position { order, first }) = position else {
            write!(f, "{part}: matched {matched} of {total} {of} by id")?;
            return match others {
                0 => Ok(()),
                _ => write!(f, "; {others} other ids in the file"),
            };
        };
        write!(f, "{part}: {matched} of {total} {of} by position, rows {}", order.name())?;
        for (row, id) in first {
            write!(f, "; row {row} -> {}", shortened(id))?;
        }
        Ok(())
    }
}

/// The first ids of `count`, in quotes.
fn listed(first: &[String], count: usize) -> String {
    let mut ids: Vec<String> = first.iter().map(|id| format!("'{}'", shortened(id))).collect();
    if count > ids.len() {
        ids.push("..".to_owned());
    }
    ids.join(", ")
}

/// An id, or its start and end if it is long.
fn shortened(id: &str) -> String {
    let chars: Vec<char> = id.chars().collect();
    if chars.len() <= SHOWN_CHARS {
        return id.to_owned();
    }
    let part = |chars: &[char]| chars.iter().collect::<String>();
    format!(
        "{}..{}",
        part(&chars[..SHOWN_CHARS / 2]),
        part(&chars[chars.len() - SHOWN_CHARS / 2..])
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn joined(log: &[&str], file: &[&str]) -> Join {
        Join::by_id("texts", "items", &log.iter().copied().collect(), file.iter().copied())
    }

    #[test]
    fn a_join_counts_both_sides_and_names_the_first() {
        let join = joined(&["a", "b", "c", "d", "e"], &["e", "x", "a", "y", "z", "w"]);
        assert_eq!((join.matched, join.total, join.others), (2, 5, 4));
        assert_eq!(join.first_unmatched, ["b", "c", "d"]);
        assert_eq!(join.first_others, ["x", "y", "z"]);
        assert_eq!(join.to_string(), "texts: matched 2 of 5 items by id; 4 other ids in the file");
        assert_eq!(
            join.warning().unwrap(),
            "texts: matched 2 of 5 items by id; the file lacks 3 of them ('b', 'c', 'd'), \
             and has 4 other ids ('x', 'y', 'z', ..)"
        );
    }

    #[test]
    fn a_warning_starts_below_95_percent() {
        let log: Vec<String> = (0..100).map(|id| id.to_string()).collect();
        let log: Vec<&str> = log.iter().map(String::as_str).collect();
        for (known, warned) in [(100, false), (95, false), (94, true), (1, true)] {
            assert_eq!(joined(&log, &log[..known]).warning().is_some(), warned, "{known}");
        }
    }

    #[test]
    fn no_match_at_all_is_refused_and_a_partial_one_where_all_are_needed() {
        let path = Path::new("items.csv");
        let none = joined(&["a"], &["x"]).check_any(path).unwrap_err().to_string();
        assert_eq!(
            none,
            "items.csv: matched 0 of 1 items by id; the file lacks 1 of them ('a'), \
             and has 1 other ids ('x'); check that both files use the same ids"
        );
        let some = joined(&["a", "b"], &["b"]);
        assert!(some.check_any(path).is_ok());
        assert!(
            some.check_all(path, "add the item")
                .unwrap_err()
                .to_string()
                .ends_with("; add the item")
        );
        assert!(joined(&["a"], &["a", "b"]).check_all(path, "").is_ok());
    }

    #[test]
    fn a_join_by_position_shows_its_order_and_first_rows() {
        let ids: Ids = ["b", "a", "d", "c"].into_iter().collect();
        let join =
            Join::by_position("embeddings", &ids, RowOrder::FirstAppearance, &[1, 0, 5, 3], 6);
        assert_eq!(
            join.to_string(),
            "embeddings: 4 of 4 items by position, rows in order of first appearance; \
             row 0 -> a; row 1 -> b; row 3 -> c"
        );
        assert_eq!((join.others, join.warning()), (2, None));
    }

    #[test]
    fn long_ids_are_cut_in_the_middle() {
        let long = "é".repeat(1000);
        let message = joined(&[&long], &["x"]).warning().unwrap();
        assert!(message.chars().count() < 250, "{message}");
        assert!(message.contains(&format!("'{0}..{0}'", "é".repeat(20))), "{message}");
    }

    #[test]
    fn a_join_reads_back_from_json() {
        let join = joined(&["a", "b"], &["b", "x"]);
        let json = serde_json::to_string(&join).unwrap();
        assert_eq!(serde_json::from_str::<Join>(&json).unwrap(), join);
    }
}
