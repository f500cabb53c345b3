//! From codes to rewards, scores, duplicates and anchors.

use recast_core::Signal;
use recast_core::anchor::AnchorTarget;
use recast_core::duplicate::declare;
use recast_core::reward::{PrefixCredit, hit, structural_score};
use recast_core::signal::Recast;

use crate::fault::{Fault, RecastError, RecastStatus, Sink, report};
use crate::pointer::{input, offset_count, one, optional, output, product, rising};
use crate::signal::RecastSignal;

/// Completions and targets of a batch as codes of semantic IDs (SIDs), `levels` codes each.
///
/// N completions stand one after the other; group g is the completions from `offsets[g]` to
/// `offsets[g + 1]`. A code that no target has, such as `UINT32_MAX`, stands for a token that is no
/// code.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RecastCodesU32 {
    /// The number of groups.
    pub groups: usize,
    /// The number of codes of a SID, at least 1.
    pub levels: usize,
    /// (groups + 1), rising from 0 to N.
    pub offsets: *const usize,
    /// (N + 1), rising from 0: the SIDs of each completion. Null: one SID each.
    pub sid_offsets: *const usize,
    /// (SIDs, levels).
    pub codes: *const u32,
    /// (groups + 1), rising from 0: the targets of each group.
    pub target_offsets: *const usize,
    /// (targets, levels), the next item first.
    pub targets: *const u32,
}

/// The checked slices of a [`RecastCodesU32`].
struct Codes<'a> {
    levels: usize,
    offsets: &'a [usize],
    sid_offsets: Option<&'a [usize]>,
    codes: &'a [u32],
    target_offsets: &'a [usize],
    targets: &'a [u32],
}

impl Codes<'_> {
    /// # Safety
    ///
    /// The pointers lead to as many elements as their descriptions say.
    unsafe fn of<'a>(
        sink: &Sink,
        codes: *const RecastCodesU32,
        targets: bool,
    ) -> Option<Codes<'a>> {
        // SAFETY: the caller's promise.
        unsafe {
            let columns = one(sink, "codes", codes)?;
            let RecastCodesU32 { groups, levels, .. } = *columns;
            if levels == 0 {
                return sink.refuse(Fault::Levels { levels });
            }
            let bounds = offset_count(sink, groups)?;
            let offsets = input(sink, "offsets", columns.offsets, bounds)?;
            let completions = rising(sink, "offsets", offsets)?;
            let rows = offset_count(sink, completions)?;
            let sid_offsets = optional(sink, "sid_offsets", columns.sid_offsets, rows)?;
            let sids = match sid_offsets {
                Some(offsets) => rising(sink, "sid_offsets", offsets)?,
                None => completions,
            };
            let codes = input(sink, "codes", columns.codes, product(sink, "codes", sids, levels)?)?;
            let (mut target_offsets, mut rows) = (&[][..], 0);
            if targets {
                target_offsets = input(sink, "target_offsets", columns.target_offsets, bounds)?;
                rows = rising(sink, "target_offsets", target_offsets)?;
            }
            let targets =
                input(sink, "targets", columns.targets, product(sink, "targets", rows, levels)?)?;
            Some(Codes { levels, offsets, sid_offsets, codes, target_offsets, targets })
        }
    }

    /// The codes of the completions from one to another.
    fn completions(&self, start: usize, end: usize) -> &[u32] {
        let (start, end) = match self.sid_offsets {
            Some(offsets) => (offsets[start], offsets[end]),
            None => (start, end),
        };
        &self.codes[start * self.levels..end * self.levels]
    }

    fn targets(&self, group: usize) -> &[u32] {
        let (start, end) = (self.target_offsets[group], self.target_offsets[group + 1]);
        &self.targets[start * self.levels..end * self.levels]
    }

    fn groups(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.offsets.windows(2).enumerate().map(|(group, pair)| (group, pair[0], pair[1]))
    }
}

/// The credit of a table with `levels + 1` entries, or the paper's for null.
///
/// # Safety
///
/// A pointer that is not null leads to `levels + 1` numbers.
unsafe fn credit<'a>(
    sink: &Sink,
    table: *const f32,
    levels: usize,
) -> Option<PrefixCredit<'a, f32>> {
    // SAFETY: the caller's promise.
    match unsafe { optional(sink, "credit", table, offset_count(sink, levels)?) }? {
        Some(table) => sink.of(PrefixCredit::new(table)),
        None => Some(PrefixCredit::decimal()),
    }
}

/// # Safety
///
/// The contract is that of the exported functions.
unsafe fn score(
    sink: &Sink,
    codes: *const RecastCodesU32,
    table: *const f32,
    rewards: *mut f32,
    scores: *mut f32,
) -> Option<()> {
    // SAFETY: the caller's promise.
    unsafe {
        let codes = Codes::of(sink, codes, true)?;
        let credit = credit(sink, table, codes.levels)?;
        let rows = codes.offsets.last().copied().unwrap_or(0);
        let rewards = output(sink, "rewards", rewards, rows)?;
        let scores = output(sink, "scores", scores, rows)?;
        for (group, start, end) in codes.groups() {
            let targets = codes.targets(group);
            for row in start..end {
                let completion = codes.completions(row, row + 1);
                if hit(completion, targets, codes.levels) {
                    rewards[row] = 1.0;
                }
                scores[row] = structural_score(completion, targets, codes.levels, credit);
            }
        }
        Some(())
    }
}

/// Rewards and structural scores of the completions.
///
/// The reward is 1 for a completion that holds a target, else 0. The score says how far its SIDs
/// follow the targets: the mean over SIDs of the largest credit of equal leading codes. `credit`:
/// null for the paper's 0.1^(L - d), or (levels + 1) credits that do not decrease, for 0 to L equal
/// codes. `rewards`, `scores`: (N). Status: `POINTER`, `OFFSETS`, `LEVELS`, `SIZE`.
///
/// # Safety
///
/// Pointers lead to as many elements as described, and outputs overlap nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_score_u32_f32(
    codes: *const RecastCodesU32,
    credit: *const f32,
    rewards: *mut f32,
    scores: *mut f32,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(error, |sink| score(sink, codes, credit, rewards, scores)) }
}

/// The completions that repeat an earlier one of their group, for `duplicate_of` of a batch.
///
/// `codes`: completions of one SID each; targets are not read. `duplicate_of`: (N), counted from
/// the start of the group. Status: `POINTER`, `OFFSETS`, `LEVELS`, `SIZE`, or `LOSS` with
/// `sid_offsets`.
///
/// # Safety
///
/// Pointers lead to as many elements as described, and the output overlaps nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_duplicates_u32(
    codes: *const RecastCodesU32,
    duplicate_of: *mut usize,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(error, |sink| duplicates(sink, codes, duplicate_of)) }
}

/// # Safety
///
/// The contract is that of the exported function.
unsafe fn duplicates(
    sink: &Sink,
    codes: *const RecastCodesU32,
    duplicate_of: *mut usize,
) -> Option<()> {
    // SAFETY: the caller's promise.
    unsafe {
        let codes = Codes::of(sink, codes, false)?;
        if codes.sid_offsets.is_some() {
            return sink.refuse(Fault::SeveralSids);
        }
        let rows = codes.offsets.last().copied().unwrap_or(0);
        let duplicate_of = output(sink, "duplicate_of", duplicate_of, rows)?;
        for (_, start, end) in codes.groups() {
            let completions = codes.completions(start, end);
            declare(completions, codes.levels, &mut duplicate_of[start..end]);
        }
        Some(())
    }
}

/// The target that the anchor of each group is written from.
///
/// `signal`: its choice, `RECAST_ANCHOR_TARGET_*`; `credit`: as for `recast_score_u32_f32`.
///
/// `draws`: (groups), 64 random bits each, or null if the choice is no draw. `anchors`: (groups),
/// rows of `targets`, `SIZE_MAX` where a group has no target. Status: `POINTER`, `OFFSETS`,
/// `LEVELS`, `SIGNAL`, `SIZE`, or `ANCHOR` without draws.
///
/// # Safety
///
/// Pointers lead to as many elements as described, and the output overlaps nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_anchor_targets_u32(
    signal: *const RecastSignal,
    codes: *const RecastCodesU32,
    credit: *const f32,
    draws: *const u64,
    anchors: *mut usize,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(error, |sink| anchor_targets(sink, signal, codes, credit, draws, anchors)) }
}

/// # Safety
///
/// The contract is that of the exported function.
unsafe fn anchor_targets(
    sink: &Sink,
    signal: *const RecastSignal,
    codes: *const RecastCodesU32,
    table: *const f32,
    draws: *const u64,
    anchors: *mut usize,
) -> Option<()> {
    // SAFETY: the caller's promise.
    unsafe {
        let signal = one(sink, "signal", signal)?.signal(sink)?;
        let codes = Codes::of(sink, codes, true)?;
        let credit = credit(sink, table, codes.levels)?;
        let groups = codes.offsets.len() - 1;
        let draws = optional(sink, "draws", draws, groups)?;
        let anchors = output(sink, "anchors", anchors, groups)?;
        let is_drawn =
            matches!(signal, Signal::Recast(Recast { anchor_target: AnchorTarget::Uniform, .. }));
        if is_drawn && draws.is_none() {
            return sink.refuse(Fault::NoDraws);
        }
        for (group, start, end) in codes.groups() {
            let (completions, targets) = (codes.completions(start, end), codes.targets(group));
            let draw = draws.map_or(0, |draws| draws[group]);
            let target = signal.anchor_target(completions, targets, codes.levels, credit, draw);
            let row = |target| codes.target_offsets[group] + target;
            anchors[group] = target.map_or(usize::MAX, row);
        }
        Some(())
    }
}
