use crate::anchor::AnchorTarget;
use crate::objective::AnchorRatio;
use crate::real::Real;
use crate::repair::RepairPolicy;

/// The divisor of the sum over the kept sequences. Learning rates do not transfer between the two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Normaliser {
    /// The number of kept sequences \[ours\].
    #[default]
    Kept,
    /// The group size G, as if the removed sequences were there with advantage 0.
    Group,
}

/// The settings of ReCast. Switching repair and boundary gives the four cells of its ablation.
///
/// | repair | boundary | update |
/// |---|---|---|
/// | always | yes | ReCast: a pair in every group that is not all-hit |
/// | never | yes | a pair in naturally mixed groups, the others are skipped |
/// | always | no | GRPO over the repaired group |
/// | never | no | GRPO |
///
/// # Examples
///
/// ```
/// use recast_core::Signal;
/// use recast_core::objective::AnchorRatio;
/// use recast_core::signal::{Recast, RepairPolicy};
///
/// let careful = Recast {
///     repair: RepairPolicy::Gated { threshold: 0.5 },
///     anchor_ratio: AnchorRatio::Shaped { gamma: 0.1 },
///     positive_only: true,
///     ..Recast::default()
/// };
/// assert!(Signal::<f64>::Recast(careful).check().is_ok());
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recast<T> {
    /// The policy by which all-zero groups are repaired.
    pub repair: RepairPolicy<T>,
    /// Whether only the boundary pair is kept.
    pub boundary: bool,
    /// The advantage w of the pair, `+w` and `-w`; 1 by default \[note\].
    pub weight: T,
    /// The epsilon of GRPO; only a signal without a boundary pair reads it.
    pub epsilon: T,
    /// The divisor of the sum over the kept sequences.
    pub normaliser: Normaliser,
    /// Whether a group without a negative keeps its strongest positive alone, with `+w`, instead of
    /// being skipped \[ours\]. Only a signal with a boundary pair reads the setting.
    pub positive_only: bool,
    /// The target from which the anchor is written: see
    /// [`Signal::anchor_target`](crate::Signal::anchor_target).
    pub anchor_target: AnchorTarget,
    /// The ratio of the anchor.
    pub anchor_ratio: AnchorRatio<T>,
}

impl<T: Real> Default for Recast<T> {
    /// ReCast always repairs, from the first target, with a recomputed ratio. The boundary pair has
    /// weight 1, the loss is the mean over the kept sequences, epsilon is 1e-6. Groups without a
    /// negative are skipped.
    fn default() -> Self {
        Self {
            repair: RepairPolicy::Always,
            boundary: true,
            weight: T::one(),
            epsilon: T::of(1e-6),
            normaliser: Normaliser::Kept,
            positive_only: false,
            anchor_target: AnchorTarget::First,
            anchor_ratio: AnchorRatio::Recompute,
        }
    }
}
