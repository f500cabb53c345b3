//! From interaction logs to semantic IDs, a decoder and reinforcement learning: the library behind
//! the program `recast`.
//!
//! ```text
//! log files -> Interactions -> Sequences -> Split: training histories, examples
//! items     -> Embeddings   -> SidTable  -> Trie
//! prompts --policy, trie--> completions --reward--> Group --signal--> Selection
//! kept completions --policy, reference--> log-probs --objective--> loss -> step
//! ```
//!
//! [`run::Run::all`] takes one run through all of these steps; [`event`] tells its progress. Each
//! module uses only modules below it: no two modules use each other.

// macros that print end a process whose terminal is gone: `cli::output` prints, the monitor tells
#![cfg_attr(not(test), warn(clippy::print_stdout, clippy::print_stderr))]

pub mod bench;
pub mod catalogue;
pub mod cli;
pub mod config;
pub mod data;
pub mod decode;
pub mod embedding;
pub mod error;
pub mod evaluate;
pub mod event;
pub mod machine;
pub mod model;
pub mod optim;
pub mod random;
pub mod report;
pub mod reward;
pub mod run;
pub mod storage;
pub mod study;
pub mod tensorboard;
pub mod tokenizer;
pub mod train;

pub use error::{Error, Result};
