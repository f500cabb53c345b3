use thiserror::Error;

use crate::repair::RepairError;
use crate::shown::Shown;

/// The reason why the numbers of a signal were refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SignalError {
    /// Epsilon is negative, infinite or NaN.
    #[error("epsilon {} is not finite and at least 0", Shown(*.value))]
    Epsilon {
        /// The epsilon.
        value: f64,
    },
    /// The weight of a boundary pair is not positive, infinite or NaN.
    #[error("weight {} of the boundary pair is not finite and above 0", Shown(*.value))]
    Weight {
        /// The weight.
        value: f64,
    },
    /// The share of a negative is negative or NaN, or its advantage overflows.
    #[error(
        "negative weight {} is not at least 0, or too large: 1 is usual, 0 leaves the \
         negative out",
        Shown(*.value)
    )]
    NegativeWeight {
        /// The share.
        value: f64,
    },
    /// The margin of a negative is not positive, infinite or NaN.
    #[error(
        "negative margin {} is not finite and above 0 nats: leave it out for no bound",
        Shown(*.value)
    )]
    NegativeMargin {
        /// The margin.
        value: f64,
    },
    /// The weight of an anchor is negative, infinite or NaN.
    #[error("weight {} of the anchor is not finite and at least 0", Shown(*.value))]
    AnchorWeight {
        /// The weight.
        value: f64,
    },
    /// The gamma of a shaped ratio is not positive, infinite or NaN.
    #[error("gamma {} of the shaped ratio is not finite and above 0: 0.1 is usual", Shown(*.value))]
    Gamma {
        /// The gamma.
        value: f64,
    },
    /// The alpha of RL-ZVP is not positive, infinite or NaN.
    #[error("alpha {} of the token entropies is not finite and above 0", Shown(*.value))]
    Alpha {
        /// The alpha.
        value: f64,
    },
    /// A temperature of SAPO is not positive, infinite or NaN.
    #[error("temperature {} of the gate is not finite and above 0: 1 is usual", Shown(*.value))]
    Temperature {
        /// The temperature.
        value: f64,
    },
    /// The beta of a preference is not positive, infinite or NaN.
    #[error("beta {} of the preference is not finite and above 0", Shown(*.value))]
    Beta {
        /// The beta.
        value: f64,
    },
    /// A preference signal has no negative.
    #[error("a preference needs at least 1 negative: give 1 for DPO, more for S-DPO")]
    Negatives,
    /// A number of the repair policy is out of range.
    #[error(transparent)]
    Repair(#[from] RepairError),
}
