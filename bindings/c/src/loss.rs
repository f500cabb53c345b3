//! Losses in closed form, value and gradient.

use recast_core::objective::{
    CompletionTokens, GroupTokens, Loss, PolicyLoss, completion_loss, group_loss,
};

use crate::fault::{Fault, RecastError, RecastStatus, Sink, report};
use crate::objective::RecastObjective;
use crate::pointer::{input, offset_count, one, output, rising};
use crate::signal::RecastSignal;

/// The tokens of the kept completions of one group, laid out flat.
///
/// Log-probabilities are in nats, of S tokens in all. No call checks that these are finite.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RecastGroupTokensF32 {
    /// The number of kept completions.
    pub kept: usize,
    /// (kept + 1), rising from 0 to S.
    pub offsets: *const usize,
    /// (S), of the current policy.
    pub policy: *const f32,
    /// (S), of the policy that sampled.
    pub old: *const f32,
    /// (S), of the frozen reference.
    pub reference: *const f32,
    /// (S), the advantage of each token.
    pub advantages: *const f32,
    /// The place of the anchor among the kept completions; `SIZE_MAX` if none is the anchor.
    pub anchor: usize,
    /// The divisor of the plan.
    pub divisor: usize,
}

/// PPO's clipped loss of each token plus the KL penalty, and its derivative by `policy`.
///
/// The loss is that of ReCast and GRPO, before any mean. `policy`, `old`, `reference`: (tokens)
/// log-probabilities; `advantages`, `values`, `gradients`: (tokens). Status: `POINTER`,
/// `OBJECTIVE`, `SIZE`.
///
/// # Safety
///
/// Pointers lead to as many elements as described, and outputs overlap nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_token_loss_f32(
    objective: *const RecastObjective,
    tokens: usize,
    policy: *const f32,
    old: *const f32,
    reference: *const f32,
    advantages: *const f32,
    values: *mut f32,
    gradients: *mut f32,
    error: *mut RecastError,
) -> RecastStatus {
    let losses = |sink: &Sink| {
        // SAFETY: the caller's promise.
        unsafe {
            let objective = one(sink, "objective", objective)?.objective(sink)?;
            let policy = input(sink, "policy", policy, tokens)?;
            let old = input(sink, "old", old, tokens)?;
            let reference = input(sink, "reference", reference, tokens)?;
            let advantages = input(sink, "advantages", advantages, tokens)?;
            let values = output(sink, "values", values, tokens)?;
            let gradients = output(sink, "gradients", gradients, tokens)?;
            for token in 0..tokens {
                let alone = CompletionTokens {
                    policy_log_probs: &policy[token..=token],
                    old_log_probs: &old[token..=token],
                    ref_log_probs: &reference[token..=token],
                    advantages: &advantages[token..=token],
                    is_anchor: false,
                };
                let gradient = &mut gradients[token..=token];
                values[token] =
                    completion_loss(&PolicyLoss::default(), alone, &objective, gradient);
            }
            Some(())
        }
    };
    // SAFETY: the caller's promise.
    unsafe { report(error, losses) }
}

/// # Safety
///
/// The contract is that of the exported functions.
unsafe fn group(
    sink: &Sink,
    signal: *const RecastSignal,
    objective: *const RecastObjective,
    tokens: *const RecastGroupTokensF32,
    value: *mut f32,
    gradients: *mut f32,
) -> Option<()> {
    // SAFETY: the caller's promise.
    unsafe {
        let objective = one(sink, "objective", objective)?.objective(sink)?;
        let loss = sink.of(one(sink, "signal", signal)?.signal(sink)?.loss().check(&objective))?;
        let tokens = one(sink, "tokens", tokens)?;
        let RecastGroupTokensF32 { kept, anchor, divisor, .. } = *tokens;
        let offsets = input(sink, "offsets", tokens.offsets, offset_count(sink, kept)?)?;
        let count = rising(sink, "offsets", offsets)?;
        let advantages = input(sink, "advantages", tokens.advantages, count)?;
        if anchor != usize::MAX && anchor >= kept {
            return sink.refuse(Fault::Anchor { anchor, kept });
        }
        if divisor == 0 {
            return sink.refuse(Fault::Divisor);
        }
        if let Loss::Preference(_) = loss {
            let is_positive = |pair: &[usize]| pair[0] < pair[1] && advantages[pair[0]] > 0.0;
            let positives = offsets.windows(2).filter(|pair| is_positive(pair)).count();
            if positives != 1 {
                return sink.refuse(Fault::Positives { kept, positives });
            }
        }
        let tokens = GroupTokens {
            offsets,
            policy_log_probs: input(sink, "policy", tokens.policy, count)?,
            old_log_probs: input(sink, "old", tokens.old, count)?,
            ref_log_probs: input(sink, "reference", tokens.reference, count)?,
            advantages,
            anchor: (anchor != usize::MAX).then_some(anchor),
            divisor,
        };
        let value = output(sink, "value", value, 1)?;
        let gradients = output(sink, "gradients", gradients, count)?;
        value[0] = group_loss(&loss, tokens, &objective, gradients);
        Some(())
    }
}

/// The loss of a group under the loss of its signal, and its derivative by `policy`.
///
/// The mean over the groups that are trained on is the loss of a step. `value`: one number;
/// `gradients`: (S). Status: `POINTER`, `OFFSETS`, `SIGNAL`, `OBJECTIVE`, `SIZE`. `LOSS` if the
/// divisor is 0, if the anchor is none of the completions, or if DPO has not one positive.
///
/// # Safety
///
/// Pointers lead to as many elements as described, and outputs overlap nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_group_loss_f32(
    signal: *const RecastSignal,
    objective: *const RecastObjective,
    tokens: *const RecastGroupTokensF32,
    value: *mut f32,
    gradients: *mut f32,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(error, |sink| group(sink, signal, objective, tokens, value, gradients)) }
}
