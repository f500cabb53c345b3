//! Contrast: the two completions on either side of the decision boundary.

use crate::group::Group;
use crate::real::Real;

/// The two completions of a ReCast update, as slots of their group.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BoundaryPair {
    /// The strongest positive, `i+`.
    pub positive: usize,
    /// The hardest negative, `i-`.
    pub negative: usize,
}

/// The strongest positive and the hardest negative of a group.
///
/// ```text
/// i+ = argmax { r_i : i is a hit }        i- = argmax { u_i : i is a miss }
/// ```
///
/// Hardness is structure, not probability. Equal positives are ordered by highest structural
/// score, both sides then by highest old log-probability, then by lowest index. Later duplicates
/// are passed over. `None` if the group has no positive (repair it first) or no negative (nothing
/// to contrast), so a group of one never has a pair. `O(G)` time, no allocation.
///
/// Grade: \[paper\] for both choices; \[ours\] for ties and duplicates. See "ReCast: Recasting
/// Learning Signals for Reinforcement Learning in Generative Recommendation", Zhang et al.,
/// <https://arxiv.org/abs/2604.22169>.
///
/// # Examples
///
/// ```
/// use recast_core::Group;
/// use recast_core::boundary::{BoundaryPair, boundary_pair};
///
/// let group = Group::new(&[1.0, 0.0, 0.0, 0.0], &[1.0, 0.1, 0.01, 0.0], None)?;
/// assert_eq!(boundary_pair(group), Some(BoundaryPair { positive: 0, negative: 1 }));
/// # Ok::<(), recast_core::GroupError>(())
/// ```
#[must_use]
pub fn boundary_pair<T: Real>(group: Group<'_, T>) -> Option<BoundaryPair> {
    // A tie stays with the earlier slot.
    Some(BoundaryPair { positive: strongest_positive(group)?, negative: hardest_negative(group)? })
}

/// The strongest positive, with or without a negative beside it.
pub(crate) fn strongest_positive<T: Real>(group: Group<'_, T>) -> Option<usize> {
    group.positives().reduce(|best, slot| if group.is_stronger(slot, best) { slot } else { best })
}

/// The hardest negative, with or without a positive beside it.
pub(crate) fn hardest_negative<T: Real>(group: Group<'_, T>) -> Option<usize> {
    group.negatives().reduce(|best, slot| if group.is_harder(slot, best) { slot } else { best })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pair(
        rewards: &[f64],
        scores: &[f64],
        old_log_probs: Option<&[f64]>,
    ) -> Option<(usize, usize)> {
        boundary_pair(Group::new(rewards, scores, old_log_probs).unwrap())
            .map(|pair| (pair.positive, pair.negative))
    }

    #[test]
    fn the_example_of_the_method_is_reproduced() {
        let old = [-1.0, -2.0, -3.0, -4.0];
        let repaired = pair(&[0.0, 0.0, 0.0, 1.0], &[0.0, 0.1, 0.01, 1.0], Some(&old));
        assert_eq!(repaired, Some((3, 1)));
        let natural = pair(&[1.0, 0.0, 0.0, 0.0], &[1.0, 0.1, 0.01, 0.0], Some(&old));
        assert_eq!(natural, Some((0, 1)));
    }

    #[test]
    fn the_highest_reward_is_the_strongest_whatever_its_score() {
        assert_eq!(pair(&[0.5, 1.0, 0.0], &[1.0, 0.5, 0.0], None), Some((1, 2)));
    }

    #[test]
    fn equal_positives_are_ordered_by_score_then_old_log_prob_then_lowest_index() {
        let rewards = [0.0, 1.0, 1.0, 1.0];
        let by_score = pair(&rewards, &[0.0, 0.5, 1.0, 0.5], Some(&[-1.0, -1.0, -9.0, -1.0]));
        assert_eq!(by_score, Some((2, 0)));
        let by_log_prob = pair(&rewards, &[0.0, 1.0, 1.0, 1.0], Some(&[-1.0, -3.0, -2.0, -4.0]));
        assert_eq!(by_log_prob, Some((2, 0)));
        assert_eq!(pair(&rewards, &[0.0, 1.0, 1.0, 1.0], Some(&[-1.0; 4])), Some((1, 0)));
    }

    #[test]
    fn the_hardest_negative_is_structural_before_it_is_probable() {
        let negative = pair(&[1.0, 0.0, 0.0], &[1.0, 0.0, 0.1], Some(&[-1.0, -0.1, -9.0]));
        assert_eq!(negative, Some((0, 2)));
    }

    #[test]
    fn equal_negatives_go_to_the_most_confident_miss() {
        let negative = pair(&[1.0, 0.0, 0.0], &[1.0, 0.1, 0.1], Some(&[-1.0, -3.0, -2.0]));
        assert_eq!(negative, Some((0, 2)));
    }

    #[test]
    fn without_log_probs_ties_go_to_the_lowest_index() {
        assert_eq!(pair(&[0.0, 0.0, 1.0, 1.0], &[0.0, 0.0, 1.0, 1.0], None), Some((2, 0)));
    }

    #[test]
    fn an_all_zero_or_all_hit_group_has_no_pair() {
        assert_eq!(pair(&[0.0, 0.0], &[0.0, 0.1], None), None);
        assert_eq!(pair(&[1.0, 1.0], &[1.0, 1.0], None), None);
        assert_eq!(pair(&[1.0], &[1.0], None), None);
    }

    #[test]
    fn later_duplicates_are_passed_over() {
        let rewards = [0.0, 0.0, 1.0, 1.0];
        let group = Group::new(&rewards, &rewards, Some(&[-2.0, -1.0, -2.0, -1.0])).unwrap();
        let pair = boundary_pair(group.with_duplicates(&[0, 0, 2, 2]).unwrap());
        assert_eq!(pair, Some(BoundaryPair { positive: 2, negative: 0 }));
    }
}
