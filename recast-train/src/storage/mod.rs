//! Files that exist whole or not at all, checksums, and JSON whose order counts.

mod entries;
mod file;

pub(crate) use entries::Entries;
pub use file::checksum;
pub(crate) use file::{write_atomic, write_json};
