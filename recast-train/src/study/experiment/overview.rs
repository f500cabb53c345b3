//! The opening of a page of many cells.

use super::contrasts::{ArmContrast, Verdict};
use super::markdown::{short, table};
use super::picture::title;
use super::results::{CellResult, Results};
use crate::event::Metrics;
use crate::study::statistics::Interval;

/// A metric of a table: its name, its difference in a contrast, and its value.
type Metric = (&'static str, fn(&ArmContrast) -> Interval, fn(&Metrics) -> f64);

const METRICS: [Metric; 3] = [
    ("Pass@1", |contrast| contrast.difference, |metrics| metrics.pass_at_1),
    ("R@10", |contrast| contrast.recall_at_10, |metrics| metrics.recall_at_10),
    ("N@10", |contrast| contrast.ndcg_at_10, |metrics| metrics.ndcg_at_10),
];

/// The cells, those with the fewest all-zero groups first.
pub(super) fn by_share(results: &Results) -> Vec<&CellResult> {
    let mut cells: Vec<&CellResult> = results.cells.iter().collect();
    let share = |cell: &CellResult| cell.all_zero.unwrap_or(f64::NAN);
    cells.sort_by(|a, b| share(a).total_cmp(&share(b)));
    cells
}

/// In how many cells the primary arm is above its control, then above the target.
pub(super) fn sentences(results: &Results) -> String {
    let primary = &results.primary;
    let against = |cell: &CellResult, name: &str| {
        let mut contrasts = cell.contrasts.iter().chain(&cell.of_primary);
        contrasts.find(|it| it.arm == primary.arm && it.control == name).map(|it| it.verdict)
    };
    let sentence = |name: &str| {
        let verdicts = results.cells.iter().filter_map(|cell| against(cell, name));
        let (mut above, mut below, mut all) = (0, 0, 0);
        for verdict in verdicts {
            all += 1;
            above += usize::from(verdict == Verdict::Above);
            below += usize::from(verdict == Verdict::Below);
        }
        let [arm, other] = [&primary.arm, name]
            .map(|name| results.cells.first().map_or(name, |cell| title(cell, name)));
        let rest = all - above - below;
        format!(
            "In test Pass@1 {arm} is above {other} in {above} of {all} cells, below in {below}, and \
             not told apart in {rest}."
        )
    };
    let control = std::iter::once(&primary.control);
    let target = results.target.iter().filter(|&name| *name != primary.control);
    let sentences: Vec<String> = control.chain(target).map(|name| sentence(name)).collect();
    sentences.join("\n\n")
}

/// A table for each metric: the control's value and every arm's difference to it, a row a cell.
pub(super) fn tables(results: &Results) -> String {
    let Some(first) = results.cells.first() else { return String::new() };
    let control = title(first, &results.primary.control);
    let arms: Vec<&String> = first.contrasts.iter().map(|contrast| &contrast.arm).collect();
    let mut head = vec!["cell", "all-zero", control];
    head.extend(arms.iter().map(|arm| title(first, arm)));
    let of_metric = |(name, difference, value): Metric| {
        let row = |cell: &&CellResult| {
            let share = cell.all_zero.map(|share| format!("{:.0}%", 100.0 * share));
            let own = cell.arms.iter().find(|arm| arm.arm == results.primary.control);
            let own = own.map(|arm| value(arm.metrics.get(cell.mask_history)));
            let none = || "-".to_owned();
            let mut row = vec![cell.cell.clone(), share.unwrap_or_else(none)];
            row.push(own.map_or_else(none, short));
            row.extend(arms.iter().map(|&arm| {
                let found = cell.contrast(arm);
                found.map_or_else(none, |contrast| marked(difference(contrast)))
            }));
            row
        };
        format!("### {name}\n\n{}", table(&head, by_share(results).iter().map(row)))
    };
    METRICS.map(of_metric).join("\n\n")
}

/// A mean difference, in bold where the interval leaves out zero.
fn marked(interval: Interval) -> String {
    let text = short(interval.mean);
    let apart = interval.low > 0.0 || interval.high < 0.0;
    if apart { format!("**{text}**") } else { text }
}
