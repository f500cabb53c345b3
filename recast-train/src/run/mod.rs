//! A run is a folder: everything a table shows can be recomputed from it.
//!
//! ```text
//! config.toml      the settings as resolved       checksums.json   the source files
//! data/            sequences, items, embeddings    sid/             table and report
//! sft/ rl-*/ sasrec/  checkpoints, the best decoder   events.jsonl  every epoch, step, validation
//! phases.json      seconds of each phase           summary.json     what the tables show
//! ```

mod baseline;
mod inputs;
mod pipeline;
mod tokenizing;

pub use inputs::{DataReport, Prepared};
pub use pipeline::{PreparedSummary, Run, Tokenized};
