//! The claims that hold between the crates. Every device equals core's closed forms, and core
//! equals verl and TRL. Fused equals decomposed, packed equals separate, cached equals recomputed.
//!
//! The tests are one binary, so that burn is linked once. Cases are data, in `cases/`. Under the
//! name `recast` the binary is that program: `scripts/gpu-pack` ships one file for tests and
//! program.

#[macro_use]
mod harness;

mod beam_search;
mod cancellation;
mod core_loss;
mod decoder;
mod determinism;
mod device;
mod fused;
mod golden;
mod group_loss;
mod items;
mod kept;
mod log_prob;
mod micro_batches;
mod numbers;
mod objective;
mod packing;
mod precision;
mod sampling;
mod signals;
mod tolerance;

use std::env;
use std::path::Path;
use std::process::ExitCode;

use libtest_mimic::Arguments;

/// The program's allocator, for `recast bench`.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    let called_as = env::args_os().next().unwrap_or_default();
    if Path::new(&called_as).file_stem().is_some_and(|name| name == "recast") {
        return recast_train::cli::main();
    }
    let tests = [
        beam_search::tests(),
        cancellation::tests(),
        determinism::tests(),
        device::tests(),
        fused::tests(),
        golden::tests(),
        group_loss::tests(),
        items::tests(),
        log_prob::tests(),
        micro_batches::tests(),
        objective::tests(),
        packing::tests(),
        precision::tests(),
        sampling::tests(),
        signals::tests(),
    ];
    let tests = tests.into_iter().flatten().collect();
    libtest_mimic::run(&Arguments::from_args(), tests).exit_code()
}
