//! Faults of a user's files, settings and data.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

/// A fault in a user's input, or in reading and writing files.
///
/// Each message names the place, the offending value and the remedy.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A file could not be opened or read.
    #[error("{}: cannot be read: {cause}", path.display())]
    Read {
        /// The file.
        path: PathBuf,
        /// The system's own words.
        cause: io::Error,
    },
    /// A file or folder could not be written.
    #[error("{}: cannot be written: {cause}", path.display())]
    Write {
        /// The file or folder.
        path: PathBuf,
        /// The system's own words.
        cause: io::Error,
    },
    /// A file as a whole has the wrong form.
    #[error("{}: {problem}; {hint}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The fault, with the numbers.
        problem: String,
        /// The remedy.
        hint: String,
    },
    /// A line of a text file has the wrong form.
    #[error("{}:{line}: {problem}; {hint}", path.display())]
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
    #[error("{}:{line}: column '{column}': {problem}: '{value}'; {hint}", path.display())]
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
    #[error("{problem}; {hint}")]
    Data {
        /// The fault, with the numbers.
        problem: String,
        /// The remedy.
        hint: String,
    },
    /// A setting is out of its range or contradicts another setting.
    #[error("config key '{key}': {problem}; {hint}")]
    Setting {
        /// The key, with its section: `rl.group_size`.
        key: String,
        /// The fault, with the value.
        problem: String,
        /// The remedy.
        hint: String,
    },
    /// A config file or an override does not parse.
    #[error("{origin}: {problem}")]
    Config {
        /// The file, or the override as `key=value`.
        origin: String,
        /// The parser's own words: line, column and the known keys.
        problem: String,
    },
    /// Training met a value that is not finite.
    #[error(
        "{phase}: {quantity} is {value} at step {step}; lower its learning_rate in the run folder's config.toml and resume"
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
    #[error("{}: holds a run with other settings; name another folder", run_dir.display())]
    OtherRun {
        /// The folder.
        run_dir: PathBuf,
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
    /// The user asked to stop; the run folder holds the finished work.
    #[error("interrupted; {} holds the finished work", run_dir.display())]
    Interrupted {
        /// The run folder.
        run_dir: PathBuf,
    },
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

/// The result of this crate's fallible functions.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// A fault of reading `path`.
    #[must_use]
    pub(crate) fn read(path: &Path, cause: io::Error) -> Self {
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
