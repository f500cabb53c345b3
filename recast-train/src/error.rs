//! Faults of a user's files, settings and data.

mod range;
mod shown;

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub(crate) use range::check_most;
pub(crate) use shown::{LONGEST_MESSAGE, shortened};

/// A fault in a user's input, or in reading and writing files.
///
/// Each message names the place, the offending value and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened or read.
    #[error("{}: cannot be read: {cause}", shown::path(path))]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        cause: io::Error,
    },
    /// A file or folder could not be written.
    #[error("{}: cannot be written: {cause}", shown::path(path))]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        cause: io::Error,
    },
    /// A file as a whole has the wrong form.
    #[error("{}: {}; {}", shown::path(path), shown::problem(problem), shown::hint(hint))]
    File {
        /// The file.
        path: PathBuf,
        /// The fault, with the numbers.
        problem: String,
        /// The remedy.
        hint: String,
    },
    /// A line of a text file has the wrong form.
    #[error("{}:{line}: {}; {}", shown::path(path), shown::problem(problem), shown::hint(hint))]
    Line {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The fault, with the numbers.
        problem: String,
        /// The remedy.
        hint: String,
    },
    /// A value of a table does not suit its column.
    #[error(
        "{}:{line}: column '{}': {}: '{}'; {}",
        shown::path(path),
        shown::value(column),
        shown::problem(problem),
        shown::value(value),
        shown::hint(hint)
    )]
    Value {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: u64,
        /// The column's name, or its number from 1 where columns have none.
        column: String,
        /// The value as it stands in the file.
        value: String,
        /// The fault of the value.
        problem: String,
        /// The remedy.
        hint: String,
    },
    /// The data are readable but not usable.
    #[error("{}; {}", shown::problem(problem), shown::hint(hint))]
    Data {
        /// The fault, with the numbers.
        problem: String,
        /// The remedy.
        hint: String,
    },
    /// A setting is out of its range or contradicts another setting.
    #[error(
        "config key '{}': {}; {}",
        shown::value(key),
        shown::problem(problem),
        shown::hint(hint)
    )]
    Setting {
        /// The key, with its section: `rl.group_size`.
        key: String,
        /// The fault, with the value.
        problem: String,
        /// The remedy.
        hint: String,
    },
    /// A config file or an override does not parse.
    #[error("{}: {}", shown::value(origin), shown::lines(problem))]
    Config {
        /// The file, or the override as `key=value`.
        origin: String,
        /// The parser's own words: line, column and the known keys.
        problem: String,
    },
    /// Training met a value that is not finite.
    #[error(
        "{phase}: {quantity} is {value} at step {step}, batch {batch} (first bad tensor: {tensor}); the last checkpoint is \
         as it was: lower its learning_rate in the run folder's config.toml and resume"
    )]
    NotFinite {
        /// The phase, as in the event log.
        phase: String,
        /// The quantity that was not finite.
        quantity: &'static str,
        /// The value.
        value: f64,
        /// The optimiser step, from 1.
        step: usize,
        /// The batch of the epoch, or the minibatch of the rollout step, from 1.
        batch: usize,
        /// The first weight or gradient that is not finite, by the name of its field.
        tensor: String,
    },
    /// A codebook collapsed in training: nearly all items take the same few codes.
    #[error(
        "tokenizer.rq_vae: level {level} uses its {codes} codes like {perplexity:.1} (perplexity) \
         in epoch {epoch}: the codebook collapses; lower tokenizer.rq_vae.learning_rate, take \
         fewer tokenizer.codes, or allow the collapse by a lower tokenizer.rq_vae.min_perplexity"
    )]
    Collapse {
        /// The level, from 1.
        level: usize,
        /// The perplexity of the level's codes over the epoch.
        perplexity: f64,
        /// The number of the level's codes.
        codes: usize,
        /// The epoch, from 1.
        epoch: usize,
    },
    /// A device failed in its work.
    #[error("device failed: {problem}; less memory in use may help: lower the micro_batch_tokens")]
    Device {
        /// The device's own message.
        problem: String,
    },
    /// A folder that should hold a run holds none.
    #[error("{}: is no run folder: it has no config.toml", path.display())]
    NoRun {
        /// The folder.
        path: PathBuf,
    },
    /// The folder for a new run already holds a run with other settings.
    #[error(
        "{}: holds a run with other settings: {}; name another folder",
        run_dir.display(),
        SettingChange::list(changes)
    )]
    OtherRun {
        /// The folder.
        run_dir: PathBuf,
        /// The differing settings, from the folder's values to those of the new run.
        changes: Vec<SettingChange>,
    },
    /// The settings of a run folder changed after parts of it were made.
    #[error(
        "{}: its settings changed after {} {} made: {}; {}",
        run_dir.display(),
        parts.join(", "),
        if parts.len() == 1 { "was" } else { "were" },
        SettingChange::list(changes),
        changed_hint(parts, *unfinished)
    )]
    ChangedSettings {
        /// The run folder.
        run_dir: PathBuf,
        /// The changed settings, from the values in the making to those of `config.toml`.
        changes: Vec<SettingChange>,
        /// The folders of the parts that depend on these settings.
        parts: Vec<String>,
        /// Whether one of the parts is not finished yet.
        unfinished: bool,
    },
    /// Another process works in the run folder.
    #[error(
        "{}: in use by {}; wait until it ends, or name another folder",
        run_dir.display(),
        process.map_or_else(|| "another process".to_owned(), |id| format!("process {id}"))
    )]
    InUse {
        /// The run folder.
        run_dir: PathBuf,
        /// The number of the process; `None` if it cannot be read.
        process: Option<u32>,
    },
    /// A phase lacks the result of an earlier phase.
    #[error("{}: {problem}; {phase} comes first", path.display())]
    Undone {
        /// The file or folder that lacks something.
        path: PathBuf,
        /// The fault.
        problem: String,
        /// The run folder.
        run_dir: PathBuf,
        /// The phase to do first.
        phase: Phase,
    },
    /// The user asked to stop a study; its folder holds the finished jobs.
    #[error("interrupted after {done} of {total} jobs; {} holds the finished work", dir.display())]
    StudyInterrupted {
        /// The kind of the study.
        study: Study,
        /// The file of the plan; `None` for the plan of a preset.
        plan: Option<PathBuf>,
        /// The folder of the study.
        dir: PathBuf,
        /// The jobs that are done.
        done: usize,
        /// All jobs.
        total: usize,
    },
    /// The user asked to stop; the run folder, if there is one yet, holds the finished work.
    #[error(
        "interrupted; {}",
        run_dir.as_ref().map_or_else(
            || "nothing was written".to_owned(),
            |dir| format!("{} holds the finished work", dir.display())
        )
    )]
    Interrupted {
        /// The run folder; `None` before the folder is made.
        run_dir: Option<PathBuf>,
    },
}

/// A kind of study.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Study {
    /// A search of settings over validation.
    Tuning,
    /// A comparison of signals over seeds.
    Experiment,
}

/// A setting with two values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SettingChange {
    /// The key, with its section: `rl.group_size`.
    pub key: String,
    /// The former value in TOML; `None` if the key had none.
    pub old: Option<String>,
    /// The other value in TOML; `None` if the key has none.
    pub new: Option<String>,
}

impl fmt::Display for SettingChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = |value: &Option<String>| {
            shortened(value.as_deref().unwrap_or("unset"), SETTING).into_owned()
        };
        write!(f, "{} {} -> {}", self.key, value(&self.old), value(&self.new))
    }
}

/// The bytes of a setting's value that a message shows.
const SETTING: usize = 64;

/// Changes that a message lists before it only counts the others.
const LISTED: usize = 8;

impl SettingChange {
    /// The changes in a line; a long list ends in a count.
    pub(crate) fn list(changes: &[Self]) -> String {
        let shown: Vec<String> = changes.iter().take(LISTED).map(ToString::to_string).collect();
        let rest = changes.len() - shown.len();
        let rest = if rest > 0 { format!(" and {rest} more") } else { String::new() };
        format!("{}{rest}", shown.join(", "))
    }
}

/// The remedy for changed settings.
fn changed_hint(parts: &[String], unfinished: bool) -> String {
    let again = match parts {
        [data, ..] if data == "data" => "start another run folder".to_owned(),
        [part] => format!("remove the folder {part} to make it again"),
        parts => format!("remove the folders {} to make them again", parts.join(", ")),
    };
    let rate = match unfinished {
        true => "; before a phase is finished, only its learning_rate may change",
        false => "",
    };
    format!("set them back in its config.toml, or {again}{rate}")
}

/// A phase of a run that later phases need.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Phase {
    /// Semantic IDs for every item.
    Tokenize,
    /// Supervised training.
    Sft,
    /// Reinforcement learning with the signal of this name.
    Rl(String),
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tokenize => f.write_str("the tokenizer"),
            Self::Sft => f.write_str("supervised training"),
            Self::Rl(signal) => write!(f, "reinforcement learning with {signal}"),
        }
    }
}

/// The cause of a read that ended because the user asked to stop.
#[derive(Debug, thiserror::Error)]
#[error("stopped")]
pub(crate) struct Stopped;

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A fault of reading `path`, or the wish to stop that ended the read.
    #[must_use]
    pub(crate) fn read(path: &Path, cause: io::Error) -> Self {
        if cause.get_ref().and_then(|cause| cause.downcast_ref::<Stopped>()).is_some() {
            return Self::Interrupted { run_dir: None };
        }
        Self::Read { path: path.to_owned(), cause }
    }

    /// A fault of writing `path`.
    #[must_use]
    pub(crate) fn write(path: &Path, cause: io::Error) -> Self {
        Self::Write { path: path.to_owned(), cause }
    }

    /// A file that as a whole has the wrong form.
    pub(crate) fn file(path: &Path, problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::File { path: path.to_owned(), problem: problem.into(), hint: hint.into() }
    }

    /// A line that has the wrong form.
    pub(crate) fn line(
        path: &Path,
        line: u64,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Line { path: path.to_owned(), line, problem: problem.into(), hint: hint.into() }
    }

    /// Data that are readable but not usable.
    pub(crate) fn data(problem: impl Into<String>, hint: impl Into<String>) -> Self {
        Self::Data { problem: problem.into(), hint: hint.into() }
    }

    /// A device that failed.
    pub(crate) fn device(problem: impl std::fmt::Display) -> Self {
        Self::Device { problem: problem.to_string() }
    }

    /// A setting out of its range.
    pub(crate) fn setting(
        key: impl Into<String>,
        problem: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self::Setting { key: key.into(), problem: problem.into(), hint: hint.into() }
    }
}
