//! The loop of reinforcement learning: one for every signal.

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Tensor, TensorData};
use rand::seq::SliceRandom;
use rayon::prelude::*;
use recast_core::metrics::RegimeCounts;
use recast_core::objective::{Clip, KlEstimator, Objective, is_clipped, kl_penalty};
use recast_core::signal::{Recast, RepairPolicy, Skip};
use recast_core::{Regime, Signal};
use serde::{Deserialize, Serialize};

use super::rollout::{GroupOutcome, KeptGroup, RlPrompt, select_group};
use super::sft::{check_finite, check_rates, validation_sample};
use super::update::{completion_log_probs, group_loss};
use super::{Optimiser, learning_rate};
use crate::data::{Example, Histories};
use crate::decode::beam_search;
use crate::error::{Error, Result};
use crate::evaluate::{Catalogue, EvaluateConfig, evaluate};
use crate::model::Decoder;
use crate::random::{Purpose, stream};
use crate::run::{Monitor, Stage};

/// The signals that can be compared: the only difference between two systems.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, clap::ValueEnum)]
#[serde(rename_all = "snake_case")]
pub enum SignalName {
    /// OpenOneRec-RL: group-relative advantages of all completions.
    Grpo,
    /// ReRe / MiniOneRec: hit plus ranking penalty, group-relative, all completions.
    Rere,
    /// ReCast: repair, then contrast.
    Recast,
}

impl SignalName {
    /// The name in configuration, folders and events.
    #[must_use]
    pub const fn key(self) -> &'static str {
        match self {
            Self::Grpo => "grpo",
            Self::Rere => "rere",
            Self::Recast => "recast",
        }
    }

    /// The name in tables.
    #[must_use]
    pub const fn title(self) -> &'static str {
        match self {
            Self::Grpo => "GRPO",
            Self::Rere => "ReRe",
            Self::Recast => "ReCast",
        }
    }
}

/// ReCast's own settings; the four values of `repair` and `boundary` are the 2 x 2 ablation.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RecastConfig {
    /// Whether an all-zero group gets the ground-truth anchor.
    pub repair: bool,
    /// Whether only the strongest positive and the hardest negative are kept.
    pub boundary: bool,
    /// The advantage of the positive; the negative gets minus that.
    pub weight: f64,
}

impl Default for RecastConfig {
    fn default() -> Self {
        Self { repair: true, boundary: true, weight: 1.0 }
    }
}

/// How long, how wide and how fast reinforcement learning goes.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct RlConfig {
    /// The signals to train with, each from the same supervised checkpoint.
    pub signals: Vec<SignalName>,
    /// Rollout steps.
    pub steps: usize,
    /// Prompts of a step, a group each.
    pub prompts_per_step: usize,
    /// Completions `G` of a group.
    pub group_size: usize,
    /// Whole groups of an optimiser step.
    pub groups_per_minibatch: usize,
    /// Peak learning rate.
    pub learning_rate: f64,
    /// Share of the steps in which the rate rises.
    pub warmup: f64,
    /// Decoupled weight decay.
    pub weight_decay: f64,
    /// Largest norm of all gradients together.
    pub max_norm: f64,
    /// How far below 1 the ratio counts.
    pub clip_low: f64,
    /// How far above 1 the ratio counts.
    pub clip_high: f64,
    /// Bound of a negative's loss, in units of its advantage.
    pub dual_clip: f64,
    /// Coefficient of the k3 penalty towards the reference.
    pub kl_coef: f64,
    /// Steps between two evaluations.
    pub evaluate_every: usize,
    /// Validation prompts of an evaluation, drawn by the seed; 0 means all.
    pub validation_prompts: usize,
    /// ReCast's own settings.
    pub recast: RecastConfig,
}

impl Default for RlConfig {
    fn default() -> Self {
        Self {
            signals: vec![SignalName::Grpo, SignalName::Rere, SignalName::Recast],
            steps: 200,
            prompts_per_step: 64,
            group_size: 32,
            groups_per_minibatch: 32,
            learning_rate: 1e-4,
            warmup: 0.05,
            weight_decay: 0.0,
            max_norm: 1.0,
            clip_low: 0.2,
            clip_high: 0.28,
            dual_clip: 3.0,
            kl_coef: 1e-3,
            evaluate_every: 20,
            validation_prompts: 2000,
            recast: RecastConfig::default(),
        }
    }
}

impl RlConfig {
    /// Checks the ranges.
    ///
    /// # Errors
    /// If a count is 0, a rate is out of its range, or core refuses the signal or the objective.
    pub fn check(&self) -> Result<()> {
        for (key, value) in [
            ("rl.steps", self.steps),
            ("rl.prompts_per_step", self.prompts_per_step),
            ("rl.groups_per_minibatch", self.groups_per_minibatch),
            ("rl.evaluate_every", self.evaluate_every),
        ] {
            if value == 0 {
                return Err(Error::setting(key, "is 0", "give at least 1"));
            }
        }
        if self.group_size < 2 {
            let problem = format!("{} completions are no group", self.group_size);
            return Err(Error::setting("rl.group_size", problem, "give at least 2"));
        }
        let mut signals = self.signals.clone();
        signals.sort_unstable_by_key(|signal| signal.key());
        if let Some(twice) = signals.windows(2).find(|pair| pair[0] == pair[1]) {
            let problem = format!("names '{}' twice", twice[0].key());
            return Err(Error::setting("rl.signals", problem, "name each signal once"));
        }
        check_rates("rl", self.learning_rate, self.warmup, self.weight_decay, self.max_norm)?;
        self.objective()?;
        for &name in &[SignalName::Grpo, SignalName::Rere, SignalName::Recast] {
            self.signal(name).check().map_err(|e| {
                Error::setting("rl.recast", e.to_string(), "see recast init for the usual values")
            })?;
        }
        Ok(())
    }

    /// Core's signal of that name under these settings.
    #[must_use]
    pub fn signal(&self, name: SignalName) -> Signal<f32> {
        match name {
            SignalName::Grpo => Signal::grpo(),
            SignalName::Rere => Signal::rere(),
            SignalName::Recast => {
                let repair = match self.recast.repair {
                    true => RepairPolicy::Always,
                    false => RepairPolicy::Never,
                };
                let (boundary, weight) = (self.recast.boundary, self.recast.weight as f32);
                Signal::Recast(Recast { repair, boundary, weight, ..Recast::default() })
            }
        }
    }

    fn objective(&self) -> Result<Objective<f32>> {
        Clip::new(self.clip_low as f32, self.clip_high as f32, Some(self.dual_clip as f32))
            .and_then(|clip| Objective::new(clip, 20.0, KlEstimator::K3, self.kl_coef as f32))
            .map_err(|e| {
                Error::setting("rl", e.to_string(), "see recast init for the usual values")
            })
    }

    /// Optimiser steps that follow one rollout step.
    fn minibatches(&self) -> usize {
        self.prompts_per_step.div_ceil(self.groups_per_minibatch)
    }
}

/// What reinforcement learning reads.
#[derive(Debug, Clone, Copy)]
pub struct RlData<'a> {
    /// Training sequences, by user.
    pub train: &'a Histories,
    /// Validation examples.
    pub valid: &'a [Example],
    /// Semantic IDs and prompts.
    pub catalogue: Catalogue<'a>,
}

/// How many groups went which way.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupCounts {
    /// Groups without a hit.
    pub all_zero: u64,
    /// Groups with one hit.
    pub single_hit: u64,
    /// Groups with several hits and misses.
    pub multi_hit: u64,
    /// Groups of hits only.
    pub all_hit: u64,
    /// Groups that the anchor repaired; anchors are no generated completions.
    pub repaired: u64,
    /// Groups left out for want of a positive.
    pub skipped_no_positive: u64,
    /// Groups left out for want of a negative.
    pub skipped_no_negative: u64,
    /// Completions generated: the rollout budget.
    pub generated: u64,
    /// Sequences that reached the log-prob passes and the update.
    pub trained: u64,
}

impl GroupCounts {
    fn count(&mut self, outcome: &GroupOutcome, generated: usize) {
        let mut regimes = RegimeCounts::default();
        regimes.count(outcome.regime);
        self.all_zero += regimes.all_zero;
        self.single_hit += regimes.single_hit;
        self.multi_hit += regimes.multi_hit;
        self.all_hit += regimes.all_hit;
        self.repaired += u64::from(outcome.repaired);
        self.generated += generated as u64;
        match &outcome.kept {
            Ok(kept) => self.trained += kept.leaves.len() as u64,
            Err(Skip::NoPositive) => self.skipped_no_positive += 1,
            Err(Skip::NoNegative) => self.skipped_no_negative += 1,
        }
    }

    /// Groups in all.
    #[must_use]
    pub fn groups(&self) -> u64 {
        self.all_zero + self.single_hit + self.multi_hit + self.all_hit
    }

    /// The share of a regime among all groups; 0 without groups.
    #[must_use]
    pub fn share(&self, regime: Regime) -> f64 {
        let of_regime = match regime {
            Regime::AllZero => self.all_zero,
            Regime::SingleHit => self.single_hit,
            Regime::MultiHit => self.multi_hit,
            Regime::AllHit => self.all_hit,
        };
        of_regime as f64 / self.groups().max(1) as f64
    }
}

/// Seconds of each phase.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize)]
pub struct PhaseSeconds {
    /// Beam search.
    pub generate: f64,
    /// Reward, repair and selection.
    pub select: f64,
    /// Log-probabilities of what was kept under the rollout policy.
    pub old_log_prob: f64,
    /// The same under the reference.
    pub ref_log_prob: f64,
    /// The policy's forward and backward pass.
    pub update: f64,
    /// Clipped gradients to weights.
    pub optimiser: f64,
    /// Validation.
    pub evaluate: f64,
}

impl PhaseSeconds {
    /// All phases together.
    #[must_use]
    pub fn total(&self) -> f64 {
        self.generate
            + self.select
            + self.old_log_prob
            + self.ref_log_prob
            + self.update
            + self.optimiser
            + self.evaluate
    }
}

/// How far reinforcement learning is; what its checkpoint says.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize)]
pub struct RlState {
    /// Rollout steps done.
    pub step: usize,
    /// Optimiser steps done.
    pub optimiser_steps: usize,
    /// The best validation Pass@1, at item level; step 0 is the supervised decoder.
    pub best_pass_at_1: f64,
    /// The step it was reached after.
    pub best_step: usize,
    /// Groups so far.
    pub groups: GroupCounts,
    /// Seconds so far.
    pub seconds: PhaseSeconds,
    /// Whether all steps are done.
    pub finished: bool,
}

#[derive(Serialize)]
struct StepEvent<'a> {
    signal: &'a str,
    step: usize,
    loss: f64,
    gradient_norm: f64,
    clip_fraction: f64,
    kl: f64,
    mean_reward: f64,
    learning_rate: f64,
    groups: GroupCounts,
    seconds: PhaseSeconds,
}

#[derive(Serialize)]
struct ValidationEvent<'a> {
    phase: &'a str,
    step: usize,
    pass_at_1: f64,
    recall_at_10: f64,
    ndcg_at_10: f64,
    generated: u64,
}

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
    data: RlData<'_>,
    name: SignalName,
    config: &RlConfig,
    evaluation: &EvaluateConfig,
    seed: u64,
    stage: &Stage,
    monitor: &Monitor,
) -> Result<(Decoder, RlState)> {
    let validation = validation_sample(data.valid, config.validation_prompts, seed);
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
        data,
        signal: config.signal(name),
        name,
        objective: config.objective()?,
        config,
        prompts: PromptOrder::new(data.train, seed),
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
            let found =
                evaluate(&policy, data.catalogue, &validation, evaluation, monitor, &label)?.item;
            training.state.seconds.evaluate += started.elapsed().as_secs_f64();
            monitor.record(
                "validation",
                &ValidationEvent {
                    phase: name.key(),
                    step: state.step,
                    pass_at_1: found.pass_at_1,
                    recall_at_10: found.recall_at_10,
                    ndcg_at_10: found.ndcg_at_10,
                    generated: state.groups.generated,
                },
            )?;
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
    data: RlData<'a>,
    signal: Signal<f32>,
    name: SignalName,
    objective: Objective<f32>,
    config: &'a RlConfig,
    prompts: PromptOrder,
    monitor: &'a Monitor,
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
        // log-probs of the whole step come first: the rollout policy is the one before any update
        let minibatches: Vec<&[KeptGroup]> =
            groups.chunks(self.config.groups_per_minibatch).collect();
        let old = self.log_probs(&frozen, &minibatches, |seconds| &mut seconds.old_log_prob);
        let reference = self.reference.clone();
        let reference =
            self.log_probs(&reference, &minibatches, |seconds| &mut seconds.ref_log_prob);
        for ((groups, old), reference) in minibatches.into_iter().zip(old).zip(reference) {
            rate = self.update(groups, old, reference, &mut sums)?;
        }
        self.state.step += 1;
        let count = sums.minibatches.max(1) as f64;
        self.monitor.record(
            "rl_step",
            &StepEvent {
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
            },
        )
    }

    /// Generates a group for each prompt and keeps what the signal selects.
    fn rollout(&mut self, frozen: &Decoder, prompts: &[RlPrompt]) -> Result<(Vec<KeptGroup>, f64)> {
        let started = Instant::now();
        let (train, catalogue) = (self.data.train, self.data.catalogue);
        // prompts of like length are decoded together; groups keep the order of prompts
        let tokens: Vec<Vec<u32>> =
            prompts.iter().map(|p| catalogue.prompt(frozen, p.history(train))).collect();
        let mut order: Vec<usize> = (0..prompts.len()).collect();
        order.sort_by_key(|&i| tokens[i].len());
        let mut completions = vec![Vec::new(); prompts.len()];
        for batch in order.chunks(DECODE_PROMPTS) {
            let batch_tokens: Vec<&[u32]> = batch.iter().map(|&i| &tokens[i][..]).collect();
            let found = beam_search(frozen, catalogue.trie, &batch_tokens, self.config.group_size);
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
        minibatches: &[&[KeptGroup]],
        timer: impl Fn(&mut PhaseSeconds) -> &mut f64,
    ) -> Vec<Vec<f32>> {
        let started = Instant::now();
        let trie = self.data.catalogue.trie;
        let log_probs = minibatches
            .iter()
            .map(|groups| numbers(completion_log_probs(model, trie, groups)))
            .collect();
        *timer(&mut self.state.seconds) += started.elapsed().as_secs_f64();
        log_probs
    }

    /// One optimiser step on whole groups; the learning rate it took.
    fn update(
        &mut self,
        groups: &[KeptGroup],
        old: Vec<f32>,
        reference: Vec<f32>,
        sums: &mut StepSums,
    ) -> Result<f64> {
        let started = Instant::now();
        let (config, trie) = (self.config, self.data.catalogue.trie);
        let device = self.policy.device();
        let policy = completion_log_probs(&self.policy, trie, groups);
        let constant = |values: &Vec<f32>| {
            Tensor::<1>::from_data(TensorData::new(values.clone(), [values.len()]), &device)
        };
        let loss = group_loss(
            policy.clone(),
            constant(&old),
            constant(&reference),
            groups,
            self.policy.levels(),
            &self.objective,
        );
        let value = f64::from(loss.clone().into_scalar::<f32>());
        let (grads, norm) = self.optimiser.gradients(&self.policy, &loss);
        self.state.seconds.update += started.elapsed().as_secs_f64();
        self.state.optimiser_steps += 1;
        check_finite(&format!("rl {}", self.name.key()), self.state.optimiser_steps, value, norm)?;

        let started = Instant::now();
        let steps = config.steps * config.minibatches();
        let warmup = (steps as f64 * config.warmup) as usize;
        let rate =
            learning_rate(config.learning_rate, self.state.optimiser_steps - 1, warmup, steps);
        self.policy = self.optimiser.step(rate, self.policy.clone(), grads);
        self.state.seconds.optimiser += started.elapsed().as_secs_f64();

        let advantages: Vec<f32> =
            groups.iter().flat_map(|group| group.advantages.iter().copied()).collect();
        let by_token = advantages.iter().cycle();
        for (((policy, old), reference), &advantage) in
            numbers(policy.inner()).iter().zip(&old).zip(&reference).zip(by_token)
        {
            let clipped = is_clipped(*policy, *old, advantage, &self.objective);
            sums.clipped += usize::from(clipped);
            sums.kl += f64::from(kl_penalty(*policy, *reference, &self.objective).value);
        }
        sums.tokens += old.len();
        sums.minibatches += 1;
        sums.loss += value;
        sums.norm += f64::from(norm);
        Ok(rate)
    }
}

/// Prompts decoded at once.
const DECODE_PROMPTS: usize = 64;

fn numbers(tensor: Tensor<1>) -> Vec<f32> {
    #[expect(clippy::expect_used, reason = "the decoder's weights are f32")]
    tensor.into_data().try_into_vec::<f32>().expect("f32 log-probabilities")
}
