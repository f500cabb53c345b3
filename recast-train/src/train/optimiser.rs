//! One optimiser step: global-norm clipping, AdamW, learning-rate schedule.

use std::path::Path;

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::{AdamWConfig, GradientsParams, ModuleOptimizer};
use burn::tensor::{ElementConversion, Tensor};

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

    /// The gradients of a loss, clipped, and their norm before that.
    ///
    /// A norm that is not finite is left to the caller, who stops.
    #[must_use]
    pub fn gradients<M: Module>(&self, model: &M, loss: &Tensor<1>) -> (GradientsParams, f32) {
        let mut grads = GradientsParams::from_grads(loss.backward(), model);
        let norm = global_norm(model, &grads);
        if norm > self.max_norm {
            model.visit(&mut Scale { grads: &mut grads, factor: self.max_norm / norm });
        }
        (grads, norm)
    }

    /// Takes one step along clipped gradients.
    #[must_use]
    pub fn step<M: Module>(&mut self, learning_rate: f64, model: M, grads: GradientsParams) -> M {
        self.adamw.step(learning_rate, model, grads)
    }

    /// Writes the moments to `path`.
    ///
    /// # Errors
    /// If the file cannot be written.
    pub fn save(&self, path: &Path) -> Result<()> {
        let failed = |e: burn::store::RecordError| Error::write(path, std::io::Error::other(e));
        self.adamw.save(path).map_err(failed)
    }

    /// Goes on from the moments in `path`. Load the model's record first: moments are found by
    /// the identities of its parameters.
    ///
    /// # Errors
    /// If the file cannot be read or holds no moments.
    pub fn load(mut self, path: &Path) -> Result<Self> {
        let failed = |e: burn::store::RecordError| Error::read(path, std::io::Error::other(e));
        self.adamw = self.adamw.load(path).map_err(failed)?;
        Ok(self)
    }
}

fn global_norm(model: &impl Module, grads: &GradientsParams) -> f32 {
    let mut squares = SquaredNorm { grads, total: None };
    model.visit(&mut squares);
    squares.total.map_or(0.0, |total| total.sqrt().into_scalar::<f32>().elem())
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
pub fn learning_rate(peak: f64, step: usize, warmup: usize, steps: usize) -> f64 {
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
