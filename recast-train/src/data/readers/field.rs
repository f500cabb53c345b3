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
    fn a_rating_is_finite() {
        assert!(place().rating("4.5").is_ok());
        for text in ["nan", "inf", "good", ""] {
            let message = place().rating(text).unwrap_err().to_string();
            assert!(message.contains(&format!("is not a number: '{text}'")), "{message}");
        }
    }
}
