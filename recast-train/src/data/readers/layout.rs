//! The layout of a text file: the settings and the first lines tell it, then the extension.

use std::borrow::Cow;
use std::collections::HashSet;
use std::path::Path;

use super::csv::Dialect;
use super::known::Known;
use super::time::{is_surely_time, is_time};
use super::{Columns, Format, LogOptions, LogOrder, jsonl, list, s3rec};
use crate::error::{Error, Result};
use crate::storage::HEAD;

/// The rows at the start of a file that tell its layout.
const ROWS: usize = 100;

/// The separators of a table, the most likely first.
const SEPARATORS: [Dialect; 5] =
    [Dialect::Comma, Dialect::Colons, Dialect::Tab, Dialect::Byte(b';'), Dialect::Byte(b'|')];

/// All that is to know for reading a text file.
#[derive(Debug)]
pub(super) struct Layout {
    pub(super) format: Format,
    pub(super) dialect: Dialect,
    /// The columns' names where no line of the file holds them.
    pub(super) header: Option<Vec<String>>,
    pub(super) columns: Columns,
    pub(super) order: LogOrder,
    /// Whether a row holds all interactions of a user, in lists.
    pub(super) lists: bool,
    /// Whether lines hold a user and an item each.
    pub(super) pairs: bool,
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
        let format = match options.format {
            Some(format) => format,
            None => format_of(path, &head, options)?,
        };
        let mut layout = Self {
            format,
            dialect: Dialect::Comma,
            header: None,
            columns: options.columns.clone(),
            order: options.order.unwrap_or(LogOrder::Time),
            lists: false,
            pairs: false,
            findings: Vec::new(),
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
        if options.header.is_some() {
            self.header.clone_from(&options.header);
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
        let timestamp =
            at(&self.columns.timestamp).filter(|_| options.order != Some(LogOrder::Rows));
        if let (Some(user), Some(item)) = (at(&self.columns.user), at(&self.columns.item))
            && are_lists(rows, user, item, timestamp)
        {
            self.lists = true;
            self.finds("one row a user, with lists");
            return Ok(());
        }
        if options.order.is_some() || has(&self.columns.timestamp) {
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
            if jsonl::keys(first).is_none() {
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
            self.pairs = true;
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
        }
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

    /// The separator of a table without a setting: that of the format, unless the first line lacks
    /// it and has another.
    fn dialect_of_head(&mut self, path: &Path, head: &Head<'_>) -> Result<Dialect> {
        let first = head.lines.first().map_or("", |line| *line);
        let own = if self.format == Format::Csv { Dialect::Comma } else { Dialect::Tab };
        if own.stands_in(first) || first.trim().is_empty() {
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
        let Some(other) = SEPARATORS.into_iter().find(|it| it.stands_in(first)) else {
            return Ok(own);
        };
        self.finds(format!("parted by {}", other.name()));
        Ok(other)
    }
}

impl Columns {
    /// The names of RecBole.
    fn of_recbole() -> Self {
        Self { user: "user_id".to_owned(), item: "item_id".to_owned(), ..Self::default() }
    }
}

/// The first lines of a file.
struct Head<'a> {
    text: &'a str,
    lines: Vec<&'a str>,
}

impl<'a> Head<'a> {
    /// The lines of `text`, without one that may be cut. `is_whole` says that no text follows.
    fn of(text: &'a str, is_whole: bool) -> Self {
        let end = if text.contains('\n') { '\n' } else { '\r' };
        let last = text.rfind(end).map_or(text.len(), |at| at + 1);
        let text = if is_whole { text } else { &text[..last] };
        let lines = text.split(end).map(|line| line.trim_end_matches('\r')).take(ROWS).collect();
        Self { text, lines }
    }

    /// The first rows of a table, as trimmed fields.
    fn rows(&self, dialect: Dialect) -> Vec<Vec<String>> {
        let text = match dialect {
            // no field of a table with two colons holds the byte that stands for them
            Dialect::Colons => Cow::Owned(self.text.replace("::", "\u{1f}")),
            _ => Cow::Borrowed(self.text),
        };
        let rows = csv::ReaderBuilder::new()
            .delimiter(dialect.delimiter())
            .quoting(dialect.quoting())
            .trim(csv::Trim::All)
            .has_headers(false)
            .flexible(true)
            .from_reader(text.as_bytes())
            .into_records();
        let fields = |row: csv::StringRecord| row.iter().map(str::to_owned).collect();
        rows.map_while(std::result::Result::ok).take(ROWS).map(fields).collect()
    }
}

/// The format by the first lines, else by the extension.
fn format_of(path: &Path, head: &Head<'_>, options: &LogOptions) -> Result<Format> {
    let by_name = Format::of(path);
    // text of any name whose rows are surely those of a table, or lines of JSON
    let is_open = !matches!(by_name, Ok(format) if format != Format::S3Rec);
    if !is_open {
        return by_name;
    }
    let first = head.lines.first().map_or("", |line| *line);
    if options.header.is_some() || options.delimiter.is_some() {
        return Ok(Format::Csv);
    }
    if jsonl::keys(first).is_some() {
        return Ok(Format::Jsonl);
    }
    let columns = &options.columns;
    let dialect = SEPARATORS.into_iter().find(|dialect| dialect.stands_in(first));
    let rows = dialect.map(|dialect| head.rows(dialect)).unwrap_or_default();
    let names = rows.first().map_or(&[][..], Vec::as_slice);
    let has = |name: &String| names.contains(name);
    if (has(&columns.user) && has(&columns.item)) || bare_columns(&rows, columns).is_some() {
        return Ok(Format::Csv);
    }
    by_name
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

/// The columns of a table without a header line, if the first rows leave no doubt.
///
/// The columns are a user, an item, a time, and maybe a rating from 0 to 10.
fn bare_columns(rows: &[Vec<String>], columns: &Columns) -> Option<Vec<String>> {
    let Columns { user, item, timestamp, rating } = columns;
    let is_rating = |text: &String| text.parse().is_ok_and(|it: f64| (0.0..=10.0).contains(&it));
    let all = |at: usize, is: &dyn Fn(&String) -> bool| rows.iter().all(|row| is(&row[at]));
    let is_time = |text: &String| is_surely_time(text);
    let width = rows.first()?.len();
    if rows.iter().any(|row| row.len() != width || row.iter().any(String::is_empty)) {
        return None;
    }
    let names = match width {
        3 if all(2, &is_time) => vec![user, item, timestamp],
        4 if all(3, &is_time) && all(2, &is_rating) => vec![user, item, rating, timestamp],
        4 if all(2, &is_time) && all(3, &is_rating) => vec![user, item, timestamp, rating],
        _ => return None,
    };
    // the two ids are no times: a column of times would leave two readings
    (!all(0, &is_time) && !all(1, &is_time)).then(|| names.into_iter().cloned().collect())
}

/// Whether the rows hold lists of items, by user: with as many times, or without times and surely
/// lists.
fn are_lists(rows: &[Vec<String>], user: usize, item: usize, timestamp: Option<usize>) -> bool {
    let field = |row: &'_ [String], at: usize| row.get(at).cloned().unwrap_or_default();
    let mut users = HashSet::new();
    let mut longest = 0;
    for row in rows {
        let items = field(row, item);
        let elements = list::elements(&items);
        longest = longest.max(elements.len());
        let is_list = if let Some(timestamp) = timestamp {
            let times = field(row, timestamp);
            let times = list::elements(&times);
            times.len() == elements.len() && times.iter().all(|time| is_time(time))
        } else {
            let integers = elements.iter().all(|it| it.bytes().all(|byte| byte.is_ascii_digit()));
            (integers || items.starts_with('[')) && users.insert(field(row, user))
        };
        if !is_list {
            return false;
        }
    }
    longest > 1
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
