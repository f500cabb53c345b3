//! From completions to what is trained on: reward, repair, selection.

use recast_core::reward::{PrefixCredit, structural_score};
use recast_core::signal::{Outcome, Skip};
use recast_core::{Group, Regime, Signal};

use crate::catalogue::{Node, SidTable, Trie};
use crate::data::Histories;
use crate::decode::Completion;
use crate::error::{Error, Result};
use crate::reward::{Completions, Rewards};

/// A prompt of reinforcement learning: the items of a user's training sequence before `position`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RlPrompt {
    /// The user.
    pub user: u32,
    /// The first target's place in the user's sequence, from 1.
    pub position: u32,
}

impl RlPrompt {
    /// Every item that has items before it, once, whatever the number of targets.
    #[must_use]
    pub fn all(train: &Histories) -> Vec<Self> {
        let of_user = |(user, items): (usize, &[u32])| {
            (1..items.len())
                .map(move |position| Self { user: user as u32, position: position as u32 })
        };
        train.iter().enumerate().flat_map(of_user).collect()
    }

    /// The items before the first target.
    #[must_use]
    pub fn history(self, train: &Histories) -> &[u32] {
        &train.sequence(self.user)[..self.position as usize]
    }

    /// The next `count` items of the training part, or as many as it holds: at least one, unless
    /// `count` is 0.
    #[must_use]
    pub fn targets(self, train: &Histories, count: usize) -> &[u32] {
        let later = &train.sequence(self.user)[self.position as usize..];
        &later[..count.min(later.len())]
    }
}

/// The completions of one prompt that are trained on.
#[derive(Debug, Clone, PartialEq)]
pub struct KeptGroup {
    /// The prompt's tokens.
    pub prompt: Vec<u32>,
    /// A leaf of the trie for each completion.
    pub leaves: Vec<Node>,
    /// The advantage of each.
    pub advantages: Vec<f32>,
    /// The divisor of the sum over the kept sequences.
    pub divisor: usize,
}

/// The way that a group went.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupOutcome {
    /// How many completions hit, before any repair.
    pub regime: Regime,
    /// The mean of the weighted sum of rewards, before any repair.
    pub mean_reward: f32,
    /// The mean of each named reward in the order of [`Rewards::names`], before weights and repair.
    pub reward_means: Vec<f32>,
    /// Whether the anchor took a slot.
    pub repaired: bool,
    /// The completions that are trained on, or why none is.
    pub kept: std::result::Result<KeptGroup, Skip>,
}

/// Makes what is trained on of the completions of a prompt.
#[derive(Debug, Clone, Copy)]
pub struct Selector<'a> {
    /// Decides on repair, selection and advantages.
    pub signal: &'a Signal<f32>,
    /// The weighted sum that advantages follow.
    pub rewards: &'a Rewards,
    /// Semantic IDs of the catalogue.
    pub sids: &'a SidTable,
    /// The trie of these.
    pub trie: &'a Trie,
}

impl Selector<'_> {
    /// Rewards a group, repairs it if the signal does, and keeps what the signal selects.
    ///
    /// A completion is a hit if its semantic ID is that of a target, whatever its rewards: see
    /// [`reward`](crate::reward). Its structural score is the prefix credit of the closest target.
    /// Targets that share a semantic ID count once.
    ///
    /// The anchor is the first target's own semantic ID, with the log-probability of the slot it
    /// replaces. The number only orders slots: the frozen policy computes anew the log-probability
    /// that the update compares with. All rewards of a repaired group are computed anew. A target
    /// that the trie does not hold leaves the group unrepaired.
    ///
    /// # Errors
    /// If a log-probability is not finite: the policy has diverged.
    pub fn select(
        &self,
        prompt: Vec<u32>,
        completions: &[Completion],
        targets: &[u32],
    ) -> Result<GroupOutcome> {
        let Self { signal, rewards, sids, trie } = *self;
        let targets = target_sids(targets, sids);
        let levels = sids.levels();
        let wanted: Vec<Node> =
            targets.chunks_exact(levels).filter_map(|sid| trie.walk(sid)).collect();
        let mut leaves: Vec<Node> = completions.iter().map(|c| c.leaf).collect();
        let old_log_probs: Vec<f32> = completions.iter().map(|c| c.log_prob).collect();
        let mut hits: Vec<bool> = leaves.iter().map(|leaf| wanted.contains(leaf)).collect();
        // all items of a leaf share one semantic ID
        let score = |&leaf: &Node| {
            let sid = sids.sid(trie.items(leaf)[0]);
            structural_score(sid, &targets, levels, PrefixCredit::decimal())
        };
        let mut scores: Vec<f32> = leaves.iter().map(score).collect();
        let rewarded = |leaves: &[Node], hits: &[bool], structural_scores: &[f32]| {
            rewards.of_group(&Completions { leaves, hits, structural_scores, sids, trie })
        };

        let mut found = rewarded(&leaves, &hits, &scores);
        let group = checked(&found.totals, &scores, &old_log_probs, &hits)?;
        let (regime, count) = (group.regime(), group.len());
        let mean_reward = found.totals.iter().sum::<f32>() / count as f32;
        let reward_means = std::mem::take(&mut found.means);
        let anchor = targets.get(..levels).and_then(|sid| trie.walk(sid));
        let slot = signal.repair(group).zip(anchor);
        if let Some((slot, anchor)) = slot {
            (leaves[slot], hits[slot], scores[slot]) = (anchor, true, 1.0);
            found = rewarded(&leaves, &hits, &scores);
        }
        let group = checked(&found.totals, &scores, &old_log_probs, &hits)?;
        let (mut kept, mut advantages) = (vec![0; count], vec![0.0; count]);
        let kept = match signal.select(group, &mut kept, &mut advantages) {
            Outcome::Trained(selection) => Ok(KeptGroup {
                prompt,
                leaves: selection.kept.iter().map(|&slot| leaves[slot]).collect(),
                advantages: selection.advantages.to_vec(),
                divisor: selection.divisor,
            }),
            Outcome::Skipped(skip) => Err(skip),
        };
        Ok(GroupOutcome { regime, mean_reward, reward_means, repaired: slot.is_some(), kept })
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
) -> Result<Group<'a, f32>> {
    Group::new(totals, scores, Some(old_log_probs))
        .and_then(|group| group.with_hits(hits))
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
