//! The list of tests, in place of the one that `#[test]` makes.
//!
//! A machine without Rust can run a program of `#[test]` functions too. The compiler writes its
//! `main`, so such a program holds tests only. `scripts/gpu-pack` needs the tests and `recast`
//! itself there. With CUDA each takes about 60 MiB, nearly all of it burn, and some places carry no
//! more than 64 MiB. One program holds both, so its `main` is ours: see `main.rs`.
//!
//! The list leaves nothing out in silence. A function that no list names is dead code, and so is
//! `tests()` of a module that `main` does not call. `cargo clippy -- -D warnings` refuses dead
//! code. The compiler drops `#[test]` functions of this target, so `.ci/run` refuses the attribute
//! here.

use libtest_mimic::Trial;

/// A test under the name of its function, within its module.
pub(crate) fn trial(module: &str, name: &str, test: fn()) -> Trial {
    let module = module.split_once("::").map_or("", |(_, within)| within);
    let run = move || {
        test();
        Ok(())
    };
    Trial::test(format!("{module}::{name}"), run)
}

/// Makes `tests()`, the tests of this module, from the names of functions that panic if they fail.
macro_rules! tests {
    ($($name:ident),* $(,)?) => {
        pub(crate) fn tests() -> Vec<libtest_mimic::Trial> {
            vec![$(crate::harness::trial(module_path!(), stringify!($name), $name)),*]
        }
    };
}
