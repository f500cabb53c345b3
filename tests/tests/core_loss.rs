//! Core's loss of a single token, with the numbers of the cases.

use recast_core::Real;
use recast_core::objective::{
    CompletionTokens, Objective, PolicyLoss, TokenTerm, clipped_tokens, completion_loss,
};

/// Value and gradient of one sampled token under PPO's clip.
pub(crate) fn token_loss<T: Real>(
    policy: T,
    old: T,
    reference: T,
    advantage: T,
    objective: &Objective<T>,
) -> TokenTerm<T> {
    let mut gradient = [T::nan()];
    let tokens = CompletionTokens {
        policy_log_probs: &[policy],
        old_log_probs: &[old],
        ref_log_probs: &[reference],
        advantages: &[advantage],
        is_anchor: false,
    };
    let value = completion_loss(&PolicyLoss::default(), tokens, objective, &mut gradient);
    TokenTerm { value, gradient: gradient[0] }
}

/// Whether a clip stands for the ratio of a sampled token.
pub(crate) fn is_clipped<T: Real>(
    policy: T,
    old: T,
    advantage: T,
    objective: &Objective<T>,
) -> bool {
    let tokens = CompletionTokens {
        policy_log_probs: &[policy],
        old_log_probs: &[old],
        ref_log_probs: &[],
        advantages: &[advantage],
        is_anchor: false,
    };
    clipped_tokens(&PolicyLoss::default(), tokens, objective) == 1
}
