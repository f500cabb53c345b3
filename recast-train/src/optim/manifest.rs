//! The manifest of a checkpoint: its format, the checksums of its files, and the state of training.
//!
//! The manifest is written last, and its first line holds the checksum of the others:
//!
//! ```text
//! # sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad
//! format = 1
//!
//! [best]                      the checkpoint of the best decoder, and its decoder's checksum
//! [files."decoder.bpk"]       the checksum of each file
//! [state]                     counts, averages and the best figures so far
//! ```
//!
//! TOML keeps every float exactly, which JSON's usual readers do not.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use toml::{Table, Value};

use crate::error::{Error, Result};
use crate::storage::{Checksum, digest, read_text, write_atomic};

/// The file's name.
pub(super) const NAME: &str = "checkpoint.toml";

/// The layout of checkpoints; a new layout has the next number.
const FORMAT: u32 = 1;

/// The first line, before the checksum.
const SEAL: &str = "# sha256 ";

/// The remedy for a checkpoint that cannot be trusted.
pub(super) const REMEDY: &str = "resume the run: it goes on from the checkpoint before";

/// Whether a fault is that of a damaged checkpoint. A checkpoint of a later version is whole, and
/// one that this user may not read may be.
pub(super) fn is_damage(fault: &Error) -> bool {
    match fault {
        Error::File { hint, .. } => hint == REMEDY,
        Error::Read { cause, .. } => cause.kind() != std::io::ErrorKind::PermissionDenied,
        _ => false,
    }
}

/// The contents of a checkpoint, but for its files.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Manifest {
    format: u32,
    /// The best decoder so far; `None` before the first.
    pub(super) best: Option<Best>,
    /// The files of the checkpoint, by name. A checkpoint of an earlier version lists none.
    pub(super) files: BTreeMap<String, Checksum>,
    state: Table,
}

/// The best decoder so far.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Best {
    /// The name of its checkpoint.
    pub(super) checkpoint: String,
    /// The checksum of its decoder.
    pub(super) decoder: Checksum,
}

impl Manifest {
    /// The manifest of files with a state of training.
    pub(super) fn new(
        files: BTreeMap<String, Checksum>,
        best: Option<Best>,
        state: &impl Serialize,
    ) -> std::result::Result<Self, String> {
        let state = Table::try_from(state).map_err(|fault| fault.to_string())?;
        Ok(Self { format: FORMAT, best, files, state })
    }

    /// The state of training.
    pub(super) fn state<S: DeserializeOwned>(&self, path: &Path) -> Result<S> {
        S::deserialize(Value::Table(self.state.clone())).map_err(|fault| {
            Error::file(path, format!("is no state: {}", one_line(&fault)), REMEDY)
        })
    }

    /// Writes the manifest, sealed.
    pub(super) fn save(&self, path: &Path) -> Result<()> {
        let table = Table::try_from(self)
            .map_err(|fault| Error::write(path, std::io::Error::other(fault.to_string())))?;
        let text = table.to_string();
        write_atomic(path, |writer| write!(writer, "{SEAL}{}\n{text}", digest(text.as_bytes())))
    }

    /// Reads a manifest.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the manifest is damaged or of a later version.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let damaged = |problem: String| Error::file(path, problem, REMEDY);
        let text = read_text(path)?;
        let sealed = text.strip_prefix(SEAL).and_then(|rest| rest.split_once('\n'));
        let Some((seal, body)) = sealed else {
            return Err(damaged("has no checksum in its first line".to_owned()));
        };
        if digest(body.as_bytes()) != seal {
            return Err(damaged("has other bytes than its first line says".to_owned()));
        }
        let table: Table = toml::from_str(body)
            .map_err(|fault| damaged(format!("is no TOML: {}", fault.message())))?;
        match table.get("format").and_then(Value::as_integer) {
            Some(format) if format == i64::from(FORMAT) => {}
            other => {
                let format = other.map_or("none".to_owned(), |format| format.to_string());
                let problem =
                    format!("is of format {format}, and this program reads format {FORMAT}");
                return Err(Error::file(path, problem, "use the version of recast that wrote it"));
            }
        }
        Self::deserialize(Value::Table(table))
            .map_err(|fault| damaged(format!("is no checkpoint: {}", one_line(&fault))))
    }

    /// Checks every file in `folder` against its checksum.
    ///
    /// # Errors
    ///
    /// [`Error::File`] for the first file with other bytes; an error too if one cannot be read.
    pub(super) fn verify(&self, folder: &Path) -> Result<()> {
        for (name, expected) in &self.files {
            check(&folder.join(name), expected)?;
        }
        Ok(())
    }

    /// Checks the lengths of the files in `folder`, which is quick.
    ///
    /// # Errors
    ///
    /// The errors of [`Manifest::verify`], for lengths alone.
    pub(super) fn verify_lengths(&self, folder: &Path) -> Result<()> {
        for (name, expected) in &self.files {
            let path = folder.join(name);
            let found = std::fs::metadata(&path).map_err(|cause| Error::read(&path, cause))?.len();
            if found != expected.bytes {
                let problem = format!("has {found} bytes, and {} were written", expected.bytes);
                return Err(Error::file(&path, problem, REMEDY));
            }
        }
        Ok(())
    }
}

impl From<Table> for Manifest {
    /// The manifest of a checkpoint of a version without manifests.
    fn from(state: Table) -> Self {
        Self { format: 0, best: None, files: BTreeMap::new(), state }
    }
}

/// Checks a file against its checksum.
pub(super) fn check(path: &Path, expected: &Checksum) -> Result<()> {
    if Checksum::of_file(path)? == *expected {
        return Ok(());
    }
    Err(Error::file(path, "has other bytes than were written: its checksum differs", REMEDY))
}

fn one_line(fault: &impl std::fmt::Display) -> String {
    fault.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
    struct Progress {
        best: f64,
        average: f32,
        step: usize,
        finished: bool,
    }

    fn manifest(state: &Progress) -> Manifest {
        let sum = Checksum { sha256: "00ff".to_owned(), bytes: 7 };
        let files = BTreeMap::from([("decoder.bpk".to_owned(), sum.clone())]);
        let best = Best { checkpoint: "step-000020".to_owned(), decoder: sum };
        Manifest::new(files, Some(best), state).unwrap()
    }

    fn progress() -> Progress {
        Progress { best: 0.1, average: 0.25, step: 3, finished: false }
    }

    #[test]
    fn a_state_keeps_every_bit_of_its_floats() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        let mut values = vec![f64::NEG_INFINITY, 0.363_030_303_030_303_04, 1.0 / 3.0, -0.0, 1e-310];
        values.extend((1..2000_i32).map(|n| f64::from(n).sqrt() / 7.0));
        for best in values {
            let state = Progress { best, average: best as f32, ..progress() };
            let written = manifest(&state);
            written.save(&path).unwrap();
            let read = Manifest::load(&path).unwrap();
            assert_eq!(read, written);
            let found: Progress = read.state(&path).unwrap();
            assert_eq!(found.best.to_bits(), best.to_bits());
            assert_eq!(found.average.to_bits(), (best as f32).to_bits());
        }
    }

    #[test]
    fn every_flipped_bit_and_every_cut_of_a_manifest_is_an_error() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        manifest(&progress()).save(&path).unwrap();
        let whole = fs::read(&path).unwrap();
        for at in 0..8 * whole.len() {
            let mut flipped = whole.clone();
            flipped[at / 8] ^= 1 << (at % 8);
            fs::write(&path, flipped).unwrap();
            Manifest::load(&path).unwrap_err();
        }
        for length in 0..whole.len() {
            fs::write(&path, &whole[..length]).unwrap();
            Manifest::load(&path).unwrap_err();
        }
    }

    #[test]
    fn a_later_format_names_itself() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join(NAME);
        Manifest { format: 9, ..manifest(&progress()) }.save(&path).unwrap();
        let message = Manifest::load(&path).unwrap_err().to_string();
        assert!(message.contains("is of format 9, and this program reads format 1"), "{message}");
    }
}
