//! Results of runs: for machines as JSON, for people as tables and as a page.

mod budget;
mod comparison;
mod conditions;
mod log;
mod page;
mod summary;

pub use budget::BudgetRatio;
pub use comparison::{ComparedGroup, ComparedSystem, Comparison, RepeatedRun, Spread};
pub use page::Page;
pub(crate) use summary::SystemTable;
pub use summary::{GroupSummary, Summary};

pub use crate::event::SystemResult;
