use super::Batch;
use crate::real::Real;
use crate::repair::Evidence;
use crate::signal::{Outcome, Selection, Signal, Skip};

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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::batch::BatchError;
    use crate::group::GroupError;
    #[cfg(feature = "rayon")]
    use std::vec::Vec;

    const OFFSETS: [usize; 5] = [0, 4, 5, 7, 10];
    const REWARDS: [f64; 10] = [0.0, 0.0, 0.0, 0.0, 1.0, 1.0, 0.0, 0.0, 1.0, 0.0];
    const SCORES: [f64; 10] = [0.0, 0.1, 0.01, 0.0, 1.0, 1.0, 0.1, 0.1, 1.0, 0.1];
    const OLD: [f64; 10] = [-1.0, -2.0, -3.0, -4.0, -1.0, -1.0, -2.0, -3.0, -2.0, -1.0];

    fn batch() -> Batch<'static, f64> {
        Batch::new(&OFFSETS, &REWARDS, &SCORES, Some(&OLD)).unwrap()
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
