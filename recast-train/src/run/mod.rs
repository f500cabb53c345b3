//! A run is a folder: everything a table shows can be recomputed from it.

mod checkpoint;
mod file;
mod memory;
mod monitor;

pub use checkpoint::Stage;
pub use file::{checksum, write_atomic, write_json};
pub use memory::peak_memory_bytes;
pub use monitor::{Monitor, Output, Progress};
