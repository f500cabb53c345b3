//! The checkpoints of one training stage.
//!
//! ```text
//! <stage>/state.json            names the last whole checkpoint; written last
//! <stage>/step-000120/          decoder.bpk, optimiser.bpk; reference.bpk if the reference moves
//! <stage>/best.bpk              the decoder that the stage gives: of the best evaluation so far, or
//!                               of the last one (`rl.keep`)
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use burn::module::Module;
use burn::store::{ModuleRecord, RecordError};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::optimiser::Optimiser;
use crate::error::{Error, Result};
use crate::model::Decoder;
use crate::storage::write_json;

/// The folder of one training stage.
#[derive(Debug, Clone)]
pub struct Stage {
    name: String,
    folder: PathBuf,
}

#[derive(Serialize, Deserialize)]
struct State<S> {
    checkpoint: String,
    #[serde(flatten)]
    state: S,
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

    /// Writes a checkpoint, then names it in `state.json`, then removes the checkpoint before.
    ///
    /// # Errors
    ///
    /// If a file cannot be written; the checkpoint before is then still whole.
    pub(crate) fn save(
        &self,
        step: usize,
        model: &Decoder,
        optimiser: &Optimiser,
        reference: Option<&Decoder>,
        state: &impl Serialize,
    ) -> Result<()> {
        let checkpoint = format!("step-{step:06}");
        let folder = self.folder.join(&checkpoint);
        fs::create_dir_all(&folder).map_err(|source| Error::write(&folder, source))?;
        save_decoder(model, &folder.join("decoder.bpk"))?;
        optimiser.save(&folder.join("optimiser.bpk"))?;
        if let Some(reference) = reference {
            save_decoder(reference, &folder.join("reference.bpk"))?;
        }
        let named = State { checkpoint: checkpoint.clone(), state };
        write_json(&self.folder.join("state.json"), &named)?;
        self.remove_all_but(&checkpoint)
    }

    fn remove_all_but(&self, checkpoint: &str) -> Result<()> {
        let failed = |source| Error::write(&self.folder, source);
        for entry in fs::read_dir(&self.folder).map_err(failed)? {
            let entry = entry.map_err(failed)?;
            let name = entry.file_name();
            let name = name.to_string_lossy();
            if name.starts_with("step-") && name != checkpoint {
                fs::remove_dir_all(entry.path()).map_err(failed)?;
            }
        }
        Ok(())
    }

    /// The state of the last whole checkpoint; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If `state.json` exists and cannot be read.
    pub(crate) fn state<S: DeserializeOwned>(&self) -> Result<Option<S>> {
        Ok(self.named::<S>()?.map(|named| named.state))
    }

    /// The progress of the last whole checkpoint; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If `state.json` exists and cannot be read.
    pub(crate) fn progress(&self) -> Result<Option<StageProgress>> {
        self.state()
    }

    fn named<S: DeserializeOwned>(&self) -> Result<Option<State<S>>> {
        let path = self.folder.join("state.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = fs::read_to_string(&path).map_err(|source| Error::read(&path, source))?;
        let hint = "remove the stage's folder to train it anew";
        serde_json::from_str(&text)
            .map(Some)
            .map_err(|e| Error::file(&path, format!("is no checkpoint state: {e}"), hint))
    }

    /// The last whole checkpoint; `None` if there is none.
    ///
    /// # Errors
    ///
    /// If its files cannot be read.
    pub(crate) fn load<S: DeserializeOwned>(
        &self,
        model: Decoder,
        optimiser: Optimiser,
    ) -> Result<Option<(Decoder, Optimiser, S)>> {
        let Some(named) = self.named()? else { return Ok(None) };
        let folder = self.folder.join(named.checkpoint);
        let model = load_decoder(model, &folder.join("decoder.bpk"))?;
        let optimiser = optimiser.load(&folder.join("optimiser.bpk"))?;
        Ok(Some((model, optimiser, named.state)))
    }

    /// The reference of the last whole checkpoint; `None` if there is no checkpoint.
    ///
    /// # Errors
    ///
    /// If its files cannot be read.
    pub fn load_reference(&self, model: Decoder) -> Result<Option<Decoder>> {
        // the state itself does not matter here
        let Some(named) = self.named::<serde_json::Value>()? else { return Ok(None) };
        let path = self.folder.join(named.checkpoint).join("reference.bpk");
        load_decoder(model, &path).map(Some)
    }

    /// Keeps a decoder as the one that the stage gives: the best so far, unless the last counts.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn save_best(&self, model: &Decoder) -> Result<()> {
        fs::create_dir_all(&self.folder).map_err(|source| Error::write(&self.folder, source))?;
        save_decoder(model, &self.best_path())
    }

    /// The decoder that the stage gives: the best so far, unless the last counts.
    ///
    /// # Errors
    ///
    /// If there is none, or it does not fit the model.
    pub(crate) fn load_best(&self, model: Decoder) -> Result<Decoder> {
        load_decoder(model, &self.best_path())
    }

    fn best_path(&self) -> PathBuf {
        self.folder.join("best.bpk")
    }
}

fn save_decoder(model: &Decoder, path: &Path) -> Result<()> {
    let failed = |source| Error::write(path, source);
    let partial = path.with_extension("partial.bpk");
    model
        .clone()
        .into_record()
        .save(&partial)
        .map_err(|e: RecordError| failed(std::io::Error::other(e)))?;
    fs::File::open(&partial).and_then(|file| file.sync_all()).map_err(failed)?;
    fs::rename(&partial, path).map_err(failed)
}

fn load_decoder(model: Decoder, path: &Path) -> Result<Decoder> {
    let failed = |e: RecordError| Error::read(path, std::io::Error::other(e));
    model.try_load_record(ModuleRecord::load(path).map_err(failed)?).map_err(|e| {
        let hint = "the model's settings must be those it was trained with";
        Error::file(path, format!("does not fit the decoder: {e}"), hint)
    })
}
