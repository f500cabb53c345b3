//! Budgets of completions to a target.

use super::super::budget::{BudgetRatio, budgets};
use super::bars::{Bar, BarChart};
use super::html::{Body, Table};
use super::runs::{Setting, title};
use crate::error::Result;

/// The most bars of a chart.
const MOST_BARS: usize = 12;

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

#[cfg(test)]
mod tests {
    use super::*;

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
