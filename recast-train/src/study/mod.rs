//! Studies: many runs by a plan, in one folder, which a stop or a crash never sets back by more
//! than one job.
//!
//! ```text
//! tuning        settings over data sets, judged by validation alone     ranking.json
//! experiment    signals over seeds from shared supervised decoders      results.json, page.md
//! jobs.jsonl    one line a finished job, or trials.jsonl of a tuning    locks/   jobs at work
//! ```
//!
//! Several processes may work in the folder of a study: each takes the next free job.

mod experiment;
mod jobs;
mod ledger;
mod plan;
pub mod statistics;
mod tuning;

pub use experiment::{
    ArmContrast, ArmResult, CellResult, ChooseBy, Contrast, Experiment, Reached, Results,
    TriedRate, Verdict,
};
pub use ledger::Machine;
pub use tuning::{Found, Ranked, Ranking, Trial, Tuning};
