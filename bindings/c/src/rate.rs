//! The moving average of the all-zero rate, for a gated repair.

use recast_core::repair::{AllZeroParts, AllZeroRate, RepairError};

use crate::fault::{Fault, RecastError, RecastStatus, Sink, report};
use crate::plan::{RecastOutcome, regime_of};
use crate::pointer::{in_place, input};

/// A moving average of the share of all-zero groups. Start with a decay, such as 0.99, and 0 for
/// the others.
#[repr(C)]
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct RecastAllZeroRate {
    /// The share of its past that the average keeps at each group: at least 0, below 1.
    pub decay: f64,
    /// The weighted number of all-zero groups.
    pub total: f64,
    /// The sum of the weights; the rate is `total / weight`.
    pub weight: f64,
}

/// Counts the groups of a batch as they were sampled, in their order.
///
/// A gated repair of the next batch reads `total / weight`. `outcomes`: (groups), of
/// `recast_plan_f32`. Status: `POINTER`, `SIGNAL` if the decay is out of
/// range, `ANCHOR` if another number is.
///
/// # Safety
///
/// Pointers lead to as many elements as described.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_all_zero_rate_observe(
    rate: *mut RecastAllZeroRate,
    outcomes: *const RecastOutcome,
    groups: usize,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(error, |sink| observe(sink, rate, outcomes, groups)) }
}

/// # Safety
///
/// The contract is that of the exported function.
unsafe fn observe(
    sink: &Sink,
    rate: *mut RecastAllZeroRate,
    outcomes: *const RecastOutcome,
    groups: usize,
) -> Option<()> {
    // SAFETY: the caller's promise.
    let (rate, outcomes) =
        unsafe { (in_place(sink, "rate", rate, 1)?, input(sink, "outcomes", outcomes, groups)?) };
    let RecastAllZeroRate { decay, total, weight } = rate[0];
    let parts = AllZeroParts { decay, total, weight };
    let average = AllZeroRate::from_parts(parts).map_err(|error| match error {
        RepairError::Parts { total, weight } => Fault::Rate { total, weight },
        error => Fault::Repair(error),
    });
    let mut average = sink.of(average)?;
    for (group, outcome) in outcomes.iter().enumerate() {
        let value = outcome.regime;
        let Some(regime) = regime_of(value) else {
            return sink.refuse(Fault::Regime { group, value });
        };
        average.observe(regime);
    }
    let AllZeroParts { decay, total, weight } = average.parts();
    rate[0] = RecastAllZeroRate { decay, total, weight };
    Some(())
}
