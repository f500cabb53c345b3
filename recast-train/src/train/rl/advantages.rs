//! From the advantages of completions to those of tokens.

use recast_core::{Group, Signal};

use super::loss::KeptGroup;
use super::select::Selected;
use crate::error::{Error, Result};

/// Standardises advantages over all groups of a step, if the signal does.
pub(super) fn scale_by_batch(signal: &Signal<f32>, groups: &mut [Selected], levels: usize) {
    let mut scale = signal.batch_scale();
    for group in &*groups {
        let tokens = vec![levels; group.advantages.len()];
        scale.observe(&group.rewards, &group.advantages, &tokens);
    }
    for group in groups {
        scale.apply(&mut group.advantages);
    }
}

/// Spreads the advantage of each kept completion over its tokens.
///
/// `entropies` holds the entropy of each token of each kept completion, (K L). A group that reads
/// no entropies takes an empty slice.
///
/// # Errors
///
/// If a reward is not finite.
pub(super) fn by_token(
    signal: &Signal<f32>,
    group: Selected,
    entropies: &[f32],
    levels: usize,
) -> Result<KeptGroup> {
    let Selected { prompt, slots, leaves, advantages, anchor, divisor, rewards, hits, .. } = group;
    // structural scores have no part in spreading
    let scores = vec![0.0; rewards.len()];
    let group =
        Group::new(&rewards, &scores, None).and_then(|group| group.with_hits(&hits)).map_err(
            |e| Error::data(format!("a group is not usable: {e}"), "lower rl.learning_rate"),
        )?;
    let mut token_advantages = vec![0.0; leaves.len() * levels];
    for (kept, tokens) in token_advantages.chunks_exact_mut(levels).enumerate() {
        let entropies = entropies.get(kept * levels..(kept + 1) * levels).unwrap_or_default();
        signal.token_advantages(group, slots[kept], advantages[kept], entropies, tokens);
    }
    Ok(KeptGroup { prompt, leaves, token_advantages, anchor, divisor })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::{SidTable, Trie};

    fn selected(rewards: [f32; 2], advantages: [f32; 2]) -> Selected {
        let sids = SidTable::new(vec![4; 2], vec![1, 1, 1, 2]).unwrap();
        let trie = Trie::new(&sids);
        Selected {
            prompt: vec![1],
            slots: vec![0, 1],
            leaves: (0..2).map(|item| trie.walk(sids.sid(item)).unwrap()).collect(),
            advantages: advantages.to_vec(),
            anchor: None,
            divisor: 2,
            hits: rewards.map(|reward| reward > 0.0).to_vec(),
            rewards: rewards.to_vec(),
            reads_entropies: false,
        }
    }

    #[test]
    fn every_token_has_the_advantage_of_its_completion() {
        let group = selected([1.0, 0.0], [0.5, -0.5]);
        let kept = by_token(&Signal::rl_zvp(), group, &[], 2).unwrap();
        assert_eq!(kept.token_advantages, [0.5, 0.5, -0.5, -0.5]);
    }

    #[test]
    fn rl_zvp_reads_entropies_where_rewards_are_equal() {
        let group = selected([0.0, 0.0], [0.0, 0.0]);
        let signal = Signal::RlZvp { epsilon: 1e-6, alpha: 0.5 };
        let kept = by_token(&signal, group, &[2.0, 0.0, 1.0, 1.0], 2).unwrap();
        assert_eq!(kept.token_advantages, [0.0, -1.0, 0.0, 0.0]);
    }

    #[test]
    fn a_batch_scale_sees_every_group() {
        let mut groups = [selected([1.0, 0.0], [0.5, -0.5]), selected([0.0, 0.0], [0.0, 0.0])];
        scale_by_batch(&Signal::grpo(), &mut groups, 2);
        assert_eq!(groups[0].advantages, [0.5, -0.5]);
        // rewards 1, 0, 0, 0: their sample deviation is 0.5, TRL's epsilon 1e-4
        scale_by_batch(&Signal::grpo_by_batch(), &mut groups, 2);
        assert!((groups[0].advantages[0] - 0.5 / 0.5001).abs() < 1e-6);
        assert_eq!(groups[1].advantages, [0.0, 0.0]);
    }
}
