//! Files that exist whole or not at all, and texts that are read whole.

use std::fs::{self, File};
use std::io::{self, BufWriter, Read, Write};
use std::path::Path;

use serde::Serialize;
use sha2::{Digest, Sha256};
use tempfile::NamedTempFile;

use super::source::{Checksum, hexadecimal};
use crate::error::{Error, Result};

/// The bytes of the longest text that is read whole.
const LONGEST_TEXT: u64 = 4 << 30;

/// Writes a file under a temporary name in the same folder, syncs it and renames it, then syncs the
/// folder. Others may read the file as they may read any new file of this user.
///
/// # Errors
///
/// If a step fails; an old file is then untouched.
pub(crate) fn write_atomic(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> Result<()> {
    written(path, write)
        .and_then(|file| renamed(file, path))
        .map_err(|source| Error::write(path, source))
}

/// A synced file under a temporary name, on its way to `path`.
pub(super) fn written(
    path: &Path,
    write: impl FnOnce(&mut BufWriter<&mut File>) -> io::Result<()>,
) -> io::Result<NamedTempFile> {
    let folder = folder_of(path);
    make_folder(folder)?;
    let mut file = new_file_in(folder)?;
    let mut writer = BufWriter::new(file.as_file_mut());
    write(&mut writer)?;
    writer.flush()?;
    drop(writer);
    file.as_file().sync_all()?;
    Ok(file)
}

/// Makes a folder and those around it, for good.
fn make_folder(folder: &Path) -> io::Result<()> {
    // the present folder may be gone, and has no other around it
    if folder.is_dir() || folder == Path::new(".") {
        return Ok(());
    }
    let around = folder_of(folder);
    make_folder(around)?;
    match fs::create_dir(folder) {
        // another process was quicker
        Err(_) if folder.is_dir() => Ok(()),
        Err(cause) => Err(cause),
        Ok(()) => sync_folder(around),
    }
}

/// Gives a synced file its name, for good.
pub(super) fn renamed(file: NamedTempFile, path: &Path) -> io::Result<()> {
    file.persist(path)?;
    sync_folder(folder_of(path))
}

/// The folder of a file; the present one for a bare name.
pub(crate) fn folder_of(path: &Path) -> &Path {
    match path.parent() {
        Some(folder) if !folder.as_os_str().is_empty() => folder,
        _ => Path::new("."),
    }
}

/// Makes the names of a folder last: without this, a lost power supply may undo a rename.
pub(crate) fn sync_folder(folder: &Path) -> io::Result<()> {
    if !cfg!(unix) {
        // other systems open no folder as a file
        return Ok(());
    }
    match File::open(folder)?.sync_all() {
        // some file systems of networks know no such call
        Err(cause)
            if matches!(cause.kind(), io::ErrorKind::InvalidInput | io::ErrorKind::Unsupported) =>
        {
            Ok(())
        }
        synced => synced,
    }
}

/// The beginning of temporary names.
const TEMPORARY: &str = ".recast-";

/// Whether a name is that of a file on its way to its own name.
pub(crate) fn is_temporary(name: &std::ffi::OsStr) -> bool {
    name.to_string_lossy().starts_with(TEMPORARY)
}

/// Removes the temporary files that an ended process left in a folder. The folder must be this
/// process's own.
///
/// # Errors
///
/// If a file cannot be removed.
pub(crate) fn remove_temporaries(folder: &Path) -> Result<()> {
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    for path in entries.filter(|it| is_temporary(&it.file_name())).map(|entry| entry.path()) {
        fs::remove_file(&path).map_err(|cause| Error::write(&path, cause))?;
    }
    Ok(())
}

/// A file under a temporary name, with the permissions of any new file.
fn new_file_in(folder: &Path) -> io::Result<NamedTempFile> {
    let mut builder = tempfile::Builder::new();
    builder.prefix(TEMPORARY);
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt;
        // the user's umask takes from these
        builder.permissions(fs::Permissions::from_mode(0o666));
    }
    builder.tempfile_in(folder)
}

/// Writes a value as indented JSON, whole or not at all.
///
/// # Errors
///
/// If the file cannot be written.
pub(crate) fn write_json(path: &Path, value: &impl Serialize) -> Result<()> {
    write_atomic(path, |writer| {
        serde_json::to_writer_pretty(&mut *writer, value)?;
        writer.write_all(b"\n")
    })
}

/// Reads a text file whole.
///
/// # Errors
///
/// If the file cannot be read, is no UTF-8, or is longer than 4 GiB, which nothing reads then.
pub(crate) fn read_text(path: &Path) -> Result<String> {
    let read = || {
        let file = File::open(path)?;
        if file.metadata()?.len() > LONGEST_TEXT {
            return Err(too_long());
        }
        read_whole(file)
    };
    read().map_err(|cause| Error::read(path, cause))
}

/// Reads a text whole; one of more than 4 GiB is an error.
pub(crate) fn read_whole(reader: impl Read) -> io::Result<String> {
    let mut text = String::new();
    let length = reader.take(LONGEST_TEXT + 1).read_to_string(&mut text)?;
    if length as u64 > LONGEST_TEXT { Err(too_long()) } else { Ok(text) }
}

fn too_long() -> io::Error {
    let gibibytes = LONGEST_TEXT >> 30;
    io::Error::other(format!("a text of more than {gibibytes} GiB, which is read whole"))
}

impl Checksum {
    /// The checksum of a file as it stands.
    ///
    /// # Errors
    ///
    /// If the file cannot be read.
    pub(crate) fn of_file(path: &Path) -> Result<Self> {
        let failed = |source| Error::read(path, source);
        let mut file = File::open(path).map_err(failed)?;
        let mut hash = Sha256::new();
        let mut buffer = vec![0u8; 1 << 16];
        let mut bytes = 0;
        loop {
            let read = file.read(&mut buffer).map_err(failed)?;
            if read == 0 {
                break;
            }
            hash.update(&buffer[..read]);
            bytes += read as u64;
        }
        Ok(Self { sha256: hexadecimal(&hash.finalize()), bytes })
    }
}

/// The SHA-256 of bytes, in hexadecimal.
pub(crate) fn digest(bytes: &[u8]) -> String {
    hexadecimal(&Sha256::digest(bytes))
}

/// The SHA-256 of a file, in hexadecimal.
///
/// # Errors
///
/// If the file cannot be read.
pub fn checksum(path: &Path) -> Result<String> {
    Ok(Checksum::of_file(path)?.sha256)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failed_write_leaves_the_old_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("state.json");
        write_json(&path, &1).unwrap();
        let error = write_atomic(&path, |_| Err(io::Error::other("disk full"))).unwrap_err();
        assert!(error.to_string().contains("disk full"));
        assert_eq!(fs::read_to_string(&path).unwrap(), "1\n");
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[cfg(unix)]
    #[test]
    fn a_file_has_the_permissions_of_any_new_file() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let [ours, plain] = ["ours.json", "plain"].map(|name| folder.path().join(name));
        write_json(&ours, &1).unwrap();
        fs::write(&plain, "1").unwrap();
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode();
        assert_eq!(mode(&ours), mode(&plain));
    }

    #[cfg(unix)]
    #[test]
    fn a_text_that_claims_more_than_is_read_whole_takes_no_memory() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        // a petabyte that takes no room on the disk, where the file system has such files
        let made = File::create(&path).unwrap().set_len(1 << 50);
        if made.is_err() {
            File::create(&path).unwrap().set_len(LONGEST_TEXT + 1).unwrap();
        }
        let message = read_text(&path).unwrap_err().to_string();
        assert!(
            message.contains("table.json: cannot be read: a text of more than 4 GiB"),
            "{message}"
        );
        fs::write(&path, "short").unwrap();
        assert_eq!(read_text(&path).unwrap(), "short");
    }

    #[test]
    fn the_checksum_is_that_of_the_standard() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("abc");
        fs::write(&path, "abc").unwrap();
        let expected = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(checksum(&path).unwrap(), expected);
    }
}
