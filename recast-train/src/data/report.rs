//! The report on a log: what cleaning found and did, and what is in the split.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Report, SplitReport};

/// What a person should know of the data before believing any figure.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataReport {
    /// What cleaning found and did.
    pub prepare: Report,
    /// What is in the split.
    pub split: SplitReport,
}

impl fmt::Display for DataReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}\n{}", self.prepare, self.split)?;
        self.prepare.warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}
