//! Results of runs: for machines as JSON, for people as tables.

mod budget;
mod comparison;
mod conditions;
mod summary;

pub use budget::BudgetRatio;
pub use comparison::{ComparedGroup, ComparedSystem, Comparison, RepeatedRun, Spread};
pub(crate) use summary::SystemTable;
pub use summary::{GroupSummary, Summary};

pub use crate::event::SystemResult;
