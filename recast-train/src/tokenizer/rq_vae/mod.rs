//! RQ-VAE: an autoencoder whose latent vectors are quantised level by level.

mod autoencoder;
mod options;
mod resume;
mod standard;

pub use options::RqVaeOptions;
pub use resume::Journal;

use std::time::Instant;

use burn::module::{Module, Param};
use burn::tensor::{Device, Tensor, TensorData};
use rand::seq::SliceRandom;

use super::assignment::Assignment;
use super::kmeans::{KmeansOptions, sorted_sample};
use super::options::check_codes;
use super::report::entropy;
use super::residual::{Quantised, Residuals};
use super::residual_kmeans::residual_kmeans;
use crate::embedding::Embeddings;
use crate::error::{Error, Result};
use crate::event::{Event, Monitor, RqVaeEpoch};
use crate::optim::{Optimiser, Place, check_finite, learning_rate};
use crate::random::{Purpose, stream};
use autoencoder::{Autoencoder, Mlp};
use standard::Standard;

/// The number of items that pass through the autoencoder together outside training.
const ENCODED_AT_ONCE: usize = 1024;

/// The phase in messages and in the event log.
const PHASE: &str = "tokenizer.rq_vae";

/// Trains an autoencoder with residual codebooks and quantises the latent vectors of the
/// embeddings. Returns the codes and the latent vectors.
///
/// Embeddings are standardised, column by column. The autoencoder first trains for
/// `pretrain_epochs` without codebooks. Then codebooks start as residual k-means of the latent
/// vectors (`kmeans`) and move by their own loss. The decoder's gradient passes straight through
/// the codes to the encoder, and a commitment loss keeps the encoder near the codes. Codes that no
/// item took in an epoch are set on residuals of random items. After training every item takes the
/// nearest code at each level.
///
/// Reconstruction errors are those of embeddings as given: the decoder reads the sum of the first l
/// codes, and its output is scaled back. Equal seeds give equal codes on a CPU with an equal
/// number of threads.
///
/// With a stage in the `journal`, about twenty checkpoints are written over the training, and a
/// training that ended early goes on from the last one, to equal codes.
///
/// Sources:
///
/// - "Recommender Systems with Generative Retrieval", Rajput et al.,
///   <https://arxiv.org/abs/2305.05065>, section 3.1;
/// - "Autoregressive Image Generation using Residual Quantization", Lee et al.,
///   <https://arxiv.org/abs/2203.01941>;
/// - for the resets "Jukebox", Dhariwal et al., <https://arxiv.org/abs/2005.00341>, section 3.
///
/// Departs from the paper: each term of the loss is a mean over its values, not a sum. The weights
/// therefore do not hang on the widths.
///
/// # Errors
///
/// [`Error::Setting`] if a number is out of its range. [`Error::Collapse`] if a level's perplexity
/// falls below `min_perplexity` of its codes (or of the items, if these are fewer).
/// [`Error::NotFinite`] if training diverges. [`Error::Interrupted`] after the user asked to stop.
pub fn rq_vae(
    embeddings: &Embeddings,
    codes_per_level: &[usize],
    options: &RqVaeOptions,
    kmeans: KmeansOptions,
    seed: u64,
    device: &Device,
    journal: Journal<'_>,
) -> Result<(Quantised, Embeddings)> {
    check_codes(codes_per_level)?;
    options.check()?;
    let standard = Standard::of(embeddings);
    let mut training = Training {
        model: Autoencoder::new(
            embeddings.dim(),
            options,
            &mut stream(seed, Purpose::RqVae, 0),
            &device.clone().autodiff(),
        ),
        embeddings,
        standard: &standard,
        codes_per_level,
        options,
        seed,
    };
    training.train(kmeans, journal)?;
    training.quantise(journal.monitor)
}

struct Training<'a> {
    model: Autoencoder,
    embeddings: &'a Embeddings,
    standard: &'a Standard,
    codes_per_level: &'a [usize],
    options: &'a RqVaeOptions,
    seed: u64,
}

impl Training<'_> {
    /// Sets the codebooks by residual k-means of the encoder's latent vectors. A codebook with
    /// fewer centroids than codes repeats its centroids.
    fn start_codebooks(&mut self, kmeans: KmeansOptions, monitor: &Monitor) -> Result<()> {
        let latents = self.encode(&all(self.embeddings), monitor)?;
        let start = residual_kmeans(&latents, self.codes_per_level, kmeans, self.seed, monitor)?;
        let width = self.options.latent_dim;
        let device = self.device();
        self.model.codebooks = start
            .codebooks
            .into_iter()
            .zip(self.codes_per_level)
            .map(|(rows, &codes)| {
                let values = rows.into_iter().cycle().take(codes * width).collect();
                Param::from_data(TensorData::new::<f32, _>(values, [codes, width]), &device)
            })
            .collect();
        Ok(())
    }

    fn train(&mut self, kmeans: KmeansOptions, journal: Journal<'_>) -> Result<()> {
        let monitor = journal.monitor;
        let options = self.options;
        let epochs = options.pretrain_epochs + options.epochs;
        let items = self.embeddings.rows();
        let steps_per_epoch = items.div_ceil(options.batch_items);
        let steps = epochs * steps_per_epoch;
        let warmup = (steps as f64 * options.warmup) as usize;
        let optimiser = Optimiser::new(options.weight_decay as f32, options.max_norm as f32);
        let (mut optimiser, mut state) = self.resume(optimiser, journal)?;
        let progress = monitor.progress("rq_vae", (epochs * items) as u64);
        progress.resume_at((state.epoch * items) as u64);
        for epoch in state.epoch + 1..=epochs {
            let started = Instant::now();
            if epoch == options.pretrain_epochs + 1 {
                self.start_codebooks(kmeans, monitor)?;
            }
            let mut order = all(self.embeddings);
            order.shuffle(&mut stream(self.seed, Purpose::RqVae, 2 * epoch as u64));
            // one level for each codebook: none at first
            let levels = &self.codes_per_level[..self.model.codebooks.len()];
            let mut counts: Vec<Vec<u32>> = levels.iter().map(|&n| vec![0; n]).collect();
            let (mut loss_sum, mut norm_sum, mut rate, mut batches) = (0.0, 0.0, 0.0, 0);
            for batch in order.chunks(options.batch_items) {
                progress.advance_or_stop(batch.len() as u64)?;
                let x = self.batch(batch, &self.device());
                let found = self.model.loss(x, options.commitment as f32);
                for (counts, codes) in counts.iter_mut().zip(&found.codes) {
                    codes.iter().for_each(|&code| counts[code as usize] += 1);
                }
                rate = learning_rate(options.learning_rate, state.step, warmup, steps);
                let found = optimiser.gradients(&self.model, [found.loss]);
                state.step += 1;
                batches += 1;
                let place = Place { phase: PHASE, step: state.step, batch: batches };
                check_finite(place, &self.model, &found)?;
                loss_sum += found.loss;
                norm_sum += f64::from(found.norm);
                progress.note(&format!("loss {:.3}", found.loss));
                self.model = optimiser.step(rate, self.model.clone(), found.clipped);
            }
            let perplexity = self.check_perplexity(&counts, epoch)?;
            let resets = options.reset_every > 0
                && epoch.is_multiple_of(options.reset_every)
                && epoch < epochs;
            let reset = match resets {
                true => self.reset_unused(&counts, epoch, monitor)?,
                false => vec![0; counts.len()],
            };
            let event = RqVaeEpoch {
                epoch,
                loss: loss_sum / steps_per_epoch as f64,
                gradient_norm: norm_sum / steps_per_epoch as f64,
                learning_rate: rate,
                perplexity: &perplexity,
                reset: &reset,
                seconds: started.elapsed().as_secs_f64(),
            };
            monitor.record(&Event::RqVaeEpoch(event))?;
            (state.epoch, state.finished) = (epoch, epoch == epochs);
            self.keep(&optimiser, state, epochs, journal)?;
        }
        progress.finish();
        Ok(())
    }

    /// The perplexity of each level, or the error that a level collapses.
    fn check_perplexity(&self, counts: &[Vec<u32>], epoch: usize) -> Result<Vec<f64>> {
        let perplexity: Vec<f64> = counts.iter().map(|counts| entropy(counts).exp()).collect();
        for (level, (&perplexity, &codes)) in
            perplexity.iter().zip(self.codes_per_level).enumerate()
        {
            let possible = codes.min(self.embeddings.rows()) as f64;
            if perplexity < self.options.min_perplexity * possible {
                return Err(Error::Collapse { level: level + 1, perplexity, codes, epoch });
            }
        }
        Ok(perplexity)
    }

    /// Sets the codes without any item on the residuals of random items. Returns the number of such
    /// codes at each level.
    fn reset_unused(
        &mut self,
        counts: &[Vec<u32>],
        epoch: usize,
        monitor: &Monitor,
    ) -> Result<Vec<usize>> {
        let unused = |counts: &Vec<u32>| -> Vec<usize> {
            (0..counts.len()).filter(|&code| counts[code] == 0).collect()
        };
        let unused: Vec<Vec<usize>> = counts.iter().map(unused).collect();
        let most = unused.iter().map(Vec::len).max().unwrap_or(0);
        if most > 0 {
            let mut rng = stream(self.seed, Purpose::RqVae, 2 * epoch as u64 + 1);
            let items = sorted_sample(self.embeddings.rows(), most, &mut rng);
            let latents = self.encode(&items, monitor)?;
            let mut codebooks = self.codebooks();
            let codes = self.assign(&latents, &codebooks, monitor)?;
            let width = self.options.latent_dim;
            let device = self.device();
            for (level, unused) in unused.iter().enumerate() {
                if unused.is_empty() {
                    continue;
                }
                let levels = codebooks.len();
                let mut residuals = Vec::new();
                {
                    let before = Residuals::after(&latents, &codebooks[..level], &codes, levels);
                    (0..items.len()).for_each(|i| before.append(i, &mut residuals));
                }
                for (residual, &code) in residuals.chunks_exact(width).cycle().zip(unused) {
                    codebooks[level][code * width..][..width].copy_from_slice(residual);
                }
                let data = TensorData::new(codebooks[level].clone(), [counts[level].len(), width]);
                let codebook = &mut self.model.codebooks[level];
                *codebook =
                    codebook.clone().map(|_| Tensor::from_data(data, &device).require_grad());
            }
        }
        Ok(unused.iter().map(Vec::len).collect())
    }

    /// The nearest codes with their reconstruction errors, and the latent vectors.
    fn quantise(&self, monitor: &Monitor) -> Result<(Quantised, Embeddings)> {
        let latents = self.encode(&all(self.embeddings), monitor)?;
        let codebooks = self.codebooks();
        let codes = self.assign(&latents, &codebooks, monitor)?;
        let reconstruction_errors = self.reconstruction_errors(&codebooks, &codes, monitor)?;
        let quantised = Quantised {
            dim: self.options.latent_dim,
            codes_per_level: self.codes_per_level.to_vec(),
            codebooks,
            codes,
            reconstruction_errors,
        };
        Ok((quantised, latents))
    }

    /// The latent vectors of some items.
    fn encode(&self, items: &[u32], monitor: &Monitor) -> Result<Embeddings> {
        let encoder = self.model.encoder.valid();
        let device = self.device().inner();
        let mut latents = Vec::with_capacity(items.len() * self.options.latent_dim);
        for chunk in items.chunks(ENCODED_AT_ONCE) {
            monitor.check_interrupt()?;
            latents.extend(values(encoder.forward(self.batch(chunk, &device))));
        }
        Embeddings::new(self.options.latent_dim, latents)
    }

    /// The nearest codes, level by level.
    fn assign(
        &self,
        latents: &Embeddings,
        codebooks: &[Vec<f32>],
        monitor: &Monitor,
    ) -> Result<Vec<u16>> {
        let levels = codebooks.len();
        let mut codes = vec![0; latents.rows() * levels];
        let progress = monitor.progress("assign codes", (latents.rows() * levels) as u64);
        for (level, codebook) in codebooks.iter().enumerate() {
            let residuals = Residuals::after(latents, &codebooks[..level], &codes, levels);
            let found = Assignment::nearest(residuals, codebook, &progress)?;
            for (sid, code) in codes.chunks_exact_mut(levels).zip(found.codes) {
                sid[level] = code;
            }
        }
        progress.finish();
        Ok(codes)
    }

    fn reconstruction_errors(
        &self,
        codebooks: &[Vec<f32>],
        codes: &[u16],
        monitor: &Monitor,
    ) -> Result<Vec<f64>> {
        let decoder: Mlp = self.model.decoder.valid();
        let device = self.device().inner();
        let (levels, width) = (codebooks.len(), self.options.latent_dim);
        let energy = Residuals::of(self.embeddings).sum_of_squares();
        let mut errors = vec![0.0; levels];
        for (chunk, items) in all(self.embeddings).chunks(ENCODED_AT_ONCE).enumerate() {
            let codes = &codes[chunk * ENCODED_AT_ONCE * levels..][..items.len() * levels];
            let mut summed = vec![0.0f32; items.len() * width];
            for level in 0..levels {
                monitor.check_interrupt()?;
                for (sum, sid) in summed.chunks_exact_mut(width).zip(codes.chunks_exact(levels)) {
                    let row = &codebooks[level][usize::from(sid[level]) * width..][..width];
                    sum.iter_mut().zip(row).for_each(|(sum, x)| *sum += x);
                }
                let data = TensorData::new(summed.clone(), [items.len(), width]);
                let decoded = values(decoder.forward(Tensor::from_data(data, &device)));
                for (&item, decoded) in
                    items.iter().zip(decoded.chunks_exact(self.embeddings.dim()))
                {
                    errors[level] +=
                        self.standard.squared_error(self.embeddings.row(item as usize), decoded);
                }
            }
        }
        errors
            .iter_mut()
            .for_each(|error| *error = if energy > 0.0 { *error / energy } else { 0.0 });
        Ok(errors)
    }

    /// Standardised embeddings of some items, `(B, D)`.
    fn batch(&self, items: &[u32], device: &Device) -> Tensor<2> {
        let dim = self.embeddings.dim();
        let mut rows = Vec::with_capacity(items.len() * dim);
        items
            .iter()
            .for_each(|&i| self.standard.append(self.embeddings.row(i as usize), &mut rows));
        Tensor::from_data(TensorData::new(rows, [items.len(), dim]), device)
    }

    fn codebooks(&self) -> Vec<Vec<f32>> {
        self.model.codebooks.iter().map(|codebook| values(codebook.val())).collect()
    }

    fn device(&self) -> Device {
        self.model.device()
    }
}

/// The indices of all items.
fn all(embeddings: &Embeddings) -> Vec<u32> {
    (0..embeddings.rows() as u32).collect()
}

#[expect(clippy::expect_used, reason = "a device of the host is always read")]
fn values(tensor: Tensor<2>) -> Vec<f32> {
    tensor.try_into_vec_as::<f32>().expect("values of 32 bits")
}

#[cfg(test)]
mod tests;
