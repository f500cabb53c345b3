//! Supervised training, rollouts, updates, and the loop of reinforcement learning.

mod likelihood;
mod rl;
mod sasrec;
mod sft;

pub(crate) use likelihood::Likelihood;
pub use likelihood::Normalise;
pub(crate) use rl::Update;
pub use rl::{
    AllZeroState, Bound, DapoConfig, Divisor, Estimator, GrpoConfig, KeptGroup, Layout,
    LuffyConfig, Negative, NegativeChoice, Override, PreferenceConfig, Ratio, RecastConfig, Repair,
    RereConfig, RlConfig, RlPrompt, RlState, RlZvpConfig, SapoConfig, Scale, Selector, SignalName,
    Target, completion_log_probs, micro_batches, rl, update_batch,
};
pub use sasrec::SasrecConfig;
pub(crate) use sasrec::item_tokens;
pub(crate) use sft::sft;
pub use sft::{SftConfig, SftState};

use crate::catalogue::Catalogue;
use crate::data::{Example, Histories};
use crate::evaluate::EvaluateConfig;
use crate::optim::Replicas;

/// The inputs of supervised training and of reinforcement learning.
#[derive(Debug, Clone, Copy)]
pub struct TrainInputs<'a> {
    /// Training sequences, by user.
    pub train: &'a Histories,
    /// Validation examples.
    pub valid: &'a [Example],
    /// Semantic IDs and prompts.
    pub catalogue: Catalogue<'a>,
    /// The settings of validation.
    pub evaluation: &'a EvaluateConfig,
    /// The devices that share each optimiser step.
    pub replicas: &'a Replicas,
    /// The seed of all randomness.
    pub seed: u64,
}
