//! What a long job shows, records and listens to: progress, the event log, the wish to stop.

use std::fs::{File, OpenOptions};
use std::io::{IsTerminal, Write};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};
use serde::Serialize;

use crate::error::{Error, Result};

/// Where people's output goes; always standard error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Output {
    /// Bars that redraw themselves.
    Bars,
    /// A line now and then, for logs.
    Lines,
    /// Nothing but errors.
    Quiet,
}

impl Output {
    /// Bars on a terminal, else lines.
    #[must_use]
    pub fn detect() -> Self {
        if std::io::stderr().is_terminal() { Self::Bars } else { Self::Lines }
    }
}

/// Seconds between two lines of progress where there is no terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

/// Whether the user asked to stop, and the run to go on with.
#[derive(Debug, Clone)]
struct Interrupt {
    run_dir: PathBuf,
    asked: Arc<AtomicBool>,
}

impl Interrupt {
    fn check(&self) -> Result<()> {
        if self.asked.load(Ordering::Relaxed) {
            return Err(Error::Interrupted { run_dir: self.run_dir.clone() });
        }
        Ok(())
    }
}

/// Shows progress, appends to the event log, and tells whether the user asked to stop.
#[derive(Debug)]
pub struct Monitor {
    output: Output,
    events: Option<Mutex<File>>,
    interrupt: Interrupt,
}

impl Monitor {
    /// A monitor of a run folder, whose `events.jsonl` it goes on with. `interrupted` is set by
    /// whoever listens for the user.
    ///
    /// # Errors
    /// If the event log cannot be opened.
    pub fn new(run_dir: &Path, output: Output, interrupted: Arc<AtomicBool>) -> Result<Self> {
        let path = run_dir.join("events.jsonl");
        let file = OpenOptions::new()
            .create(true)
            .append(true)
            .open(&path)
            .map_err(|source| Error::write(&path, source))?;
        let events = Some(Mutex::new(file));
        let interrupt = Interrupt { run_dir: run_dir.to_owned(), asked: interrupted };
        Ok(Self { output, events, interrupt })
    }

    /// A monitor that shows and records nothing, for work outside a run folder.
    #[must_use]
    pub fn silent() -> Self {
        Self::outside(Output::Quiet)
    }

    /// A monitor that shows progress and records nothing, for work outside a run folder.
    #[must_use]
    pub fn outside(output: Output) -> Self {
        let interrupt = Interrupt { run_dir: PathBuf::new(), asked: Arc::default() };
        Self { output, events: None, interrupt }
    }

    /// A line for people.
    pub fn say(&self, line: &str) {
        if self.output != Output::Quiet {
            eprintln!("{line}");
        }
    }

    /// Appends one event: the value's fields after `event`.
    ///
    /// # Errors
    /// If the log cannot be written.
    pub fn record(&self, event: &str, fields: &impl Serialize) -> Result<()> {
        #[derive(Serialize)]
        struct Line<'a, F> {
            event: &'a str,
            #[serde(flatten)]
            fields: &'a F,
        }
        let Some(events) = &self.events else { return Ok(()) };
        let path = self.interrupt.run_dir.join("events.jsonl");
        let failed = |source| Error::write(&path, source);
        let line = serde_json::to_string(&Line { event, fields })
            .map_err(|source| failed(source.into()))?;
        let mut file = events.lock().unwrap_or_else(PoisonError::into_inner);
        writeln!(file, "{line}").map_err(failed)
    }

    /// # Errors
    /// [`Error::Interrupted`] once the user asked to stop.
    pub fn check_interrupt(&self) -> Result<()> {
        self.interrupt.check()
    }

    /// A bar, or lines, for `total` pieces of work.
    #[must_use]
    pub fn progress(&self, label: &str, total: u64) -> Progress {
        let bar = match self.output {
            Output::Bars => {
                ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr())
            }
            Output::Lines | Output::Quiet => ProgressBar::hidden(),
        };
        bar.set_length(total);
        const TEMPLATE: &str = "{prefix:<24} {wide_bar} {pos}/{len}  {per_sec}  {eta} left  {msg}";
        if let Ok(style) = ProgressStyle::with_template(TEMPLATE) {
            bar.set_style(style);
        }
        bar.set_prefix(label.to_owned());
        let lines = self.output == Output::Lines;
        Progress {
            bar,
            label: label.to_owned(),
            lines,
            started: Instant::now(),
            last: Mutex::new(Instant::now()),
            interrupt: self.interrupt.clone(),
        }
    }
}

/// The progress of one job.
#[derive(Debug)]
pub struct Progress {
    bar: ProgressBar,
    label: String,
    lines: bool,
    started: Instant,
    last: Mutex<Instant>,
    interrupt: Interrupt,
}

impl Progress {
    /// Counts work done.
    pub fn advance(&self, done: u64) {
        self.bar.inc(done);
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        if self.lines && last.elapsed() >= LINE_INTERVAL {
            *last = Instant::now();
            let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
            let rate = done as f64 / self.started.elapsed().as_secs_f64();
            let message = self.bar.message();
            if done == 0 {
                eprintln!("{}: {done}/{total}  {message}", self.label);
                return;
            }
            let left = total.saturating_sub(done) as f64 / rate;
            eprintln!("{}: {done}/{total}, {rate:.1}/s, {left:.0} s left  {message}", self.label);
        }
    }

    /// Counts work done and goes on unless the user asked to stop; for threads that share one job.
    ///
    /// # Errors
    /// [`Error::Interrupted`] once the user asked to stop.
    pub fn advance_or_stop(&self, done: u64) -> Result<()> {
        self.interrupt.check()?;
        self.advance(done);
        Ok(())
    }

    /// Puts what was done before an interruption aside, so that the rate is that of now.
    pub fn resume_at(&self, done: u64) {
        self.bar.set_position(done);
        self.bar.reset_eta();
    }

    /// A short note beside the bar.
    pub fn note(&self, note: String) {
        self.bar.set_message(note);
    }

    /// Removes the bar.
    pub fn finish(&self) {
        self.bar.finish_and_clear();
    }
}
