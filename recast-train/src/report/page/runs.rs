//! Run folders as the page reads them, in groups that differ in the seed alone.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::de::DeserializeOwned;
use serde_json::Value;

use super::super::conditions::Conditions;
use super::super::log::{Curve, Log, Point};
use super::super::summary::Summary;
use crate::config::Config;
use crate::error::{Error, Result, SettingChange};
use crate::event::TokenizerReport;
use crate::storage::{read_noted, read_text};
use crate::train::SignalName;

/// The figures of one system: by section, then by name. Figures at item level stand in the section
/// without a name.
#[derive(Debug, Clone, Default, PartialEq)]
pub(super) struct System {
    pub(super) title: String,
    pub(super) figures: BTreeMap<String, BTreeMap<String, f64>>,
}

/// A run folder. Whatever a run has not come to yet is missing or empty.
#[derive(Debug)]
pub(super) struct Folder {
    pub(super) name: String,
    pub(super) dir: PathBuf,
    pub(super) config: Config,
    pub(super) config_text: String,
    pub(super) summary: Option<Summary>,
    pub(super) systems: Vec<System>,
    pub(super) log: Log,
    pub(super) sids: Option<TokenizerReport>,
    pub(super) phases: BTreeMap<String, f64>,
    pub(super) warnings: Vec<String>,
}

/// Runs that differ in the seed alone.
#[derive(Debug)]
pub(super) struct Setting {
    /// The words that tell this setting from the others; empty if there is no other.
    pub(super) name: String,
    /// The differences from the first setting.
    pub(super) differences: Vec<SettingChange>,
    pub(super) folders: Vec<Folder>,
}

impl Setting {
    /// The folders in groups, in the order given; a folder given again is left out.
    ///
    /// # Errors
    ///
    /// If a folder holds no run, or a file of it is not what recast writes.
    pub(super) fn load(run_dirs: &[PathBuf]) -> Result<Vec<Self>> {
        let mut known: Vec<PathBuf> = Vec::new();
        let mut groups: Vec<(Conditions, Vec<Folder>)> = Vec::new();
        for dir in run_dirs {
            let place = dir.canonicalize().unwrap_or_else(|_| dir.clone());
            if known.contains(&place) {
                continue;
            }
            known.push(place);
            let folder = Folder::load(dir)?;
            let conditions = Conditions::load(dir, folder.summary.as_ref())?;
            match groups.iter_mut().find(|(known, _)| *known == conditions) {
                Some((_, folders)) => folders.push(folder),
                None => groups.push((conditions, vec![folder])),
            }
        }
        let is_one = groups.len() == 1;
        let first = groups.first().map(|(conditions, _)| conditions.clone());
        let of_group = |(number, (conditions, folders)): (usize, (Conditions, Vec<Folder>))| {
            let differences = first.as_ref().map(|first| first.changes(&conditions));
            let name = if is_one { String::new() } else { format!("setting {number}") };
            Self { name, differences: differences.unwrap_or_default(), folders }
        };
        Ok((1..).zip(groups).map(of_group).collect())
    }

    /// A title of this setting's own part of a section.
    pub(super) fn titled(&self, title: &str) -> String {
        match self.name.is_empty() {
            true => title.to_owned(),
            false => format!("{title}, {}", self.name),
        }
    }

    /// The steps of a signal in each run that has some.
    pub(super) fn steps(&self, signal: &str) -> Vec<&[Point]> {
        let of_runs = self.folders.iter().filter_map(|folder| folder.log.steps.get(signal));
        of_runs.map(Vec::as_slice).filter(|steps| !steps.is_empty()).collect()
    }

    /// Words that say how a sum over this setting's runs was made; empty for a single run.
    pub(super) fn together(&self) -> String {
        match self.folders.len() {
            1 => String::new(),
            runs => format!(", {runs} runs together"),
        }
    }

    /// Words that say how a mean over this setting's runs was made; empty for a single run.
    pub(super) fn spread(&self) -> String {
        match self.folders.len() {
            1 => String::new(),
            runs => format!(", mean (lowest to highest) of {runs} runs"),
        }
    }
}

impl Folder {
    fn load(dir: &Path) -> Result<Self> {
        let path = Config::path(dir);
        if !path.exists() {
            return Err(Error::NoRun { path: dir.to_owned() });
        }
        let config_text = read_text(&path)?;
        let has_summary = dir.join("summary.json").exists();
        let summary = if has_summary { Some(Summary::load(dir)?) } else { None };
        let figures: Option<Value> = read(&dir.join("summary.json"), "evaluate the run again")?;
        let systems = figures.as_ref().and_then(|summary| summary["systems"].as_array());
        let report: Option<Value> = read(&dir.join("data/report.json"), "prepare the data again")?;
        let of_data = report.as_ref().and_then(|report| report["prepare"]["warnings"].as_array());
        let of_data = of_data.into_iter().flatten().filter_map(Value::as_str).map(str::to_owned);
        let warnings = match &summary {
            Some(summary) => summary.warnings.clone(),
            None => of_data.collect(),
        };
        Ok(Self {
            name: dir.display().to_string(),
            dir: dir.to_owned(),
            config: Config::of_run(dir, &[])?,
            config_text,
            systems: systems.into_iter().flatten().map(System::of).collect(),
            summary,
            log: Log::load(dir)?,
            sids: read(&dir.join("sid/report.json"), "remove the folder sid and tokenize again")?,
            phases: read(&dir.join("phases.json"), "remove it: only the times of phases are lost")?
                .unwrap_or_default(),
            warnings,
        })
    }
}

impl System {
    fn of(value: &Value) -> Self {
        let mut figures: BTreeMap<String, BTreeMap<String, f64>> = BTreeMap::new();
        let text = |key: &str| value[key].as_str().map(str::to_owned);
        let title = text("title").or_else(|| text("name")).unwrap_or_default();
        for (key, value) in value.as_object().into_iter().flatten() {
            match value {
                Value::Object(section) => {
                    let numbers =
                        section.iter().filter_map(|(k, v)| Some((k.clone(), v.as_f64()?)));
                    figures.insert(key.clone(), numbers.collect());
                }
                value => {
                    if let Some(number) = value.as_f64() {
                        figures.entry(String::new()).or_default().insert(key.clone(), number);
                    }
                }
            }
        }
        Self { title, figures }
    }
}

/// A file of JSON; `None` where there is none yet.
fn read<T: DeserializeOwned>(path: &Path, hint: &str) -> Result<Option<T>> {
    if !path.exists() {
        return Ok(None);
    }
    serde_json::from_str(&read_noted(path, hint)?)
        .map(Some)
        .map_err(|e| Error::file(path, format!("is not what recast writes: {e}"), hint))
}

/// The signals of all runs: ReCast, then the others in the order of the documentation.
pub(super) fn signals(settings: &[Setting]) -> Vec<String> {
    let mut keys: Vec<String> = Vec::new();
    for folder in settings.iter().flat_map(|setting| &setting.folders) {
        // supervised stages generate nothing
        let generates = |curve: &Curve| curve.iter().any(|p| p.value("generated").is_some());
        let validations = folder.log.validations.iter();
        let validated = validations.filter(|(_, curve)| generates(curve)).map(|(key, _)| key);
        for key in validated.chain(folder.log.steps.keys()) {
            if !keys.contains(key) {
                keys.push(key.clone());
            }
        }
    }
    let place = |key: &String| {
        let all = SignalName::ALL;
        let known = all.iter().position(|signal| signal.key() == key).unwrap_or(all.len());
        (key != SignalName::Recast.key(), known)
    };
    keys.sort_by_key(place);
    keys
}

/// The title of a signal or a stage.
pub(super) fn title(key: &str) -> String {
    match key {
        "sft" => "SFT".to_owned(),
        "sasrec" => "SASRec".to_owned(),
        "rq_vae" => "RQ-VAE".to_owned(),
        key => {
            let signal = SignalName::ALL.into_iter().find(|signal| signal.key() == key);
            signal.map_or_else(|| key.to_owned(), |signal| signal.title().to_owned())
        }
    }
}
