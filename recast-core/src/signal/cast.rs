//! The same signal over other numbers.

use super::{Recast, RepairPolicy, Signal};
use crate::objective::AnchorRatio;
use crate::real::Real;

impl<T: Real> Signal<T> {
    /// The signal with its numbers rounded to another type.
    ///
    /// A number may leave its range by rounding, so that the result needs [`check`](Self::check)
    /// again.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::Signal;
    ///
    /// assert_eq!(Signal::<f64>::sapo().cast::<f32>(), Signal::sapo());
    /// let tiny = Signal::Recast(recast_core::signal::Recast { weight: 1e-300, ..Default::default() });
    /// assert!(tiny.check().is_ok() && tiny.cast::<f32>().check().is_err());
    /// ```
    #[must_use]
    pub fn cast<U: Real>(self) -> Signal<U> {
        let to = |value: T| U::of(value.widen());
        match self {
            Self::Recast(recast) => Signal::Recast(Recast {
                repair: recast.repair.cast(),
                boundary: recast.boundary,
                weight: to(recast.weight),
                epsilon: to(recast.epsilon),
                normaliser: recast.normaliser,
                negative_weight: to(recast.negative_weight),
                negative_choice: recast.negative_choice,
                negative: recast.negative,
                negative_margin: recast.negative_margin.map(to),
                positive_only: recast.positive_only,
                anchor_target: recast.anchor_target,
                anchor_ratio: match recast.anchor_ratio {
                    AnchorRatio::Recompute => AnchorRatio::Recompute,
                    AnchorRatio::Detached => AnchorRatio::Detached,
                    AnchorRatio::Shaped { gamma } => AnchorRatio::Shaped { gamma: to(gamma) },
                    AnchorRatio::Weighted { weight } => {
                        AnchorRatio::Weighted { weight: to(weight) }
                    }
                },
            }),
            Self::Grpo { epsilon, scale, add_gt } => {
                Signal::Grpo { epsilon: to(epsilon), scale, add_gt }
            }
            Self::DrGrpo => Signal::DrGrpo,
            Self::Rloo => Signal::Rloo,
            Self::Dapo { epsilon } => Signal::Dapo { epsilon: to(epsilon) },
            Self::Gspo { epsilon } => Signal::Gspo { epsilon: to(epsilon) },
            Self::PassAtK => Signal::PassAtK,
            Self::Ngrpo { epsilon } => Signal::Ngrpo { epsilon: to(epsilon) },
            Self::RlZvp { epsilon, alpha } => {
                Signal::RlZvp { epsilon: to(epsilon), alpha: to(alpha) }
            }
            Self::Gcpo { epsilon } => Signal::Gcpo { epsilon: to(epsilon) },
            Self::Rere { epsilon, add_gt } => Signal::Rere { epsilon: to(epsilon), add_gt },
            Self::Luffy { epsilon, gamma } => {
                Signal::Luffy { epsilon: epsilon.map(to), gamma: to(gamma) }
            }
            Self::Dpo { repair, negatives, beta } => {
                Signal::Dpo { repair: repair.cast(), negatives, beta: to(beta) }
            }
            Self::Cispo { epsilon } => Signal::Cispo { epsilon: to(epsilon) },
            Self::Sapo { epsilon, positive, negative } => Signal::Sapo {
                epsilon: to(epsilon),
                positive: to(positive),
                negative: to(negative),
            },
            Self::Gmpo { epsilon } => Signal::Gmpo { epsilon: to(epsilon) },
            Self::ReinforcePlusPlus { epsilon } => {
                Signal::ReinforcePlusPlus { epsilon: to(epsilon) }
            }
            Self::Opo => Signal::Opo,
            Self::Supervised => Signal::Supervised,
        }
    }
}

impl<T: Real> RepairPolicy<T> {
    fn cast<U: Real>(self) -> RepairPolicy<U> {
        match self {
            Self::Always => RepairPolicy::Always,
            Self::Never => RepairPolicy::Never,
            Self::Gated { threshold } => {
                RepairPolicy::Gated { threshold: U::of(threshold.widen()) }
            }
            Self::Confident { tau } => RepairPolicy::Confident { tau: U::of(tau.widen()) },
        }
    }
}
