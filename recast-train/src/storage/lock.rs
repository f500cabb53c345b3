//! The lock of a folder: one process works in it at a time.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, Write};
use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use crate::error::{Error, Result};

/// The name of the file that is locked. The file stays: the system frees its lock with the process,
/// also after a crash.
const NAME: &str = "lock";

/// Readings of a lock's file that has no whole number yet, and the pause between them.
const READS: usize = 50;
const PAUSE: Duration = Duration::from_millis(2);

/// A folder that no other process may take until the value is dropped.
#[derive(Debug)]
pub(crate) struct Lock {
    /// `None` where nothing can be locked: in a folder that nobody here can write, and on a file
    /// system without locks.
    file: Option<File>,
}

impl Lock {
    /// Takes an existing folder.
    ///
    /// # Errors
    ///
    /// [`Error::InUse`] if another process holds the folder; that process keeps it. An error too if
    /// the lock's file is a link, or cannot be written, unless the folder is read-only.
    pub(crate) fn take(folder: &Path) -> Result<Self> {
        let path = folder.join(NAME);
        let failed = |cause| Error::write(&path, cause);
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_symlink()) {
            // the number of the process would go into another file
            return Err(Error::file(&path, "is a link, and a lock is a file", "remove the link"));
        }
        let opened =
            OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path);
        let mut file = match opened {
            Err(cause) if forbids_writing(&cause) => return Ok(Self { file: None }),
            opened => opened.map_err(failed)?,
        };
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => {
                let process = holder(&mut file);
                return Err(Error::InUse { run_dir: folder.to_owned(), process });
            }
            Err(TryLockError::Error(cause)) if cause.kind() == io::ErrorKind::Unsupported => {
                return Ok(Self { file: None });
            }
            Err(TryLockError::Error(cause)) => return Err(failed(cause)),
        }
        file.set_len(0).map_err(failed)?;
        writeln!(file, "{}", std::process::id()).map_err(failed)?;
        Ok(Self { file: Some(file) })
    }

    /// Whether a name in a folder is that of its lock.
    #[must_use]
    pub(crate) fn is_name(name: &std::ffi::OsStr) -> bool {
        name == NAME
    }
}

/// The process that holds a file, which may be writing its number at this moment. `None` if the
/// file cannot be read, as some systems have it for locked ones, or has no number.
fn holder(file: &mut File) -> Option<u32> {
    for _ in 0..READS {
        let mut text = String::new();
        file.rewind().ok()?;
        file.read_to_string(&mut text).ok()?;
        // a line without its end is half a number
        if let Some(line) = text.strip_suffix('\n') {
            return line.parse().ok();
        }
        sleep(PAUSE);
    }
    None
}

fn forbids_writing(cause: &io::Error) -> bool {
    matches!(cause.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}

/// Whether this user may not make files in a folder. A full disk is not read-only.
pub(crate) fn is_read_only(folder: &Path) -> bool {
    tempfile::NamedTempFile::new_in(folder).is_err_and(|cause| forbids_writing(&cause))
}

impl Drop for Lock {
    /// Frees the folder at once: a process that another thread starts at this moment may hold a
    /// copy of the file until it is another program.
    fn drop(&mut self) {
        if let Some(file) = &self.file {
            let _ = file.unlock();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_held_once_by_the_process_that_the_fault_names() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::take(folder.path()).unwrap();
        let Err(Error::InUse { run_dir, process }) = Lock::take(folder.path()) else {
            panic!("taken twice")
        };
        assert_eq!((run_dir.as_path(), process), (folder.path(), Some(std::process::id())));
        drop(held);
        Lock::take(folder.path()).unwrap();
    }

    #[test]
    fn what_a_crash_leaves_is_no_lock() {
        let folder = tempfile::tempdir().unwrap();
        for left in ["", "4294967\n", "99999999999999999999", "not a number"] {
            fs::write(folder.path().join(NAME), left).unwrap();
            Lock::take(folder.path()).unwrap();
            let now = fs::read_to_string(folder.path().join(NAME)).unwrap();
            assert_eq!(now, format!("{}\n", std::process::id()), "{left:?}");
        }
    }

    #[test]
    fn a_holder_without_a_number_is_told_as_another_process() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::take(folder.path()).unwrap();
        fs::write(folder.path().join(NAME), "").unwrap();
        let message = Lock::take(folder.path()).unwrap_err().to_string();
        assert!(message.contains(": in use by another process; "), "{message}");
        drop(held);
    }

    #[test]
    fn a_number_that_is_just_being_written_is_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let held = Lock::take(folder.path()).unwrap();
        let path = folder.path().join(NAME);
        for begun in ["", "42"] {
            fs::write(&path, begun).unwrap();
            std::thread::scope(|scope| {
                scope.spawn(|| {
                    sleep(PAUSE * 5);
                    fs::write(&path, "4242\n").unwrap();
                });
                let fault = Lock::take(folder.path()).unwrap_err();
                assert!(matches!(fault, Error::InUse { process: Some(4242), .. }), "{fault}");
            });
        }
        drop(held);
    }

    #[cfg(unix)]
    #[test]
    fn a_read_only_folder_is_read_without_a_lock() {
        use std::os::unix::fs::PermissionsExt;
        let folder = tempfile::tempdir().unwrap();
        let mode = |bits| fs::Permissions::from_mode(bits);
        fs::set_permissions(folder.path(), mode(0o555)).unwrap();
        if fs::write(folder.path().join("probe"), "").is_ok() {
            eprintln!("skipped: this user may write everywhere");
            return;
        }
        // without a lock's file, then beside one that an earlier process left
        Lock::take(folder.path()).unwrap();
        fs::set_permissions(folder.path(), mode(0o755)).unwrap();
        fs::write(folder.path().join(NAME), "1\n").unwrap();
        fs::set_permissions(folder.path().join(NAME), mode(0o444)).unwrap();
        Lock::take(folder.path()).unwrap();
    }

    #[cfg(unix)]
    #[test]
    fn a_link_is_no_lock_and_its_file_stays_as_it_is() {
        let folder = tempfile::tempdir().unwrap();
        let outside = tempfile::NamedTempFile::new().unwrap();
        fs::write(outside.path(), "kept").unwrap();
        std::os::unix::fs::symlink(outside.path(), folder.path().join(NAME)).unwrap();
        let fault = Lock::take(folder.path()).unwrap_err();
        assert!(matches!(fault, Error::File { .. }), "{fault}");
        assert_eq!(fs::read_to_string(outside.path()).unwrap(), "kept");
    }

    #[test]
    fn a_folder_that_does_not_exist_is_a_fault() {
        let folder = tempfile::tempdir().unwrap();
        let fault = Lock::take(&folder.path().join("nowhere")).unwrap_err();
        assert!(matches!(fault, Error::Write { .. }), "{fault}");
    }
}
