//! Equal seeds on equal numbers of threads.

use std::process::Stdio;

use super::{RUN, Results};
use crate::{Desk, text};

#[test]
fn equal_seeds_give_equal_bits_on_one_thread_and_on_two_each() {
    let desk = Desk::new();
    let results = |threads: &str, run_dir: &str| {
        let mut arguments = [&RUN[..], &[run_dir]].concat();
        let place = arguments.iter().position(|argument| *argument == "--threads").unwrap();
        arguments[place + 1] = threads;
        let output = desk.command(&arguments).stdout(Stdio::null()).output().unwrap();
        assert!(output.status.success(), "{run_dir}: {}", text(&output.stderr));
        Results::of(&desk.path(run_dir))
    };
    let [one, two] = ["1", "2"].map(|threads| {
        let first = results(threads, &format!("first-{threads}"));
        assert_eq!(first, results(threads, &format!("second-{threads}")), "{threads} threads");
        first
    });
    // no promise: sums may be parted by the number of threads
    eprintln!("one thread and two give {} results", if one == two { "equal" } else { "other" });
}
