//! The list of tests, in place of the one that `#[test]` makes: with a `main` of our own this
//! program can be `recast` too.
//!
//! A function that no list names is dead code, which lints refuse.

use libtest_mimic::Trial;

/// A test; its name is the function's, within its module.
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
