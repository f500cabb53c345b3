//! Files that exist whole or not at all, the checksums of a run folder's files, source files with
//! theirs, JSON whose order counts, and a folder's lock.

mod entries;
mod file;
mod links;
mod lock;
#[cfg(feature = "parquet")]
mod parquet;
mod source;
mod stop;
mod sums;

pub(crate) use entries::Entries;
pub use file::checksum;
pub(crate) use file::{
    digest, folder_of, is_temporary, read_text, read_whole, remove_temporaries, sync_folder,
    write_atomic, write_json,
};
pub(crate) use links::check_links;
pub(crate) use lock::{Lock, is_read_only};
#[cfg(feature = "parquet")]
pub(crate) use parquet::{damaged_parquet, in_parquet_thread, silence_caught_panics};
pub(crate) use source::{Checksum, HEAD, Source, Sources};
pub(crate) use stop::Stop;
pub(crate) use sums::{check_noted, is_as_noted, note, read_noted, write_noted, write_noted_json};
