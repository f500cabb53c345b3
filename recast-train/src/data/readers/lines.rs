//! A text file, line by line.

use std::io::{BufRead, BufReader, Read as _};
use std::path::Path;

use crate::error::{Error, Result};
use crate::storage::Source;

/// The bytes of the longest line: a run folder's data have all item ids in their first one.
const LONGEST_LINE: u64 = 4 << 30;

/// Calls `read` with the number, from 1, and the text of each line that is not blank.
///
/// The reader removes a byte order mark and line ends of all kinds, and holds one line at a time.
///
/// # Errors
///
/// If the file cannot be read, a line is not UTF-8, or `read` fails.
pub(in crate::data) fn for_each_line(
    source: Source,
    read: impl FnMut(u64, &str) -> Result<()>,
) -> Result<()> {
    each_line_and_cut(source, read).map(|_| ())
}

/// Does the work of [`for_each_line`] and returns whether the last line has no line end.
pub(super) fn each_line_and_cut(
    source: Source,
    mut read: impl FnMut(u64, &str) -> Result<()>,
) -> Result<bool> {
    let path = &source.path().to_owned();
    let head = source.head();
    let end = if head.contains(&b'\r') && !head.contains(&b'\n') { b'\r' } else { b'\n' };
    let mut is_cut = false;
    let mut reader = BufReader::with_capacity(1 << 16, source);
    let mut bytes = Vec::new();
    for number in 1.. {
        bytes.clear();
        let length = reader
            .by_ref()
            .take(LONGEST_LINE)
            .read_until(end, &mut bytes)
            .map_err(|source| Error::read(path, source))?;
        if length == 0 {
            break;
        }
        if length as u64 == LONGEST_LINE {
            let problem = format!("is longer than {} GiB", LONGEST_LINE >> 30);
            return Err(Error::line(path, number, problem, "is it a text file, with line ends?"));
        }
        is_cut = bytes.last() != Some(&end);
        let text = std::str::from_utf8(&bytes).map_err(|fault| {
            let column = fault.valid_up_to() + 1;
            Error::line(path, number, format!("column {column} {NOT_UTF8}"), NOT_UTF8_HINT)
        })?;
        let text = text.strip_prefix('\u{feff}').unwrap_or(text).trim();
        if !text.is_empty() {
            read(number, text)?;
        }
    }
    Ok(is_cut)
}

/// The fault of bytes that are no text.
pub(super) const NOT_UTF8: &str = "is not UTF-8 text";
/// The way to mend such bytes.
pub(super) const NOT_UTF8_HINT: &str =
    "set data.encoding, such as \"latin1\", or convert the file to UTF-8";

/// The error about a line that is not the JSON it should be. The error names the column, but not
/// serde's own line number, which is always 1.
pub(in crate::data) fn json_error(path: &Path, line: u64, source: &serde_json::Error) -> Error {
    let text = source.to_string();
    let what = text.split(" at line ").next().unwrap_or(&text);
    Error::line(
        path,
        line,
        format!("{what} at column {}", source.column()),
        "each line must be one JSON object",
    )
}
