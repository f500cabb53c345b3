use thiserror::Error;

use crate::group::GroupError;
use crate::shown::{Shown, Word};

/// The reason why a batch was refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum BatchError {
    /// The batch has no offset; even a batch without a group has one, 0.
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
        /// The start of the group.
        start: usize,
        /// The end of the group.
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
    /// The numbers of structural scores and of rewards differ.
    #[error("{scores} structural scores for {rewards} rewards: give one for each completion")]
    ScoreCount {
        /// The number of rewards.
        rewards: usize,
        /// The number of structural scores.
        scores: usize,
    },
    /// The numbers of old log-probabilities and of rewards differ.
    #[error("{old_log_probs} old log-probs for {rewards} rewards: give one for each completion")]
    OldLogProbCount {
        /// The number of rewards.
        rewards: usize,
        /// The number of old log-probabilities.
        old_log_probs: usize,
    },
    /// The numbers of duplicate indices and of rewards differ.
    #[error("{duplicates} duplicate indices for {rewards} rewards: give one for each completion")]
    DuplicateCount {
        /// The number of rewards.
        rewards: usize,
        /// The number of duplicate indices.
        duplicates: usize,
    },
    /// The numbers of marks and of rewards differ.
    #[error("{hits} marks of hits for {rewards} rewards: give one for each completion")]
    HitCount {
        /// The number of rewards.
        rewards: usize,
        /// The number of marks.
        hits: usize,
    },
    /// The numbers of lengths and of rewards differ.
    #[error("{lengths} lengths for {rewards} rewards: give one for each completion")]
    LengthCount {
        /// The number of rewards.
        rewards: usize,
        /// The number of lengths.
        lengths: usize,
    },
    /// The numbers of first codes and of rewards differ.
    #[error("{codes} first codes for {rewards} rewards: give one for each completion")]
    FirstCodeCount {
        /// The number of rewards.
        rewards: usize,
        /// The number of first codes.
        codes: usize,
    },
    /// The numbers of draws and of groups differ.
    #[error("{draws} draws for {groups} groups: give one for each group")]
    DrawCount {
        /// The number of groups.
        groups: usize,
        /// The number of draws.
        draws: usize,
    },
    /// The numbers of anchors and of groups differ.
    #[error("{anchors} {} of anchors for {groups} groups: give one for each group", Word(.column))]
    AnchorCount {
        /// The number of groups.
        groups: usize,
        /// The number of anchors.
        anchors: usize,
        /// The column of the anchors.
        column: &'static str,
    },
    /// The first codes of completions came without those of anchors, or the other way round.
    #[error("first codes of completions and of anchors belong together: give both, or neither")]
    FirstCodesAlone,
    /// The log-probability of an anchor is no number, or a probability above 1.
    #[error("log-prob {} of the anchor of group {group} is not a number up to 0", Shown(*.value))]
    AnchorLogProb {
        /// The group.
        group: usize,
        /// The log-probability.
        value: f64,
    },
    /// The share of all-zero groups is outside [0, 1].
    #[error(
        "all-zero rate {} is not within 0 and 1: leave it out before the first batch",
        Shown(*.value)
    )]
    AllZeroRate {
        /// The share.
        value: f64,
    },
    /// The hit threshold of all groups was refused.
    #[error(transparent)]
    HitThreshold(GroupError),
    /// A group was refused; its indices count from the start of the group.
    #[error("group {group}: {error}")]
    Group {
        /// The group.
        group: usize,
        /// The reason.
        error: GroupError,
    },
}
