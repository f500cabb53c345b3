//! A run is a folder: everything a table shows can be recomputed from it.
//!
//! ```text
//! config.toml      the settings as resolved       checksums.json   the source files
//! data/            sequences, items, embeddings    sid/             table and report
//! sft/ rl-*/ sasrec/  checkpoints, the best decoder   events.jsonl  every epoch, step, validation
//! phases.json      seconds of each phase           summary.json     what the tables show
//! ```

mod baseline;
mod checkpoint;
mod comparison;
mod file;
mod inputs;
mod memory;
mod monitor;
mod pipeline;
mod summary;
mod tokenizing;

pub use checkpoint::Stage;
pub use comparison::{BudgetRatio, ComparedSystem, Comparison, Spread};
pub use file::{checksum, write_atomic, write_json};
pub use inputs::{DataReport, Prepared};
pub use memory::{device_memory_bytes, peak_memory_bytes, reset_peak_memory};
pub use monitor::{Monitor, Output, Progress};
pub use pipeline::{PreparedSummary, Run, Tokenized};
pub(crate) use summary::SystemTable;
pub use summary::{GroupSummary, Summary, SystemResult};
