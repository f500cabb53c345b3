//! The unit of everything: the completions of one prompt, checked once.

use thiserror::Error;

use crate::real::{Real, all_finite};

/// Why a group was refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The group has no completion.
    #[error("a group needs at least one completion, got 0 rewards")]
    Empty,
    /// There is not one structural score for each reward.
    #[error("{scores} structural scores for {rewards} rewards: give one for each completion")]
    ScoreCount {
        /// The number of rewards, G.
        rewards: usize,
        /// The number of structural scores.
        scores: usize,
    },
    /// There is not one old log-probability for each reward.
    #[error("{old_log_probs} old log-probs for {rewards} rewards: give one for each completion")]
    OldLogProbCount {
        /// The number of rewards, G.
        rewards: usize,
        /// The number of old log-probabilities.
        old_log_probs: usize,
    },
    /// There is not one duplicate index for each reward.
    #[error("{duplicates} duplicate indices for {rewards} rewards: give one for each completion")]
    DuplicateCount {
        /// The number of rewards, G.
        rewards: usize,
        /// The number of duplicate indices.
        duplicates: usize,
    },
    /// There is not one hit for each reward.
    #[error("{hits} hits for {rewards} rewards: say of each completion whether it is one")]
    HitCount {
        /// The number of rewards, G.
        rewards: usize,
        /// The number of hits given.
        hits: usize,
    },
    /// A reward is NaN or infinite.
    #[error("reward {value} of completion {index} is not finite")]
    RewardNotFinite {
        /// The completion.
        index: usize,
        /// Its reward.
        value: f64,
    },
    /// A structural score is NaN or infinite.
    #[error("structural score {value} of completion {index} is not finite")]
    ScoreNotFinite {
        /// The completion.
        index: usize,
        /// Its structural score.
        value: f64,
    },
    /// An old log-probability is NaN or infinite.
    #[error("old log-prob {value} of completion {index} is not finite: was it sampled at all?")]
    OldLogProbNotFinite {
        /// The completion.
        index: usize,
        /// Its old log-probability.
        value: f64,
    },
    /// A duplicate index does not name a first completion at or before its own place.
    #[error("completion {index} cannot be a duplicate of {first}: name the first with its SID")]
    DuplicateNotFirst {
        /// The completion.
        index: usize,
        /// The completion it claims to repeat.
        first: usize,
    },
    /// Two completions with the same SID have different rewards, hits or structural scores.
    #[error("completion {index} repeats {first} with another reward, hit or structural score")]
    DuplicateDiffers {
        /// The completion.
        index: usize,
        /// The completion it repeats.
        first: usize,
    },
}

/// How many completions of a group are hits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Regime {
    /// K = 0: nothing to learn from without repair.
    AllZero,
    /// K = 1 < G.
    SingleHit,
    /// 1 < K < G.
    MultiHit,
    /// K = G: no negative to contrast with. A group of one with a hit is all-hit, not single-hit.
    AllHit,
}

/// A checked view of the G completions of one prompt.
///
/// Rewards, structural scores and old log-probabilities are finite and of one length, at least 1.
/// A completion is a *hit* (a positive) if `r_i > 0` and a *miss* (a negative) otherwise, unless
/// [`with_hits`](Self::with_hits) says which are hits.
///
/// Slot order is generation order; for beam search that is beam rank, the most probable first. The
/// view cannot check that, nor that rewards are 0 or 1, nor that scores are of the same
/// completions.
///
/// # Shapes
///
/// `rewards`, `structural_scores`, `old_log_probs`: (G).
///
/// # Examples
///
/// ```
/// use recast_core::{Group, Regime};
///
/// let group = Group::new(&[0.0, 1.0, 0.0], &[0.1, 1.0, 0.0], None)?;
/// assert_eq!(group.len(), 3);
/// assert_eq!(group.hits(), 1);
/// assert_eq!(group.regime(), Regime::SingleHit);
/// # Ok::<(), recast_core::GroupError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Group<'a, T> {
    rewards: &'a [T],
    structural_scores: &'a [T],
    old_log_probs: Option<&'a [T]>,
    duplicate_of: Option<&'a [usize]>,
    hits: Option<&'a [bool]>,
}

impl<'a, T: Real> Group<'a, T> {
    /// Checks the completions of one prompt.
    ///
    /// `old_log_probs` are sums over a completion's tokens under the policy that sampled it. They
    /// only order ties; without them generation order stands in. `O(G)` time, no allocation.
    ///
    /// # Errors
    ///
    /// If there is no completion, if the lengths differ, or if a number is NaN or infinite.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::{Group, GroupError};
    ///
    /// let refused = Group::new(&[0.0, f64::INFINITY], &[0.0, 0.0], None);
    /// assert_eq!(refused, Err(GroupError::RewardNotFinite { index: 1, value: f64::INFINITY }));
    /// ```
    pub fn new(
        rewards: &'a [T],
        structural_scores: &'a [T],
        old_log_probs: Option<&'a [T]>,
    ) -> Result<Self, GroupError> {
        if rewards.is_empty() {
            return Err(GroupError::Empty);
        }
        if structural_scores.len() != rewards.len() {
            let (rewards, scores) = (rewards.len(), structural_scores.len());
            return Err(GroupError::ScoreCount { rewards, scores });
        }
        if let Some((index, value)) = first_not_finite(rewards) {
            return Err(GroupError::RewardNotFinite { index, value });
        }
        if let Some((index, value)) = first_not_finite(structural_scores) {
            return Err(GroupError::ScoreNotFinite { index, value });
        }
        if let Some(old) = old_log_probs {
            if old.len() != rewards.len() {
                let (rewards, old_log_probs) = (rewards.len(), old.len());
                return Err(GroupError::OldLogProbCount { rewards, old_log_probs });
            }
            if let Some((index, value)) = first_not_finite(old) {
                return Err(GroupError::OldLogProbNotFinite { index, value });
            }
        }
        Ok(Self { rewards, structural_scores, old_log_probs, duplicate_of: None, hits: None })
    }

    /// A view of columns that passed [`new`](Self::new) and
    /// [`with_duplicates`](Self::with_duplicates) before.
    pub(crate) fn of_checked(
        rewards: &'a [T],
        structural_scores: &'a [T],
        old_log_probs: Option<&'a [T]>,
        duplicate_of: Option<&'a [usize]>,
    ) -> Self {
        Self { rewards, structural_scores, old_log_probs, duplicate_of, hits: None }
    }

    /// Declares which completions are hits, whatever their rewards are.
    ///
    /// A sum of several rewards may pay a miss more than a hit, so that no reward tells the two
    /// apart. Regime, repair, pair and ranking penalties then follow the hits; advantages and the
    /// order among hits follow the rewards. \[ours\] `O(G)` time, no allocation.
    ///
    /// # Errors
    ///
    /// If the length is not G, or if a declared duplicate is a hit and its first is not, or the
    /// other way round.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::{Group, Signal};
    ///
    /// // The first completion misses, and is dear; the second hits.
    /// let group = Group::new(&[2.0, 1.1], &[0.1, 1.0], None)?.with_hits(&[false, true])?;
    /// assert_eq!(group.hits(), 1);
    /// assert_eq!(Signal::recast().repair(group), None);
    /// # Ok::<(), recast_core::GroupError>(())
    /// ```
    pub fn with_hits(self, hits: &'a [bool]) -> Result<Self, GroupError> {
        if hits.len() != self.len() {
            return Err(GroupError::HitCount { rewards: self.len(), hits: hits.len() });
        }
        let group = Self { hits: Some(hits), ..self };
        match self.duplicate_of {
            Some(duplicate_of) => group.with_duplicates(duplicate_of),
            None => Ok(group),
        }
    }

    /// Declares which completions repeat the SID of an earlier one.
    ///
    /// ```text
    /// duplicate_of[i] = index of the first completion with the SID of i; i itself if it is the first
    /// ```
    ///
    /// A later duplicate is never chosen for a boundary pair. It still counts in
    /// [`hits`](Self::hits), in the regime, in GRPO's mean, and it may be the repair slot:
    /// overwriting it loses no SID. \[ours\] `O(G)` time, no allocation.
    ///
    /// # Errors
    ///
    /// If the length is not G, if an index does not name a first completion at or before its own
    /// place, or if a duplicate's reward or structural score differs from its first's.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::{Group, boundary::boundary_pair};
    ///
    /// // Completions 1 and 2 are the same SID, and 2 was a little more probable by rounding.
    /// let old_log_probs = [-1.0, -2.0, -1.9999];
    /// let group = Group::new(&[1.0, 0.0, 0.0], &[1.0, 0.1, 0.1], Some(&old_log_probs))?;
    /// let pair = boundary_pair(group.with_duplicates(&[0, 1, 1])?);
    /// assert_eq!(pair.map(|pair| pair.negative), Some(1));
    /// # Ok::<(), recast_core::GroupError>(())
    /// ```
    pub fn with_duplicates(self, duplicate_of: &'a [usize]) -> Result<Self, GroupError> {
        if duplicate_of.len() != self.len() {
            let (rewards, duplicates) = (self.len(), duplicate_of.len());
            return Err(GroupError::DuplicateCount { rewards, duplicates });
        }
        for (index, &first) in duplicate_of.iter().enumerate() {
            if first > index || duplicate_of[first] != first {
                return Err(GroupError::DuplicateNotFirst { index, first });
            }
            if self.is_hit(index) != self.is_hit(first)
                || self.rewards[index] != self.rewards[first]
                || self.structural_scores[index] != self.structural_scores[first]
            {
                return Err(GroupError::DuplicateDiffers { index, first });
            }
        }
        Ok(Self { duplicate_of: Some(duplicate_of), ..self })
    }

    /// The number of completions, G.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "a group is never empty")]
    pub fn len(&self) -> usize {
        self.rewards.len()
    }

    /// The task rewards `r_i`, in generation order.
    #[must_use]
    pub fn rewards(&self) -> &'a [T] {
        self.rewards
    }

    /// The structural scores `u_i`, in generation order.
    #[must_use]
    pub fn structural_scores(&self) -> &'a [T] {
        self.structural_scores
    }

    /// The log-probabilities at sampling, if they are known.
    #[must_use]
    pub fn old_log_probs(&self) -> Option<&'a [T]> {
        self.old_log_probs
    }

    /// The number of hits, K. Duplicates count.
    #[must_use]
    pub fn hits(&self) -> usize {
        (0..self.len()).filter(|&index| self.is_hit(index)).count()
    }

    /// The regime of the group. `O(G)` time.
    #[must_use]
    pub fn regime(&self) -> Regime {
        match self.hits() {
            0 => Regime::AllZero,
            hits if hits == self.len() => Regime::AllHit,
            1 => Regime::SingleHit,
            _ => Regime::MultiHit,
        }
    }

    /// Whether all rewards are equal.
    pub(crate) fn is_uniform(&self) -> bool {
        self.rewards.iter().all(|&reward| reward == self.rewards[0])
    }

    pub(crate) fn is_hit(&self, index: usize) -> bool {
        match self.hits {
            Some(hits) => hits[index],
            None => self.rewards[index] > T::zero(),
        }
    }

    /// The hits that repeat no earlier completion, ascending.
    pub(crate) fn positives(self) -> impl Iterator<Item = usize> {
        self.firsts().filter(move |&index| self.is_hit(index))
    }

    /// The misses that repeat no earlier completion, ascending.
    pub(crate) fn negatives(self) -> impl Iterator<Item = usize> {
        self.firsts().filter(move |&index| !self.is_hit(index))
    }

    fn firsts(self) -> impl Iterator<Item = usize> {
        (0..self.len()).filter(move |&index| self.duplicate_of.is_none_or(|of| of[index] == index))
    }

    /// Whether `a` has the higher structural score, or an equal one and the higher old
    /// log-probability. Without branches: which of two is ahead, nothing predicts.
    pub(crate) fn is_harder(&self, a: usize, b: usize) -> bool {
        let scores = self.structural_scores;
        (scores[a] > scores[b])
            | ((scores[a] == scores[b]) & self.old_log_probs.is_some_and(|old| old[a] > old[b]))
    }

    /// Whether `a` has the higher reward, or an equal one and is harder.
    pub(crate) fn is_stronger(&self, a: usize, b: usize) -> bool {
        let rewards = self.rewards;
        (rewards[a] > rewards[b]) | ((rewards[a] == rewards[b]) & self.is_harder(a, b))
    }
}

fn first_not_finite<T: Real>(values: &[T]) -> Option<(usize, f64)> {
    if all_finite(values) {
        return None;
    }
    let index = values.iter().position(|value| !value.is_finite())?;
    Some((index, values[index].widen()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;

    fn regime(rewards: &[f64]) -> Regime {
        Group::new(rewards, rewards, None).unwrap().regime()
    }

    #[test]
    fn an_empty_group_is_refused() {
        assert_eq!(Group::<f64>::new(&[], &[], None), Err(GroupError::Empty));
    }

    #[test]
    fn lengths_that_differ_are_refused_with_both_numbers() {
        assert_eq!(
            Group::new(&[0.0, 1.0], &[0.0], None),
            Err(GroupError::ScoreCount { rewards: 2, scores: 1 })
        );
        assert_eq!(
            Group::new(&[0.0, 1.0], &[0.0, 1.0], Some(&[-1.0])),
            Err(GroupError::OldLogProbCount { rewards: 2, old_log_probs: 1 })
        );
    }

    #[test]
    fn numbers_that_are_not_finite_are_refused_with_their_index() {
        let finite = [0.0, 1.0];
        for bad in [f64::INFINITY, f64::NEG_INFINITY] {
            let column = [0.0, bad];
            assert_eq!(
                Group::new(&column, &finite, None),
                Err(GroupError::RewardNotFinite { index: 1, value: bad })
            );
            assert_eq!(
                Group::new(&finite, &column, None),
                Err(GroupError::ScoreNotFinite { index: 1, value: bad })
            );
            assert_eq!(
                Group::new(&finite, &finite, Some(&column)),
                Err(GroupError::OldLogProbNotFinite { index: 1, value: bad })
            );
        }
    }

    #[test]
    fn nan_is_refused() {
        let (finite, nan) = ([0.0], [f32::NAN]);
        assert!(matches!(
            Group::new(&nan, &finite, None),
            Err(GroupError::RewardNotFinite { index: 0, value }) if value.is_nan()
        ));
        assert!(Group::new(&finite, &nan, None).is_err());
        assert!(Group::new(&finite, &finite, Some(&nan)).is_err());
    }

    #[test]
    fn the_four_regimes_are_told_apart() {
        assert_eq!(regime(&[0.0, 0.0, 0.0]), Regime::AllZero);
        assert_eq!(regime(&[0.0, 1.0, 0.0]), Regime::SingleHit);
        assert_eq!(regime(&[1.0, 1.0, 0.0]), Regime::MultiHit);
        assert_eq!(regime(&[1.0, 1.0, 1.0]), Regime::AllHit);
    }

    #[test]
    fn a_group_of_one_is_all_zero_or_all_hit() {
        assert_eq!(regime(&[0.0]), Regime::AllZero);
        assert_eq!(regime(&[1.0]), Regime::AllHit);
    }

    #[test]
    fn duplicates_count_as_hits() {
        let group = Group::new(&[1.0, 1.0, 0.0], &[1.0, 1.0, 0.0], None).unwrap();
        assert_eq!(group.with_duplicates(&[0, 0, 2]).unwrap().hits(), 2);
    }

    #[test]
    fn given_hits_stand_above_rewards() {
        let group = Group::new(&[2.0, 0.5, -1.0], &[0.1, 1.0, 1.0], None).unwrap();
        let given = group.with_hits(&[false, true, true]).unwrap();
        assert_eq!((given.hits(), given.regime()), (2, Regime::MultiHit));
        assert!(given.positives().eq([1, 2]) && given.negatives().eq([0]));
        assert_eq!(group.with_hits(&[true]), Err(GroupError::HitCount { rewards: 3, hits: 1 }));
    }

    #[test]
    fn duplicates_agree_in_their_hits_in_either_order() {
        let group = Group::new(&[1.0, 1.0], &[0.1, 0.1], None).unwrap();
        let (duplicate_of, hits) = ([0, 0], [true, false]);
        let differs = Err(GroupError::DuplicateDiffers { index: 1, first: 0 });
        assert_eq!(group.with_hits(&hits).unwrap().with_duplicates(&duplicate_of), differs);
        assert_eq!(group.with_duplicates(&duplicate_of).unwrap().with_hits(&hits), differs);
    }

    #[test]
    fn duplicate_indices_are_checked() {
        let group = Group::new(&[0.0, 0.0, 1.0], &[0.1, 0.1, 1.0], None).unwrap();
        assert_eq!(
            group.with_duplicates(&[0]),
            Err(GroupError::DuplicateCount { rewards: 3, duplicates: 1 })
        );
        for (duplicates, index, first) in [([1, 1, 2], 0, 1), ([0, 0, 1], 2, 1), ([0, 9, 2], 1, 9)]
        {
            assert_eq!(
                group.with_duplicates(&duplicates),
                Err(GroupError::DuplicateNotFirst { index, first })
            );
        }
        assert_eq!(
            group.with_duplicates(&[0, 0, 0]),
            Err(GroupError::DuplicateDiffers { index: 2, first: 0 })
        );
    }

    #[test]
    fn messages_name_the_number_and_the_place() {
        let error = Group::new(&[0.0, f64::NAN], &[0.0, 0.0], None).unwrap_err();
        assert_eq!(error.to_string(), "reward NaN of completion 1 is not finite");
    }
}
