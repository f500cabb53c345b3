//! Groups over steps by their regime, budgets to a target, update widths and times.

use std::collections::{BTreeMap, BTreeSet};

use super::super::budget::{BudgetRatio, budgets};
use super::super::log::Point;
use super::bars::{Bar, BarChart};
use super::chart::{ShareChart, number};
use super::html::{Body, Table};
use super::results::duration;
use super::runs::{Setting, signals, title};
use crate::error::Result;

/// Regimes by the name of their count and their title, in the order of layers.
const REGIMES: [(&str, &str); 4] = [
    ("groups.all_zero", "all-zero"),
    ("groups.single_hit", "single-hit"),
    ("groups.multi_hit", "multi-hit"),
    ("groups.all_hit", "all-hit"),
];

/// The most spans of steps of a chart of regimes.
const MOST_SPANS: usize = 60;

/// The most bars of a chart.
const MOST_BARS: usize = 12;

/// Phases of a step in their order; a phase that is not listed comes after these.
const PHASES: [&str; 7] =
    ["generate", "select", "old_log_prob", "ref_log_prob", "update", "optimiser", "evaluate"];

/// The steps of a signal in each run of a setting that has some.
fn steps<'a>(setting: &'a Setting, signal: &str) -> Vec<&'a [Point]> {
    let of_runs = setting.folders.iter().filter_map(|folder| folder.log.steps.get(signal));
    of_runs.map(Vec::as_slice).filter(|steps| !steps.is_empty()).collect()
}

/// Shares of groups by regime, for each signal.
pub(super) fn regimes(body: &mut Body, settings: &[Setting]) -> Result<()> {
    body.section("Regimes of groups over steps");
    let names = signals(settings);
    let mut any = false;
    for setting in settings {
        let mut table = Table::new(
            format!("Groups of all steps{}", runs_together(setting)),
            ["signal", "all-zero", "single-hit", "multi-hit", "all-hit", "groups", "repaired"],
        );
        let mut drawings = Vec::new();
        for signal in &names {
            let runs = steps(setting, signal);
            let (xs, shares) = shares(&runs);
            let chart = ShareChart {
                title: format!("{}: regimes of each step's groups", title(signal)),
                x: "step".to_owned(),
                xs,
                names: REGIMES.map(|(_, name)| name).to_vec(),
                shares,
            };
            drawings.extend(chart.drawing()?);
            let last = |name: &str| -> f64 {
                runs.iter().filter_map(|steps| steps.last()?.value(name)).sum()
            };
            let counts = REGIMES.map(|(name, _)| last(name));
            let groups: f64 = counts.iter().sum();
            if groups > 0.0 {
                let shares = counts.map(|count| format!("{:.1}%", 100.0 * count / groups));
                let counts = [groups, last("groups.repaired")].map(|count| format!("{count:.0}"));
                table.row(std::iter::once(title(signal)).chain(shares).chain(counts));
            }
        }
        if drawings.is_empty() {
            continue;
        }
        if !any {
            body.paragraph(
                "A group without a hit is all-zero. A group of hits alone is all-hit. The others \
                 have one hit or several, and misses.",
            );
        }
        any = true;
        if !setting.name.is_empty() {
            body.subsection(&setting.titled("Regimes"));
        }
        body.figures(&drawings);
        if !table.is_empty() {
            body.table(&table);
        }
    }
    if !any {
        body.missing("No step of reinforcement learning was taken yet.");
    }
    Ok(())
}

fn runs_together(setting: &Setting) -> String {
    match setting.folders.len() {
        1 => String::new(),
        runs => format!(", {runs} runs together"),
    }
}

/// The shares of each span of steps, from counts since the first step. Only steps that every run
/// has count, so that the sums over runs grow.
fn shares(runs: &[&[Point]]) -> (Vec<f64>, Vec<Vec<f64>>) {
    let Some(length) = runs.iter().map(|steps| steps.len()).min() else {
        return Default::default();
    };
    let counts = |step: usize| {
        REGIMES
            .map(|(name, _)| runs.iter().filter_map(|steps| steps[step].value(name)).sum::<f64>())
    };
    let span = length.div_ceil(MOST_SPANS).max(1);
    let (mut xs, mut shares, mut before) = (Vec::new(), Vec::new(), [0.0; 4]);
    for step in (0..length).filter(|step| (step + 1) % span == 0 || step + 1 == length) {
        let now = counts(step);
        let new: Vec<f64> = now.iter().zip(before).map(|(now, before)| now - before).collect();
        let sum: f64 = new.iter().sum();
        if sum > 0.0 && new.iter().all(|count| *count >= 0.0) {
            xs.push(runs[0][step].at as f64);
            shares.push(new.iter().map(|count| count / sum).collect());
        }
        before = now;
    }
    (xs, shares)
}

/// The completions that ReCast needed to reach each other signal's best.
pub(super) fn budget(body: &mut Body, settings: &[Setting]) -> Result<()> {
    body.section("Budget to target");
    let mut any = false;
    for setting in settings {
        let many = setting.folders.len() > 1;
        let mut heads = vec![
            "target",
            "validation Pass@1",
            "its completions",
            "completions of ReCast",
            "ReCast's share",
        ];
        if many {
            heads.insert(0, "run folder");
        }
        let mut table = Table::new(setting.titled("Completions generated until the target"), heads);
        let mut bars = Vec::new();
        for folder in &setting.folders {
            for found in budgets(&folder.dir, &folder.log) {
                let mut row = row(&found);
                if many {
                    row.insert(0, folder.name.clone());
                }
                table.row(row);
                bars.extend(pair(&found));
            }
        }
        if table.is_empty() {
            continue;
        }
        if !any {
            body.paragraph(
                "The target is the best validation Pass@1 of another signal. ReCast reaches it \
                 when the mean of its last three validations does.",
            );
        }
        any = true;
        if !many && bars.len() <= MOST_BARS {
            let title = "Completions generated until the target".to_owned();
            let chart = BarChart { title, parts: Vec::new(), bars };
            body.figures(&Vec::from_iter(chart.drawing()?));
        }
        body.table(&table);
    }
    if !any {
        body.missing("A target needs validations of ReCast and of another signal.");
    }
    Ok(())
}

fn row(found: &BudgetRatio) -> Vec<String> {
    let BudgetRatio { baseline, target, baseline_generated, recast_generated, .. } = found;
    let share = recast_generated.filter(|_| *baseline_generated > 0);
    let share =
        share.map(|recast| format!("{:.1}%", 100.0 * recast as f64 / *baseline_generated as f64));
    vec![
        format!("best of {}", title(baseline)),
        format!("{target:.4}"),
        baseline_generated.to_string(),
        recast_generated.map_or_else(|| "not reached".to_owned(), |recast| recast.to_string()),
        share.unwrap_or_else(|| "-".to_owned()),
    ]
}

/// The bars of the other signal and of ReCast.
fn pair(found: &BudgetRatio) -> [Bar; 2] {
    let BudgetRatio { baseline, baseline_generated, recast_generated, .. } = found;
    let bar = |name: String, completions: Option<u64>| {
        let value = completions.map_or_else(|| "not reached".to_owned(), |n| n.to_string());
        Bar { name, value, parts: vec![completions.unwrap_or(0) as f64] }
    };
    let baseline = title(baseline);
    [
        bar(format!("{baseline} to its best"), Some(*baseline_generated)),
        bar(format!("ReCast to the best of {baseline}"), *recast_generated),
    ]
}

/// The completions generated and trained a step, and the seconds of a step and of each phase.
pub(super) fn cost(body: &mut Body, settings: &[Setting]) -> Result<()> {
    body.section("Update width and time");
    let names = signals(settings);
    for setting in settings {
        if !setting.name.is_empty() {
            body.subsection(&setting.titled("Cost"));
        }
        let mut widths = Table::new(
            format!("Completions a step{}", runs_together(setting)),
            ["signal", "steps", "generated", "trained (update width)", "trained of generated"],
        );
        let mut parts: Vec<String> = PHASES.map(str::to_owned).to_vec();
        let mut seconds: Vec<(String, BTreeMap<String, f64>)> = Vec::new();
        for signal in &names {
            let runs = steps(setting, signal);
            let last: Vec<&Point> = runs.iter().filter_map(|steps| steps.last()).collect();
            let taken: f64 = last.iter().map(|point| point.at as f64).sum();
            if taken == 0.0 {
                continue;
            }
            let sum = |name: &str| last.iter().filter_map(|point| point.value(name)).sum::<f64>();
            let (generated, trained) = (sum("groups.generated"), sum("groups.trained"));
            widths.row([
                title(signal),
                format!("{taken:.0}"),
                number(generated / taken),
                number(trained / taken),
                format!("{:.1}%", 100.0 * trained / generated.max(1.0)),
            ]);
            let phases: BTreeSet<&str> = last
                .iter()
                .flat_map(|point| point.values.keys())
                .filter_map(|name| name.strip_prefix("seconds."))
                .collect();
            let of_step = phases
                .into_iter()
                .map(|phase| (phase.to_owned(), sum(&format!("seconds.{phase}")) / taken));
            let of_step: BTreeMap<String, f64> = of_step.collect();
            parts.extend(of_step.keys().filter(|name| !PHASES.contains(&name.as_str())).cloned());
            seconds.push((title(signal), of_step));
        }
        parts.sort_by_key(|part| PHASES.iter().position(|p| p == part).unwrap_or(PHASES.len()));
        parts.dedup();
        if !widths.is_empty() {
            body.table(&widths);
            seconds_of_steps(body, &parts, &seconds)?;
        }
        phases(body, setting);
    }
    Ok(())
}

fn seconds_of_steps(
    body: &mut Body,
    parts: &[String],
    seconds: &[(String, BTreeMap<String, f64>)],
) -> Result<()> {
    let words = |part: &String| part.replace('_', "-");
    let of_part = |phases: &BTreeMap<String, f64>, part: &String| {
        phases.get(part).copied().unwrap_or_default()
    };
    let bar = |(name, phases): &(String, BTreeMap<String, f64>)| {
        let parts: Vec<f64> = parts.iter().map(|part| of_part(phases, part)).collect();
        let value = format!("{:.3} s", parts.iter().sum::<f64>());
        Bar { name: name.clone(), value, parts }
    };
    let chart = BarChart {
        title: "Seconds of a step by phase, validations shared out".to_owned(),
        parts: parts.iter().map(words).collect(),
        bars: seconds.iter().map(bar).collect(),
    };
    body.figures(&Vec::from_iter(chart.drawing()?));
    let heads = std::iter::once("signal".to_owned()).chain(parts.iter().map(words));
    let mut table = Table::new("Seconds of a step", heads);
    for (name, phases) in seconds {
        let cells = parts.iter().map(|part| format!("{:.4}", of_part(phases, part)));
        table.row(std::iter::once(name.clone()).chain(cells));
    }
    body.table(&table);
    Ok(())
}

/// The time of each phase of the runs.
fn phases(body: &mut Body, setting: &Setting) {
    let all: BTreeSet<&String> = setting.folders.iter().flat_map(|f| f.phases.keys()).collect();
    if all.is_empty() {
        body.missing("No phase is done yet.");
        return;
    }
    let heads = setting.folders.iter().map(|folder| folder.name.as_str());
    let mut table = Table::new(
        "Time of each phase, all sessions together",
        std::iter::once("phase").chain(heads),
    );
    for phase in all {
        let of_run = setting.folders.iter().map(|folder| folder.phases.get(phase));
        let cells = of_run.map(|seconds| seconds.map_or("-".to_owned(), |s| duration(*s)));
        table.row(std::iter::once(phase.clone()).chain(cells));
    }
    body.table(&table);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn point(at: u64, counts: [f64; 4]) -> Point {
        let values = REGIMES.iter().zip(counts).map(|((name, _), n)| ((*name).to_owned(), n));
        Point { at, values: values.collect() }
    }

    #[test]
    fn shares_of_a_step_are_differences_of_counts_summed_over_runs() {
        let one = [point(1, [2.0, 2.0, 0.0, 0.0]), point(2, [2.0, 4.0, 1.0, 1.0])];
        let two = [point(1, [4.0, 0.0, 0.0, 0.0])];
        let (xs, found) = shares(&[&one]);
        assert_eq!(xs, [1.0, 2.0]);
        assert_eq!(found, [vec![0.5, 0.5, 0.0, 0.0], vec![0.0, 0.5, 0.25, 0.25]]);
        let (xs, found) = shares(&[&one, &two]);
        assert_eq!((xs, found), (vec![1.0], vec![vec![0.75, 0.25, 0.0, 0.0]]));
        assert_eq!(shares(&[]), (Vec::new(), Vec::new()));
    }

    #[test]
    fn a_target_that_was_missed_is_said() {
        let found = BudgetRatio {
            run_dir: "run".into(),
            baseline: "grpo".to_owned(),
            target: 0.5,
            baseline_generated: 100,
            recast_generated: None,
        };
        assert_eq!(row(&found), ["best of GRPO", "0.5000", "100", "not reached", "-"]);
        assert_eq!(pair(&found)[1].value, "not reached");
        let found = BudgetRatio { recast_generated: Some(25), ..found };
        assert_eq!(row(&found)[3..], ["25", "25.0%"]);
    }
}
