//! Reading Apache Parquet, whose crate panics on some damaged files.

use std::path::Path;

use crate::error::{Error, Result};

/// The name of the thread that decodes.
const THREAD: &str = "parquet";

/// Reads `path` in a thread of its own. The parquet crate panics on some files whose parts
/// contradict one another; such a file is reported as damaged.
pub(crate) fn in_parquet_thread<T: Send>(
    path: &Path,
    read: impl FnOnce() -> Result<T> + Send,
) -> Result<T> {
    std::thread::scope(|scope| {
        std::thread::Builder::new()
            .name(THREAD.to_owned())
            .spawn_scoped(scope, read)
            .map_err(|cause| Error::read(path, cause))?
            .join()
            .unwrap_or_else(|_| Err(damaged_parquet(path, "its parts contradict one another")))
    })
}

/// The error about a file that cannot be decoded.
pub(crate) fn damaged_parquet(path: &Path, fault: &str) -> Error {
    let hint = "it is cut off, damaged, or packed by other codecs than snappy, gzip and zstd: write it again";
    Error::file(path, format!("cannot be read as Parquet: {fault}"), hint)
}

/// Keeps panics that [`in_parquet_thread`] turns into an error from being printed, in the whole
/// process.
pub(crate) fn silence_caught_panics() {
    let hook = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |panic| {
        if std::thread::current().name() != Some(THREAD) {
            hook(panic);
        }
    }));
}
