//! Repair: the policy for all-zero groups, and the slot that the anchor takes.

mod rate;

use thiserror::Error;

use crate::group::{Group, Regime};
use crate::real::Real;
use crate::shown::Shown;

pub use self::rate::{AllZeroParts, AllZeroRate};

/// The reason why the numbers of repair were refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum RepairError {
    /// The gate's threshold is outside [0, 1].
    #[error("threshold {} of the all-zero rate is not within 0 and 1", Shown(*.value))]
    Threshold {
        /// The threshold.
        value: f64,
    },
    /// Tau is outside [0, 1].
    #[error("tau {} is not within 0 and 1: it is a probability of the anchor", Shown(*.value))]
    Tau {
        /// The probability.
        value: f64,
    },
    /// The decay of the moving average is outside [0, 1).
    #[error("decay {} of the all-zero rate is not at least 0 and below 1", Shown(*.value))]
    Decay {
        /// The decay.
        value: f64,
    },
    /// No observations leave such sums of a moving average behind.
    #[error(
        "total {} and weight {} of the all-zero rate: 0 <= total <= weight <= 1",
        Shown(*.total), Shown(*.weight)
    )]
    Parts {
        /// The weighted share of all-zero groups.
        total: f64,
        /// The sum of the weights.
        weight: f64,
    },
}

/// The policy by which all-zero groups are repaired.
///
/// The paper reports that repair can hurt a strong backbone; `Gated` and `Confident` leave repair
/// out where a group needs it least.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RepairPolicy<T> {
    /// Every all-zero group \[paper\].
    #[default]
    Always,
    /// No group: the ablation.
    Never,
    /// Every all-zero group while the moving average of the all-zero rate is at least a threshold
    /// \[ours\]. A backbone that hits on its own keeps its own hits.
    Gated {
        /// The least [`AllZeroRate`] at which groups are repaired.
        threshold: T,
    },
    /// Every all-zero group but those whose anchor the policy gives more than tau \[ours\]: such an
    /// anchor was only not drawn.
    Confident {
        /// The largest probability of the whole anchor at which a group is repaired.
        tau: T,
    },
}

impl<T: Real> RepairPolicy<T> {
    /// Checks the numbers of the policy, and returns it.
    ///
    /// # Errors
    ///
    /// If the threshold or tau is outside [0, 1].
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::repair::RepairPolicy;
    ///
    /// assert!(RepairPolicy::Gated { threshold: 0.5 }.check().is_ok());
    /// assert!(RepairPolicy::Confident { tau: f32::NAN }.check().is_err());
    /// ```
    pub fn check(self) -> Result<Self, RepairError> {
        let in_range = |value: T| value >= T::zero() && value <= T::one();
        match self {
            Self::Gated { threshold } if !in_range(threshold) => {
                Err(RepairError::Threshold { value: threshold.widen() })
            }
            Self::Confident { tau } if !in_range(tau) => {
                Err(RepairError::Tau { value: tau.widen() })
            }
            Self::Always | Self::Never | Self::Gated { .. } | Self::Confident { .. } => Ok(self),
        }
    }

    /// Whether an all-zero group is repaired, given the evidence.
    ///
    /// ```text
    /// gated       rate >= threshold
    /// confident   exp(log-prob of the anchor) <= tau
    /// ```
    ///
    /// Missing evidence holds no repair back. A gate is open before the first observation, and so
    /// is the confident policy without the anchor's log-probability. `O(1)` time.
    ///
    /// Grade: \[paper\] for always, \[ours\] for the rest.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::repair::{Evidence, RepairPolicy};
    ///
    /// let gate = RepairPolicy::Gated { threshold: 0.5 };
    /// assert!(gate.repairs(Evidence::default()));
    /// assert!(!gate.repairs(Evidence { all_zero_rate: Some(0.2), ..Evidence::default() }));
    /// ```
    #[must_use]
    pub fn repairs(&self, evidence: Evidence<T>) -> bool {
        match *self {
            Self::Always => true,
            Self::Never => false,
            Self::Gated { threshold } => {
                evidence.all_zero_rate.is_none_or(|rate| rate >= threshold)
            }
            Self::Confident { tau } => {
                evidence.anchor_log_prob.is_none_or(|log_prob| log_prob.exp() <= tau)
            }
        }
    }
}

/// The evidence on an all-zero group beside its completions. The default is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Evidence<T> {
    /// [`AllZeroRate::rate`] before this group's own batch was observed.
    pub all_zero_rate: Option<T>,
    /// The log-probability of the whole anchor under the rollout policy: a sum over its tokens.
    pub anchor_log_prob: Option<T>,
}

impl<T> Default for Evidence<T> {
    fn default() -> Self {
        Self { all_zero_rate: None, anchor_log_prob: None }
    }
}

/// The slot of an all-zero group that the anchor replaces: its least informative completion.
///
/// ```text
/// slot = argmin u_i        if all r_i = 0
/// ```
///
/// Equal scores are ordered by lowest old log-probability, then by highest index, so that the hard
/// misses stay. Without log-probabilities generation order stands in and the last tied slot is
/// taken: a plain argmin would take the most probable beam. A later duplicate may be taken. `None`
/// if the group has a hit: repair leaves such a group alone. A group of one gives its only slot.
///
/// The caller overwrites the completion with the anchor (reward 1, structural score 1) and builds
/// the group anew. The function cannot check that the anchor is valid. `O(G)` time, no allocation.
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
    // A later slot takes a tie.
    (0..group.len()).reduce(|least, slot| if group.is_harder(slot, least) { least } else { slot })
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
    fn what_is_not_known_does_not_hold_a_repair_back() {
        let nothing = Evidence::default();
        assert!(RepairPolicy::Always.repairs(nothing));
        assert!(RepairPolicy::Gated { threshold: 1.0 }.repairs(nothing));
        assert!(RepairPolicy::Confident { tau: 0.0 }.repairs(nothing));
        assert!(!RepairPolicy::Never.repairs(nothing));
    }

    #[test]
    fn a_gate_is_open_at_its_threshold_and_above() {
        let gate = RepairPolicy::Gated { threshold: 0.5 };
        for (rate, open) in [(0.4, false), (0.5, true), (0.9, true)] {
            let evidence = Evidence { all_zero_rate: Some(rate), anchor_log_prob: Some(0.0) };
            assert_eq!(gate.repairs(evidence), open);
        }
    }

    #[test]
    fn a_confident_policy_is_left_alone_above_tau() {
        let confident = RepairPolicy::Confident { tau: 0.5 };
        for (probability, repairs) in [(0.4_f64, true), (0.6, false)] {
            let evidence =
                Evidence { all_zero_rate: Some(0.0), anchor_log_prob: Some(probability.ln()) };
            assert_eq!(confident.repairs(evidence), repairs);
        }
        let certain = Evidence { all_zero_rate: None, anchor_log_prob: Some(0.0) };
        assert!(RepairPolicy::Confident { tau: 1.0 }.repairs(certain));
    }

    #[test]
    fn numbers_out_of_range_are_refused() {
        for value in [-0.1, 1.1, f64::INFINITY] {
            assert_eq!(
                RepairPolicy::Gated { threshold: value }.check(),
                Err(RepairError::Threshold { value })
            );
            assert_eq!(
                RepairPolicy::Confident { tau: value }.check(),
                Err(RepairError::Tau { value })
            );
            assert_eq!(AllZeroRate::new(value), Err(RepairError::Decay { value }));
        }
        assert!(RepairPolicy::Gated { threshold: f64::NAN }.check().is_err());
        assert!(RepairPolicy::Confident { tau: f64::NAN }.check().is_err());
        assert!(AllZeroRate::new(f64::NAN).is_err() && AllZeroRate::new(1.0).is_err());
    }

    #[test]
    fn a_later_duplicate_may_be_replaced() {
        let group = Group::new(&[0.0; 3], &[0.0; 3], None).unwrap();
        assert_eq!(repair_slot(group.with_duplicates(&[0, 1, 0]).unwrap()), Some(2));
    }
}
