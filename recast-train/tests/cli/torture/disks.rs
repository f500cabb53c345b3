//! Disks without room, by the system's limit on the size of files: a write beyond it fails as one
//! on a full disk does.

use std::process::{Command, Output, Stdio};

use super::{RUN, assert_clear, times};
use crate::{Desk, text};

/// The phases after the preparation, each as a command on the folder of the one before.
const PHASES: [&[&str]; 4] = [
    &["tokenize", "--quiet", "--threads", "1", "--run-dir"],
    &["sft", "--quiet", "--threads", "1", "--run-dir"],
    &["rl", "--quiet", "--threads", "1", "--run-dir"],
    &["eval", "--quiet", "--threads", "1", "--run-dir"],
];

impl Desk {
    /// Runs a command whose files may have so many blocks at most.
    fn within(&self, blocks: usize, arguments: &[&str]) -> Output {
        let mut command = Command::new("sh");
        // the signal of the limit is ignored, so that the write itself fails
        let script = format!("trap '' XFSZ; ulimit -f {blocks}; exec \"$@\"");
        command.args(["-c", &script, "sh", env!("CARGO_BIN_EXE_recast")]).args(arguments);
        command.current_dir(self.0.path()).stdin(Stdio::null()).output().unwrap()
    }
}

#[test]
fn a_disk_without_room_is_one_clear_error_in_each_phase_and_a_later_run_ends_equal() {
    let desk = Desk::new();
    let whole = desk.results("whole");
    let (mut failed, mut went_on) = (0, 0);
    // from no room at all to room for all but the largest files
    let sizes = [0, 1, 4, 24, 100, 400];
    let trials = if times() == 1 { 2 } else { sizes.len() };
    for trial in 0..trials {
        let name = format!("run-{trial}");
        let prepare = [&["prepare"], &RUN[1..], &[&name[..]]].concat();
        let phases = PHASES.map(|phase| [phase, &[&name[..]]].concat());
        let mut without_room = |phase: &[&str], number: usize| {
            let blocks = sizes[(trial * 3 + number) % sizes.len()];
            let output = desk.within(blocks, phase);
            if output.status.success() {
                went_on += 1;
                return;
            }
            failed += 1;
            let what = format!("{phase:?} within {blocks} blocks");
            assert_clear(&output, &what);
            let said = text(&output.stderr);
            assert!(said.contains("cannot be written"), "{what}: {said}");
            // room again
            let output = desk.recast(phase);
            assert!(output.status.success(), "{what}: {}", text(&output.stderr));
        };
        without_room(&prepare, 0);
        for (phase, number) in phases.iter().zip(1..) {
            without_room(phase, number);
        }
        assert_eq!(desk.results(&name), whole, "{name}");
        without_room(&["baseline", "--quiet", "--threads", "1", "--run-dir", &name], 5);
    }
    eprintln!("{failed} phases without room, {went_on} that needed none: all runs ended equal");
    assert!(failed > trials, "{failed}");
}
