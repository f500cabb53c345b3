//! Files that exist whole or not at all, source files with their checksums, JSON whose order
//! counts, and a folder's lock.

mod entries;
mod file;
mod lock;
mod source;

pub(crate) use entries::Entries;
pub use file::checksum;
pub(crate) use file::{write_atomic, write_json};
pub(crate) use lock::Lock;
pub(crate) use source::{HEAD, Source, Sources};
