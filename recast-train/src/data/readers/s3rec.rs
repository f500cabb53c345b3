//! Lines of words: `user item item ...` in time order, as S3-Rec and its successors write them, or
//! `user item`, as SASRec does.

use std::borrow::Cow;
use std::collections::HashSet;

use super::layout::{Layout, Shape};
use super::lines::each_line_and_cut;
use super::rows::{Rows, cut_id};
use super::{Interactions, LogOptions, LogOrder, without_ratings};
use crate::error::{Error, Result};
use crate::storage::Source;

/// Reads the lines. The timestamp of an interaction is its position in the user's line, from 0; in
/// `user item` lines it is the number of lines before.
pub(super) fn read(source: Source, layout: &Layout, options: &LogOptions) -> Result<Interactions> {
    let path = &source.path().to_owned();
    without_ratings(path, "S3-Rec text", options.min_rating)?;
    if let Some(column) = options.keep.keys().next() {
        let problem = format!("has no columns, but data.keep names '{column}'");
        return Err(Error::file(path, problem, "leave it out, or name the columns by data.header"));
    }
    let mut rows = Rows::new(path, options, &layout.columns, LogOrder::Rows);
    let pairs = layout.shape == Shape::Pairs;
    let cut = each_line_and_cut(source, |line, text| {
        if line == 1 && is_header(text) {
            let problem = format!("'{text}' names columns, where lines hold a user and items");
            let hint = "remove the line, or set data.format = \"csv\" and data.delimiter = \" \"";
            return Err(Error::line(path, line, problem, hint));
        }
        let mut words = text.split_whitespace();
        let user = words.next().unwrap_or_default();
        let items: Vec<Option<Cow<'_, str>>> = words.map(|it| Some(Cow::Borrowed(it))).collect();
        match &items[..] {
            [] => Err(Error::line(
                path,
                line,
                format!("'{user}' stands alone, without items"),
                "write 'user item item ...' or give the file's format",
            )),
            [item] if pairs => rows.push(line, Some(user), item.as_deref(), None),
            _ if pairs => Err(Error::line(
                path,
                line,
                format!("holds {} words where the lines before hold 'user item'", 1 + items.len()),
                "write one item a line, or all items of a user on one line",
            )),
            items => rows.push_list(line, Some(user), items, None),
        }
    })?;
    let mut log = rows.into_log(cut)?;
    log.warnings.extend(cut.then(|| cut_id(&log.items, &log.item_of, "item")).flatten());
    Ok(log)
}

/// Whether all words of a line are usual names of columns.
fn is_header(text: &str) -> bool {
    let plain = |word: &str| word.to_ascii_lowercase().replace(['_', '-'], "");
    let is_name = |word: &str| {
        let word = plain(word);
        let stem = word.strip_suffix('s').unwrap_or(&word);
        matches!(
            stem,
            "user" | "userid" | "uid" | "item" | "itemid" | "iid" | "timestamp" | "time" | "rating"
        )
    };
    text.split_whitespace().count() > 1 && text.split_whitespace().all(is_name)
}

/// Whether lines are pairs of a user and an item: all have two words, and a user has several.
pub(super) fn are_pairs(lines: &[&str]) -> bool {
    let mut users = HashSet::new();
    let mut several = false;
    for line in lines.iter().filter(|line| !line.trim().is_empty()) {
        let mut words = line.split_whitespace();
        let (user, item, more) = (words.next(), words.next(), words.next());
        if item.is_none() || more.is_some() {
            return false;
        }
        several |= !users.insert(user);
    }
    several
}

#[cfg(test)]
mod tests {
    use super::super::testing::{named, read_text};

    #[test]
    fn the_position_is_the_timestamp() {
        let interactions = read_text(".txt", b"1 10 11\r\n2\t11  10 11\n", None).unwrap();
        assert_eq!(
            named(&interactions),
            [("1", "10", 0), ("1", "11", 1), ("2", "11", 0), ("2", "10", 1), ("2", "11", 2)]
        );
    }

    #[test]
    fn a_user_without_items_is_named() {
        assert_eq!(
            read_text(".txt", b"1 10\n2\n", None).unwrap_err(),
            "FILE:2: '2' stands alone, without items; write 'user item item ...' or give the file's format"
        );
    }

    #[test]
    fn two_words_a_line_are_pairs_if_a_user_has_several() {
        let pairs = read_text(".txt", b"1 5\n1 8\n2 5\n1 5\n", None).unwrap();
        assert_eq!(named(&pairs), [("1", "5", 0), ("1", "8", 1), ("2", "5", 2), ("1", "5", 3)]);
        assert!(pairs.read_as.unwrap().starts_with("'user item' lines"));
        let users = read_text(".txt", b"1 5\n2 8\n", None).unwrap();
        assert_eq!((named(&users).len(), users.read_as), (2, None));
        let mut late = "1 5\n1 6\n".repeat(9_000);
        late.push_str("1 5 6\n");
        let message = read_text(".txt", late.as_bytes(), None).unwrap_err();
        assert!(message.starts_with("FILE:18001: holds 3 words where"), "{message}");
    }

    #[test]
    fn a_user_with_two_lines_is_named() {
        assert_eq!(
            read_text(".txt", b"1 10 12\n1 11\n", None).unwrap_err(),
            "FILE:2: user '1' has a line already; put all items of a user on one line"
        );
    }

    #[test]
    fn a_least_rating_is_refused() {
        assert_eq!(
            read_text(".txt", b"1 10\n", Some(4.0)).unwrap_err(),
            "FILE: S3-Rec text has no ratings, but a least rating of 4 is asked for; \
             leave it out or give a table with ratings"
        );
    }

    #[test]
    fn bytes_that_are_not_text_are_named() {
        let message = read_text(".txt", b"1 10\n2 \xff\n", None).unwrap_err();
        assert!(message.starts_with("FILE:2: column 3 is not UTF-8 text; "), "{message}");
    }

    #[test]
    fn a_header_line_is_refused() {
        for header in ["user_id item_id", "user items", "UserID ItemID Timestamp", "uid iid"] {
            let log = format!("{header}\nu 1\nu 2\n");
            let message = read_text(".txt", log.as_bytes(), None).unwrap_err();
            assert!(message.starts_with("FILE:1: "), "{message}");
            assert!(message.contains("names columns"), "{message}");
        }
        let read = read_text(".txt", b"user item1\nuser item2\n", None).unwrap();
        assert_eq!(named(&read).len(), 2);
    }
}
