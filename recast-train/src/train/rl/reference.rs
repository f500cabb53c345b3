//! The reference decoder of the penalty, and its synchronisation with the policy.

use std::collections::VecDeque;

use burn::module::{Module, ModuleMapper, ModuleVisitor, Param};
use burn::tensor::Tensor;

use crate::model::Decoder;

/// The mixed weights of `policy`, with `share`, and `reference`, with the rest.
///
/// ```text
/// w = share w_policy + (1 - share) w_reference
/// ```
///
/// TRL synchronises its reference model in the same way, after "Learn Your Reference Model for Real
/// Good Alignment", <https://arxiv.org/abs/2404.09656>. Neither decoder carries a gradient.
pub(super) fn mixed(policy: &Decoder, reference: Decoder, share: f32) -> Decoder {
    let mut weights = Weights::default();
    policy.visit(&mut weights);
    reference.map(&mut Mix { weights: weights.0, share })
}

/// The weights of a module in the order of a visit, flat.
#[derive(Default)]
struct Weights(VecDeque<Tensor<1>>);

impl ModuleVisitor for Weights {
    fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
        let weights = param.val();
        let count = weights.dims().iter().product::<usize>();
        self.0.push_back(weights.reshape([count]));
    }
}

struct Mix {
    weights: VecDeque<Tensor<1>>,
    share: f32,
}

impl ModuleMapper for Mix {
    fn map_float<const N: usize>(&mut self, param: Param<Tensor<N>>) -> Param<Tensor<N>> {
        match self.weights.pop_front() {
            None => param,
            Some(policy) => param.map(|reference| {
                let policy = policy.reshape(reference.dims());
                policy * self.share + reference * (1.0 - self.share)
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use recast_burn::DeviceKind;

    use super::*;
    use crate::model::ModelConfig;

    fn weights(decoder: &Decoder) -> Vec<f32> {
        let mut weights = Weights::default();
        decoder.visit(&mut weights);
        let numbers = |tensor: Tensor<1>| tensor.into_data().try_into_vec::<f32>().unwrap();
        weights.0.into_iter().flat_map(numbers).collect()
    }

    #[test]
    fn a_share_of_every_weight_is_the_policys() {
        let device = DeviceKind::Cpu.device();
        let decoder = |seed| Decoder::new(&ModelConfig::tiny(), &[4, 4], seed, &device);
        let (policy, reference) = (decoder(1), decoder(2));
        for share in [0.0, 0.25, 1.0] {
            let mixed = weights(&mixed(&policy, reference.clone(), share));
            let both = weights(&policy).into_iter().zip(weights(&reference));
            for (mixed, (policy, reference)) in mixed.into_iter().zip(both) {
                assert!((mixed - (share * policy + (1.0 - share) * reference)).abs() < 1e-6);
            }
        }
    }
}
