//! The checkpoints of RQ-VAE's training.

use burn::module::Param;
use burn::tensor::TensorData;
use serde::{Deserialize, Serialize};

use super::Training;
use super::autoencoder::Autoencoder;
use crate::error::Result;
use crate::event::Monitor;
use crate::optim::{Optimiser, Saved, Stage};

/// Checkpoints over a whole training, about.
const CHECKPOINTS: usize = 20;

/// The place where a training keeps its checkpoints, and the monitor that hears of its progress.
#[derive(Debug, Clone, Copy)]
pub struct Journal<'a> {
    /// The checkpoints; without a stage none is written, and training begins anew.
    pub stage: Option<&'a Stage>,
    /// The monitor.
    pub monitor: &'a Monitor,
}

impl<'a> Journal<'a> {
    /// A journal without checkpoints.
    #[must_use]
    pub fn without_checkpoints(monitor: &'a Monitor) -> Self {
        Self { stage: None, monitor }
    }
}

/// The progress of a training, as its checkpoint holds it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct RqVaeState {
    /// Epochs done.
    pub(super) epoch: usize,
    /// Optimiser steps done.
    pub(super) step: usize,
    /// Whether training is finished.
    pub(super) finished: bool,
}

impl Training<'_> {
    /// Goes on from the last checkpoint, if there is one.
    pub(super) fn resume(
        &mut self,
        optimiser: Optimiser,
        journal: Journal<'_>,
    ) -> Result<(Optimiser, RqVaeState)> {
        let fresh = RqVaeState::default();
        let Some(stage) = journal.stage else { return Ok((optimiser, fresh)) };
        let shaped = |state: &RqVaeState| self.shaped(*state);
        let Some((model, optimiser, state)) = stage.load(shaped, &optimiser, journal.monitor)?
        else {
            return Ok((optimiser, fresh));
        };
        self.model = model;
        Ok((optimiser, state))
    }

    /// Writes a checkpoint after every twentieth of the epochs, and after the last one.
    pub(super) fn keep(
        &self,
        optimiser: &Optimiser,
        state: RqVaeState,
        epochs: usize,
        journal: Journal<'_>,
    ) -> Result<()> {
        let Some(stage) = journal.stage else { return Ok(()) };
        if !state.finished && !state.epoch.is_multiple_of(epochs.div_ceil(CHECKPOINTS)) {
            return Ok(());
        }
        journal.monitor.sync()?;
        let (step, model) = (state.step, &self.model);
        let saved = Saved { step, model, optimiser, reference: None, is_best: false };
        stage.save(&saved, &state)
    }

    /// The autoencoder with the codebooks that a checkpoint of this state has; their values do not
    /// count.
    fn shaped(&self, state: RqVaeState) -> Autoencoder {
        let mut model = self.model.clone();
        if state.epoch > self.options.pretrain_epochs {
            let (width, device) = (self.options.latent_dim, self.device());
            let codebook = |&codes: &usize| {
                let values = vec![0f32; codes * width];
                Param::from_data(TensorData::new(values, [codes, width]), &device)
            };
            model.codebooks = self.codes_per_level.iter().map(codebook).collect();
        }
        model
    }
}
