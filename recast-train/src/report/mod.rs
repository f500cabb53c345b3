//! Results of runs: for machines as JSON, for people as tables.

mod comparison;
mod summary;

pub use comparison::{BudgetRatio, ComparedSystem, Comparison, Spread};
pub(crate) use summary::SystemTable;
pub use summary::{GroupSummary, Summary};

pub use crate::event::SystemResult;
