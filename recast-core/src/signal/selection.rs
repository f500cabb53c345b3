use super::{NegativeChoice, NegativeRule, Normaliser, Recast};
use crate::advantage::lead;
use crate::boundary::{hardest_negative, strongest_positive};
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
    let negative = match recast.negative_choice {
        NegativeChoice::Hardest => hardest_negative(group),
        NegativeChoice::Uniform => group.drawn_negative(),
    };
    let positive = strongest_positive(group);
    let Some(positive) = positive.filter(|_| negative.is_some() || recast.positive_only) else {
        return Outcome::Skipped(one_sided(group));
    };
    let count =
        if let Some(negative) = negative.filter(|&slot| trains(recast, group, slot, positive)) {
            let (gain, loss) = (recast.weight, -(recast.weight * recast.negative_weight));
            // A pair needs two completions, so both slices hold two.
            (kept[0], kept[1], advantages[0], advantages[1]) = if positive < negative {
                (positive, negative, gain, loss)
            } else {
                (negative, positive, loss, gain)
            };
            2
        } else {
            (kept[0], advantages[0]) = (positive, recast.weight);
            1
        };
    let divisor = match recast.normaliser {
        Normaliser::Kept => count,
        Normaliser::Group => group.len(),
    };
    Outcome::Trained(Selection { kept: &kept[..count], advantages: &advantages[..count], divisor })
}

/// Whether the chosen negative trains beside the positive.
fn trains<T: Real>(
    recast: Recast<T>,
    group: Group<'_, T>,
    negative: usize,
    positive: usize,
) -> bool {
    !recast.negative_weight.is_zero()
        && match recast.negative {
            NegativeRule::Always => true,
            NegativeRule::SharedPrefix => group.shares_a_prefix(negative, positive),
        }
}

/// Keeps the strongest positive alone, with advantage 1 and divisor 1.
pub(super) fn keep_positive<'o, T: Real>(
    group: Group<'_, T>,
    kept: &'o mut [usize],
    advantages: &'o mut [T],
) -> Outcome<'o, T> {
    let Some(positive) = strongest_positive(group) else {
        return Outcome::Skipped(Skip::NoPositive);
    };
    (kept[0], advantages[0]) = (positive, T::one());
    Outcome::Trained(Selection { kept: &kept[..1], advantages: &advantages[..1], divisor: 1 })
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

/// Keeps the strongest positive and the hardest negatives, in O(G k) time for k of them.
pub(super) fn prefer<'o, T: Real>(
    negatives: usize,
    group: Group<'_, T>,
    kept: &'o mut [usize],
    advantages: &'o mut [T],
) -> Outcome<'o, T> {
    // the hardest so far, hardest first; equally hard ones stay in the order of their indices
    let mut found = 0;
    for slot in group.negatives() {
        if found < negatives {
            found += 1;
        } else if found == 0 || !group.is_harder(slot, kept[found - 1]) {
            continue;
        }
        kept[found - 1] = slot;
        settle(&mut kept[..found], |a, b| group.is_harder(a, b));
    }
    let Some(positive) = strongest_positive(group).filter(|_| found > 0) else {
        return Outcome::Skipped(one_sided(group));
    };
    let count = found + 1;
    let (kept, advantages) = (&mut kept[..count], &mut advantages[..count]);
    kept[found] = positive;
    for end in 2..=count {
        settle(&mut kept[..end], |a, b| a < b);
    }
    for (advantage, &slot) in advantages.iter_mut().zip(&*kept) {
        *advantage = if slot == positive { T::one() } else { -T::one() };
    }
    Outcome::Trained(Selection { kept, advantages, divisor: count })
}

/// Moves the last slot of a list, in order up to there, to its place.
fn settle(slots: &mut [usize], is_before: impl Fn(usize, usize) -> bool) {
    for place in (1..slots.len()).rev() {
        if !is_before(slots[place], slots[place - 1]) {
            return;
        }
        slots.swap(place, place - 1);
    }
}
