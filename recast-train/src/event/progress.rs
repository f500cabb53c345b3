//! The progress of one job.

use std::sync::atomic::{AtomicU64, Ordering};

use super::listener::{JobNews, Listener, Message};
use super::monitor::Interrupt;
use crate::error::Result;

/// Numbers of jobs in this process.
static JOBS: AtomicU64 = AtomicU64::new(0);

/// The progress of one job; on drop, the listener hears that the job is finished.
#[derive(Debug)]
pub struct Progress {
    id: u64,
    label: String,
    listener: Option<Listener>,
    interrupt: Interrupt,
}

impl Progress {
    pub(super) fn begin(
        label: &str,
        total: u64,
        listener: Option<Listener>,
        interrupt: Interrupt,
    ) -> Self {
        let id = JOBS.fetch_add(1, Ordering::Relaxed);
        let progress = Self { id, label: label.to_owned(), listener, interrupt };
        progress.tell(JobNews::Begun(total));
        progress
    }

    /// Counts work done.
    pub(crate) fn advance(&self, done: u64) {
        self.tell(JobNews::Advanced(done));
    }

    /// Counts work done, and fails if the user asked to stop; for threads that share one job.
    ///
    /// # Errors
    ///
    /// [`Error::Interrupted`](crate::Error::Interrupted) once the user asked to stop.
    pub(crate) fn advance_or_stop(&self, done: u64) -> Result<()> {
        self.interrupt.check()?;
        self.advance(done);
        Ok(())
    }

    /// Excludes the work of an earlier session from the rate.
    pub(crate) fn resume_at(&self, done: u64) {
        self.tell(JobNews::Resumed(done));
    }

    /// Shows a short note in place of the previous note.
    pub(crate) fn note(&self, note: &str) {
        self.tell(JobNews::Noted(note));
    }

    /// Ends the job.
    pub(crate) fn finish(self) {
        drop(self);
    }

    fn tell(&self, news: JobNews<'_>) {
        if let Some(listener) = &self.listener {
            listener.hear(&Message::Job { id: self.id, label: &self.label, news });
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.tell(JobNews::Finished);
    }
}
