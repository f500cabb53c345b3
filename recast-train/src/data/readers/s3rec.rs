//! One user a line, `user item item ...` in time order: the sequence files of S3-Rec and its
//! successors.

use super::lines::for_each_line;
use super::{Interactions, without_ratings};
use crate::error::{Error, Result};
use crate::storage::Source;

/// Reads the lines; an interaction's timestamp is its position in the line, from 0.
pub(super) fn read(source: Source, min_rating: Option<f64>) -> Result<Interactions> {
    let path = &source.path().to_owned();
    without_ratings(path, "S3-Rec text", min_rating)?;
    let mut interactions = Interactions::default();
    for_each_line(source, |line, text| {
        let mut words = text.split_whitespace();
        let user = words.next().unwrap_or_default();
        if interactions.users.index_of(user).is_some() {
            return Err(Error::line(
                path,
                line,
                format!("user '{user}' has a line already"),
                "put all items of a user on one line",
            ));
        }
        let before = interactions.len();
        for (position, item) in (0i64..).zip(words) {
            interactions.push(user, item, position);
        }
        if interactions.len() == before {
            return Err(Error::line(
                path,
                line,
                format!("'{user}' stands alone, without items"),
                "write 'user item item ...' or give the file's format",
            ));
        }
        Ok(())
    })?;
    Ok(interactions)
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
    fn a_user_with_two_lines_is_named() {
        assert_eq!(
            read_text(".txt", b"1 10\n1 11\n", None).unwrap_err(),
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
}
