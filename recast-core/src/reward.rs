//! From written codes to numbers: hits, prefix credit, structural scores, ranking penalties.
//!
//! A completion holds zero or more predicted SIDs, a prompt one or more target SIDs. Both are flat
//! slices of codes, L codes (`levels`) for each SID.

use thiserror::Error;

use crate::real::{Real, sum};

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

/// Why a table of prefix credits was refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum PrefixCreditError {
    /// The table does not hold an entry for 0 and for at least 1 equal code.
    #[error("a prefix credit table needs an entry for each of 0 to L equal codes, got {entries}")]
    TooShort {
        /// The number of entries.
        entries: usize,
    },
    /// A credit is negative, infinite or NaN.
    #[error("credit {value} for {equal} equal codes is not finite and at least 0")]
    NotACredit {
        /// The number of equal leading codes.
        equal: usize,
        /// Its credit.
        value: f64,
    },
    /// A longer prefix earns less than a shorter one.
    #[error("{equal} equal codes earn less than {} do: credits must not decrease", equal - 1)]
    Decreasing {
        /// The number of equal leading codes that earns less.
        equal: usize,
    },
}

/// What a number of equal leading codes is worth.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrefixCredit<'a, T> {
    /// One credit for each of 0 to L equal codes; without a table, decimal.
    table: Option<&'a [T]>,
}

impl<T: Real> PrefixCredit<'static, T> {
    /// The paper's credit, a factor of ten a level, for any number of levels.
    ///
    /// ```text
    /// phi(0) = 0        phi(d) = 0.1^(L - d)        L = 3: 0, 0.01, 0.1, 1
    /// ```
    ///
    /// Grade: \[paper\]. See <https://arxiv.org/abs/2604.22169>.
    #[must_use]
    pub const fn decimal() -> Self {
        Self { table: None }
    }
}

impl<'a, T: Real> PrefixCredit<'a, T> {
    /// A table of one's own: `table[d]` is the credit for d equal leading codes, d from 0 to L.
    ///
    /// Grade: \[ours\].
    ///
    /// # Errors
    ///
    /// If there are fewer than two entries, or if a credit is negative, not finite, or less than
    /// the one before it.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::reward::{PrefixCredit, prefix_credit};
    ///
    /// let linear = PrefixCredit::new(&[0.0, 0.25, 0.5, 1.0])?;
    /// assert_eq!(prefix_credit(&[1, 2, 9], &[1, 2, 3], linear), 0.5);
    /// # Ok::<(), recast_core::reward::PrefixCreditError>(())
    /// ```
    pub fn new(table: &'a [T]) -> Result<Self, PrefixCreditError> {
        if table.len() < 2 {
            return Err(PrefixCreditError::TooShort { entries: table.len() });
        }
        for (equal, &credit) in table.iter().enumerate() {
            if !(credit >= T::zero() && credit.is_finite()) {
                return Err(PrefixCreditError::NotACredit { equal, value: credit.widen() });
            }
            if equal > 0 && credit < table[equal - 1] {
                return Err(PrefixCreditError::Decreasing { equal });
            }
        }
        Ok(Self { table: Some(table) })
    }

    /// The credit of `equal` leading codes out of `levels`.
    fn of(&self, equal: usize, levels: usize) -> T {
        match self.table {
            Some(table) => {
                assert!(
                    table.len() == levels + 1,
                    "{levels} levels need {} prefix credits, got {}",
                    levels + 1,
                    table.len()
                );
                table[equal]
            }
            None if equal == 0 => T::zero(),
            // The reciprocal of an exact power of ten is rounded once, so 1, 0.1 and 0.01 equal
            // their literals.
            None => (equal..levels).fold(T::one(), |power, _| power * T::of(10.0)).recip(),
        }
    }
}

/// The prefix credit of one predicted SID against one target.
///
/// ```text
/// phi(p, t) = credit(d)        d = number of equal leading codes
/// ```
///
/// Codes equal after the first difference earn nothing. `O(L)` time.
///
/// Grade: \[paper\]. See <https://arxiv.org/abs/2604.22169>.
///
/// # Shapes
///
/// `predicted`, `target`: (L).
///
/// # Panics
///
/// If the SIDs have different lengths, or the credit's table is not for that length.
///
/// # Examples
///
/// ```
/// use recast_core::reward::{PrefixCredit, prefix_credit};
///
/// let credit = PrefixCredit::<f64>::decimal();
/// assert_eq!(prefix_credit(&[1, 2, 9], &[1, 2, 3], credit), 0.1);
/// assert_eq!(prefix_credit(&[4, 2, 3], &[1, 2, 3], credit), 0.0);
/// ```
#[must_use]
pub fn prefix_credit<C: PartialEq, T: Real>(
    predicted: &[C],
    target: &[C],
    credit: PrefixCredit<'_, T>,
) -> T {
    assert!(
        predicted.len() == target.len(),
        "a SID of {} codes against a target of {}",
        predicted.len(),
        target.len()
    );
    let equal = predicted.iter().zip(target).take_while(|(a, b)| a == b).count();
    credit.of(equal, target.len())
}

/// The structural score of a completion: how far its SIDs follow the targets.
///
/// ```text
/// u = mean over predicted SIDs p of max over targets t of phi(p, t)
/// ```
///
/// 0 if the completion holds no SID, and 0 without a target. It orders completions inside a group
/// and is never added to a reward. With P predicted and N target SIDs `O(P N L)` time.
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
    let best = |predicted| {
        sids(targets, levels)
            .map(|target| prefix_credit(predicted, target, credit))
            .fold(T::zero(), T::max)
    };
    match sids(completion, levels).len() {
        0 => T::zero(),
        count => sum(sids(completion, levels).map(best)) / T::of_count(count),
    }
}

/// ReRe's ranking penalties: a miss costs more, the higher it was ranked.
///
/// ```text
/// a_i = 1 / log2(i + 2), i from 0        penalty_i = -a_i / sum over all G of a        0 for a hit
/// ```
///
/// A group without a hit gets 0 everywhere. The order must be beam rank, index 0 the most probable;
/// that cannot be checked here. They are added to the hits to give ReRe's reward. `O(G)` time, no
/// allocation.
///
/// See "Reinforced Preference Optimization for Recommendation", Tan et al.,
/// <https://arxiv.org/abs/2510.12211>; compared with in <https://arxiv.org/abs/2604.22169>.
///
/// # Shapes
///
/// `hits`, `out`: (G).
///
/// # Panics
///
/// If `out` is not as long as `hits`.
///
/// # Examples
///
/// ```
/// let mut penalties = [f64::NAN; 3];
/// recast_core::reward::ranking_rewards(&[false, true, false], &mut penalties);
/// assert!(penalties[0] < penalties[2] && penalties[2] < 0.0);
/// assert_eq!(penalties[1], 0.0);
/// ```
pub fn ranking_rewards<T: Real>(hits: &[bool], out: &mut [T]) {
    assert!(
        out.len() == hits.len(),
        "{} hits need as many penalties, got {}",
        hits.len(),
        out.len()
    );
    write_ranking_rewards(|rank| hits[rank], out);
}

/// The penalties of `out.len()` completions, the hits given by rank.
pub(crate) fn write_ranking_rewards<T: Real>(is_hit: impl Fn(usize) -> bool, out: &mut [T]) {
    let discount = |rank: usize| T::of_count(rank + 2).log2().recip();
    let total = sum((0..out.len()).map(discount));
    let any_hit = (0..out.len()).any(&is_hit);
    for (rank, penalty) in out.iter_mut().enumerate() {
        *penalty = if any_hit && !is_hit(rank) { -discount(rank) / total } else { T::zero() };
    }
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

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]
mod tests {
    use super::*;
    use crate::tolerance::PRINTED_SHORT;
    use approx::assert_abs_diff_eq;

    const TARGET: [u16; 3] = [1, 2, 3];

    fn score(completion: &[u16], targets: &[u16]) -> f64 {
        structural_score(completion, targets, 3, PrefixCredit::decimal())
    }

    #[test]
    fn a_hit_equals_a_target_in_every_code() {
        assert!(hit(&[1, 2, 3], &TARGET, 3));
        assert!(hit(&[9, 9, 9, 1, 2, 3], &TARGET, 3));
        assert!(!hit(&[1, 2, 4], &TARGET, 3));
    }

    #[test]
    fn a_hit_does_not_straddle_two_sids() {
        assert!(!hit(&[9, 1, 2, 3, 9, 9], &TARGET, 3));
    }

    #[test]
    fn nothing_predicted_or_wanted_is_no_hit() {
        assert!(!hit(&[], &TARGET, 3));
        assert!(!hit(&TARGET, &[], 3));
    }

    #[test]
    #[should_panic(expected = "4 codes are no whole number of SIDs of 3 levels")]
    fn a_broken_sid_panics_with_both_numbers() {
        let _ = hit(&[1, 2, 3, 4], &TARGET, 3);
    }

    #[test]
    #[should_panic(expected = "of 0 levels")]
    fn no_levels_panics() {
        let _ = hit::<u16>(&[], &[], 0);
    }

    #[test]
    fn decimal_credit_grows_tenfold_a_level() {
        let credits = [[1, 2, 3], [1, 2, 9], [1, 7, 3], [4, 2, 3]].map(|sid| score(&sid, &TARGET));
        assert_eq!(credits, [1.0, 0.1, 0.01, 0.0]);
    }

    #[test]
    fn decimal_credit_of_very_long_sids_is_still_a_number() {
        let (predicted, mut target) = ([0_u8; 400], [1_u8; 400]);
        target[0] = 0;
        assert_eq!(prefix_credit(&predicted, &target, PrefixCredit::<f64>::decimal()), 0.0);
    }

    #[test]
    fn the_score_is_the_mean_over_predicted_sids() {
        assert_eq!(score(&[1, 2, 9, 4, 2, 3], &TARGET), 0.05);
    }

    #[test]
    fn the_score_takes_the_closest_target() {
        assert_eq!(score(&[7, 8, 1], &[1, 2, 3, 7, 8, 9]), 0.1);
    }

    #[test]
    fn a_completion_without_a_sid_scores_zero() {
        assert_eq!(score(&[], &TARGET), 0.0);
        assert_eq!(score(&TARGET, &[]), 0.0);
    }

    #[test]
    fn a_table_that_is_no_credit_is_refused() {
        assert_eq!(PrefixCredit::new(&[0.0]), Err(PrefixCreditError::TooShort { entries: 1 }));
        assert_eq!(
            PrefixCredit::new(&[0.0, 0.5, 0.4]),
            Err(PrefixCreditError::Decreasing { equal: 2 })
        );
        assert_eq!(
            PrefixCredit::new(&[-1.0, 0.0]),
            Err(PrefixCreditError::NotACredit { equal: 0, value: -1.0 })
        );
        assert!(PrefixCredit::new(&[0.0, f32::NAN]).is_err());
        assert!(PrefixCredit::new(&[0.0, f32::INFINITY]).is_err());
    }

    #[test]
    #[should_panic(expected = "3 levels need 4 prefix credits, got 2")]
    fn a_table_for_other_levels_panics() {
        let _ = prefix_credit(&TARGET, &TARGET, PrefixCredit::new(&[0.0, 1.0]).unwrap());
    }

    #[test]
    fn ranking_penalties_of_the_method_are_reproduced() {
        let expected = [-0.2529, -0.1596, -0.1265, -0.1089, -0.0979, -0.0901, -0.0843, -0.0798];
        for hit_rank in 0..8 {
            let mut hits = [false; 8];
            hits[hit_rank] = true;
            let mut penalties = [f64::NAN; 8];
            ranking_rewards(&hits, &mut penalties);
            for (rank, (penalty, expected)) in penalties.into_iter().zip(expected).enumerate() {
                let expected = if rank == hit_rank { 0.0 } else { expected };
                assert_abs_diff_eq!(penalty, expected, epsilon = PRINTED_SHORT);
            }
        }
    }

    #[test]
    fn a_group_without_a_hit_has_no_ranking_penalty() {
        let mut penalties = [f32::NAN; 4];
        ranking_rewards(&[false; 4], &mut penalties);
        assert_eq!(penalties, [0.0; 4]);
    }

    #[test]
    #[should_panic(expected = "2 hits need as many penalties, got 3")]
    fn a_slice_of_another_length_panics() {
        ranking_rewards(&[true, false], &mut [0.0; 3]);
    }
}
