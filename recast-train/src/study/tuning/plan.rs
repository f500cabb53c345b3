//! The plan of a tuning.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use toml::Value;

use super::Job;
use crate::error::Result;
use crate::study::plan::{Layer, Named, Source, keys, name_of};

/// The name of the first trial, which changes nothing.
const BASE: &str = "base";

/// The most trials of a grid: a longer list is a mistake.
const MOST_TRIALS: usize = 1000;

/// A plan, checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) source: Source,
    seeds: Vec<u64>,
    /// The whole budget, in minutes of trials.
    pub(super) minutes: f64,
    /// The budget of a trial, in minutes.
    pub(super) minutes_per_trial: f64,
    base: Layer,
    data: Vec<Named>,
    /// The trials, the base first.
    pub(super) trials: Vec<Named>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default = "first_seed")]
    seeds: Vec<u64>,
    minutes: f64,
    minutes_per_trial: f64,
    #[serde(default)]
    base: Layer,
    #[serde(default)]
    data: Vec<Named>,
    #[serde(default)]
    trials: Vec<Named>,
    #[serde(default)]
    one_at_a_time: BTreeMap<String, Vec<Value>>,
    #[serde(default)]
    grid: BTreeMap<String, Vec<Value>>,
}

fn first_seed() -> Vec<u64> {
    vec![1]
}

impl Plan {
    pub(super) fn read(path: &Path) -> Result<Self> {
        Self::new(Source::read(path)?)
    }

    fn new(source: Source) -> Result<Self> {
        let text: Text = source.parsed()?;
        source.check_values("seeds", &text.seeds)?;
        for (key, minutes) in
            [("minutes", text.minutes), ("minutes_per_trial", text.minutes_per_trial)]
        {
            if !(minutes > 0.0 && minutes.is_finite()) {
                let hint = "give a number of minutes above 0";
                return Err(source.fault(key, format!("{minutes} is no budget"), hint));
            }
        }
        source.check_layer("base", &text.base)?;
        let data = Named::or_one(text.data);
        source.check_named("data", &data)?;
        let base = Named { name: BASE.to_owned(), layer: Layer::default() };
        let mut trials = vec![base];
        trials.extend(text.trials);
        for (key, values) in &text.one_at_a_time {
            source.check_values(&format!("one_at_a_time.{key}"), values)?;
            let of_value =
                |value: &Value| Named { name: name_of(key, value), layer: Layer::of(key, value) };
            trials.extend(values.iter().map(of_value));
        }
        trials.extend(grid(&source, &text.grid)?);
        if trials.len() == 1 {
            let hint = "list trials, or values below one_at_a_time or grid";
            return Err(source.fault("trials", "the plan has no trial beside the base", hint));
        }
        source.check_named("trials", &trials)?;
        let Text { seeds, minutes, minutes_per_trial, base, .. } = text;
        Ok(Self { source, seeds, minutes, minutes_per_trial, base, data, trials })
    }

    /// Every job: trial by trial, each on all data sets and seeds.
    pub(super) fn jobs(&self) -> Result<Vec<Job>> {
        let mut jobs = Vec::new();
        for trial in &self.trials {
            for data in &self.data {
                let layers = [&self.base, &data.layer, &trial.layer];
                let place = format!("{} on {}", trial.place("trials"), data.name);
                for &seed in &self.seeds {
                    jobs.push(Job {
                        trial: trial.name.clone(),
                        data: data.name.clone(),
                        config: self.source.settings(&place, &layers, seed)?,
                        settings: keys(&layers),
                    });
                }
            }
        }
        Ok(jobs)
    }
}

/// Every combination of the values of all keys.
fn grid(source: &Source, keys: &BTreeMap<String, Vec<Value>>) -> Result<Vec<Named>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let mut trials = vec![Named { name: String::new(), layer: Layer::default() }];
    for (key, values) in keys {
        source.check_values(&format!("grid.{key}"), values)?;
        if trials.len().saturating_mul(values.len()) > MOST_TRIALS {
            let problem = format!("the grid has more than {MOST_TRIALS} trials");
            return Err(source.fault("grid", problem, "take fewer values"));
        }
        let more = |trial: &Named| -> Vec<Named> {
            let with = |value: &Value| {
                let part = name_of(key, value);
                let name = match trial.name.is_empty() {
                    true => part,
                    false => format!("{}, {part}", trial.name),
                };
                Named { name, layer: trial.layer.with(&Layer::of(key, value)) }
            };
            values.iter().map(with).collect()
        };
        trials = trials.iter().flat_map(more).collect();
    }
    Ok(trials)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plan(text: &str) -> Result<Plan> {
        let text = format!("minutes = 9\nminutes_per_trial = 3\n{text}");
        Plan::new(Source { file: None, origin: "plan.toml".into(), text })
    }

    fn names(plan: &Plan) -> Vec<&str> {
        plan.trials.iter().map(|trial| &trial.name[..]).collect()
    }

    #[test]
    fn trials_are_the_base_then_listed_ones_then_those_of_lists() {
        let found = plan(
            "[base]\npreset = \"smoke\"\n[[trials]]\nname = \"deep\"\nmodel.num_hidden_layers = 3\n\
             [one_at_a_time]\n\"sft.learning_rate\" = [1e-3, 2e-3]\n\
             [grid]\n\"sft.epochs\" = [1, 2]\n\"model.dropout\" = [0.1, 0.2]\n",
        )
        .unwrap();
        let expected = [
            "base",
            "deep",
            "sft.learning_rate=0.001",
            "sft.learning_rate=0.002",
            "model.dropout=0.1, sft.epochs=1",
            "model.dropout=0.1, sft.epochs=2",
            "model.dropout=0.2, sft.epochs=1",
            "model.dropout=0.2, sft.epochs=2",
        ];
        assert_eq!(names(&found), expected);
        let jobs = found.jobs().unwrap();
        assert_eq!(jobs.len(), 8);
        assert_eq!(jobs[1].config.model.num_hidden_layers, 3);
        // the epochs of a trial are meant: no floor of steps lies below them
        assert_eq!((jobs[7].config.sft.epochs, jobs[7].config.sft.min_steps), (2, 0));
        assert!((jobs[7].config.model.dropout - 0.2).abs() < 1e-12);
        assert_eq!(jobs[7].config.data.synthetic.users, 600);
    }

    #[test]
    fn a_bad_plan_names_file_and_key() {
        let trial = "[[trials]]\nname = \"deep\"\n";
        for (text, expected) in [
            ("", "plan.toml: key 'trials': the plan has no trial beside the base"),
            ("seeds = []\n", "plan.toml: key 'seeds': is an empty list"),
            ("seeds = [1, 1]\n", "plan.toml: key 'seeds': 1 stands in it twice"),
            ("trails = 1\n", "plan.toml: TOML parse error at line 3"),
            (&format!("{trial}sft.epoks = 3\n"), "plan.toml: trials 'deep': unknown field `epoks`"),
            (&format!("{trial}seed = 3\n"), "key 'trials 'deep'.seed': is no key of a layer"),
            (&format!("{trial}{trial}"), "key 'trials.name': 'deep' stands in it twice"),
            ("[[trials]]\nname = \"base\"\n", "key 'trials.name': 'base' stands in it twice"),
            ("[[trials]]\nname = \"\"\n", "key 'trials.name': has no letter"),
            (&format!("{trial}preset = \"small\"\n"), "'small' is no preset; name one of demo"),
            ("[grid]\n\"sft.epochs\" = []\n", "key 'grid.sft.epochs': is an empty list"),
            ("[one_at_a_time]\n\"sft.epochs\" = [2, 2]\n", "2 stands in it twice"),
        ] {
            let message = plan(text).unwrap_err().to_string();
            assert!(message.contains(expected), "{text}: {message}");
        }
        for minutes in ["0", "-1", "nan", "inf"] {
            let text = format!("minutes = {minutes}.0\nminutes_per_trial = 3\n{trial}")
                .replace("nan.0", "nan")
                .replace("inf.0", "inf");
            let source = Source { file: None, origin: "plan.toml".into(), text };
            let message = Plan::new(source).unwrap_err().to_string();
            assert!(
                message.contains("key 'minutes'") && message.contains("no budget"),
                "{message}"
            );
        }
        let text = format!("[base]\npreset = \"smoke\"\n{trial}model.dropout = 2.0\n");
        let message = plan(&text).unwrap().jobs().unwrap_err().to_string();
        assert!(message.contains("plan.toml: trials 'deep' on data: config key"), "{message}");
    }
}
