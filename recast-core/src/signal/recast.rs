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

/// The miss of a group that stands for all misses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NegativeChoice {
    /// The hardest negative \[paper\].
    #[default]
    Hardest,
    /// Any miss that repeats no earlier completion, with equal probability, by the group's
    /// [draw](crate::Group::with_draw): the control of hardness \[ours\].
    Uniform,
}

/// The negatives that train beside their positive.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum NegativeRule {
    /// Every negative \[paper\].
    #[default]
    Always,
    /// A negative that has at least the first code of the positive; other positives stand alone
    /// \[ours\]. Without [codes](crate::Group::with_first_codes) a structural score above 0
    /// stands for a common first code.
    SharedPrefix,
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
/// Four settings shape the negative of a boundary pair; without a boundary nothing reads them:
///
/// ```text
/// i-            the miss of negative_choice
/// kept          {i+, i-}, or {i+} if negative_weight = 0 or the rule leaves i- out
/// A             +weight, -weight negative_weight
/// term of i-    0 while sum over t of (policy_t - ref_t) < -negative_margin, else the surrogate
/// ```
///
/// Whether a group is skipped depends on none of the four, so that runs train on equal groups. A
/// positive that stands alone has the divisor of one kept sequence, or of the group.
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
    /// The share of the weight in the negative's advantage; 1 by default, 0 leaves the negative out
    /// \[ours\].
    pub negative_weight: T,
    /// The choice of the negative.
    pub negative_choice: NegativeChoice,
    /// The negatives that train.
    pub negative: NegativeRule,
    /// The margin below the reference, in nats, at which a negative stops to train: see
    /// [`PolicyLoss::negative_margin`](crate::objective::PolicyLoss::negative_margin) \[ours\].
    pub negative_margin: Option<T>,
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
    /// weight 1, the loss is the mean over the kept sequences, epsilon is 1e-6. The hardest
    /// negative always trains, with the whole weight and no margin. Groups without a negative are
    /// skipped.
    fn default() -> Self {
        Self {
            repair: RepairPolicy::Always,
            boundary: true,
            weight: T::one(),
            epsilon: T::of(1e-6),
            normaliser: Normaliser::Kept,
            negative_weight: T::one(),
            negative_choice: NegativeChoice::Hardest,
            negative: NegativeRule::Always,
            negative_margin: None,
            positive_only: false,
            anchor_target: AnchorTarget::First,
            anchor_ratio: AnchorRatio::Recompute,
        }
    }
}
