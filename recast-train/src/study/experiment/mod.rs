//! A comparison of signals: seeds, data sets and arms that share their supervised decoders.

mod contrasts;
mod job;
mod markdown;
mod overview;
mod page;
mod picture;
mod plan;
mod results;

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::jobs::Desk;
use super::ledger::Ledger;
use crate::error::{Error, Result, Study};
use crate::event::Monitor;
use crate::storage::{write_atomic, write_json};
use job::{Job, Record};
use plan::Plan;

pub use contrasts::{ArmContrast, Verdict};
pub use plan::{ChooseBy, Contrast};
pub use results::{ArmResult, CellResult, Reached, Results, TriedRate};

/// A comparison by a plan.
#[derive(Debug)]
pub struct Experiment {
    plan: Plan,
    dir: PathBuf,
}

impl Experiment {
    /// Reads and checks a plan; nothing is written. Without `plan`, it is that of the preset
    /// `quick`. Without `dir`, the folder is `runs/experiment-<name of the plan>`.
    ///
    /// # Errors
    ///
    /// If the plan cannot be read, a key or an arm is unknown, or a value is out of its range. The
    /// message names file and key.
    pub fn read(plan: Option<&Path>, dir: Option<&Path>) -> Result<Self> {
        let plan = plan.map_or_else(Plan::quick, Plan::read)?;
        let dir = plan.source.dir("experiment", dir);
        Ok(Self { plan, dir })
    }

    /// The folder of the study.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The file of the plan; `None` for that of the preset.
    #[must_use]
    pub fn plan_file(&self) -> Option<&Path> {
        self.plan.source.file.as_deref()
    }

    /// The page that [`Experiment::run`] wrote.
    ///
    /// # Errors
    ///
    /// If the page cannot be read.
    pub fn page(&self) -> Result<String> {
        let path = self.dir.join("page.md");
        std::fs::read_to_string(&path).map_err(|cause| Error::read(&path, cause))
    }

    /// Does each job that is not done yet, and writes `results.json`, `page.md`, the pictures, and
    /// `cells.md` for many cells.
    /// Finished jobs are skipped, and an unfinished one goes on; several processes share the work.
    /// `command` stands on the page as the way to do it again.
    ///
    /// # Errors
    ///
    /// [`Error::StudyInterrupted`] if the user asks to stop. An error too if data are at fault, a
    /// file cannot be written, or a finished job had other settings.
    pub fn run(&self, monitor: &Monitor, command: &str) -> Result<Results> {
        let (plan, dir) = (&self.plan, &self.dir);
        let jobs = Job::all(plan)?;
        let file = plan.source.file.clone();
        let desk = Desk { study: Study::Experiment, plan: file, dir, monitor };
        let ledger = Ledger::new(dir, "jobs.jsonl", &desk.locks());
        check_settings(plan, &jobs, &ledger)?;
        desk.prepare(&plan.source.text)?;
        desk.run_all(
            &jobs,
            |job| job.name(plan),
            || {
                let done: Vec<Record> = ledger.read()?;
                jobs.iter().map(|job| job.state(plan, &done)).collect()
            },
            |job| {
                let record = job.work(plan, dir, &ledger.read::<Record>()?, monitor)?;
                ledger.append(&record)?;
                Ok(record.to_string())
            },
        )?;
        // an earlier plan of the folder may have had further jobs
        let planned: BTreeSet<String> = jobs.iter().map(|job| job.name(plan)).collect();
        let mut done: Vec<Record> = ledger.read()?;
        done.retain(|record| planned.contains(&record.job));
        let results = Results::gather(plan, dir, &done)?;
        write_json(&dir.join("results.json"), &results)?;
        let text = |name: &str, text: &str| {
            write_atomic(&dir.join(name), |writer| {
                std::io::Write::write_all(writer, text.as_bytes())
            })
        };
        text("picture.svg", &picture::forest(&results)?)?;
        let sparsity = picture::sparsity(&results)?;
        sparsity.iter().try_for_each(|picture| text("sparsity.svg", picture))?;
        text("page.md", &page::page(&results, command, sparsity.is_some()))?;
        page::cells_page(&results).iter().try_for_each(|page| text("cells.md", page))?;
        Ok(results)
    }
}

/// Fails if a finished job had other settings than the plan has now.
fn check_settings(plan: &Plan, jobs: &[Job], ledger: &Ledger) -> Result<()> {
    for done in ledger.read::<Record>()? {
        let Some(job) = jobs.iter().find(|job| job.name(plan) == done.job) else { continue };
        ledger.check_settings(&done.job, &done.settings, &job.keys(plan)?)?;
    }
    Ok(())
}
