//! Repair and selection of a batch in one call, over columns that the caller owns.

use super::{Batch, BatchError, BatchEvidence, BatchOutcome};
use crate::duplicate::redeclare_new;
use crate::group::Regime;
use crate::real::Real;
use crate::signal::{NegativeChoice, Recast, Signal};

/// The columns of a batch as they were sampled, which [`Signal::plan_batch`] repairs in place.
///
/// # Shapes
///
/// B groups with N completions in all. `offsets`: (B + 1); `draws`: (B); all others (N).
#[derive(Debug)]
pub struct Columns<'a, T> {
    /// The start of each group, and the end of the last one.
    pub offsets: &'a [usize],
    /// The rewards. An anchor's becomes 1.
    pub rewards: &'a mut [T],
    /// The structural scores. An anchor's becomes 1.
    pub structural_scores: &'a mut [T],
    /// The log-probabilities at sampling: see [`Batch::new`].
    pub old_log_probs: Option<&'a [T]>,
    /// The repeated completions, counted from the start of their group: see
    /// [`Batch::with_duplicates`]. A slot that an anchor takes repeats no other.
    pub duplicate_of: Option<&'a mut [usize]>,
    /// The numbers of tokens: see [`Batch::with_lengths`].
    pub lengths: Option<&'a [usize]>,
    /// The least reward of a hit: see [`Batch::with_hit_threshold`].
    pub hit_threshold: Option<T>,
    /// The marks of hits: see [`Batch::with_hits`]. An anchor becomes a hit.
    pub hits: Option<&'a mut [bool]>,
    /// The first codes of SIDs: see [`Batch::with_first_codes`]. A slot gets its anchor's.
    pub first_codes: Option<&'a mut [usize]>,
    /// The random bits of the groups: see [`Batch::with_draws`].
    pub draws: Option<&'a [u64]>,
}

/// The knowledge of each group's anchor. The default is none: every anchor is legal.
///
/// # Shapes
///
/// Every column: (B).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Anchors<'a, T> {
    /// Whether the anchor is a legal completion. A group whose anchor is not stays as it is.
    pub legal: Option<&'a [bool]>,
    /// The first code of the anchor. Columns with first codes need those of the anchors.
    pub first_codes: Option<&'a [usize]>,
    /// The share of all-zero groups and the log-probabilities of the anchors.
    pub evidence: BatchEvidence<'a, T>,
}

impl<T> Default for Anchors<'_, T> {
    fn default() -> Self {
        Self { legal: None, first_codes: None, evidence: BatchEvidence::default() }
    }
}

/// The plan for one group. Its slots and advantages stand in the caller's slices, from the group's
/// offset on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct GroupPlan {
    /// The regime of the group as it was sampled.
    pub regime: Regime,
    /// The slot that the anchor takes, counted from the start of the group.
    pub repaired: Option<usize>,
    /// The outcome after the repair.
    pub outcome: BatchOutcome,
}

impl Default for GroupPlan {
    /// An all-zero group that is skipped: a value for slices that nothing was written to yet.
    fn default() -> Self {
        Self { regime: Regime::AllZero, repaired: None, outcome: BatchOutcome::default() }
    }
}

impl<T: Real> Columns<'_, T> {
    /// The checked view of the columns.
    ///
    /// `O(N)` time, no allocation.
    ///
    /// # Errors
    ///
    /// If [`Batch::new`] or the call for a further column refuses its numbers.
    pub fn batch(&self) -> Result<Batch<'_, T>, BatchError> {
        let Self { offsets, old_log_probs, .. } = *self;
        let mut batch = Batch::new(offsets, self.rewards, self.structural_scores, old_log_probs)?;
        if let Some(threshold) = self.hit_threshold {
            batch = batch.with_hit_threshold(threshold).map_err(BatchError::HitThreshold)?;
        }
        if let Some(hits) = self.hits.as_deref() {
            batch = batch.with_hits(hits)?;
        }
        if let Some(duplicate_of) = self.duplicate_of.as_deref() {
            batch = batch.with_duplicates(duplicate_of)?;
        }
        if let Some(lengths) = self.lengths {
            batch = batch.with_lengths(lengths)?;
        }
        if let Some(first_codes) = self.first_codes.as_deref() {
            batch = batch.with_first_codes(first_codes)?;
        }
        match self.draws {
            Some(draws) => batch.with_draws(draws),
            None => Ok(batch),
        }
    }

    /// Writes the anchor of a group into a slot of it.
    fn repair(&mut self, group: usize, slot: usize, first_code: Option<usize>) {
        let (start, end) = (self.offsets[group], self.offsets[group + 1]);
        let row = start + slot;
        (self.rewards[row], self.structural_scores[row]) = (T::one(), T::one());
        if let Some(hits) = self.hits.as_deref_mut() {
            hits[row] = true;
        }
        if let Some(duplicate_of) = self.duplicate_of.as_deref_mut() {
            redeclare_new(slot, &mut duplicate_of[start..end]);
        }
        if let (Some(codes), Some(code)) = (self.first_codes.as_deref_mut(), first_code) {
            codes[row] = code;
        }
    }
}

impl<T: Real> Anchors<'_, T> {
    fn check(&self, groups: usize, has_first_codes: bool) -> Result<(), BatchError> {
        let columns = [
            (self.legal.map(<[_]>::len), "marks"),
            (self.first_codes.map(<[_]>::len), "first codes"),
            (self.evidence.anchor_log_probs.map(<[_]>::len), "log-probs"),
        ];
        for (length, column) in columns {
            if let Some(anchors) = length.filter(|&anchors| anchors != groups) {
                return Err(BatchError::AnchorCount { groups, anchors, column });
            }
        }
        if self.first_codes.is_some() != has_first_codes {
            return Err(BatchError::FirstCodesAlone);
        }
        if let Some(rate) = self.evidence.all_zero_rate
            && !(rate >= T::zero() && rate <= T::one())
        {
            return Err(BatchError::AllZeroRate { value: rate.widen() });
        }
        let log_probs = self.evidence.anchor_log_probs.unwrap_or(&[]);
        match log_probs.iter().position(|&value| value.is_nan() || value > T::zero()) {
            Some(group) => {
                Err(BatchError::AnchorLogProb { group, value: log_probs[group].widen() })
            }
            None => Ok(()),
        }
    }
}

impl<T: Real> Signal<T> {
    /// Repairs and selects every group of a batch: the one call of a loop.
    ///
    /// The call asks [`repair_given`](Self::repair_given) for each group's slot, and overwrites the
    /// slots in the columns. [`select_batch`](Self::select_batch) then sees the repaired groups.
    /// The caller overwrites the completions themselves, and computes their log-probabilities anew.
    /// The old log-probability of an overwritten slot only orders ties. `O(N)` time as `select`, no
    /// allocation. The function cannot check that a legal anchor is a hit. A plan may be a type of
    /// the caller's that converts from and to [`GroupPlan`].
    ///
    /// # Shapes
    ///
    /// `kept`, `advantages`: (N); `plans`: (B).
    ///
    /// # Errors
    ///
    /// If a column is refused, or a number of the anchors. Also if the signal draws a negative and
    /// the columns have no draws. Nothing was written then.
    ///
    /// # Panics
    ///
    /// If the slices are not of these lengths.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::batch::{Anchors, Columns, GroupPlan};
    /// use recast_core::Signal;
    ///
    /// // An all-zero group of three completions, and a mixed one of two.
    /// let mut columns = Columns {
    ///     offsets: &[0, 3, 5],
    ///     rewards: &mut [0.0, 0.0, 0.0, 0.0, 1.0],
    ///     structural_scores: &mut [0.1, 0.0, 0.01, 0.0, 1.0],
    ///     old_log_probs: None,
    ///     duplicate_of: None,
    ///     lengths: None,
    ///     hit_threshold: None,
    ///     hits: None,
    ///     first_codes: None,
    ///     draws: None,
    /// };
    /// let (mut kept, mut advantages) = ([0; 5], [0.0; 5]);
    /// let mut plans = [GroupPlan::default(); 2];
    /// let anchors = Anchors::default();
    /// Signal::recast().plan_batch(&mut columns, anchors, &mut kept, &mut advantages, &mut plans)?;
    /// assert_eq!(columns.rewards, [0.0, 1.0, 0.0, 0.0, 1.0]);
    /// assert_eq!(plans.map(|plan| plan.repaired), [Some(1), None]);
    /// assert_eq!((&kept[..2], &kept[3..]), (&[0, 1][..], &[0, 1][..]));
    /// assert_eq!((&advantages[..2], &advantages[3..]), (&[-1.0, 1.0][..], &[-1.0, 1.0][..]));
    /// # Ok::<(), recast_core::batch::BatchError>(())
    /// ```
    pub fn plan_batch<P>(
        &self,
        columns: &mut Columns<'_, T>,
        anchors: Anchors<'_, T>,
        kept: &mut [usize],
        advantages: &mut [T],
        plans: &mut [P],
    ) -> Result<(), BatchError>
    where
        P: Copy + From<GroupPlan>,
        GroupPlan: From<P>,
    {
        let sampled = columns.batch()?;
        let groups = sampled.len();
        sampled.assert_slices(kept.len(), advantages.len(), plans.len());
        anchors.check(groups, columns.first_codes.is_some())?;
        if self.reads_draws() && columns.draws.is_none() {
            return Err(BatchError::DrawCount { groups, draws: 0 });
        }
        for (group, plan) in plans.iter_mut().enumerate() {
            let view = sampled.group(group);
            let slot = self.repair_given(view, anchors.evidence.of(group));
            let repaired = slot.filter(|_| anchors.legal.is_none_or(|legal| legal[group]));
            let regime = view.regime();
            *plan = P::from(GroupPlan { regime, repaired, ..GroupPlan::default() });
        }
        for (group, &plan) in plans.iter().enumerate() {
            if let Some(slot) = GroupPlan::from(plan).repaired {
                columns.repair(group, slot, anchors.first_codes.map(|codes| codes[group]));
            }
        }
        let repaired = columns.batch()?;
        self.select_groups(repaired, 0..groups, kept, advantages, |group, outcome| {
            plans[group] = P::from(GroupPlan { outcome, ..GroupPlan::from(plans[group]) });
        });
        let outcomes = plans.iter().map(|&plan| GroupPlan::from(plan).outcome);
        self.scale_groups(repaired, kept, advantages, outcomes);
        Ok(())
    }

    /// Whether the choice of the negative is a draw.
    fn reads_draws(&self) -> bool {
        matches!(
            self,
            Self::Recast(Recast { boundary: true, negative_choice: NegativeChoice::Uniform, .. })
        )
    }
}
