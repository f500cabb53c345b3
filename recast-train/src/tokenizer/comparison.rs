//! Reports of several tokenizers, side by side.

use std::fmt;

use serde::Serialize;

use crate::event::{LevelReport, TokenizerReport};

/// Reports of several tables, the first that of the run.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct TokenizerComparison {
    /// The tables, in the order of columns.
    pub tables: Vec<ComparedTable>,
    /// The reports that cannot be compared, and why.
    pub notes: Vec<String>,
}

/// One column of a [`TokenizerComparison`].
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ComparedTable {
    /// The run folder or the file.
    pub name: String,
    /// The table's report.
    #[serde(flatten)]
    pub report: TokenizerReport,
}

impl TokenizerComparison {
    /// Rows of a label and one cell a table; an empty cell where a table has no such number.
    fn rows(&self) -> Vec<(String, Vec<String>)> {
        let row = |label: &str, cell: &dyn Fn(&TokenizerReport) -> Option<String>| {
            let cells = self.tables.iter().map(|table| cell(&table.report).unwrap_or_default());
            (label.to_owned(), cells.collect())
        };
        let mut rows = vec![
            row("items", &|report| Some(report.items.to_string())),
            row("distinct SIDs of the quantiser", &|report| {
                Some(report.distinct_before.to_string())
            }),
            row("distinct SIDs", &|report| Some(report.distinct_after.to_string())),
            row("most items on one SID", &|report| Some(report.largest_group.to_string())),
            row("items that shared their SID", &|report| Some(percent(report.collision_rate, 1))),
        ];
        let levels = self.tables.iter().map(|table| table.report.levels.len()).max().unwrap_or(0);
        for level in 0..levels {
            let mut level_row = |label: &str, cell: &dyn Fn(&LevelReport) -> Option<String>| {
                let label = format!("level {}: {label}", level + 1);
                rows.push(row(&label, &|report| report.levels.get(level).and_then(cell)));
            };
            level_row("codes used", &|level| Some(format!("{} of {}", level.used, level.codes)));
            level_row("perplexity", &|level| Some(format!("{:.1}", level.perplexity)));
            level_row("entropy, nats", &|level| Some(format!("{:.3}", level.entropy)));
            level_row("different prefixes", &|level| Some(level.prefixes.to_string()));
            level_row("lost of the embeddings", &|level| {
                level.reconstruction_error.map(|error| percent(error, 1))
            });
            for (label, random) in [("shared by neighbours", false), ("shared by chance", true)] {
                let label = format!("prefix {}: {label}", level + 1);
                rows.push(row(&label, &|report| {
                    let shared = report.neighbourhood.as_ref()?.prefixes.get(level)?;
                    Some(if random {
                        percent(shared.random, 3)
                    } else {
                        percent(shared.neighbours, 1)
                    })
                }));
            }
        }
        rows
    }
}

fn percent(share: f64, decimals: usize) -> String {
    format!("{:.decimals$}%", 100.0 * share)
}

impl fmt::Display for TokenizerComparison {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let rows = self.rows();
        let label = rows.iter().map(|(label, _)| label.len()).max().unwrap_or(0);
        let widths: Vec<usize> = self
            .tables
            .iter()
            .enumerate()
            .map(|(i, table)| {
                let cells = rows.iter().map(|(_, cells)| cells[i].len()).max().unwrap_or(0);
                cells.max(table.name.chars().count())
            })
            .collect();
        write!(f, "{:label$}", "")?;
        for (table, width) in self.tables.iter().zip(&widths) {
            write!(f, "  {:>width$}", table.name)?;
        }
        for (name, cells) in rows {
            write!(f, "\n{name:label$}")?;
            for (cell, width) in cells.iter().zip(&widths) {
                let cell = if cell.is_empty() { "-" } else { cell };
                write!(f, "  {cell:>width$}")?;
            }
        }
        self.notes.iter().try_for_each(|note| write!(f, "\n{note}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::catalogue::SidTable;
    use crate::event::{Neighbourhood, SharedPrefix};

    fn report(
        codes: &[u16],
        levels: usize,
        neighbourhood: Option<Neighbourhood>,
    ) -> TokenizerReport {
        let table = SidTable::new(vec![4; levels], codes.to_vec()).unwrap();
        TokenizerReport::new(&table, &table, &[0.25], neighbourhood)
    }

    #[test]
    fn tables_stand_side_by_side_and_missing_numbers_are_dashes() {
        let prefixes = vec![SharedPrefix { neighbours: 0.5, random: 0.0625 }];
        let neighbourhood = Neighbourhood { sampled: 3, items: 3, neighbours: 2, prefixes };
        let tables = vec![
            ComparedTable {
                name: "this run".to_owned(),
                report: report(&[0, 1, 2], 1, Some(neighbourhood)),
            },
            ComparedTable {
                name: "index.json".to_owned(),
                report: report(&[0, 3, 0, 3, 1, 2], 2, None),
            },
        ];
        let notes = vec!["of index.json: table statistics alone".to_owned()];
        let text = TokenizerComparison { tables, notes }.to_string();
        let cells = |label: &str| -> Vec<&str> {
            let line = text.lines().find(|line| line.starts_with(label)).unwrap();
            line[label.len()..].split_whitespace().collect()
        };
        assert_eq!(cells("distinct SIDs  "), ["3", "2"]);
        assert_eq!(cells("level 1: codes used"), ["3", "of", "4", "2", "of", "4"]);
        assert_eq!(cells("level 2: different prefixes"), ["-", "2"]);
        assert_eq!(cells("level 2: lost of the embeddings"), ["-", "-"]);
        assert_eq!(cells("prefix 1: shared by neighbours"), ["50.0%", "-"]);
        assert_eq!(cells("prefix 1: shared by chance"), ["6.250%", "-"]);
        assert!(text.ends_with("\nof index.json: table statistics alone"), "{text}");
        let widths: Vec<usize> = text.lines().rev().skip(1).map(str::len).collect();
        assert!(widths.iter().all(|width| *width == widths[0]), "{text}");
    }
}
