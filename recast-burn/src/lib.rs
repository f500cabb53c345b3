//! `recast-core` over [burn](https://burn.dev) tensors: devices, log-probabilities, packing, and
//! the policy objective in differentiable form.
//!
//! Signal and objective stay apart. [`recast_core::Signal`] turns plain numbers into advantages;
//! [`objective::policy_loss`] takes these as tensors without a gradient. Values and gradients
//! equal core's closed forms on every device.
//!
//! Shapes use these letters: `B` rows of a batch, `G` completions of a group, `S` slots of a row,
//! `T` keys a query may see, `L` levels of a semantic ID, `C` codes of a level, `D` width, `H`
//! heads, `K` width of a head, `N` tokens, whatever their rows.

pub mod collective;
pub mod device;
pub mod fused;
pub mod log_prob;
pub mod objective;
pub mod packing;
pub mod vectors;

pub use device::{DeviceError, DeviceKind};
