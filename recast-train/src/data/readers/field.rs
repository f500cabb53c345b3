//! Values of one field: ids, timestamps and ratings, checked where they are read.

use std::path::Path;

use crate::error::{Error, Result};

/// The place of a value, for the error that names it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Place<'a> {
    pub(super) path: &'a Path,
    pub(super) line: u64,
    pub(super) column: &'a str,
}

impl Place<'_> {
    /// The error about `value` here.
    pub(super) fn error(&self, value: &str, problem: &str, hint: &str) -> Error {
        Error::Value {
            path: self.path.to_owned(),
            line: self.line,
            column: self.column.to_owned(),
            value: value.to_owned(),
            problem: problem.to_owned(),
            hint: hint.to_owned(),
        }
    }

    /// An id: any text but none.
    pub(super) fn id<'v>(&self, value: &'v str) -> Result<&'v str> {
        if value.is_empty() {
            return Err(self.error(value, "is empty", "give every row an id or remove it"));
        }
        Ok(value)
    }

    /// A timestamp: an integer, or a float without a fraction. `f64` counts its magnitude exactly
    /// (`< 2^53`).
    pub(super) fn timestamp(&self, value: &str) -> Result<i64> {
        if let Ok(timestamp) = value.parse() {
            return Ok(timestamp);
        }
        let exact = |float: &f64| float.fract() == 0.0 && float.abs() < 9_007_199_254_740_992.0;
        match value.parse::<f64>().ok().filter(exact) {
            #[expect(clippy::cast_possible_truncation, reason = "integral and below 2^53")]
            Some(float) => Ok(float as i64),
            None => Err(self.error(
                value,
                "is not a whole number",
                "give timestamps as whole seconds or milliseconds, such as 1704067200",
            )),
        }
    }

    /// A rating: a finite number.
    pub(super) fn rating(&self, value: &str) -> Result<f64> {
        match value.parse::<f64>() {
            Ok(rating) if rating.is_finite() => Ok(rating),
            _ => Err(self.error(
                value,
                "is not a number",
                "correct it or don't ask for a least rating",
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place() -> Place<'static> {
        Place { path: Path::new("log.csv"), line: 7, column: "timestamp" }
    }

    #[test]
    fn whole_numbers_are_timestamps_however_written() {
        for (text, value) in [
            ("12", 12),
            ("-3", -3),
            ("12.0", 12),
            ("1.7e9", 1_700_000_000),
            ("9223372036854775807", i64::MAX),
        ] {
            assert_eq!(place().timestamp(text).unwrap(), value);
        }
    }

    #[test]
    fn anything_else_is_an_error_with_its_place() {
        for text in ["12.5", "", "2024-01-01", "nan", "inf", "1e300", "9223372036854775808"] {
            assert_eq!(
                place().timestamp(text).unwrap_err().to_string(),
                format!(
                    "log.csv:7: column 'timestamp': is not a whole number: '{text}'; \
                     give timestamps as whole seconds or milliseconds, such as 1704067200"
                )
            );
        }
    }

    #[test]
    fn a_rating_is_finite() {
        assert!(place().rating("4.5").is_ok());
        for text in ["nan", "inf", "good", ""] {
            let message = place().rating(text).unwrap_err().to_string();
            assert!(message.contains(&format!("is not a number: '{text}'")), "{message}");
        }
    }
}
