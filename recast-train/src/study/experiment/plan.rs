//! The plan of an experiment.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use toml::Value;

use crate::config::{Config, Keys};
use crate::error::Result;
use crate::study::plan::{Layer, Named, Source, keys, name_of};
use crate::train::{RlConfig, SignalName};

/// The plan of the preset `quick`.
const QUICK: &str = include_str!("../quick.toml");

/// A system of the comparison.
#[derive(Debug)]
pub(super) struct Arm {
    pub(super) name: String,
    /// The name on the page.
    pub(super) title: String,
    /// The signal; `None` for the supervised decoder as it is.
    pub(super) signal: Option<SignalName>,
    layer: Layer,
}

/// The two arms of the primary contrast, fixed before the first result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Contrast {
    /// The arm on trial.
    pub arm: String,
    /// The arm that it is compared with.
    pub control: String,
}

/// The validation metric by which an arm's learning rate is chosen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChooseBy {
    /// Pass@1.
    #[default]
    #[serde(rename = "pass_at_1")]
    PassAt1,
    /// NDCG@10.
    #[serde(rename = "ndcg_at_10")]
    NdcgAt10,
}

/// A data set under one value of an axis: all arms of a cell start from the same decoders.
#[derive(Debug)]
pub(super) struct Cell {
    /// The name, unique in the plan.
    pub(super) name: String,
    pub(super) data: usize,
    /// The varied key; `None` where the plan has no axis.
    pub(super) axis: Option<String>,
    layer: Layer,
}

/// A plan, checked.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) source: Source,
    pub(super) seeds: Vec<u64>,
    pub(super) primary: Contrast,
    /// The arm whose best validation the budgets of others are measured to.
    pub(super) target: Option<String>,
    /// The learning rates that each arm tries; empty for that of the settings.
    pub(super) rates: Vec<f64>,
    pub(super) choose_by: ChooseBy,
    /// Draws of the bootstrap.
    pub(super) draws: usize,
    base: Layer,
    pub(super) data: Vec<Named>,
    pub(super) cells: Vec<Cell>,
    pub(super) arms: Vec<Arm>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    seeds: Vec<u64>,
    primary: Contrast,
    target: Option<String>,
    #[serde(default)]
    rates: Vec<f64>,
    #[serde(default)]
    choose_by: ChooseBy,
    #[serde(default = "usual_draws")]
    draws: usize,
    #[serde(default)]
    base: Layer,
    #[serde(default)]
    data: Vec<Named>,
    arms: Vec<ArmText>,
    #[serde(default)]
    axes: BTreeMap<String, Vec<Value>>,
}

#[derive(Deserialize)]
struct ArmText {
    name: String,
    title: Option<String>,
    signal: Option<SignalName>,
    #[serde(flatten)]
    layer: Layer,
}

fn usual_draws() -> usize {
    2000
}

impl Plan {
    pub(super) fn read(path: &Path) -> Result<Self> {
        Self::new(Source::read(path)?)
    }

    /// The plan of the preset `quick`.
    pub(super) fn quick() -> Result<Self> {
        let origin = PathBuf::from("quick.toml");
        Self::new(Source { file: None, origin, text: QUICK.to_owned() })
    }

    fn new(source: Source) -> Result<Self> {
        let text: Text = source.parsed()?;
        source.check_values("seeds", &text.seeds)?;
        check_rates(&source, &text.rates)?;
        if text.draws < 100 {
            let problem = format!("{} draws make no interval", text.draws);
            return Err(source.fault("draws", problem, "give at least 100; 2000 is usual"));
        }
        source.check_layer("base", &text.base)?;
        let data = Named::or_one(text.data);
        source.check_named("data", &data)?;
        let named: Vec<Named> = text
            .arms
            .iter()
            .map(|arm| Named { name: arm.name.clone(), layer: arm.layer.clone() })
            .collect();
        source.check_named("arms", &named)?;
        let names: Vec<&str> = text.arms.iter().map(|arm| &arm.name[..]).collect();
        let known = |key: &str, name: &str| match names.contains(&name) {
            true => Ok(()),
            false => {
                let hint = format!("name one of {}", names.join(", "));
                Err(source.fault(key, format!("'{name}' is no arm"), &hint))
            }
        };
        known("primary.arm", &text.primary.arm)?;
        known("primary.control", &text.primary.control)?;
        text.target.iter().try_for_each(|target| known("target", target))?;
        if text.primary.arm == text.primary.control {
            let problem = format!("'{}' is compared with itself", text.primary.arm);
            return Err(source.fault("primary.control", problem, "name another arm"));
        }
        let cells = cells(&source, &data, &text.axes)?;
        let arm = |text: ArmText| Arm {
            title: text.title.unwrap_or_else(|| text.name.clone()),
            name: text.name,
            signal: text.signal,
            layer: text.layer,
        };
        let arms = text.arms.into_iter().map(arm).collect();
        let Text { seeds, primary, target, rates, choose_by, draws, base, .. } = text;
        Ok(Self {
            source,
            seeds,
            primary,
            target,
            rates,
            choose_by,
            draws,
            base,
            data,
            cells,
            arms,
        })
    }

    fn layers<'a>(&'a self, cell: &'a Cell, arm: &'a Arm) -> [&'a Layer; 4] {
        [&self.base, &self.data[cell.data].layer, &cell.layer, &arm.layer]
    }

    /// The settings of an arm; `rate` in place of its learning rate.
    pub(super) fn config(
        &self,
        cell: &Cell,
        arm: &Arm,
        seed: u64,
        rate: Option<f64>,
    ) -> Result<Config> {
        let place = format!("arms '{}' on {}", arm.name, cell.name);
        // the checks of signals concern that of the arm alone
        let signals = arm.signal.iter().map(|signal| Value::from(signal.key())).collect();
        let signals = Layer::of("rl.signals", &Value::Array(signals));
        let [base, data, of_cell, own] = self.layers(cell, arm);
        let layers = [base, data, of_cell, own, &signals];
        let mut config = self.source.settings(&place, &layers, seed)?;
        if let Some(rate) = rate {
            config.rl.learning_rate = rate;
        }
        Ok(config)
    }

    /// The settings of the supervised decoder from which an arm starts: those that its training
    /// reads, and the usual ones elsewhere.
    pub(super) fn trunk(&self, cell: &Cell, arm: &Arm, seed: u64) -> Result<Config> {
        let mut config = self.config(cell, arm, seed, None)?;
        let RlConfig { prompts, fresh_items, fresh_share, .. } = config.rl;
        config.rl = RlConfig { prompts, fresh_items, fresh_share, ..RlConfig::default() };
        Ok(config)
    }

    /// The keys that the plan sets for an arm, for a record.
    pub(super) fn keys(&self, cell: &Cell, arm: &Arm) -> Keys {
        let keys = keys(&self.layers(cell, arm));
        match arm.signal {
            Some(signal) => keys.with("signal", signal.key().to_owned()),
            None => keys,
        }
    }

    /// The number of an arm.
    pub(super) fn arm(&self, name: &str) -> Option<usize> {
        self.arms.iter().position(|arm| arm.name == name)
    }
}

/// A cell for each data set and value of an axis; a cell a data set without axes.
fn cells(
    source: &Source,
    data: &[Named],
    axes: &BTreeMap<String, Vec<Value>>,
) -> Result<Vec<Cell>> {
    let mut cells = Vec::new();
    for (number, set) in data.iter().enumerate() {
        if axes.is_empty() {
            let layer = Layer::default();
            cells.push(Cell { name: set.name.clone(), data: number, axis: None, layer });
        }
        for (key, values) in axes {
            let place = format!("axes.{key}");
            source.check_values(&place, values)?;
            for value in values {
                let layer = Layer::of(key, value);
                source.check_layer(&place, &layer)?;
                let name = match data.len() {
                    1 => name_of(key, value),
                    _ => format!("{} {}", set.name, name_of(key, value)),
                };
                cells.push(Cell { name, data: number, axis: Some(key.clone()), layer });
            }
        }
    }
    Ok(cells)
}

fn check_rates(source: &Source, rates: &[f64]) -> Result<()> {
    if let Some(rate) = rates.iter().find(|&&rate| !(rate > 0.0 && rate.is_finite())) {
        let hint = "give numbers above 0, as 3e-5";
        return Err(source.fault("rates", format!("{rate} is no learning rate"), hint));
    }
    source.check_once("rates", rates)
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    const ARMS: &str =
        "[[arms]]\nname = \"sft\"\n[[arms]]\nname = \"recast\"\nsignal = \"recast\"\n";

    fn plan(head: &str, tail: &str) -> Result<Plan> {
        let primary = "primary = { arm = \"recast\", control = \"sft\" }\n";
        let primary = if head.contains("primary") { "" } else { primary };
        let seeds = if head.contains("seeds") { "" } else { "seeds = [1, 2]\n" };
        let base = "[base]\npreset = \"smoke\"\n";
        let text = format!("{seeds}{primary}{head}{base}{ARMS}{tail}");
        Plan::new(Source { file: None, origin: "plan.toml".into(), text })
    }

    #[test]
    fn a_bad_plan_names_file_and_key() {
        let primary = |arm: &str, control: &str| {
            format!("primary = {{ arm = \"{arm}\", control = \"{control}\" }}\n")
        };
        for (head, tail, expected) in [
            ("seeds = []\n", "", "plan.toml: key 'seeds': is an empty list"),
            ("rates = [1e-5, 0.0]\n", "", "key 'rates': 0 is no learning rate"),
            ("rates = [-1e-5]\n", "", "no learning rate; give numbers above 0"),
            ("rates = [nan]\n", "", "key 'rates': NaN is no learning rate"),
            ("rates = [1e-5, 1e-5]\n", "", "key 'rates': 0.00001 stands in it twice"),
            ("draws = 5\n", "", "key 'draws': 5 draws make no interval"),
            ("sedes = 1\n", "", "unknown field `sedes`"),
            ("choose_by = \"loss\"\n", "", "unknown variant `loss`"),
            ("target = \"grpo\"\n", "", "key 'target': 'grpo' is no arm; name one of sft, recast"),
            (&primary("grpo", "sft"), "", "key 'primary.arm': 'grpo' is no arm"),
            (&primary("sft", "x"), "", "key 'primary.control': 'x' is no arm"),
            (&primary("sft", "sft"), "", "'sft' is compared with itself"),
            ("", "[[arms]]\nname = \"x\"\nsignal = \"y\"\n", "unknown variant `y`"),
            ("", "[[arms]]\nname = \"x\"\nrl.stepz = 1\n", "arms 'x': unknown field `stepz`"),
            ("", "[[arms]]\nname = \"sft\"\n", "'sft' stands in it twice"),
            ("", "[axes]\n\"sft.epochs\" = []\n", "key 'axes.sft.epochs': is an empty list"),
            ("", "[axes]\n\"sft.epoks\" = [1]\n", "axes.sft.epoks: unknown field `epoks`"),
        ] {
            let message = plan(head, tail).unwrap_err().to_string();
            assert!(message.contains(expected), "{head}{tail}: {message}");
        }
    }

    #[test]
    fn an_arm_is_checked_for_its_own_signal_alone() {
        let arm = |signal: &str| {
            format!("[[arms]]\nname = \"x\"\nsignal = \"{signal}\"\nrl.rollout = \"sample\"\n")
        };
        let config = |signal| {
            let plan = plan("", &arm(signal)).unwrap();
            plan.config(&plan.cells[0], &plan.arms[2], 1, None)
        };
        // sampled completions have no ranks, which ReRe reads
        config("recast").unwrap();
        let message = config("rere").unwrap_err().to_string();
        assert!(message.contains("arms 'x'") && message.contains("'rl.rollout'"), "{message}");
    }

    #[test]
    fn each_value_of_an_axis_is_a_cell_of_each_data_set() {
        let axes = "[axes]\n\"sft.epochs\" = [1, 3]\n\"rl.group_size\" = [4]\n";
        let found = plan("", axes).unwrap();
        let names: Vec<&str> = found.cells.iter().map(|cell| &cell.name[..]).collect();
        assert_eq!(names, ["rl.group_size=4", "sft.epochs=1", "sft.epochs=3"]);
        let config = found.config(&found.cells[2], &found.arms[1], 7, Some(1e-4)).unwrap();
        assert_eq!((config.sft.epochs, config.seed), (3, 7));
        assert!((config.rl.learning_rate - 1e-4).abs() < 1e-12);
        assert_eq!(config.rl.signals, [SignalName::Recast]);
        let data = "[[data]]\nname = \"a\"\n[[data]]\nname = \"b\"\n";
        assert_eq!(plan("", &format!("{data}{axes}")).unwrap().cells.len(), 6);
    }

    #[test]
    fn the_plan_of_the_preset_and_those_of_the_repository_are_sound() {
        let mut plans = vec![Plan::quick().unwrap()];
        let studies = Path::new(env!("CARGO_MANIFEST_DIR")).join("../studies");
        for file in fs::read_dir(studies).unwrap() {
            let path = file.unwrap().path();
            // the other plans are of trials
            if fs::read_to_string(&path).unwrap().contains("[[arms]]") {
                plans.push(Plan::read(&path).unwrap());
            }
        }
        assert!(plans.len() > 6);
        for plan in plans {
            for cell in &plan.cells {
                for arm in &plan.arms {
                    plan.config(cell, arm, 1, None).unwrap();
                }
            }
        }
    }
}
