//! From written codes to numbers: hits, prefix credit, structural scores, ranking penalties.
//!
//! A completion holds zero or more predicted SIDs, a prompt one or more target SIDs. SIDs are flat
//! slices of codes, L codes (`levels`) for each.

mod credit;
mod ranking;

use crate::real::Real;

pub(crate) use self::credit::Total;
pub use self::credit::{PrefixCredit, PrefixCreditError, prefix_credit};
pub use self::ranking::ranking_rewards;
pub(crate) use self::ranking::write_ranking_rewards;

/// Whether a completion holds a target.
///
/// ```text
/// r = 1 if a predicted SID equals a target in all L codes, else 0
/// ```
///
/// No predicted SID or no target gives `false`. With P predicted and N target SIDs `O(P N L)` time.
///
/// Grade: \[paper\]. See <https://arxiv.org/abs/2604.22169>.
///
/// # Shapes
///
/// `completion`: (P L), `targets`: (N L).
///
/// # Panics
///
/// If `levels` is 0 or either length is not a multiple of it.
///
/// # Examples
///
/// ```
/// use recast_core::reward::hit;
///
/// let targets = [1, 2, 3, 7, 8, 9];
/// assert!(hit(&[7, 8, 9], &targets, 3));
/// assert!(!hit(&[1, 2, 9], &targets, 3));
/// ```
#[must_use]
pub fn hit<C: PartialEq>(completion: &[C], targets: &[C], levels: usize) -> bool {
    sids(completion, levels)
        .any(|predicted| sids(targets, levels).any(|target| predicted == target))
}

/// The structural score of a completion: how far its SIDs follow the targets.
///
/// ```text
/// u = mean over predicted SIDs p of max over targets t of phi(p, t)
/// ```
///
/// The score is 0 if the completion holds no SID, and 0 without a target. The score orders
/// completions inside a group and is never added to a reward, so ties are exact. Under the decimal
/// credit the mean is taken in integers and rounded once, for up to 20 levels. Completions with
/// equal means then score equally, however many SIDs they hold. Under a table equal shares of each
/// depth score equally. With P predicted and N target SIDs `O(P N L)` time, under a table L
/// times that; no allocation.
///
/// Grade: \[paper\]. See <https://arxiv.org/abs/2604.22169>.
///
/// # Shapes
///
/// `completion`: (P L), `targets`: (N L).
///
/// # Panics
///
/// If `levels` is 0, if either length is not a multiple of it, or if the credit's table is for
/// another number.
///
/// # Examples
///
/// ```
/// use recast_core::reward::{PrefixCredit, structural_score};
///
/// let two_sids = [1, 2, 9, 4, 2, 3];
/// let score: f64 = structural_score(&two_sids, &[1, 2, 3], 3, PrefixCredit::decimal());
/// assert_eq!(score, 0.05);
/// ```
#[must_use]
pub fn structural_score<C: PartialEq, T: Real>(
    completion: &[C],
    targets: &[C],
    levels: usize,
    credit: PrefixCredit<'_, T>,
) -> T {
    if targets.is_empty() {
        return T::zero();
    }
    let depth = |predicted| {
        sids(targets, levels).map(|target| equal_codes(predicted, target)).max().unwrap_or(0)
    };
    credit.mean(sids(completion, levels).map(depth), levels)
}

/// The SIDs of a flat slice of codes.
pub(crate) fn sids<C>(codes: &[C], levels: usize) -> core::slice::ChunksExact<'_, C> {
    assert!(
        levels > 0 && codes.len().is_multiple_of(levels),
        "{} codes are no whole number of SIDs of {levels} levels",
        codes.len()
    );
    codes.chunks_exact(levels)
}

/// The number of equal leading codes.
pub(crate) fn equal_codes<C: PartialEq>(predicted: &[C], target: &[C]) -> usize {
    predicted.iter().zip(target).take_while(|(a, b)| a == b).count()
}

#[cfg(test)]
mod tests;
