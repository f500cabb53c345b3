//! The unit of everything: the completions of one prompt, checked once.

mod check;
mod error;
mod negative;

use crate::real::Real;

pub(crate) use self::check::check;
pub use self::error::GroupError;
pub(crate) use self::negative::NegativeData;

/// The regime of a group: the number of its hits, from none to all.
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
/// Rewards, structural scores and old log-probabilities are finite and of one length, at least 1. A
/// completion is a *hit* (a positive) if its reward is at least the
/// [threshold](Self::with_hit_threshold), 0.5 without one. [Marks](Self::with_hits) may take its
/// place. Every other completion is a *miss* (a negative).
///
/// Slot order is generation order; for beam search that is beam rank, the most probable first. The
/// view cannot check this order, nor that rewards are 0 or 1, nor that scores are of the same
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
    lengths: Option<&'a [usize]>,
    hit: Hit<'a, T>,
    negative: NegativeData<'a>,
}

/// The rule for a hit.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Hit<'a, T> {
    /// The least reward of a hit.
    Threshold(T),
    /// A mark for each completion, whatever its reward.
    Marks(&'a [bool]),
}

impl<T: Real> Hit<'_, T> {
    /// The threshold halfway between a miss and a hit of binary rewards.
    pub(crate) fn usual() -> Self {
        Self::Threshold(T::of(0.5))
    }
}

impl<'a, T: Real> Group<'a, T> {
    /// Checks the completions of one prompt.
    ///
    /// `old_log_probs` are sums over a completion's tokens under the policy that sampled it. The
    /// log-probabilities only order ties; without them generation order stands in. `O(G)` time, no
    /// allocation.
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
        check(rewards, structural_scores, old_log_probs)?;
        Ok(Self::of_checked(rewards, structural_scores, old_log_probs))
    }

    /// A view of columns that passed [`new`](Self::new) before.
    pub(crate) fn of_checked(
        rewards: &'a [T],
        structural_scores: &'a [T],
        old_log_probs: Option<&'a [T]>,
    ) -> Self {
        let (duplicate_of, lengths, hit) = (None, None, Hit::usual());
        let negative = NegativeData::default();
        Self { rewards, structural_scores, old_log_probs, duplicate_of, lengths, hit, negative }
    }

    /// The same view with data that were checked before.
    pub(crate) fn with_checked(
        self,
        duplicate_of: Option<&'a [usize]>,
        lengths: Option<&'a [usize]>,
        hit: Hit<'a, T>,
        negative: NegativeData<'a>,
    ) -> Self {
        Self { duplicate_of, lengths, hit, negative, ..self }
    }

    /// Sets the least reward of a hit.
    ///
    /// ```text
    /// hit: r_i >= threshold
    /// ```
    ///
    /// Rewards of 0 and 1 need no threshold. Shaped rewards need one: a price, a prefix credit or a
    /// sum of rewards may be above 0 without a hit. The anchor's reward, 1 or a shaped one, should
    /// reach the threshold, or a repaired group stays without a positive. `O(1)` time.
    ///
    /// Grade: \[ours\]; the paper's rewards are 0 and 1, where every threshold above 0 and up to 1
    /// is the same.
    ///
    /// # Errors
    ///
    /// If the threshold is NaN or infinite.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::{Group, Regime};
    ///
    /// let group = Group::new(&[0.01, 0.0, 0.1], &[0.0, 0.0, 0.1], None)?;
    /// assert_eq!(group.regime(), Regime::AllZero);
    /// assert_eq!(group.with_hit_threshold(0.1)?.regime(), Regime::SingleHit);
    /// # Ok::<(), recast_core::GroupError>(())
    /// ```
    pub fn with_hit_threshold(self, hit_threshold: T) -> Result<Self, GroupError> {
        if !hit_threshold.is_finite() {
            return Err(GroupError::HitThreshold { value: hit_threshold.widen() });
        }
        Ok(Self { hit: Hit::Threshold(hit_threshold), ..self })
    }

    /// Marks completions as hits, whatever their rewards.
    ///
    /// Marks serve sums of several rewards, where no threshold tells a hit: a dear miss may be
    /// worth more than a cheap hit. Marks take the place of the threshold. After a repair the
    /// caller marks the anchor's slot. `O(G)` time, no allocation.
    ///
    /// Grade: \[ours\].
    ///
    /// # Errors
    ///
    /// If the length is not G, or if a declared duplicate's mark differs from its first's.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::{Group, boundary::boundary_pair};
    ///
    /// let group = Group::new(&[0.9, 0.4], &[0.1, 1.0], None)?.with_hits(&[false, true])?;
    /// assert_eq!(boundary_pair(group).map(|pair| pair.positive), Some(1));
    /// # Ok::<(), recast_core::GroupError>(())
    /// ```
    pub fn with_hits(self, hits: &'a [bool]) -> Result<Self, GroupError> {
        if hits.len() != self.len() {
            let (rewards, hits) = (self.len(), hits.len());
            return Err(GroupError::HitCount { rewards, hits });
        }
        let group = Self { hit: Hit::Marks(hits), ..self };
        match self.duplicate_of {
            Some(duplicate_of) => group.with_duplicates(duplicate_of),
            None => Ok(group),
        }
    }

    /// States the number of tokens of each completion: OPO weighs by them, no other signal reads
    /// them.
    ///
    /// `O(G)` time, no allocation.
    ///
    /// # Errors
    ///
    /// If the length is not G, or if a completion has no token.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::{Group, GroupError};
    ///
    /// let group = Group::new(&[0.0, 1.0], &[0.0, 1.0], None)?;
    /// assert_eq!(group.with_lengths(&[3, 0]), Err(GroupError::LengthZero { index: 1 }));
    /// # Ok::<(), recast_core::GroupError>(())
    /// ```
    pub fn with_lengths(self, lengths: &'a [usize]) -> Result<Self, GroupError> {
        if lengths.len() != self.len() {
            let (rewards, lengths) = (self.len(), lengths.len());
            return Err(GroupError::LengthCount { rewards, lengths });
        }
        if let Some(index) = lengths.iter().position(|&length| length == 0) {
            return Err(GroupError::LengthZero { index });
        }
        Ok(Self { lengths: Some(lengths), ..self })
    }

    /// Declares the completions that repeat the SID of an earlier one.
    ///
    /// ```text
    /// duplicate_of[i] = index of the first completion with the SID of i; i itself if it is the
    /// first
    /// ```
    ///
    /// A later duplicate is never chosen for a boundary pair. A duplicate still counts in
    /// [`hits`](Self::hits), in the regime and in GRPO's mean. A duplicate may be the repair slot,
    /// since overwriting it loses no SID. [`declare`](crate::duplicate::declare) finds duplicates
    /// in the codes, [`redeclare`](crate::duplicate::redeclare) after a repair. \[ours\] `O(G)`
    /// time, no allocation.
    ///
    /// # Errors
    ///
    /// If the length is not G, or if an index does not name a first completion at or before its own
    /// place. Also if a duplicate's reward, structural score or mark differs from that of its
    /// first.
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
            if self.rewards[index] != self.rewards[first]
                || self.structural_scores[index] != self.structural_scores[first]
                || self.is_hit(index) != self.is_hit(first)
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

    /// The least reward of a hit; `None` if hits are marked.
    #[must_use]
    pub fn hit_threshold(&self) -> Option<T> {
        match self.hit {
            Hit::Threshold(threshold) => Some(threshold),
            Hit::Marks(_) => None,
        }
    }

    /// The number of tokens of each completion, if it is known.
    #[must_use]
    pub fn lengths(&self) -> Option<&'a [usize]> {
        self.lengths
    }

    /// The number of hits, K. Duplicates count.
    #[must_use]
    pub fn hits(&self) -> usize {
        // the rule is read once, so that the count vectorises
        match self.hit {
            Hit::Threshold(threshold) => {
                self.rewards.iter().filter(|&&reward| reward >= threshold).count()
            }
            Hit::Marks(hits) => hits.iter().filter(|&&hit| hit).count(),
        }
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

    /// Whether a completion is a hit.
    ///
    /// # Panics
    ///
    /// If there is no such completion.
    #[must_use]
    pub fn is_hit(&self, index: usize) -> bool {
        match self.hit {
            Hit::Threshold(threshold) => self.rewards[index] >= threshold,
            Hit::Marks(hits) => hits[index],
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
    /// log-probability. The comparison has no branches, since nothing predicts its result.
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

#[cfg(test)]
mod tests;
