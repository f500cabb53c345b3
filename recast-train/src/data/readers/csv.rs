//! Tables with a header line: comma-separated and tab-separated values, RecBole's among them.

use std::io::{self, Read};
use std::path::{Path, PathBuf};

use csv::{ErrorKind, ReaderBuilder, StringRecord, Trim};

use super::lines::{NOT_UTF8, NOT_UTF8_HINT};
use super::rows::Rows;
use super::{Interactions, LogOptions};
use crate::error::{Error, Result};
use crate::storage::Source;

/// The separator of the fields of a line.
#[derive(Debug, Clone, Copy)]
pub(in crate::data) enum Dialect {
    /// Commas; a field in double quotes may hold commas and line ends.
    Comma,
    /// Tabs; quotes mean nothing.
    Tab,
    /// Tabs, and column names with a type as RecBole writes them: `item_id:token`.
    TypedTab,
}

/// Reads a table and removes white space around fields. An error names a row after blank lines by
/// the first of these lines.
pub(super) fn read(source: Source, dialect: Dialect, options: &LogOptions) -> Result<Interactions> {
    let path = &source.path().to_owned();
    let columns = &options.columns;
    let mut table = Table::open(source, dialect)?;
    let (user, item, timestamp) = (
        table.position(&columns.user)?,
        table.position(&columns.item)?,
        table.position(&columns.timestamp)?,
    );
    let mut rows = Rows::new(path, options);
    let rating = rows.want_ratings().then(|| table.position(&columns.rating)).transpose()?;
    while let Some((line, record)) = table.next()? {
        if let Some(rating) = rating
            && rows.rated_too_low(line, &record[rating])?
        {
            continue;
        }
        rows.push(line, &record[user], &record[item], &record[timestamp])?;
    }
    Ok(rows.into_log())
}

/// A table while it is read.
pub(in crate::data) struct Table {
    path: PathBuf,
    reader: csv::Reader<WithoutCarriageReturns>,
    /// The columns' names, without types.
    pub(in crate::data) header: StringRecord,
    record: StringRecord,
}

impl Table {
    /// Opens a table and reads its header line.
    pub(in crate::data) fn open(source: Source, dialect: Dialect) -> Result<Self> {
        let (delimiter, quoting) = match dialect {
            Dialect::Comma => (b',', true),
            Dialect::Tab | Dialect::TypedTab => (b'\t', false),
        };
        let path = source.path().to_owned();
        let mut reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .quoting(quoting)
            .trim(Trim::All)
            .from_reader(WithoutCarriageReturns(source));
        let unnamed = StringRecord::new();
        let header = reader.headers().map_err(|source| table_error(&path, &unnamed, source))?;
        let header = match dialect {
            Dialect::Comma | Dialect::Tab => header.clone(),
            Dialect::TypedTab => {
                header.iter().map(|name| name.split_once(':').map_or(name, |it| it.0)).collect()
            }
        };
        Ok(Self { path, reader, header, record: StringRecord::new() })
    }

    /// The next row and its line, from 1.
    pub(in crate::data) fn next(&mut self) -> Result<Option<(u64, &StringRecord)>> {
        let read = self.reader.read_record(&mut self.record);
        let line = self.record.position().map_or(0, csv::Position::line);
        let read = read.map_err(|source| table_error(&self.path, &self.header, source))?;
        Ok(read.then_some((line, &self.record)))
    }

    /// The place of the column `name` in a row.
    pub(super) fn position(&self, name: &str) -> Result<usize> {
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

/// A file with its carriage returns left out: between `\r` and `\n` the csv crate counts lines one
/// too low.
struct WithoutCarriageReturns(Source);

impl Read for WithoutCarriageReturns {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let length = self.0.read(buffer)?;
            let mut kept = 0;
            for at in 0..length {
                buffer[kept] = buffer[at];
                kept += usize::from(buffer[at] != b'\r');
            }
            if kept > 0 || length == 0 {
                return Ok(kept);
            }
        }
    }
}

/// An error of the table, at its line; `header` names the column of bytes that are not text.
fn table_error(path: &Path, header: &StringRecord, source: csv::Error) -> Error {
    let line = source.position().map_or(1, csv::Position::line);
    match source.into_kind() {
        ErrorKind::Io(source) => Error::read(path, source),
        ErrorKind::Utf8 { err, .. } => match header.get(err.field()) {
            Some(column) => {
                Error::line(path, line, format!("column '{column}' {NOT_UTF8}"), NOT_UTF8_HINT)
            }
            None => Error::line(path, line, NOT_UTF8, NOT_UTF8_HINT),
        },
        ErrorKind::UnequalLengths { expected_len, len, .. } => Error::line(
            path,
            line,
            format!("has {len} fields where the header has {expected_len}"),
            "quote fields that hold the delimiter",
        ),
        other => Error::line(path, line, format!("cannot be read: {other:?}"), "check the file"),
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::{named, read_text};

    #[test]
    fn columns_are_found_by_name_and_fields_trimmed() {
        let log = b"\xef\xbb\xbftimestamp, item,x,user\r\n5,\"a, b\" ,,u1\r\n4.0,c,,u1\r\n";
        let interactions = read_text(".csv", log, None).unwrap();
        assert_eq!(named(&interactions), [("u1", "a, b", 5), ("u1", "c", 4)]);
    }

    #[test]
    fn quotes_mean_nothing_between_tabs() {
        let interactions =
            read_text(".tsv", b"user\titem\ttimestamp\nu\t\"a\t1\nu\tb\t2\n", None).unwrap();
        assert_eq!(named(&interactions), [("u", "\"a", 1), ("u", "b", 2)]);
    }

    #[test]
    fn the_columns_of_recbole_are_known_without_their_types() {
        let log = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\nu\ta b\t5\t1.0\nu\tc\t3\t2\n";
        let interactions = read_text(".inter", log, Some(4.0)).unwrap();
        assert_eq!(named(&interactions), [("u", "a b", 1)]);
    }

    #[test]
    fn low_ratings_are_left_out_with_their_ids_and_counted() {
        let log = b"user,item,timestamp,rating\nu,a,1,3.5\nu,b,2,4\nv,c,3,5\n";
        let interactions = read_text(".csv", log, Some(4.0)).unwrap();
        assert_eq!(named(&interactions), [("u", "b", 2), ("v", "c", 3)]);
        assert_eq!((interactions.items.len(), interactions.below_min_rating), (2, 1));
    }

    #[test]
    fn a_missing_column_lists_those_found() {
        assert_eq!(
            read_text(".csv", b"user_id,item,timestamp\n", None).unwrap_err(),
            "FILE:1: no column 'user' among 'user_id', 'item', 'timestamp'; \
             set the columns' names or add a header line"
        );
        let message = read_text(".csv", b"user,item,timestamp\nu,i,1\n", Some(1.0)).unwrap_err();
        assert!(message.contains("no column 'rating' among"), "{message}");
        let message = read_text(".csv", b"", None).unwrap_err();
        assert_eq!(message, "FILE: holds no header line; start it with the columns' names");
    }

    #[test]
    fn a_column_that_stands_twice_is_ambiguous() {
        assert_eq!(
            read_text(".csv", b"user,item,user,timestamp\n", None).unwrap_err(),
            "FILE:1: column 'user' stands twice in 'user', 'item', 'user', 'timestamp'; rename one of the two"
        );
    }

    #[test]
    fn a_bad_value_is_named_with_line_and_column() {
        assert_eq!(
            read_text(".csv", b"user,item,timestamp\nu,i,1\nu,j,soon\n", None).unwrap_err(),
            "FILE:3: column 'timestamp': is not a whole number: 'soon'; \
             give timestamps as whole seconds or milliseconds, such as 1704067200"
        );
        assert_eq!(
            read_text(".csv", b"user,item,timestamp\nu,,1\n", None).unwrap_err(),
            "FILE:2: column 'item': is empty: ''; give every row an id or remove it"
        );
    }

    #[test]
    fn a_line_of_another_length_is_named() {
        assert_eq!(
            read_text(".csv", b"user,item,timestamp\nu,i,1\nu,i\n", None).unwrap_err(),
            "FILE:3: has 2 fields where the header has 3; quote fields that hold the delimiter"
        );
    }

    #[test]
    fn lines_are_counted_alike_with_either_line_end() {
        for end in ["\n", "\r\n"] {
            let log = ["user,item,timestamp", "u,i,1", "u,\"a\nb\",2", "u,j,x", ""].join(end);
            let line = 1 + log[..log.find("u,j,x").unwrap()].matches('\n').count();
            let message = read_text(".csv", log.as_bytes(), None).unwrap_err();
            assert!(message.starts_with(&format!("FILE:{line}: column")), "{end:?}: {message}");
        }
    }

    #[test]
    fn bytes_that_are_not_text_are_named() {
        assert_eq!(
            read_text(".csv", b"user,item,timestamp\nu,\xff,1\n", None).unwrap_err(),
            "FILE:2: column 'item' is not UTF-8 text; convert the file to UTF-8 (a compressed file must be unpacked)"
        );
        let message = read_text(".csv", b"user,\xff,timestamp\n", None).unwrap_err();
        assert!(message.starts_with("FILE:1: is not UTF-8 text; "), "{message}");
    }
}
