//! The jobs of a study: the next free one, its lock, and the news of progress.

use std::fs;
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::error::{Error, Result, Study};
use crate::event::Monitor;
use crate::report::duration;
use crate::storage::Lock;

/// The pause before a process looks again for a job that others leave free.
const PAUSE: Duration = Duration::from_millis(500);

/// The state of a job.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum State {
    /// The ledger holds the job.
    Done,
    /// All that the job needs is done.
    Ready,
    /// Another job comes first.
    Waiting,
    /// The budget allows no further job.
    Beyond,
}

/// The place and the name of a study.
#[derive(Debug)]
pub(super) struct Desk<'a> {
    pub(super) study: Study,
    /// The file of the plan; `None` for the plan of a preset.
    pub(super) plan: Option<PathBuf>,
    pub(super) dir: &'a Path,
    pub(super) monitor: &'a Monitor,
}

impl Desk<'_> {
    /// Makes the folder, and the copy of the plan as the folder's last reader had it.
    pub(super) fn prepare(&self, plan: &str) -> Result<()> {
        fs::create_dir_all(self.dir).map_err(|cause| Error::write(self.dir, cause))?;
        crate::storage::write_atomic(&self.dir.join("plan.toml"), |writer| {
            std::io::Write::write_all(writer, plan.as_bytes())
        })
    }

    /// The folder of the locks.
    pub(super) fn locks(&self) -> PathBuf {
        self.dir.join("locks")
    }

    /// Does every job that is ready, until all are done or beyond the budget. `states` reads the
    /// ledger anew and tells the state of each job; `work` does a job, adds its line to the ledger
    /// and tells the outcome in words. A job that another process holds is waited for, and so is a
    /// run folder.
    ///
    /// # Errors
    ///
    /// [`Error::StudyInterrupted`] if the user asks to stop; else the first fault of a job.
    pub(super) fn run_all<J>(
        &self,
        jobs: &[J],
        name: impl Fn(&J) -> String,
        states: impl Fn() -> Result<Vec<State>>,
        work: impl Fn(&J) -> Result<String>,
    ) -> Result<()> {
        let (started, before) = (Instant::now(), count(&states()?));
        let mut told_of_wait = false;
        loop {
            let now = states()?;
            if !now.iter().any(|state| matches!(state, State::Ready | State::Waiting)) {
                return Ok(());
            }
            if self.monitor.stop().is_asked() {
                return Err(self.interrupted(&now));
            }
            let mut worked = None;
            for (number, job) in jobs.iter().enumerate() {
                if now[number] != State::Ready {
                    continue;
                }
                let lock_dir = self.locks().join(slug(&name(job)));
                fs::create_dir_all(&lock_dir).map_err(|cause| Error::write(&lock_dir, cause))?;
                let _held = match Lock::take(&lock_dir) {
                    Err(Error::InUse { .. }) => continue,
                    taken => taken?,
                };
                // the process that held the job may have done it since
                if states()?[number] != State::Ready {
                    continue;
                }
                match work(job) {
                    Err(Error::Interrupted { .. }) if self.monitor.stop().is_asked() => {
                        return Err(self.interrupted(&states()?));
                    }
                    // another job holds a run folder that this one needs too
                    Err(Error::InUse { .. }) => {}
                    outcome => {
                        worked = Some((name(job), outcome?));
                        break;
                    }
                }
            }
            let Some((name, outcome)) = worked else {
                if !told_of_wait {
                    self.monitor.say("no job is free: waiting for those of other processes");
                    told_of_wait = true;
                }
                sleep(PAUSE);
                continue;
            };
            told_of_wait = false;
            // all processes bring the end nearer
            let done = count(&states()?);
            let left = started.elapsed().as_secs_f64() / done.saturating_sub(before).max(1) as f64
                * (jobs.len() - done) as f64;
            self.monitor.say(&format!(
                "[{done}/{}] {name}: {outcome}; about {} left",
                jobs.len(),
                duration(left)
            ));
        }
    }

    fn interrupted(&self, states: &[State]) -> Error {
        Error::StudyInterrupted {
            study: self.study,
            plan: self.plan.clone(),
            dir: self.dir.to_owned(),
            done: count(states),
            total: states.len(),
        }
    }
}

/// The number of finished jobs.
fn count(states: &[State]) -> usize {
    states.iter().filter(|&&state| state == State::Done).count()
}

/// A name as the name of a folder.
pub(super) fn slug(name: &str) -> String {
    let plain = |letter: char| letter.is_ascii_alphanumeric() || "-_.+=,".contains(letter);
    let slug: String =
        name.trim().chars().map(|letter| if plain(letter) { letter } else { '_' }).collect();
    if slug.starts_with('.') { format!("_{slug}") } else { slug }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::{Arc, Mutex};

    use super::*;
    use crate::event::{Listener, Message};

    fn desk<'a>(dir: &'a Path, monitor: &'a Monitor) -> Desk<'a> {
        Desk { study: Study::Tuning, plan: None, dir, monitor }
    }

    #[test]
    fn a_job_comes_after_the_job_that_it_needs() {
        let folder = tempfile::tempdir().unwrap();
        let monitor = Monitor::silent();
        let (done, order) = (RefCell::new(BTreeSet::new()), RefCell::new(Vec::new()));
        let states = || {
            let done = done.borrow();
            // each job needs the next one
            let is_free = |job: u32| job == 2 || done.contains(&(job + 1));
            let state = |job: u32| match (done.contains(&job), is_free(job)) {
                (true, _) => State::Done,
                (false, true) => State::Ready,
                (false, false) => State::Waiting,
            };
            Ok((0..3).map(state).collect())
        };
        let work = |&job: &u32| {
            done.borrow_mut().insert(job);
            order.borrow_mut().push(job);
            Ok(String::new())
        };
        desk(folder.path(), &monitor)
            .run_all(&[0, 1, 2], ToString::to_string, states, work)
            .unwrap();
        assert_eq!(*order.borrow(), [2, 1, 0]);
    }

    #[test]
    fn a_job_whose_run_folder_is_held_comes_later_and_the_wait_is_told_once() {
        let folder = tempfile::tempdir().unwrap();
        let lines: Arc<Mutex<Vec<String>>> = Arc::default();
        let heard = Arc::clone(&lines);
        let listener = Listener::new(move |message| {
            if let Message::Line(line) = message {
                heard.lock().unwrap().push((*line).to_owned());
            }
        });
        let monitor = Monitor::new(Some(listener), Arc::default());
        let (done, tries) = (RefCell::new(BTreeSet::new()), RefCell::new(0));
        let states = || {
            let done = done.borrow();
            let state = |job: u32| if done.contains(&job) { State::Done } else { State::Ready };
            Ok((0..2).map(state).collect())
        };
        let work = |&job: &u32| {
            *tries.borrow_mut() += 1;
            if job == 0 && *tries.borrow() < 4 {
                return Err(Error::InUse { run_dir: PathBuf::from("run"), process: None });
            }
            done.borrow_mut().insert(job);
            Ok(String::new())
        };
        desk(folder.path(), &monitor).run_all(&[0, 1], ToString::to_string, states, work).unwrap();
        assert_eq!(*done.borrow(), BTreeSet::from([0, 1]));
        let lines = lines.lock().unwrap();
        assert_eq!(lines.iter().filter(|line| line.contains("no job is free")).count(), 1);
    }

    #[test]
    fn a_wish_to_stop_tells_how_many_jobs_are_done() {
        let folder = tempfile::tempdir().unwrap();
        let asked: Arc<AtomicBool> = Arc::default();
        let monitor = Monitor::new(None, Arc::clone(&asked));
        let done = RefCell::new(0);
        let states = || {
            let state = |job| if job < *done.borrow() { State::Done } else { State::Ready };
            Ok((0..3).map(state).collect())
        };
        let work = |_: &u32| {
            *done.borrow_mut() += 1;
            asked.store(true, Ordering::Relaxed);
            Ok(String::new())
        };
        let desk = desk(folder.path(), &monitor);
        let fault = desk.run_all(&[0, 1, 2], ToString::to_string, states, work).unwrap_err();
        let Error::StudyInterrupted { done, total, .. } = fault else { panic!("{fault}") };
        assert_eq!((done, total), (1, 3));
    }

    #[test]
    fn a_name_becomes_the_name_of_one_folder() {
        assert_eq!(slug("recast 0.1/beauty"), "recast_0.1_beauty");
        assert_eq!(slug("codes=[256, 256]"), "codes=_256,_256_");
        assert_eq!(slug(".."), "_..");
    }
}
