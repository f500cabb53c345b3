//! The report on a log: the findings and the work of cleaning, and the sizes of the split.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Report, SplitReport};

/// The report on a log, to read before any figure made from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataReport {
    /// Cleaning: its findings and its work.
    pub prepare: Report,
    /// The sizes of the split.
    pub split: SplitReport,
    /// The layout as which the log was read, in words; `None` if the settings say all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_as: Option<String>,
}

impl fmt::Display for DataReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layout) = &self.read_as {
            writeln!(f, "read as {layout}")?;
        }
        write!(f, "{}\n{}", self.prepare, self.split)?;
        self.prepare.warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}
