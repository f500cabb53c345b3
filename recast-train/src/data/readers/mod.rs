//! Readers of interaction logs: one file a format. A reader indexes rows at once and holds no file
//! as text.

mod bytes;
mod content;
pub(super) mod csv;
mod field;
mod folder;
mod index;
mod jsonl;
mod known;
mod layout;
mod lc_rec;
pub(in crate::data) mod lenient;
pub(super) mod lines;
mod list;
mod mini_one_rec;
mod options;
#[cfg(feature = "parquet")]
mod parquet;
mod rows;
mod s3rec;
mod spelling;
mod spread;
mod time;

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::Interactions;
use crate::error::{Error, Result};
use crate::storage::{Source, Sources};

pub(crate) use folder::Folder;
use layout::Layout;
pub use options::{Columns, Kept, LogOptions, LogOrder, Missing};
pub(super) use rows::is_missing;
pub(super) use spread::scale_between;

/// The format of a log of interactions.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// Comma-separated values with a header line (`.csv`).
    Csv,
    /// Tab-separated values with a header line, without quoting (`.tsv`).
    Tsv,
    /// RecBole's atomic file (`.inter`): tab-separated, types in the header line.
    RecBole,
    /// One JSON object a line (`.jsonl`).
    Jsonl,
    /// One user a line, `user item item ...` in time order, as S3-Rec writes it (`.txt`).
    S3Rec,
    /// A table in columns (`.parquet`), in builds with the feature `parquet`.
    Parquet,
    /// A folder as MiniOneRec publishes it, with a split of its own: `NAME.index.json`,
    /// `NAME.train.csv`, `NAME.valid.csv`, `NAME.test.csv`.
    #[serde(rename = "mini_one_rec")]
    MiniOneRec,
    /// A folder as LC-Rec and LETTER publish it, or its file `NAME.inter.json`: one list of items a
    /// user. `NAME.index.json` holds the catalogue.
    #[serde(rename = "lc_rec")]
    LcRec,
}

impl Format {
    /// The format of a file by its extension, or of a folder by its files.
    ///
    /// # Errors
    ///
    /// If the extension is missing or not one of the six, or the folder is none that can be read.
    pub fn of(path: &Path) -> Result<Self> {
        if path.is_dir() {
            return folder::format_of(path);
        }
        if folder::is_lc_rec(path) {
            return Ok(Self::LcRec);
        }
        match extension(path).as_deref() {
            Some("csv") => Ok(Self::Csv),
            Some("tsv") => Ok(Self::Tsv),
            Some("inter") => Ok(Self::RecBole),
            Some("jsonl" | "ndjson" | "json") => Ok(Self::Jsonl),
            Some("txt") => Ok(Self::S3Rec),
            Some("parquet") => Ok(Self::Parquet),
            other => Err(Error::file(
                path,
                other.map_or("the name has no extension".to_owned(), |it| {
                    format!("the extension '.{it}' is not one of {EXTENSIONS}")
                }),
                "rename the file or give its format: csv, tsv, recbole, jsonl, s3rec or parquet",
            )),
        }
    }
}

const EXTENSIONS: &str = ".csv, .tsv, .inter, .jsonl, .txt, .parquet";

/// Reads a log by `options`, in the format that they name or the one its extension stands for.
///
/// In S3-Rec text and in a folder of MiniOneRec a timestamp is the position among the user's
/// interactions, from 0. In a log in the order of its rows it is the number of rows before. A split
/// by global time means nothing for such logs.
///
/// In all other formats, times are numbers of one unit, or dates. Whole seconds stay seconds. A
/// fraction scales the column to nanoseconds.
///
/// A log takes 16 bytes an interaction, at most 24 while the columns grow. Each user and item takes
/// about 100 bytes and its text.
///
/// # Errors
///
/// If the file cannot be read, or this build cannot read the format. If a line or value is
/// malformed (the error names it), a column is missing, or times are of several units. If
/// `min_rating` is asked of a format without ratings, or no row is left.
pub fn read_interactions(path: &Path, options: &LogOptions) -> Result<Interactions> {
    read_log(path, options, &Sources::default())
}

/// Reads a log as [`read_interactions`] does, and notes its files among `sources`.
pub(crate) fn read_log(
    path: &Path,
    options: &LogOptions,
    sources: &Sources,
) -> Result<Interactions> {
    let format = match options.format {
        Some(format) => Some(format),
        None if path.is_dir() => Some(Format::of(path)?),
        // the content of text counts more than its name
        None => Format::of(path).ok(),
    };
    let min_rating = options.min_rating;
    let interactions = match format {
        Some(Format::MiniOneRec) => without_columns(path, options)
            .and_then(|()| mini_one_rec::read(path, min_rating, sources)),
        Some(Format::LcRec) => lc_rec::read(path, options, sources),
        #[cfg(feature = "parquet")]
        Some(Format::Parquet) => parquet::read(path, options, sources),
        #[cfg(not(feature = "parquet"))]
        Some(Format::Parquet) => Err(Error::file(
            path,
            "is Parquet, which this build cannot read",
            "build recast with the feature parquet, or convert the file to CSV",
        )),
        _ => read_text(sources.text(path, options.encoding()?)?, options),
    }?;
    if !interactions.is_empty() {
        return Ok(interactions);
    }
    Err(match min_rating {
        Some(least) if interactions.below_min_rating > 0 => Error::file(
            path,
            format!("none of {} rows is rated {least} or more", interactions.below_min_rating),
            "lower the least rating",
        ),
        _ => Error::file(path, "holds no interactions", "check that it is the right file"),
    })
}

/// Reads a log of text by its layout.
fn read_text(source: Source, options: &LogOptions) -> Result<Interactions> {
    let layout = Layout::of(source.path(), source.head(), options)?;
    let mut log = match layout.format {
        Format::Jsonl => jsonl::read(source, &layout, options),
        Format::S3Rec => s3rec::read(source, &layout, options),
        _ => csv::read(source, &layout, options),
    }?;
    log.read_as = layout.read_as();
    Ok(log)
}

/// The extension of a file in small letters, where that of a packed file is left out.
pub(super) fn extension(path: &Path) -> Option<String> {
    let lower = |path: &Path| Some(path.extension()?.to_string_lossy().to_ascii_lowercase());
    match lower(path).as_deref() {
        Some("gz" | "zst") => lower(&path.with_extension("")),
        _ => lower(path),
    }
}

/// The error of a least rating in a format without ratings.
fn without_ratings(path: &Path, format: &str, min_rating: Option<f64>) -> Result<()> {
    let Some(least) = min_rating else { return Ok(()) };
    Err(Error::file(
        path,
        format!("{format} has no ratings, but a least rating of {least} is asked for"),
        "leave it out or give a table with ratings",
    ))
}

/// The error of filters on columns in a format without columns.
fn without_columns(path: &Path, options: &LogOptions) -> Result<()> {
    let Some(column) = options.keep.keys().next() else { return Ok(()) };
    let problem = format!("has no columns, but data.keep names '{column}'");
    Err(Error::file(path, problem, "leave it out or give a table"))
}

#[cfg(test)]
mod properties;

#[cfg(test)]
mod testing {
    use std::io::Write;

    use super::*;

    /// Reads `content` as a file with `suffix` and gives the interactions or the message after the
    /// path.
    pub(super) fn read_text(
        suffix: &str,
        content: &[u8],
        min_rating: Option<f64>,
    ) -> std::result::Result<Interactions, String> {
        read_with(suffix, content, &LogOptions { min_rating, ..LogOptions::default() })
    }

    /// Reads `content` by `options`.
    pub(super) fn read_with(
        suffix: &str,
        content: &[u8],
        options: &LogOptions,
    ) -> std::result::Result<Interactions, String> {
        let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
        file.write_all(content).unwrap();
        read_interactions(file.path(), options)
            .map_err(|error| error.to_string().replace(&file.path().display().to_string(), "FILE"))
    }

    /// The rows with their ids.
    pub(super) fn named(interactions: &Interactions) -> Vec<(&str, &str, i64)> {
        let name = |row: crate::data::Interaction| {
            Some((
                interactions.users.get(row.user)?,
                interactions.items.get(row.item)?,
                row.timestamp,
            ))
        };
        interactions.iter().map(|row| name(row).unwrap()).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::testing::read_text;
    use super::*;

    #[test]
    fn an_unknown_extension_is_named() {
        assert_eq!(
            read_text(".xlsx", b"", None).unwrap_err(),
            "FILE: the extension '.xlsx' is not one of .csv, .tsv, .inter, .jsonl, .txt, .parquet; \
             rename the file or give its format: csv, tsv, recbole, jsonl, s3rec or parquet"
        );
        let message = Format::of(Path::new("log")).unwrap_err().to_string();
        assert!(message.starts_with("log: the name has no extension; "), "{message}");
    }

    #[test]
    fn a_file_without_rows_is_an_error_in_every_format() {
        for (suffix, content) in [
            (".csv", "user,item,timestamp\n"),
            (".tsv", ""),
            (".inter", ""),
            (".jsonl", ""),
            (".txt", "\n"),
        ] {
            let message = read_text(suffix, content.as_bytes(), None).unwrap_err();
            assert!(message.starts_with("FILE: "), "{suffix}: {message}");
        }
        assert_eq!(
            read_text(".jsonl", b"", None).unwrap_err(),
            "FILE: holds no interactions; check that it is the right file"
        );
    }

    #[test]
    fn a_rating_that_leaves_nothing_is_an_error() {
        let log = b"user,item,timestamp,rating\nu,i,1,2\n";
        assert_eq!(
            read_text(".csv", log, Some(4.5)).unwrap_err(),
            "FILE: none of 1 rows is rated 4.5 or more; lower the least rating"
        );
    }

    #[test]
    fn timestamps_of_two_units_are_an_error() {
        let csv =
            b"user,item,timestamp\nu,a,0\nu,b,1704067200\nu,c,1704067201\nv,a,1704067202000\n";
        assert_eq!(
            read_text(".csv", csv, None).unwrap_err(),
            "FILE:5: column 'timestamp': is in milliseconds by its size, where line 3 has 1704067200, which is in \
             seconds: '1704067202000'; write all times in one unit"
        );
        let jsonl = b"{\"user\":1,\"item\":1,\"timestamp\":1704067200000}\n{\"user\":1,\"item\":2,\"timestamp\":1704067200.0}\n";
        let message = read_text(".jsonl", jsonl, None).unwrap_err();
        assert!(
            message.starts_with("FILE:2: column 'timestamp': is in seconds by its size"),
            "{message}"
        );
    }

    #[cfg(not(feature = "parquet"))]
    #[test]
    fn without_its_feature_parquet_is_refused_by_the_feature_s_name() {
        assert_eq!(
            read_text(".parquet", b"PAR1", None).unwrap_err(),
            "FILE: is Parquet, which this build cannot read; \
             build recast with the feature parquet, or convert the file to CSV"
        );
    }

    #[test]
    fn a_missing_file_is_named() {
        let path = Path::new("/nowhere/log.csv");
        for format in [Format::Csv, Format::Jsonl, Format::S3Rec] {
            let options = LogOptions { format: Some(format), ..LogOptions::default() };
            let read = read_interactions(path, &options);
            let message = read.unwrap_err().to_string();
            assert!(message.starts_with("/nowhere/log.csv: cannot be read: "), "{message}");
        }
    }
}
