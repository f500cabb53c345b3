//! The metrics of systems as a table: the primary figure, and the other figure beside it.

use std::fmt::{self, Display};

use serde::Serialize;

use crate::event::{Both, Metrics, SystemResult};

/// The columns of one figure.
const COLUMNS: [&str; 5] = ["Pass@1", "R@5", "R@10", "R@50", "N@10"];

/// The name of a figure.
pub(super) const fn figure(mask_history: bool) -> &'static str {
    if mask_history { "masked" } else { "unmasked" }
}

/// The values of [`COLUMNS`].
pub(super) const fn columns(metrics: &Metrics) -> [f64; 5] {
    let Metrics { pass_at_1, recall_at_5, recall_at_10, recall_at_50, ndcg_at_10, .. } = *metrics;
    [pass_at_1, recall_at_5, recall_at_10, recall_at_50, ndcg_at_10]
}

/// Two lines: the figures, and the columns of each behind `label`.
pub(super) fn heading(label: &str, mask_history: bool) -> String {
    let [first, second] = [mask_history, !mask_history].map(figure);
    let columns: String = COLUMNS.map(|name| format!(" {name:>6}")).concat();
    let indent = label.len();
    format!("{:indent$} {first:<34}   {second}\n{label}{columns}  {columns}", "")
}

/// The values of both figures, the primary one first.
pub(super) fn cells(both: Both<[f64; 5]>, mask_history: bool) -> String {
    let cells = |values: &[f64; 5]| values.map(|value| format!(" {value:>6.4}")).concat();
    format!("{}  {}", cells(both.get(mask_history)), cells(both.get(!mask_history)))
}

/// Warnings on the data, then a table of systems at item level.
#[derive(Serialize)]
pub(crate) struct SystemTable<'a> {
    pub(crate) warnings: &'a [String],
    pub(crate) systems: &'a [SystemResult],
    /// Whether the primary figure masks the history.
    #[serde(skip)]
    pub(crate) mask_history: bool,
}

impl Display for SystemTable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.warnings.iter().try_for_each(|warning| writeln!(f, "warning: {warning}"))?;
        writeln!(f, "{}", heading("system      ", self.mask_history))?;
        for SystemResult { title, both, .. } in self.systems {
            let values = Both::of(|mask_history| columns(&both.get(mask_history).item));
            writeln!(f, "{title:<12}{}", cells(values, self.mask_history))?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::event::Evaluation;

    #[test]
    fn a_row_holds_the_primary_figure_first_and_fits_a_hundred_columns() {
        let of = |first: f64| Metrics {
            pass_at_1: first,
            recall_at_5: first + 0.1,
            recall_at_10: first + 0.2,
            recall_at_50: first + 0.3,
            ndcg_at_10: first + 0.15,
            ..Metrics::default()
        };
        let both = Both { unmasked: of(0.1), masked: of(0.5) };
        let both = Both::of(|mask| Evaluation { item: *both.get(mask), sid: Metrics::default() });
        for mask_history in [false, true] {
            let result = SystemResult {
                name: "sft".to_owned(),
                title: "REINFORCE++".to_owned(),
                primary: *both.get(mask_history),
                both,
            };
            let systems = [result];
            let table = SystemTable { warnings: &[], systems: &systems, mask_history }.to_string();
            let lines: Vec<&str> = table.lines().collect();
            assert!(lines.iter().all(|line| line.len() <= 100), "{table}");
            let words = |line: usize| -> Vec<&str> { lines[line].split_whitespace().collect() };
            let mut figures = [
                ["0.1000", "0.2000", "0.3000", "0.4000", "0.2500"],
                ["0.5000", "0.6000", "0.7000", "0.8000", "0.6500"],
            ];
            let mut names = ["unmasked", "masked"];
            if mask_history {
                figures.reverse();
                names.reverse();
            }
            assert_eq!(words(0), names);
            assert_eq!(words(1), [&["system"], &COLUMNS[..], &COLUMNS].concat());
            assert_eq!(words(2), [&["REINFORCE++"], &figures[0][..], &figures[1]].concat());
        }
    }
}
