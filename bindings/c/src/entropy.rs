//! The token advantages of RL-ZVP.

use recast_core::Real;
use recast_core::entropy::entropy_guided;
use recast_core::signal::SignalError;

use crate::fault::{Fault, RecastError, RecastStatus, report};
use crate::pointer::{Zeroed, input, output};

/// # Safety
///
/// The contract is that of the exported functions.
unsafe fn advantages<T: Real + Zeroed>(
    hit: u32,
    alpha: T,
    tokens: usize,
    entropies: *const T,
    out: *mut T,
) -> Result<(), Fault> {
    if alpha <= T::zero() || !alpha.is_finite() {
        return Err(SignalError::Alpha { value: alpha.widen() }.into());
    }
    // SAFETY: the caller's promise.
    let (entropies, out) =
        unsafe { (input("entropies", entropies, tokens)?, output("advantages", out, tokens)?) };
    entropy_guided(hit != 0, alpha, entropies, out);
    Ok(())
}

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
    // SAFETY: the caller's promise.
    unsafe { report(self::advantages(hit, alpha, tokens, entropies, advantages), error) }
}

/// `recast_entropy_advantages_f32` in double precision.
///
/// # Safety
///
/// As for `recast_entropy_advantages_f32`.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_entropy_advantages_f64(
    hit: u32,
    alpha: f64,
    tokens: usize,
    entropies: *const f64,
    advantages: *mut f64,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(self::advantages(hit, alpha, tokens, entropies, advantages), error) }
}
