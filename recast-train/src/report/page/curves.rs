//! Curves over training: validations, losses, rewards and log-probs.

use std::collections::BTreeMap;

use super::super::log::{Curve, Point};
use super::html::{Body, Drawing, Table};
use super::lines::{LineChart, Place, Series};
use super::runs::{Folder, Setting, signals, title};
use super::style::Look;
use crate::error::Result;

/// The most places of a curve of steps: a longer one shows means of neighbouring steps.
const MOST_PLACES: usize = 60;

/// The metrics of a validation and their titles.
const METRICS: [(&str, &str); 2] = [("pass_at_1", "Pass@1"), ("ndcg_at_10", "N@10")];

/// Validation metrics over steps, and over the completions generated until then.
pub(super) fn learning(body: &mut Body, settings: &[Setting]) -> Result<()> {
    body.section("Learning curves");
    let names = signals(settings);
    if names.is_empty() {
        body.missing("No signal was validated yet: these curves need recast rl.");
        return Ok(());
    }
    body.paragraph(
        "Metrics on the validation prompts. Step 0 is the supervised decoder, from which every \
         signal starts. Completions generated are the budget of rollouts.",
    );
    for setting in settings {
        if !setting.name.is_empty() {
            body.subsection(&setting.titled("Validation"));
        }
        let mut charts = Vec::new();
        for (metric, metric_title) in METRICS {
            for (x, x_title) in [("step", "step"), ("generated", "completions generated")] {
                let place = |point: &Point| match x {
                    "generated" => point.value("generated"),
                    _ => Some(point.at as f64),
                };
                let curve = |folder: &Folder, key: &str| {
                    folder.log.validations.get(key).cloned().unwrap_or_default()
                };
                charts.push(LineChart {
                    title: format!("{metric_title} over {x_title}{}", setting.spread()),
                    x: x_title.to_owned(),
                    y: format!("validation {metric_title}"),
                    series: of_signals(setting, &names, curve, place, metric),
                    y_range: None,
                });
            }
        }
        let drawings = drawings(charts)?;
        if drawings.is_empty() {
            body.missing("No signal of this setting was validated yet.");
            continue;
        }
        body.figures(&drawings);
        body.details("The numbers of these curves", |body| {
            for (metric, metric_title) in METRICS {
                body.table(&numbers(setting, &names, metric, metric_title));
            }
        });
    }
    Ok(())
}

/// The losses of supervised stages, and the validations after their epochs.
pub(super) fn supervised(body: &mut Body, settings: &[Setting]) -> Result<()> {
    body.section("Supervised training");
    let mut any = false;
    for setting in settings {
        let mut charts = Vec::new();
        for (stage, y) in [("sft", "loss, nats"), ("sasrec", "loss, nats"), ("rq_vae", "loss")] {
            let losses = |folder: &Folder, _: &str| {
                folder.log.epochs.get(stage).cloned().unwrap_or_default()
            };
            charts.push(stage_chart(setting, stage, "loss", y, "loss", losses));
            let validated = |folder: &Folder, _: &str| {
                folder.log.validations.get(stage).cloned().unwrap_or_default()
            };
            charts.push(stage_chart(
                setting,
                stage,
                "validation N@10",
                "validation N@10",
                "ndcg_at_10",
                validated,
            ));
        }
        let drawings = drawings(charts)?;
        any |= !drawings.is_empty();
        if !drawings.is_empty() {
            if !setting.name.is_empty() {
                body.subsection(&setting.titled("Epochs"));
            }
            body.figures(&drawings);
        }
    }
    if !any {
        body.missing("No epoch was trained yet: these curves need recast sft.");
    }
    Ok(())
}

/// Log-probs of positives and negatives, and mean rewards, over steps.
pub(super) fn steps(body: &mut Body, settings: &[Setting]) -> Result<()> {
    body.section("Rewards and log-probs over steps");
    let names = signals(settings);
    let mut any = false;
    for setting in settings {
        let curve = |folder: &Folder, key: &str| {
            thinned(folder.log.steps.get(key).map_or(&[][..], Vec::as_slice))
        };
        let at = |point: &Point| Some(point.at as f64);
        let series = |value: &str| of_signals(setting, &names, curve, at, value);
        let chart = |title: &str, y: &str, value: &str| LineChart {
            title: format!("{title}{}", setting.spread()),
            x: "step".to_owned(),
            y: y.to_owned(),
            series: series(value),
            y_range: None,
        };
        let mut charts = vec![
            chart("Log-prob of trained positives", "log-prob, nats", "positive_log_prob"),
            chart("Log-prob of trained negatives", "log-prob, nats", "negative_log_prob"),
        ];
        let both = charts.iter().filter_map(LineChart::extent);
        let common = both.reduce(|a, b| (a.0.min(b.0), a.1.max(b.1)));
        charts.iter_mut().for_each(|chart| chart.y_range = common);
        charts.push(chart("Mean reward of the completions generated", "reward", "mean_reward"));
        charts.push(chart("KL penalty of a token, before its coefficient", "nats", "kl"));
        let drawings = drawings(charts)?;
        if drawings.is_empty() {
            continue;
        }
        if !setting.name.is_empty() {
            body.subsection(&setting.titled("Steps"));
        }
        if !any {
            body.paragraph(
                "A positive is a trained completion whose advantages add up to more than zero, a \
                 negative one of less than zero. Long curves show means of neighbouring steps.",
            );
        }
        any = true;
        body.figures(&drawings);
        if series("positive_log_prob").is_empty() {
            body.missing("This log holds no log-probs of positives: an earlier version wrote it.");
        }
    }
    if !any {
        body.missing("No step of reinforcement learning was taken yet.");
    }
    Ok(())
}

fn stage_chart(
    setting: &Setting,
    stage: &str,
    name: &str,
    y: &str,
    value: &str,
    curve: impl Fn(&Folder, &str) -> Curve,
) -> LineChart {
    let names = [stage.to_owned()];
    let mut series = of_signals(setting, &names, curve, |point| Some(point.at as f64), value);
    // the title names the only curve
    series.iter_mut().for_each(|series| series.look = Look::of(0));
    LineChart {
        title: format!("{}: {name} of each epoch{}", title(stage), setting.spread()),
        x: "epoch".to_owned(),
        y: y.to_owned(),
        series,
        y_range: None,
    }
}

fn drawings(charts: Vec<LineChart>) -> Result<Vec<Drawing>> {
    let drawn = charts.into_iter().map(LineChart::drawing);
    Ok(drawn.collect::<Result<Vec<_>>>()?.into_iter().flatten().collect())
}

/// A curve for each signal that has one; a signal has the same look in all charts.
fn of_signals(
    setting: &Setting,
    names: &[String],
    curve: impl Fn(&Folder, &str) -> Curve,
    x: impl Fn(&Point) -> Option<f64>,
    value: &str,
) -> Vec<Series> {
    let of_signal = |(number, key): (usize, &String)| {
        let curves: Vec<Curve> = setting.folders.iter().map(|folder| curve(folder, key)).collect();
        let places = band(&curves, &x, value);
        Series { name: title(key), look: Look::of(number), places }
    };
    let all = names.iter().enumerate().map(of_signal);
    all.filter(|series| !series.places.is_empty()).collect()
}

/// The lowest, the mean and the highest value at each step that some run has.
fn band(curves: &[Curve], x: impl Fn(&Point) -> Option<f64>, value: &str) -> Vec<Place> {
    let mut steps: BTreeMap<u64, Vec<(f64, f64)>> = BTreeMap::new();
    for point in curves.iter().flatten() {
        if let (Some(x), Some(y)) = (x(point), point.value(value)) {
            steps.entry(point.at).or_default().push((x, y));
        }
    }
    let place = |of_runs: Vec<(f64, f64)>| {
        let count = of_runs.len() as f64;
        let ys = || of_runs.iter().map(|&(_, y)| y);
        Place {
            x: of_runs.iter().map(|&(x, _)| x).sum::<f64>() / count,
            low: ys().fold(f64::INFINITY, f64::min),
            mean: ys().sum::<f64>() / count,
            high: ys().fold(f64::NEG_INFINITY, f64::max),
        }
    };
    steps.into_values().map(place).collect()
}

/// Means of neighbouring points, at the last of each.
fn thinned(curve: &[Point]) -> Curve {
    let size = curve.len().div_ceil(MOST_PLACES).max(1);
    let mean = |points: &[Point]| {
        let mut sums: BTreeMap<String, (f64, f64)> = BTreeMap::new();
        for (name, &value) in points.iter().flat_map(|point| &point.values) {
            let (sum, count) = sums.entry(name.clone()).or_default();
            (*sum, *count) = (*sum + value, *count + 1.0);
        }
        let values = sums.into_iter().map(|(name, (sum, count))| (name, sum / count)).collect();
        Point { at: points.last().map_or(0, |point| point.at), values }
    };
    curve.chunks(size).map(mean).collect()
}

/// A row for each step and a column for each signal.
fn numbers(setting: &Setting, names: &[String], metric: &str, metric_title: &str) -> Table {
    let curve =
        |folder: &Folder, key: &str| folder.log.validations.get(key).cloned().unwrap_or_default();
    let series = of_signals(setting, names, curve, |point| Some(point.at as f64), metric);
    let heads = series.iter().map(|series| series.name.as_str());
    let caption = format!("Validation {metric_title}{}", setting.spread());
    let mut table = Table::new(caption, std::iter::once("step").chain(heads));
    let mut steps: Vec<u64> =
        series.iter().flat_map(|series| &series.places).map(|place| place.x as u64).collect();
    steps.sort_unstable();
    steps.dedup();
    for step in steps {
        let cell = |series: &Series| {
            let place = series.places.iter().find(|place| place.x as u64 == step);
            place.map_or_else(|| "-".to_owned(), |place| spread(place.low, place.mean, place.high))
        };
        table.row(std::iter::once(step.to_string()).chain(series.iter().map(cell)));
    }
    table
}

/// A mean, with the lowest and the highest value where these differ. A narrow cell breaks only
/// before the bracket.
pub(super) fn spread(low: f64, mean: f64, high: f64) -> String {
    match low < high {
        true => format!("{mean:.4} ({low:.4}\u{a0}to\u{a0}{high:.4})"),
        false => format!("{mean:.4}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curve(values: &[(u64, f64)]) -> Curve {
        let point = |&(at, value): &(u64, f64)| Point {
            at,
            values: BTreeMap::from([("v".to_owned(), value)]),
        };
        values.iter().map(point).collect()
    }

    #[test]
    fn a_band_has_the_lowest_the_mean_and_the_highest_of_the_runs_at_a_step() {
        let curves = [curve(&[(0, 1.0), (5, 2.0)]), curve(&[(0, 3.0)])];
        let found = band(&curves, |point| Some(point.at as f64), "v");
        let expected = [
            Place { x: 0.0, low: 1.0, mean: 2.0, high: 3.0 },
            Place { x: 5.0, low: 2.0, mean: 2.0, high: 2.0 },
        ];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_long_curve_becomes_means_of_neighbours() {
        let values: Vec<(u64, f64)> = (1..=120).map(|step| (step, step as f64)).collect();
        let thin = thinned(&curve(&values));
        assert_eq!(thin.len(), 60);
        assert_eq!((thin[0].at, thin[0].value("v")), (2, Some(1.5)));
        let short = curve(&[(1, 1.0), (2, 3.0)]);
        assert_eq!(thinned(&short), short);
    }
}
