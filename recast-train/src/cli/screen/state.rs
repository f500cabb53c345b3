//! The numbers of the live screen, from the messages of the work.

use std::collections::{BTreeMap, VecDeque};
use std::time::{Duration, Instant};

use crate::event::{Event, GroupCounts, JobNews, Message, PhaseSeconds};

/// Lines kept for the user to read after the screen.
const MOST_LINES: usize = 1000;

/// Places of a curve; a longer one drops every other place.
const MOST_PLACES: usize = 400;

/// A curve of training, of one stage or signal at a time.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct Trace {
    /// The stage or the signal.
    pub(super) name: String,
    /// Steps, or epochs, and values.
    pub(super) places: Vec<(f64, f64)>,
}

impl Trace {
    fn push(&mut self, name: &str, at: f64, value: f64) {
        if self.name != name {
            *self = Self { name: name.to_owned(), places: Vec::new() };
        }
        self.places.retain(|&(place, _)| place < at);
        if value.is_finite() {
            self.places.push((at, value));
        }
        if self.places.len() > MOST_PLACES {
            let mut keep = false;
            self.places.retain(|_| {
                keep = !keep;
                keep
            });
        }
    }

    /// The latest value.
    pub(super) fn last(&self) -> Option<f64> {
        self.places.last().map(|&(_, value)| value)
    }
}

/// A job that runs.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Job {
    pub(super) label: String,
    pub(super) total: u64,
    pub(super) done: u64,
    /// Work of an earlier session, which is no part of the rate.
    resumed: u64,
    pub(super) note: String,
    started: Instant,
}

impl Job {
    /// The time that the rest takes at the rate so far; `None` before the first piece is done.
    pub(super) fn left(&self) -> Option<Duration> {
        let done = self.done.saturating_sub(self.resumed);
        let left = self.total.saturating_sub(self.done) as f64;
        let seconds = self.started.elapsed().as_secs_f64() * left / done as f64;
        (done > 0).then(|| Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX))
    }
}

/// All that the screen shows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct State {
    pub(super) started: Instant,
    pub(super) jobs: BTreeMap<u64, Job>,
    pub(super) loss: Trace,
    pub(super) pass_at_1: Trace,
    /// The signal of the groups, all its groups, and those of its last step.
    pub(super) groups: Option<(String, GroupCounts, [u64; 4])>,
    pub(super) seconds: PhaseSeconds,
    /// The seconds of phases that ended.
    pub(super) phases: Vec<(String, f64)>,
    /// The estimated memory of training, in bytes.
    pub(super) estimate: Option<u64>,
    pub(super) warnings: Vec<String>,
    pub(super) lines: VecDeque<String>,
    /// Lines that were dropped for later ones.
    pub(super) dropped: usize,
}

impl State {
    pub(super) fn new() -> Self {
        Self {
            started: Instant::now(),
            jobs: BTreeMap::new(),
            loss: Trace::default(),
            pass_at_1: Trace::default(),
            groups: None,
            seconds: PhaseSeconds::default(),
            phases: Vec::new(),
            estimate: None,
            warnings: Vec::new(),
            lines: VecDeque::new(),
            dropped: 0,
        }
    }

    pub(super) fn hear(&mut self, message: &Message<'_>) {
        match message {
            Message::Line(text) => text.lines().for_each(|line| self.line(line)),
            Message::Event(event) => self.event(event),
            Message::Job { id, label, news } => self.job(*id, label, *news),
        }
    }

    pub(super) fn line(&mut self, line: &str) {
        if line.starts_with("warning: ") && !self.warnings.iter().any(|known| known == line) {
            self.warnings.push(line.to_owned());
        }
        self.lines.push_back(line.to_owned());
        if self.lines.len() > MOST_LINES {
            self.lines.pop_front();
            self.dropped += 1;
        }
    }

    fn event(&mut self, event: &Event<'_>) {
        match event {
            Event::Epoch(epoch) => self.loss.push(epoch.stage, epoch.epoch as f64, epoch.loss),
            Event::RqVaeEpoch(epoch) => self.loss.push("rq_vae", epoch.epoch as f64, epoch.loss),
            Event::Validation(found) => {
                let at = found.step.or(found.epoch).unwrap_or_default();
                self.pass_at_1.push(found.phase, at as f64, found.pass_at_1);
            }
            Event::RlStep(step) => {
                self.loss.push(step.signal, step.step as f64, step.loss);
                let before = match &self.groups {
                    Some((signal, before, _)) if signal == step.signal => *before,
                    _ => GroupCounts::default(),
                };
                let now = step.groups;
                let new = [
                    now.all_zero.saturating_sub(before.all_zero),
                    now.single_hit.saturating_sub(before.single_hit),
                    now.multi_hit.saturating_sub(before.multi_hit),
                    now.all_hit.saturating_sub(before.all_hit),
                ];
                self.groups = Some((step.signal.to_owned(), now, new));
                self.seconds = step.seconds;
            }
            Event::MemoryEstimate { state_bytes, pass_bytes } => {
                self.estimate = Some(state_bytes + pass_bytes);
            }
            Event::Phase { phase, seconds } => self.phases.push(((*phase).to_owned(), *seconds)),
            // lines tell these
            Event::Session(_)
            | Event::Prepare(_)
            | Event::Tokenize(_)
            | Event::Warning { .. }
            | Event::Test(_)
            | Event::Diagnosis(_)
            | Event::SearchCheck(_) => {}
        }
    }

    fn job(&mut self, id: u64, label: &str, news: JobNews<'_>) {
        if let JobNews::Begun(total) = news {
            let (label, note, started) = (label.to_owned(), String::new(), Instant::now());
            self.jobs.insert(id, Job { label, total, done: 0, resumed: 0, note, started });
            return;
        }
        let Some(job) = self.jobs.get_mut(&id) else { return };
        match news {
            JobNews::Resumed(done) => (job.done, job.resumed) = (done, done),
            JobNews::Advanced(done) => job.done += done,
            JobNews::Noted(note) => note.clone_into(&mut job.note),
            JobNews::Begun(_) => {}
            JobNews::Finished => {
                self.jobs.remove(&id);
            }
        }
    }
}
