//! The data beside rewards and scores that the choice of a negative reads.

use super::{Group, GroupError};
use crate::real::Real;

/// The data of ReCast's choice of a negative beside the columns of every signal.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub(crate) struct NegativeData<'a> {
    pub(crate) first_codes: Option<&'a [usize]>,
    pub(crate) draw: u64,
}

impl<'a, T: Real> Group<'a, T> {
    /// States the first code of each completion's SID.
    ///
    /// ReCast reads the codes under
    /// [`NegativeRule::SharedPrefix`](crate::signal::NegativeRule::SharedPrefix), no other signal
    /// does. After a repair the caller states the anchor's code in the anchor's slot. The function
    /// cannot check that duplicates have equal codes. `O(1)` time.
    ///
    /// # Errors
    ///
    /// If the length is not G.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::{Group, GroupError};
    ///
    /// let group = Group::new(&[0.0, 1.0], &[0.0, 1.0], None)?;
    /// let refused = Err(GroupError::FirstCodeCount { rewards: 2, codes: 1 });
    /// assert_eq!(group.with_first_codes(&[7]), refused);
    /// # Ok::<(), recast_core::GroupError>(())
    /// ```
    pub fn with_first_codes(self, first_codes: &'a [usize]) -> Result<Self, GroupError> {
        if first_codes.len() != self.len() {
            let (rewards, codes) = (self.len(), first_codes.len());
            return Err(GroupError::FirstCodeCount { rewards, codes });
        }
        let negative = NegativeData { first_codes: Some(first_codes), ..self.negative };
        Ok(Self { negative, ..self })
    }

    /// States 64 uniform random bits, 0 without them.
    ///
    /// ReCast reads the bits under
    /// [`NegativeChoice::Uniform`](crate::signal::NegativeChoice::Uniform), no other signal does.
    /// Randomness comes in as data, so that equal draws give equal negatives. `O(1)` time.
    #[must_use]
    pub fn with_draw(self, draw: u64) -> Self {
        Self { negative: NegativeData { draw, ..self.negative }, ..self }
    }

    /// Whether a miss has the first code of a hit; without codes, whether its structural score is
    /// above 0.
    pub(crate) fn shares_a_prefix(&self, miss: usize, hit: usize) -> bool {
        match self.negative.first_codes {
            Some(codes) => codes[miss] == codes[hit],
            None => self.structural_scores[miss] > T::zero(),
        }
    }

    /// The miss at the place that the draw names among the misses that repeat no earlier one.
    pub(crate) fn drawn_negative(self) -> Option<usize> {
        let count = self.negatives().count();
        // The place is below `count`, which is a `usize`.
        self.negatives().nth(((u128::from(self.negative.draw) * count as u128) >> 64) as usize)
    }
}
