use super::GroupError;
use crate::real::{Real, all_finite};

/// The checks of [`Group::new`](super::Group::new).
pub(crate) fn check<T: Real>(
    rewards: &[T],
    structural_scores: &[T],
    old_log_probs: Option<&[T]>,
) -> Result<(), GroupError> {
    if rewards.is_empty() {
        return Err(GroupError::Empty);
    }
    if structural_scores.len() != rewards.len() {
        let (rewards, scores) = (rewards.len(), structural_scores.len());
        return Err(GroupError::ScoreCount { rewards, scores });
    }
    if let Some((index, value)) = first_not_finite(rewards) {
        return Err(GroupError::RewardNotFinite { index, value });
    }
    if let Some((index, value)) = first_not_finite(structural_scores) {
        return Err(GroupError::ScoreNotFinite { index, value });
    }
    if let Some(old) = old_log_probs {
        if old.len() != rewards.len() {
            let (rewards, old_log_probs) = (rewards.len(), old.len());
            return Err(GroupError::OldLogProbCount { rewards, old_log_probs });
        }
        if let Some((index, value)) = first_not_finite(old) {
            return Err(GroupError::OldLogProbNotFinite { index, value });
        }
    }
    Ok(())
}

fn first_not_finite<T: Real>(values: &[T]) -> Option<(usize, f64)> {
    if all_finite(values) {
        return None;
    }
    let index = values.iter().position(|value| !value.is_finite())?;
    Some((index, values[index].widen()))
}
