//! From log files to training sequences and evaluation examples.
//!
//! ```text
//! file -> Interactions -> prepare -> Sequences -> Split (training histories, examples)
//! training histories -> Fresh (the older part, the prompts of the newer part)
//! items file -> Items, aligned to the item vocabulary by a Join
//! ```
//!
//! Users and items are `u32` indices inside; ids from the files are strings, kept in [`Ids`].

mod dropped;
mod fresh;
mod interactions;
mod items;
mod join;
mod log_by_user;
mod own_split;
mod prepare;
mod readers;
mod report;
mod sequences;
mod split;
mod synthetic;
mod vocabulary;

pub(crate) use dropped::{Dropped, DroppedId};
pub use fresh::{Fresh, FreshReport, FreshRule};
pub use interactions::{Interaction, Interactions};
pub use items::{ItemText, Items, read_items};
pub(crate) use items::{ItemsFile, items_of};
pub use join::{Join, OtherKey, Position, RowOrder};
pub(crate) use own_split::OwnSplit;
pub(crate) use prepare::prepared;
pub use prepare::{PrepareOptions, Report, TieOrder, prepare};
pub use readers::{Columns, Format, Kept, LogOptions, LogOrder, Missing, read_interactions};
pub(crate) use readers::{Folder, read_log};
pub use report::DataReport;
pub use sequences::{Histories, Sequences};
pub use split::{Example, GivenSplit, HeldOut, Split, SplitKind, SplitReport};
pub(crate) use synthetic::Synthetic;
pub use synthetic::SyntheticConfig;
pub use vocabulary::Ids;
