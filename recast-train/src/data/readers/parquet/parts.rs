//! The parts of a table in a folder.

use std::path::{Path, PathBuf};

use super::super::folder::{entries, is_part};
use crate::error::{Error, Result};

/// The name of a folder's value that is missing, as Hive and Spark write it.
const MISSING: &str = "__HIVE_DEFAULT_PARTITION__";

/// Folders within one another.
const DEPTH: usize = 16;

/// A file of a table, with the columns that its folders' names hold.
#[derive(Debug)]
pub(super) struct Part {
    pub(super) path: PathBuf,
    /// Columns with their values; `None` stands for a missing value.
    pub(super) folders: Vec<(String, Option<String>)>,
}

impl Part {
    pub(super) fn of_file(path: &Path) -> Self {
        Self { path: path.to_owned(), folders: Vec::new() }
    }

    /// The value of a column that the folders' names hold.
    pub(super) fn folder_value(&self, name: &str) -> Option<&Option<String>> {
        self.folders.iter().find(|it| it.0 == name).map(|it| &it.1)
    }

    /// The letters with which the file's name starts.
    pub(super) fn stem(&self) -> &str {
        let name = self.path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let end = name.find(|letter: char| !letter.is_alphabetic()).unwrap_or(name.len());
        &name[..end]
    }
}

/// The parts of a folder, by name. Names that start with `_` or `.` are passed over.
///
/// # Errors
///
/// If the folder cannot be read, or holds other files or folders, or no part.
pub(super) fn parts(path: &Path) -> Result<Vec<Part>> {
    let mut parts = Vec::new();
    add_parts(path, &[], &mut parts)?;
    if parts.is_empty() {
        let problem = "holds no parts of Parquet";
        return Err(Error::file(path, problem, "check that it is the right folder"));
    }
    Ok(parts)
}

fn add_parts(
    path: &Path,
    folders: &[(String, Option<String>)],
    parts: &mut Vec<Part>,
) -> Result<()> {
    for entry in entries(path)? {
        if !entry.is_dir() && is_part(&entry) {
            parts.push(Part { path: entry, folders: folders.to_vec() });
            continue;
        }
        let partition = partition(&entry).filter(|_| entry.is_dir() && folders.len() < DEPTH);
        let Some((column, value)) = partition else {
            let problem = "is neither a part of Parquet nor a folder COLUMN=VALUE of parts";
            return Err(Error::file(&entry, problem, "keep only parts of one log in the folder"));
        };
        if folders.iter().any(|it| it.0 == column) {
            let problem = format!("column '{column}' stands in two folders' names");
            return Err(Error::file(&entry, problem, "rename one of them"));
        }
        add_parts(&entry, &[folders, &[(column, value)]].concat(), parts)?;
    }
    Ok(())
}

/// The column and value of a folder's name.
fn partition(path: &Path) -> Option<(String, Option<String>)> {
    let (column, value) = path.file_name()?.to_str()?.split_once('=')?;
    let value = (value != MISSING).then(|| unescaped(value));
    (!column.is_empty()).then(|| (unescaped(column), value))
}

/// A text without the escapes `%2F` of folders' names.
fn unescaped(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let digits = after.get(..2).filter(|it| it.iter().all(u8::is_ascii_hexdigit));
        let code = digits.and_then(|it| u8::from_str_radix(std::str::from_utf8(it).ok()?, 16).ok());
        match code.filter(|_| first == b'%') {
            Some(code) => {
                bytes.push(code);
                rest = &after[2..];
            }
            None => {
                bytes.push(first);
                rest = after;
            }
        }
    }
    String::from_utf8(bytes).unwrap_or_else(|_| text.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_s_name_is_a_column_and_its_value() {
        let of = |name: &str| partition(Path::new(name));
        let some = |column: &str, value: &str| Some((column.to_owned(), Some(value.to_owned())));
        assert_eq!(of("event=view"), some("event", "view"));
        assert_eq!(of("a=b=c"), some("a", "b=c"));
        assert_eq!(of("day=2024%2F01%2f02"), some("day", "2024/01/02"));
        assert_eq!(of("x=50%"), some("x", "50%"));
        assert_eq!(of("x=%ff"), some("x", "%ff"));
        assert_eq!(of("event=__HIVE_DEFAULT_PARTITION__"), Some(("event".to_owned(), None)));
        assert_eq!(of("events"), None);
        assert_eq!(of("=view"), None);
    }
}
