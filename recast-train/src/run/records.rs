//! The settings under which the parts of a run folder were made: their check and their record.

use std::path::Path;

use super::folder::{Run, table_path};
use crate::config::{Config, Part, Record};
use crate::error::{Error, Result, SettingChange};
use crate::event::Monitor;
use crate::optim::{Stage, StageProgress};
use crate::storage::remove_temporaries;

impl Run {
    /// Fails if a part of the folder was made under other settings than `config`.
    ///
    /// Parts of a version without records are taken as they are.
    pub(super) fn check_records(dir: &Path, config: &Config) -> Result<()> {
        let mut changes: Vec<SettingChange> = Vec::new();
        let (mut parts, mut some_unfinished) = (Vec::new(), false);
        for part in Part::all() {
            let Some(finished) = is_finished(dir, part)? else { continue };
            let Some(record) = Record::load(dir, part)? else { continue };
            let mut found = record.changes_to(part, config)?;
            found.retain(|change| !part.may_change(&change.key, finished));
            if found.is_empty() {
                continue;
            }
            some_unfinished |= !finished;
            parts.push(part.folder());
            for change in found {
                if !changes.contains(&change) {
                    changes.push(change);
                }
            }
        }
        match parts.is_empty() {
            true => Ok(()),
            false => Err(Error::ChangedSettings {
                run_dir: dir.to_owned(),
                changes,
                parts,
                unfinished: some_unfinished,
            }),
        }
    }

    /// Records the settings of a training stage that begins. A stage that goes on under another
    /// learning rate or other validations remembers the change, and warns.
    pub(super) fn record_stage(&self, part: Part) -> Result<()> {
        let (dir, config) = (self.dir(), self.config());
        let Some(StageProgress { step, finished }) = self.stage(part).progress()? else {
            return Record::new(part, config)?.save(dir, part);
        };
        let Some(record) = Record::load(dir, part)? else { return Ok(()) };
        let changes = record.changes_to(part, config)?;
        if finished || changes.is_empty() {
            return Ok(());
        }
        let record = record.change(part, config, &changes, step)?;
        record.changes.iter().for_each(|change| self.monitor.say(&format!("warning: {change}")));
        record.save(dir, part)
    }

    /// The changes of settings in the middle of a phase, as sentences.
    pub(super) fn changes_in_the_middle(&self) -> Result<Vec<String>> {
        let mut all = Vec::new();
        for part in Part::all() {
            if is_finished(self.dir(), part)?.is_some()
                && let Some(record) = Record::load(self.dir(), part)?
            {
                all.extend(record.changes);
            }
        }
        Ok(all)
    }

    /// Makes a folder that this process holds whole again: sets damaged checkpoints aside, and
    /// removes what a process left that was ended while writing.
    pub(super) fn mend(dir: &Path, monitor: &Monitor) -> Result<()> {
        remove_temporaries(dir)?;
        remove_temporaries(&dir.join("ranks"))?;
        for part in Part::all() {
            remove_temporaries(&dir.join(part.folder()))?;
            if part != Part::Data {
                Stage::new(dir, &part.folder()).mend(monitor)?;
            }
        }
        Ok(())
    }

    /// The checkpoints of a part that is trained.
    pub(super) fn stage(&self, part: Part) -> Stage {
        Stage::new(self.dir(), &part.folder())
    }
}

/// Whether a part is finished; `None` if nothing of it stands in the folder.
fn is_finished(dir: &Path, part: Part) -> Result<Option<bool>> {
    match part {
        Part::Data => Ok(Some(true)),
        Part::Sids if table_path(dir).exists() => Ok(Some(true)),
        Part::Sids | Part::Sft | Part::Rl(_) | Part::Sasrec => {
            let progress = Stage::new(dir, &part.folder()).progress()?;
            Ok(progress.map(|progress| progress.finished))
        }
    }
}
