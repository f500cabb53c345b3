#![cfg_attr(fuzzing, no_main)]

#[cfg(fuzzing)]
libfuzzer_sys::fuzz_target!(|data: &[u8]| recast_fuzz::lc_rec(data));

/// Without a fuzzer the program does nothing; the library's test replays the regressions.
#[cfg(not(fuzzing))]
fn main() {}
