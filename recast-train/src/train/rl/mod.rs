//! The loop of reinforcement learning: one for every signal.

mod config;
mod loss;
mod select;
mod state;

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use recast_core::Signal;
use recast_core::objective::{Objective, is_clipped, kl_penalty};

pub use self::config::{RecastConfig, RlConfig, SignalName};
pub use self::loss::{Layout, completion_log_probs, group_loss, micro_batches};
pub use self::select::{GroupOutcome, KeptGroup, RlPrompt, select_group};
pub use self::state::RlState;
use super::TrainInputs;
use super::sft::validation_sample;
use crate::data::Histories;
use crate::decode::Searcher;
use crate::error::{Error, Result};
use crate::evaluate::evaluate;
use crate::event::{Event, GroupCounts, Monitor, PhaseSeconds, RlStep, Validation};
use crate::model::Decoder;
use crate::optim::Stage;
use crate::optim::{Optimiser, check_finite, learning_rate};
use crate::random::{Purpose, stream};

/// Trains the supervised decoder with one signal, or goes on from the stage's checkpoint; the best
/// decoder by validation Pass@1, the supervised one among them.
///
/// A step generates a group for each prompt by beam search, rewards and selects, computes old and
/// reference log-probabilities of what was kept, and takes one optimiser step for each mini-batch
/// of whole groups. Prompts are those of all signals: equal seed, equal prompts in equal order.
///
/// # Errors
/// If the user interrupts, a checkpoint cannot be written, or the loss is no longer finite.
pub fn rl(
    start: &Decoder,
    inputs: TrainInputs<'_>,
    name: SignalName,
    config: &RlConfig,
    stage: &Stage,
    monitor: &Monitor,
) -> Result<(Decoder, RlState)> {
    let validation = validation_sample(inputs.valid, config.validation_prompts, inputs.seed);
    let fresh = RlState {
        step: 0,
        optimiser_steps: 0,
        best_pass_at_1: f64::NEG_INFINITY,
        best_step: 0,
        groups: GroupCounts::default(),
        seconds: PhaseSeconds::default(),
        finished: false,
    };
    let optimiser = Optimiser::new(config.weight_decay as f32, config.max_norm as f32);
    let loaded = stage.load::<RlState>(start.clone(), optimiser.clone())?;
    let (policy, optimiser, state) = loaded.unwrap_or_else(|| (start.clone(), optimiser, fresh));
    let mut training = Training {
        reference: start.valid(),
        policy,
        optimiser,
        state,
        inputs,
        signal: config.signal(name),
        name,
        objective: config.objective()?,
        config,
        prompts: PromptOrder::new(inputs.train, inputs.seed),
        monitor,
    };
    let label = format!("rl {}", name.key());
    let progress = monitor.progress(&label, config.steps as u64);
    progress.resume_at(training.state.step as u64);
    while !training.state.finished {
        let state = training.state;
        if state.step.is_multiple_of(config.evaluate_every) || state.step == config.steps {
            let started = Instant::now();
            let policy = training.policy.valid();
            let label = format!("rl {} validation", name.key());
            let found = evaluate(
                &policy,
                inputs.catalogue,
                &validation,
                inputs.evaluation,
                monitor,
                &label,
            )?
            .item;
            training.state.seconds.evaluate += started.elapsed().as_secs_f64();
            monitor.record(&Event::Validation(Validation {
                phase: name.key(),
                epoch: None,
                step: Some(state.step),
                pass_at_1: found.pass_at_1,
                recall_at_10: found.recall_at_10,
                ndcg_at_10: found.ndcg_at_10,
                generated: Some(state.groups.generated),
            }))?;
            monitor.say(&format!(
                "rl {} step {}: validation Pass@1 {:.4}, R@10 {:.4}, N@10 {:.4}",
                name.key(),
                state.step,
                found.pass_at_1,
                found.recall_at_10,
                found.ndcg_at_10
            ));
            if found.pass_at_1 > state.best_pass_at_1 {
                training.state.best_pass_at_1 = found.pass_at_1;
                training.state.best_step = state.step;
                stage.save_best(&training.policy)?;
            }
            training.state.finished = state.step == config.steps;
            stage.save(state.step, &training.policy, &training.optimiser, &training.state)?;
            // what evaluation took from a GPU's allocator goes back, so that long runs take no more
            training.policy.device().memory_cleanup();
        }
        if !training.state.finished {
            monitor.check_interrupt()?;
            training.step()?;
            progress.advance(1);
        }
    }
    progress.finish();
    Ok((stage.load_best(start.clone())?, training.state))
}

/// All prompts, shuffled anew for each pass over them.
struct PromptOrder {
    prompts: Vec<RlPrompt>,
    shuffled: Vec<RlPrompt>,
    pass: Option<usize>,
    seed: u64,
}

impl PromptOrder {
    fn new(train: &Histories, seed: u64) -> Self {
        Self { prompts: RlPrompt::all(train), shuffled: Vec::new(), pass: None, seed }
    }

    /// `count` prompts from the `start`-th of the endless order.
    fn take(&mut self, start: usize, count: usize) -> Vec<RlPrompt> {
        (start..start + count).map(|i| self.at(i)).collect()
    }

    fn at(&mut self, i: usize) -> RlPrompt {
        let pass = i / self.prompts.len();
        if self.pass != Some(pass) {
            self.shuffled.clone_from(&self.prompts);
            self.shuffled.shuffle(&mut stream(self.seed, Purpose::Prompts, pass as u64));
            self.pass = Some(pass);
        }
        self.shuffled[i % self.prompts.len()]
    }
}

struct Training<'a> {
    reference: Decoder,
    policy: Decoder,
    optimiser: Optimiser,
    state: RlState,
    inputs: TrainInputs<'a>,
    signal: Signal<f32>,
    name: SignalName,
    objective: Objective<f32>,
    config: &'a RlConfig,
    prompts: PromptOrder,
    monitor: &'a Monitor,
}

/// The groups of an optimiser step, by micro-batch.
type Minibatch<'a> = Vec<&'a [KeptGroup]>;

/// A micro-batch with the log-probs that its loss compares with.
struct Part<'a> {
    groups: &'a [KeptGroup],
    /// None if the policy at hand is the one that generated them.
    old: Option<Tensor<1>>,
    reference: Tensor<1>,
}

/// Sums over the mini-batches of a step.
#[derive(Default)]
struct StepSums {
    minibatches: usize,
    loss: f64,
    norm: f64,
    tokens: usize,
    clipped: usize,
    kl: f64,
}

impl Training<'_> {
    fn step(&mut self) -> Result<()> {
        let batch = self.config.prompts_per_step;
        let prompts = self.prompts.take(self.state.step * batch, batch);
        let frozen = self.policy.valid();
        let (groups, mean_reward) = self.rollout(&frozen, &prompts)?;

        let mut sums = StepSums::default();
        let mut rate = 0.0;
        // log-probs of the whole step come first: the rollout policy is the one before any update; those of the first
        // minibatch its update computes itself
        let RlConfig { layout, micro_batch_tokens, .. } = *self.config;
        let levels = frozen.levels();
        let replicas = self.inputs.replicas;
        let minibatches: Vec<Minibatch<'_>> = groups
            .chunks(self.config.groups_per_minibatch)
            .map(|groups| {
                let tokens = groups.iter().map(|group| layout.tokens(group, levels)).sum();
                let tokens = replicas.micro_batch_tokens(micro_batch_tokens, tokens);
                micro_batches(groups, tokens, layout, levels)
            })
            .collect();
        let later = minibatches.get(1..).unwrap_or_default();
        let later = self.log_probs(&frozen, later, |seconds| &mut seconds.old_log_prob)?;
        let old = std::iter::once(None).chain(later.into_iter().map(Some));
        let reference = self.reference.clone();
        let reference =
            self.log_probs(&reference, &minibatches, |seconds| &mut seconds.ref_log_prob)?;
        for ((groups, old), reference) in minibatches.into_iter().zip(old).zip(reference) {
            rate = self.update(&groups, old.as_deref(), reference, &mut sums)?;
        }
        self.state.step += 1;
        let count = sums.minibatches.max(1) as f64;
        self.monitor.record(&Event::RlStep(RlStep {
            signal: self.name.key(),
            step: self.state.step,
            loss: sums.loss / count,
            gradient_norm: sums.norm / count,
            clip_fraction: sums.clipped as f64 / sums.tokens.max(1) as f64,
            kl: sums.kl / sums.tokens.max(1) as f64,
            mean_reward,
            learning_rate: rate,
            groups: self.state.groups,
            seconds: self.state.seconds,
        }))
    }

    /// Generates a group for each prompt and keeps what the signal selects.
    fn rollout(&mut self, frozen: &Decoder, prompts: &[RlPrompt]) -> Result<(Vec<KeptGroup>, f64)> {
        let started = Instant::now();
        let (train, catalogue) = (self.inputs.train, self.inputs.catalogue);
        // prompts of like length are decoded together; groups keep the order of prompts
        let tokens: Vec<Vec<u32>> =
            prompts.iter().map(|p| catalogue.prompt(frozen, p.history(train))).collect();
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|&i| tokens[i].len());
        let mut completions = vec![Vec::new(); prompts.len()];
        let searcher = Searcher::new(frozen, catalogue.trie);
        for batch in order.chunks(DECODE_PROMPTS) {
            let batch_tokens: Vec<&[u32]> = batch.iter().map(|&i| &tokens[i][..]).collect();
            let found = searcher.beams(&batch_tokens, self.config.group_size);
            for (&i, found) in batch.iter().zip(found) {
                completions[i] = found;
            }
        }
        self.state.seconds.generate += started.elapsed().as_secs_f64();

        let started = Instant::now();
        let (signal, sids, trie) = (&self.signal, catalogue.sids, catalogue.trie);
        let outcomes: Vec<GroupOutcome> = prompts
            .par_iter()
            .zip(tokens)
            .zip(&completions)
            .map(|((p, tokens), found)| {
                select_group(signal, tokens, found, p.target(train), sids, trie)
            })
            .collect::<Result<_>>()?;
        for (outcome, completions) in outcomes.iter().zip(&completions) {
            self.state.groups.count(outcome, completions.len());
        }
        let rewards: f64 = outcomes.iter().map(|o| f64::from(o.mean_reward)).sum();
        let mean_reward = rewards / outcomes.len().max(1) as f64;
        let kept = outcomes.into_iter().filter_map(|outcome| outcome.kept.ok()).collect();
        self.state.seconds.select += started.elapsed().as_secs_f64();
        Ok((kept, mean_reward))
    }

    fn log_probs(
        &mut self,
        model: &Decoder,
        minibatches: &[Minibatch<'_>],
        timer: impl Fn(&mut PhaseSeconds) -> &mut f64,
    ) -> Result<Vec<Vec<Tensor<1>>>> {
        let started = Instant::now();
        let (trie, layout) = (self.inputs.catalogue.trie, self.config.layout);
        let of_groups = |groups: &&[KeptGroup]| completion_log_probs(model, trie, groups, layout);
        let log_probs =
            minibatches.iter().map(|groups| groups.iter().map(of_groups).collect()).collect();
        *timer(&mut self.state.seconds) += seconds_since(started, &model.device())?;
        Ok(log_probs)
    }

    /// One optimiser step on whole groups; the learning rate it took. Without old log-probs the policy at hand is the one
    /// that generated them.
    fn update(
        &mut self,
        minibatch: &Minibatch<'_>,
        old: Option<&[Tensor<1>]>,
        reference: Vec<Tensor<1>>,
        sums: &mut StepSums,
    ) -> Result<f64> {
        let started = Instant::now();
        let (config, trie, model) = (self.config, self.inputs.catalogue.trie, &self.policy);
        let of_groups = minibatch.iter().map(|groups| groups.len()).sum();
        let parts: Vec<Part<'_>> = minibatch
            .iter()
            .enumerate()
            .zip(reference)
            .map(|((i, &groups), reference)| Part {
                groups,
                old: old.map(|old| old[i].clone()),
                reference,
            })
            .collect();
        let loss = |model: &Decoder, _: usize, part: &Part<'_>| {
            let policy = completion_log_probs(model, trie, part.groups, config.layout);
            let device = policy.device().inner();
            let at_hand = policy.clone().inner();
            let old = part.old.clone().map_or(at_hand.clone(), |old| old.to_device(&device));
            let reference = part.reference.clone().to_device(&device);
            let token_log_probs = [at_hand, old.clone(), reference.clone()];
            let (old, reference) = (Tensor::from_inner(old), Tensor::from_inner(reference));
            let (groups, levels) = (part.groups, model.levels());
            let objective = &self.objective;
            let loss = group_loss(policy, old, reference, groups, of_groups, levels, objective);
            (loss, token_log_probs)
        };
        let replicas = self.inputs.replicas;
        let (found, token_log_probs) = replicas.gradients(&self.optimiser, model, &parts, loss);
        self.state.seconds.update += started.elapsed().as_secs_f64();
        self.state.optimiser_steps += 1;
        check_finite(&format!("rl {}", self.name.key()), self.state.optimiser_steps, &found)?;

        let started = Instant::now();
        let steps = config.steps * config.minibatches();
        let warmup = (steps as f64 * config.warmup) as usize;
        let rate =
            learning_rate(config.learning_rate, self.state.optimiser_steps - 1, warmup, steps);
        self.policy = self.optimiser.step(rate, self.policy.clone(), found.clipped);
        self.state.seconds.optimiser += seconds_since(started, &self.policy.device())?;

        for (groups, log_probs) in minibatch.iter().zip(token_log_probs) {
            let advantages: Vec<f32> =
                groups.iter().flat_map(|group| group.advantages.iter().copied()).collect();
            let by_token = advantages.iter().cycle();
            let [policy, old, reference] = log_probs.map(numbers);
            for (((&policy, &old), &reference), &advantage) in
                policy.iter().zip(&old).zip(&reference).zip(by_token)
            {
                let clipped = is_clipped(policy, old, advantage, &self.objective);
                sums.clipped += usize::from(clipped);
                sums.kl += f64::from(kl_penalty(policy, reference, &self.objective).value);
            }
            sums.tokens += policy.len();
        }
        sums.minibatches += 1;
        sums.loss += found.loss;
        sums.norm += f64::from(found.norm);
        Ok(rate)
    }
}

/// Prompts decoded at once.
const DECODE_PROMPTS: usize = 64;

/// Seconds until the device has done what it was given.
fn seconds_since(started: Instant, device: &Device) -> Result<f64> {
    device.sync().map_err(Error::device)?;
    Ok(started.elapsed().as_secs_f64())
}

fn numbers(tensor: Tensor<1>) -> Vec<f32> {
    #[expect(clippy::expect_used, reason = "the decoder's weights are f32")]
    tensor.into_data().try_into_vec::<f32>().expect("f32 log-probabilities")
}
