//! The token advantages of RL-ZVP.

use recast_core::entropy::entropy_guided;
use recast_core::signal::SignalError;

use crate::fault::{RecastError, RecastStatus, Sink, report};
use crate::pointer::{input, output};

/// The token advantages of RL-ZVP for one completion of a group whose rewards are all equal.
///
/// `alpha H_t` for a hit, `-alpha (max H - H_t)` for a miss. In every other group, and for every
/// other signal, each token has the advantage of its completion. `hit`: 0 for a miss; `alpha`:
/// above 0; `entropies`, `advantages`: (tokens), in nats.
///
/// # Safety
///
/// Pointers lead to as many elements as described, and the output overlaps nothing.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_entropy_advantages_f32(
    hit: u32,
    alpha: f32,
    tokens: usize,
    entropies: *const f32,
    advantages: *mut f32,
    error: *mut RecastError,
) -> RecastStatus {
    let of_tokens = |sink: &Sink| {
        if alpha <= 0.0 || !alpha.is_finite() {
            return sink.refuse(SignalError::Alpha { value: f64::from(alpha) });
        }
        // SAFETY: the caller's promise.
        let (entropies, advantages) = unsafe {
            let entropies = input(sink, "entropies", entropies, tokens)?;
            (entropies, output(sink, "advantages", advantages, tokens)?)
        };
        entropy_guided(hit != 0, alpha, entropies, advantages);
        Some(())
    };
    // SAFETY: the caller's promise.
    unsafe { report(error, of_tokens) }
}
