//! Groups over steps by their regime.

use super::super::log::Point;
use super::html::{Body, Table};
use super::runs::{Setting, signals, title};
use super::shares::ShareChart;
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

/// Shares of groups by regime, for each signal.
pub(super) fn regimes(body: &mut Body, settings: &[Setting]) -> Result<()> {
    body.section("Regimes of groups over steps");
    let names = signals(settings);
    let mut any = false;
    for setting in settings {
        let mut table = Table::new(
            format!("Groups of all steps{}", setting.together()),
            ["signal", "all-zero", "single-hit", "multi-hit", "all-hit", "groups", "repaired"],
        );
        let mut drawings = Vec::new();
        for signal in &names {
            let runs = setting.steps(signal);
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
}
