//! Every exported function beside core, and with hostile numbers.
//!
//! A panic inside an exported function ends the test program: these tests look for one too.

mod calls;
mod hostile;

use core::ffi::CStr;
use core::ptr::{null, null_mut};

use super::*;
use crate::fault::Sink;

fn nothing() -> RecastError {
    RecastError {
        status: RecastStatus::Ok,
        group: 0,
        index: 0,
        value: 0.0,
        message: [0; RECAST_MESSAGE_BYTES],
    }
}

fn words(error: &RecastError) -> &str {
    // SAFETY: a message ends with a 0.
    unsafe { CStr::from_ptr(error.message.as_ptr()) }.to_str().expect("words of core")
}

fn signal(kind: u32) -> RecastSignal {
    let mut made = std::mem::MaybeUninit::uninit();
    // SAFETY: memory for one signal; no error is asked for.
    let status = unsafe { recast_signal_init(kind, made.as_mut_ptr(), null_mut()) };
    assert_eq!(status, RecastStatus::Ok);
    // SAFETY: the status says that the signal was written.
    unsafe { made.assume_init() }
}

fn objective() -> RecastObjective {
    let mut made = std::mem::MaybeUninit::uninit();
    // SAFETY: memory for one objective; no error is asked for.
    let status = unsafe { recast_objective_init(made.as_mut_ptr(), null_mut()) };
    assert_eq!(status, RecastStatus::Ok);
    // SAFETY: the status says that the objective was written.
    unsafe { made.assume_init() }
}

/// A batch without its optional columns.
fn batch(offsets: &[usize], rewards: &mut [f32], scores: &mut [f32]) -> RecastBatchF32 {
    RecastBatchF32 {
        groups: offsets.len() - 1,
        offsets: offsets.as_ptr(),
        rewards: rewards.as_mut_ptr(),
        scores: scores.as_mut_ptr(),
        old_log_probs: null(),
        duplicate_of: null_mut(),
        lengths: null(),
        hits: null_mut(),
        hit_threshold: null(),
        first_codes: null_mut(),
        draws: null(),
        can_repair: null(),
        anchor_first_codes: null(),
        anchor_log_probs: null(),
        all_zero_rate: null(),
    }
}

/// The status of a plan, its outputs, and the error.
type Planned = (RecastStatus, Vec<usize>, Vec<f32>, Vec<RecastOutcome>, RecastError);

fn plan(signal: &RecastSignal, batch: &RecastBatchF32, rows: usize) -> Planned {
    let (mut kept, mut advantages) = (vec![0; rows], vec![0.0; rows]);
    let none = RecastOutcome { skip: 9, regime: 9, kept: 9, divisor: 9, repaired: 9 };
    let mut outcomes = vec![none; batch.groups];
    let mut error = nothing();
    // SAFETY: every slice has the length that the batch says.
    let status = unsafe {
        recast_plan_f32(
            signal,
            batch,
            kept.as_mut_ptr(),
            advantages.as_mut_ptr(),
            outcomes.as_mut_ptr(),
            &raw mut error,
        )
    };
    (status, kept, advantages, outcomes, error)
}
