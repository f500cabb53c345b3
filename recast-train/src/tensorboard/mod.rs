//! The events of a run as scalars for TensorBoard.
//!
//! ```text
//! sft/loss  sft/pass_at_1 ..        by optimiser step; sasrec/ and rq_vae/ (by epoch) alike
//! rl/<signal>/loss  kl ..           by step
//! rl/<signal>/reward/<name>         the mean of each named reward
//! rl/<signal>/regime/all_zero ..    shares of the step's groups
//! rl/<signal>/pass_at_1 ..          validations, by step
//! ```

mod record;
mod scalars;
mod writer;

use std::path::Path;
use std::sync::{Mutex, PoisonError};

use self::scalars::Scalars;
use self::writer::Writer;
use crate::error::{Error, Result};
use crate::event::{Listener, Message};

/// A listener that writes the scalars of events into a new file of the folder `dir`.
///
/// The first event makes the file, and the folder where there is none. A resumed run thus appends
/// a file. After a fault of writing, the listener calls `complain` once and writes no more: the
/// work goes on.
///
/// # Errors
///
/// If `dir` is a file.
pub fn listener(dir: &Path, complain: impl Fn(&Error) + Send + Sync + 'static) -> Result<Listener> {
    if dir.is_file() {
        return Err(Error::file(dir, "is a file, not a folder", "name a folder for TensorBoard"));
    }
    let board = Mutex::new((Scalars::default(), Some(Writer::new(dir))));
    Ok(Listener::new(move |message| {
        let Message::Event(event) = message else { return };
        let mut board = board.lock().unwrap_or_else(PoisonError::into_inner);
        let (scalars, writer) = &mut *board;
        let found = scalars.of(event);
        let Some(open) = writer.as_mut() else { return };
        if let Err(fault) = open.write(found) {
            *writer = None;
            complain(&fault);
        }
    }))
}

#[cfg(test)]
mod tests;
