//! Many groups laid out flat: the same signals in one call, into the caller's slices.
//!
//! Completions of all groups stand one after the other. Offsets say where each group starts, as in
//! a compressed sparse row matrix, so groups may differ in size. No call allocates. With the
//! feature `rayon` each call has a parallel form with equal results: groups do not see each other.

mod error;
mod negative;
mod plan;
mod signals;

use crate::group::{Group, GroupError, Hit, NegativeData, check};
use crate::real::Real;
use crate::signal::{Outcome, Selection};

pub use self::error::BatchError;
pub use self::plan::{Anchors, Columns, GroupPlan};
pub use self::signals::{BatchEvidence, BatchOutcome};

/// A checked view of B groups with N completions in all.
///
/// Group b is the completions `offsets[b] .. offsets[b + 1]`. Every group has passed the checks of
/// [`Group::new`], so none is empty; a batch may have no group.
///
/// # Shapes
///
/// `offsets`: (B + 1); `rewards`, `structural_scores`, `old_log_probs`: (N).
///
/// # Examples
///
/// ```
/// use recast_core::batch::{Batch, BatchOutcome};
/// use recast_core::{Outcome, Signal, Skip};
///
/// // Two groups, of three and of two completions.
/// let (rewards, scores) = ([0.0, 1.0, 0.0, 0.0, 0.0], [0.1, 1.0, 0.0, 0.0, 0.1]);
/// let batch = Batch::new(&[0, 3, 5], &rewards, &scores, None)?;
///
/// let (mut kept, mut advantages) = ([0; 5], [0.0; 5]);
/// let mut outcomes = [BatchOutcome::default(); 2];
/// Signal::recast().select_batch(batch, &mut kept, &mut advantages, &mut outcomes);
/// let mut outcomes = batch.outcomes(&kept, &advantages, &outcomes);
/// let Some(Outcome::Trained(selection)) = outcomes.next() else { unreachable!("it is mixed") };
/// assert_eq!((selection.kept, selection.advantages), (&[0, 1][..], &[-1.0, 1.0][..]));
/// assert_eq!(outcomes.next(), Some(Outcome::Skipped(Skip::NoPositive)));
/// # Ok::<(), recast_core::batch::BatchError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Batch<'a, T> {
    offsets: &'a [usize],
    rewards: &'a [T],
    structural_scores: &'a [T],
    old_log_probs: Option<&'a [T]>,
    duplicate_of: Option<&'a [usize]>,
    lengths: Option<&'a [usize]>,
    hit: Hit<'a, T>,
    first_codes: Option<&'a [usize]>,
    draws: Option<&'a [u64]>,
}

impl<'a, T: Real> Batch<'a, T> {
    /// Checks offsets, lengths and every group. `O(N)` time, no allocation.
    ///
    /// # Errors
    ///
    /// If the offsets do not rise from 0 to N, if the lengths differ, or if a group is refused. An
    /// empty group is refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::GroupError;
    /// use recast_core::batch::{Batch, BatchError};
    ///
    /// let empty = Batch::new(&[0, 0, 2], &[0.0, 1.0], &[0.0, 1.0], None);
    /// assert_eq!(empty, Err(BatchError::Group { group: 0, error: GroupError::Empty }));
    /// ```
    pub fn new(
        offsets: &'a [usize],
        rewards: &'a [T],
        structural_scores: &'a [T],
        old_log_probs: Option<&'a [T]>,
    ) -> Result<Self, BatchError> {
        let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else {
            return Err(BatchError::NoOffset);
        };
        if first != 0 {
            return Err(BatchError::FirstOffset { offset: first });
        }
        for (group, bounds) in offsets.windows(2).enumerate() {
            if bounds[1] < bounds[0] {
                let (start, end) = (bounds[0], bounds[1]);
                return Err(BatchError::Decreasing { group, start, end });
            }
        }
        if last != rewards.len() {
            return Err(BatchError::LastOffset { offset: last, rewards: rewards.len() });
        }
        if structural_scores.len() != rewards.len() {
            let (rewards, scores) = (rewards.len(), structural_scores.len());
            return Err(BatchError::ScoreCount { rewards, scores });
        }
        if let Some(old) = old_log_probs
            && old.len() != rewards.len()
        {
            let (rewards, old_log_probs) = (rewards.len(), old.len());
            return Err(BatchError::OldLogProbCount { rewards, old_log_probs });
        }
        let batch = Self {
            offsets,
            rewards,
            structural_scores,
            old_log_probs,
            duplicate_of: None,
            lengths: None,
            hit: Hit::usual(),
            first_codes: None,
            draws: None,
        };
        for group in 0..batch.len() {
            let range = batch.range(group);
            check(
                &rewards[range.clone()],
                &structural_scores[range.clone()],
                old_log_probs.map(|old| &old[range.clone()]),
            )
            .map_err(|error| BatchError::Group { group, error })?;
        }
        Ok(batch)
    }

    /// Declares the completions that repeat an earlier one of their group.
    ///
    /// The indices count from the start of the group, as in [`Group::with_duplicates`]. `O(N)`
    /// time, no allocation.
    ///
    /// # Errors
    ///
    /// If the length is not N, or if the indices of a group are refused.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::batch::Batch;
    ///
    /// let batch = Batch::new(&[0, 1, 3], &[1.0, 0.0, 0.0], &[1.0, 0.1, 0.1], None)?;
    /// let batch = batch.with_duplicates(&[0, 0, 0])?;
    /// assert_eq!(batch.len(), 2);
    /// # Ok::<(), recast_core::batch::BatchError>(())
    /// ```
    pub fn with_duplicates(self, duplicate_of: &'a [usize]) -> Result<Self, BatchError> {
        if duplicate_of.len() != self.completions() {
            let (rewards, duplicates) = (self.completions(), duplicate_of.len());
            return Err(BatchError::DuplicateCount { rewards, duplicates });
        }
        for group in 0..self.len() {
            self.group(group)
                .with_duplicates(&duplicate_of[self.range(group)])
                .map_err(|error| BatchError::Group { group, error })?;
        }
        Ok(Self { duplicate_of: Some(duplicate_of), ..self })
    }

    /// Sets the least reward of a hit, in all groups.
    ///
    /// The threshold is that of [`Group::with_hit_threshold`]. `O(1)` time.
    ///
    /// # Errors
    ///
    /// If the threshold is NaN or infinite.
    pub fn with_hit_threshold(self, hit_threshold: T) -> Result<Self, GroupError> {
        if !hit_threshold.is_finite() {
            return Err(GroupError::HitThreshold { value: hit_threshold.widen() });
        }
        Ok(Self { hit: Hit::Threshold(hit_threshold), ..self })
    }

    /// Marks completions as hits, whatever their rewards.
    ///
    /// The marks are those of [`Group::with_hits`]. `O(N)` time, no allocation.
    ///
    /// # Errors
    ///
    /// If the length is not N, or if a declared duplicate's mark differs from its first's.
    pub fn with_hits(self, hits: &'a [bool]) -> Result<Self, BatchError> {
        if hits.len() != self.completions() {
            let (rewards, hits) = (self.completions(), hits.len());
            return Err(BatchError::HitCount { rewards, hits });
        }
        for group in 0..self.len() {
            self.group(group)
                .with_hits(&hits[self.range(group)])
                .map_err(|error| BatchError::Group { group, error })?;
        }
        Ok(Self { hit: Hit::Marks(hits), ..self })
    }

    /// States the number of tokens of each completion, by which OPO and REINFORCE++ weigh.
    ///
    /// The lengths are those of [`Group::with_lengths`]. `O(N)` time, no allocation.
    ///
    /// # Errors
    ///
    /// If the length is not N, or if a completion has no token.
    pub fn with_lengths(self, lengths: &'a [usize]) -> Result<Self, BatchError> {
        if lengths.len() != self.completions() {
            let (rewards, lengths) = (self.completions(), lengths.len());
            return Err(BatchError::LengthCount { rewards, lengths });
        }
        for group in 0..self.len() {
            self.group(group)
                .with_lengths(&lengths[self.range(group)])
                .map_err(|error| BatchError::Group { group, error })?;
        }
        Ok(Self { lengths: Some(lengths), ..self })
    }

    /// The number of groups, B.
    #[must_use]
    pub fn len(&self) -> usize {
        self.offsets.len() - 1
    }

    /// Whether there is no group.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The number of completions of all groups, N.
    #[must_use]
    pub fn completions(&self) -> usize {
        self.rewards.len()
    }

    /// The slots of a group's completions among all N.
    ///
    /// # Panics
    ///
    /// If there is no such group.
    #[must_use]
    pub fn range(&self, group: usize) -> core::ops::Range<usize> {
        self.offsets[group]..self.offsets[group + 1]
    }

    /// One group, without checking it again. `O(1)` time.
    ///
    /// # Panics
    ///
    /// If there is no such group.
    #[must_use]
    pub fn group(&self, group: usize) -> Group<'a, T> {
        let range = self.range(group);
        Group::of_checked(
            &self.rewards[range.clone()],
            &self.structural_scores[range.clone()],
            self.old_log_probs.map(|old| &old[range.clone()]),
        )
        .with_checked(
            self.duplicate_of.map(|of| &of[range.clone()]),
            self.lengths.map(|lengths| &lengths[range.clone()]),
            match self.hit {
                Hit::Threshold(threshold) => Hit::Threshold(threshold),
                Hit::Marks(hits) => Hit::Marks(&hits[range.clone()]),
            },
            NegativeData {
                first_codes: self.first_codes.map(|codes| &codes[range]),
                draw: self.draws.map_or(0, |draws| draws[group]),
            },
        )
    }

    /// All groups, in their order.
    #[must_use]
    pub fn groups(self) -> impl ExactSizeIterator<Item = Group<'a, T>> {
        (0..self.len()).map(move |group| self.group(group))
    }

    /// The outcomes that [`Signal::select_batch`](crate::Signal::select_batch) wrote, group by
    /// group. Slots count from the start of the group.
    ///
    /// # Shapes
    ///
    /// `kept`, `advantages`: (N); `outcomes`: (B).
    ///
    /// # Panics
    ///
    /// If the slices are not of these lengths.
    pub fn outcomes<'o>(
        self,
        kept: &'o [usize],
        advantages: &'o [T],
        outcomes: &'o [BatchOutcome],
    ) -> impl Iterator<Item = Outcome<'o, T>>
    where
        'a: 'o,
    {
        self.assert_slices(kept.len(), advantages.len(), outcomes.len());
        outcomes.iter().enumerate().map(move |(group, &outcome)| match outcome {
            BatchOutcome::Trained { kept: count, divisor } => {
                let start = self.offsets[group];
                let range = start..start + count;
                let (kept, advantages) = (&kept[range.clone()], &advantages[range]);
                Outcome::Trained(Selection { kept, advantages, divisor })
            }
            BatchOutcome::Skipped(skip) => Outcome::Skipped(skip),
        })
    }

    fn assert_slices(&self, kept: usize, advantages: usize, outcomes: usize) {
        assert!(
            kept == self.completions()
                && advantages == self.completions()
                && outcomes == self.len(),
            "a batch of {} groups and {} completions needs as many outcomes and slots, got \
             {outcomes} outcomes, {kept} slots for indices and {advantages} for advantages",
            self.len(),
            self.completions()
        );
    }

    /// The number of completions of the groups `first .. end`.
    #[cfg(feature = "rayon")]
    fn between(&self, first: usize, end: usize) -> usize {
        self.offsets[end] - self.offsets[first]
    }
}

#[cfg(test)]
mod tests;
