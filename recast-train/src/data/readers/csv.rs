//! Tables: rows of fields between delimiters, with the columns' names in the first line or by
//! setting.

use std::borrow::Cow;
use std::path::{Path, PathBuf};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Terminator, Trim};

use super::bytes::{Bytes, QuoteFault, QuoteFaultKind, Separator, UNIT_SEPARATOR};
use super::layout::{Layout, Shape};
use super::lines::{NOT_UTF8, NOT_UTF8_HINT};
use super::list;
use super::rows::{Rows, cut_id};
use super::{Format, Interactions, LogOptions};
use crate::error::{Error, Result};
use crate::storage::Source;

/// The separator of the fields of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::data) enum Dialect {
    /// Commas; a field in double quotes may hold commas and line ends.
    Comma,
    /// Tabs; quotes mean nothing.
    Tab,
    /// Tabs, and column names with a type as RecBole writes them: `item_id:token`.
    TypedTab,
    /// Any byte; quotes as between commas.
    Byte(u8),
    /// Two colons; quotes mean nothing.
    Colons,
}

impl Dialect {
    /// The byte that parts fields in the bytes that the csv crate gets.
    pub(super) fn delimiter(self) -> u8 {
        match self.separator() {
            Separator::Byte(byte) => byte,
            Separator::Colons => UNIT_SEPARATOR,
        }
    }

    /// The separator in words.
    pub(super) fn name(self) -> String {
        match self.separator() {
            Separator::Byte(b'\t') => "tabs".to_owned(),
            Separator::Byte(byte) => format!("'{}'", char::from(byte)),
            Separator::Colons => "'::'".to_owned(),
        }
    }

    /// Whether a line holds the separator.
    pub(super) fn stands_in(self, line: &str) -> bool {
        match self.separator() {
            Separator::Byte(byte) => line.as_bytes().contains(&byte),
            Separator::Colons => line.contains("::"),
        }
    }

    fn separator(self) -> Separator {
        match self {
            Self::Comma => Separator::Byte(b','),
            Self::Tab | Self::TypedTab => Separator::Byte(b'\t'),
            Self::Byte(byte) => Separator::Byte(byte),
            Self::Colons => Separator::Colons,
        }
    }

    pub(super) fn quoting(self) -> bool {
        matches!(self, Self::Comma | Self::Byte(_))
    }
}

/// Reads a table and removes white space around fields. An error names a row after blank lines by
/// the first of these lines.
pub(super) fn read(source: Source, layout: &Layout, options: &LogOptions) -> Result<Interactions> {
    let path = &source.path().to_owned();
    let columns = &layout.columns;
    let mut table = Table::with_header(source, layout.dialect, layout.header.as_deref())?;
    if layout.format == Format::RecBole {
        table.header = untyped(&table.header);
    }
    let mut rows = Rows::new(path, options, columns, layout.order);
    let (user, item) = (table.position(&columns.user)?, table.position(&columns.item)?);
    let times =
        rows.want_times() && (layout.shape != Shape::Lists || table.has(&columns.timestamp));
    let timestamp = times.then(|| table.position(&columns.timestamp)).transpose()?;
    let rating = rows.want_ratings().then(|| table.position(&columns.rating)).transpose()?;
    let filters = rows.filters().map(|name| table.position(name)).collect::<Result<Vec<_>>>()?;
    while let Some((line, record)) = table.next()? {
        if !filters.is_empty() && !rows.keeps(filters.iter().map(|&at| &record[at])) {
            continue;
        }
        if layout.shape == Shape::Lists {
            let list = |at: usize| list::elements(&record[at]).into_iter().map(Some).collect();
            let items: Vec<Option<Cow<'_, str>>> = list(item);
            let times: Option<Vec<Option<Cow<'_, str>>>> = timestamp.map(list);
            rows.push_list(line, Some(&record[user]), &items, times.as_deref())?;
            continue;
        }
        if let Some(rating) = rating
            && rows.rated_too_low(line, &record[rating])?
        {
            continue;
        }
        let time = timestamp.map(|at| &record[at]);
        rows.push(line, Some(&record[user]), Some(&record[item]), time)?;
    }
    let last = table.header.len().checked_sub(1);
    let is_last = |column: usize| table.is_cut() && last == Some(column);
    let mut log = rows.into_log(table.is_cut())?;
    log.warnings.extend(table.warning());
    if is_last(user) {
        log.warnings.extend(cut_id(&log.users, &log.user_of, "user"));
    }
    if is_last(item) {
        log.warnings.extend(cut_id(&log.items, &log.item_of, "item"));
    }
    Ok(log)
}

/// A table while it is read.
pub(in crate::data) struct Table {
    path: PathBuf,
    reader: csv::Reader<Bytes>,
    /// The columns' names, without types.
    pub(in crate::data) header: StringRecord,
    record: StringRecord,
}

impl Table {
    /// Opens a table and reads its header line.
    pub(in crate::data) fn open(source: Source, dialect: Dialect) -> Result<Self> {
        Self::with_header(source, dialect, None)
    }

    /// Opens a table without a header line if its columns' names are given.
    pub(super) fn with_header(
        source: Source,
        dialect: Dialect,
        header: Option<&[String]>,
    ) -> Result<Self> {
        let path = source.path().to_owned();
        let quoting = dialect.quoting();
        let bytes = Bytes::new(source, dialect.separator(), quoting);
        let mut reader = ReaderBuilder::new()
            .buffer_capacity(1 << 16)
            .delimiter(dialect.delimiter())
            .quoting(quoting)
            .terminator(Terminator::Any(b'\n'))
            .trim(Trim::All)
            .has_headers(header.is_none())
            .flexible(header.is_some())
            .from_reader(bytes);
        let header = if let Some(names) = header {
            names.iter().collect()
        } else {
            let unnamed = StringRecord::new();
            let header = reader.headers().map_err(|fault| table_error(&path, &unnamed, fault))?;
            match dialect {
                Dialect::TypedTab => untyped(header),
                _ => header.clone(),
            }
        };
        Ok(Self { path, reader, header, record: StringRecord::new() })
    }

    /// Whether the last line that was read has no line end.
    pub(super) fn is_cut(&self) -> bool {
        self.reader.get_ref().is_cut()
    }

    /// A warning of fields in quotes that hold lines which look like rows.
    pub(in crate::data) fn warning(&self) -> Option<String> {
        let (fields, line) = self.reader.get_ref().swallowed()?;
        Some(format!(
            "{fields} fields in quotes hold lines that look like rows, the first from line {line} \
             on; a quote that should close earlier is missing, or these fields are as they should \
             be"
        ))
    }

    fn has(&self, name: &str) -> bool {
        self.header.iter().any(|it| it == name)
    }

    /// The next row and its line, from 1.
    pub(in crate::data) fn next(&mut self) -> Result<Option<(u64, &StringRecord)>> {
        let read = self.reader.read_record(&mut self.record);
        let line = self.record.position().map_or(0, csv::Position::line);
        let read = read.map_err(|source| table_error(&self.path, &self.header, source))?;
        if read && self.record.len() != self.header.len() {
            let (found, expected) = (self.record.len(), self.header.len());
            return Err(unequal(&self.path, line, found as u64, expected as u64));
        }
        Ok(read.then_some((line, &self.record)))
    }

    /// The place of the column `name` in a row.
    pub(in crate::data) fn position(&self, name: &str) -> Result<usize> {
        let header = &self.header;
        let mut positions =
            header.iter().enumerate().filter(|(_, it)| *it == name).map(|(index, _)| index);
        let found = || header.iter().map(|it| format!("'{it}'")).collect::<Vec<_>>().join(", ");
        match (positions.next(), positions.next()) {
            (Some(index), None) => Ok(index),
            (Some(_), Some(_)) => Err(Error::line(
                &self.path,
                1,
                format!("column '{name}' stands twice in {}", found()),
                "rename one of the two",
            )),
            (None, _) if header.iter().all(str::is_empty) => Err(Error::file(
                &self.path,
                "holds no header line",
                "start it with the columns' names",
            )),
            (None, _) => Err(Error::line(
                &self.path,
                1,
                format!("no column '{name}' among {}", found()),
                "set the columns' names or add a header line",
            )),
        }
    }
}

/// Names without RecBole's types.
fn untyped(header: &StringRecord) -> StringRecord {
    header.iter().map(|name| name.split_once(':').map_or(name, |it| it.0)).collect()
}

/// An error of the table, at its line; `header` names the column of bytes that are not text.
fn table_error(path: &Path, header: &StringRecord, source: csv::Error) -> Error {
    let line = source.position().map_or(1, csv::Position::line);
    match source.into_kind() {
        ErrorKind::Io(source) => match source.get_ref().and_then(|it| it.downcast_ref()) {
            Some(fault) => quote_error(path, *fault),
            None => Error::read(path, source),
        },
        ErrorKind::Utf8 { err, .. } => match header.get(err.field()) {
            Some(column) => {
                Error::line(path, line, format!("column '{column}' {NOT_UTF8}"), NOT_UTF8_HINT)
            }
            None => Error::line(path, line, NOT_UTF8, NOT_UTF8_HINT),
        },
        ErrorKind::UnequalLengths { expected_len, len, .. } => {
            unequal(path, line, len, expected_len)
        }
        other => Error::line(path, line, format!("cannot be read: {other:?}"), "check the file"),
    }
}

/// The error of a row with more or fewer fields than the header.
fn unequal(path: &Path, line: u64, found: u64, expected: u64) -> Error {
    Error::line(
        path,
        line,
        format!("has {found} fields where the header has {expected}"),
        "quote fields that hold the delimiter",
    )
}

/// The error of a quote, at the line where the quote opens.
fn quote_error(path: &Path, fault: QuoteFault) -> Error {
    let problem = match fault.kind {
        QuoteFaultKind::Open => "a quote opens here and never closes".to_owned(),
        QuoteFaultKind::TooLong => "a quote opens here and doesn't close within 16 MiB".to_owned(),
        QuoteFaultKind::TextAfter(byte) => format!(
            "a quote opens here, and '{}' follows the quote that closes it",
            char::from(byte).escape_default()
        ),
    };
    let hint = "close the quote before the delimiter, or double a quote that is part of the text";
    Error::line(path, fault.line, problem, hint)
}

#[cfg(test)]
mod tests;
