//! The cost of a checkpoint: written, synced, with checksums.

use std::collections::BTreeMap;
use std::path::Path;

use burn::module::Module;

use super::Bench;
use super::report::{CHECKPOINT, Load};
use crate::error::{Error, Result};
use crate::model::Decoder;
use crate::optim::{Optimiser, Saved, Stage};

/// The bytes of a weight and of its two moments.
const BYTES: usize = 12;

impl Bench<'_> {
    /// Writes checkpoints into a folder in the present one, which is removed.
    pub(super) fn checkpoint(&mut self, model: &Decoder, optimiser: &Optimiser) -> Result<()> {
        let here = Path::new(".");
        let folder = tempfile::Builder::new()
            .prefix(".recast-bench-")
            .tempdir_in(here)
            .map_err(|cause| Error::write(here, cause))?;
        let stage = Stage::new(folder.path(), "bench");
        let (mut step, mut done) = (0, Ok(()));
        let load = Load::of("bytes", BYTES * model.num_params());
        self.measure(CHECKPOINT.to_owned(), load, || {
            step += 1;
            // the best decoder is one file more
            let saved = Saved { step, model, optimiser, reference: None, is_best: true };
            if done.is_ok() {
                done = stage.save(&saved, &BTreeMap::from([("step", step)]));
            }
        })?;
        done
    }
}
