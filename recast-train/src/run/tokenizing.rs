//! The phase that gives items their semantic IDs, and the reports on these IDs.

use std::fs;

use super::folder::{Run, Tokenized};
use super::inputs::{REMEDY, imported_sids_path};
use crate::catalogue::{ImportedTable, SidTable, Trie};
use crate::config::{Config, Part};
use crate::embedding::Embeddings;
use crate::error::{Error, Phase, Result};
use crate::event::Event;
use crate::storage::{check_noted, note, read_noted, write_noted_json};
use crate::tokenizer::{
    ComparedTable, Neighbourhood, TokenizerComparison, TokenizerReport, tokenize,
};

/// The remedy for damaged semantic IDs.
const TOKENIZE_AGAIN: &str = "remove the run folder's sid folder and tokenize again";

impl Run {
    /// Gives every item a semantic ID, unless all items have one.
    ///
    /// # Errors
    ///
    /// If embeddings cannot be read, collisions cannot be resolved, training diverges, or the user
    /// interrupts.
    pub fn tokenize(&self) -> Result<Tokenized> {
        if self.table_path().exists() {
            return self.tokenized();
        }
        self.hold()?;
        self.record_stage(Part::Sids)?;
        self.timed("tokenize", || {
            let (sids, report) = if self.config().tokenizer.table.is_some() {
                let path = imported_sids_path(self.dir());
                check_noted(&path, REMEDY)?;
                let sids = SidTable::load(&path, &self.item_ids())?;
                let report = self.imported_report(&sids, self.judging_embeddings()?.as_ref())?;
                (sids, report)
            } else {
                let embeddings = self.prepared().embeddings(self.dir(), self.config())?;
                let device = self.config().device_kind()?.device();
                let Config { tokenizer, seed, .. } = self.config();
                let stage = self.stage(Part::Sids);
                tokenize(&embeddings, tokenizer, *seed, &device, Some(&stage), self.monitor())?
            };
            self.monitor().say(&report.to_string());
            self.monitor().record(&Event::Tokenize(&report))?;
            write_noted_json(&self.tokenizer_report_path(), &report)?;
            // the table comes last: semantic IDs with a table are complete
            sids.save(&self.table_path(), &self.item_ids())?;
            note(&self.table_path())?;
            let trie = Trie::new(&sids);
            Ok(Tokenized { sids, trie })
        })
        .inspect_err(|fault| {
            if matches!(fault, Error::Collapse { .. }) {
                // collapsed codebooks are no start for the settings that the fault asks for
                let _ = fs::remove_dir_all(self.dir().join(Part::Sids.folder()));
            }
        })
    }

    /// The semantic IDs that [`Run::tokenize`] wrote.
    ///
    /// # Errors
    ///
    /// If [`Run::tokenize`] is not done.
    pub fn tokenized(&self) -> Result<Tokenized> {
        self.required(&self.table_path(), Phase::Tokenize)?;
        check_noted(&self.table_path(), TOKENIZE_AGAIN)?;
        let sids = SidTable::load(&self.table_path(), &self.item_ids())?;
        let trie = Trie::new(&sids);
        Ok(Tokenized { sids, trie })
    }

    /// The report that [`Run::tokenize`] made of its table.
    ///
    /// # Errors
    ///
    /// If [`Run::tokenize`] is not done, or an earlier version did it.
    pub fn tokenizer_report(&self) -> Result<TokenizerReport> {
        let path = self.tokenizer_report_path();
        self.required(&path, Phase::Tokenize)?;
        let text = read_noted(&path, TOKENIZE_AGAIN)?;
        serde_json::from_str(&text).map_err(|e| {
            Error::file(&path, format!("is not what recast writes: {e}"), TOKENIZE_AGAIN)
        })
    }

    /// The report of this run's table beside the reports of other tables.
    ///
    /// A table that lacks items of this run numbers its items in another way. The report of such a
    /// table has the statistics of the table alone, and a note gives the reason.
    ///
    /// # Errors
    ///
    /// If this run has no table yet, another table is at fault, or the user interrupts.
    pub fn compare_tokenizers(
        &self,
        others: &[(String, ImportedTable)],
    ) -> Result<TokenizerComparison> {
        let name = self.dir().display().to_string();
        let mut tables = vec![ComparedTable { name, report: self.tokenizer_report()? }];
        let mut notes = Vec::new();
        let ids = self.item_ids();
        let embeddings = match others.iter().any(|(_, other)| other.missing(&ids).is_none()) {
            true => self.judging_embeddings()?,
            false => None,
        };
        for (name, other) in others {
            let report = match other.missing(&ids) {
                None => self.imported_report(&other.sids_of(&ids)?, embeddings.as_ref())?,
                Some(id) => {
                    notes.push(format!(
                        "{name}: has no item '{id}', so its items are numbered in another way: its report has \
                         the statistics of the table alone, without neighbours"
                    ));
                    self.imported_report(&other.sids()?, None)?
                }
            };
            tables.push(ComparedTable { name: name.clone(), report });
        }
        Ok(TokenizerComparison { tables, notes })
    }

    /// The embeddings in which neighbours are sought: those given, or those of the tokenizer. An
    /// imported table needs no embeddings, and its judgement makes none.
    fn judging_embeddings(&self) -> Result<Option<Embeddings>> {
        let config = self.config();
        if config.tokenizer.table.is_some() && config.data.embeddings.is_none() {
            return Ok(None);
        }
        self.prepared().embeddings(self.dir(), config).map(Some)
    }

    /// The report of another program's table.
    fn imported_report(
        &self,
        sids: &SidTable,
        embeddings: Option<&Embeddings>,
    ) -> Result<TokenizerReport> {
        let neighbourhood = embeddings
            .map(|found| Neighbourhood::new(sids, found, self.config().seed, self.monitor()))
            .transpose()?;
        Ok(TokenizerReport::new(sids, sids, &[], neighbourhood))
    }
}
