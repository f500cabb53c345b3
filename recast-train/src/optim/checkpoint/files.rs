//! The files of a checkpoint.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::{ModuleRecord, RecordError};

use crate::error::{Error, Result};

/// The end of the name of a folder that is being removed.
pub(super) const REMOVED: &str = ".removed";

/// Takes a folder's name away, if it exists, and returns the name under which it waits for its
/// removal: half a folder is then never taken for a whole one.
pub(super) fn unname(folder: &Path) -> Result<PathBuf> {
    let mut name = folder.file_name().unwrap_or_default().to_owned();
    name.push(REMOVED);
    let unnamed = folder.with_file_name(name);
    remove(&unnamed)?;
    match fs::rename(folder, &unnamed) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::write(folder, cause)),
        _ => Ok(unnamed),
    }
}

/// Removes a folder, or a link to one, if it exists.
pub(super) fn remove(folder: &Path) -> Result<()> {
    match fs::remove_dir_all(folder) {
        Err(cause) if cause.kind() != io::ErrorKind::NotFound => Err(Error::write(folder, cause)),
        _ => Ok(()),
    }
}

/// Syncs a file that another crate wrote.
pub(super) fn sync(path: &Path) -> Result<()> {
    // some systems sync no file that is open to read alone
    let opened = fs::OpenOptions::new().write(true).open(path);
    opened.and_then(|file| file.sync_all()).map_err(|cause| Error::write(path, cause))
}

/// Writes the weights of a model.
pub(super) fn save_model<M: Module>(model: &M, path: &Path) -> Result<()> {
    let failed = |e: RecordError| Error::write(path, io::Error::other(e));
    model.clone().into_record().save(path).map_err(failed)
}

/// The model with the weights of a file.
pub(super) fn load_model<M: Module>(model: M, path: &Path) -> Result<M> {
    let failed = |e: RecordError| Error::read(path, io::Error::other(e));
    model.try_load_record(ModuleRecord::load(path).map_err(failed)?).map_err(|e| {
        let hint = "the model's settings must be those it was trained with";
        Error::file(path, format!("does not fit the decoder: {e}"), hint)
    })
}
