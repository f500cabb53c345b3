//! Tables in columns: Apache Parquet, as one file or a folder of parts.

mod chunk;
mod column;
mod layout;
mod parts;
mod values;

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fs::File;
use std::path::Path;

use parquet::errors::ParquetError;
use parquet::file::reader::{FileReader, SerializedFileReader};
use parquet::schema::types::SchemaDescriptor;

use super::rows::Rows;
use super::{Interactions, LogOptions, without_ratings};
use crate::error::{Error, Result};
use crate::storage::{Sources, damaged_parquet, in_parquet_thread};

use chunk::Chunk;
use column::{Column, Role, Type};
use layout::Layout;
use parts::{Part, parts};

/// Rows that are decoded at once.
const BATCH: usize = 8192;

/// Reads a table; in errors rows count from 1. A folder of parts is one table; its parts follow one
/// another by name.
///
/// Ids are strings, integers, decimals without a fraction, or floats that are exact integers. Times
/// are numbers, dates, strings of these, or of one of Parquet's types for times, in the unit of the
/// file. Dots name a field of a group: `event.user`. A list of items is all of a user.
pub(super) fn read(path: &Path, options: &LogOptions, sources: &Sources) -> Result<Interactions> {
    let set = [
        ("header", options.header.is_some()),
        ("delimiter", options.delimiter.is_some()),
        ("encoding", options.encoding.is_some()),
    ];
    if let Some((key, _)) = set.iter().find(|(_, is_set)| *is_set) {
        let problem = format!("is for text, and {} is Parquet", path.display());
        return Err(Error::setting(format!("data.{key}"), problem, "leave it out"));
    }
    let parts = if path.is_dir() { parts(path)? } else { vec![Part::of_file(path)] };
    let open = |part: &Part| in_parquet_thread(&part.path, || open(&part.path, sources));
    // there is a part, and the first tells the layout; each is opened once
    let mut reader = open(&parts[0])?;
    let layout = Layout::of(&parts[0].path, schema(&reader), options)?;
    let mut rows = Rows::new(path, options, &layout.columns, layout.order);
    let mut table = Table { options, layout: &layout, rows: &mut rows, row: 0, types: None };
    for (index, part) in parts.iter().enumerate() {
        if index > 0 {
            reader = open(part)?;
        }
        let before = table.row;
        in_parquet_thread(&part.path, || table.add(part, &reader))
            .map_err(|error| within(error, path, part, before))?;
    }
    let mut log = rows.into_log(false)?;
    let mut findings: Vec<String> = layout.name.into_iter().map(str::to_owned).collect();
    if path.is_dir() {
        findings.push(format!("{} parts of Parquet", parts.len()));
        log.warnings.extend(several_names(&parts));
    }
    log.read_as = (!findings.is_empty()).then(|| findings.join(", "));
    Ok(log)
}

fn open(path: &Path, sources: &Sources) -> Result<SerializedFileReader<File>> {
    let damaged = |fault: ParquetError| damaged_parquet(path, &fault.to_string());
    SerializedFileReader::new(sources.file(path)?).map_err(damaged)
}

fn schema(reader: &SerializedFileReader<File>) -> &SchemaDescriptor {
    reader.metadata().file_metadata().schema_descr()
}

/// An error about a row of the whole table, as one about a row of its part.
fn within(error: Error, table: &Path, part: &Part, before: u64) -> Error {
    match error {
        Error::Value { path, line, column, value, problem, hint } if path == table => {
            let line = line - before;
            Error::Value { path: part.path.clone(), line, column, value, problem, hint }
        }
        Error::Line { path, line, problem, hint } if path == table => {
            Error::Line { path: part.path.clone(), line: line - before, problem, hint }
        }
        error => error,
    }
}

/// A warning of parts that may be no parts of one log, such as `train-0` and `test-0`.
fn several_names(parts: &[Part]) -> Option<String> {
    let names: BTreeSet<&str> = parts.iter().map(Part::stem).collect();
    (names.len() > 1).then(|| {
        let names: Vec<String> = names.iter().map(|name| format!("'{name}'")).collect();
        format!(
            "parts of several names are read as one log: {}; if they are a split, name them by \
             data.valid and data.test",
            names.join(", ")
        )
    })
}

/// A table while its parts are read.
struct Table<'r, 'a> {
    options: &'a LogOptions,
    layout: &'a Layout,
    rows: &'r mut Rows<'a>,
    /// The rows read.
    row: u64,
    /// The types of the columns in the first part.
    types: Option<Vec<Type>>,
}

impl<'a> Table<'_, 'a> {
    /// The columns to read, in the order of [`Table::add_row`].
    fn wanted(&self) -> Vec<(&'a str, Role)> {
        let columns = &self.layout.columns;
        let mut wanted = vec![(columns.user.as_str(), Role::Id), (columns.item.as_str(), Role::Id)];
        wanted.extend(self.layout.targets.iter().map(|name| (name.as_str(), Role::Targets)));
        wanted.extend(self.rows.filters().map(|name| (name, Role::Filter)));
        wanted.extend(self.rows.want_times().then_some((columns.timestamp.as_str(), Role::Time)));
        wanted.extend(self.rows.want_ratings().then_some((columns.rating.as_str(), Role::Rating)));
        wanted
    }

    /// Adds the rows of a part.
    fn add(&mut self, part: &Part, reader: &SerializedFileReader<File>) -> Result<()> {
        let path = &part.path;
        let damaged = |fault: ParquetError| damaged_parquet(path, &fault.to_string());
        let schema = schema(reader);
        let mut found = Vec::new();
        for (name, role) in self.wanted() {
            // lists may have no times: then the position is the time
            let lists = role == Role::Time && found.get(1).is_some_and(Column::is_list);
            if !lists || Column::exists(part, schema, name) {
                found.push(Column::find(part, schema, name, role)?);
            }
        }
        self.check_lists(path, &found)?;
        self.check_types(path, &found)?;
        for group in 0..reader.num_row_groups() {
            let group = reader.get_row_group(group).map_err(damaged)?;
            let mut chunks = Vec::with_capacity(found.len());
            for column in &found {
                chunks.push(Chunk::open(path, column, group.as_ref())?);
            }
            let mut left = usize::try_from(group.metadata().num_rows()).unwrap_or(0);
            while left > 0 {
                let length = left.min(BATCH);
                for chunk in &mut chunks {
                    chunk.read_batch(length)?;
                }
                for _ in 0..length {
                    self.row += 1;
                    self.add_row(&chunks)?;
                    chunks.iter_mut().for_each(Chunk::advance);
                }
                left -= length;
            }
        }
        Ok(())
    }

    /// Checks that items and times are both lists or both plain, and that nothing else is a list.
    fn check_lists(&self, path: &Path, found: &[Column<'_>]) -> Result<()> {
        let lists = found.get(1).is_some_and(Column::is_list);
        for (at, column) in found.iter().enumerate() {
            let suits = match column.role {
                Role::Time | Role::Targets => column.is_list() == lists,
                _ => at == 1 || !column.is_list(),
            };
            if !suits {
                let [this, items] = [column.is_list(), lists].map(|it| match it {
                    true => "lists",
                    false => "plain values",
                });
                let item = &self.layout.columns.item;
                let name = column.name;
                let problem = format!("column '{name}' holds {this}, where '{item}' holds {items}");
                let hint = "give lists of items and of their times, or one row an interaction";
                return Err(Error::file(path, problem, hint));
            }
        }
        if lists {
            without_ratings(path, "a table of lists", self.options.min_rating)?;
        }
        Ok(())
    }

    /// Checks that the columns have the types of the first part.
    fn check_types(&mut self, path: &Path, found: &[Column<'_>]) -> Result<()> {
        let types: Vec<Type> = found.iter().map(Column::of_type).collect();
        let first = self.types.get_or_insert_with(|| types.clone());
        if *first == types {
            return Ok(());
        }
        let problem = match found.iter().zip(first.iter().zip(&types)).find(|it| it.1.0 != it.1.1) {
            Some((column, (first, this))) => {
                format!("column '{}' holds {this}, where the first part has {first}", column.name)
            }
            None => "has other columns than the first part".to_owned(),
        };
        Err(Error::file(path, problem, "write all parts with one schema"))
    }

    /// Adds the row at which the chunks stand.
    fn add_row(&mut self, chunks: &[Chunk<'_>]) -> Result<()> {
        let (rows, row) = (&mut *self.rows, self.row);
        let columns = &self.layout.columns;
        let of = |role: Role| chunks.iter().filter(move |chunk| chunk.column.role == role);
        let mut filtered = Vec::new();
        for chunk in of(Role::Filter) {
            filtered.push(chunk.text(rows.place(row, chunk.column.name))?.unwrap_or_default());
        }
        if !rows.keeps(filtered.iter().map(AsRef::as_ref)) {
            return Ok(());
        }
        if let Some(rating) = of(Role::Rating).next() {
            let rating = rating.text(rows.place(row, &columns.rating))?.unwrap_or_default();
            if rows.rated_too_low(row, &rating)? {
                return Ok(());
            }
        }
        let user = chunks[0].text(rows.place(row, &columns.user))?;
        let place = rows.place(row, &columns.timestamp);
        let time = of(Role::Time).next();
        if !chunks[1].column.is_list() {
            let item = chunks[1].text(rows.place(row, &columns.item))?;
            let time = time.map(|chunk| chunk.text(place)).transpose()?.flatten();
            return rows.push(row, user.as_deref(), item.as_deref(), time.as_deref());
        }
        let items = chunks[1].list(rows.place(row, &columns.item))?;
        let items = match of(Role::Targets).next() {
            // a user may have no history
            Some(targets) => {
                let mut items = items.unwrap_or_default();
                let place = rows.place(row, targets.column.name);
                items.extend(targets.list(place)?.unwrap_or_default());
                Some(items)
            }
            None => items,
        };
        let Some(items) = items else {
            return rows.push(row, user.as_deref(), None, None);
        };
        let times: Option<Vec<Option<Cow<'_, str>>>> = match time {
            Some(chunk) => Some(chunk.list(place)?.unwrap_or_default()),
            None => None,
        };
        rows.push_list(row, user.as_deref(), &items, times.as_deref())
    }
}

#[cfg(test)]
mod tests;
