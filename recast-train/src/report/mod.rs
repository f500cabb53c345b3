//! Results of runs: for machines as JSON, for people as tables and as a page.

mod budget;
mod comparison;
mod conditions;
mod diagnosis;
mod figures;
mod log;
mod page;
mod summary;

pub use budget::BudgetRatio;
pub(crate) use budget::{best, reached};
pub use comparison::{
    ComparedGroup, ComparedSystem, Comparison, MetricSpreads, RepeatedRun, Spread,
};
pub(crate) use diagnosis::DiagnosisTable;
pub(crate) use figures::SystemTable;
pub(crate) use log::{Log, Point};
pub use page::Page;
pub(crate) use page::duration;
pub use summary::{GroupSummary, Summary};

pub use crate::event::SystemResult;
