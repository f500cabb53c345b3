use super::{Normaliser, Recast};
use crate::advantage::lead;
use crate::boundary::{boundary_pair, strongest_positive};
use crate::group::{Group, Regime};
use crate::real::Real;

/// The verdict of a signal on a group.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub enum Outcome<'a, T> {
    /// The group is trained on.
    Trained(Selection<'a, T>),
    /// The group is left out, and counted by reason.
    Skipped(Skip),
}

/// The completions that reach the log-prob passes and the backward pass, and their advantages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection<'a, T> {
    /// Slots of the group, strictly ascending, at least one. All others are removed from the batch.
    pub kept: &'a [usize],
    /// The advantage of each kept slot.
    pub advantages: &'a [T],
    /// The divisor of the sum over the kept sequences: their number, or G.
    pub divisor: usize,
}

/// The reason why a group is skipped.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// No completion is a hit: the group had no repair or no valid anchor.
    NoPositive,
    /// Every completion is a hit: there is nothing to contrast with.
    NoNegative,
    /// The two best rewards of a mixed group are equal: nothing is ahead of the rest.
    NoLead,
}

/// The reason why a group has no boundary pair.
fn one_sided<T: Real>(group: Group<'_, T>) -> Skip {
    match group.hits() {
        0 => Skip::NoPositive,
        _ => Skip::NoNegative,
    }
}

pub(super) fn contrast<'o, T: Real>(
    recast: Recast<T>,
    group: Group<'_, T>,
    kept: &'o mut [usize],
    advantages: &'o mut [T],
) -> Outcome<'o, T> {
    let count = if let Some(pair) = boundary_pair(group) {
        // A pair needs two completions, so both slices hold two.
        (kept[0], kept[1], advantages[0], advantages[1]) = if pair.positive < pair.negative {
            (pair.positive, pair.negative, recast.weight, -recast.weight)
        } else {
            (pair.negative, pair.positive, -recast.weight, recast.weight)
        };
        2
    } else {
        match strongest_positive(group) {
            Some(positive) if recast.positive_only => {
                (kept[0], advantages[0]) = (positive, recast.weight);
                1
            }
            _ => return Outcome::Skipped(one_sided(group)),
        }
    };
    let divisor = match recast.normaliser {
        Normaliser::Kept => count,
        Normaliser::Group => group.len(),
    };
    Outcome::Trained(Selection { kept: &kept[..count], advantages: &advantages[..count], divisor })
}

/// Keeps all G with the advantages that `shape` makes of the rewards in place.
pub(super) fn keep_all<'o, T: Real>(
    group: Group<'_, T>,
    kept: &'o mut [usize],
    advantages: &'o mut [T],
    shape: impl FnOnce(&mut [T]),
) -> Outcome<'o, T> {
    for (slot, index) in kept.iter_mut().enumerate() {
        *index = slot;
    }
    advantages.copy_from_slice(group.rewards());
    shape(advantages);
    Outcome::Trained(Selection { kept, advantages, divisor: group.len() })
}

/// Keeps the best completion if it is ahead of the second.
pub(super) fn keep_best<'o, T: Real>(
    group: Group<'_, T>,
    kept: &'o mut [usize],
    advantages: &'o mut [T],
) -> Outcome<'o, T> {
    advantages.copy_from_slice(group.rewards());
    match lead(advantages) {
        Some(best) if advantages[best] != T::zero() => {
            (kept[0], advantages[0]) = (best, advantages[best]);
            let (kept, advantages) = (&kept[..1], &advantages[..1]);
            Outcome::Trained(Selection { kept, advantages, divisor: group.len() })
        }
        _ => Outcome::Skipped(match group.regime() {
            Regime::AllZero => Skip::NoPositive,
            Regime::AllHit => Skip::NoNegative,
            Regime::SingleHit | Regime::MultiHit => Skip::NoLead,
        }),
    }
}

/// Keeps the strongest positive and the hardest negatives.
pub(super) fn prefer<'o, T: Real>(
    negatives: usize,
    group: Group<'_, T>,
    kept: &'o mut [usize],
    advantages: &'o mut [T],
) -> Outcome<'o, T> {
    let mut found = 0;
    for slot in group.negatives() {
        kept[found] = slot;
        found += 1;
    }
    let Some(positive) = strongest_positive(group).filter(|_| found > 0) else {
        return Outcome::Skipped(one_sided(group));
    };
    // Hardest first, then the lowest index; the positive takes the slot after the last one kept.
    kept[..found].sort_unstable_by(|&a, &b| {
        group.is_harder(b, a).cmp(&group.is_harder(a, b)).then(a.cmp(&b))
    });
    let count = found.min(negatives) + 1;
    kept[count - 1] = positive;
    let (kept, advantages) = (&mut kept[..count], &mut advantages[..count]);
    kept.sort_unstable();
    for (advantage, &slot) in advantages.iter_mut().zip(&*kept) {
        *advantage = if slot == positive { T::one() } else { -T::one() };
    }
    Outcome::Trained(Selection { kept, advantages, divisor: count })
}
