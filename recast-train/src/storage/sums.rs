//! The checksums of a run folder's files, in a list beside the files, so that a file whose bytes
//! changed on the disk is told from the one that was written.
//!
//! The list is `sums`, in the form of `sha256sum`:
//!
//! ```text
//! ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad  table.json
//! ```
//!
//! A file that is written anew has its former line too: a process may end between the list and the
//! file. A file without a line is taken as it is, since earlier versions wrote no list.

use std::fs::File;
use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::file::{folder_of, read_text, renamed, write_atomic, written};
use super::source::Checksum;
use crate::error::{Error, Result};

/// The name of the list.
const NAME: &str = "sums";

/// Writes a file as [`write_atomic`] does, and notes its checksum in the list of its folder.
///
/// # Errors
///
/// If a step fails; an old file is then untouched.
pub(crate) fn write_noted(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<()> {
    let failed = |cause| Error::write(path, cause);
    let file = written(path, write).map_err(failed)?;
    let sum = Checksum::of_file(file.path())?;
    add(path, sum.sha256)?;
    renamed(file, path).map_err(failed)
}

/// Writes a value as indented JSON as [`write_noted`] does.
///
/// # Errors
///
/// If a step fails; an old file is then untouched.
pub(crate) fn write_noted_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_noted(path, |writer| {
        serde_json::to_writer_pretty(&mut *writer, value)?;
        writer.write_all(b"\n")
    })
}

/// Notes a file that was just written, and that nothing writes again.
///
/// # Errors
///
/// If the file cannot be read, or the list cannot be written.
pub(crate) fn note(path: &Path) -> Result<()> {
    add(path, Checksum::of_file(path)?.sha256)
}

/// Checks that a file has the bytes that were written. A file that does not exist is no fault.
///
/// # Errors
///
/// [`Error::File`] with this remedy if the bytes are others. An error too if the file or the list
/// cannot be read.
pub(crate) fn check_noted(path: &Path, remedy: &str) -> Result<()> {
    match is_as_noted(path)? {
        true => Ok(()),
        false => {
            let problem = format!(
                "has other bytes than recast wrote: its checksum is not the one in the file {NAME} beside it"
            );
            Err(Error::file(path, problem, remedy))
        }
    }
}

/// Reads a text file whole, and checks it as [`check_noted`] does.
///
/// # Errors
///
/// The errors of [`read_text`] and [`check_noted`].
pub(crate) fn read_noted(path: &Path, remedy: &str) -> Result<String> {
    check_noted(path, remedy)?;
    read_text(path)
}

/// Whether a file has the bytes that were written, is not in the list, or does not exist.
///
/// # Errors
///
/// If the file or the list cannot be read.
pub(crate) fn is_as_noted(path: &Path) -> Result<bool> {
    let lines = lines(path)?;
    let mut sums = lines.iter().filter(|line| line.is_of(path)).peekable();
    if sums.peek().is_none() || !path.exists() {
        return Ok(true);
    }
    let found = Checksum::of_file(path)?.sha256;
    Ok(sums.any(|line| line.sha256 == found))
}

/// A line of the list.
struct Sum {
    sha256: String,
    name: String,
}

impl Sum {
    fn is_of(&self, path: &Path) -> bool {
        path.file_name().is_some_and(|name| name == self.name.as_str())
    }
}

/// The lines of the list beside a file. A damaged line names no file, and counts for none.
fn lines(path: &Path) -> Result<Vec<Sum>> {
    let list = list_of(path);
    if !list.exists() {
        return Ok(Vec::new());
    }
    let text = match read_text(&list) {
        // bytes that are no text are no lines
        Err(Error::Read { cause, .. }) if cause.kind() == io::ErrorKind::InvalidData => {
            String::new()
        }
        read => read?,
    };
    let sum = |line: &str| {
        let (sha256, name) = line.split_once("  ")?;
        Some(Sum { sha256: sha256.to_owned(), name: name.to_owned() })
    };
    Ok(text.lines().filter_map(sum).collect())
}

/// Writes the list anew with one more line; of a file's former lines, that of its present bytes
/// stays.
fn add(path: &Path, sha256: String) -> Result<()> {
    let Some(name) = path.file_name() else { return Ok(()) };
    let mut sums = lines(path)?;
    let present = Checksum::of_file(path).ok().map(|sum| sum.sha256);
    sums.retain(|line| !line.is_of(path) || Some(&line.sha256) == present.as_ref());
    if !sums.iter().any(|line| line.is_of(path) && line.sha256 == sha256) {
        sums.push(Sum { sha256, name: name.to_string_lossy().into_owned() });
    }
    write_atomic(&list_of(path), |writer| {
        sums.iter().try_for_each(|Sum { sha256, name }| writeln!(writer, "{sha256}  {name}"))
    })
}

fn list_of(path: &Path) -> PathBuf {
    folder_of(path).join(NAME)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::super::digest;
    use super::*;

    fn fault(path: &Path) -> Option<String> {
        check_noted(path, "write it again").err().map(|fault| fault.to_string())
    }

    #[test]
    fn every_flipped_bit_and_every_cut_is_told() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phases.json");
        write_noted_json(&path, &[1.5, 2.5]).unwrap();
        assert_eq!(fault(&path), None);
        let whole = fs::read(&path).unwrap();
        for at in 0..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            fs::write(&path, flipped).unwrap();
            let fault = fault(&path).unwrap();
            assert!(fault.contains("phases.json: has other bytes than recast wrote"), "{fault}");
            assert!(fault.ends_with("; write it again"), "{fault}");
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            assert!(fault(&path).is_some(), "{length} bytes");
        }
        fs::write(&path, whole).unwrap();
        assert_eq!(fault(&path), None);
    }

    #[test]
    fn the_file_before_counts_until_the_new_one_has_its_name() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phases.json");
        for text in ["1", "2", "3"] {
            write_noted(&path, |writer| writer.write_all(text.as_bytes())).unwrap();
            assert_eq!(fault(&path), None);
        }
        let list = fs::read_to_string(folder.path().join(NAME)).unwrap();
        assert_eq!(list.lines().count(), 2, "{list}");
        // processes that ended before the rename, one after the other
        fs::write(&path, "2").unwrap();
        assert_eq!(fault(&path), None);
        for text in ["4", "5"] {
            add(&path, digest(text.as_bytes())).unwrap();
            assert_eq!(fault(&path), None);
        }
        fs::write(&path, "1").unwrap();
        assert!(fault(&path).is_some());
        // a name with the same end is another file
        let other = folder.path().join("my phases.json");
        fs::write(&other, "1").unwrap();
        assert_eq!(fault(&other), None);
    }

    #[test]
    fn a_damaged_list_takes_no_whole_file_for_another() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("phases.json");
        write_noted(&path, |writer| writer.write_all(b"1")).unwrap();
        let list = folder.path().join(NAME);
        let whole = fs::read(&list).unwrap();
        for length in 0..whole.len() {
            fs::write(&list, &whole[..length]).unwrap();
            // a cut name is another file's
            assert_eq!(fault(&path), None, "{length} bytes");
        }
        fs::write(&list, [0xff, 0xfe, b'\n']).unwrap();
        assert_eq!(fault(&path), None);
        note(&path).unwrap();
        fs::write(&path, "2").unwrap();
        assert!(fault(&path).is_some());
        fs::remove_file(&path).unwrap();
        assert_eq!(fault(&path), None);
    }
}
