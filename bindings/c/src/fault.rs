//! The status and the error of a call.

use core::cell::Cell;
use core::ffi::c_char;
use core::fmt::{self, Write};

use recast_core::batch::BatchError;
use recast_core::objective::ObjectiveError;
use recast_core::repair::RepairError;
use recast_core::reward::PrefixCreditError;
use recast_core::signal::SignalError;
use recast_core::trie::TrieError;
use recast_core::{GroupError, Shown, Word};
use thiserror::Error;

/// The result of a call. 0 is success.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RecastStatus {
    /// The call is done.
    Ok = 0,
    /// A pointer is null or not aligned.
    Pointer = 1,
    /// Offsets do not rise from 0 to the number of elements.
    Offsets = 2,
    /// A group has no completion.
    EmptyGroup = 3,
    /// A number is NaN or infinite.
    NotFinite = 4,
    /// An index of a duplicate names no first completion, or its numbers differ.
    Duplicate = 5,
    /// A completion has no token.
    Length = 6,
    /// A byte of marks is neither 0 nor 1.
    Mark = 7,
    /// A number of a signal is out of range, or names no option.
    Signal = 8,
    /// A number of an objective is out of range, or names no option.
    Objective = 9,
    /// The number of levels or a prefix credit is out of range.
    Levels = 10,
    /// Sequences are not sorted, or the arrays of a trie are damaged.
    Trie = 11,
    /// An array has another length than the result needs.
    Capacity = 12,
    /// A count is more than memory holds.
    Size = 13,
    /// Anchors, draws or a rate do not fit the groups.
    Anchor = 14,
    /// The loss cannot be taken over these completions.
    Loss = 15,
    /// No sequence continues so: the answer of `recast_trie_step_u32`, not a fault.
    NotFound = 16,
}

/// The number of bytes of a message, with the 0 at its end.
pub const RECAST_MESSAGE_BYTES: usize = 112;

/// The place and the reason of a fault. A call writes the error if, and only if, its status is not
/// `RECAST_STATUS_OK`. Numbers that do not belong to the fault are 0.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RecastError {
    /// The status that the call returned.
    pub status: RecastStatus,
    /// The group.
    pub group: usize,
    /// The index in the group, or in the array if the fault has no group.
    pub index: usize,
    /// The refused number.
    pub value: f64,
    /// The reason in words, cut to the size of the array, ended by a 0.
    pub message: [c_char; RECAST_MESSAGE_BYTES],
}

/// A fault inside of the library.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
pub(crate) enum Fault {
    #[error("{} is null or not aligned", Word(.name))]
    Pointer { name: &'static str },
    #[error("{}: memory holds no {length} elements", Word(.name))]
    Size { name: &'static str, length: usize },
    #[error("{}: byte {value} at {index} is neither 0 nor 1", Word(.name))]
    Mark { name: &'static str, index: usize, value: u8 },
    #[error("{}: offset {offset} at {index}: offsets rise from 0", Word(.name))]
    Offsets { name: &'static str, index: usize, offset: usize },
    #[error("{levels} levels: a semantic ID has at least 1")]
    Levels { levels: usize },
    #[error("{} {value} of the signal is no option", Word(.name))]
    SignalOption { name: &'static str, value: u32 },
    #[error("{} {value} of the objective is no option", Word(.name))]
    ObjectiveOption { name: &'static str, value: u32 },
    #[error("the signal draws the target of an anchor: give 64 random bits for each group")]
    NoDraws,
    #[error("a preference has 1 positive, the {kept} completions have {positives}")]
    Positives { kept: usize, positives: usize },
    #[error("anchor {anchor} is none of the {kept} completions")]
    Anchor { anchor: usize, kept: usize },
    #[error("a divisor of 0: take that of the plan")]
    Divisor,
    #[error("duplicates need completions of one semantic ID each")]
    SeveralSids,
    #[error(
        "total {} and weight {} of the all-zero rate: 0 <= total <= weight <= 1",
        Shown(*.total), Shown(*.weight)
    )]
    Rate { total: f64, weight: f64 },
    #[error("regime {value} of group {group} is none of 0 to 3")]
    Regime { group: usize, value: u32 },
    #[error("no sequence continues with token {token}")]
    NotFound { token: u32 },
    #[error(transparent)]
    Batch(#[from] BatchError),
    #[error(transparent)]
    Signal(#[from] SignalError),
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    #[error(transparent)]
    Repair(#[from] RepairError),
    #[error(transparent)]
    Credit(#[from] PrefixCreditError),
    #[error(transparent)]
    Trie(#[from] TrieError),
}

impl Fault {
    /// Status, group, index and value.
    fn place(&self) -> (RecastStatus, usize, usize, f64) {
        use RecastStatus as S;
        match *self {
            Self::Pointer { .. } => (S::Pointer, 0, 0, 0.0),
            Self::Size { length, .. } => (S::Size, 0, length, 0.0),
            Self::Mark { index, value, .. } => (S::Mark, 0, index, f64::from(value)),
            Self::Offsets { index, offset, .. } => (S::Offsets, 0, index, offset as f64),
            Self::Levels { levels } => (S::Levels, 0, 0, levels as f64),
            Self::SignalOption { value, .. } => (S::Signal, 0, 0, f64::from(value)),
            Self::ObjectiveOption { value, .. } => (S::Objective, 0, 0, f64::from(value)),
            Self::NoDraws => (S::Anchor, 0, 0, 0.0),
            Self::Positives { positives, .. } => (S::Loss, 0, 0, positives as f64),
            Self::Anchor { anchor, .. } => (S::Loss, 0, anchor, 0.0),
            Self::Divisor | Self::SeveralSids => (S::Loss, 0, 0, 0.0),
            Self::Rate { total, .. } => (S::Anchor, 0, 0, total),
            Self::Regime { group, value } => (S::Anchor, group, 0, f64::from(value)),
            Self::NotFound { token } => (S::NotFound, 0, 0, f64::from(token)),
            Self::Batch(error) => of_batch(error),
            Self::Signal(error) => (S::Signal, 0, 0, of_signal(error)),
            Self::Repair(error) => (S::Signal, 0, 0, of_repair(error)),
            Self::Objective(error) => (S::Objective, 0, 0, of_objective(error)),
            Self::Credit(error) => match error {
                PrefixCreditError::NotACredit { equal, value } => (S::Levels, 0, equal, value),
                PrefixCreditError::Decreasing { equal } => (S::Levels, 0, equal, 0.0),
                _ => (S::Levels, 0, 0, 0.0),
            },
            Self::Trie(error) => match error {
                TrieError::NotSorted { row } => (S::Trie, 0, row, 0.0),
                TrieError::Offsets { node } | TrieError::Tokens { node } => (S::Trie, 0, node, 0.0),
                TrieError::Slices { nodes, .. } => (S::Capacity, 0, nodes, 0.0),
                TrieError::TooManyNodes { nodes } => (S::Size, 0, nodes, 0.0),
                TrieError::NoLevel => (S::Levels, 0, 0, 0.0),
                _ => (S::Trie, 0, 0, 0.0),
            },
        }
    }
}

fn of_repair(error: RepairError) -> f64 {
    match error {
        RepairError::Threshold { value }
        | RepairError::Tau { value }
        | RepairError::Decay { value } => value,
        _ => 0.0,
    }
}

fn of_signal(error: SignalError) -> f64 {
    match error {
        SignalError::Epsilon { value }
        | SignalError::Weight { value }
        | SignalError::NegativeWeight { value }
        | SignalError::NegativeMargin { value }
        | SignalError::AnchorWeight { value }
        | SignalError::Gamma { value }
        | SignalError::Alpha { value }
        | SignalError::Temperature { value }
        | SignalError::Beta { value } => value,
        SignalError::Repair(error) => of_repair(error),
        _ => 0.0,
    }
}

fn of_objective(error: ObjectiveError) -> f64 {
    match error {
        ObjectiveError::ClipLow { value }
        | ObjectiveError::ClipHigh { value }
        | ObjectiveError::DualClip { value }
        | ObjectiveError::EarlyClip { value }
        | ObjectiveError::LogRatioLimit { value }
        | ObjectiveError::KlCoef { value }
        | ObjectiveError::KlValueLimit { value }
        | ObjectiveError::Beta { value } => value,
        _ => 0.0,
    }
}

fn of_batch(error: BatchError) -> (RecastStatus, usize, usize, f64) {
    use RecastStatus as S;
    match error {
        BatchError::FirstOffset { offset } => (S::Offsets, 0, 0, offset as f64),
        BatchError::Decreasing { group, start, end } => (S::Offsets, group, start, end as f64),
        BatchError::AnchorLogProb { group, value } => (S::Anchor, group, 0, value),
        BatchError::AllZeroRate { value } => (S::Anchor, 0, 0, value),
        BatchError::AnchorCount { .. }
        | BatchError::FirstCodesAlone
        | BatchError::DrawCount { .. } => (S::Anchor, 0, 0, 0.0),
        BatchError::HitThreshold(error) => of_group(0, error),
        BatchError::Group { group, error } => of_group(group, error),
        _ => (S::Offsets, 0, 0, 0.0),
    }
}

fn of_group(group: usize, error: GroupError) -> (RecastStatus, usize, usize, f64) {
    use RecastStatus as S;
    match error {
        GroupError::Empty => (S::EmptyGroup, group, 0, 0.0),
        GroupError::RewardNotFinite { index, value }
        | GroupError::ScoreNotFinite { index, value }
        | GroupError::OldLogProbNotFinite { index, value } => (S::NotFinite, group, index, value),
        GroupError::HitThreshold { value } => (S::NotFinite, group, 0, value),
        GroupError::LengthZero { index } => (S::Length, group, index, 0.0),
        GroupError::DuplicateNotFirst { index, first }
        | GroupError::DuplicateDiffers { index, first } => {
            (S::Duplicate, group, index, first as f64)
        }
        _ => (S::Offsets, group, 0, 0.0),
    }
}

/// Text that is cut where the array ends.
pub(crate) struct Cut<'a> {
    bytes: &'a mut [c_char],
    length: usize,
}

impl<'a> Cut<'a> {
    /// An empty text in an array of at least one byte.
    pub(crate) fn new(bytes: &'a mut [c_char]) -> Self {
        bytes.fill(0);
        Self { bytes, length: 0 }
    }
}

impl Write for Cut<'_> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        // the last byte stays 0
        let room = self.bytes.len() - 1 - self.length;
        for (place, byte) in self.bytes[self.length..].iter_mut().zip(text.bytes().take(room)) {
            *place = byte as c_char;
        }
        self.length += text.len().min(room);
        Ok(())
    }
}

/// The place where a call leaves its fault. Inside of the library `None` then stands for a refusal,
/// so that the many early returns carry nothing.
#[derive(Default)]
pub(crate) struct Sink {
    fault: Cell<Option<Fault>>,
}

impl Sink {
    /// Leaves a fault.
    #[cold]
    pub(crate) fn refuse<T>(&self, fault: impl Into<Fault>) -> Option<T> {
        self.fault.set(Some(fault.into()));
        None
    }

    /// The value of a result of core, or its fault left here.
    pub(crate) fn of<T>(&self, result: Result<T, impl Into<Fault>>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(fault) => self.refuse(fault),
        }
    }
}

/// The status of a call; a fault is written to the error, unless the pointer is null.
///
/// # Safety
///
/// An aligned pointer that is not null leads to memory for one error.
pub(crate) unsafe fn report(
    error: *mut RecastError,
    call: impl FnOnce(&Sink) -> Option<()>,
) -> RecastStatus {
    let sink = Sink::default();
    let _ = call(&sink);
    // SAFETY: the caller's promise.
    sink.fault.get().map_or(RecastStatus::Ok, |fault| unsafe { tell(&fault, error) })
}

/// The status of a fault, which is written to the error.
///
/// # Safety
///
/// As for [`report`].
#[cold]
#[inline(never)]
unsafe fn tell(fault: &Fault, error: *mut RecastError) -> RecastStatus {
    let (status, group, index, value) = fault.place();
    if !error.is_null() && error.is_aligned() {
        let mut message = [0; RECAST_MESSAGE_BYTES];
        // a cut text writes without an error
        let _ = write!(Cut::new(&mut message), "{fault}");
        // SAFETY: not null and aligned; the caller promises the memory.
        unsafe { error.write(RecastError { status, group, index, value, message }) };
    }
    status
}
