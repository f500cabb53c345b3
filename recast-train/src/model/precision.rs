//! The number format of the decoder's products.

use burn::tensor::{Device, FloatDType, Tensor};
use serde::{Deserialize, Serialize};

/// The number format of the decoder's matrix products.
///
/// Weights, optimiser, residual stream, normalisations, softmax, log-probabilities and losses are
/// `f32` in any case.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Precision {
    /// Numbers with 24 bits of significand.
    #[default]
    F32,
    /// Numbers with 8 bits of significand, which GPUs multiply fastest. Slow on a CPU.
    Bf16,
}

impl Precision {
    /// All formats.
    pub const ALL: [Self; 2] = [Self::F32, Self::Bf16];

    /// The name for people and machines.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::F32 => "f32",
            Self::Bf16 => "bf16",
        }
    }

    /// Bytes of an element.
    #[must_use]
    pub fn bytes(self) -> usize {
        match self {
            Self::F32 => 4,
            Self::Bf16 => 2,
        }
    }

    /// Whether a device computes in the format.
    #[must_use]
    pub fn is_supported(self, device: &Device) -> bool {
        match self {
            Self::F32 => true,
            Self::Bf16 => device.supports_dtype(FloatDType::BF16),
        }
    }

    /// `f32` numbers in the format of a product; gradients come back as `f32`.
    pub(crate) fn narrow<const R: usize>(self, x: Tensor<R>) -> Tensor<R> {
        match self {
            Self::F32 => x,
            Self::Bf16 => x.cast(FloatDType::BF16),
        }
    }

    /// The result of a product, as `f32`.
    pub(super) fn widen<const R: usize>(self, x: Tensor<R>) -> Tensor<R> {
        match self {
            Self::F32 => x,
            Self::Bf16 => x.cast(FloatDType::F32),
        }
    }
}
