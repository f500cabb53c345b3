//! A run is a folder that holds all data behind its tables.
//!
//! ```text
//! config.toml      the settings as resolved       checksums.json   the source files
//! data/            sequences, items, embeddings    sid/             table and report
//! sft/ rl-*/ sasrec/  checkpoints, the best decoder   events.jsonl  every epoch, step, validation
//! phases.json      seconds of each phase           summary.json     what the tables show
//! ranks/           the rank of each test target    report.html      the page of `recast report`
//! lock             the process that works here     */settings.toml  the settings of that part
//! sums, */sums     the checksums of the files beside
//! ```
//!
//! `ranks/<system>.json` is `{"unmasked": [r, ..], "masked": [r, ..]}`, with one number for each
//! test prompt in the order of prompts. The number is the rank of the target among the listed
//! items, from 1, and 0 if the list lacks the target. The best of several targets counts. A decoder
//! lists the items of `evaluate.beam_width` semantic IDs, another system 50 items.

mod alignment;
mod baseline;
mod branch;
mod decoders;
mod diagnosing;
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
