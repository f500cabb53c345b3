//! Faults in the program's words: the library's message, then the command or flag that helps.

use std::path::Path;

use crate::config::Config;
use crate::error::{Error, LONGEST_MESSAGE, Phase, Study, shortened};

/// The program's message on a fault: the library's message, then the advice.
pub(super) fn message(fault: &anyhow::Error) -> String {
    let said = format!("{fault:#}");
    let advice = fault.downcast_ref::<Error>().and_then(advice).unwrap_or_default();
    let room = LONGEST_MESSAGE.saturating_sub(advice.len());
    format!("{}{advice}", shortened(&said, room))
}

/// The advice on a fault, with the punctuation before it.
fn advice(fault: &Error) -> Option<String> {
    Some(match fault {
        Error::Interrupted { run_dir } => {
            format!("; resume with: recast run --resume {}", quoted(run_dir.as_deref()?))
        }
        Error::StudyInterrupted { study, plan, dir, .. } => {
            format!("; continue with: {}", study_command(*study, plan.as_deref(), dir))
        }
        Error::OtherRun { run_dir, .. } => {
            format!(", or resume that run with recast run --resume {}", quoted(run_dir))
        }
        Error::NoRun { path } if Config::preparing_path(path).exists() => {
            let dir = quoted(path);
            format!(": its preparation was ended early; go on with recast run --resume {dir}")
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
    let dir = quoted(run_dir);
    match phase {
        Phase::Tokenize => format!("recast tokenize --run-dir {dir}"),
        Phase::Sft => format!("recast sft --run-dir {dir}"),
        Phase::Rl(signal) => format!("recast rl --signal {signal} --run-dir {dir}"),
    }
}

/// The command that begins a study or goes on with it; without a plan, that of the preset.
pub(super) fn study_command(study: Study, plan: Option<&Path>, dir: &Path) -> String {
    let command = match study {
        Study::Tuning => "tune",
        Study::Experiment => "experiment",
    };
    let plan = plan.map_or_else(|| "--preset quick".to_owned(), quoted);
    format!("recast {command} {plan} --dir {}", quoted(dir))
}

/// A path as a word of a shell's command line.
pub(super) fn quoted(path: &Path) -> String {
    let text = path.display().to_string();
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "_-./:,+@%=".contains(letter);
    // a word that begins with a dash would be a flag, and `~` the home folder
    let text = if text.starts_with('-') { format!("./{text}") } else { text };
    if !text.is_empty() && text.chars().all(plain) {
        return text;
    }
    // within single quotes only the quote itself has a meaning
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_is_one_word_of_a_shell() {
        for name in ["runs/log-1", "a b", "it's", "$HOME", "~", "a\"b", "*", "ü", "a;b", "-x", ""]
        {
            let script = format!("printf %s {}", quoted(Path::new(name)));
            let said = std::process::Command::new("sh").args(["-c", &script]).output().unwrap();
            let word = String::from_utf8(said.stdout).unwrap();
            assert_eq!(word.trim_start_matches("./"), name, "{script}");
        }
        assert_eq!(quoted(Path::new("runs/log-1")), "runs/log-1");
    }
}
