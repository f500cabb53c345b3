//! The groups of a step: rollout, reward, repair, selection, token advantages.

use std::collections::BTreeSet;
use std::time::Instant;

use rand::Rng;
use rayon::prelude::*;
use recast_core::Regime;
use recast_core::repair::{AllZeroRate, Evidence, RepairPolicy};
use recast_core::{Signal, signal::Recast};

use super::advantages::{by_token, scale_by_batch};
use super::loss::{KeptGroup, entropies, path_log_probs};
use super::prompts::RlPrompt;
use super::select::{Draws, GroupOutcome, RewardedGroup, Selected, Selector};
use super::{SignalName, Training};
use crate::catalogue::{Catalogue, Node};
use crate::decode::Searcher;
use crate::error::{Error, Result};
use crate::model::Decoder;
use crate::random::{Purpose, stream};
use crate::reward::RewardMeans;

/// The selected groups of a step, and the mean rewards of all completions.
#[derive(Default)]
pub(super) struct StepGroups {
    pub(super) kept: Vec<Selected>,
    pub(super) mean_reward: f64,
    pub(super) rewards: RewardMeans,
    /// The different completions that were generated, and their number with repetitions.
    pub(super) leaves: BTreeSet<Node>,
    completions: usize,
    /// The number of all groups so far, kept or skipped.
    groups: usize,
}

impl StepGroups {
    /// How many completions of the step could differ.
    pub(super) fn possible(&self, catalogue: Catalogue<'_>) -> usize {
        self.completions.min(catalogue.sids.n_items())
    }
}

impl Training<'_> {
    /// Generates a group for each prompt and keeps the selection of the signal.
    ///
    /// DAPO draws further prompts in place of groups that are not mixed, up to its limit.
    pub(super) fn rollout(&mut self, frozen: &Decoder) -> Result<StepGroups> {
        let mut found = StepGroups::default();
        let wanted = self.config.prompts_per_step;
        let resamples = self.name == SignalName::Dapo;
        let rollouts = if resamples { self.config.dapo.max_rollouts } else { 1 };
        for rollout in 0..rollouts {
            let count = wanted - found.kept.len();
            if count == 0 {
                break;
            }
            let first = self.state.step * wanted + self.state.further_prompts;
            // the first rollout of a step takes the prompts of the step, later rollouts take
            // further prompts
            let first = if rollout == 0 { first } else { first + wanted };
            let prompts = self.prompts.take(first, count);
            if rollout > 0 {
                self.state.further_prompts += count;
            }
            if self.signal.needs_rollout() {
                self.rollout_of(frozen, &prompts, first, &mut found)?;
            } else {
                self.anchors_of(frozen, &prompts, &mut found)?;
            }
        }
        found.mean_reward /= found.groups.max(1) as f64;
        self.state.rewards.add(&found.rewards);
        Ok(found)
    }

    /// One rollout: a group for each prompt. `first` is the number of the first prompt.
    fn rollout_of(
        &mut self,
        frozen: &Decoder,
        prompts: &[RlPrompt],
        first: usize,
        found: &mut StepGroups,
    ) -> Result<()> {
        let started = Instant::now();
        let (train, catalogue) = (self.inputs.train, self.inputs.catalogue);
        let tokens: Vec<Vec<u32>> =
            prompts.iter().map(|p| catalogue.prompt(frozen, p.history(train))).collect();
        let searcher = Searcher::new(frozen, catalogue.trie);
        let completions = self.generation.groups(&searcher, &tokens, first);
        let generated: Vec<usize> = completions.iter().map(Vec::len).collect();
        found.leaves.extend(completions.iter().flatten().map(|completion| completion.leaf));
        found.completions += generated.iter().sum::<usize>();
        self.state.seconds.generate += started.elapsed().as_secs_f64();

        let started = Instant::now();
        let (signal, rewards, seed) = (&self.signal, self.rewards, self.inputs.seed);
        let selector = Selector { signal, rewards, sids: catalogue.sids, trie: catalogue.trie };
        let (generation, count) = (self.generation, self.config.targets);
        let rewarded: Vec<RewardedGroup> = prompts
            .par_iter()
            .zip(tokens)
            .zip(completions)
            .enumerate()
            .map(|(i, ((prompt, tokens), completions))| {
                let targets = prompt.targets(train, count);
                let wanted = selector.leaves(targets);
                let completions = generation.narrowed(completions, &wanted, catalogue.trie);
                let mut random = stream(seed, Purpose::Anchor, (first + i) as u64);
                let draws = Draws { anchor: random.next_u64(), negative: random.next_u64() };
                selector.reward(tokens, &completions, targets, draws)
            })
            .collect::<Result<_>>()?;
        let evidence = self.evidence(frozen, &rewarded)?;
        let regimes: Vec<Regime> = rewarded.iter().map(RewardedGroup::regime).collect();
        let outcomes: Vec<GroupOutcome> = rewarded
            .into_par_iter()
            .zip(evidence)
            .map(|(group, evidence)| selector.select(group, evidence))
            .collect::<Result<_>>()?;
        self.observe(&regimes)?;
        for (outcome, generated) in outcomes.iter().zip(generated) {
            self.state.groups.count(outcome, generated);
            found.rewards.count(rewards.names(), &outcome.reward_means);
        }
        found.mean_reward += outcomes.iter().map(|o| f64::from(o.mean_reward)).sum::<f64>();
        found.groups += outcomes.len();
        found.kept.extend(outcomes.into_iter().filter_map(|outcome| outcome.kept.ok()));
        self.state.seconds.select += started.elapsed().as_secs_f64();
        Ok(())
    }

    /// The anchor of each prompt, without a rollout: no completion is generated or rewarded.
    fn anchors_of(
        &mut self,
        frozen: &Decoder,
        prompts: &[RlPrompt],
        found: &mut StepGroups,
    ) -> Result<()> {
        let started = Instant::now();
        let (train, catalogue) = (self.inputs.train, self.inputs.catalogue);
        let (signal, rewards) = (&self.signal, self.rewards);
        let selector = Selector { signal, rewards, sids: catalogue.sids, trie: catalogue.trie };
        for prompt in prompts {
            let tokens = catalogue.prompt(frozen, prompt.history(train));
            let kept = selector.anchor_alone(tokens, prompt.targets(train, self.config.targets))?;
            self.state.groups.count_anchor(&kept);
            found.kept.extend(kept.ok());
        }
        self.state.seconds.select += started.elapsed().as_secs_f64();
        Ok(())
    }

    /// The evidence of a gated or confident repair for each group; empty for other repairs.
    fn evidence(&self, frozen: &Decoder, groups: &[RewardedGroup]) -> Result<Vec<Evidence<f32>>> {
        let mut evidence = vec![Evidence::default(); groups.len()];
        let Signal::Recast(Recast { repair, .. }) = self.signal else { return Ok(evidence) };
        match repair {
            RepairPolicy::Always | RepairPolicy::Never => {}
            RepairPolicy::Gated { .. } => {
                let rate = self.all_zero_rate()?.rate();
                evidence.iter_mut().for_each(|evidence| evidence.all_zero_rate = rate);
            }
            RepairPolicy::Confident { .. } => {
                let all_zero = |&i: &usize| groups[i].regime() == Regime::AllZero;
                let (asked, anchors): (Vec<usize>, Vec<[Node; 1]>) = (0..groups.len())
                    .filter(all_zero)
                    .filter_map(|i| Some((i, [groups[i].anchor?])))
                    .unzip();
                if asked.is_empty() {
                    return Ok(evidence);
                }
                let scored: Vec<(&[u32], &[Node])> = asked
                    .iter()
                    .zip(&anchors)
                    .map(|(&i, anchor)| (&groups[i].prompt[..], &anchor[..]))
                    .collect();
                let (trie, layout) = (self.update.trie, self.update.layout);
                let log_probs = self.update.in_parts(&scored, frozen.levels(), |scored| {
                    path_log_probs(frozen, trie, scored, layout)
                });
                let log_probs = numbers(log_probs)?;
                for (place, &i) in asked.iter().enumerate() {
                    let of_anchor = log_probs.iter().skip(place).step_by(asked.len());
                    evidence[i].anchor_log_prob = Some(of_anchor.sum());
                }
            }
        }
        Ok(evidence)
    }

    /// The moving average of the all-zero rate, as in the checkpoint.
    fn all_zero_rate(&self) -> Result<AllZeroRate<f32>> {
        let decay = self.config.recast.repair_decay as f32;
        self.state.all_zero.rate(decay).map_err(|e| {
            let hint = "remove the stage's folder to train it anew";
            Error::data(format!("the checkpoint's all-zero rate is broken: {e}"), hint)
        })
    }

    /// Counts the groups of a rollout in the moving average, in their order.
    fn observe(&mut self, regimes: &[Regime]) -> Result<()> {
        let mut rate = self.all_zero_rate()?;
        regimes.iter().for_each(|&regime| rate.observe(regime));
        self.state.all_zero = rate.parts().into();
        Ok(())
    }

    /// The advantage of each token of each kept group; no other place makes token advantages.
    pub(super) fn token_advantages(
        &mut self,
        frozen: &Decoder,
        mut groups: Vec<Selected>,
    ) -> Result<Vec<KeptGroup>> {
        let levels = frozen.levels();
        scale_by_batch(&self.signal, &mut groups, levels);
        let signal = &self.signal;
        let reads: Vec<bool> = groups.iter().map(|group| group.reads_entropies).collect();
        let asked: Vec<(&[u32], &[Node])> = groups
            .iter()
            .zip(&reads)
            .filter(|&(_, &reads)| reads)
            .map(|(group, _)| (&group.prompt[..], &group.leaves[..]))
            .collect();
        let completions: usize = asked.iter().map(|(_, leaves)| leaves.len()).sum();
        let started = Instant::now();
        let by_level = match asked.is_empty() {
            true => Vec::new(),
            false => {
                let (trie, layout) = (self.update.trie, self.update.layout);
                numbers(
                    self.update
                        .in_parts(&asked, levels, |asked| entropies(frozen, trie, asked, layout)),
                )?
            }
        };
        self.state.seconds.old_log_prob += started.elapsed().as_secs_f64();
        let mut place = 0;
        groups
            .into_iter()
            .zip(reads)
            .map(|(group, reads)| {
                let mut entropies = Vec::new();
                for _ in 0..if reads { group.leaves.len() } else { 0 } {
                    entropies.extend(by_level.iter().skip(place).step_by(completions));
                    place += 1;
                }
                by_token(signal, group, &entropies, levels)
            })
            .collect()
    }
}

fn numbers(tensor: burn::tensor::Tensor<1>) -> Result<Vec<f32>> {
    tensor.into_data().try_into_vec::<f32>().map_err(|e| Error::device(format!("{e:?}")))
}
