//! Supervised training, rollouts, updates, and the loop of reinforcement learning.

mod optimiser;
mod rl;
mod rollout;
mod sft;
mod update;

pub use optimiser::{Optimiser, learning_rate};
pub use rl::{GroupCounts, PhaseSeconds, RecastConfig, RlConfig, RlData, RlState, SignalName, rl};
pub use rollout::{GroupOutcome, KeptGroup, RlPrompt, select_group};
pub use sft::{SftConfig, SftData, SftState, sft};
pub use update::{completion_log_probs, group_loss};
