//! A column of one group of rows, decoded a batch at a time.

use std::borrow::Cow;
use std::path::Path;

use parquet::file::reader::RowGroupReader;

use super::super::field::Place;
use super::column::{Column, Leaf};
use super::values::Values;
use crate::error::Result;
use crate::storage::damaged_parquet;

/// The decoded batch of a column, and a place in it.
pub(super) struct Chunk<'a> {
    pub(super) column: &'a Column<'a>,
    path: &'a Path,
    /// `None` if the folders' names hold the value of all rows.
    values: Option<Values>,
    /// The definition levels of the batch; none if no value can be missing.
    definitions: Vec<i16>,
    /// The repetition levels of the batch; none if there are no lists.
    repetitions: Vec<i16>,
    /// The place by levels, and by values that are not missing.
    level: usize,
    value: usize,
}

impl<'a> Chunk<'a> {
    pub(super) fn open(
        path: &'a Path,
        column: &'a Column<'a>,
        group: &(dyn RowGroupReader + 'a),
    ) -> Result<Self> {
        let values = match &column.leaf {
            Leaf::Stored { index, .. } => {
                let reader = group.get_column_reader(*index);
                let reader = reader.map_err(|fault| damaged_parquet(path, &fault.to_string()))?;
                Some(Values::of(reader))
            }
            Leaf::OfFolder(_) => None,
        };
        let (definitions, repetitions) = (Vec::new(), Vec::new());
        Ok(Self { column, path, values, definitions, repetitions, level: 0, value: 0 })
    }

    /// Decodes the next rows.
    pub(super) fn read_batch(&mut self, length: usize) -> Result<()> {
        let Some(values) = &mut self.values else { return Ok(()) };
        self.definitions.clear();
        self.repetitions.clear();
        (self.level, self.value) = (0, 0);
        let read = values.read_batch(length, &mut self.definitions, &mut self.repetitions);
        let read = read.map_err(|fault| damaged_parquet(self.path, &fault.to_string()))?;
        if read < length {
            let name = self.column.name;
            let problem = format!("column '{name}' ends {} rows early", length - read);
            return Err(damaged_parquet(self.path, &problem));
        }
        Ok(())
    }

    /// Goes to the next row.
    pub(super) fn advance(&mut self) {
        let levels = self.levels();
        self.value += levels.clone().filter(|&level| self.is_present(level)).count();
        self.level = levels.end;
    }

    /// The levels of the row.
    fn levels(&self) -> std::ops::Range<usize> {
        let after = self.level + 1;
        let rest = self.repetitions.get(after..).unwrap_or_default();
        let end = match self.column.is_list() {
            true => after + rest.iter().position(|&level| level == 0).unwrap_or(rest.len()),
            false => after,
        };
        self.level..end
    }

    fn definition(&self, level: usize) -> i16 {
        self.definitions.get(level).copied().unwrap_or(self.column.most())
    }

    fn is_present(&self, level: usize) -> bool {
        self.definition(level) >= self.column.most()
    }

    /// The value of the row; `None` if it is missing.
    pub(super) fn text(&self, place: Place<'_>) -> Result<Option<Cow<'_, str>>> {
        match (&self.values, &self.column.leaf) {
            (None, Leaf::OfFolder(value)) => Ok(value.as_deref().map(Cow::Borrowed)),
            (Some(values), _) if self.is_present(self.level) => {
                values.text(self.value, self.column, place)
            }
            _ => Ok(None),
        }
    }

    /// The elements of the row's list; `None` if the list is missing.
    pub(super) fn list(&self, place: Place<'_>) -> Result<Option<Vec<Option<Cow<'_, str>>>>> {
        let Some(values) = &self.values else { return Ok(None) };
        let levels = self.levels();
        let within = self.column.within_list();
        match self.definition(levels.start) {
            empty if empty == within - 1 => return Ok(Some(Vec::new())),
            missing if missing < within => return Ok(None),
            _ => {}
        }
        let mut elements = Vec::with_capacity(levels.len());
        let mut value = self.value;
        for level in levels {
            elements.push(match self.is_present(level) {
                true => {
                    value += 1;
                    values.text(value - 1, self.column, place)?
                }
                false => None,
            });
        }
        Ok(Some(elements))
    }
}
