//! The plain numbers of an update, checked against the loss that reads them.

use recast_core::objective::{Loss, Objective, ObjectiveError, PolicyLoss, Surrogate};

/// The kept completions of one group, as a signal selected them.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct GroupAdvantages<'a> {
    /// The advantage of each token, completion by completion, `(K L)` for `K` kept completions.
    ///
    /// A ratio of completions takes the mean over the tokens of a completion. A preference takes
    /// the sign of the first token: one completion of the group is positive.
    pub advantages: &'a [f32],
    /// The index of the anchor among the kept completions, if there is one.
    pub anchor: Option<usize>,
    /// The divisor of the sum over the kept completions; a preference does not read it.
    pub divisor: usize,
}

/// The numbers of several groups that an update reads beside log-probabilities.
///
/// # Examples
///
/// ```
/// use burn::tensor::{Device, Tensor};
/// use recast_burn::objective::{GroupAdvantages, LogProbs, UpdateBatch, policy_loss};
/// use recast_core::Signal;
/// use recast_core::objective::Objective;
///
/// // A boundary pair of two codes each, the negative first, before any update.
/// let pair = GroupAdvantages { advantages: &[-1.0, -1.0, 1.0, 1.0], anchor: None, divisor: 2 };
/// let loss = Signal::recast().loss();
/// let batch = UpdateBatch::new(loss, Objective::default(), 2, 1, [pair])?;
/// let log_probs = Tensor::<1>::from_data([-1.0, -1.0, -2.0, -3.0], &Device::flex());
/// let log_probs = LogProbs {
///     policy_log_probs: log_probs.clone(),
///     old_log_probs: log_probs.clone(),
///     ref_log_probs: log_probs,
/// };
/// assert_eq!(policy_loss(log_probs, &batch).into_scalar::<f32>(), 0.0);
/// # Ok::<(), recast_burn::objective::UpdateBatchError>(())
/// ```
#[derive(Debug, Clone, PartialEq)]
pub struct UpdateBatch {
    loss: Loss<f32>,
    objective: Objective<f32>,
    levels: usize,
    completions: usize,
    /// (L N), level by level.
    token_advantages: Vec<f32>,
    /// (N), for a loss with one ratio for each completion; else empty.
    completion_advantages: Vec<f32>,
    weights: Vec<f32>,
    anchors: Vec<bool>,
    sides: Vec<Sides>,
}

/// The completions of a group that a preference compares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sides {
    pub(super) positive: usize,
    pub(super) negatives: Vec<usize>,
}

/// A reason why the numbers do not suit their loss.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum UpdateBatchError {
    /// The loss does not read a bound of the objective.
    #[error(transparent)]
    Objective(#[from] ObjectiveError),
    /// Completions have no level.
    #[error("completions have 0 levels: give at least 1")]
    Levels,
    /// The minibatch has, by its count, fewer groups than the batch.
    #[error(
        "a minibatch of {of_groups} groups cannot hold {groups}: count the groups of all parts"
    )]
    Groups {
        /// The number of groups of the batch.
        groups: usize,
        /// The given count of groups of the minibatch.
        of_groups: usize,
    },
    /// A group's advantages do not fill whole completions.
    #[error(
        "group {group} has {advantages} advantages, {levels} make a completion: give one for each \
         token"
    )]
    Advantages {
        /// The group.
        group: usize,
        /// The group's number of advantages.
        advantages: usize,
        /// The tokens of a completion.
        levels: usize,
    },
    /// An advantage is not finite.
    #[error("group {group} has the advantage {value}: give finite numbers")]
    NotFinite {
        /// The group.
        group: usize,
        /// The advantage.
        value: f32,
    },
    /// A group's divisor is 0.
    #[error("group {group} has the divisor 0: give at least 1")]
    Divisor {
        /// The group.
        group: usize,
    },
    /// The anchor's index is not among the kept completions.
    #[error("group {group} has {completions} kept completions, none is number {anchor}")]
    Anchor {
        /// The group.
        group: usize,
        /// The given index of the anchor.
        anchor: usize,
        /// The number of kept completions.
        completions: usize,
    },
    /// A preference has no positive, or several.
    #[error(
        "group {group} has {positives} completions with a positive advantage: a preference takes 1"
    )]
    Positives {
        /// The group.
        group: usize,
        /// The number of completions with a positive advantage.
        positives: usize,
    },
}

/// The unit of the weighted sum of losses.
enum Unit {
    Token,
    Completion,
    Group,
}

impl Unit {
    fn of(loss: &Loss<f32>) -> Self {
        match loss {
            Loss::Policy(PolicyLoss { surrogate, .. }) => match surrogate {
                Surrogate::Clipped | Surrogate::Cispo | Surrogate::Sapo { .. } => Self::Token,
                Surrogate::Sequence | Surrogate::GeometricMean => Self::Completion,
            },
            Loss::Preference(_) => Self::Group,
        }
    }
}

impl UpdateBatch {
    /// Checks the groups of one batch; the whole minibatch has `of_groups` groups.
    ///
    /// `levels` is the number of tokens of every completion.
    ///
    /// # Errors
    ///
    /// - If the loss does not read a bound of the objective.
    /// - If `levels` or a divisor is 0, or `of_groups` is less than the number of groups given.
    /// - If a group's advantages are not finite, or do not fill whole completions.
    /// - If an anchor is not among the kept completions.
    /// - If a preference has a group without exactly one positive.
    pub fn new<'a>(
        loss: Loss<f32>,
        objective: Objective<f32>,
        levels: usize,
        of_groups: usize,
        groups: impl IntoIterator<Item = GroupAdvantages<'a>>,
    ) -> Result<Self, UpdateBatchError> {
        let loss = loss.check(&objective)?;
        if levels == 0 {
            return Err(UpdateBatchError::Levels);
        }
        let unit = Unit::of(&loss);
        let (mut by_completion, mut weights) = (Vec::new(), Vec::new());
        let (mut anchors, mut sides, mut count) = (Vec::new(), Vec::new(), 0);
        for (group, GroupAdvantages { advantages, anchor, divisor }) in
            groups.into_iter().enumerate()
        {
            count = group + 1;
            let completions = checked(group, advantages, anchor, divisor, levels)?;
            let of_completions = of_groups * divisor;
            match unit {
                Unit::Token => {
                    let weight = 1.0 / (of_completions * levels) as f32;
                    weights.extend(std::iter::repeat_n(weight, completions));
                }
                Unit::Completion => {
                    let weight = 1.0 / of_completions as f32;
                    weights.extend(std::iter::repeat_n(weight, completions));
                }
                Unit::Group => {
                    weights.push(1.0 / of_groups as f32);
                    sides.push(Sides::of(group, advantages, levels, anchors.len())?);
                }
            }
            by_completion.extend_from_slice(advantages);
            anchors.extend((0..completions).map(|i| Some(i) == anchor));
        }
        if count > of_groups {
            return Err(UpdateBatchError::Groups { groups: count, of_groups });
        }
        let level = |level| by_completion.iter().skip(level).step_by(levels).copied();
        let token_advantages = (0..levels).flat_map(level).collect();
        let completion_advantages = match unit {
            Unit::Completion => by_completion.chunks_exact(levels).map(mean).collect(),
            Unit::Token | Unit::Group => Vec::new(),
        };
        if let Unit::Token = unit {
            weights = weights.repeat(levels);
        }
        Ok(Self {
            loss,
            objective,
            levels,
            completions: anchors.len(),
            token_advantages,
            completion_advantages,
            weights,
            anchors,
            sides,
        })
    }

    /// The number of tokens of all completions, `L N`.
    #[must_use]
    pub fn tokens(&self) -> usize {
        self.levels * self.completions
    }

    /// The loss that reads these numbers.
    pub(super) fn loss(&self) -> &Loss<f32> {
        &self.loss
    }

    pub(super) fn objective(&self) -> &Objective<f32> {
        &self.objective
    }

    pub(super) fn levels(&self) -> usize {
        self.levels
    }

    /// The advantages of tokens, level by level.
    pub(super) fn token_advantages(&self) -> &[f32] {
        &self.token_advantages
    }

    /// The advantages of completions; empty except for a ratio of completions.
    pub(super) fn completion_advantages(&self) -> &[f32] {
        &self.completion_advantages
    }

    /// The weight of each unit.
    pub(super) fn weights(&self) -> &[f32] {
        &self.weights
    }

    /// Whether each completion is an anchor; `None` without anchors.
    pub(super) fn anchors(&self) -> Option<&[bool]> {
        self.anchors.contains(&true).then_some(&self.anchors[..])
    }

    /// Whether the mean advantage of each completion is below 0.
    pub(super) fn negatives(&self) -> impl Iterator<Item = bool> {
        (0..self.completions).map(|completion| {
            let tokens = self.token_advantages.iter().skip(completion).step_by(self.completions);
            tokens.sum::<f32>() < 0.0
        })
    }

    /// The sides of each group; empty except for a preference.
    pub(super) fn sides(&self) -> &[Sides] {
        &self.sides
    }
}

impl Sides {
    /// The positive and the negatives of a group; its first completion has the index `first`.
    fn of(
        group: usize,
        advantages: &[f32],
        levels: usize,
        first: usize,
    ) -> Result<Self, UpdateBatchError> {
        let completions = first..first + advantages.len() / levels;
        let is_positive = |&number: &usize| advantages[(number - first) * levels] > 0.0;
        let (positives, negatives): (Vec<_>, Vec<_>) = completions.partition(is_positive);
        match positives[..] {
            [positive] => Ok(Self { positive, negatives }),
            _ => Err(UpdateBatchError::Positives { group, positives: positives.len() }),
        }
    }
}

/// Checks a group and returns its number of completions.
fn checked(
    group: usize,
    advantages: &[f32],
    anchor: Option<usize>,
    divisor: usize,
    levels: usize,
) -> Result<usize, UpdateBatchError> {
    if !advantages.len().is_multiple_of(levels) {
        let advantages = advantages.len();
        return Err(UpdateBatchError::Advantages { group, advantages, levels });
    }
    if let Some(&value) = advantages.iter().find(|advantage| !advantage.is_finite()) {
        return Err(UpdateBatchError::NotFinite { group, value });
    }
    if divisor == 0 {
        return Err(UpdateBatchError::Divisor { group });
    }
    let completions = advantages.len() / levels;
    match anchor {
        Some(anchor) if anchor >= completions => {
            Err(UpdateBatchError::Anchor { group, anchor, completions })
        }
        Some(_) | None => Ok(completions),
    }
}

/// The mean, which is exact for equal values.
fn mean(values: &[f32]) -> f32 {
    let sum: f64 = values.iter().copied().map(f64::from).sum();
    (sum / values.len() as f64) as f32
}

#[cfg(test)]
mod tests;
