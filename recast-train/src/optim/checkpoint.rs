//! The checkpoints of one training stage.
//!
//! ```text
//! <stage>/step-000120/        decoder.bpk, optimiser.bpk, reference.bpk if the reference moves, and
//!                             checkpoint.toml, written last: the checksums, the state of training
//! <stage>/best.bpk            the decoder that the stage gives: of the best evaluation so far, or of
//!                             the last one (`rl.keep`)
//! <stage>/state.json          the state of the last checkpoint, for people and other programs
//! <stage>/damaged-step-..     a checkpoint that was found damaged, and is no longer used
//! ```
//!
//! A checkpoint is written in a folder beside (`.partial`), synced and renamed. The last two stay,
//! and so does that of the best decoder.

mod files;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use burn::module::Module;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use self::files::{REMOVED, load_model, remove, save_model, sync, unname};
use super::manifest::{self, Best, Manifest};
use super::optimiser::Optimiser;
use crate::error::{Error, Result};
use crate::event::Monitor;
use crate::storage::{Checksum, read_text, sync_folder, write_atomic, write_json};

/// The checkpoints that stay beside that of the best decoder.
const KEPT: usize = 2;

/// The beginnings of the names of checkpoints, and of damaged ones.
const STEP: &str = "step-";
const DAMAGED: &str = "damaged-";

/// The end of the name of a checkpoint that is being written.
const PARTIAL: &str = ".partial";

/// Files of a checkpoint.
const MODEL: &str = "decoder.bpk";
const OPTIMISER: &str = "optimiser.bpk";
const REFERENCE: &str = "reference.bpk";

/// The folder of one training stage.
#[derive(Debug, Clone)]
pub struct Stage {
    name: String,
    folder: PathBuf,
}

/// The state of a checkpoint as people read it, and as versions without manifests wrote it.
#[derive(Serialize, Deserialize)]
struct Shown<S> {
    checkpoint: String,
    #[serde(flatten)]
    state: S,
}

/// A checkpoint whose manifest is whole.
struct Checkpoint {
    folder: PathBuf,
    manifest: Manifest,
}

/// The models of a checkpoint on its way to the disk.
#[derive(Debug)]
pub(crate) struct Saved<'a, M> {
    /// The steps done.
    pub(crate) step: usize,
    /// The model in training.
    pub(crate) model: &'a M,
    /// Its optimiser.
    pub(crate) optimiser: &'a Optimiser,
    /// The reference, if it moves.
    pub(crate) reference: Option<&'a M>,
    /// Whether the stage gives this model, until a later one is better.
    pub(crate) is_best: bool,
}

/// How far a stage has come.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) struct StageProgress {
    /// Steps done.
    pub(crate) step: usize,
    /// Whether training is finished.
    pub(crate) finished: bool,
}

impl Stage {
    /// The stage `name` of a run. `new` writes nothing.
    #[must_use]
    pub(crate) fn new(run_dir: &Path, name: &str) -> Self {
        Self { name: name.to_owned(), folder: run_dir.join(name) }
    }

    /// The stage's name, of its folder and in messages.
    #[must_use]
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// Writes a checkpoint, then removes those that are no longer kept.
    ///
    /// # Errors
    ///
    /// If a file cannot be written; the checkpoints before are then whole.
    pub(crate) fn save<M: Module>(
        &self,
        saved: &Saved<'_, M>,
        state: &impl Serialize,
    ) -> Result<()> {
        let name = format!("{STEP}{:06}", saved.step);
        let (folder, partial) = (self.folder.join(&name), self.partial(&name));
        remove(&partial)?;
        let written = self.write(&partial, saved, state).and_then(|()| {
            // a resumed run evaluates its first step again, and so saves it again
            let replaced = unname(&folder)?;
            fs::rename(&partial, &folder)
                .and_then(|()| sync_folder(&self.folder))
                .map_err(|cause| Error::write(&folder, cause))?;
            remove(&replaced)
        });
        written.inspect_err(|_| {
            // a full disk has room again
            let _ = remove(&partial);
        })?;
        if saved.is_best {
            self.give(&folder)?;
        }
        write_json(&self.folder.join("state.json"), &Shown { checkpoint: name, state })?;
        self.remove_old()
    }

    /// Writes the files of a checkpoint, then its manifest.
    fn write<M: Module>(
        &self,
        partial: &Path,
        saved: &Saved<'_, M>,
        state: &impl Serialize,
    ) -> Result<()> {
        fs::create_dir_all(partial).map_err(|cause| Error::write(partial, cause))?;
        save_model(saved.model, &partial.join(MODEL))?;
        saved.optimiser.save(&partial.join(OPTIMISER))?;
        let mut names = vec![MODEL, OPTIMISER];
        if let Some(reference) = saved.reference {
            save_model(reference, &partial.join(REFERENCE))?;
            names.push(REFERENCE);
        }
        let mut files = BTreeMap::new();
        for name in names {
            let path = partial.join(name);
            sync(&path)?;
            files.insert(name.to_owned(), Checksum::of_file(&path)?);
        }
        let best = match saved.is_best {
            true => Some(Best {
                checkpoint: format!("{STEP}{:06}", saved.step),
                decoder: files[MODEL].clone(),
            }),
            false => self.newest()?.and_then(|newest| newest.manifest.best),
        };
        let path = partial.join(manifest::NAME);
        let manifest = Manifest::new(files, best, state)
            .map_err(|fault| Error::write(&path, io::Error::other(fault)))?;
        manifest.save(&path)
    }

    /// Copies the decoder of a checkpoint to the file that the stage gives.
    fn give(&self, checkpoint: &Path) -> Result<()> {
        let from = checkpoint.join(MODEL);
        let mut decoder = fs::File::open(&from).map_err(|cause| Error::read(&from, cause))?;
        write_atomic(&self.best_path(), |writer| io::copy(&mut decoder, writer).map(drop))
    }

    /// Removes all checkpoints but the last ones and that of the best decoder of each of these.
    fn remove_old(&self) -> Result<()> {
        let names = self.names()?;
        let (old, last) = names.split_at(names.len().saturating_sub(KEPT));
        let mut kept = BTreeSet::new();
        for name in last {
            let manifest = Manifest::load(&self.folder.join(name).join(manifest::NAME));
            kept.extend(manifest.ok().and_then(|it| it.best).map(|best| best.checkpoint));
        }
        old.iter()
            .filter(|&name| !kept.contains(name))
            .try_for_each(|name| remove(&unname(&self.folder.join(name))?))
    }

    /// The names of checkpoints, the oldest first.
    fn names(&self) -> Result<Vec<String>> {
        let failed = |cause| Error::read(&self.folder, cause);
        let entries = match fs::read_dir(&self.folder) {
            Err(cause) if cause.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            entries => entries.map_err(failed)?,
        };
        let mut names = Vec::new();
        for entry in entries {
            let name = entry.map_err(failed)?.file_name().to_string_lossy().into_owned();
            names.extend(step_of(&name).map(|step| (step, name)));
        }
        names.sort_unstable();
        Ok(names.into_iter().map(|(_, name)| name).collect())
    }

    /// The last checkpoint; `None` if there is none.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if it is damaged, as far as its manifest and the lengths of its files tell.
    fn newest(&self) -> Result<Option<Checkpoint>> {
        let names = self.names()?;
        if !self.have_manifests(&names) {
            return self.of_earlier_version();
        }
        let Some(name) = names.last() else { return Ok(None) };
        let folder = self.folder.join(name);
        let manifest = Manifest::load(&folder.join(manifest::NAME))?;
        manifest.verify_lengths(&folder)?;
        Ok(Some(Checkpoint { folder, manifest }))
    }

    /// Whether a version with manifests wrote one of these checkpoints.
    fn have_manifests(&self, names: &[String]) -> bool {
        names.iter().any(|name| self.folder.join(name).join(manifest::NAME).exists())
    }

    /// The checkpoint that `state.json` alone names, as versions without manifests wrote it.
    fn of_earlier_version(&self) -> Result<Option<Checkpoint>> {
        let path = self.folder.join("state.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = read_text(&path)?;
        let fault = |problem: String| {
            let hint = "remove the stage's folder to train it anew";
            Error::file(&path, format!("is no checkpoint state: {problem}"), hint)
        };
        let Shown { checkpoint, state } =
            serde_json::from_str::<Shown<toml::Table>>(&text).map_err(|e| fault(e.to_string()))?;
        if step_of(&checkpoint).is_none() {
            return Err(fault(format!("'{checkpoint}' is no checkpoint of this folder")));
        }
        let folder = self.folder.join(checkpoint);
        match folder.exists() {
            true => Ok(Some(Checkpoint { folder, manifest: state.into() })),
            false => Ok(None),
        }
    }

    /// Sets damaged checkpoints aside, so that the last one is whole as far as its manifest and
    /// the lengths of its files tell, and removes what a process left that was ended while writing.
    ///
    /// # Errors
    ///
    /// If a folder cannot be read or renamed.
    pub(crate) fn mend(&self, monitor: &Monitor) -> Result<()> {
        while let Err(fault) = self.newest() {
            let mut names = self.names()?;
            let is_ours = manifest::is_damage(&fault) && self.have_manifests(&names);
            let Some(name) = names.pop().filter(|_| is_ours) else { return Err(fault) };
            self.set_aside(&name, &fault, monitor)?;
        }
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        for name in entries.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
            let of_step = name.strip_suffix(PARTIAL).or(name.strip_suffix(REMOVED));
            if of_step.and_then(step_of).is_some() {
                remove(&self.folder.join(name))?;
            }
        }
        Ok(())
    }

    /// Gives a damaged checkpoint another name, and tells of it.
    fn set_aside(&self, name: &str, fault: &Error, monitor: &Monitor) -> Result<()> {
        let (from, to) = (self.folder.join(name), self.folder.join(format!("{DAMAGED}{name}")));
        remove(&to)?;
        fs::rename(&from, &to).map_err(|cause| Error::write(&from, cause))?;
        // one of an earlier version is named by `state.json` alone
        let is_known = !matches!(self.newest(), Ok(None));
        let next = match self.names()?.pop().filter(|_| is_known) {
            Some(before) => format!("{before} is used in its place"),
            None => "no checkpoint is left, and training begins anew".to_owned(),
        };
        monitor.warn(&self.name, &format!("{name} is damaged: {next} ({fault})"))
    }

    /// The state of the last checkpoint; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If that checkpoint is damaged.
    pub(crate) fn state<S: DeserializeOwned>(&self) -> Result<Option<S>> {
        let state = |found: Checkpoint| found.manifest.state(&found.folder.join(manifest::NAME));
        self.newest()?.map(state).transpose()
    }

    /// The progress of the last checkpoint; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If that checkpoint is damaged.
    pub(crate) fn progress(&self) -> Result<Option<StageProgress>> {
        self.state()
    }

    /// The last checkpoint; `None` if there is none. A damaged one is set aside, and the one before
    /// is loaded. `model` makes a model of the shape that the state asks for.
    ///
    /// # Errors
    ///
    /// If files cannot be read, or do not fit the model.
    pub(crate) fn load<M: Module, S: DeserializeOwned>(
        &self,
        model: impl Fn(&S) -> M,
        optimiser: &Optimiser,
        monitor: &Monitor,
    ) -> Result<Option<(M, Optimiser, S)>> {
        loop {
            self.mend(monitor)?;
            let Some(Checkpoint { folder, manifest }) = self.newest()? else { return Ok(None) };
            if let Err(fault) = manifest.verify(&folder) {
                if !manifest::is_damage(&fault) {
                    return Err(fault);
                }
                let name = folder.file_name().unwrap_or_default().to_string_lossy();
                self.set_aside(&name, &fault, monitor)?;
                continue;
            }
            let state = manifest.state(&folder.join(manifest::NAME))?;
            let model = load_model(model(&state), &folder.join(MODEL))?;
            let optimiser = optimiser.clone().load(&folder.join(OPTIMISER))?;
            return Ok(Some((model, optimiser, state)));
        }
    }

    /// The reference of the last checkpoint; `None` if there is no checkpoint. [`Stage::load`]
    /// comes first, and checks the files.
    ///
    /// # Errors
    ///
    /// If its file cannot be read.
    pub(crate) fn load_reference<M: Module>(&self, model: M) -> Result<Option<M>> {
        let Some(found) = self.newest()? else { return Ok(None) };
        load_model(model, &found.folder.join(REFERENCE)).map(Some)
    }

    /// The decoder that the stage gives: the best so far, unless the last counts.
    ///
    /// Where the stage's file of it is damaged, missing or of another checkpoint, the checkpoint of
    /// the best decoder has it too.
    ///
    /// # Errors
    ///
    /// If there is none, both copies are damaged, or it does not fit the model.
    pub(crate) fn load_best<M: Module>(&self, model: M) -> Result<M> {
        let path = self.best_path();
        let best = self.newest()?.and_then(|newest| newest.manifest.best);
        let Some(Best { checkpoint, decoder }) = best else { return load_model(model, &path) };
        let Err(fault) = manifest::check(&path, &decoder) else { return load_model(model, &path) };
        if step_of(&checkpoint).is_none() {
            return Err(fault);
        }
        let folder = self.folder.join(checkpoint);
        if manifest::check(&folder.join(MODEL), &decoder).is_err() {
            return Err(fault);
        }
        // a folder that nobody can write is read all the same
        let _ = self.give(&folder);
        load_model(model, &folder.join(MODEL))
    }

    fn best_path(&self) -> PathBuf {
        self.folder.join("best.bpk")
    }

    fn partial(&self, name: &str) -> PathBuf {
        self.folder.join(format!("{name}{PARTIAL}"))
    }
}

/// The step of a checkpoint's name; `None` of another name, which may lead out of the folder.
fn step_of(name: &str) -> Option<u64> {
    let digits = name.strip_prefix(STEP)?;
    let plain = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    if plain { digits.parse().ok() } else { None }
}

#[cfg(test)]
mod tests;
