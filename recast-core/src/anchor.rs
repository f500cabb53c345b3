//! The target, among a prompt's, from which the anchor is written.

use core::cmp::Ordering;

use crate::real::Real;
use crate::reward::{PrefixCredit, Total, equal_codes, sids};

/// The choice among several targets.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum AnchorTarget {
    /// The first target: the next item, where targets are in the order of interaction.
    #[default]
    First,
    /// The target that the group's completions follow furthest.
    Closest,
    /// Any target, with equal probability.
    Uniform,
}

/// The target that the anchor of a group is written from, as an index.
///
/// ```text
/// first     0
/// closest   argmax over t of the mean over the group's SIDs p of phi(p, t)
/// uniform   floor(draw N / 2^64)
/// ```
///
/// Equally close targets go to the first, exactly as in
/// [`structural_score`](crate::reward::structural_score); a group that holds no SID takes the first
/// too. [`Signal::anchor_target`](crate::Signal::anchor_target) knows the choice. `draw` is 64
/// uniform random bits, read by `Uniform` only: randomness comes in as data, so that equal draws
/// give equal anchors. Among N targets the draw favours none by more than N / 2^64. `None` without
/// a target. With P predicted SIDs in the group `O(P N L)` time for `Closest`, `O(1)` otherwise; no
/// allocation. The function cannot check that the target is a SID of the catalogue.
///
/// Grade: \[ours\]; the paper has one ground truth. See <https://arxiv.org/abs/2604.22169>.
///
/// # Shapes
///
/// `completions`: (P L), all SIDs of the group; `targets`: (N L).
///
/// # Panics
///
/// If `levels` is 0, if either length is not a multiple of it, or if the credit's table is for
/// another number.
///
/// # Examples
///
/// ```
/// use recast_core::anchor::{AnchorTarget, anchor_target};
/// use recast_core::reward::PrefixCredit;
///
/// let (completions, targets) = ([7, 8, 1, 7, 2, 2], [1, 2, 3, 7, 8, 9]);
/// let credit = PrefixCredit::<f64>::decimal();
/// let target = |choice, draw| anchor_target(choice, &completions, &targets, 3, credit, draw);
/// assert_eq!(target(AnchorTarget::First, 0), Some(0));
/// assert_eq!(target(AnchorTarget::Closest, 0), Some(1));
/// assert_eq!(target(AnchorTarget::Uniform, u64::MAX), Some(1));
/// ```
#[must_use]
pub fn anchor_target<C: PartialEq, T: Real>(
    choice: AnchorTarget,
    completions: &[C],
    targets: &[C],
    levels: usize,
    credit: PrefixCredit<'_, T>,
    draw: u64,
) -> Option<usize> {
    let count = sids(targets, levels).len();
    if count == 0 {
        return None;
    }
    match choice {
        AnchorTarget::First => Some(0),
        AnchorTarget::Closest => Some(closest(completions, targets, levels, credit)),
        // The index is below `count`, which is a `usize`.
        AnchorTarget::Uniform => Some(((u128::from(draw) * count as u128) >> 64) as usize),
    }
}

/// The first of the targets that the SIDs of a group follow furthest; the slice has one at least.
fn closest<C: PartialEq, T: Real>(
    completions: &[C],
    targets: &[C],
    levels: usize,
    credit: PrefixCredit<'_, T>,
) -> usize {
    // A sum over the same SIDs orders targets as their mean does.
    let total = |target| {
        let depths = sids(completions, levels).map(|predicted| equal_codes(predicted, target));
        credit.total(depths, levels)
    };
    let mut best: Option<(usize, Total<T>)> = None;
    for (index, target) in sids(targets, levels).enumerate() {
        let total = total(target);
        // A tie stays with the earlier target.
        let is_closer =
            best.is_none_or(|(_, so_far)| total.partial_cmp(&so_far) == Some(Ordering::Greater));
        if is_closer {
            best = Some((index, total));
        }
    }
    best.map_or(0, |(index, _)| index)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TARGETS: [u8; 9] = [1, 2, 3, 7, 8, 9, 7, 8, 5];

    fn target(choice: AnchorTarget, completions: &[u8], draw: u64) -> Option<usize> {
        let credit = PrefixCredit::<f64>::decimal();
        anchor_target(choice, completions, &TARGETS, 3, credit, draw)
    }

    #[test]
    fn the_first_is_the_first_whatever_the_group_and_the_draw() {
        assert_eq!(target(AnchorTarget::First, &[7, 8, 9], u64::MAX), Some(0));
    }

    #[test]
    fn the_closest_is_followed_furthest_by_the_whole_group() {
        assert_eq!(target(AnchorTarget::Closest, &[7, 8, 5, 1, 1, 1], 0), Some(2));
        assert_eq!(target(AnchorTarget::Closest, &[7, 0, 0, 1, 2, 0], 0), Some(0));
    }

    #[test]
    fn equally_close_targets_go_to_the_first() {
        assert_eq!(target(AnchorTarget::Closest, &[7, 8, 0], 0), Some(1));
        assert_eq!(target(AnchorTarget::Closest, &[4, 4, 4], 0), Some(0));
        assert_eq!(target(AnchorTarget::Closest, &[], 0), Some(0));
    }

    // 1 + 2 tenths in another order, which rounding tells apart.
    #[test]
    fn exact_ties_go_to_the_first() {
        let completions = [1, 9, 9, 1, 2, 9, 1, 9, 9, 4, 9, 9, 4, 9, 9, 4, 5, 9];
        let credit = PrefixCredit::<f64>::decimal();
        let targets = [1, 2, 3, 4, 5, 6];
        let choice = AnchorTarget::Closest;
        assert_eq!(anchor_target(choice, &completions, &targets, 3, credit, 0), Some(0));
        let table = PrefixCredit::new(&[0.0, 0.01, 0.1, 1.0]).unwrap();
        assert_eq!(anchor_target(choice, &completions, &targets, 3, table, 0), Some(0));
    }

    #[test]
    fn uniform_draws_share_the_targets_equally() {
        let mut counts = [0; 3];
        for step in 0..300_u64 {
            // The middle of each of 300 equal shares of all draws.
            let draw = step * (u64::MAX / 300) + u64::MAX / 600;
            counts[target(AnchorTarget::Uniform, &[], draw).unwrap()] += 1;
        }
        assert_eq!(counts, [100; 3]);
        assert_eq!(target(AnchorTarget::Uniform, &[], u64::MAX), Some(2));
    }

    #[test]
    fn without_a_target_there_is_no_anchor() {
        let credit = PrefixCredit::<f64>::decimal();
        for choice in [AnchorTarget::First, AnchorTarget::Closest, AnchorTarget::Uniform] {
            assert_eq!(anchor_target::<u8, _>(choice, &[1, 2, 3], &[], 3, credit, 7), None);
        }
    }

    #[test]
    #[should_panic(expected = "4 codes are no whole number of SIDs of 3 levels")]
    fn a_broken_sid_panics_with_both_numbers() {
        let credit = PrefixCredit::<f64>::decimal();
        let _ = anchor_target(AnchorTarget::Closest, &[1; 4], &[1; 3], 3, credit, 0);
    }
}
