use thiserror::Error;

use super::equal_codes;
use crate::real::Real;
use crate::shown::Shown;

/// The reason why a table of prefix credits was refused.
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
    #[error("credit {} for {equal} equal codes is not finite and at least 0", Shown(*.value))]
    NotACredit {
        /// The number of equal leading codes.
        equal: usize,
        /// The credit of the prefix.
        value: f64,
    },
    /// A longer prefix earns less than a shorter one.
    #[error("{equal} equal codes earn less than {} do: credits must not decrease", equal - 1)]
    Decreasing {
        /// The number of equal leading codes that earns less.
        equal: usize,
    },
}

/// The worth of a number of equal leading codes.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PrefixCredit<'a, T> {
    /// One credit for each of 0 to L equal codes; `None` for the decimal credit.
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
            None => T::of((equal..levels).fold(1.0_f64, |power, _| power * 10.0).recip()),
        }
    }

    /// The sum of the credits of SIDs with so many equal leading codes. Sums over equally many SIDs
    /// order exactly as means do.
    pub(crate) fn total(
        &self,
        depths: impl Iterator<Item = usize> + Clone,
        levels: usize,
    ) -> Total<T> {
        if self.table.is_none() && levels <= EXACT_LEVELS {
            return Total::Exact(tenths(depths));
        }
        Total::Rounded(self.weigh(&depths, levels, 1))
    }

    /// The mean of the credits; 0 without a SID.
    pub(crate) fn mean(&self, depths: impl Iterator<Item = usize> + Clone, levels: usize) -> T {
        let count = depths.clone().count();
        if count == 0 {
            return T::zero();
        }
        if self.table.is_none() && levels <= EXACT_LEVELS {
            // The fraction is in lowest terms: equal means are the same two numbers, rounded once.
            let unit = 10_u128.pow(levels.saturating_sub(1) as u32);
            let (total, whole) = (tenths(depths), count as u128 * unit);
            let common = common_divisor(total, whole);
            return T::of((total / common) as f64 / (whole / common) as f64);
        }
        let common = (0..=levels)
            .fold(0, |common, equal| common_divisor(common, at_depth(&depths, equal) as u128))
            as usize;
        self.weigh(&depths, levels, common) / T::of_count(count / common)
    }

    /// The sum of the credits, the highest first, each by its count over a common divisor.
    fn weigh(
        &self,
        depths: &(impl Iterator<Item = usize> + Clone),
        levels: usize,
        common: usize,
    ) -> T {
        (0..=levels).rev().fold(T::zero(), |total, equal| {
            let count = T::of_count(at_depth(depths, equal) / common);
            total + count * self.of(equal, levels)
        })
    }
}

/// A sum of credits: exact under the decimal credit, where integers hold it.
#[derive(Clone, Copy, Debug, PartialEq, PartialOrd)]
pub(crate) enum Total<T> {
    /// The sum in units of the decimal credit of one equal code.
    Exact(u128),
    /// The sum after a few roundings: under a table, or for very long SIDs.
    Rounded(T),
}

/// With so many levels the sum of 2^64 decimal credits is below 2^128.
const EXACT_LEVELS: usize = 20;

/// The sum of decimal credits, in units of that of one equal code.
fn tenths(depths: impl Iterator<Item = usize>) -> u128 {
    depths.filter(|&equal| equal > 0).map(|equal| 10_u128.pow(equal as u32 - 1)).sum()
}

fn at_depth(depths: &(impl Iterator<Item = usize> + Clone), equal: usize) -> usize {
    depths.clone().filter(|&depth| depth == equal).count()
}

fn common_divisor(mut a: u128, mut b: u128) -> u128 {
    while b != 0 {
        (a, b) = (b, a % b);
    }
    a
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
    credit.of(equal_codes(predicted, target), target.len())
}
