//! One optimiser step: global-norm clipping, AdamW, learning-rate schedule.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsAccumulator, GradientsParams, ModuleOptimizer};
use burn::tensor::Tensor;

use crate::error::{Error, Result};

/// AdamW with clipping by the norm of all gradients together.
///
/// burn clips each tensor by itself; the global norm keeps the gradient's direction.
#[derive(Clone)]
pub struct Optimiser {
    adamw: ModuleOptimizer,
    max_norm: f32,
}

impl std::fmt::Debug for Optimiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Optimiser").field("max_norm", &self.max_norm).finish_non_exhaustive()
    }
}

/// The gradients and numbers of the losses of one optimiser step.
#[derive(Debug)]
pub struct StepGradients {
    /// The gradients of all losses together, clipped.
    pub clipped: GradientsParams,
    /// The norm of the gradients before clipping.
    pub norm: f32,
    /// The sum of the losses.
    pub loss: f64,
    /// The other numbers of each micro-batch, in order.
    pub numbers: Vec<Vec<f32>>,
}

impl Optimiser {
    /// AdamW with betas 0.9 and 0.95 and epsilon 1e-8.
    #[must_use]
    pub fn new(weight_decay: f32, max_norm: f32) -> Self {
        let config = AdamWConfig::new()
            .with_beta_1(0.9)
            .with_beta_2(0.95)
            .with_epsilon(1e-8)
            .with_weight_decay(weight_decay);
        Self { adamw: config.init(), max_norm }
    }

    /// The gradients of a sum of losses, one for each micro-batch.
    ///
    /// The iterator gives a loss after the gradients of the one before are done. An iterator that
    /// computes losses when asked therefore keeps one forward pass in memory at a time. The caller
    /// stops at a loss or a norm that is not finite.
    #[must_use]
    pub fn gradients<M: Module>(
        &self,
        model: &M,
        losses: impl IntoIterator<Item = Tensor<1>>,
    ) -> StepGradients {
        self.clipped(model, Accumulated::of(model, losses), Vec::new())
    }

    /// Clips accumulated gradients. Loss, norm and the other numbers are read at once, so that a
    /// step waits for a GPU once.
    pub(super) fn clipped<M: Module>(
        &self,
        model: &M,
        accumulated: Accumulated,
        numbers: Vec<Option<Tensor<1>>>,
    ) -> StepGradients {
        let Accumulated { gradients: mut clipped, loss } = accumulated;
        let norm = squared_norm(model, &clipped).map(Tensor::sqrt);
        let mut read = read_at_once([vec![loss, norm], numbers].concat()).into_iter();
        let mut number = || read.next().and_then(|read| read.first().copied()).unwrap_or(0.0);
        let (loss, norm) = (number().into(), number());
        if norm > self.max_norm {
            model.visit(&mut Scale { grads: &mut clipped, factor: self.max_norm / norm });
        }
        StepGradients { clipped, norm, loss, numbers: read.collect() }
    }

    /// Takes one step along clipped gradients.
    #[must_use]
    pub fn step<M: Module>(&mut self, learning_rate: f64, model: M, grads: GradientsParams) -> M {
        self.adamw.step(learning_rate, model, grads)
    }

    /// Writes the moments to `path`.
    ///
    /// # Errors
    ///
    /// If the file cannot be written.
    pub(crate) fn save(&self, path: &Path) -> Result<()> {
        let failed = |e: burn::store::RecordError| Error::write(path, std::io::Error::other(e));
        self.adamw.save(path).map_err(failed)
    }

    /// Continues from the moments in `path`. Load the model's record first: the optimiser finds
    /// moments by the identities of the model's parameters.
    ///
    /// # Errors
    ///
    /// If the file cannot be read or holds no moments.
    pub(crate) fn load(mut self, path: &Path) -> Result<Self> {
        let failed = |e: burn::store::RecordError| Error::read(path, std::io::Error::other(e));
        self.adamw = self.adamw.load(path).map_err(failed)?;
        Ok(self)
    }
}

/// Gradients and losses of several micro-batches, added up.
#[derive(Debug, Default)]
pub(super) struct Accumulated {
    pub(super) gradients: GradientsParams,
    /// The sum of the losses; `None` without micro-batches.
    pub(super) loss: Option<Tensor<1>>,
}

impl Accumulated {
    pub(super) fn of<M: Module>(model: &M, losses: impl IntoIterator<Item = Tensor<1>>) -> Self {
        let mut gradients = GradientsAccumulator::new();
        let mut sum: Option<Tensor<1>> = None;
        for loss in losses {
            let value = loss.clone().inner();
            gradients.accumulate(model, GradientsParams::from_grads(loss.backward(), model));
            sum = Some(match sum {
                None => value,
                Some(sum) => sum + value,
            });
        }
        Self { gradients: gradients.grads(), loss: sum }
    }
}

/// The numbers of tensors on one device; a missing tensor has none.
fn read_at_once(tensors: Vec<Option<Tensor<1>>>) -> Vec<Vec<f32>> {
    let lengths: Vec<usize> =
        tensors.iter().map(|tensor| tensor.as_ref().map_or(0, |tensor| tensor.dims()[0])).collect();
    let tensors: Vec<Tensor<1>> = tensors.into_iter().flatten().collect();
    let mut read = match tensors.is_empty() {
        true => Vec::new(),
        #[expect(clippy::expect_used, reason = "losses, gradients and log-probabilities are f32")]
        false => Tensor::cat(tensors, 0).into_data().try_into_vec::<f32>().expect("f32 numbers"),
    };
    let split = |length: usize| read.drain(..length).collect();
    lengths.into_iter().map(split).collect()
}

fn squared_norm(model: &impl Module, grads: &GradientsParams) -> Option<Tensor<1>> {
    let mut squares = SquaredNorm { grads, total: None };
    model.visit(&mut squares);
    squares.total
}

struct SquaredNorm<'a> {
    grads: &'a GradientsParams,
    total: Option<Tensor<1>>,
}

impl ModuleVisitor for SquaredNorm<'_> {
    fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
        if let Some(grad) = self.grads.get::<N>(param.id) {
            let square = (grad.clone() * grad).sum();
            self.total = Some(match self.total.take() {
                None => square,
                Some(total) => total + square,
            });
        }
    }
}

struct Scale<'a> {
    grads: &'a mut GradientsParams,
    factor: f32,
}

impl ModuleVisitor for Scale<'_> {
    fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
        if let Some(grad) = self.grads.remove::<N>(param.id) {
            self.grads.register(param.id, grad * self.factor);
        }
    }
}

/// Linear warm-up to the peak, then half a cosine down to a tenth of it.
///
/// ```text
/// step < warmup: peak (step + 1) / warmup
/// else:          peak (0.1 + 0.9 (1 + cos(pi (step - warmup) / (steps - warmup))) / 2)
/// ```
#[must_use]
pub(crate) fn learning_rate(peak: f64, step: usize, warmup: usize, steps: usize) -> f64 {
    if step < warmup {
        return peak * (step + 1) as f64 / warmup as f64;
    }
    let done = (step - warmup) as f64 / steps.saturating_sub(warmup).max(1) as f64;
    peak * (0.1 + 0.45 * (1.0 + (std::f64::consts::PI * done.min(1.0)).cos()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rate_rises_to_its_peak_and_falls_to_a_tenth() {
        let rate = |step| learning_rate(1.0, step, 10, 110);
        assert!((rate(0) - 0.1).abs() < 1e-12);
        assert!((rate(10) - 1.0).abs() < 1e-12);
        assert!((rate(60) - 0.55).abs() < 1e-12);
        assert!((rate(110) - 0.1).abs() < 1e-12);
        assert!((rate(500) - 0.1).abs() < 1e-12);
    }
}
