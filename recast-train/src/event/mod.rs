//! Events, progress and the wish to stop.

mod monitor;

pub use monitor::{Monitor, Output, Progress};
