//! Losses in closed form, value and gradient.

use recast_core::Real;
use recast_core::objective::{
    CompletionTokens, GroupTokens, Loss, PolicyLoss, completion_loss, group_loss,
};

use crate::fault::{Fault, RecastError, RecastStatus, report};
use crate::objective::RecastObjective;
use crate::pointer::{Zeroed, input, offset_count, one, output, rising};
use crate::signal::RecastSignal;

/// The tokens of the kept completions of one group, laid out flat.
///
/// Log-probabilities are in nats, of S tokens in all. No call checks that these are finite.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RecastGroupTokens<T> {
    /// The number of kept completions.
    pub kept: usize,
    /// (kept + 1), rising from 0 to S.
    pub offsets: *const usize,
    /// (S), of the current policy.
    pub policy: *const T,
    /// (S), of the policy that sampled.
    pub old: *const T,
    /// (S), of the frozen reference.
    pub reference: *const T,
    /// (S), the advantage of each token.
    pub advantages: *const T,
    /// The place of the anchor among the kept completions; `SIZE_MAX` if none is the anchor.
    pub anchor: usize,
    /// The divisor of the plan.
    pub divisor: usize,
}

/// # Safety
///
/// The contract is that of the exported functions.
#[expect(clippy::too_many_arguments, reason = "they are those of the exported function")]
unsafe fn tokens<T: Real + Zeroed>(
    objective: *const RecastObjective,
    count: usize,
    policy: *const T,
    old: *const T,
    reference: *const T,
    advantages: *const T,
    values: *mut T,
    gradients: *mut T,
) -> Result<(), Fault> {
    // SAFETY: the caller's promise.
    unsafe {
        let objective = one("objective", objective)?.objective::<T>()?;
        let policy = input("policy", policy, count)?;
        let old = input("old", old, count)?;
        let reference = input("reference", reference, count)?;
        let advantages = input("advantages", advantages, count)?;
        let values = output("values", values, count)?;
        let gradients = output("gradients", gradients, count)?;
        for token in 0..count {
            let alone = CompletionTokens {
                policy_log_probs: &policy[token..=token],
                old_log_probs: &old[token..=token],
                ref_log_probs: &reference[token..=token],
                advantages: &advantages[token..=token],
                is_anchor: false,
            };
            let gradient = &mut gradients[token..=token];
            values[token] = completion_loss(&PolicyLoss::default(), alone, &objective, gradient);
        }
        Ok(())
    }
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
    // SAFETY: the caller's promise.
    unsafe {
        let count = tokens;
        let (a, b, c, d) = (policy, old, reference, advantages);
        report(self::tokens(objective, count, a, b, c, d, values, gradients), error)
    }
}

/// `recast_token_loss_f32` in double precision.
///
/// # Safety
///
/// As for `recast_token_loss_f32`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_token_loss_f64(
    objective: *const RecastObjective,
    tokens: usize,
    policy: *const f64,
    old: *const f64,
    reference: *const f64,
    advantages: *const f64,
    values: *mut f64,
    gradients: *mut f64,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe {
        let count = tokens;
        let (a, b, c, d) = (policy, old, reference, advantages);
        report(self::tokens(objective, count, a, b, c, d, values, gradients), error)
    }
}

/// # Safety
///
/// The contract is that of the exported functions.
unsafe fn group<T: Real + Zeroed>(
    signal: *const RecastSignal,
    objective: *const RecastObjective,
    tokens: *const RecastGroupTokens<T>,
    value: *mut T,
    gradients: *mut T,
) -> Result<(), Fault> {
    // SAFETY: the caller's promise.
    unsafe {
        let objective = one("objective", objective)?.objective::<T>()?;
        let loss = one("signal", signal)?.signal::<T>()?.loss().check(&objective)?;
        let RecastGroupTokens { kept, offsets, policy, old, reference, advantages, .. } =
            *one("tokens", tokens)?;
        let RecastGroupTokens { anchor, divisor, .. } = *one("tokens", tokens)?;
        let offsets = input("offsets", offsets, offset_count(kept)?)?;
        let count = rising("offsets", offsets)?;
        let advantages = input("advantages", advantages, count)?;
        if anchor != usize::MAX && anchor >= kept {
            return Err(Fault::Anchor { anchor, kept });
        }
        if divisor == 0 {
            return Err(Fault::Divisor);
        }
        if let Loss::Preference(_) = loss {
            let is_positive = |pair: &[usize]| pair[0] < pair[1] && advantages[pair[0]] > T::zero();
            let positives = offsets.windows(2).filter(|pair| is_positive(pair)).count();
            if positives != 1 {
                return Err(Fault::Positives { kept, positives });
            }
        }
        let tokens = GroupTokens {
            offsets,
            policy_log_probs: input("policy", policy, count)?,
            old_log_probs: input("old", old, count)?,
            ref_log_probs: input("reference", reference, count)?,
            advantages,
            anchor: (anchor != usize::MAX).then_some(anchor),
            divisor,
        };
        let value = output("value", value, 1)?;
        let gradients = output("gradients", gradients, count)?;
        value[0] = group_loss(&loss, tokens, &objective, gradients);
        Ok(())
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
    tokens: *const RecastGroupTokens<f32>,
    value: *mut f32,
    gradients: *mut f32,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(group(signal, objective, tokens, value, gradients), error) }
}

/// `recast_group_loss_f32` in double precision.
///
/// # Safety
///
/// As for `recast_group_loss_f32`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_group_loss_f64(
    signal: *const RecastSignal,
    objective: *const RecastObjective,
    tokens: *const RecastGroupTokens<f64>,
    value: *mut f64,
    gradients: *mut f64,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(group(signal, objective, tokens, value, gradients), error) }
}
