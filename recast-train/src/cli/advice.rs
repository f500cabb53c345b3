//! Faults in the program's words: the library's message, then the command or flag that helps.

use std::path::Path;

use crate::error::{Error, Phase};

/// The program's message on a fault: the library's message, then the advice.
pub(super) fn message(fault: &anyhow::Error) -> String {
    let said = format!("{fault:#}");
    match fault.downcast_ref::<Error>().and_then(advice) {
        Some(advice) => format!("{said}{advice}"),
        None => said,
    }
}

/// The advice on a fault, with the punctuation before it.
fn advice(fault: &Error) -> Option<String> {
    Some(match fault {
        Error::Interrupted { run_dir } => {
            format!("; resume with: recast run --resume {}", run_dir.display())
        }
        Error::OtherRun { run_dir, .. } => {
            format!(", or resume that run with recast run --resume {}", run_dir.display())
        }
        Error::NoRun { .. } => "; make one with recast run or recast prepare".to_owned(),
        Error::Undone { run_dir, phase, .. } => format!("; run {} first", command(phase, run_dir)),
        Error::Setting { key, .. } if matches!(&key[..], "device" | "replicas") => {
            "; recast devices lists what can be used".to_owned()
        }
        _ => return None,
    })
}

/// The command that does a phase.
fn command(phase: &Phase, run_dir: &Path) -> String {
    let dir = run_dir.display();
    match phase {
        Phase::Tokenize => format!("recast tokenize --run-dir {dir}"),
        Phase::Sft => format!("recast sft --run-dir {dir}"),
        Phase::Rl(signal) => format!("recast rl --signal {signal} --run-dir {dir}"),
    }
}
