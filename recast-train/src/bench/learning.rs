//! The cost of rollouts, selection, updates and whole steps, by the trainer's own code.

use std::hint::black_box;

use burn::module::Module;
use burn::tensor::Tensor;
use recast_core::Signal;
use recast_core::objective::Objective;

use super::report::{Load, rl_step_name, rollout_name, update_name};
use super::{Bench, BenchConfig, Inputs, flops};
use crate::decode::{Completion, Searcher, unconstrained_beam_search};
use crate::error::Result;
use crate::model::Decoder;
use crate::optim::{Optimiser, Replicas};
use crate::reward::Rewards;
use crate::train::{KeptGroup, Layout, Selector, SignalName, Update};

impl Bench<'_> {
    /// Rollout, selection, the four updates and whole steps of groups of one size.
    pub(super) fn group(&mut self, inputs: &Inputs, group_size: usize) -> Result<()> {
        let config = self.config;
        let prompts = inputs.prompts(config.groups);
        let slices: Vec<&[u32]> = prompts.iter().map(Vec::as_slice).collect();
        let frozen = inputs.decoder.valid();
        let replicas = Replicas::new(vec![inputs.decoder.device()]);
        let searcher = Searcher::new(&frozen, &inputs.trie);
        let of_size = |name: &str| format!("{name}, G = {group_size}");
        let flops = flops::beam_search(&config.model, &inputs.table, &slices, group_size);
        let load = Load { flops: Some(flops), ..Load::of("prompts", prompts.len()) };
        self.measure(of_size(rollout_name(true)), load, || {
            black_box(searcher.beams(&slices, group_size));
        })?;
        self.measure(of_size(rollout_name(false)), load, || {
            black_box(unconstrained_beam_search(&frozen, &slices, group_size));
        })?;
        let rollouts = searcher.beams(&slices, group_size);
        self.measure(of_size("selection"), Load::of("groups", prompts.len()), || {
            black_box(kept(inputs, &Signal::recast(), &prompts, &rollouts).is_ok());
        })?;
        let signals = [
            ("ReCast", SignalName::Recast, Signal::recast()),
            ("GRPO", SignalName::Grpo, Signal::grpo()),
        ];
        for (title, name, signal) in signals {
            let groups = kept(inputs, &signal, &prompts, &rollouts)?;
            for layout in [Layout::Packed, Layout::RowWise] {
                let load = Load {
                    flops: Some(flops::update(&config.model, &inputs.table, &groups, layout)),
                    memory: Some(config.update_memory(name, group_size, layout)),
                    ..Load::of("groups", groups.len())
                };
                let mut learner = Learner::new(inputs, config, &signal, layout, &replicas);
                // the loss reads any old log-probs at equal cost
                let old = learner.log_probs(&frozen, &groups);
                let (done, update) = (&mut Ok(()), &mut || learner.take(&groups, &old, &old));
                self.measure(of_size(&update_name(title, layout)), load, || keep(done, update()))?;
                std::mem::replace(done, Ok(()))?;
            }
            // the groups of every step have these sizes, for any completions
            let update = flops::update(&config.model, &inputs.table, &groups, Layout::Packed);
            let flops = flops + update * (1.0 + 2.0 / flops::WITH_BACKWARD);
            let mut learner = Learner::new(inputs, config, &signal, Layout::Packed, &replicas);
            let mut done = Ok(());
            let load = Load { flops: Some(flops), ..Load::of("groups", groups.len()) };
            self.measure(of_size(&rl_step_name(title)), load, || {
                let frozen = learner.model.valid();
                let searcher = Searcher::new(&frozen, &inputs.trie);
                let rollouts = searcher.beams(&slices, group_size);
                let step = kept(inputs, &signal, &prompts, &rollouts).and_then(|groups| {
                    let old = learner.log_probs(&frozen, &groups);
                    let reference = learner.log_probs(&inputs.decoder.valid(), &groups);
                    learner.take(&groups, &old, &reference)
                });
                keep(&mut done, step);
            })?;
            done?;
        }
        Ok(())
    }
}

/// The groups as a signal keeps them; the target is the middle completion of each group.
fn kept(
    inputs: &Inputs,
    signal: &Signal<f32>,
    prompts: &[Vec<u32>],
    rollouts: &[Vec<Completion>],
) -> Result<Vec<KeptGroup>> {
    let mut groups = Vec::with_capacity(prompts.len());
    let (rewards, sids, trie) = (&Rewards::hit_alone(), &inputs.table, &inputs.trie);
    let selector = Selector { signal, rewards, sids, trie };
    for (prompt, completions) in prompts.iter().zip(rollouts) {
        let target = trie.items(completions[completions.len() / 2].leaf)[0];
        groups.extend(selector.kept(prompt.clone(), completions, &[target])?);
    }
    Ok(groups)
}

/// Keeps the first error of measured work, whose closure returns nothing.
fn keep(done: &mut Result<()>, part: Result<()>) {
    if done.is_ok() {
        *done = part;
    }
}

/// A policy that repeats the trainer's step on groups.
struct Learner<'a> {
    update: Update<'a>,
    model: Decoder,
    optimiser: Optimiser,
}

impl<'a> Learner<'a> {
    fn new(
        inputs: &'a Inputs,
        config: &BenchConfig,
        signal: &Signal<f32>,
        layout: Layout,
        replicas: &'a Replicas,
    ) -> Self {
        let update = Update {
            trie: &inputs.trie,
            layout,
            micro_batch_tokens: config.micro_batch_tokens,
            groups_per_minibatch: config.groups.max(1),
            loss: signal.loss(),
            objective: Objective::default(),
            replicas,
        };
        Self { update, model: inputs.decoder.clone(), optimiser: Optimiser::new(0.0, 1.0) }
    }

    fn log_probs(&self, model: &Decoder, groups: &[KeptGroup]) -> Vec<Vec<Tensor<1>>> {
        self.update.log_probs(model, &self.update.minibatches(groups, model.levels()))
    }

    /// Takes one optimiser step for each minibatch, with log-probabilities of
    /// [`Learner::log_probs`].
    fn take(
        &mut self,
        groups: &[KeptGroup],
        old: &[Vec<Tensor<1>>],
        reference: &[Vec<Tensor<1>>],
    ) -> Result<()> {
        let minibatches = self.update.minibatches(groups, self.model.levels());
        for ((minibatch, old), reference) in minibatches.iter().zip(old).zip(reference) {
            let found = self.update.gradients(
                &self.optimiser,
                &self.model,
                minibatch,
                Some(old),
                Some(reference),
            )?;
            self.model = self.optimiser.step(1e-6, self.model.clone(), found.clipped);
        }
        Ok(())
    }
}
