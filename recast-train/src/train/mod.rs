//! Supervised training, rollouts, updates, and the loop of reinforcement learning.

mod candidates;
mod likelihood;
mod rl;
mod sasrec;
mod sft;

pub(crate) use candidates::Candidates;
pub(crate) use likelihood::Likelihood;
pub use likelihood::Normalise;
pub(crate) use rl::Update;
pub use rl::{
    AllZeroState, Bound, DapoConfig, Divisor, Estimator, GrpoConfig, Health, Keep, KeptGroup,
    Layout, LuffyConfig, Negative, NegativeChoice, Override, PreferenceConfig, Prompts, Ratio,
    RecastConfig, Repair, RereConfig, RlConfig, RlPrompt, RlState, RlZvpConfig, SapoConfig, Scale,
    Selector, SignalName, Target, completion_log_probs, micro_batches, rl, update_batch,
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
    /// The older part of the training sequences, where supervised training sees that part alone and
    /// the prompts of reinforcement learning stand behind it.
    pub older: Option<&'a Histories>,
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

impl<'a> TrainInputs<'a> {
    /// The sequences that supervised training sees.
    #[must_use]
    pub fn supervised(&self) -> &'a Histories {
        self.older.unwrap_or(self.train)
    }
}
