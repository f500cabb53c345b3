//! Files that exist whole or not at all, source files with their checksums, and JSON whose order
//! counts.

mod entries;
mod file;
#[cfg(feature = "parquet")]
mod parquet;
mod source;

pub(crate) use entries::Entries;
pub use file::checksum;
pub(crate) use file::{write_atomic, write_json};
#[cfg(feature = "parquet")]
pub(crate) use parquet::{damaged_parquet, in_parquet_thread, silence_caught_panics};
pub(crate) use source::{HEAD, Source, Sources};
