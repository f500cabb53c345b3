//! The loop of reinforcement learning: one loop for every signal.

mod advantages;
mod config;
mod groups;
mod health;
mod loss;
mod prompts;
mod reference;
mod rollout;
mod select;
mod state;
mod step;

use std::time::Instant;

use burn::module::Module;
use burn::tensor::{Device, Tensor};
use recast_core::Signal;

pub use self::config::{
    Bound, DapoConfig, Divisor, Estimator, GrpoConfig, Keep, LuffyConfig, Negative, NegativeChoice,
    Override, PreferenceConfig, Prompts, Ratio, RecastConfig, Repair, RereConfig, RlConfig,
    RlZvpConfig, SapoConfig, Scale, SignalName, Target,
};
pub use self::health::Health;
use self::health::StepFacts;
pub use self::loss::{KeptGroup, Layout, completion_log_probs, micro_batches, update_batch};
use self::prompts::PromptOrder;
pub use self::prompts::RlPrompt;
use self::reference::mixed;
use self::rollout::Generation;
pub use self::select::Selector;
pub use self::state::{AllZeroState, RlState};
pub(crate) use self::step::Update;
use self::step::{Minibatch, TokenSums};
use super::TrainInputs;
use super::sft::validation_sample;
use crate::error::{Error, Result};
use crate::evaluate::evaluate;
use crate::event::{Event, Monitor, PhaseSeconds, RlStep, Validation};
use crate::model::Decoder;
use crate::optim::{Optimiser, Place, Saved, Stage, check_finite, learning_rate};
use crate::reward::Rewards;

/// Trains the supervised decoder with one signal, or resumes the stage's checkpoint. The result is
/// the decoder that [`Keep`] names.
///
/// The prompts are those behind the older part of the training sequences, if `inputs` has such a
/// part, else all. Without a number of steps, training makes one pass over the prompts; the last
/// step is filled up from a second pass.
///
/// A step generates a group for each prompt, rewards, repairs and selects. The step then computes
/// old and reference log-probabilities of the kept completions, and takes one optimiser step for
/// each minibatch of whole groups. All signals but DAPO see equal prompts in equal order for equal
/// seeds: DAPO takes further prompts in place of groups that are not mixed.
///
/// # Errors
///
/// If the settings do not suit the signal, which need not be one of `config.signals`. If the
/// training part has no prompt. If the user interrupts, a checkpoint cannot be written, or the loss
/// is no longer finite.
pub fn rl(
    start: &Decoder,
    inputs: TrainInputs<'_>,
    rewards: &Rewards,
    name: SignalName,
    config: &RlConfig,
    stage: &Stage,
    monitor: &Monitor,
) -> Result<(Decoder, RlState)> {
    config.with_signal(name).check()?;
    let shuffled_by = config.shuffle_targets.then_some(inputs.catalogue.sids);
    let prompts = PromptOrder::new(inputs.train, inputs.older, shuffled_by, inputs.seed)?;
    let steps = config.planned_steps(prompts.len());
    let validation = validation_sample(inputs.valid, config.validation_prompts, inputs.seed);
    let optimiser = Optimiser::new(config.weight_decay as f32, config.max_norm as f32);
    let loaded = stage.load(|_: &RlState| start.clone(), &optimiser, monitor)?;
    let (policy, optimiser, state) =
        loaded.unwrap_or_else(|| (start.clone(), optimiser, RlState::fresh()));
    let syncs = name == SignalName::Rere && config.rere.sync_reference_every > 0;
    let reference = match syncs {
        true => stage.load_reference(start.clone())?.unwrap_or_else(|| start.clone()).valid(),
        false => start.valid(),
    };
    let signal = config.signal(name);
    let mut training = Training {
        reference,
        policy,
        optimiser,
        state,
        inputs,
        update: Update {
            trie: inputs.catalogue.trie,
            layout: config.layout,
            micro_batch_tokens: config.micro_batch_tokens,
            groups_per_minibatch: config.groups_per_minibatch,
            loss: signal.loss(),
            objective: config.objective(name)?,
            replicas: inputs.replicas,
        },
        generation: Generation::new(name, config, inputs.seed)?,
        signal,
        rewards,
        name,
        config,
        steps,
        prompts,
        monitor,
    };
    let label = format!("rl {}", name.key());
    let progress = monitor.progress(&label, steps as u64);
    progress.resume_at(training.state.step as u64);
    while !training.state.finished {
        let state = training.state.clone();
        if state.step.is_multiple_of(config.evaluate_every) || state.step == steps {
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
            let is_best = training.state.judge(&found);
            let warnings = training.state.health.judge(state.step, &found);
            monitor.record(&Event::Validation(Validation {
                phase: name.key(),
                epoch: None,
                step: Some(state.step),
                pass_at_1: found.pass_at_1,
                recall_at_10: found.recall_at_10,
                ndcg_at_10: found.ndcg_at_10,
                best_pass_at_1: Some(training.state.best_pass_at_1),
                best_ndcg_at_10: Some(training.state.best_ndcg_at_10),
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
            training.warn(&warnings)?;
            let is_kept = match config.keep {
                Keep::Best => is_best,
                Keep::Last => true,
            };
            training.state.finished = state.step == steps;
            monitor.sync()?;
            let saved = Saved {
                step: state.step,
                model: &training.policy,
                optimiser: &training.optimiser,
                reference: syncs.then_some(&training.reference),
                is_best: is_kept,
            };
            stage.save(&saved, &training.state)?;
            // evaluation's memory returns from a GPU's allocator, so that long runs take no more
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

struct Training<'a> {
    reference: Decoder,
    policy: Decoder,
    optimiser: Optimiser,
    state: RlState,
    inputs: TrainInputs<'a>,
    signal: Signal<f32>,
    rewards: &'a Rewards,
    name: SignalName,
    update: Update<'a>,
    generation: Generation,
    config: &'a RlConfig,
    /// Rollout steps of the whole training.
    steps: usize,
    prompts: PromptOrder,
    monitor: &'a Monitor,
}

/// Sums over the minibatches of a step.
#[derive(Default)]
struct StepSums {
    minibatches: usize,
    loss: f64,
    norm: f64,
    tokens: TokenSums,
    rate: f64,
}

impl Training<'_> {
    fn step(&mut self) -> Result<()> {
        let frozen = self.policy.valid();
        let before = self.state.groups;
        let rollout = self.rollout(&frozen)?;
        let (different, possible) = (rollout.leaves.len(), rollout.possible(self.inputs.catalogue));
        let groups = self.token_advantages(&frozen, rollout.kept)?;
        let update = self.update;
        let minibatches = update.minibatches(&groups, frozen.levels());

        // log-probs of the whole step come first: the rollout policy precedes any update. The
        // update of the first minibatch computes its own old log-probs.
        let sampled = self.signal.needs_rollout();
        // an anchor alone was not sampled: its detached ratio has no old log-prob
        let later = if sampled { minibatches.get(1..).unwrap_or_default() } else { &[] };
        let later = self.timed_log_probs(&frozen, later, |seconds| &mut seconds.old_log_prob)?;
        let old = std::iter::once(None).chain(later.into_iter().map(Some));
        // a step with a rollout tells its divergence, whether the loss reads it or not
        let referred =
            if sampled || update.objective.kl_coef() > 0.0 { &minibatches[..] } else { &[] };
        let reference = self.reference.clone();
        let reference =
            self.timed_log_probs(&reference, referred, |seconds| &mut seconds.ref_log_prob)?;
        let columns = old
            .chain(std::iter::repeat(None))
            .zip(reference.into_iter().map(Some).chain(std::iter::repeat(None)));
        let mut sums = StepSums::default();
        for (groups, (old, reference)) in minibatches.iter().zip(columns) {
            self.optimiser_step(groups, old.as_deref(), reference.as_deref(), &mut sums)?;
        }
        self.state.step += 1;
        self.sync_reference();
        let (count, tokens) = (sums.minibatches.max(1) as f64, sums.tokens.tokens.max(1) as f64);
        let facts = StepFacts {
            groups: self.state.groups.groups() - before.groups(),
            with_signal: self.state.groups.with_signal - before.with_signal,
            optimiser_steps: sums.minibatches,
            gradient_norm: sums.norm,
            kl: sums.tokens.kl / tokens,
            positive_log_prob: mean(sums.tokens.positives),
            different,
            possible,
        };
        let warnings = self.state.health.observe(self.state.step, &facts);
        self.monitor.record(&Event::RlStep(RlStep {
            signal: self.name.key(),
            step: self.state.step,
            loss: sums.loss / count,
            gradient_norm: sums.norm / count,
            clip_fraction: sums.tokens.clipped as f64 / tokens,
            kl: facts.kl,
            positive_log_prob: facts.positive_log_prob,
            negative_log_prob: mean(sums.tokens.negatives),
            mean_reward: rollout.mean_reward,
            learning_rate: sums.rate,
            groups: self.state.groups,
            seconds: self.state.seconds,
            rewards: &rollout.rewards.by_name(),
        }))?;
        self.warn(&warnings)
    }

    /// Tells warnings of this training.
    fn warn(&self, warnings: &[String]) -> Result<()> {
        let phase = format!("rl {}", self.name.key());
        warnings.iter().try_for_each(|text| self.monitor.warn(&phase, text))
    }

    fn timed_log_probs(
        &mut self,
        model: &Decoder,
        minibatches: &[Minibatch<'_>],
        timer: impl Fn(&mut PhaseSeconds) -> &mut f64,
    ) -> Result<Vec<Vec<Tensor<1>>>> {
        let started = Instant::now();
        let log_probs = self.update.log_probs(model, minibatches);
        *timer(&mut self.state.seconds) += seconds_since(started, &model.device())?;
        Ok(log_probs)
    }

    /// Takes one optimiser step on whole groups. Without old log-probs, the current policy is the
    /// rollout policy.
    fn optimiser_step(
        &mut self,
        minibatch: &Minibatch<'_>,
        old: Option<&[Tensor<1>]>,
        reference: Option<&[Tensor<1>]>,
        sums: &mut StepSums,
    ) -> Result<()> {
        let started = Instant::now();
        let found =
            self.update.gradients(&self.optimiser, &self.policy, minibatch, old, reference)?;
        self.state.seconds.update += started.elapsed().as_secs_f64();
        self.state.optimiser_steps += 1;
        let phase = &format!("rl {}", self.name);
        let (step, batch) = (self.state.optimiser_steps, sums.minibatches + 1);
        check_finite(Place { phase, step, batch }, &self.policy, &found)?;

        let started = Instant::now();
        let steps = self.steps * self.config.minibatches();
        let warmup = (steps as f64 * self.config.warmup) as usize;
        // by the planned steps: a signal that skips groups keeps the schedule of the others
        let step = self.state.step * self.config.minibatches() + sums.minibatches;
        sums.rate = learning_rate(self.config.learning_rate, step, warmup, steps);
        let levels = self.policy.levels();
        self.update.count(minibatch, &found, levels, &mut sums.tokens);
        self.policy = self.optimiser.step(sums.rate, self.policy.clone(), found.clipped);
        self.state.seconds.optimiser += seconds_since(started, &self.policy.device())?;
        sums.minibatches += 1;
        sums.loss += found.loss;
        sums.norm += f64::from(found.norm);
        Ok(())
    }

    /// Draws the reference towards the policy, if ReRe's settings ask for that.
    fn sync_reference(&mut self) {
        let every = self.config.rere.sync_reference_every;
        if self.name == SignalName::Rere && every > 0 && self.state.step.is_multiple_of(every) {
            let share = self.config.rere.sync_reference_mix as f32;
            self.reference = mixed(&self.policy.valid(), self.reference.clone(), share);
        }
    }
}

/// The mean behind a sum and a count; `None` of nothing.
fn mean((sum, count): (f64, usize)) -> Option<f64> {
    (count > 0).then(|| sum / count as f64)
}

/// Seconds until the device has finished its work.
fn seconds_since(started: Instant, device: &Device) -> Result<f64> {
    device.sync().map_err(Error::device)?;
    Ok(started.elapsed().as_secs_f64())
}
