use thiserror::Error;

use crate::shown::Shown;

/// The reason why a group was refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum GroupError {
    /// The group has no completion.
    #[error("a group needs at least one completion, got 0 rewards")]
    Empty,
    /// The numbers of structural scores and of rewards differ.
    #[error("{scores} structural scores for {rewards} rewards: give one for each completion")]
    ScoreCount {
        /// The number of rewards, G.
        rewards: usize,
        /// The number of structural scores.
        scores: usize,
    },
    /// The numbers of old log-probabilities and of rewards differ.
    #[error("{old_log_probs} old log-probs for {rewards} rewards: give one for each completion")]
    OldLogProbCount {
        /// The number of rewards, G.
        rewards: usize,
        /// The number of old log-probabilities.
        old_log_probs: usize,
    },
    /// The numbers of duplicate indices and of rewards differ.
    #[error("{duplicates} duplicate indices for {rewards} rewards: give one for each completion")]
    DuplicateCount {
        /// The number of rewards, G.
        rewards: usize,
        /// The number of duplicate indices.
        duplicates: usize,
    },
    /// A reward is NaN or infinite.
    #[error("reward {} of completion {index} is not finite", Shown(*.value))]
    RewardNotFinite {
        /// The completion.
        index: usize,
        /// The reward of the completion.
        value: f64,
    },
    /// A structural score is NaN or infinite.
    #[error("structural score {} of completion {index} is not finite", Shown(*.value))]
    ScoreNotFinite {
        /// The completion.
        index: usize,
        /// The structural score of the completion.
        value: f64,
    },
    /// An old log-probability is NaN or infinite.
    #[error(
        "old log-prob {} of completion {index} is not finite: was it sampled at all?",
        Shown(*.value)
    )]
    OldLogProbNotFinite {
        /// The completion.
        index: usize,
        /// The old log-probability of the completion.
        value: f64,
    },
    /// The hit threshold is NaN or infinite.
    #[error("hit threshold {} is not finite: 0.5 is usual for rewards of 0 and 1", Shown(*.value))]
    HitThreshold {
        /// The threshold.
        value: f64,
    },
    /// The numbers of marks and of rewards differ.
    #[error("{hits} marks of hits for {rewards} rewards: give one for each completion")]
    HitCount {
        /// The number of rewards, G.
        rewards: usize,
        /// The number of marks.
        hits: usize,
    },
    /// The numbers of lengths and of rewards differ.
    #[error("{lengths} lengths for {rewards} rewards: give one for each completion")]
    LengthCount {
        /// The number of rewards, G.
        rewards: usize,
        /// The number of lengths.
        lengths: usize,
    },
    /// A completion has no token.
    #[error("completion {index} has length 0: count its tokens, at least 1")]
    LengthZero {
        /// The completion.
        index: usize,
    },
    /// The numbers of first codes and of rewards differ.
    #[error("{codes} first codes for {rewards} rewards: give one for each completion")]
    FirstCodeCount {
        /// The number of rewards, G.
        rewards: usize,
        /// The number of first codes.
        codes: usize,
    },
    /// A duplicate index does not name a first completion at or before its own place.
    #[error("completion {index} cannot be a duplicate of {first}: name the first with its SID")]
    DuplicateNotFirst {
        /// The completion.
        index: usize,
        /// The completion that the index names as its first.
        first: usize,
    },
    /// Two completions with the same SID have different rewards, structural scores or marks.
    #[error("completion {index} repeats {first} with another reward, structural score or mark")]
    DuplicateDiffers {
        /// The completion.
        index: usize,
        /// The completion that comes first.
        first: usize,
    },
}
