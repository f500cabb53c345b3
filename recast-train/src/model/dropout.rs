//! Dropout with seeded masks.

use burn::tensor::{Tensor, TensorData};
use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::Rng;
use rayon::prelude::*;

/// The least number of elements of a parallel task.
const GRAIN: usize = 1 << 14;

/// Sets a share of elements to zero and scales the others up, so that the mean stays.
///
/// Masks come from one of our own seeded streams: equal seeds give equal masks on every device. The
/// share is rounded to a multiple of 1/256, one random byte an element.
#[derive(Debug)]
pub struct Dropout {
    rng: ChaCha8Rng,
    threshold: u16,
}

impl Dropout {
    /// Dropout of about `share` of the elements, which is in `[0, 1)`; `None` if the share rounds
    /// to 0.
    #[must_use]
    pub fn new(share: f32, rng: ChaCha8Rng) -> Option<Self> {
        let threshold = (share * 256.0).round() as u16;
        (threshold > 0).then(|| Self { rng, threshold: threshold.min(255) })
    }

    pub(super) fn forward(&mut self, x: Tensor<2>) -> Tensor<2> {
        let dims = x.dims();
        let mut bytes = vec![0u8; dims[0] * dims[1]];
        self.rng.fill_bytes(&mut bytes);
        let kept = 256.0 / f32::from(256 - self.threshold);
        let scale = |byte: u8| if u16::from(byte) < self.threshold { 0.0 } else { kept };
        let mask: Vec<f32> = bytes.into_par_iter().with_min_len(GRAIN).map(scale).collect();
        let device = x.device();
        x * Tensor::from_data(TensorData::new(mask, dims), &device)
    }
}
