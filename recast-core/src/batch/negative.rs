//! The data beside rewards and scores that the choice of a negative reads, for all groups.

use super::{Batch, BatchError};
use crate::real::Real;

impl<'a, T: Real> Batch<'a, T> {
    /// States the first code of each completion's SID, (N), as [`Group::with_first_codes`] does.
    ///
    /// `O(1)` time.
    ///
    /// # Errors
    ///
    /// If the length is not N.
    ///
    /// [`Group::with_first_codes`]: crate::Group::with_first_codes
    pub fn with_first_codes(self, first_codes: &'a [usize]) -> Result<Self, BatchError> {
        if first_codes.len() != self.completions() {
            let (rewards, codes) = (self.completions(), first_codes.len());
            return Err(BatchError::FirstCodeCount { rewards, codes });
        }
        Ok(Self { first_codes: Some(first_codes), ..self })
    }

    /// States 64 uniform random bits for each group, (B), as [`Group::with_draw`] does.
    ///
    /// `O(1)` time.
    ///
    /// # Errors
    ///
    /// If the length is not B.
    ///
    /// [`Group::with_draw`]: crate::Group::with_draw
    pub fn with_draws(self, draws: &'a [u64]) -> Result<Self, BatchError> {
        if draws.len() != self.len() {
            let (groups, draws) = (self.len(), draws.len());
            return Err(BatchError::DrawCount { groups, draws });
        }
        Ok(Self { draws: Some(draws), ..self })
    }
}
