//! Update widths and times.

use std::collections::{BTreeMap, BTreeSet};

use super::super::log::Point;
use super::bars::{Bar, BarChart};
use super::chart::number;
use super::html::{Body, Table};
use super::results::duration;
use super::runs::{Setting, signals, title};
use crate::error::Result;

/// Phases of a step in their order; a phase that is not listed comes after these.
const PHASES: [&str; 7] =
    ["generate", "select", "old_log_prob", "ref_log_prob", "update", "optimiser", "evaluate"];

/// The completions generated and trained a step, and the seconds of a step and of each phase.
pub(super) fn cost(body: &mut Body, settings: &[Setting]) -> Result<()> {
    body.section("Update width and time");
    let names = signals(settings);
    for setting in settings {
        if !setting.name.is_empty() {
            body.subsection(&setting.titled("Cost"));
        }
        let mut widths = Table::new(
            format!("Completions a step{}", setting.together()),
            ["signal", "steps", "generated", "trained (update width)", "trained of generated"],
        );
        let mut parts: Vec<String> = PHASES.map(str::to_owned).to_vec();
        let mut seconds: Vec<(String, BTreeMap<String, f64>)> = Vec::new();
        for signal in &names {
            let runs = setting.steps(signal);
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
    let mut all: Vec<&String> = all.into_iter().collect();
    // the others, one for each signal, come in between
    let place = |phase: &str| match phase {
        "prepare" => 0,
        "tokenize" => 1,
        "sft" => 2,
        "evaluate" => 4,
        _ => 3,
    };
    all.sort_by_key(|phase| place(phase));
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
