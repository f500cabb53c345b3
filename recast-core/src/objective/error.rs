use thiserror::Error;

use crate::shown::Shown;

/// The reason why the numbers of an objective were refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum ObjectiveError {
    /// `clip_low` is outside [0, 1].
    #[error("clip_low {} is not within 0 and 1", Shown(*.value))]
    ClipLow {
        /// The lower epsilon.
        value: f64,
    },
    /// `clip_high` is negative, infinite or NaN.
    #[error("clip_high {} is not finite and at least 0", Shown(*.value))]
    ClipHigh {
        /// The upper epsilon.
        value: f64,
    },
    /// The dual clip is not above 1, or not finite.
    #[error("dual clip {} is not finite and above 1: leave it out to have none", Shown(*.value))]
    DualClip {
        /// The bound c on the ratio of a negative.
        value: f64,
    },
    /// ECPO's delta is not positive, or not finite.
    #[error("ECPO's delta {} is not finite and above 0: 0.1 is usual", Shown(*.value))]
    EarlyClip {
        /// The delta.
        value: f64,
    },
    /// The limit of the log-ratio is not positive, or its exponential overflows.
    #[error(
        "log-ratio limit {} is not above 0 with a finite exponential: 20 is usual",
        Shown(*.value)
    )]
    LogRatioLimit {
        /// The limit.
        value: f64,
    },
    /// The coefficient of the KL penalty is negative, infinite or NaN.
    #[error("kl_coef {} is not finite and at least 0", Shown(*.value))]
    KlCoef {
        /// The coefficient.
        value: f64,
    },
    /// The limit of the KL penalty's value is not positive, or not finite.
    #[error(
        "kl_value_limit {} is not finite and above 0: leave it out to have none",
        Shown(*.value)
    )]
    KlValueLimit {
        /// The limit.
        value: f64,
    },
    /// The surrogate holds the ratio itself, and the objective has the bound of ECPO or GBPO.
    #[error(
        "CISPO, SAPO and GMPO hold the ratio themselves: give a clip without the bound of ECPO or \
         GBPO"
    )]
    BoundNotRead,
    /// The beta of a preference loss is not positive, or not finite.
    #[error("beta {} of the preference loss is not finite and above 0", Shown(*.value))]
    Beta {
        /// The beta.
        value: f64,
    },
}
