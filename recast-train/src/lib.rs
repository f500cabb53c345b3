//! From interaction logs to semantic IDs, a decoder, and reinforcement learning: the library behind
//! the program `recast`.
//!
//! ```text
//! log files -> Interactions -> Sequences -> (Prompt, targets)
//! items     -> Embeddings   -> SidTable  -> Trie
//! Prompt --policy, trie--> Rollouts --reward--> Group --signal--> Selection
//! Selection --gather, pack--> Batch --policy, reference--> log-probs --objective--> loss -> step
//! ```

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
pub mod tokenizer;
pub mod train;

pub use error::{Error, Result};
