//! Titles, text and numbers of items.

mod keys;
mod layout;
mod reader;

use std::collections::BTreeMap;

use super::Ids;
use crate::error::{Error, Result};

pub use reader::read_items;
pub(crate) use reader::{ItemsFile, items_of};

/// The words of an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemText {
    /// The item's title.
    pub title: String,
    /// The title and all other words of the item.
    pub text: String,
}

/// Item text and numbers aligned to an item vocabulary.
#[derive(Debug, Clone, PartialEq)]
pub struct Items {
    ids: Ids,
    texts: Vec<Option<ItemText>>,
    /// A number for each item that has one, by key.
    numbers: BTreeMap<String, Vec<Option<f64>>>,
    rows: Vec<Option<usize>>,
    n_rows: usize,
}

impl Items {
    /// Aligns `rows`, in the order of their file, to the vocabulary `ids`.
    ///
    /// The first of two rows with one id counts. Rows outside the vocabulary only count as rows.
    /// `rows` may be empty: every title is then the id.
    #[must_use]
    pub(crate) fn from_rows(rows: Vec<(String, ItemText)>, ids: &Ids) -> Self {
        let n_rows = rows.len();
        let mut items = Self {
            ids: ids.clone(),
            texts: vec![None; ids.len()],
            numbers: BTreeMap::new(),
            rows: vec![None; ids.len()],
            n_rows,
        };
        for (row, (id, text)) in rows.into_iter().enumerate() {
            if let Some(index) = ids.index_of(&id).map(|index| index as usize)
                && items.rows[index].is_none()
            {
                items.texts[index] = Some(text);
                items.rows[index] = Some(row);
            }
        }
        items
    }

    /// The title of an item, or its id if it has no text.
    ///
    /// # Panics
    ///
    /// If `index` is outside the vocabulary.
    #[must_use]
    pub fn title(&self, index: u32) -> &str {
        self.text(index)
            .map(|it| it.title.as_str())
            .or_else(|| self.ids.get(index))
            .expect("an index of the vocabulary")
    }

    /// The text of an item, if the file has it.
    #[must_use]
    pub fn text(&self, index: u32) -> Option<&ItemText> {
        self.texts.get(index as usize)?.as_ref()
    }

    /// The numbers of an item, by key.
    pub fn numbers(&self, index: u32) -> impl Iterator<Item = (&str, f64)> {
        self.numbers
            .iter()
            .filter_map(move |(key, column)| Some((&key[..], (*column.get(index as usize)?)?)))
    }

    /// The number of every item under a key of the items file: a column of its table.
    ///
    /// # Errors
    ///
    /// If no item has a number under the key, or some item has none: a missing number has no
    /// stand-in.
    pub fn column(&self, key: &str) -> Result<Vec<f64>> {
        let Some(column) = self.numbers.get(key) else {
            let problem = format!("no item of the items file has a number under '{key}'");
            let hint = match self.numbers.is_empty() {
                true => "name an items file with numbers by data.items".to_owned(),
                false => {
                    let known: Vec<&str> = self.numbers.keys().map(String::as_str).collect();
                    format!("keys with numbers are {}", known.join(", "))
                }
            };
            return Err(Error::data(problem, hint));
        };
        column.iter().copied().collect::<Option<Vec<f64>>>().ok_or_else(|| {
            let mut missing = (0..).zip(column).filter(|(_, number)| number.is_none());
            let first = missing.next().and_then(|(index, _)| self.ids.get(index));
            let problem = format!(
                "{} of {} items have no number under '{key}' in the items file, '{}' is the first",
                missing.count() + 1,
                column.len(),
                first.unwrap_or_default()
            );
            Error::data(problem, "give every item of the log a number there")
        })
    }

    /// The row of an item in its file, from 0, blank lines not counted. An embedding file that goes
    /// with the items file has the item in the same row.
    #[must_use]
    pub fn row_of(&self, index: u32) -> Option<usize> {
        *self.rows.get(index as usize)?
    }

    /// The number of rows of the file, those outside the vocabulary included.
    #[must_use]
    pub fn n_rows(&self) -> usize {
        self.n_rows
    }

    /// The number of items of the vocabulary without text.
    #[must_use]
    pub fn n_missing(&self) -> usize {
        self.texts.iter().filter(|it| it.is_none()).count()
    }
}

#[cfg(test)]
mod tests;
