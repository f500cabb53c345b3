//! Files that exist whole or not at all, source files with their checksums, and JSON whose order
//! counts.

mod entries;
mod file;
mod source;

pub(crate) use entries::Entries;
pub use file::checksum;
pub(crate) use file::{write_atomic, write_json};
pub(crate) use source::{HEAD, Source, Sources};
