//! Files that exist whole or not at all, source files with their checksums, JSON whose order
//! counts, and a folder's lock.

mod entries;
mod file;
mod lock;
#[cfg(feature = "parquet")]
mod parquet;
mod source;
mod stop;

pub(crate) use entries::Entries;
pub use file::checksum;
pub(crate) use file::{write_atomic, write_json};
pub(crate) use lock::{Lock, is_read_only};
#[cfg(feature = "parquet")]
pub(crate) use parquet::{damaged_parquet, in_parquet_thread, silence_caught_panics};
pub(crate) use source::{Checksum, HEAD, Source, Sources};
pub(crate) use stop::Stop;
