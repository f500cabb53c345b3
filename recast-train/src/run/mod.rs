//! A run is a folder that holds all data behind its tables.
//!
//! ```text
//! config.toml      the settings as resolved       checksums.json   the source files
//! data/            sequences, items, embeddings    sid/             table and report
//! sft/ rl-*/ sasrec/  checkpoints, the best decoder   events.jsonl  every epoch, step, validation
//! phases.json      seconds of each phase           summary.json     what the tables show
//! report.html      the page of `recast report`
//! lock             the process that works here     */settings.toml  the settings of that part
//! ```

mod alignment;
mod baseline;
mod folder;
mod inputs;
mod judging;
mod phases;
mod recommending;
mod records;
mod sessions;
mod tokenizing;

pub use folder::{PreparedSummary, Run, Tokenized};
pub use inputs::Prepared;
