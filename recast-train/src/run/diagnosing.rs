//! The diagnosis of a run's decoders.

use std::borrow::Cow;

use super::folder::{Run, Tokenized};
use super::judging::spread;
use crate::error::{Error, Result};
use crate::evaluate::{Diagnosis, diagnose};
use crate::event::Event;

impl Run {
    /// Diagnoses every trained decoder of semantic IDs on `prompts` test prompts, spread evenly
    /// over the test; 0 means all. Exact search ranks the items.
    ///
    /// # Errors
    ///
    /// If there are fewer test prompts, nothing is trained, or the user interrupts.
    pub fn diagnose(&self, tokenized: &Tokenized, prompts: usize) -> Result<Vec<Diagnosis>> {
        self.hold()?;
        let test = &self.prepared.split.test;
        if prompts > test.len() {
            let problem = format!("{prompts} prompts are more than the test's {}", test.len());
            let hint = format!("give 1 to {}, or 0 for all", test.len());
            return Err(Error::data(problem, hint));
        }
        let examples = match prompts {
            0 => Cow::Borrowed(&test[..]),
            some => Cow::Owned(spread(test, some).cloned().collect()),
        };
        let mut found = Vec::new();
        for (name, title, stage) in self.trained()? {
            let diagnosis = diagnose(
                &self.best_of(&stage, tokenized)?,
                self.catalogue(tokenized),
                &examples,
                test.len(),
                &self.config.evaluate,
                self.monitor(),
                (name, title),
            )?;
            if !self.read_only {
                self.monitor().record(&Event::Diagnosis(&diagnosis))?;
            }
            found.push(diagnosis);
        }
        Ok(found)
    }
}
