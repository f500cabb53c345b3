use thiserror::Error;

use crate::repair::RepairError;

/// The reason why the numbers of a signal were refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SignalError {
    /// Epsilon is negative, infinite or NaN.
    #[error("epsilon {value} is not finite and at least 0")]
    Epsilon {
        /// The epsilon.
        value: f64,
    },
    /// The weight of a boundary pair is not positive, infinite or NaN.
    #[error("weight {value} of the boundary pair is not finite and above 0")]
    Weight {
        /// The weight.
        value: f64,
    },
    /// The share of a negative is negative or NaN, or its advantage overflows.
    #[error(
        "negative weight {value} is not at least 0, or too large: 1 is usual, 0 leaves the \
         negative out"
    )]
    NegativeWeight {
        /// The share.
        value: f64,
    },
    /// The margin of a negative is not positive, infinite or NaN.
    #[error("negative margin {value} is not finite and above 0 nats: leave it out for no bound")]
    NegativeMargin {
        /// The margin.
        value: f64,
    },
    /// The weight of an anchor is negative, infinite or NaN.
    #[error("weight {value} of the anchor is not finite and at least 0")]
    AnchorWeight {
        /// The weight.
        value: f64,
    },
    /// The gamma of a shaped ratio is not positive, infinite or NaN.
    #[error("gamma {value} of the shaped ratio is not finite and above 0: 0.1 is usual")]
    Gamma {
        /// The gamma.
        value: f64,
    },
    /// The alpha of RL-ZVP is not positive, infinite or NaN.
    #[error("alpha {value} of the token entropies is not finite and above 0")]
    Alpha {
        /// The alpha.
        value: f64,
    },
    /// A temperature of SAPO is not positive, infinite or NaN.
    #[error("temperature {value} of the gate is not finite and above 0: 1 is usual")]
    Temperature {
        /// The temperature.
        value: f64,
    },
    /// The beta of a preference is not positive, infinite or NaN.
    #[error("beta {value} of the preference is not finite and above 0")]
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
