//! The report on a log: the findings and the work of cleaning, and the sizes of the split.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{FreshReport, Join, Report, SplitReport};

/// The report on a log and on the files joined with it, to read before any figure made from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DataReport {
    /// Cleaning: its findings and its work.
    pub prepare: Report,
    /// The sizes of the split.
    pub split: SplitReport,
    /// The sizes of the older and the fresh part of training; `None` where prompts are not fresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub fresh: Option<FreshReport>,
    /// The layout as which the log was read, in words; `None` if the settings say all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub read_as: Option<String>,
    /// The joins of other files with the log: texts, embeddings, SID table.
    #[serde(default)]
    pub joins: Vec<Join>,
}

impl DataReport {
    /// Adds a join, with its own warning and others about its file.
    pub(crate) fn add(&mut self, join: Join, warnings: impl IntoIterator<Item = String>) {
        self.prepare.warnings.extend(join.warning());
        self.prepare.warnings.extend(warnings);
        self.joins.push(join);
    }
}

impl fmt::Display for DataReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(layout) = &self.read_as {
            writeln!(f, "read as {layout}")?;
        }
        write!(f, "{}\n{}", self.prepare, self.split)?;
        self.fresh.iter().try_for_each(|fresh| write!(f, "\n{fresh}"))?;
        self.joins.iter().try_for_each(|join| write!(f, "\n{join}"))?;
        self.prepare.warnings.iter().try_for_each(|warning| write!(f, "\nwarning: {warning}"))
    }
}
