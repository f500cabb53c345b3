//! Ranges that every kind of training shares, and the check of each step.

use super::optimiser::StepGradients;
use crate::error::{Error, Result};

/// Checks the settings that every kind of training shares.
pub(crate) fn check_rates(
    section: &str,
    learning_rate: f64,
    warmup: f64,
    weight_decay: f64,
    max_norm: f64,
) -> Result<()> {
    let fault = |key: &str, value: f64, range: &str| {
        let problem = format!("{value} is not {range}");
        let hint = "see recast init for the usual values";
        Err(Error::setting(format!("{section}.{key}"), problem, hint))
    };
    if !(learning_rate > 0.0 && learning_rate.is_finite()) {
        return fault("learning_rate", learning_rate, "above 0");
    }
    if !(0.0..1.0).contains(&warmup) {
        return fault("warmup", warmup, "in [0, 1)");
    }
    if !(weight_decay >= 0.0 && weight_decay.is_finite()) {
        return fault("weight_decay", weight_decay, "0 or above");
    }
    if !(max_norm > 0.0 && max_norm.is_finite()) {
        return fault("max_norm", max_norm, "above 0");
    }
    Ok(())
}

/// Stops training whose numbers are no longer finite, before the step that would spoil the weights.
pub(crate) fn check_finite(phase: &str, step: usize, found: &StepGradients) -> Result<()> {
    for (quantity, value) in [("loss", found.loss), ("gradient norm", found.norm.into())] {
        if !value.is_finite() {
            return Err(Error::NotFinite { phase: phase.to_owned(), quantity, value, step });
        }
    }
    Ok(())
}
