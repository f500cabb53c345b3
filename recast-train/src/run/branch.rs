//! A run folder that begins with the supervised decoder of another one.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use super::folder::{Run, holds_run_of};
use crate::config::{Config, Part};
use crate::error::{Error, Result};
use crate::event::Monitor;
use crate::storage::{Lock, check_noted, folder_of, note, sync_folder, write_atomic, write_noted};

/// Files beside the parts that a branch takes over; those that exist.
const FILES: [&str; 2] = ["checksums.json", "phases.json"];
const EVENTS: &str = "events.jsonl";

/// The remedy for a damaged one.
const REMEDY: &str = "remove that run folder, and it is made again";

impl Run {
    /// Makes the run folder `dir` from the data, semantic IDs and supervised decoder of the run in
    /// `trunk`, under settings of its own, and opens it.
    ///
    /// The two folders share the files of these parts by hard links where the file system has
    /// them, else by copies: recast replaces such files and never writes into them. The folder
    /// appears whole or not at all. If `dir` already holds a run of these settings, the call opens
    /// it.
    ///
    /// # Errors
    ///
    /// [`Error::ChangedSettings`] if the supervised decoder was made under other settings. An error
    /// too if `dir` holds something else, or a file cannot be read or written.
    pub(crate) fn branch(
        trunk: &Path,
        dir: &Path,
        config: Config,
        monitor: Monitor,
    ) -> Result<Self> {
        config.check()?;
        if !holds_run_of(dir, &config, None)? {
            Self::check_records(trunk, &config)?;
            let partial = partial_path(dir);
            remove(&partial)?;
            for part in [Part::Data, Part::Sids, Part::Sft] {
                let name = part.folder();
                share(&trunk.join(&name), &partial.join(&name))?;
            }
            for name in FILES {
                let (from, to) = (trunk.join(name), partial.join(name));
                check_noted(&from, REMEDY)?;
                copy_lines(&from, &to)?;
                if to.exists() {
                    note(&to)?;
                }
            }
            copy_lines(&trunk.join(EVENTS), &partial.join(EVENTS))?;
            let settings = config.to_toml()?;
            write_noted(&Config::path(&partial), |writer| {
                io::Write::write_all(writer, settings.as_bytes())
            })?;
            fs::rename(&partial, dir)
                .and_then(|()| sync_folder(folder_of(dir)))
                .map_err(|cause| Error::write(dir, cause))?;
        }
        let lock = Lock::take(dir)?;
        Self::load(dir.to_owned(), config, monitor, Some(lock))
    }
}

/// The folder in which a branch grows.
fn partial_path(dir: &Path) -> PathBuf {
    let mut name = dir.file_name().unwrap_or_default().to_owned();
    name.push(".partial");
    dir.with_file_name(name)
}

fn remove(dir: &Path) -> Result<()> {
    match fs::remove_dir_all(dir) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::write(dir, cause)),
        _ => Ok(()),
    }
}

/// Gives the files of a folder a second name each, folder by folder.
fn share(from: &Path, to: &Path) -> Result<()> {
    fs::create_dir_all(to).map_err(|cause| Error::write(to, cause))?;
    for entry in fs::read_dir(from).map_err(|cause| Error::read(from, cause))? {
        let entry = entry.map_err(|cause| Error::read(from, cause))?;
        let (source, target) = (entry.path(), to.join(entry.file_name()));
        if source.is_dir() {
            share(&source, &target)?;
        } else if fs::hard_link(&source, &target).is_err() {
            fs::copy(&source, &target).map_err(|cause| Error::write(&target, cause))?;
        }
    }
    sync_folder(to).map_err(|cause| Error::write(to, cause))
}

/// Copies the whole lines of a file that grows, if it exists: a process may write the next one.
fn copy_lines(from: &Path, to: &Path) -> Result<()> {
    let bytes = match fs::read(from) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(()),
        read => read.map_err(|cause| Error::read(from, cause))?,
    };
    let whole = bytes.iter().rposition(|&byte| byte == b'\n').map_or(0, |end| end + 1);
    write_atomic(to, |writer| io::Write::write_all(writer, &bytes[..whole]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shared_file_is_one_file_until_a_run_replaces_it() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["from", "to"].map(|name| folder.path().join(name));
        fs::create_dir_all(from.join("step-1")).unwrap();
        fs::write(from.join("step-1/decoder.bpk"), "weights").unwrap();
        share(&from, &to).unwrap();
        let shared = to.join("step-1/decoder.bpk");
        assert_eq!(fs::read_to_string(&shared).unwrap(), "weights");
        write_atomic(&shared, |writer| io::Write::write_all(writer, b"others")).unwrap();
        let kept = fs::read_to_string(from.join("step-1/decoder.bpk")).unwrap();
        assert_eq!(kept, "weights");
    }

    #[test]
    fn half_a_line_is_not_copied() {
        let folder = tempfile::tempdir().unwrap();
        let [from, to] = ["events.jsonl", "copy.jsonl"].map(|name| folder.path().join(name));
        fs::write(&from, "{\"a\":1}\n{\"b\"").unwrap();
        copy_lines(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(&to).unwrap(), "{\"a\":1}\n");
        copy_lines(&folder.path().join("nowhere"), &folder.path().join("neither")).unwrap();
        assert!(!folder.path().join("neither").exists());
    }
}
