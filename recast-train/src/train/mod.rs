//! Supervised training, rollouts, updates, and the loop of reinforcement learning.

mod optimiser;
mod replicas;
mod rl;
mod rollout;
mod sasrec;
mod sft;
mod update;

pub use optimiser::{Optimiser, StepGradients, learning_rate};
pub use replicas::Replicas;
pub use rl::{GroupCounts, PhaseSeconds, RecastConfig, RlConfig, RlState, SignalName, rl};
pub use rollout::{GroupOutcome, KeptGroup, RlPrompt, select_group};
pub use sasrec::{SasrecConfig, item_tokens};
pub use sft::{SftConfig, SftState, sft};
pub(crate) use sft::{batches_of, check_finite, check_rates, next_code_loss, predicted_codes};
pub use update::{Layout, completion_log_probs, group_loss, micro_batches};

use crate::data::{Example, Histories};
use crate::evaluate::{Catalogue, EvaluateConfig};

/// What both kinds of training read.
#[derive(Debug, Clone, Copy)]
pub struct TrainInputs<'a> {
    /// Training sequences, by user.
    pub train: &'a Histories,
    /// Validation examples.
    pub valid: &'a [Example],
    /// Semantic IDs and prompts.
    pub catalogue: Catalogue<'a>,
    /// How validation decodes.
    pub evaluation: &'a EvaluateConfig,
    /// The devices that share each optimiser step.
    pub replicas: &'a Replicas,
    /// The seed of all randomness.
    pub seed: u64,
}
