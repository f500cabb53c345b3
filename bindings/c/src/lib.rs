//! `librecast`: recast-core for C and C++, without std and without an allocator.
//!
//! Every array is the caller's. A call checks pointers and numbers first, and returns a
//! [`RecastStatus`]; a [`RecastError`] then says where and why. No call keeps a pointer, none has
//! state, and calls may run in several threads at once.
//!
//! The contract of every function: a pointer is null where its description allows it, or leads to
//! as many elements as described. Outputs overlap neither inputs nor one another. Null and
//! alignment are checked, and so is every number.
#![cfg_attr(not(test), no_std)]

mod codes;
mod entropy;
mod fault;
mod loss;
mod objective;
mod plan;
mod pointer;
mod rate;
mod signal;
#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]
mod tests;
mod trie;

use core::ffi::c_char;

pub use crate::codes::*;
pub use crate::entropy::*;
pub use crate::fault::{RECAST_MESSAGE_BYTES, RecastError, RecastStatus};
pub use crate::loss::*;
pub use crate::objective::*;
pub use crate::plan::*;
pub use crate::rate::*;
pub use crate::signal::*;
pub use crate::trie::*;

/// The panic of a library without std ends the process. Every call checks first: a panic is a fault
/// of the library.
#[cfg(not(test))]
#[panic_handler]
fn panic(_: &core::panic::PanicInfo<'_>) -> ! {
    unsafe extern "C" {
        fn abort() -> !;
    }
    // SAFETY: abort takes nothing and does not return.
    unsafe { abort() }
}

// The unwind tables of the compiled core name this symbol; no code unwinds, and nothing calls it.
// Weak and hidden, the symbol neither leaves the shared library nor meets that of another static
// library of Rust.
#[cfg(not(test))]
core::arch::global_asm!(
    ".pushsection .text.rust_eh_personality,\"ax\"",
    ".weak rust_eh_personality",
    ".hidden rust_eh_personality",
    "rust_eh_personality:",
    ".long 0",
    ".popsection",
);

/// The version of this interface: it grows when something old changes its meaning.
#[unsafe(no_mangle)]
pub extern "C" fn recast_abi_version() -> u32 {
    1
}

/// The version of the library, such as "0.1.0".
#[unsafe(no_mangle)]
pub extern "C" fn recast_version() -> *const c_char {
    concat!(env!("CARGO_PKG_VERSION"), "\0").as_ptr().cast()
}
