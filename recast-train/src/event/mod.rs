//! Typed events, their log, progress, and the wish to stop.
//!
//! A phase fills an [`Event`] and gives it to its [`Monitor`]. The monitor appends the event to
//! the run's `events.jsonl` and passes it to the [`Listener`]: the program's terminal, or a
//! closure of a library's user. This module defines the plain numbers of events, so that it depends
//! on no phase; each phase does its own counting.

mod counts;
mod diagnosis;
mod kinds;
mod listener;
mod log;
mod monitor;
mod progress;
mod results;
mod tokenizing;

pub use counts::{GroupCounts, PhaseSeconds};
pub use diagnosis::Diagnosis;
pub use kinds::{Epoch, Event, RlStep, RqVaeEpoch, Session, Validation};
pub use listener::{JobNews, Listener, Message};
pub use monitor::Monitor;
pub use progress::Progress;
pub use results::{Both, Evaluation, Metrics, SearchCheck, SystemResult};
pub use tokenizing::{LevelReport, Neighbourhood, SharedPrefix, TokenizerReport};
