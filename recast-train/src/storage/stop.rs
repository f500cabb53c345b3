//! The wish to stop, where bytes are read.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use crate::error::Stopped;

/// A flag that becomes true when the user asks to stop, or at a deadline.
#[derive(Debug, Clone, Default)]
pub(crate) struct Stop {
    asked: Arc<AtomicBool>,
    deadline: Option<Instant>,
}

impl Stop {
    /// Follows a flag.
    pub(crate) fn new(asked: Arc<AtomicBool>) -> Self {
        Self { asked, deadline: None }
    }

    /// The same flag, true from `deadline` on; `None` means no deadline.
    pub(crate) fn by(&self, deadline: Option<Instant>) -> Self {
        Self { asked: Arc::clone(&self.asked), deadline }
    }

    /// Whether the user asked to stop, or the deadline is past.
    pub(crate) fn is_asked(&self) -> bool {
        let is_late = || self.deadline.is_some_and(|deadline| Instant::now() >= deadline);
        self.asked.load(Ordering::Relaxed) || is_late()
    }

    /// Ends a read, once the user asked to stop.
    pub(super) fn check(&self) -> io::Result<()> {
        // not `ErrorKind::Interrupted`, after which readers try again
        if self.is_asked() { Err(io::Error::other(Stopped)) } else { Ok(()) }
    }
}
