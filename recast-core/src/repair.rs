//! Repair: which slot of an all-zero group the anchor takes.

use crate::group::{Group, Regime};
use crate::real::Real;

/// The slot of an all-zero group that the anchor replaces: its least informative completion.
///
/// ```text
/// slot = argmin u_i        if all r_i = 0
/// ```
///
/// Equal scores are ordered by lowest old log-probability, then by highest index, so that the hard
/// misses stay. Without log-probabilities generation order stands in and the last tied slot is
/// taken: a plain argmin would take the most probable beam. A later duplicate may be taken. `None`
/// if the group has a hit: such a group is left alone. A group of one gives its only slot.
///
/// The caller overwrites the completion with the anchor (reward 1, structural score 1) and builds
/// the group anew. Nothing here can check that the anchor is valid. `O(G)` time, no allocation.
///
/// Grade: \[paper\] for the all-zero condition and `argmin u_i`; \[ours\] for ties and duplicates.
/// See "ReCast: Recasting Learning Signals for Reinforcement Learning in Generative
/// Recommendation", Zhang et al., <https://arxiv.org/abs/2604.22169>.
///
/// # Examples
///
/// ```
/// use recast_core::{Group, repair::repair_slot};
///
/// let old_log_probs = [-1.0, -2.0, -3.0, -4.0];
/// let group = Group::new(&[0.0; 4], &[0.0, 0.1, 0.01, 0.0], Some(&old_log_probs))?;
/// assert_eq!(repair_slot(group), Some(3));
/// # Ok::<(), recast_core::GroupError>(())
/// ```
#[must_use]
pub fn repair_slot<T: Real>(group: Group<'_, T>) -> Option<usize> {
    if group.regime() != Regime::AllZero {
        return None;
    }
    // `is_le` lets a later slot take a tie.
    (0..group.len()).reduce(
        |least, slot| if group.compare_hardness(slot, least).is_le() { slot } else { least },
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn slot_of_all_zero(scores: &[f64], old_log_probs: Option<&[f64]>) -> Option<usize> {
        let rewards = [0.0; 8];
        repair_slot(Group::new(&rewards[..scores.len()], scores, old_log_probs).unwrap())
    }

    #[test]
    fn the_least_structural_score_is_replaced() {
        assert_eq!(slot_of_all_zero(&[0.1, 0.0, 0.01], Some(&[-9.0, -1.0, -9.0])), Some(1));
    }

    #[test]
    fn equal_scores_go_to_the_least_probable() {
        assert_eq!(slot_of_all_zero(&[0.0, 0.0, 0.0], Some(&[-1.0, -3.0, -2.0])), Some(1));
    }

    #[test]
    fn full_ties_go_to_the_highest_index() {
        assert_eq!(slot_of_all_zero(&[0.0, 0.0, 0.1], Some(&[-1.0; 3])), Some(1));
    }

    #[test]
    fn without_log_probs_the_last_generated_is_replaced() {
        assert_eq!(slot_of_all_zero(&[0.0, 0.0, 0.1, 0.0], None), Some(3));
    }

    #[test]
    fn a_group_with_a_hit_is_left_alone() {
        let group = Group::new(&[0.0, 1.0, 0.0], &[0.0, 1.0, 0.0], None).unwrap();
        assert_eq!(repair_slot(group), None);
    }

    #[test]
    fn a_group_of_one_gives_its_only_slot() {
        assert_eq!(slot_of_all_zero(&[0.1], None), Some(0));
    }

    #[test]
    fn a_later_duplicate_may_be_replaced() {
        let group = Group::new(&[0.0; 3], &[0.0; 3], None).unwrap();
        assert_eq!(repair_slot(group.with_duplicates(&[0, 1, 0]).unwrap()), Some(2));
    }
}
