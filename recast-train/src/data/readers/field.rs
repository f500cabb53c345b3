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

    /// An id that a file holds as a float of `digits` binary digits: 24 or 53.
    ///
    /// # Errors
    ///
    /// If the float is not whole, or so large that its neighbours are the same float.
    #[cfg_attr(
        not(any(test, feature = "parquet")),
        expect(dead_code, reason = "only Parquet holds ids as floats")
    )]
    pub(super) fn float_id(&self, value: f64, digits: u32) -> Result<i64> {
        let bound = 2f64.powi(digits.cast_signed());
        if value.fract() != 0.0 {
            let hint = "write ids as integers or strings";
            return Err(self.error(&value.to_string(), "is no whole number", hint));
        }
        if value.abs() >= bound {
            let problem = format!("is {bound} or more, from where on floats skip integers");
            let hint = "write ids as integers or strings";
            return Err(self.error(&value.to_string(), &problem, hint));
        }
        #[expect(clippy::cast_possible_truncation, reason = "whole and at most 2^53")]
        Ok(value as i64)
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
    fn a_float_is_an_id_if_it_is_exact() {
        assert_eq!(place().float_id(7.0, 24).unwrap(), 7);
        assert_eq!(place().float_id(-16_777_215.0, 24).unwrap(), -16_777_215);
        assert_eq!(place().float_id(9_007_199_254_740_991.0, 53).unwrap(), (1 << 53) - 1);
        for (value, digits) in [(16_777_216.0, 24), (-9_007_199_254_740_992.0, 53), (1e300, 53)] {
            let message = place().float_id(value, digits).unwrap_err().to_string();
            assert!(message.contains("floats skip integers"), "{message}");
        }
        for value in [0.5, f64::NAN, f64::INFINITY] {
            let message = place().float_id(value, 53).unwrap_err().to_string();
            assert!(message.contains("is no whole number"), "{message}");
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
