//! The quality of semantic IDs.

use super::html::{Body, Table};
use super::runs::Setting;
use crate::event::TokenizerReport;

/// The numbers that making the semantic IDs reported, run by run.
pub(super) fn sids(body: &mut Body, settings: &[Setting]) {
    body.section("Quality of semantic IDs");
    let folders = || settings.iter().flat_map(|setting| &setting.folders);
    let reports: Vec<(&str, &TokenizerReport)> =
        folders().filter_map(|f| Some((f.name.as_str(), f.sids.as_ref()?))).collect();
    if reports.is_empty() {
        body.missing("No run has semantic IDs yet: these tables need recast tokenize.");
        return;
    }
    let mut table = Table::new(
        "Collisions",
        [
            "run folder",
            "items",
            "different SIDs",
            "before resolving",
            "most items on one",
            "items that shared their SID",
        ],
    );
    for (name, report) in &reports {
        table.row([
            (*name).to_owned(),
            report.items.to_string(),
            report.distinct_after.to_string(),
            report.distinct_before.to_string(),
            report.largest_group.to_string(),
            percent(report.collision_rate, 1),
        ]);
    }
    body.table(&table);
    let mut table = Table::new(
        "Codes of each level",
        [
            "run folder",
            "level",
            "codes used",
            "perplexity",
            "entropy, nats",
            "different prefixes",
            "lost of the embeddings",
            "prefix shared by neighbours",
            "shared by chance",
        ],
    );
    for (name, report) in &reports {
        let shared = report.neighbourhood.as_ref().map(|found| found.prefixes.as_slice());
        let shared = shared.unwrap_or_default();
        for (i, level) in report.levels.iter().enumerate() {
            let dash = || "-".to_owned();
            let lost = level.reconstruction_error;
            table.row([
                (*name).to_owned(),
                (i + 1).to_string(),
                format!("{} of {}", level.used, level.codes),
                format!("{:.1}", level.perplexity),
                format!("{:.3}", level.entropy),
                level.prefixes.to_string(),
                lost.map_or_else(dash, |lost| percent(lost, 1)),
                shared.get(i).map_or_else(dash, |shared| percent(shared.neighbours, 1)),
                shared.get(i).map_or_else(dash, |shared| percent(shared.random, 3)),
            ]);
        }
    }
    body.table(&table);
}

fn percent(share: f64, decimals: usize) -> String {
    format!("{:.decimals$}%", 100.0 * share)
}
