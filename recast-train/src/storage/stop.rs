//! The wish to stop, where bytes are read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use crate::error::Stopped;

/// A flag that becomes true when the user asks to stop.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
}

impl Stop {
    /// Follows a flag.
    pub(crate) fn new(asked: Arc<AtomicBool>) -> Self {
        Self { asked }
    }

    /// Whether the user asked to stop.
    pub(crate) fn is_asked(&self) -> bool {
        self.asked.load(Ordering::Relaxed)
    }

    /// Ends a read, once the user asked to stop.
    pub(super) fn check(&self) -> io::Result<()> {
        // not `ErrorKind::Interrupted`, after which readers try again
        if self.is_asked() { Err(io::Error::other(Stopped)) } else { Ok(()) }
    }
}
