//! Folders as logs: the kinds, told by the names of files.

use std::fs;
use std::path::{Path, PathBuf};

use super::Format;
use crate::error::{Error, Result};

/// The end of a file's name, after `NAME`.
pub(super) const INDEX: &str = ".index.json";
pub(super) const INTER: &str = ".inter.json";
pub(super) const TRAIN: &str = ".train.csv";
pub(super) const RECOVERED: &str = ".recovered_sequences.jsonl";
const ITEMS: &str = ".item.json";
const INFO: &str = ".info.txt";

/// The format of a folder.
///
/// A folder with `NAME.index.json` is one of MiniOneRec, or with `NAME.inter.json` one of LC-Rec.
/// With both, the training part of MiniOneRec decides. Any other folder holds parts of Parquet.
pub(super) fn format_of(path: &Path) -> Result<Format> {
    let entries = entries(path)?;
    let has = |suffix: &str| entries.iter().any(|entry| name_before(entry, suffix).is_some());
    if has(INTER) && !has(TRAIN) && !has(RECOVERED) {
        return Ok(Format::LcRec);
    }
    if has(INDEX) {
        return Ok(Format::MiniOneRec);
    }
    if entries.iter().any(|entry| is_part(entry) || may_hold_parts(entry)) {
        return Ok(Format::Parquet);
    }
    Err(Error::file(
        path,
        format!("is a folder without a file NAME{INDEX}, NAME{INTER} or NAME.parquet"),
        "name a file, a folder of Parquet parts, or one as MiniOneRec or LC-Rec publishes it",
    ))
}

/// A folder whose files share one name.
#[derive(Debug)]
pub(crate) struct Folder {
    path: PathBuf,
    name: String,
}

impl Folder {
    /// The folder that `log` is, or whose file it is; `None` if a log of its format stands alone.
    ///
    /// # Errors
    ///
    /// If the folder cannot be read, or holds several data sets.
    pub(crate) fn of_log(log: &Path, format: Option<Format>) -> Result<Option<Self>> {
        let format = format.or_else(|| Format::of(log).ok());
        match format {
            Some(Format::MiniOneRec) => Self::open(log, INDEX).map(Some),
            Some(Format::LcRec) => Self::of_lc_rec(log).map(Some),
            _ => Ok(None),
        }
    }

    /// The folder of a log of LC-Rec: the folder itself, or that of its file `NAME.inter.json`.
    pub(super) fn of_lc_rec(log: &Path) -> Result<Self> {
        match name_before(log, INTER) {
            Some(name) if !log.is_dir() => {
                let path = log.parent().unwrap_or(Path::new("")).to_owned();
                Ok(Self { path, name: name.to_owned() })
            }
            _ => Self::open(log, INTER),
        }
    }

    /// Finds `NAME` by the one file `NAME` with `suffix`.
    pub(super) fn open(path: &Path, suffix: &str) -> Result<Self> {
        let entries = entries(path)?;
        let names = entries.iter().filter_map(|entry| name_before(entry, suffix));
        match names.collect::<Vec<_>>()[..] {
            [name] => Ok(Self { path: path.to_owned(), name: name.to_owned() }),
            [] => Err(Error::file(
                path,
                format!("is a folder without a file NAME{suffix}"),
                "name a file, or a folder as MiniOneRec or LC-Rec publishes it",
            )),
            ref names => Err(Error::file(
                path,
                format!("holds several data sets: {}", names.join(", ")),
                "put each in a folder of its own",
            )),
        }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn file(&self, suffix: &str) -> PathBuf {
        self.path.join(format!("{}{suffix}", self.name))
    }

    pub(super) fn existing(&self, suffixes: [&str; 2]) -> Option<PathBuf> {
        suffixes.into_iter().map(|suffix| self.file(suffix)).find(|path| path.is_file())
    }

    /// The file of item text: `NAME.item.json`, else `NAME.info.txt`, which has titles only.
    pub(crate) fn items(&self) -> Option<PathBuf> {
        self.existing([ITEMS, INFO])
    }
}

/// The files and folders within a folder, by name, but those that start with `_` or `.`.
pub(super) fn entries(path: &Path) -> Result<Vec<PathBuf>> {
    let failed = |cause| Error::read(path, cause);
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(failed)? {
        let entry = entry.map_err(failed)?;
        if !entry.file_name().to_string_lossy().starts_with(['_', '.']) {
            entries.push(entry.path());
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

/// Whether a file is Parquet by its name.
pub(super) fn is_part(path: &Path) -> bool {
    let named = path.extension().is_some_and(|it| it.eq_ignore_ascii_case("parquet"));
    named && !path.is_dir()
}

/// Whether a folder's name is `COLUMN=VALUE`.
fn may_hold_parts(path: &Path) -> bool {
    let name = path.file_name().unwrap_or_default();
    name.to_string_lossy().contains('=') && path.is_dir()
}

/// Whether a file is one of LC-Rec by its name.
pub(super) fn is_lc_rec(path: &Path) -> bool {
    name_before(path, INTER).is_some()
}

fn name_before<'p>(path: &'p Path, suffix: &str) -> Option<&'p str> {
    path.file_name()?.to_str()?.strip_suffix(suffix)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn format_with(files: &[&str]) -> Result<Format> {
        let folder = tempfile::tempdir().unwrap();
        for file in files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, "").unwrap();
        }
        format_of(folder.path())
    }

    #[test]
    fn the_names_of_files_tell_the_kind_of_a_folder() {
        for (files, format) in [
            (&["X.index.json", "X.train.csv"][..], Format::MiniOneRec),
            (&["X.index.json", "X.inter.json", "X.train.csv"], Format::MiniOneRec),
            (&["X.index.json"], Format::MiniOneRec),
            (&["X.index.json", "X.inter.json", "X.item.json"], Format::LcRec),
            (&["X.inter.json"], Format::LcRec),
            (&["part-0.parquet", "_SUCCESS", ".part-0.crc"], Format::Parquet),
            (&["event=view/part-0.parquet"], Format::Parquet),
            (&["event=view/day=1/part-0.PARQUET"], Format::Parquet),
        ] {
            assert_eq!(format_with(files).unwrap(), format, "{files:?}");
        }
        for files in [&["log.csv"][..], &[], &[".X.index.json"], &["_x.parquet"]] {
            let message = format_with(files).unwrap_err().to_string();
            assert!(message.contains("is a folder without a file NAME.index.json"), "{message}");
        }
    }
}
