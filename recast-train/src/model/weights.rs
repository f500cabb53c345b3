//! Seeded first weights of a decoder.

use burn::module::Param;
use burn::tensor::{Device, Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_distr::{Distribution, Normal};

use super::{Mlp, Projection};
use crate::random::{Purpose, stream};

/// Standard deviation of the first weights.
const INITIAL_STD: f32 = 0.02;

/// Seeded first weights.
pub(super) struct WeightSource<'a> {
    rng: ChaCha8Rng,
    device: &'a Device,
}

impl<'a> WeightSource<'a> {
    /// The weights that a seed gives, on a device.
    pub(super) fn new(seed: u64, device: &'a Device) -> Self {
        Self { rng: stream(seed, Purpose::Weights, 0), device }
    }

    pub(super) fn normal(&mut self, [rows, columns]: [usize; 2]) -> Param<Tensor<2>> {
        #[expect(clippy::expect_used, reason = "the deviation is a positive constant")]
        let normal = Normal::new(0.0, INITIAL_STD).expect("a positive deviation");
        let values: Vec<f32> = (0..rows * columns).map(|_| normal.sample(&mut self.rng)).collect();
        Param::from_data(TensorData::new(values, [rows, columns]), self.device)
    }

    pub(super) fn projection(&mut self, from: usize, to: usize) -> Projection {
        Projection { weight: self.normal([from, to]) }
    }

    pub(super) fn mlp(&mut self, width: usize, intermediate: usize) -> Mlp {
        Mlp {
            gate_proj: self.projection(width, intermediate),
            up_proj: self.projection(width, intermediate),
            down_proj: self.projection(intermediate, width),
        }
    }

    pub(super) fn ones(&self, width: usize) -> Param<Tensor<1>> {
        Param::from_data(TensorData::new(vec![1f32; width], [width]), self.device)
    }
}
