//! One JSON object a line.

use serde_json::{Map, Value};

use super::field::Place;
use super::lines::{for_each_line, json_error};
use super::rows::Rows;
use super::{Interactions, LogOptions};
use crate::error::{Error, Result};
use crate::storage::Source;

/// Reads the objects' keys named in `columns`; other keys are ignored. Values are strings or
/// numbers.
pub(super) fn read(source: Source, options: &LogOptions) -> Result<Interactions> {
    let path = &source.path().to_owned();
    let columns = &options.columns;
    let mut rows = Rows::new(path, options);
    for_each_line(source, |line, text| {
        let object: Map<String, Value> =
            serde_json::from_str(text).map_err(|source| json_error(path, line, &source))?;
        let value = |column| value(&object, Place { path, line, column });
        if rows.want_ratings() && rows.rated_too_low(line, &value(&columns.rating)?)? {
            return Ok(());
        }
        let (user, item) = (value(&columns.user)?, value(&columns.item)?);
        rows.push(line, &user, &item, &value(&columns.timestamp)?)
    })?;
    Ok(rows.into_log())
}

/// The value of the place's column, as text.
fn value(object: &Map<String, Value>, place: Place<'_>) -> Result<String> {
    match object.get(place.column) {
        Some(Value::String(text)) => Ok(text.trim().to_owned()),
        Some(Value::Number(number)) => Ok(number.to_string()),
        Some(other) => Err(place.error(
            &other.to_string(),
            "is neither a string nor a number",
            "give a plain value",
        )),
        None => {
            let found = object.keys().map(|it| format!("'{it}'")).collect::<Vec<_>>().join(", ");
            Err(Error::line(
                place.path,
                place.line,
                format!("no key '{}' among {found}", place.column),
                "set the columns' names or add the key",
            ))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{named, read_text};

    #[test]
    fn ids_and_times_are_strings_or_numbers() {
        let log = b"{\"user\": 7, \"item\": \"a\", \"timestamp\": 3.0}\r\n\n{\"user\": \"7\", \"item\": 8, \"timestamp\": \"4\"}";
        let interactions = read_text(".jsonl", log, None).unwrap();
        assert_eq!(named(&interactions), [("7", "a", 3), ("7", "8", 4)]);
    }

    #[test]
    fn low_ratings_are_left_out() {
        let log = b"{\"user\":1,\"item\":1,\"timestamp\":1,\"rating\":2}\n{\"user\":1,\"item\":2,\"timestamp\":1,\"rating\":5}\n";
        let interactions = read_text(".jsonl", log, Some(3.0)).unwrap();
        assert_eq!(named(&interactions), [("1", "2", 1)]);
        assert_eq!(interactions.below_min_rating, 1);
    }

    #[test]
    fn a_line_that_is_not_an_object_is_named() {
        let log = b"{\"user\":1,\"item\":1,\"timestamp\":1}\n{\"user\":1,\n";
        assert_eq!(
            read_text(".jsonl", log, None).unwrap_err(),
            "FILE:2: EOF while parsing a value at column 10; each line must be one JSON object"
        );
        let message = read_text(".jsonl", b"[1]\n", None).unwrap_err();
        assert!(message.starts_with("FILE:1: invalid type: sequence, expected a map"), "{message}");
    }

    #[test]
    fn a_missing_key_lists_those_found() {
        assert_eq!(
            read_text(".jsonl", b"{\"item\":1,\"uid\":1}\n", None).unwrap_err(),
            "FILE:1: no key 'user' among 'item', 'uid'; set the columns' names or add the key"
        );
    }

    #[test]
    fn a_value_that_is_not_plain_is_named() {
        assert_eq!(
            read_text(".jsonl", b"{\"user\":1,\"item\":[2],\"timestamp\":1}\n", None).unwrap_err(),
            "FILE:1: column 'item': is neither a string nor a number: '[2]'; give a plain value"
        );
        let message = read_text(".jsonl", b"{\"user\":1,\"item\":2,\"timestamp\":1.5}\n", None);
        assert!(message.unwrap_err().contains("is not a whole number: '1.5'"));
    }

    #[test]
    fn bytes_that_are_not_text_are_named() {
        let message = read_text(".jsonl", b"{\"user\": \"\xff\"}\n", None).unwrap_err();
        assert!(message.starts_with("FILE:1: column 11 is not UTF-8 text; "), "{message}");
    }
}
