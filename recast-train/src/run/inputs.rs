//! The source files of a run, read and checked before anything is written.

use std::collections::BTreeMap;
use std::io::Write;
use std::path::{Path, PathBuf};

use super::alignment::{aligned, embeddings_warning};
use crate::catalogue::{ImportedTable, SidTable};
use crate::config::Config;
use crate::data::{
    DataReport, Dropped, Folder, Format, Fresh, FreshRule, Histories, Items, ItemsFile, Join,
    OwnSplit, PrepareOptions, Report, RowOrder, Sequences, Split, SplitKind, Synthetic, items_of,
    prepare, prepared, read_items, read_log,
};
use crate::embedding::{Embeddings, embeddings_of, read_embeddings};
use crate::error::{Error, Result};
use crate::storage::{
    Checksum, Sources, Stop, check_noted, checksum, note, read_noted, write_noted, write_noted_json,
};

/// The remedy for damaged data.
pub(super) const REMEDY: &str = "prepare the data again in a new folder";

/// Data on their way into a run folder.
#[derive(Debug)]
pub(super) struct Inputs {
    pub(super) sequences: Sequences,
    pub(super) report: DataReport,
    pub(super) items: Items,
    /// The users and items of the log that preparation left out.
    dropped: Dropped,
    /// One row for each item, in item order; `None` if the run makes embeddings from the data.
    embeddings: Option<Embeddings>,
    /// One row of behaviour for each item, in item order, if the config names them.
    behaviour: Option<Embeddings>,
    /// Semantic IDs that another program made.
    sids: Option<SidTable>,
    /// The source files, with their checksums to detect later changes.
    sources: Sources,
}

impl Inputs {
    /// Reads and checks all files that the config names.
    pub(super) fn read(config: &Config, stop: Stop) -> Result<Self> {
        let data = &config.data;
        let Some(log) = &data.interactions else {
            let synthetic = Synthetic::generate(&data.synthetic, config.seed)?;
            // the oracle knows the catalogue's own numbering: nothing may be dropped
            let keep_all = PrepareOptions { min_user: 0, min_item: 0, ..data.prepare };
            let (sequences, report) = prepare(synthetic.interactions(), &keep_all, config.seed)?;
            let report = data_report(report, &sequences, None, config)?;
            let items = synthetic.items(&sequences.items);
            return Ok(Self {
                sequences,
                report,
                items,
                dropped: Dropped::default(),
                embeddings: None,
                behaviour: None,
                sids: None,
                sources: Sources::default(),
            });
        };
        let sources = Sources::until(stop);
        let options = data.log_options();
        let (mut interactions, of_users) = match (&data.valid, &data.test) {
            (Some(valid), Some(test)) => {
                let max_history = data.max_history;
                OwnSplit { train: log, valid, test, max_history }.read(&options, &sources)?
            }
            _ => (read_log(log, &options, &sources)?, Vec::new()),
        };
        if interactions.in_row_order && matches!(data.split, SplitKind::GlobalTime { .. }) {
            return Err(Error::setting(
                "data.split",
                "a split by global time, where the log has the order of its rows and no times",
                "take \"leave_one_out\", or name the column of times",
            ));
        }
        if data.split != SplitKind::Given {
            interactions.given = None;
        }
        let has_positions = data.log_format() == Some(Format::MiniOneRec);
        if (interactions.in_row_order || has_positions)
            && matches!(config.rl.fresh(), Some(FreshRule::Share(_)))
        {
            interactions.warnings.push(
                "rl.fresh_share takes the order of rows as time, since the log has no times; an item of a user's one \
                 row counts by its place"
                    .to_owned(),
            );
        }
        let read_as = interactions.read_as.take();
        let row_order = RowOrder::of_log(&interactions.items);
        let (sequences, report, dropped) = prepared(interactions, &data.prepare, config.seed)?;
        let mut report = data_report(report, &sequences, read_as, config)?;
        of_users.into_iter().for_each(|join| report.add(join, None));
        let folder = Folder::of_log(log, data.format)?;
        let id_key = data.items_id.as_deref();
        let items = match data.items.clone().or_else(|| folder?.items()) {
            Some(path) => {
                let encoding = data.log_options().encoding()?;
                let file = ItemsFile { path: &path, id_key, encoding };
                let (items, join, warnings) = items_of(&file, &sequences.items, &sources)?;
                report.add(join, warnings);
                items
            }
            None => Items::from_rows(Vec::new(), &sequences.items),
        };
        let mut vectors = |path: &PathBuf| -> Result<Embeddings> {
            let rows = embeddings_of(path, id_key, &sources)?;
            let items = (items.n_rows() > 0).then_some(&items);
            let (embeddings, join) = aligned(rows, path, &sequences, items, row_order)?;
            report.add(join, embeddings_warning(&embeddings, &sequences.items));
            Ok(embeddings)
        };
        let embeddings = data.embeddings.as_ref().map(&mut vectors).transpose()?;
        let behaviour = data.behaviour.as_ref().map(&mut vectors).transpose()?;
        let sids = match &config.tokenizer.table {
            Some(path) => {
                let table = ImportedTable::read_from(path, &sources)?;
                let join = Join::by_id("SID table", "items", &sequences.items, table.ids());
                join.check_all(
                    path,
                    "give every item of the log a SID, or use the table of this data",
                )?;
                report.add(join, None);
                let ids: Vec<&str> = sequences.items.iter().collect();
                Some(table.sids_of(&ids)?)
            }
            None => None,
        };
        Ok(Self { sequences, report, items, dropped, embeddings, behaviour, sids, sources })
    }

    /// Writes the data and the checksums of their sources.
    pub(super) fn write(&self, run_dir: &Path) -> Result<()> {
        write_noted_json(&run_dir.join("checksums.json"), &self.sources.checksums())?;
        write_noted_json(&report_path(run_dir), &self.report)?;
        write_noted(&sequences_path(run_dir), |writer| self.sequences.write_to(writer))?;
        write_noted(&dropped_path(run_dir), |writer| self.dropped.write_to(writer))?;
        write_noted(&items_path(run_dir), |writer| {
            for (index, id) in self.sequences.items.iter().enumerate() {
                let Some(text) = self.items.text(index as u32) else { continue };
                let mut line =
                    serde_json::json!({ "id": id, "title": text.title, "text": text.text });
                for (key, number) in self.items.numbers(index as u32) {
                    line[key] = number.into();
                }
                writeln!(writer, "{line}")?;
            }
            Ok(())
        })?;
        if let Some(embeddings) = &self.embeddings {
            embeddings.save(&embeddings_path(run_dir), None)?;
            note(&embeddings_path(run_dir))?;
        }
        if let Some(behaviour) = &self.behaviour {
            behaviour.save(&behaviour_path(run_dir), None)?;
            note(&behaviour_path(run_dir))?;
        }
        if let Some(sids) = &self.sids {
            let ids: Vec<&str> = self.sequences.items.iter().collect();
            sids.save(&imported_sids_path(run_dir), &ids)?;
            note(&imported_sids_path(run_dir))?;
        }
        Ok(())
    }
}

/// Checks that the sources of a run folder are those from which its data were made. A source that
/// is gone is no fault.
///
/// # Errors
///
/// If a file has other content, or no second reading of a source can tell.
pub(super) fn check_sources(run_dir: &Path) -> Result<()> {
    let path = run_dir.join("checksums.json");
    let text = read_noted(&path, REMEDY)?;
    let sums: BTreeMap<PathBuf, Checksum> = serde_json::from_str(&text)
        .map_err(|e| Error::file(&path, format!("is not what recast writes: {e}"), REMEDY))?;
    let hint = "name another folder for these data, or resume the run by its folder alone";
    for (source, sum) in sums {
        let Ok(found) = std::fs::metadata(&source) else { continue };
        if !found.is_file() {
            let problem = format!("is no file, and {} holds data read before", run_dir.display());
            return Err(Error::file(&source, problem, hint));
        }
        if found.len() != sum.bytes || checksum(&source)? != sum.sha256 {
            let problem = format!("has other content than the data of {}", run_dir.display());
            return Err(Error::file(&source, problem, hint));
        }
    }
    Ok(())
}

/// The data of a run folder.
#[derive(Debug)]
pub struct Prepared {
    /// Each user's items in time order.
    pub sequences: Sequences,
    /// Titles and text.
    pub items: Items,
    /// Training, validation and test.
    pub split: Split,
    /// The older part of the training sequences, where the prompts of reinforcement learning are
    /// fresh.
    pub older: Option<Histories>,
    /// The report on the data.
    pub report: DataReport,
}

impl Prepared {
    /// The sequences that supervised training, the trained baseline and embeddings made from the
    /// data see: the older part if there is one, else all training sequences.
    #[must_use]
    pub fn supervised(&self) -> &Histories {
        self.older.as_ref().unwrap_or(&self.split.train)
    }

    pub(super) fn load(run_dir: &Path, config: &Config) -> Result<Self> {
        let path = sequences_path(run_dir);
        check_noted(&path, REMEDY)?;
        let sequences = Sequences::load(&path)?;
        let path = items_path(run_dir);
        check_noted(&path, REMEDY)?;
        let has_text = std::fs::metadata(&path).map_err(|e| Error::read(&path, e))?.len() > 0;
        let items = if has_text {
            read_items(&path, &sequences.items)?
        } else {
            Items::from_rows(Vec::new(), &sequences.items)
        };
        let mut split = Split::new(&sequences, config.data.split)?;
        let limit = config.evaluate.test_prompts;
        if limit > 0 {
            split.test.truncate(limit);
        }
        let mut report = load_report(run_dir)?;
        let fresh = fresh(&sequences, &split, config)?;
        // the prompts may have become fresh, or seen ones, since the data were prepared
        report.fresh = fresh.as_ref().map(|fresh| fresh.report);
        let older = fresh.map(|fresh| fresh.older);
        Ok(Self { sequences, items, split, older, report })
    }

    /// The given embeddings, or those made from text and the sequences of supervised training.
    /// Given vectors of behaviour join them, else co-occurrence joins the given ones if asked for.
    pub(super) fn embeddings(&self, run_dir: &Path, config: &Config) -> Result<Embeddings> {
        let train: Vec<&[u32]> = self.supervised().iter().collect();
        let n_items = self.sequences.n_items();
        if config.data.embeddings.is_some() {
            let given = read_kept(&embeddings_path(run_dir))?;
            let behaviour = match (&config.data.behaviour, config.data.behaviour_dim) {
                (Some(_), _) => read_kept(&behaviour_path(run_dir))?,
                (None, 0) => return Ok(given),
                (None, dim) => Embeddings::from_data(&train, n_items, None, dim, config.seed),
            };
            return Ok(behaviour.joined(&given));
        }
        let texts: Vec<Option<String>> = (0..n_items as u32)
            .map(|item| self.items.text(item).map(|text| text.text.clone()))
            .collect();
        let texts = texts.iter().any(Option::is_some).then_some(&texts[..]);
        let made =
            Embeddings::from_data(&train, n_items, texts, config.data.embedding_dim, config.seed);
        match config.data.behaviour {
            Some(_) => Ok(read_kept(&behaviour_path(run_dir))?.joined(&made)),
            None => Ok(made),
        }
    }
}

fn data_report(
    prepare: Report,
    sequences: &Sequences,
    read_as: Option<String>,
    config: &Config,
) -> Result<DataReport> {
    let split = Split::new(sequences, config.data.split)?;
    let fresh = fresh(sequences, &split, config)?.map(|fresh| fresh.report);
    Ok(DataReport { prepare, split: split.report(), fresh, read_as, joins: Vec::new() })
}

/// Embeddings that [`Inputs::write`] wrote.
fn read_kept(path: &Path) -> Result<Embeddings> {
    check_noted(path, REMEDY)?;
    read_embeddings(path)
}

/// The training part by age; `None` where the prompts are seen ones.
fn fresh(sequences: &Sequences, split: &Split, config: &Config) -> Result<Option<Fresh>> {
    config.rl.fresh().map(|rule| Fresh::new(sequences, &split.train, rule)).transpose()
}

fn load_report(run_dir: &Path) -> Result<DataReport> {
    let path = report_path(run_dir);
    let text = read_noted(&path, REMEDY)?;
    serde_json::from_str(&text)
        .map_err(|e| Error::file(&path, format!("is not what recast writes: {e}"), REMEDY))
}

/// The path of the report that [`Inputs::write`] writes.
fn report_path(run_dir: &Path) -> PathBuf {
    run_dir.join("data/report.json")
}

fn sequences_path(run_dir: &Path) -> PathBuf {
    run_dir.join("data/sequences.jsonl")
}

/// The path of the ids that preparation left out, which [`Inputs::write`] writes.
pub(super) fn dropped_path(run_dir: &Path) -> PathBuf {
    run_dir.join("data/dropped.jsonl")
}

fn items_path(run_dir: &Path) -> PathBuf {
    run_dir.join("data/items.jsonl")
}

fn embeddings_path(run_dir: &Path) -> PathBuf {
    run_dir.join("data/embeddings.safetensors")
}

fn behaviour_path(run_dir: &Path) -> PathBuf {
    run_dir.join("data/behaviour.safetensors")
}

/// The path of the imported semantic IDs that [`Inputs::write`] writes.
pub(super) fn imported_sids_path(run_dir: &Path) -> PathBuf {
    run_dir.join("data/sids.json")
}
