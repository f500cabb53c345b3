//! Checks of rows that all formats with named columns share.

use std::path::Path;

use super::field::Place;
use super::unit::Unit;
use super::{Columns, LogOptions};
use crate::data::Interactions;
use crate::error::Result;

/// A log while its rows are read.
#[derive(Debug)]
pub(super) struct Rows<'a> {
    path: &'a Path,
    columns: &'a Columns,
    min_rating: Option<f64>,
    /// The first timestamp whose unit can be told, and its line.
    unit: Option<(Unit, i64, u64)>,
    log: Interactions,
}

impl<'a> Rows<'a> {
    pub(super) fn new(path: &'a Path, options: &'a LogOptions) -> Self {
        let LogOptions { columns, min_rating, .. } = options;
        let min_rating = *min_rating;
        Self { path, columns, min_rating, unit: None, log: Interactions::default() }
    }

    /// Whether ratings are asked for.
    pub(super) fn want_ratings(&self) -> bool {
        self.min_rating.is_some()
    }

    /// The place of the value of `column` in a line, or a row, from 1.
    pub(super) fn place(&self, line: u64, column: &'a str) -> Place<'a> {
        Place { path: self.path, line, column }
    }

    /// Whether a row is rated too low to be read further. Such a row is counted.
    pub(super) fn rated_too_low(&mut self, line: u64, rating: &str) -> Result<bool> {
        let Some(least) = self.min_rating else { return Ok(false) };
        let too_low = self.place(line, &self.columns.rating).rating(rating)? < least;
        self.log.below_min_rating += usize::from(too_low);
        Ok(too_low)
    }

    /// Adds a row.
    pub(super) fn push(
        &mut self,
        line: u64,
        user: &str,
        item: &str,
        timestamp: &str,
    ) -> Result<()> {
        let user = self.place(line, &self.columns.user).id(user)?;
        let item = self.place(line, &self.columns.item).id(item)?;
        let place = self.place(line, &self.columns.timestamp);
        let timestamp = place.timestamp(timestamp)?;
        if let Some(unit) = Unit::of(timestamp) {
            let (first, value, at) = *self.unit.get_or_insert((unit, timestamp, line));
            if unit != first {
                return Err(place.error(
                    &timestamp.to_string(),
                    &format!(
                        "is in {unit} by its size, where line {at} has {value}, which is in {first}"
                    ),
                    "write all timestamps in one unit",
                ));
            }
        }
        self.log.push(user, item, timestamp);
        Ok(())
    }

    /// The log of all added rows.
    pub(super) fn into_log(self) -> Interactions {
        self.log
    }
}
