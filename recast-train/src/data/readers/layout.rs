//! The layout of a text file: the settings and the first lines tell it, then the extension.

use std::path::Path;

use super::bare::Bare;
use super::content::{Head, are_lists, bare_columns, names_columns};
use super::csv::Dialect;
use super::known::Known;
use super::{Columns, Format, LogOptions, LogOrder, jsonl, s3rec};
use crate::error::{Error, Result};
use crate::storage::HEAD;

/// The separators of a table, the most likely first.
const SEPARATORS: [Dialect; 5] =
    [Dialect::Comma, Dialect::Colons, Dialect::Tab, Dialect::Byte(b';'), Dialect::Byte(b'|')];

/// The interactions of a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Shape {
    /// One, or all of a user in S3-Rec text.
    Plain,
    /// All of a user, in lists.
    Lists,
    /// A user and an item, in S3-Rec text.
    Pairs,
    /// Those of a user at a time, and the earlier ones, as in MIND.
    Impressions,
}

/// All that is to know for reading a text file.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) format: Format,
    pub(super) dialect: Dialect,
    /// The columns' names where no line of the file holds them.
    pub(super) header: Option<Vec<String>>,
    pub(super) columns: Columns,
    pub(super) order: LogOrder,
    pub(super) shape: Shape,
    /// The findings that no setting told.
    findings: Vec<String>,
}

impl Layout {
    /// The layout of the file at `path` that starts with `head`.
    ///
    /// # Errors
    ///
    /// If the settings contradict the file, or nothing tells the layout.
    pub(super) fn of(path: &Path, head: &[u8], options: &LogOptions) -> Result<Self> {
        check_text(path, head, options)?;
        let text = String::from_utf8_lossy(head);
        let head = Head::of(&text, head.len() < HEAD);
        let (format, finding) = match options.format {
            Some(format) => (format, None),
            None => format_of(path, &head, options)?,
        };
        let set =
            [("header", options.header.is_some()), ("delimiter", options.delimiter.is_some())];
        if matches!(format, Format::Jsonl | Format::S3Rec)
            && let Some((key, _)) = set.iter().find(|(_, is_set)| *is_set)
        {
            let problem = format!("is for tables, and {} is none", path.display());
            let hint = "leave it out, or set data.format to \"csv\"";
            return Err(Error::setting(format!("data.{key}"), problem, hint));
        }
        let mut layout = Self {
            format,
            dialect: Dialect::Comma,
            header: None,
            columns: options.columns.clone(),
            order: options.order.unwrap_or(LogOrder::Time),
            shape: Shape::Plain,
            findings: finding.into_iter().map(str::to_owned).collect(),
        };
        match format {
            Format::Jsonl => layout.of_json(path, &head, options)?,
            Format::S3Rec => layout.of_lines(&head),
            _ => layout.of_table(path, &head, options)?,
        }
        Ok(layout)
    }

    /// The layout in words; `None` if the settings and the extension say all.
    pub(super) fn read_as(&self) -> Option<String> {
        (!self.findings.is_empty()).then(|| self.findings.join(", "))
    }

    fn finds(&mut self, finding: impl Into<String>) {
        self.findings.push(finding.into());
    }

    fn of_table(&mut self, path: &Path, head: &Head<'_>, options: &LogOptions) -> Result<()> {
        if self.format == Format::RecBole {
            self.columns = options.columns.or(Columns::of_recbole());
        }
        self.dialect = match &options.delimiter {
            Some(delimiter) => dialect_of(delimiter)?,
            None => self.dialect_of_head(path, head)?,
        };
        let rows = head.rows(self.dialect);
        let first: &[String] = rows.first().map_or(&[], Vec::as_slice);
        let names: Vec<&str> = match &options.header {
            Some(names) => names.iter().map(String::as_str).collect(),
            None => first.iter().map(|name| self.untyped(name)).collect(),
        };
        self.knows(&names, options);
        let has = |name: &str| names.contains(&name);
        let named = has(&self.columns.user) || has(&self.columns.item);
        if let Some(header) = &options.header {
            if first.len() == header.len() && first.iter().all(|name| header.contains(name)) {
                let hint = "leave data.header out: the file has a header line";
                return Err(Error::line(path, 1, "names columns, as data.header does", hint));
            }
            self.header = Some(header.clone());
        } else if !named && self.is_bare(&rows, options) {
            return Ok(());
        } else if !named && let Some(header) = bare_columns(&rows, &self.columns) {
            self.finds(format!("columns {} without a header line", header.join(", ")));
            self.header = Some(header);
            return Ok(());
        }
        if !has(&self.columns.user) || !has(&self.columns.item) {
            // the reader lists the columns that the table has
            return Ok(());
        }
        let rows = if options.header.is_some() { &rows[..] } else { rows.get(1..).unwrap_or(&[]) };
        let at = |name: &str| names.iter().position(|it| *it == name);
        let timestamp = at(&self.columns.timestamp).filter(|_| self.order == LogOrder::Time);
        if let (Some(user), Some(item)) = (at(&self.columns.user), at(&self.columns.item))
            && are_lists(rows, user, item, timestamp)
        {
            self.shape = Shape::Lists;
            self.finds("one row a user, with lists");
            return Ok(());
        }
        if options.order.is_some() || self.order == LogOrder::Rows || has(&self.columns.timestamp) {
            return Ok(());
        }
        let known = [&self.columns.user, &self.columns.item, &self.columns.rating];
        if names.iter().all(|name| known.iter().any(|it| it == name)) {
            self.in_row_order();
            return Ok(());
        }
        Err(without_times(path, 1, &self.columns, &names))
    }

    fn of_json(&mut self, path: &Path, head: &Head<'_>, options: &LogOptions) -> Result<()> {
        let Some(first) = head.lines.iter().find(|line| !line.trim().is_empty()) else {
            return Ok(());
        };
        let extension = super::extension(path);
        if extension.as_deref() == Some("json") {
            if jsonl::keys(first).is_none() && !head.is_within_a_line {
                let problem = "holds one JSON value over several lines, or an array";
                return Err(Error::file(path, problem, "write one JSON object a line"));
            }
            self.finds("JSON lines");
        }
        let Some(keys) = jsonl::keys(first) else { return Ok(()) };
        let names: Vec<&str> = keys.iter().map(|(name, _)| name.as_str()).collect();
        self.knows(&names, options);
        let columns = &self.columns;
        let known = [&columns.user, &columns.item, &columns.rating];
        let only_known = keys.iter().all(|(name, _)| known.contains(&name));
        let lists = keys.iter().any(|(name, is_list)| *name == columns.item && *is_list);
        if lists {
            self.finds("one line a user, with lists");
        } else if options.order.is_none() && only_known && keys.len() >= 2 {
            self.in_row_order();
        }
        Ok(())
    }

    fn of_lines(&mut self, head: &Head<'_>) {
        if s3rec::are_pairs(&head.lines) {
            self.shape = Shape::Pairs;
            self.finds("'user item' lines");
            self.in_row_order();
        }
    }

    /// Takes the columns of a public data set with columns of these names, if there is one. Names
    /// that are set win.
    fn knows(&mut self, names: &[&str], options: &LogOptions) {
        if let Some(known) = Known::by_names(names) {
            self.finds(known.name);
            self.columns = options.columns.or(known.columns());
            self.order = options.order.unwrap_or(known.order());
        }
    }

    /// Whether the rows are those of a public data set without a header line, whose columns are
    /// taken. Names that are set win.
    fn is_bare(&mut self, rows: &[Vec<String>], options: &LogOptions) -> bool {
        let Some(bare) = Bare::of(rows, self.dialect) else { return false };
        let columns = options.columns.or(bare.columns());
        let header = bare.header(&columns);
        if ![&columns.user, &columns.item].iter().all(|name| header.contains(name)) {
            return false;
        }
        self.finds(bare.name);
        if bare.impressions {
            self.shape = Shape::Impressions;
        } else {
            self.finds(format!("columns {} without a header line", header.join(", ")));
        }
        (self.columns, self.header) = (columns, Some(header));
        true
    }

    fn in_row_order(&mut self) {
        self.order = LogOrder::Rows;
        self.finds("in the order of its rows, since it has no times");
    }

    /// A column's name without RecBole's type.
    fn untyped<'n>(&self, name: &'n str) -> &'n str {
        match name.split_once(':') {
            Some((name, _)) if self.format == Format::RecBole => name,
            _ => name,
        }
    }

    /// The separator of a table without a setting.
    ///
    /// The format's own separator gives way to another if the first line lacks it, or if only the
    /// other parts the line into the columns that are read.
    fn dialect_of_head(&mut self, path: &Path, head: &Head<'_>) -> Result<Dialect> {
        let first = head.lines.first().map_or("", |line| *line);
        let own = if self.format == Format::Csv { Dialect::Comma } else { Dialect::Tab };
        if first.trim().is_empty() || (self.format == Format::RecBole && own.stands_in(first)) {
            return Ok(own);
        }
        if self.format == Format::RecBole {
            let shown: String = first.trim().chars().take(200).collect();
            return Err(Error::line(
                path,
                1,
                format!("no tab parts the columns of the header '{shown}'"),
                "part the fields by tabs, as RecBole does, or set data.delimiter",
            ));
        }
        let stand: Vec<Dialect> = std::iter::once(own)
            .chain(SEPARATORS.into_iter().filter(|it| *it != own))
            .filter(|dialect| dialect.stands_in(first))
            .collect();
        let fits = |dialect: &&Dialect| {
            let rows = head.rows(**dialect);
            names_columns(&rows, &self.columns) || Bare::of(&rows, **dialect).is_some()
        };
        let found = stand.iter().find(fits).or(stand.first()).copied().unwrap_or(own);
        if found != own {
            self.finds(format!("parted by {}", found.name()));
        }
        Ok(found)
    }
}

impl Columns {
    /// The names of RecBole.
    fn of_recbole() -> Self {
        Self { user: "user_id".to_owned(), item: "item_id".to_owned(), ..Self::default() }
    }
}

/// The format by the first lines, else by the extension; with words if the lines tell it.
fn format_of(
    path: &Path,
    head: &Head<'_>,
    options: &LogOptions,
) -> Result<(Format, Option<&'static str>)> {
    let by_name = Format::of(path);
    // text of any other name may be a table or lines of JSON
    if matches!(by_name, Ok(format) if format != Format::S3Rec) {
        return by_name.map(|format| (format, None));
    }
    let first = head.lines.first().map_or("", |line| *line);
    if options.header.is_some() || options.delimiter.is_some() {
        return Ok((Format::Csv, None));
    }
    if jsonl::keys(first).is_some() {
        return Ok((Format::Jsonl, Some("JSON lines")));
    }
    let is_table = SEPARATORS.into_iter().filter(|it| it.stands_in(first)).any(|dialect| {
        let rows = head.rows(dialect);
        names_columns(&rows, &options.columns)
            || Bare::of(&rows, dialect).is_some()
            || bare_columns(&rows, &options.columns).is_some()
    });
    if is_table {
        return Ok((Format::Csv, Some("a table")));
    }
    by_name.map(|format| (format, None))
}

/// The separator by the setting.
fn dialect_of(delimiter: &str) -> Result<Dialect> {
    match delimiter {
        "," => Ok(Dialect::Comma),
        "::" => Ok(Dialect::Colons),
        "\t" | "\\t" | "tab" => Ok(Dialect::Tab),
        other => match other.as_bytes() {
            [byte] if !matches!(byte, b'"' | b'\n' | b'\r' | 0x80..) => Ok(Dialect::Byte(*byte)),
            _ => Err(Error::setting(
                "data.delimiter",
                format!("'{other}' is neither one character of one byte nor '::'"),
                "';', '|', 'tab' or '::' are some",
            )),
        },
    }
}

/// The error of a log without times, where no setting says that its rows are in order.
pub(super) fn without_times(path: &Path, line: u64, columns: &Columns, names: &[&str]) -> Error {
    let found = names.iter().map(|it| format!("'{it}'")).collect::<Vec<_>>().join(", ");
    Error::line(
        path,
        line,
        format!("no column '{}' among {found}", columns.timestamp),
        "set data.columns.timestamp, or data.order = \"rows\" if the rows stand in the order of \
         time",
    )
}

/// Refuses bytes that are text only in another encoding.
fn check_text(path: &Path, head: &[u8], options: &LogOptions) -> Result<()> {
    if head.starts_with(b"PAR1") {
        let hint = "name it .parquet, or set data.format = \"parquet\"";
        return Err(Error::file(path, "is Parquet by its first bytes", hint));
    }
    let Some(first) = head.iter().position(|byte| *byte == 0) else { return Ok(()) };
    let hint = match &options.encoding {
        Some(_) => "check data.encoding".to_owned(),
        None => {
            let order = if first % 2 == 1 { "le" } else { "be" };
            format!("set data.encoding = \"utf-16{order}\" if it is text")
        }
    };
    Err(Error::file(path, "holds bytes of 0, as text in UTF-16 does", hint))
}

#[cfg(test)]
mod tests;
