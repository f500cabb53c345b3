//! Lines and progress on standard error.

use std::collections::BTreeMap;
use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::event::{JobNews, Listener, Message};

/// Time between two lines of progress without a terminal.
const LINE_INTERVAL: Duration = Duration::from_secs(10);

const BAR: &str = "{prefix:<24} {wide_bar} {pos}/{len}  {per_sec}  {eta} left  {msg}";

/// A listener that shows lines and progress: progress bars on a terminal, else a line now and then.
pub(super) fn listener() -> Listener {
    let bars = std::io::stderr().is_terminal();
    let jobs: Mutex<BTreeMap<u64, Job>> = Mutex::default();
    Listener::new(move |message| match message {
        Message::Line(line) => super::say(line),
        Message::Job { id, label, news } => {
            let mut jobs = jobs.lock().unwrap_or_else(PoisonError::into_inner);
            hear(&mut jobs, bars, *id, label, *news);
        }
        Message::Event(_) => {}
    })
}

fn hear(jobs: &mut BTreeMap<u64, Job>, bars: bool, id: u64, label: &str, news: JobNews<'_>) {
    if let JobNews::Begun(total) = news {
        jobs.insert(id, Job::new(bars, label, total));
        return;
    }
    let Some(job) = jobs.get_mut(&id) else { return };
    match news {
        JobNews::Resumed(done) => {
            job.bar.set_position(done);
            job.bar.reset_eta();
        }
        JobNews::Advanced(done) => {
            job.bar.inc(done);
            if !bars {
                job.line_now_and_then(label);
            }
        }
        JobNews::Noted(note) => job.bar.set_message(note.to_owned()),
        JobNews::Finished => {
            job.bar.finish_and_clear();
            jobs.remove(&id);
        }
        JobNews::Begun(_) => {}
    }
}

/// A running job; a hidden bar counts too.
struct Job {
    bar: ProgressBar,
    started: Instant,
    last_line: Instant,
}

impl Job {
    fn new(bars: bool, label: &str, total: u64) -> Self {
        let bar = match bars {
            true => ProgressBar::with_draw_target(Some(total), ProgressDrawTarget::stderr()),
            false => ProgressBar::hidden(),
        };
        bar.set_length(total);
        if let Ok(style) = ProgressStyle::with_template(BAR) {
            bar.set_style(style);
        }
        bar.set_prefix(label.to_owned());
        Self { bar, started: Instant::now(), last_line: Instant::now() }
    }

    fn line_now_and_then(&mut self, label: &str) {
        if self.last_line.elapsed() < LINE_INTERVAL {
            return;
        }
        self.last_line = Instant::now();
        let (done, total) = (self.bar.position(), self.bar.length().unwrap_or(0));
        let rate = done as f64 / self.started.elapsed().as_secs_f64();
        let message = self.bar.message();
        if done == 0 {
            super::say(format_args!("{label}: {done}/{total}  {message}"));
            return;
        }
        let left = total.saturating_sub(done) as f64 / rate;
        super::say(format_args!(
            "{label}: {done}/{total}, {rate:.1}/s, {left:.0} s left  {message}"
        ));
    }
}
