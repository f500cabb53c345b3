//! Reward, repair and selection of completions.

use recast_core::repair::Evidence;
use recast_core::reward::{PrefixCredit, structural_score};
use recast_core::signal::{Outcome, Skip};
use recast_core::{Group, Regime, Signal, duplicate};

use super::advantages::by_token;
use super::loss::KeptGroup;
use crate::catalogue::{Node, SidTable, Trie};
use crate::decode::Completion;
use crate::error::{Error, Result};
use crate::reward::{Completions, Rewards};

/// The selected completions of one prompt.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Selected {
    /// The prompt's tokens.
    pub(crate) prompt: Vec<u32>,
    /// The slot of each kept completion: (K).
    pub(crate) slots: Vec<usize>,
    /// A leaf of the trie for each kept completion: (K).
    pub(crate) leaves: Vec<Node>,
    /// The advantage of each kept completion: (K).
    pub(crate) advantages: Vec<f32>,
    /// The index of the anchor among the kept completions.
    pub(crate) anchor: Option<usize>,
    /// The divisor of the sum over the kept completions.
    pub(crate) divisor: usize,
    /// The weighted sum of rewards of every completion after repair: (G).
    pub(crate) rewards: Vec<f32>,
    /// Whether each completion hits after repair: (G).
    pub(crate) hits: Vec<bool>,
    /// Whether the token advantages read entropies.
    pub(crate) reads_entropies: bool,
}

impl Selected {
    /// Whether an advantage differs from 0, so that the group has a gradient.
    pub(crate) fn teaches(&self) -> bool {
        self.reads_entropies || self.advantages.iter().any(|advantage| advantage.abs() > 0.0)
    }
}

/// The outcome of a group.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct GroupOutcome {
    /// The regime of the group, before any repair.
    pub(crate) regime: Regime,
    /// The mean of the weighted sum of rewards, before any repair.
    pub(crate) mean_reward: f32,
    /// The mean of each named reward in the order of [`Rewards::names`], before weights and repair.
    pub(crate) reward_means: Vec<f32>,
    /// Whether the anchor took a slot.
    pub(crate) repaired: bool,
    /// The kept completions, or the reason for a skip.
    pub(crate) kept: std::result::Result<Selected, Skip>,
}

/// Rewards, repairs and selects groups of one signal.
#[derive(Debug, Clone, Copy)]
pub struct Selector<'a> {
    /// The signal of repair, selection and advantages.
    pub signal: &'a Signal<f32>,
    /// The weighted sum behind the advantages.
    pub rewards: &'a Rewards,
    /// Semantic IDs of the catalogue.
    pub sids: &'a SidTable,
    /// The trie of the semantic IDs.
    pub trie: &'a Trie,
}

/// Random bits of a prompt, 64 for each choice.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct Draws {
    /// For a uniform target of the anchor.
    pub(crate) anchor: u64,
    /// For a uniform negative.
    pub(crate) negative: u64,
}

/// A group with its rewards, before repair.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct RewardedGroup {
    /// The prompt's tokens.
    pub(crate) prompt: Vec<u32>,
    leaves: Vec<Node>,
    old_log_probs: Vec<f32>,
    hits: Vec<bool>,
    scores: Vec<f32>,
    duplicate_of: Vec<usize>,
    negative_draw: u64,
    totals: Vec<f32>,
    means: Vec<f32>,
    regime: Regime,
    /// The leaf of the anchor's target, if the trie holds that target.
    pub(crate) anchor: Option<Node>,
}

impl RewardedGroup {
    /// The number of hits, as a regime.
    pub(crate) fn regime(&self) -> Regime {
        self.regime
    }
}

impl Selector<'_> {
    /// Rewards the completions of a prompt and chooses the target of an anchor.
    ///
    /// A completion is a hit if its semantic ID is that of a target, for any rewards: see
    /// [`reward`](crate::reward). Its structural score is the prefix credit of the closest target.
    /// Targets that share a semantic ID count once. A completion that repeats an earlier one has
    /// the rewards of the earlier one. `draws` are read only for uniform choices.
    ///
    /// # Errors
    ///
    /// If a log-probability is not finite: the policy has diverged.
    pub(crate) fn reward(
        &self,
        prompt: Vec<u32>,
        completions: &[Completion],
        targets: &[u32],
        draws: Draws,
    ) -> Result<RewardedGroup> {
        let Self { signal, sids, trie, .. } = *self;
        let wanted = self.leaves(targets);
        let targets = target_sids(targets, sids);
        let levels = sids.levels();
        let leaves: Vec<Node> = completions.iter().map(|c| c.leaf).collect();
        let old_log_probs: Vec<f32> = completions.iter().map(|c| c.log_prob).collect();
        let hits: Vec<bool> = leaves.iter().map(|leaf| wanted.contains(leaf)).collect();
        let credit = PrefixCredit::decimal();
        let score = |&leaf: &Node| structural_score(self.sid(leaf), &targets, levels, credit);
        let scores: Vec<f32> = leaves.iter().map(score).collect();
        let mut duplicate_of = vec![0; leaves.len()];
        duplicate::declare(&leaves, 1, &mut duplicate_of);
        let (totals, means) = self.rewarded(&leaves, &hits, &scores, &duplicate_of);
        let regime = checked(&totals, &scores, &old_log_probs, &hits, &duplicate_of)?.regime();
        let written: Vec<u16> = leaves.iter().flat_map(|&leaf| self.sid(leaf)).copied().collect();
        let anchor = signal
            .anchor_target(&written, &targets, levels, credit, draws.anchor)
            .and_then(|target| trie.walk(&targets[target * levels..][..levels]));
        Ok(RewardedGroup {
            prompt,
            leaves,
            old_log_probs,
            hits,
            scores,
            duplicate_of,
            negative_draw: draws.negative,
            totals,
            means,
            regime,
            anchor,
        })
    }

    /// Repairs a group if the signal does, and keeps the completions that the signal selects.
    ///
    /// The anchor is a target's own semantic ID. The log-probability of the replaced slot only
    /// orders slots: the frozen policy computes the log-probability for the update anew. All
    /// rewards of a repaired group are computed anew. A target outside the trie leaves the group
    /// unrepaired.
    ///
    /// # Errors
    ///
    /// If a number of the group is not finite.
    pub(crate) fn select(
        &self,
        group: RewardedGroup,
        evidence: Evidence<f32>,
    ) -> Result<GroupOutcome> {
        let RewardedGroup {
            prompt,
            mut leaves,
            old_log_probs,
            mut hits,
            mut scores,
            mut duplicate_of,
            negative_draw,
            mut totals,
            means: reward_means,
            regime,
            anchor,
        } = group;
        let count = leaves.len();
        let mean_reward = totals.iter().sum::<f32>() / count as f32;
        let group = checked(&totals, &scores, &old_log_probs, &hits, &duplicate_of)?;
        let slot = self.signal.repair_given(group, evidence).zip(anchor);
        if let Some((slot, anchor)) = slot {
            (leaves[slot], hits[slot], scores[slot]) = (anchor, true, 1.0);
            duplicate::redeclare(&leaves, 1, slot, &mut duplicate_of);
            totals = self.rewarded(&leaves, &hits, &scores, &duplicate_of).0;
        }
        let first_code = |&leaf: &Node| usize::from(self.sid(leaf)[0]);
        let first_codes: Vec<usize> = leaves.iter().map(first_code).collect();
        let group = checked(&totals, &scores, &old_log_probs, &hits, &duplicate_of)?
            .with_first_codes(&first_codes)
            .map_err(not_finite)?
            .with_draw(negative_draw);
        let reads_entropies = self.signal.reads_entropies(group);
        let (mut kept, mut advantages) = (vec![0; count], vec![0.0; count]);
        let kept = match self.signal.select(group, &mut kept, &mut advantages) {
            Outcome::Trained(selection) => {
                let repaired = slot.map(|(slot, _)| slot);
                Ok(Selected {
                    prompt,
                    slots: selection.kept.to_vec(),
                    leaves: selection.kept.iter().map(|&slot| leaves[slot]).collect(),
                    advantages: selection.advantages.to_vec(),
                    anchor: selection.kept.iter().position(|&slot| Some(slot) == repaired),
                    divisor: selection.divisor,
                    rewards: totals,
                    reads_entropies,
                    hits,
                })
            }
            Outcome::Skipped(skip) => Err(skip),
        };
        Ok(GroupOutcome { regime, mean_reward, reward_means, repaired: slot.is_some(), kept })
    }

    /// The anchor of a prompt, as the group of a signal that needs no rollout.
    ///
    /// The group has no old log-probability: none is read. A target outside the trie is skipped.
    ///
    /// # Errors
    ///
    /// If a number of the group is not finite.
    pub(crate) fn anchor_alone(
        &self,
        prompt: Vec<u32>,
        targets: &[u32],
    ) -> Result<std::result::Result<Selected, Skip>> {
        let first = targets.get(..1).unwrap_or_default();
        let Some(&leaf) = self.leaves(first).first() else { return Ok(Err(Skip::NoPositive)) };
        let anchor = Completion { leaf, log_prob: 0.0 };
        let group = self.reward(prompt, &[anchor], targets, Draws::default())?;
        Ok(self.select(group, Evidence::default())?.kept)
    }

    /// The kept completions of a group, without evidence beside the group; `None` if none is kept.
    ///
    /// A signal that needs no rollout reads no completions. A uniform choice takes the first.
    ///
    /// # Errors
    ///
    /// If a log-probability is not finite: the policy has diverged. If the signal is RL-ZVP and all
    /// rewards are equal: only the loop computes the entropies of its advantages.
    pub fn kept(
        &self,
        prompt: Vec<u32>,
        completions: &[Completion],
        targets: &[u32],
    ) -> Result<Option<KeptGroup>> {
        let kept = if self.signal.needs_rollout() {
            let group = self.reward(prompt, completions, targets, Draws::default())?;
            self.select(group, Evidence::default())?.kept
        } else {
            self.anchor_alone(prompt, targets)?
        };
        let Ok(kept) = kept else { return Ok(None) };
        if kept.reads_entropies {
            let problem = "RL-ZVP reads entropies in a group of equal rewards";
            return Err(Error::data(problem, "train it with the loop, which computes them"));
        }
        by_token(self.signal, kept, &[], self.sids.levels()).map(Some)
    }

    /// The leaves of targets that the trie holds.
    pub(crate) fn leaves(&self, targets: &[u32]) -> Vec<Node> {
        targets.iter().filter_map(|&target| self.trie.walk(self.sids.sid(target))).collect()
    }

    /// The weighted sums of a group, and the mean of each named reward.
    fn rewarded(
        &self,
        leaves: &[Node],
        hits: &[bool],
        structural_scores: &[f32],
        duplicate_of: &[usize],
    ) -> (Vec<f32>, Vec<f32>) {
        let Self { rewards, sids, trie, .. } = *self;
        let mut found =
            rewards.of_group(&Completions { leaves, hits, structural_scores, sids, trie });
        for (slot, &first) in duplicate_of.iter().enumerate() {
            found.totals[slot] = found.totals[first];
        }
        (found.totals, found.means)
    }

    /// The semantic ID of a leaf, which all its items share.
    fn sid(&self, leaf: Node) -> &[u16] {
        self.sids.sid(self.trie.items(leaf)[0])
    }
}

/// The semantic IDs of the targets, each once, in the order of the targets: (N L).
fn target_sids(targets: &[u32], sids: &SidTable) -> Vec<u16> {
    let levels = sids.levels();
    let mut found: Vec<u16> = Vec::with_capacity(targets.len() * levels);
    for &target in targets {
        let sid = sids.sid(target);
        if found.chunks_exact(levels).all(|other| other != sid) {
            found.extend_from_slice(sid);
        }
    }
    found
}

fn checked<'a>(
    totals: &'a [f32],
    scores: &'a [f32],
    old_log_probs: &'a [f32],
    hits: &'a [bool],
    duplicate_of: &'a [usize],
) -> Result<Group<'a, f32>> {
    Group::new(totals, scores, Some(old_log_probs))
        .and_then(|group| group.with_hits(hits))
        .and_then(|group| group.with_duplicates(duplicate_of))
        .map_err(not_finite)
}

fn not_finite(error: recast_core::GroupError) -> Error {
    Error::data(
        format!("a rollout gave no usable group: {error}"),
        "lower rl.learning_rate in the run folder's config.toml and resume",
    )
}

#[cfg(test)]
mod tests;
