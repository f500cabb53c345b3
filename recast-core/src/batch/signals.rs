use core::ops::Range;

use super::Batch;
use crate::real::Real;
use crate::repair::Evidence;
use crate::signal::{Outcome, Selection, Signal, Skip};

/// The outcome for one group of a batch. Its slots and advantages stand in the caller's slices,
/// from the group's offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[must_use]
pub enum BatchOutcome {
    /// The group is trained on.
    Trained {
        /// The number of kept slots.
        kept: usize,
        /// The divisor of the sum over the kept sequences.
        divisor: usize,
    },
    /// The group is left out, and counted by reason.
    Skipped(Skip),
}

impl Default for BatchOutcome {
    /// Skipped for want of a positive: a value for slices that nothing was written to yet.
    fn default() -> Self {
        Self::Skipped(Skip::NoPositive)
    }
}

/// The knowledge of the groups of a batch beside their completions. The default is none.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct BatchEvidence<'a, T> {
    /// [`AllZeroRate::rate`](crate::repair::AllZeroRate::rate) before this batch was observed: one
    /// rate for all groups, so that their order does not matter.
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
    pub(super) fn of(&self, group: usize) -> Evidence<T> {
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
    /// A group's slots and advantages stand from its offset on, as many as its outcome says. The
    /// rest up to the next offset is not meaningful. [`Batch::outcomes`] reads both back. To a
    /// signal with a [`batch_scale`](Self::batch_scale) the batch is a whole step, whose advantages
    /// are scaled already. Each completion without a [length](Batch::with_lengths) then has one
    /// token. `O(N)` time as `select`, no allocation.
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
        self.select_groups(batch, 0..batch.len(), kept, advantages, |group, outcome| {
            outcomes[group] = outcome;
        });
        self.scale_groups(batch, kept, advantages, outcomes.iter().copied());
    }

    /// Scales the advantages of a batch by the batch, if the signal does.
    pub(super) fn scale_groups(
        &self,
        batch: Batch<'_, T>,
        kept: &[usize],
        advantages: &mut [T],
        outcomes: impl Iterator<Item = BatchOutcome> + Clone,
    ) {
        let mut scale = self.batch_scale();
        if !scale.is_any() {
            return;
        }
        for (group, outcome) in outcomes.clone().enumerate() {
            let BatchOutcome::Trained { kept: count, .. } = outcome else { continue };
            let start = batch.offsets[group];
            let lengths = batch.group(group).lengths();
            let tokens = |&slot: &usize| lengths.map_or(1, |lengths| lengths[slot]);
            scale.observe_each(
                batch.group(group).rewards(),
                advantages[start..start + count].iter().copied(),
                kept[start..start + count].iter().map(tokens),
            );
        }
        for (group, outcome) in outcomes.enumerate() {
            let BatchOutcome::Trained { kept: count, .. } = outcome else { continue };
            let start = batch.offsets[group];
            scale.apply(&mut advantages[start..start + count]);
        }
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

    /// Some groups, whose outcomes are written one by one; the other slices start with them.
    pub(super) fn select_groups(
        &self,
        batch: Batch<'_, T>,
        groups: Range<usize>,
        mut kept: &mut [usize],
        mut advantages: &mut [T],
        mut write: impl FnMut(usize, BatchOutcome),
    ) {
        for index in groups {
            let group = batch.group(index);
            let (kept_here, kept_later) = kept.split_at_mut(group.len());
            let (advantages_here, advantages_later) = advantages.split_at_mut(group.len());
            (kept, advantages) = (kept_later, advantages_later);
            let outcome = match self.select(group, kept_here, advantages_here) {
                Outcome::Trained(Selection { kept, divisor, .. }) => {
                    BatchOutcome::Trained { kept: kept.len(), divisor }
                }
                Outcome::Skipped(skip) => BatchOutcome::Skipped(skip),
            };
            write(index, outcome);
        }
    }
}

/// Fewer completions are not worth a thread: they take some microseconds.
#[cfg(feature = "rayon")]
const COMPLETIONS_OF_A_TASK: usize = 4096;

#[cfg(feature = "rayon")]
impl<T: Real + Send + Sync> Signal<T> {
    /// [`repair_batch`](Self::repair_batch) on rayon's threads, with equal results.
    ///
    /// The batch is halved until a part is small. The call has no allocation of its own and needs
    /// the feature `rayon`.
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
    /// The batch is halved until a part is small. The call has no allocation of its own and needs
    /// the feature `rayon`.
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
        self.scale_groups(batch, kept, advantages, outcomes.iter().copied());
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
            let groups = first..first + outcomes.len();
            return self.select_groups(batch, groups, kept, advantages, |group, outcome| {
                outcomes[group - first] = outcome;
            });
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

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]
mod tests;
