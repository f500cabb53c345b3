//! Files that exist whole or not at all, source files with their checksums, JSON whose order
//! counts, and a folder's lock.

mod entries;
mod file;
mod lock;
mod source;
mod stop;

pub(crate) use entries::Entries;
pub use file::checksum;
pub(crate) use file::{write_atomic, write_json};
pub(crate) use lock::{Lock, is_read_only};
pub(crate) use source::{Source, Sources};
pub(crate) use stop::Stop;
