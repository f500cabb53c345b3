//! Ranges that every kind of training shares, and the check of each step.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::Tensor;

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

/// The place of an optimiser step in training.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    /// The phase, for messages.
    pub(crate) phase: &'a str,
    /// The optimiser step, from 1.
    pub(crate) step: usize,
    /// The batch of the epoch, or the minibatch of the rollout step, from 1.
    pub(crate) batch: usize,
}

/// Stops training whose numbers are no longer finite, before the step that would spoil the weights.
///
/// # Errors
///
/// [`Error::NotFinite`] with the first quantity in the order of the computation, and the first
/// weight or gradient of `model` that is not finite.
pub(crate) fn check_finite<M: Module>(
    Place { phase, step, batch }: Place<'_>,
    model: &M,
    found: &StepGradients,
) -> Result<()> {
    let log_probs = found.numbers.iter().flatten().map(|&value| ("log-prob", f64::from(value)));
    let sums = [("loss", found.loss), ("gradient norm", found.norm.into())];
    let Some((quantity, value)) = log_probs.chain(sums).find(|(_, value)| !value.is_finite())
    else {
        return Ok(());
    };
    let mut bad = FirstBad { gradients: None, path: Vec::new(), found: None };
    model.visit(&mut bad);
    if bad.found.is_none() {
        bad.gradients = Some(&found.clipped);
        model.visit(&mut bad);
    }
    let tensor = bad.found.unwrap_or_else(|| "no weight and no gradient by itself".to_owned());
    Err(Error::NotFinite { phase: phase.to_owned(), quantity, value, step, batch, tensor })
}

/// The search for the first tensor that is not finite: among weights, or among their gradients.
struct FirstBad<'a> {
    gradients: Option<&'a GradientsParams>,
    path: Vec<String>,
    found: Option<String>,
}

impl ModuleVisitor for FirstBad<'_> {
    fn enter_module(&mut self, name: &str, _: &str) {
        self.path.push(name.to_owned());
    }

    fn exit_module(&mut self, _: &str, _: &str) {
        self.path.pop();
    }

    fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
        let (kind, tensor) = match self.gradients {
            None => ("weight", Some(param.val())),
            Some(gradients) => ("gradient", gradients.get::<N>(param.id)),
        };
        let Some(tensor) = tensor.filter(|_| self.found.is_none()) else { return };
        let values = tensor.into_data().try_into_vec::<f32>().unwrap_or_default();
        if values.iter().any(|value| !value.is_finite()) {
            self.found = Some(format!("{kind} {}", self.path.join(".")));
        }
    }
}

#[cfg(test)]
mod tests {
    use burn::module::ModuleMapper;
    use recast_burn::DeviceKind;

    use super::*;
    use crate::model::{Decoder, ModelConfig, indices};
    use crate::optim::Optimiser;

    /// The fault of a step with a weight or a factor of the loss that is not finite.
    fn fault(weight: f32, factor: f32) -> Option<String> {
        let device = DeviceKind::Cpu.device().autodiff();
        let mut model = Decoder::new(&ModelConfig::tiny(), &[4, 4], 1, &device);
        model = model.map(&mut Spoil { name: Vec::new(), weight });
        let loss = (model.embed_codes(indices(vec![0, 5], &device)) * factor).sum();
        let found = Optimiser::new(0.0, 1.0).gradients(&model, [loss]);
        let place = Place { phase: "sft", step: 7, batch: 3 };
        check_finite(place, &model, &found).err().map(|fault| fault.to_string())
    }

    /// Sets the weights of the last normalisation.
    struct Spoil {
        name: Vec<String>,
        weight: f32,
    }

    impl ModuleMapper for Spoil {
        fn enter_module(&mut self, name: &str, _: &str) {
            self.name.push(name.to_owned());
        }

        fn exit_module(&mut self, _: &str, _: &str) {
            self.name.pop();
        }

        fn map_float<const N: usize>(&mut self, param: Param<Tensor<N>>) -> Param<Tensor<N>> {
            match self.name.last().is_some_and(|name| name == "norm") {
                true => param.map(|values| values.zeros_like() + self.weight),
                false => param,
            }
        }
    }

    #[test]
    fn the_first_bad_tensor_is_named_with_step_and_batch() {
        assert_eq!(fault(1.0, 1.0), None);
        let gradient = fault(1.0, f32::NAN).unwrap();
        let start = "sft: loss is NaN at step 7, batch 3 (first bad tensor: gradient embed_tokens)";
        assert!(gradient.starts_with(start), "{gradient}");
        assert!(gradient.contains("the last checkpoint is as it was"), "{gradient}");
        let weight = fault(f32::INFINITY, f32::INFINITY).unwrap();
        assert!(weight.contains("(first bad tensor: weight norm)"), "{weight}");
        // finite gradients whose squares are not
        let norm = fault(1.0, 1e30).unwrap();
        assert!(norm.contains("gradient norm is inf at step 7"), "{norm}");
    }
}
