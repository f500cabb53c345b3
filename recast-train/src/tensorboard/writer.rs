//! An event file that grows.

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::path::{Path, PathBuf};
use std::time::{SystemTime, UNIX_EPOCH};

use super::record::{framed, scalars, version};
use super::scalars::Found;
use crate::error::{Error, Result};

/// The event file of this process in a folder, which the first write makes.
#[derive(Debug)]
pub(super) struct Writer {
    dir: PathBuf,
    file: Option<(PathBuf, File)>,
}

impl Writer {
    pub(super) fn new(dir: &Path) -> Self {
        Self { dir: dir.to_owned(), file: None }
    }

    /// Makes the file if there is none yet, and appends scalars. A reader sees whole records.
    ///
    /// # Errors
    ///
    /// If the folder or the file cannot be written.
    pub(super) fn write(&mut self, found: Option<Found>) -> Result<()> {
        let now =
            SystemTime::now().duration_since(UNIX_EPOCH).map_or(0.0, |time| time.as_secs_f64());
        if self.file.is_none() {
            self.file = Some(self.made(now)?);
            self.append(&version(now))?;
        }
        match found {
            Some((step, values)) => self.append(&scalars(now, step, &values)),
            None => Ok(()),
        }
    }

    /// A new file. TensorBoard reads the files of a folder in the order of their names, so the time
    /// comes first.
    fn made(&self, now: f64) -> Result<(PathBuf, File)> {
        fs::create_dir_all(&self.dir).map_err(|cause| Error::write(&self.dir, cause))?;
        let (seconds, process) = (now as u64, std::process::id());
        let mut number = 0;
        loop {
            let name = format!("events.out.tfevents.{seconds:010}.{number}.{process}.recast");
            let path = self.dir.join(name);
            match File::create_new(&path) {
                Err(cause) if cause.kind() == ErrorKind::AlreadyExists => number += 1,
                made => {
                    return made
                        .map(|file| (path.clone(), file))
                        .map_err(|cause| Error::write(&path, cause));
                }
            }
        }
    }

    fn append(&mut self, event: &[u8]) -> Result<()> {
        let Some((path, file)) = &mut self.file else { return Ok(()) };
        file.write_all(&framed(event)).map_err(|cause| Error::write(path, cause))
    }
}
