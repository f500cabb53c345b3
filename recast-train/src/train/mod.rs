//! Supervised training, rollouts, updates, and the loop of reinforcement learning.

mod optimiser;
mod sft;

pub use optimiser::{Optimiser, learning_rate};
pub use sft::{SftConfig, SftData, SftState, sft};
