//! From completions to what is trained on: reward, repair, selection.

use recast_core::reward::{PrefixCredit, structural_score};
use recast_core::signal::{Outcome, Skip};
use recast_core::{Group, Regime, Signal};

use crate::catalogue::{Node, SidTable, Trie};
use crate::data::Histories;
use crate::decode::Completion;
use crate::error::{Error, Result};

/// A question of reinforcement learning: what comes at `position` of a user's training sequence?
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RlPrompt {
    /// The user.
    pub user: u32,
    /// The target's place in the user's sequence, from 1.
    pub position: u32,
}

impl RlPrompt {
    /// Every item that has items before it, once.
    #[must_use]
    pub fn all(train: &Histories) -> Vec<Self> {
        let of_user = |(user, items): (usize, &[u32])| {
            (1..items.len())
                .map(move |position| Self { user: user as u32, position: position as u32 })
        };
        train.iter().enumerate().flat_map(of_user).collect()
    }

    /// What came before.
    #[must_use]
    pub fn history(self, train: &Histories) -> &[u32] {
        &train.sequence(self.user)[..self.position as usize]
    }

    /// The item asked for.
    #[must_use]
    pub fn target(self, train: &Histories) -> u32 {
        train.sequence(self.user)[self.position as usize]
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
    /// What the sum over the kept sequences is divided by.
    pub divisor: usize,
}

/// What became of a group.
#[derive(Debug, Clone, PartialEq)]
pub struct GroupOutcome {
    /// How many completions hit, before any repair.
    pub regime: Regime,
    /// Mean reward, before any repair.
    pub mean_reward: f32,
    /// Whether the anchor took a slot.
    pub repaired: bool,
    /// What is trained on, or why nothing is.
    pub kept: std::result::Result<KeptGroup, Skip>,
}

/// Rewards a group, repairs it if the signal does, and keeps what the signal selects.
///
/// The anchor is the target's own semantic ID; it takes the log-probability of the slot it
/// replaces, which only orders slots: what the update compares with is computed anew by the frozen
/// policy. A target that the trie does not hold leaves the group unrepaired.
///
/// # Errors
/// If a log-probability is not finite: the policy has diverged.
pub fn select_group(
    signal: &Signal<f32>,
    prompt: Vec<u32>,
    completions: &[Completion],
    target: u32,
    sids: &SidTable,
    trie: &Trie,
) -> Result<GroupOutcome> {
    let target_sid = sids.sid(target);
    let anchor = trie.walk(target_sid);
    let mut leaves: Vec<Node> = completions.iter().map(|c| c.leaf).collect();
    let old_log_probs: Vec<f32> = completions.iter().map(|c| c.log_prob).collect();
    let mut rewards: Vec<f32> =
        leaves.iter().map(|&leaf| if Some(leaf) == anchor { 1.0 } else { 0.0 }).collect();
    // all items of a leaf share one semantic ID
    let score = |&leaf: &Node| {
        let sid = sids.sid(trie.items(leaf)[0]);
        structural_score(sid, target_sid, sids.levels(), PrefixCredit::decimal())
    };
    let mut scores: Vec<f32> = leaves.iter().map(score).collect();

    let group = Group::new(&rewards, &scores, Some(&old_log_probs)).map_err(not_finite)?;
    let (regime, count) = (group.regime(), group.len());
    let mean_reward = rewards.iter().sum::<f32>() / count as f32;
    let slot = signal.repair(group).zip(anchor);
    if let Some((slot, anchor)) = slot {
        (leaves[slot], rewards[slot], scores[slot]) = (anchor, 1.0, 1.0);
    }
    let group = Group::new(&rewards, &scores, Some(&old_log_probs)).map_err(not_finite)?;
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
    Ok(GroupOutcome { regime, mean_reward, repaired: slot.is_some(), kept })
}

fn not_finite(error: recast_core::GroupError) -> Error {
    Error::data(
        format!("a rollout gave no usable group: {error}"),
        "lower rl.learning_rate in the run folder's config.toml and resume",
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The example of the method: SIDs (4,4,4) (1,2,9) (1,7,3) (5,5,5), target (1,2,3).
    fn example() -> (SidTable, Trie, Vec<Completion>) {
        let codes = [[4, 4, 4], [1, 2, 9], [1, 7, 3], [5, 5, 5], [1, 2, 3]];
        let sids = SidTable::new(vec![10; 3], codes.concat()).unwrap();
        let trie = Trie::new(&sids);
        let completion = |i: usize| Completion {
            leaf: trie.walk(&codes[i]).unwrap(),
            log_prob: -1.0 - i as f32,
        };
        let completions = (0..4).map(completion).collect();
        (sids, trie, completions)
    }

    #[test]
    fn an_all_zero_group_is_repaired_and_contrasted() {
        let (sids, trie, completions) = example();
        let outcome =
            select_group(&Signal::recast(), vec![7], &completions, 4, &sids, &trie).unwrap();
        assert_eq!((outcome.regime, outcome.repaired), (Regime::AllZero, true));
        let kept = outcome.kept.unwrap();
        assert_eq!(kept.leaves, [completions[1].leaf, trie.walk(sids.sid(4)).unwrap()]);
        assert_eq!(kept.advantages, [-1.0, 1.0]);
    }

    #[test]
    fn a_natural_hit_is_left_alone() {
        let (sids, trie, completions) = example();
        let outcome =
            select_group(&Signal::recast(), vec![7], &completions, 0, &sids, &trie).unwrap();
        assert_eq!((outcome.regime, outcome.repaired), (Regime::SingleHit, false));
        assert_eq!(outcome.kept.unwrap().leaves[0], completions[0].leaf);
    }

    #[test]
    fn grpo_keeps_an_all_zero_group_whole_and_learns_nothing_from_it() {
        let (sids, trie, completions) = example();
        let outcome =
            select_group(&Signal::grpo(), vec![7], &completions, 4, &sids, &trie).unwrap();
        assert_eq!(outcome.kept.unwrap().advantages, [0.0; 4]);
        assert!(!outcome.repaired);
    }

    #[test]
    fn every_item_with_items_before_it_is_a_prompt() {
        let mut train = Histories::default();
        train.push(&[3, 1, 2]);
        train.push(&[4]);
        let prompts = RlPrompt::all(&train);
        assert_eq!(prompts.len(), 2);
        assert_eq!((prompts[1].history(&train), prompts[1].target(&train)), (&[3, 1][..], 2));
    }
}
