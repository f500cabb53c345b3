//! Many groups laid out flat: the same signals in one call, into the caller's slices.
//!
//! Completions of all groups stand one after the other. Offsets say where each group starts, as in
//! a compressed sparse row matrix, so groups may differ in size. No call allocates. With the
//! feature `rayon` there is a parallel form of each, with equal results: groups do not see each
//! other.

use thiserror::Error;

use crate::group::{Group, GroupError};
use crate::real::Real;
use crate::repair::Evidence;
use crate::signal::{Outcome, Selection, Signal, Skip};

/// Why a batch was refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// There is no offset at all; even a batch without a group has one, 0.
    #[error("a batch needs one offset more than it has groups, got 0 offsets")]
    NoOffset,
    /// The first offset is not 0.
    #[error("the first offset is {offset}, it has to be 0")]
    FirstOffset {
        /// The first offset.
        offset: usize,
    },
    /// An offset is below the one before it.
    #[error("group {group} would end at {end}, before its start at {start}")]
    Decreasing {
        /// The group.
        group: usize,
        /// Its start.
        start: usize,
        /// Its end.
        end: usize,
    },
    /// The last offset is not the number of completions.
    #[error("the last offset is {offset} for {rewards} rewards: it has to be their number")]
    LastOffset {
        /// The last offset.
        offset: usize,
        /// The number of rewards.
        rewards: usize,
    },
    /// There is not one structural score for each reward.
    #[error("{scores} structural scores for {rewards} rewards: give one for each completion")]
    ScoreCount {
        /// The number of rewards.
        rewards: usize,
        /// The number of structural scores.
        scores: usize,
    },
    /// There is not one old log-probability for each reward.
    #[error("{old_log_probs} old log-probs for {rewards} rewards: give one for each completion")]
    OldLogProbCount {
        /// The number of rewards.
        rewards: usize,
        /// The number of old log-probabilities.
        old_log_probs: usize,
    },
    /// There is not one duplicate index for each reward.
    #[error("{duplicates} duplicate indices for {rewards} rewards: give one for each completion")]
    DuplicateCount {
        /// The number of rewards.
        rewards: usize,
        /// The number of duplicate indices.
        duplicates: usize,
    },
    /// A group was refused; its indices count from the start of the group.
    #[error("group {group}: {error}")]
    Group {
        /// The group.
        group: usize,
        /// Why.
        error: GroupError,
    },
}

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
}

impl<'a, T: Real> Batch<'a, T> {
    /// Checks offsets, lengths and every group. `O(N)` time, no allocation.
    ///
    /// # Errors
    ///
    /// If the offsets do not start at 0, rise, and end at N; if the lengths differ; or if a group
    /// is refused, as an empty one is.
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
        let batch = Self { offsets, rewards, structural_scores, old_log_probs, duplicate_of: None };
        for group in 0..batch.len() {
            let range = batch.range(group);
            Group::new(
                &rewards[range.clone()],
                &structural_scores[range.clone()],
                old_log_probs.map(|old| &old[range.clone()]),
            )
            .map_err(|error| BatchError::Group { group, error })?;
        }
        Ok(batch)
    }

    /// Declares which completions repeat an earlier one of their group.
    ///
    /// As [`Group::with_duplicates`]: the indices count from the start of the group. `O(N)` time,
    /// no allocation.
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
        let plain = Self { duplicate_of: None, ..self };
        for group in 0..self.len() {
            plain
                .group(group)
                .with_duplicates(&duplicate_of[self.range(group)])
                .map_err(|error| BatchError::Group { group, error })?;
        }
        Ok(Self { duplicate_of: Some(duplicate_of), ..self })
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

    /// Where the completions of a group stand.
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
            self.duplicate_of.map(|of| &of[range.clone()]),
        )
    }

    /// All groups, in their order.
    #[must_use]
    pub fn groups(self) -> impl ExactSizeIterator<Item = Group<'a, T>> {
        (0..self.len()).map(move |group| self.group(group))
    }

    /// What [`Signal::select_batch`] wrote, group by group: slots count from the start of the
    /// group.
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
}

/// What a signal made of one group of a batch; its slots and advantages stand in the caller's
/// slices, from the group's offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum BatchOutcome {
    /// The group is trained on.
    Trained {
        /// The number of kept slots.
        kept: usize,
        /// What the sum over the kept sequences is divided by.
        divisor: usize,
    },
    /// The group is left out, and counted by reason.
    Skipped(Skip),
}

impl Default for BatchOutcome {
    /// Skipped for want of a positive: what a slice may hold before it is written.
    fn default() -> Self {
        Self::Skipped(Skip::NoPositive)
    }
}

/// What is known of the groups of a batch beside their completions. The default is nothing.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchEvidence<'a, T> {
    /// [`AllZeroRate::rate`](crate::repair::AllZeroRate::rate) before this batch was observed: one
    /// for all groups, so that their order does not matter.
    pub all_zero_rate: Option<T>,
    /// The log-probability of each group's anchor under the rollout policy: (B).
    pub anchor_log_probs: Option<&'a [T]>,
}

impl<T> Default for BatchEvidence<'_, T> {
    fn default() -> Self {
        Self { all_zero_rate: None, anchor_log_probs: None }
    }
}

impl<T: Real> BatchEvidence<'_, T> {
    fn of(&self, group: usize) -> Evidence<T> {
        Evidence {
            all_zero_rate: self.all_zero_rate,
            anchor_log_prob: self.anchor_log_probs.map(|log_probs| log_probs[group]),
        }
    }

    fn assert_slices(&self, groups: usize, slots: usize) {
        let anchors = self.anchor_log_probs.map_or(groups, <[T]>::len);
        assert!(
            slots == groups && anchors == groups,
            "a batch of {groups} groups needs as many slots and anchor log-probs, got {slots} and \
             {anchors}"
        );
    }
}

impl<T: Real> Signal<T> {
    /// [`repair_given`](Self::repair_given) for every group of a batch.
    ///
    /// Slots count from the start of their group. `O(N)` time, no allocation.
    ///
    /// # Shapes
    ///
    /// `slots`: (B).
    ///
    /// # Panics
    ///
    /// If `slots` or the anchors' log-probabilities are not one for each group.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::Signal;
    /// use recast_core::batch::{Batch, BatchEvidence};
    ///
    /// let batch = Batch::new(&[0, 2, 4], &[0.0, 0.0, 0.0, 1.0], &[0.1, 0.0, 0.0, 1.0], None)?;
    /// let mut slots = [None; 2];
    /// Signal::recast().repair_batch(batch, BatchEvidence::default(), &mut slots);
    /// assert_eq!(slots, [Some(1), None]);
    /// # Ok::<(), recast_core::batch::BatchError>(())
    /// ```
    pub fn repair_batch(
        &self,
        batch: Batch<'_, T>,
        evidence: BatchEvidence<'_, T>,
        slots: &mut [Option<usize>],
    ) {
        evidence.assert_slices(batch.len(), slots.len());
        self.repair_groups(batch, evidence, 0, slots);
    }

    /// [`select`](Self::select) for every group of a batch.
    ///
    /// A group's slots and advantages stand from its offset on, as many as its outcome says; the
    /// rest up to the next offset is not meaningful. [`Batch::outcomes`] reads them back. `O(N)`
    /// time as `select`, no allocation.
    ///
    /// # Shapes
    ///
    /// `kept`, `advantages`: (N); `outcomes`: (B).
    ///
    /// # Panics
    ///
    /// If the slices are not of these lengths.
    pub fn select_batch(
        &self,
        batch: Batch<'_, T>,
        kept: &mut [usize],
        advantages: &mut [T],
        outcomes: &mut [BatchOutcome],
    ) {
        batch.assert_slices(kept.len(), advantages.len(), outcomes.len());
        self.select_groups(batch, 0, kept, advantages, outcomes);
    }

    /// The groups from `first` on, one for each slot.
    fn repair_groups(
        &self,
        batch: Batch<'_, T>,
        evidence: BatchEvidence<'_, T>,
        first: usize,
        slots: &mut [Option<usize>],
    ) {
        for (group, slot) in (first..).zip(slots) {
            *slot = self.repair_given(batch.group(group), evidence.of(group));
        }
    }

    /// The groups from `first` on, one for each outcome; the other slices start with them.
    fn select_groups(
        &self,
        batch: Batch<'_, T>,
        first: usize,
        mut kept: &mut [usize],
        mut advantages: &mut [T],
        outcomes: &mut [BatchOutcome],
    ) {
        for (group, outcome) in (first..).zip(outcomes) {
            let group = batch.group(group);
            let (kept_here, kept_later) = kept.split_at_mut(group.len());
            let (advantages_here, advantages_later) = advantages.split_at_mut(group.len());
            (kept, advantages) = (kept_later, advantages_later);
            *outcome = match self.select(group, kept_here, advantages_here) {
                Outcome::Trained(Selection { kept, divisor, .. }) => {
                    BatchOutcome::Trained { kept: kept.len(), divisor }
                }
                Outcome::Skipped(skip) => BatchOutcome::Skipped(skip),
            };
        }
    }
}

/// Fewer completions than this are not worth a thread: they take some microseconds.
#[cfg(feature = "rayon")]
const COMPLETIONS_OF_A_TASK: usize = 4096;

#[cfg(feature = "rayon")]
impl<T: Real + Send + Sync> Signal<T> {
    /// [`repair_batch`](Self::repair_batch) on rayon's threads, with equal results.
    ///
    /// The batch is halved until a part is small. No allocation of its own. Needs the feature
    /// `rayon`.
    ///
    /// # Shapes
    ///
    /// `slots`: (B).
    ///
    /// # Panics
    ///
    /// If `slots` or the anchors' log-probabilities are not one for each group.
    pub fn par_repair_batch(
        &self,
        batch: Batch<'_, T>,
        evidence: BatchEvidence<'_, T>,
        slots: &mut [Option<usize>],
    ) {
        evidence.assert_slices(batch.len(), slots.len());
        self.par_repair_groups(batch, evidence, 0, slots);
    }

    /// [`select_batch`](Self::select_batch) on rayon's threads, with equal results.
    ///
    /// The batch is halved until a part is small. No allocation of its own. Needs the feature
    /// `rayon`.
    ///
    /// # Shapes
    ///
    /// `kept`, `advantages`: (N); `outcomes`: (B).
    ///
    /// # Panics
    ///
    /// If the slices are not of these lengths.
    pub fn par_select_batch(
        &self,
        batch: Batch<'_, T>,
        kept: &mut [usize],
        advantages: &mut [T],
        outcomes: &mut [BatchOutcome],
    ) {
        batch.assert_slices(kept.len(), advantages.len(), outcomes.len());
        self.par_select_groups(batch, 0, kept, advantages, outcomes);
    }

    fn par_repair_groups(
        &self,
        batch: Batch<'_, T>,
        evidence: BatchEvidence<'_, T>,
        first: usize,
        slots: &mut [Option<usize>],
    ) {
        if slots.len() < 2 || batch.between(first, first + slots.len()) < COMPLETIONS_OF_A_TASK {
            return self.repair_groups(batch, evidence, first, slots);
        }
        let half = slots.len() / 2;
        let (left, right) = slots.split_at_mut(half);
        rayon::join(
            || self.par_repair_groups(batch, evidence, first, left),
            || self.par_repair_groups(batch, evidence, first + half, right),
        );
    }

    fn par_select_groups(
        &self,
        batch: Batch<'_, T>,
        first: usize,
        kept: &mut [usize],
        advantages: &mut [T],
        outcomes: &mut [BatchOutcome],
    ) {
        if outcomes.len() < 2 || kept.len() < COMPLETIONS_OF_A_TASK {
            return self.select_groups(batch, first, kept, advantages, outcomes);
        }
        let half = outcomes.len() / 2;
        let completions = batch.between(first, first + half);
        let (left_kept, right_kept) = kept.split_at_mut(completions);
        let (left_advantages, right_advantages) = advantages.split_at_mut(completions);
        let (left, right) = outcomes.split_at_mut(half);
        rayon::join(
            || self.par_select_groups(batch, first, left_kept, left_advantages, left),
            || {
                self.par_select_groups(batch, first + half, right_kept, right_advantages, right);
            },
        );
    }
}

#[cfg(feature = "rayon")]
impl<T: Real> Batch<'_, T> {
    /// The number of completions of the groups `first .. end`.
    fn between(&self, first: usize, end: usize) -> usize {
        self.offsets[end] - self.offsets[first]
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::string::ToString;
    use std::vec::Vec;

    const OFFSETS: [usize; 5] = [0, 4, 5, 7, 10];
    const REWARDS: [f64; 10] = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0];
    const SCORES: [f64; 10] = [0.0, 0.1, 0.01, 0.0, 1.0, 1.0, 0.1, 0.1, 1.0, 0.1];
    const OLD: [f64; 10] = [-1.0, -2.0, -3.0, -4.0, -1.0, -1.0, -2.0, -3.0, -2.0, -1.0];

    fn batch() -> Batch<'static, f64> {
        Batch::new(&OFFSETS, &REWARDS, &SCORES, Some(&OLD)).unwrap()
    }

    #[test]
    fn groups_are_the_slices_between_offsets() {
        let sizes: Vec<usize> = batch().groups().map(|group| group.len()).collect();
        assert_eq!(sizes, [4, 1, 2, 3]);
        let third = Group::new(&REWARDS[5..7], &SCORES[5..7], Some(&OLD[5..7])).unwrap();
        assert_eq!(batch().group(2), third);
        assert_eq!((batch().len(), batch().completions()), (4, 10));
    }

    #[test]
    fn a_batch_selects_as_its_groups_do() {
        for signal in [Signal::recast(), Signal::grpo(), Signal::rere(), Signal::s_dpo(2)] {
            let (mut kept, mut advantages) = ([usize::MAX; 10], [f64::NAN; 10]);
            let mut outcomes = [BatchOutcome::default(); 4];
            signal.select_batch(batch(), &mut kept, &mut advantages, &mut outcomes);
            let written = batch().outcomes(&kept, &advantages, &outcomes);
            for (group, outcome) in batch().groups().zip(written) {
                let (mut kept, mut advantages) = ([0; 4], [0.0; 4]);
                assert_eq!(outcome, signal.select(group, &mut kept, &mut advantages));
            }
        }
    }

    #[test]
    fn a_batch_repairs_as_its_groups_do() {
        let mut slots = [None; 4];
        Signal::recast().repair_batch(batch(), BatchEvidence::default(), &mut slots);
        assert_eq!(slots, [Some(3), None, None, None]);
        Signal::luffy().repair_batch(batch(), BatchEvidence::default(), &mut slots);
        assert_eq!(slots, [Some(3), Some(0), Some(1), Some(2)]);
    }

    #[test]
    fn evidence_reaches_its_group() {
        use crate::signal::{Recast, RepairPolicy};
        let zero = [0.0; 4];
        let batch = Batch::new(&[0, 2, 4], &zero, &zero, None).unwrap();
        let repair = RepairPolicy::Confident { tau: 0.5 };
        let signal = Signal::Recast(Recast { repair, ..Recast::default() });
        let evidence =
            BatchEvidence { anchor_log_probs: Some(&[-9.0, -0.1]), ..BatchEvidence::default() };
        let mut slots = [None; 2];
        signal.repair_batch(batch, evidence, &mut slots);
        assert_eq!(slots, [Some(1), None]);
        let repair = RepairPolicy::Gated { threshold: 0.5 };
        let signal = Signal::Recast(Recast { repair, ..Recast::default() });
        let evidence = BatchEvidence { all_zero_rate: Some(0.1), ..BatchEvidence::default() };
        signal.repair_batch(batch, evidence, &mut slots);
        assert_eq!(slots, [None, None]);
    }

    #[test]
    fn duplicates_are_counted_inside_their_group() {
        let marked = batch().with_duplicates(&[0, 1, 2, 0, 0, 0, 1, 0, 1, 0]).unwrap();
        let mut slots = [None; 4];
        Signal::recast().repair_batch(marked, BatchEvidence::default(), &mut slots);
        assert_eq!(slots[0], Some(3));
        let (mut kept, mut advantages) = ([0; 10], [0.0; 10]);
        let mut outcomes = [BatchOutcome::default(); 4];
        Signal::recast().select_batch(marked, &mut kept, &mut advantages, &mut outcomes);
        // In the last group 2 repeats 0, so it is no negative, though it is more probable.
        assert_eq!(outcomes[3], BatchOutcome::Trained { kept: 2, divisor: 2 });
        assert_eq!(kept[7..9], [0, 1]);
        assert_eq!(
            batch().with_duplicates(&[0; 9]),
            Err(BatchError::DuplicateCount { rewards: 10, duplicates: 9 })
        );
        let error = GroupError::DuplicateDiffers { index: 1, first: 0 };
        assert_eq!(
            batch().with_duplicates(&[0, 1, 2, 3, 0, 0, 0, 0, 1, 2]),
            Err(BatchError::Group { group: 2, error })
        );
    }

    #[test]
    fn a_batch_without_a_group_is_a_batch() {
        let batch = Batch::<f32>::new(&[0], &[], &[], None).unwrap();
        assert!(batch.is_empty());
        Signal::recast().select_batch(batch, &mut [], &mut [], &mut []);
        Signal::recast().repair_batch(batch, BatchEvidence::default(), &mut []);
    }

    #[test]
    fn offsets_that_are_no_layout_are_refused() {
        let new = |offsets: &'static [usize]| {
            Batch::new(offsets, &REWARDS[..2], &SCORES[..2], None).map(|_| ())
        };
        assert_eq!(new(&[]), Err(BatchError::NoOffset));
        assert_eq!(new(&[1, 2]), Err(BatchError::FirstOffset { offset: 1 }));
        let error = BatchError::Decreasing { group: 1, start: 2, end: 1 };
        assert_eq!(new(&[0, 2, 1]), Err(error));
        assert_eq!(new(&[0, 9]), Err(BatchError::LastOffset { offset: 9, rewards: 2 }));
        assert_eq!(new(&[0]), Err(BatchError::LastOffset { offset: 0, rewards: 2 }));
        let error = GroupError::Empty;
        assert_eq!(new(&[0, 2, 2]), Err(BatchError::Group { group: 1, error }));
    }

    #[test]
    fn columns_of_other_lengths_are_refused() {
        assert_eq!(
            Batch::new(&[0, 2], &[0.0; 2], &[0.0], None),
            Err(BatchError::ScoreCount { rewards: 2, scores: 1 })
        );
        assert_eq!(
            Batch::new(&[0, 2], &[0.0; 2], &[0.0; 2], Some(&[0.0; 3])),
            Err(BatchError::OldLogProbCount { rewards: 2, old_log_probs: 3 })
        );
    }

    #[test]
    fn a_refused_group_is_named() {
        let refused = Batch::new(&[0, 1, 3], &[0.0, 0.0, f64::NAN], &[0.0; 3], None);
        assert_eq!(
            refused.unwrap_err().to_string(),
            "group 1: reward NaN of completion 1 is not finite"
        );
    }

    #[test]
    #[should_panic(expected = "needs as many outcomes and slots, got 4 outcomes, 9 slots")]
    fn short_slices_panic_with_the_lengths() {
        let mut outcomes = [BatchOutcome::default(); 4];
        Signal::recast().select_batch(batch(), &mut [0; 9], &mut [0.0; 10], &mut outcomes);
    }

    #[test]
    #[should_panic(expected = "4 groups needs as many slots and anchor log-probs, got 4 and 1")]
    fn missing_anchors_panic_with_the_lengths() {
        let evidence = BatchEvidence { anchor_log_probs: Some(&[0.0]), ..BatchEvidence::default() };
        Signal::recast().repair_batch(batch(), evidence, &mut [None; 4]);
    }

    // Large enough to be split.
    #[cfg(feature = "rayon")]
    #[test]
    fn in_parallel_the_results_are_equal() {
        let groups = 5000;
        let sizes = (0..groups).map(|group| 1 + group % 7);
        let offsets: Vec<usize> = core::iter::once(0)
            .chain(sizes.scan(0, |end, size| {
                *end += size;
                Some(*end)
            }))
            .collect();
        let completions = offsets[groups];
        let rewards: Vec<f64> =
            (0..completions).map(|index| f64::from(u8::from(index % 5 == 0))).collect();
        let scores: Vec<f64> = (0..completions).map(|index| (index % 3) as f64 / 10.0).collect();
        let batch = Batch::new(&offsets, &rewards, &scores, None).unwrap();
        for signal in [Signal::recast(), Signal::grpo(), Signal::s_dpo(3)] {
            let (mut kept, mut advantages) = (
                [(); 2].map(|()| std::vec![0; completions]),
                [(); 2].map(|()| std::vec![0.0; completions]),
            );
            let mut outcomes = [(); 2].map(|()| std::vec![BatchOutcome::default(); groups]);
            signal.select_batch(batch, &mut kept[0], &mut advantages[0], &mut outcomes[0]);
            signal.par_select_batch(batch, &mut kept[1], &mut advantages[1], &mut outcomes[1]);
            assert_eq!(outcomes[0], outcomes[1]);
            assert_eq!(kept[0], kept[1]);
            assert_eq!(advantages[0], advantages[1]);
            let mut slots = [(); 2].map(|()| std::vec![None; groups]);
            signal.repair_batch(batch, BatchEvidence::default(), &mut slots[0]);
            signal.par_repair_batch(batch, BatchEvidence::default(), &mut slots[1]);
            assert_eq!(slots[0], slots[1]);
        }
    }
}
