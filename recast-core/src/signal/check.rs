//! The ranges of every number of a signal.

use super::{Recast, Signal, SignalError};
use crate::objective::AnchorRatio;
use crate::real::Real;

impl<T: Real> Signal<T> {
    /// Checks the numbers of the signal, and returns it. The defaults pass.
    ///
    /// [`select`](Self::select) gives finite advantages for a signal that passed, as long as the
    /// differences of rewards are finite.
    ///
    /// # Errors
    ///
    /// If epsilon is negative or not finite, or a weight, margin, gamma, alpha, beta or temperature
    /// is out of range. Also if a preference has no negative, or a number of the repair policy is
    /// out of range.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::Signal;
    ///
    /// assert!(Signal::<f32>::recast().check().is_ok());
    /// assert!(Signal::Dapo { epsilon: f32::NAN }.check().is_err());
    /// ```
    pub fn check(self) -> Result<Self, SignalError> {
        match self {
            Self::Recast(recast) => recast.check()?,
            Self::Grpo { epsilon, .. }
            | Self::Dapo { epsilon }
            | Self::Gspo { epsilon }
            | Self::Ngrpo { epsilon }
            | Self::Gcpo { epsilon }
            | Self::Rere { epsilon, .. }
            | Self::Cispo { epsilon }
            | Self::Gmpo { epsilon }
            | Self::ReinforcePlusPlus { epsilon } => check_epsilon(epsilon)?,
            Self::RlZvp { epsilon, alpha } => {
                if !is_positive(alpha) {
                    return Err(SignalError::Alpha { value: alpha.widen() });
                }
                check_epsilon(epsilon)?;
            }
            Self::Luffy { epsilon, gamma } => {
                check_anchor_ratio(AnchorRatio::Shaped { gamma })?;
                epsilon.map_or(Ok(()), check_epsilon)?;
            }
            Self::Sapo { epsilon, positive, negative } => {
                for temperature in [positive, negative] {
                    if !is_positive(temperature) {
                        return Err(SignalError::Temperature { value: temperature.widen() });
                    }
                }
                check_epsilon(epsilon)?;
            }
            Self::Dpo { repair, negatives, beta } => {
                repair.check()?;
                if negatives == 0 {
                    return Err(SignalError::Negatives);
                }
                if !is_positive(beta) {
                    return Err(SignalError::Beta { value: beta.widen() });
                }
            }
            Self::DrGrpo | Self::Rloo | Self::PassAtK | Self::Opo | Self::Supervised => {}
        }
        Ok(self)
    }
}

impl<T: Real> Recast<T> {
    fn check(self) -> Result<(), SignalError> {
        if !is_positive(self.weight) {
            return Err(SignalError::Weight { value: self.weight.widen() });
        }
        let share = self.negative_weight;
        if !(share >= T::zero() && (self.weight * share).is_finite()) {
            return Err(SignalError::NegativeWeight { value: share.widen() });
        }
        match self.negative_margin {
            Some(margin) if !is_positive(margin) => {
                return Err(SignalError::NegativeMargin { value: margin.widen() });
            }
            Some(_) | None => {}
        }
        check_anchor_ratio(self.anchor_ratio)?;
        self.repair.check()?;
        check_epsilon(self.epsilon)
    }
}

fn check_epsilon<T: Real>(epsilon: T) -> Result<(), SignalError> {
    if !(epsilon >= T::zero() && epsilon.is_finite()) {
        return Err(SignalError::Epsilon { value: epsilon.widen() });
    }
    Ok(())
}

fn check_anchor_ratio<T: Real>(ratio: AnchorRatio<T>) -> Result<(), SignalError> {
    match ratio {
        AnchorRatio::Shaped { gamma } if !is_positive(gamma) => {
            Err(SignalError::Gamma { value: gamma.widen() })
        }
        AnchorRatio::Weighted { weight } if !(weight >= T::zero() && weight.is_finite()) => {
            Err(SignalError::AnchorWeight { value: weight.widen() })
        }
        AnchorRatio::Recompute
        | AnchorRatio::Detached
        | AnchorRatio::Shaped { .. }
        | AnchorRatio::Weighted { .. } => Ok(()),
    }
}

fn is_positive<T: Real>(value: T) -> bool {
    value > T::zero() && value.is_finite()
}
