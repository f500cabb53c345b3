//! The columns of a table: those that are set, or those of a public data set.

use std::path::Path;

use parquet::schema::types::SchemaDescriptor;

use super::super::known::{Known, targets_after};
use super::super::{Columns, LogOptions, LogOrder};
use crate::error::{Error, Result};

/// The columns to read.
#[derive(Debug)]
pub(super) struct Layout {
    /// The public data set that has such columns.
    pub(super) name: Option<&'static str>,
    pub(super) columns: Columns,
    /// The column of the items that follow those of the column of items.
    pub(super) targets: Option<String>,
    pub(super) order: LogOrder,
}

impl Layout {
    /// The layout that the settings alone give.
    fn set(options: &LogOptions) -> Self {
        Self {
            name: None,
            columns: options.columns.clone(),
            targets: None,
            order: options.order.unwrap_or(LogOrder::Time),
        }
    }

    /// The layout of the table whose first part is the file at `path`.
    ///
    /// # Errors
    ///
    /// If the part holds the prompts of RecIF, which are no log.
    pub(super) fn of(path: &Path, schema: &SchemaDescriptor, options: &LogOptions) -> Result<Self> {
        let names = names(schema);
        let has = |name: &str| names.contains(&name);
        let columns = &options.columns;
        if has("messages") && !has(&columns.user) && !has(&columns.item) {
            return Err(Error::file(
                path,
                "holds prompts in chat form, as RecIF's tasks do: column 'messages', but none of \
                 users and items",
                "give the log, which is onerec_bench_release.parquet in RecIF",
            ));
        }
        let Some(known) = Known::in_parquet(&names) else { return Ok(Self::set(options)) };
        let columns = columns.or(known.columns());
        let targets = targets_after(&columns.item).filter(|name| has(name));
        let order = options.order.unwrap_or(known.order());
        Ok(Self { name: Some(known.name), columns, targets, order })
    }
}

/// The names of the columns, where a group counts as one.
fn names(schema: &SchemaDescriptor) -> Vec<&str> {
    schema.root_schema().get_fields().iter().map(|field| field.name()).collect()
}
