//! One training step on several devices of one machine: each computes a part of the gradients.

use burn::module::{Module, ModuleVisitor, Param};
use burn::optim::GradientsParams;
use burn::tensor::{Device, Tensor};
use recast_burn::collective::sum_over_devices;
use recast_burn::device::is_cpu;

use super::optimiser::{Accumulated, Optimiser, StepGradients};
use crate::model::Decoder;

/// The devices that share each step, with automatic differentiation; the decoder is on the first.
#[derive(Debug, Clone)]
pub struct Replicas {
    devices: Vec<Device>,
}

impl Replicas {
    /// # Panics
    ///
    /// If there is no device.
    #[must_use]
    pub fn new(devices: Vec<Device>) -> Self {
        assert!(!devices.is_empty(), "a training step needs at least one device");
        Self { devices }
    }

    /// The number of devices.
    #[must_use]
    #[expect(clippy::len_without_is_empty, reason = "there is always one")]
    pub fn len(&self) -> usize {
        self.devices.len()
    }

    /// The number of tokens of a micro-batch, so that a step of `tokens` has work for all devices.
    /// 0 means all tokens at once.
    #[must_use]
    pub fn micro_batch_tokens(&self, bound: usize, tokens: usize) -> usize {
        match (self.len(), bound) {
            (1, _) => bound,
            (replicas, 0) => tokens.div_ceil(replicas),
            (replicas, _) => bound.min(tokens.div_ceil(replicas)),
        }
    }

    /// The gradients of the sum of the losses of all micro-batches, and other numbers of each.
    ///
    /// `loss` computes one loss on the decoder it is given, a copy on one of the devices;
    /// micro-batches go round the devices. The first device adds the gradients up. One device
    /// computes the losses one after the other: the bits are those of [`Optimiser::gradients`].
    #[must_use]
    pub fn gradients<B: Sync>(
        &self,
        optimiser: &Optimiser,
        model: &Decoder,
        micro_batches: &[B],
        loss: impl Fn(&Decoder, usize, &B) -> (Tensor<1>, Option<Tensor<1>>) + Sync,
    ) -> StepGradients {
        let run = |replica: &Decoder, first: usize| {
            let mut others = Vec::new();
            let mine = micro_batches.iter().enumerate().skip(first).step_by(self.len());
            let losses = mine.map(|(index, micro_batch)| {
                let (loss, other) = loss(replica, index, micro_batch);
                others.push((index, other));
                loss
            });
            let accumulated = Accumulated::of(replica, losses);
            (accumulated, others)
        };
        let copies = self.devices[1..].iter().map(|device| model.clone().fork(device));
        let replicas: Vec<Decoder> = std::iter::once(model.clone()).chain(copies).collect();
        // processors share their threads already; a single thread of the pool must not wait for
        // itself
        let at_once = rayon::current_num_threads() > 1 && !self.devices.iter().any(is_cpu);
        let found: Vec<_> = if at_once {
            std::thread::scope(|scope| {
                let (run, replicas) = (&run, &replicas);
                let spawn = |(i, replica)| scope.spawn(move || run(replica, i));
                let others: Vec<_> = replicas.iter().enumerate().skip(1).map(spawn).collect();
                let first = run(&replicas[0], 0);
                let join = |handle: std::thread::ScopedJoinHandle<'_, _>| {
                    handle.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
                };
                std::iter::once(first).chain(others.into_iter().map(join)).collect()
            })
        } else {
            replicas.iter().enumerate().map(|(i, replica)| run(replica, i)).collect()
        };
        let (parts, others): (Vec<Accumulated>, Vec<_>) = found.into_iter().unzip();
        let mut others: Vec<(usize, Option<Tensor<1>>)> = others.into_iter().flatten().collect();
        others.sort_by_key(|&(index, _)| index);
        let first = self.devices[0].clone().inner();
        let numbers = others.into_iter().map(|(_, tensor)| tensor.map(|t| t.to_device(&first)));
        optimiser.clipped(model, summed(model, parts), numbers.collect())
    }
}

/// The parts of all devices added up on the first.
fn summed(model: &Decoder, mut parts: Vec<Accumulated>) -> Accumulated {
    // with fewer micro-batches than devices some devices have nothing
    parts.retain(|part| part.loss.is_some());
    if parts.len() < 2 {
        return parts.pop().unwrap_or_default();
    }
    let loss = sum_over_devices(parts.iter().filter_map(|part| part.loss.clone()).collect());
    let mut sum = Sum { parts, summed: GradientsParams::new() };
    model.visit(&mut sum);
    Accumulated { gradients: sum.summed, loss: Some(loss) }
}

struct Sum {
    parts: Vec<Accumulated>,
    summed: GradientsParams,
}

impl ModuleVisitor for Sum {
    fn visit_float<const N: usize>(&mut self, param: &Param<Tensor<N>>) {
        let of_part = |part: &mut Accumulated| part.gradients.remove::<N>(param.id);
        let gradients: Vec<Tensor<N>> = self.parts.iter_mut().filter_map(of_part).collect();
        if !gradients.is_empty() {
            self.summed.register(param.id, sum_over_devices(gradients));
        }
    }
}
