//! Supervised training: the decoder predicts every code from the codes before.

use burn::module::Module;
use rand::seq::SliceRandom;
use serde::{Deserialize, Serialize};

use super::TrainInputs;
use super::candidates::Candidates;
use super::likelihood::{Likelihood, Normalise, next_items};
use crate::catalogue::Catalogue;
use crate::data::{Example, Histories};
use crate::error::{Error, Result, check_most};
use crate::evaluate::{ITEM_WEIGHTS, evaluate_weights};
use crate::event::{Epoch, Event, Monitor, Validation};
use crate::model::{Decoder, Dropout, Pass};
use crate::optim::{
    Optimiser, Place, Saved, Stage, batches_of, check_finite, check_rates, learning_rate,
};
use crate::random::{Purpose, stream};

/// The length and the speed of supervised training.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
#[non_exhaustive]
pub struct SftConfig {
    /// The most passes over the training sequences, unless these are fewer than `min_steps`.
    pub epochs: usize,
    /// The least number of planned optimiser steps: on little data more passes are planned, and
    /// evaluations stand further apart, so that there are as many. 0 means no floor.
    pub min_steps: usize,
    /// Tokens of an optimiser step, approximately.
    pub batch_tokens: usize,
    /// Tokens in one pass through the decoder, approximately: a larger batch is split and its
    /// gradients are summed, which bounds memory. 0 means all.
    pub micro_batch_tokens: usize,
    /// The codes over which the loss normalises.
    pub normalise: Normalise,
    /// The weight of the items' own cross-entropy beside that of their codes, where the tokens of
    /// prompts are items.
    pub item_loss: f64,
    /// The items drawn at each step beside its targets, over which that cross-entropy is taken; 0
    /// means all items.
    pub item_negatives: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps with a rising rate.
    pub warmup: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together.
    pub max_norm: f64,
    /// Epochs between two evaluations; more where `min_steps` plans more epochs.
    pub evaluate_every: usize,
    /// Evaluations without a better validation NDCG@10 after which training stops.
    pub patience: usize,
    /// Validation prompts of an evaluation, drawn by the seed; 0 means all.
    pub validation_prompts: usize,
}

impl Default for SftConfig {
    fn default() -> Self {
        Self {
            epochs: 24,
            min_steps: 1500,
            batch_tokens: 4096,
            micro_batch_tokens: 0,
            normalise: Normalise::Vocabulary,
            item_loss: 0.0,
            item_negatives: 16384,
            learning_rate: 2e-3,
            warmup: 0.05,
            weight_decay: 0.1,
            max_norm: 1.0,
            evaluate_every: 2,
            patience: 4,
            validation_prompts: 2000,
        }
    }
}

impl SftConfig {
    /// Checks the ranges; `section` is the settings' section in messages.
    ///
    /// # Errors
    ///
    /// If a count is 0 or a rate is out of its range.
    pub(crate) fn check(&self, section: &str) -> Result<()> {
        for (name, value) in [
            ("epochs", self.epochs),
            ("batch_tokens", self.batch_tokens),
            ("evaluate_every", self.evaluate_every),
            ("patience", self.patience),
        ] {
            if value == 0 {
                let key = format!("{section}.{name}");
                return Err(Error::setting(key, "is 0", "give at least 1"));
            }
        }
        let counts = [
            ("epochs", self.epochs, 1 << 31),
            ("batch_tokens", self.batch_tokens, 1 << 31),
            ("evaluate_every", self.evaluate_every, 1 << 31),
            ("patience", self.patience, 1 << 31),
        ];
        check_most(section, &counts)?;
        if !(self.item_loss >= 0.0 && self.item_loss.is_finite()) {
            let problem = format!("{} is no weight", self.item_loss);
            return Err(Error::setting(
                format!("{section}.item_loss"),
                problem,
                "give 0, or a number above; 0.5 is usual",
            ));
        }
        check_rates(section, self.learning_rate, self.warmup, self.weight_decay, self.max_norm)
    }
}

impl SftConfig {
    /// The largest pass of training, on histories of up to `max_history` items of so many tokens.
    #[must_use]
    pub(crate) fn pass(&self, max_history: usize, tokens_per_item: usize) -> Pass {
        let slots = (max_history + 1) * tokens_per_item;
        let tokens = match self.micro_batch_tokens {
            0 => self.batch_tokens,
            tokens => tokens.min(self.batch_tokens),
        };
        let rows = tokens.div_ceil(slots);
        let items = match self.item_negatives {
            _ if self.item_loss == 0.0 => 0,
            0 => usize::MAX,
            drawn => drawn.saturating_add(self.batch_tokens),
        };
        Pass { rows, slots, predictions: rows * slots / tokens_per_item, items }
    }

    /// The plan of a training with so many steps an epoch.
    fn schedule(&self, steps_per_epoch: usize) -> Schedule {
        let epochs = self.epochs.max(self.min_steps.div_ceil(steps_per_epoch));
        let steps = epochs.saturating_mul(steps_per_epoch);
        Schedule {
            epochs,
            evaluate_every: self.evaluate_every.saturating_mul(epochs).div_ceil(self.epochs),
            steps,
            warmup: (steps as f64 * self.warmup) as usize,
        }
    }
}

/// The plan of a training.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Schedule {
    epochs: usize,
    /// Epochs between two evaluations.
    evaluate_every: usize,
    /// Optimiser steps of all epochs.
    steps: usize,
    /// Steps with a rising learning rate.
    warmup: usize,
}

/// The progress of supervised training, as the checkpoint holds it.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct SftState {
    /// Epochs done.
    pub epoch: usize,
    /// Optimiser steps done.
    pub step: usize,
    /// The best validation NDCG@10, at item level.
    pub best_ndcg_at_10: f64,
    /// The epoch with the best NDCG@10.
    pub best_epoch: usize,
    /// The weight of items' log-probabilities in rankings, with which that NDCG@10 was best.
    #[serde(default)]
    pub item_weight: f32,
    /// Items trained on, counted in each pass: the label exposures.
    pub items_seen: u64,
    /// Whether training is finished.
    pub finished: bool,
    /// Seconds of training so far, without evaluations.
    pub train_seconds: f64,
}

/// Trains a decoder, or resumes the stage's checkpoint; returns the best decoder by validation
/// NDCG@10.
///
/// Long sequences are cut into windows of `max_history + 1` items that overlap by one item. So an
/// epoch predicts every item but a user's first exactly once. Windows are packed into rows without
/// padding between them. The loss is that of [`Likelihood`].
///
/// # Errors
///
/// If the user interrupts, a checkpoint cannot be written, or the loss is no longer finite.
pub(crate) fn sft(
    model: Decoder,
    inputs: TrainInputs<'_>,
    config: &SftConfig,
    dropout: f64,
    stage: &Stage,
    monitor: &Monitor,
) -> Result<(Decoder, SftState)> {
    let windows = windows(inputs.supervised(), inputs.catalogue.max_history + 1);
    let sequences: Vec<Vec<u32>> = windows
        .iter()
        .map(|window| {
            let whole = Catalogue { max_history: usize::MAX, ..inputs.catalogue };
            whole.prompt(&model, window)
        })
        .collect();
    let likelihood = Likelihood {
        catalogue: inputs.catalogue,
        normalise: config.normalise,
        item_loss: config.item_loss as f32,
        candidates: &Candidates::All,
    };
    let tokens: usize = sequences.iter().map(Vec::len).sum();
    let steps_per_epoch = tokens.div_ceil(config.batch_tokens).max(1);
    let schedule = config.schedule(steps_per_epoch);
    let validation = validation_sample(inputs.valid, config.validation_prompts, inputs.seed);

    let optimiser = Optimiser::new(config.weight_decay as f32, config.max_norm as f32);
    let fresh = SftState {
        epoch: 0,
        step: 0,
        best_ndcg_at_10: f64::NEG_INFINITY,
        best_epoch: 0,
        item_weight: 0.0,
        items_seen: 0,
        finished: false,
        train_seconds: 0.0,
    };
    let loaded = stage.load(|_: &SftState| model.clone(), &optimiser, monitor)?;
    let (mut model, mut optimiser, mut state) = loaded.unwrap_or((model, optimiser, fresh));
    let progress =
        monitor.progress(stage.name(), (schedule.epochs as u64).saturating_mul(tokens as u64));
    progress.resume_at(state.epoch as u64 * tokens as u64);
    while !state.finished {
        let started = std::time::Instant::now();
        let mut order: Vec<usize> = (0..sequences.len()).collect();
        order.shuffle(&mut stream(inputs.seed, Purpose::Order, state.epoch as u64));
        let (mut loss_sum, mut norm_sum, mut batches) = (0.0, 0.0, 0usize);
        let mut rate = 0.0;
        for batch in batches_of(&order, config.batch_tokens, |&i| sequences[i].len()) {
            monitor.check_interrupt()?;
            let prompts: Vec<&[u32]> = batch.iter().map(|&i| &sequences[i][..]).collect();
            let codes = likelihood.codes(&model, &prompts);
            let candidates = if config.item_loss > 0.0 {
                let (n_items, negatives) = (inputs.catalogue.sids.n_items(), config.item_negatives);
                Candidates::draw(next_items(&prompts), n_items, negatives, inputs.seed, state.step)
            } else {
                Candidates::All
            };
            let likelihood = Likelihood { candidates: &candidates, ..likelihood };
            let tokens = prompts.iter().map(|p| p.len()).sum();
            let tokens = inputs.replicas.micro_batch_tokens(config.micro_batch_tokens, tokens);
            let micro_batches = batches_of(&prompts, tokens, |p| p.len());
            let loss = |model: &Decoder, index: usize, prompts: &&[&[u32]]| {
                // each micro-batch has its own dropout masks, on any device
                let masks = (index as u64) << 32 | state.step as u64;
                let rng = stream(inputs.seed, Purpose::Dropout, masks);
                let mut dropout = Dropout::new(dropout as f32, rng);
                (likelihood.loss(model, prompts, codes, dropout.as_mut()), None)
            };
            rate = learning_rate(config.learning_rate, state.step, schedule.warmup, schedule.steps);
            let found = inputs.replicas.gradients(&optimiser, &model, &micro_batches, loss);
            state.step += 1;
            let place = Place { phase: stage.name(), step: state.step, batch: batches + 1 };
            check_finite(place, &model, &found)?;
            loss_sum += found.loss;
            norm_sum += f64::from(found.norm);
            batches += 1;
            progress.advance(prompts.iter().map(|p| p.len() as u64).sum());
            progress.note(&format!("loss {:.3}", found.loss));
            model = optimiser.step(rate, model, found.clipped);
        }
        state.epoch += 1;
        state.items_seen += windows.iter().map(|w| w.len() as u64).sum::<u64>();
        let seconds = started.elapsed().as_secs_f64();
        state.train_seconds += seconds;
        let event = Epoch {
            stage: stage.name(),
            epoch: state.epoch,
            step: state.step,
            loss: loss_sum / batches.max(1) as f64,
            gradient_norm: norm_sum / batches.max(1) as f64,
            learning_rate: rate,
            seconds,
        };
        monitor.record(&Event::Epoch(event))?;

        let last = state.epoch == schedule.epochs;
        if last || state.epoch.is_multiple_of(schedule.evaluate_every) {
            let (judged, label) = (&model.valid(), format!("{} validation", stage.name()));
            let (catalogue, evaluation) = (inputs.catalogue, inputs.evaluation);
            let weights = if config.item_loss > 0.0 { &ITEM_WEIGHTS[..] } else { &[0.0] };
            let (found, item_weight) = evaluate_weights(
                judged,
                catalogue,
                &validation,
                evaluation,
                weights,
                monitor,
                &label,
            )?;
            let found = found.item;
            monitor.record(&Event::Validation(Validation {
                phase: stage.name(),
                epoch: Some(state.epoch),
                step: None,
                pass_at_1: found.pass_at_1,
                recall_at_10: found.recall_at_10,
                ndcg_at_10: found.ndcg_at_10,
                best_pass_at_1: None,
                best_ndcg_at_10: None,
                generated: None,
            }))?;
            monitor.say(&format!(
                "{} epoch {}: loss {:.4}, validation Pass@1 {:.4}, R@10 {:.4}, N@10 {:.4}, {:.1} s an epoch",
                stage.name(), state.epoch, event.loss, found.pass_at_1, found.recall_at_10, found.ndcg_at_10, seconds
            ));
            let is_best = found.ndcg_at_10 > state.best_ndcg_at_10;
            if is_best {
                (state.best_ndcg_at_10, state.best_epoch) = (found.ndcg_at_10, state.epoch);
                state.item_weight = item_weight;
            }
            let waited = (state.epoch - state.best_epoch) / schedule.evaluate_every;
            state.finished = last || waited >= config.patience;
            monitor.sync()?;
            let (step, model, optimiser) = (state.step, &model, &optimiser);
            stage.save(&Saved { step, model, optimiser, reference: None, is_best }, &state)?;
            // evaluation's memory returns from a GPU's allocator, so that long runs take no more
            model.device().memory_cleanup();
        }
    }
    progress.finish();
    Ok((stage.load_best(model)?.with_item_weight(state.item_weight), state))
}

/// The items of each window, at most `items`; consecutive windows of a user share one item.
fn windows(train: &Histories, items: usize) -> Vec<&[u32]> {
    let mut windows = Vec::new();
    for mut rest in train.iter() {
        while rest.len() > 1 {
            let start = rest.len().saturating_sub(items);
            windows.push(&rest[start..]);
            rest = &rest[..if start == 0 { 0 } else { start + 1 }];
        }
    }
    windows
}

/// Validation examples drawn without replacement, in their own order; 0 means all.
pub(super) fn validation_sample(examples: &[Example], prompts: usize, seed: u64) -> Vec<Example> {
    let mut rng = stream(seed, Purpose::Validation, 0);
    let mut chosen: Vec<usize> = (0..examples.len()).collect();
    if prompts > 0 && prompts < examples.len() {
        chosen.shuffle(&mut rng);
        chosen.truncate(prompts);
        chosen.sort_unstable();
    }
    chosen.into_iter().map(|i| examples[i].clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn little_data_are_trained_on_for_more_epochs_and_judged_as_often() {
        let config = SftConfig { min_steps: 1000, ..SftConfig::default() };
        for (steps_per_epoch, epochs, evaluate_every) in
            [(1, 1000, 84), (5, 200, 17), (41, 25, 3), (42, 24, 2), (9999, 24, 2)]
        {
            let schedule = config.schedule(steps_per_epoch);
            assert_eq!((schedule.epochs, schedule.evaluate_every), (epochs, evaluate_every));
            assert_eq!(schedule.steps, epochs * steps_per_epoch);
            assert_eq!(schedule.warmup, schedule.steps / 20);
            // the last evaluation is that of the last epoch
            assert!(epochs.div_ceil(evaluate_every) <= 12, "{steps_per_epoch}");
        }
        let free = SftConfig { min_steps: 0, ..config.clone() };
        assert_eq!(free.schedule(1).epochs, 24);
        let endless = SftConfig { min_steps: usize::MAX, ..config };
        assert_eq!(endless.schedule(2).steps, usize::MAX);
    }

    #[test]
    fn windows_predict_every_item_but_the_first_once() {
        let mut train = Histories::default();
        train.push(&[0, 1, 2, 3, 4, 5, 6]);
        train.push(&[7]);
        train.push(&[8, 9]);
        let windows = windows(&train, 4);
        assert_eq!(windows, [&[3, 4, 5, 6][..], &[0, 1, 2, 3], &[8, 9]]);
    }
}
