//! The program's lines: results on standard output, all else on standard error.

use std::fmt::Display;
use std::io::{self, Write as _};

use anyhow::{Context, Result};

/// Writes a line to standard output. A reader that has left early ends the program: nobody waits
/// for more.
///
/// # Errors
///
/// If standard output cannot be written otherwise: its disk is full, say.
pub(super) fn print(line: impl Display) -> Result<()> {
    let mut output = io::stdout().lock();
    match writeln!(output, "{line}").and_then(|()| output.flush()) {
        Err(fault) if fault.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        done => done.context("standard output cannot be written"),
    }
}

/// Writes a line to standard error. A line that nobody can read is no fault: the work goes on.
pub(super) fn say(line: impl Display) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}
