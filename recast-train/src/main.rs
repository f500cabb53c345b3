//! The program `recast`; see [`recast_train`].

use std::process::ExitCode;

/// Training frees and takes large buffers all the time. The system's allocator gives the buffers
/// back to the kernel each time and clears them anew.
#[cfg(feature = "mimalloc")]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    recast_train::cli::main()
}
