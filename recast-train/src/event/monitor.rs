//! The monitor: phases tell it of their work and ask it whether to stop.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::AtomicBool;
use std::time::Instant;

use super::kinds::Event;
use super::listener::{Listener, Message};
use super::log::EventLog;
use super::progress::Progress;
use crate::error::{Error, Result};
use crate::storage::Stop;

/// Whether the user asked to stop, and the run folder to resume.
#[derive(Debug, Clone)]
pub(super) struct Interrupt {
    run_dir: Option<PathBuf>,
    stop: Stop,
}

impl Interrupt {
    pub(super) fn check(&self) -> Result<()> {
        if self.stop.is_asked() {
            return Err(Error::Interrupted { run_dir: self.run_dir.clone() });
        }
        Ok(())
    }
}

/// Records events, tells a listener of events and progress, and knows of the wish to stop.
#[derive(Debug)]
pub struct Monitor {
    listener: Option<Listener>,
    log: Option<EventLog>,
    interrupt: Interrupt,
}

impl Monitor {
    /// A monitor that tells `listener`, if there is one, and records nothing until a run takes it.
    ///
    /// `interrupted` becomes true when the user asks to stop.
    #[must_use]
    pub fn new(listener: Option<Listener>, interrupted: Arc<AtomicBool>) -> Self {
        let interrupt = Interrupt { run_dir: None, stop: Stop::new(interrupted) };
        Self { listener, log: None, interrupt }
    }

    /// A monitor that tells nobody and records nothing.
    #[must_use]
    pub fn silent() -> Self {
        Self::new(None, Arc::default())
    }

    /// The monitor of a run folder: events go into its `events.jsonl`.
    #[must_use]
    pub(crate) fn recording(mut self, run_dir: &Path) -> Self {
        self.log = Some(EventLog::new(run_dir));
        self.interrupt.run_dir = Some(run_dir.to_owned());
        self
    }

    /// Tells a line for people.
    pub(crate) fn say(&self, line: &str) {
        self.tell(&Message::Line(line));
    }

    /// Appends an event to the log, then tells the listener.
    ///
    /// # Errors
    ///
    /// If the log cannot be written.
    pub(crate) fn record(&self, event: &Event<'_>) -> Result<()> {
        if let Some(log) = &self.log {
            log.append(event)?;
        }
        self.tell(&Message::Event(event));
        Ok(())
    }

    /// Warns of something that qualifies the results of a phase: as a line and as an event.
    ///
    /// # Errors
    ///
    /// If the log cannot be written.
    pub(crate) fn warn(&self, phase: &str, text: &str) -> Result<()> {
        self.say(&format!("warning: {phase}: {text}"));
        self.record(&Event::Warning { phase, text })
    }

    /// Makes the events so far last, before a checkpoint that follows them.
    ///
    /// # Errors
    ///
    /// If the log cannot be written.
    pub(crate) fn sync(&self) -> Result<()> {
        self.log.as_ref().map_or(Ok(()), EventLog::sync)
    }

    /// # Errors
    ///
    /// [`Error::Interrupted`] once the user asked to stop.
    pub(crate) fn check_interrupt(&self) -> Result<()> {
        self.interrupt.check()
    }

    /// The wish to stop, for readers of files.
    pub(crate) fn stop(&self) -> Stop {
        self.interrupt.stop.clone()
    }

    /// A monitor of one job of a longer work. The listener hears the job's progress and none of its
    /// lines; the wish to stop ends the job, and so does `deadline`.
    #[must_use]
    pub(crate) fn of_job(&self, deadline: Option<Instant>) -> Self {
        let listener = self.listener.clone().map(|listener| {
            Listener::new(move |message| {
                if let Message::Job { .. } = message {
                    listener.hear(message);
                }
            })
        });
        let stop = self.interrupt.stop.by(deadline);
        Self { listener, log: None, interrupt: Interrupt { run_dir: None, stop } }
    }

    /// The progress of a job of `total` pieces of work.
    #[must_use]
    pub(crate) fn progress(&self, label: &str, total: u64) -> Progress {
        Progress::begin(label, total, self.listener.clone(), self.interrupt.clone())
    }

    fn tell(&self, message: &Message<'_>) {
        if let Some(listener) = &self.listener {
            listener.hear(message);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::sync::atomic::Ordering;

    use super::super::JobNews;
    use super::*;

    #[test]
    fn a_listener_hears_lines_events_and_progress_in_their_order() {
        let heard: Arc<Mutex<Vec<String>>> = Arc::default();
        let into = Arc::clone(&heard);
        let listener = Listener::new(move |message| {
            into.lock().unwrap().push(match message {
                Message::Line(line) => (*line).to_owned(),
                Message::Event(event) => event.kind().into_owned(),
                Message::Job { label, news, .. } => format!("{label} {news:?}"),
            });
        });
        let folder = tempfile::tempdir().unwrap();
        let monitor = Monitor::new(Some(listener), Arc::default()).recording(folder.path());
        monitor.say("hello");
        let progress = monitor.progress("work", 3);
        progress.advance(2);
        progress.note("half");
        monitor.record(&Event::Phase { phase: "work", seconds: 1.0 }).unwrap();
        progress.finish();
        let jobs =
            [JobNews::Begun(3), JobNews::Advanced(2), JobNews::Noted("half"), JobNews::Finished];
        let [begun, advanced, noted, finished] = jobs.map(|news| format!("work {news:?}"));
        let expected = ["hello", &begun, &advanced, &noted, "phase", &finished];
        assert_eq!(*heard.lock().unwrap(), expected);
        let log = std::fs::read_to_string(folder.path().join("events.jsonl")).unwrap();
        let start = "{\"event\":\"phase\",\"phase\":\"work\",\"seconds\":1.0,\"crc32c\":\"";
        assert!(log.starts_with(start) && log.ends_with("\"}\n"), "{log}");
    }

    #[test]
    fn a_wish_to_stop_ends_the_job_of_a_run() {
        let asked: Arc<AtomicBool> = Arc::default();
        let folder = tempfile::tempdir().unwrap();
        let monitor = Monitor::new(None, Arc::clone(&asked)).recording(folder.path());
        let progress = monitor.progress("work", 2);
        progress.advance_or_stop(1).unwrap();
        asked.store(true, Ordering::Relaxed);
        for stopped in [progress.advance_or_stop(1), monitor.check_interrupt()] {
            let Err(Error::Interrupted { run_dir }) = stopped else { panic!("{stopped:?}") };
            assert_eq!(run_dir.as_deref(), Some(folder.path()));
        }
    }
}
