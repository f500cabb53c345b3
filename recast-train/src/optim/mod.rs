//! Optimiser steps: gradients of micro-batches, the devices that share them, and checkpoints.

mod batches;
mod checkpoint;
mod checks;
mod manifest;
mod optimiser;
mod replicas;

pub(crate) use batches::batches_of;
pub use checkpoint::Stage;
pub(crate) use checkpoint::{Saved, StageProgress};
pub(crate) use checks::{Place, check_finite, check_rates};
pub(crate) use optimiser::learning_rate;
pub use optimiser::{Optimiser, StepGradients};
pub use replicas::Replicas;
