//! Properties of the signal and the objective, over random groups and tokens.
#![expect(clippy::float_cmp, reason = "equal here means the same bits came through")]

mod advantages;
mod batches;
mod codes;
mod groups;
mod losses;
mod negatives;
mod plans;
mod selection;
#[path = "../../src/tolerance.rs"]
#[expect(dead_code, reason = "one table for unit tests and properties, each uses its rows")]
mod tolerance;
mod tries;
