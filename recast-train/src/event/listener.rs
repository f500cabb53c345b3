//! Listeners, which hear of a job while the job runs.

use std::fmt;
use std::sync::Arc;

use super::kinds::Event;

/// A message to a listener.
#[derive(Debug, Clone, Copy)]
#[non_exhaustive]
pub enum Message<'a> {
    /// A line for people.
    Line(&'a str),
    /// An event, which the log already holds.
    Event(&'a Event<'a>),
    /// News of a job.
    Job {
        /// The job's number, unique in this process.
        id: u64,
        /// The name of the job, for people.
        label: &'a str,
        /// The job's progress.
        news: JobNews<'a>,
    },
}

/// The progress of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum JobNews<'a> {
    /// The job begins; the number counts its pieces of work.
    Begun(u64),
    /// An earlier session did this number of pieces.
    Resumed(u64),
    /// This number of further pieces is done. Threads share a job, so news come from any of them.
    Advanced(u64),
    /// A short note, which replaces the previous note.
    Noted(&'a str),
    /// The job ended, was interrupted or failed.
    Finished,
}

/// A closure that hears every [`Message`]; threads call it side by side.
#[derive(Clone)]
pub struct Listener(Arc<dyn Fn(&Message<'_>) + Send + Sync>);

impl Listener {
    /// A listener that calls `hear` for each message, on the working thread: `hear` should be
    /// quick.
    pub fn new(hear: impl Fn(&Message<'_>) + Send + Sync + 'static) -> Self {
        Self(Arc::new(hear))
    }

    /// A listener that tells both listeners of each message, this one first.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        Self::new(move |message| {
            self.hear(message);
            other.hear(message);
        })
    }

    pub(super) fn hear(&self, message: &Message<'_>) {
        (self.0)(message);
    }
}

impl fmt::Debug for Listener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Listener(..)")
    }
}
