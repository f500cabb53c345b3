//! `recast-core` over [burn](https://burn.dev) tensors: devices, log-probabilities, packing, and
//! the policy objective in differentiable form.
//!
//! Signal and objective stay apart. [`recast_core::Signal`] turns plain numbers into advantages;
//! [`objective::policy_loss`] takes the advantages as tensors without a gradient. Values and
//! gradients equal core's closed forms on every device.
//!
//! Shapes use these letters. A batch has `B` rows of `S` slots, or `N` tokens, whatever their rows.
//! A group has `G` completions. A semantic ID has `L` levels of `C` codes. A decoder has width
//! `D` and `H` heads of width `K`; a query may see `T` keys.

pub mod collective;
pub mod device;
pub mod fused;
pub mod log_prob;
pub mod objective;
pub mod packing;
pub mod vectors;

pub use device::{DeviceError, DeviceKind};
