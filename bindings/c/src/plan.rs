//! Repair and selection of a batch.

use recast_core::batch::{Anchors, BatchEvidence, BatchOutcome, Columns, GroupPlan};
use recast_core::{Regime, Skip};

use crate::fault::{RecastError, RecastStatus, Sink, report};
use crate::pointer::{
    in_place, input, marks, marks_in_place, offset_count, one, optional, optional_in_place, output,
    rising,
};
use crate::signal::RecastSignal;

/// The group is trained on.
pub const RECAST_SKIP_NONE: u32 = 0;
/// No completion is a hit: the group had no repair or no legal anchor.
pub const RECAST_SKIP_NO_POSITIVE: u32 = 1;
/// Every completion is a hit: there is nothing to contrast with.
pub const RECAST_SKIP_NO_NEGATIVE: u32 = 2;
/// Nothing is ahead of the rest.
pub const RECAST_SKIP_NO_LEAD: u32 = 3;

/// No completion is a hit.
pub const RECAST_REGIME_ALL_ZERO: u32 = 0;
/// One completion of several is a hit.
pub const RECAST_REGIME_SINGLE_HIT: u32 = 1;
/// Several completions are hits, others are not.
pub const RECAST_REGIME_MULTI_HIT: u32 = 2;
/// Every completion is a hit.
pub const RECAST_REGIME_ALL_HIT: u32 = 3;

/// A batch of groups laid out flat. All bits 0 are a batch without groups: set what there is.
///
/// N completions stand one after the other. Group g is the completions from `offsets[g]` to
/// `offsets[g + 1]`. Columns marked *repaired* are changed where an anchor takes a slot.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RecastBatchF32 {
    /// The number of groups.
    pub groups: usize,
    /// (groups + 1), rising from 0 to N.
    pub offsets: *const usize,
    /// (N), finite. Repaired: 1.
    pub rewards: *mut f32,
    /// (N), finite: how far a completion follows a target. Repaired: 1.
    pub scores: *mut f32,
    /// (N) or null: log-probabilities of completions at sampling, which order ties.
    pub old_log_probs: *const f32,
    /// (N) or null: the first completion with equal codes, counted from the start of the group.
    /// Repaired.
    pub duplicate_of: *mut usize,
    /// (N) or null: numbers of tokens, at least 1. OPO and REINFORCE++ read these.
    pub lengths: *const usize,
    /// (N) or null: 1 for a hit, 0 for a miss, in place of a threshold. Repaired: 1.
    pub hits: *mut u8,
    /// One number or null, for 0.5: the least reward of a hit.
    pub hit_threshold: *const f32,
    /// (N) or null: the first code of each completion, for `RECAST_NEGATIVE_SHARED_PREFIX`.
    /// Repaired: that of the anchor.
    pub first_codes: *mut usize,
    /// (groups) or null: 64 random bits each, for `RECAST_NEGATIVE_CHOICE_UNIFORM`.
    pub draws: *const u64,
    /// (groups) or null: 1 if the anchor is a legal completion. A group with 0 stays as it is.
    pub can_repair: *const u8,
    /// (groups), or null with `first_codes`: the first code of each anchor.
    pub anchor_first_codes: *const usize,
    /// (groups) or null: log-probabilities of whole anchors, for `RECAST_REPAIR_CONFIDENT`.
    pub anchor_log_probs: *const f32,
    /// One number or null, for an unknown one: the share of all-zero groups, for
    /// `RECAST_REPAIR_GATED`.
    pub all_zero_rate: *const f32,
}

/// The plan for a group.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecastOutcome {
    /// `RECAST_SKIP_*`: 0 if the group is trained on.
    pub skip: u32,
    /// `RECAST_REGIME_*`, before the repair.
    pub regime: u32,
    /// The number of kept completions.
    pub kept: usize,
    /// The divisor of the sum over the kept completions.
    pub divisor: usize,
    /// The slot of the anchor, counted from the start of the group; `SIZE_MAX` for none.
    pub repaired: usize,
}

impl From<GroupPlan> for RecastOutcome {
    fn from(plan: GroupPlan) -> Self {
        let (skip, kept, divisor) = match plan.outcome {
            BatchOutcome::Trained { kept, divisor } => (RECAST_SKIP_NONE, kept, divisor),
            BatchOutcome::Skipped(Skip::NoPositive) => (RECAST_SKIP_NO_POSITIVE, 0, 0),
            BatchOutcome::Skipped(Skip::NoNegative) => (RECAST_SKIP_NO_NEGATIVE, 0, 0),
            BatchOutcome::Skipped(Skip::NoLead) => (RECAST_SKIP_NO_LEAD, 0, 0),
        };
        let regime = match plan.regime {
            Regime::AllZero => RECAST_REGIME_ALL_ZERO,
            Regime::SingleHit => RECAST_REGIME_SINGLE_HIT,
            Regime::MultiHit => RECAST_REGIME_MULTI_HIT,
            Regime::AllHit => RECAST_REGIME_ALL_HIT,
        };
        Self { skip, regime, kept, divisor, repaired: plan.repaired.unwrap_or(usize::MAX) }
    }
}

impl From<RecastOutcome> for GroupPlan {
    /// The plan that [`RecastOutcome::from`] was given; no other outcome is converted.
    fn from(outcome: RecastOutcome) -> Self {
        let RecastOutcome { skip, regime, kept, divisor, repaired } = outcome;
        Self {
            regime: regime_of(regime).unwrap_or(Regime::AllZero),
            repaired: (repaired != usize::MAX).then_some(repaired),
            outcome: match skip {
                RECAST_SKIP_NONE => BatchOutcome::Trained { kept, divisor },
                RECAST_SKIP_NO_NEGATIVE => BatchOutcome::Skipped(Skip::NoNegative),
                RECAST_SKIP_NO_LEAD => BatchOutcome::Skipped(Skip::NoLead),
                _ => BatchOutcome::Skipped(Skip::NoPositive),
            },
        }
    }
}

/// The regime of a number, if it is one.
pub(crate) fn regime_of(regime: u32) -> Option<Regime> {
    match regime {
        RECAST_REGIME_ALL_ZERO => Some(Regime::AllZero),
        RECAST_REGIME_SINGLE_HIT => Some(Regime::SingleHit),
        RECAST_REGIME_MULTI_HIT => Some(Regime::MultiHit),
        RECAST_REGIME_ALL_HIT => Some(Regime::AllHit),
        _ => None,
    }
}

/// # Safety
///
/// The contract is that of the exported functions.
unsafe fn plan(
    sink: &Sink,
    signal: *const RecastSignal,
    batch: *const RecastBatchF32,
    kept: *mut usize,
    advantages: *mut f32,
    outcomes: *mut RecastOutcome,
) -> Option<()> {
    // SAFETY: every pointer leads to as many elements as its description says: the caller's
    // promise. `rows` is the last offset, which the description names as the number of elements.
    unsafe {
        let signal = one(sink, "signal", signal)?.signal(sink)?;
        let batch = one(sink, "batch", batch)?;
        let groups = batch.groups;
        let offsets = input(sink, "offsets", batch.offsets, offset_count(sink, groups)?)?;
        let rows = rising(sink, "offsets", offsets)?;
        let mut columns = Columns {
            offsets,
            rewards: in_place(sink, "rewards", batch.rewards, rows)?,
            structural_scores: in_place(sink, "scores", batch.scores, rows)?,
            old_log_probs: optional(sink, "old_log_probs", batch.old_log_probs, rows)?,
            duplicate_of: optional_in_place(sink, "duplicate_of", batch.duplicate_of, rows)?,
            lengths: optional(sink, "lengths", batch.lengths, rows)?,
            hit_threshold: optional(sink, "hit_threshold", batch.hit_threshold, 1)?
                .map(|one| one[0]),
            hits: match optional_in_place(sink, "hits", batch.hits, rows)? {
                Some(bytes) => Some(marks_in_place(sink, "hits", bytes)?),
                None => None,
            },
            first_codes: optional_in_place(sink, "first_codes", batch.first_codes, rows)?,
            draws: optional(sink, "draws", batch.draws, groups)?,
        };
        let anchors = Anchors {
            legal: match optional(sink, "can_repair", batch.can_repair, groups)? {
                Some(bytes) => Some(marks(sink, "can_repair", bytes)?),
                None => None,
            },
            first_codes: optional(sink, "anchor_first_codes", batch.anchor_first_codes, groups)?,
            evidence: BatchEvidence {
                all_zero_rate: optional(sink, "all_zero_rate", batch.all_zero_rate, 1)?
                    .map(|one| one[0]),
                anchor_log_probs: optional(
                    sink,
                    "anchor_log_probs",
                    batch.anchor_log_probs,
                    groups,
                )?,
            },
        };
        let kept = output(sink, "kept", kept, rows)?;
        let advantages = output(sink, "advantages", advantages, rows)?;
        let outcomes = output(sink, "outcomes", outcomes, groups)?;
        sink.of(signal.plan_batch(&mut columns, anchors, kept, advantages, outcomes))
    }
}

/// Repairs and selects every group of a batch.
///
/// The slots of group g stand in `kept` from `offsets[g]` on, `outcomes[g].kept` of them,
/// ascending, counted from the start of the group; `advantages` stand beside. The rest up to the
/// next group is not meaningful. The caller writes the anchor of a repaired group into the slot
/// `outcomes[g].repaired`. O(N) time.
///
/// `kept`, `advantages`: (N); `outcomes`: (groups); `error`: null, or where a fault is written.
/// After a fault the batch is as before, and the outputs are not meaningful.
///
/// # Safety
///
/// Pointers lead to as many elements as described, and outputs overlap nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_plan_f32(
    signal: *const RecastSignal,
    batch: *const RecastBatchF32,
    kept: *mut usize,
    advantages: *mut f32,
    outcomes: *mut RecastOutcome,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(error, |sink| plan(sink, signal, batch, kept, advantages, outcomes)) }
}
