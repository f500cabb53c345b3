//! The runs of the page, their warnings, and their systems on the test prompts.

use std::collections::BTreeSet;

use super::curves::spread;
use super::html::{Body, Table};
use super::runs::{Folder, Setting, System};
use crate::decode::Search;
use crate::error::SettingChange;

/// A row for each run folder.
pub(super) fn runs(body: &mut Body, settings: &[Setting]) {
    body.section("Runs");
    let is_one = settings.len() == 1;
    let mut heads = vec!["run folder", "seed", "state", "test prompts", "time", "peak memory"];
    if !is_one {
        heads.insert(1, "setting");
    }
    let mut table = Table::new("Run folders", heads);
    for (number, setting) in (1..).zip(settings) {
        for folder in &setting.folders {
            let summary = folder.summary.as_ref();
            let dash = || "-".to_owned();
            let memory = summary.and_then(|summary| summary.peak_memory_bytes);
            let mut row = vec![
                folder.name.clone(),
                folder.config.seed.to_string(),
                state(folder).to_owned(),
                summary.map_or_else(dash, |summary| summary.test_prompts.to_string()),
                duration(folder.phases.values().sum()),
                memory.map_or_else(dash, |bytes| format!("{} MiB", bytes >> 20)),
            ];
            if !is_one {
                row.insert(1, number.to_string());
            }
            table.row(row);
        }
    }
    body.table(&table);
    for setting in settings.iter().filter(|setting| !setting.differences.is_empty()) {
        let differences = SettingChange::list(&setting.differences);
        body.paragraph(&format!("{} differs from setting 1: {differences}.", setting.name));
    }
}

fn state(folder: &Folder) -> &'static str {
    match (&folder.summary, folder.log.steps.is_empty(), folder.log.epochs.contains_key("sft")) {
        (Some(_), _, _) => "judged",
        (None, false, _) => "reinforcement learning, not judged",
        (None, true, true) => "supervised training, not judged",
        (None, true, false) if folder.sids.is_some() => "semantic IDs, not trained",
        (None, true, false) => "prepared",
    }
}

/// Seconds as words.
pub(crate) fn duration(seconds: f64) -> String {
    let whole = seconds.max(0.0) as u64;
    match whole {
        0..60 => format!("{seconds:.1} s"),
        60..3600 => format!("{} min {:02} s", whole / 60, whole % 60),
        _ => format!("{} h {:02} min", whole / 3600, whole % 3600 / 60),
    }
}

/// The warnings of all runs, each listed once.
pub(super) fn warnings(body: &mut Body, settings: &[Setting]) {
    body.section("Warnings");
    let mut lines: Vec<String> = Vec::new();
    for warning in settings.iter().flat_map(|s| &s.folders).flat_map(|folder| &folder.warnings) {
        if !lines.contains(warning) {
            lines.push(warning.clone());
        }
    }
    match lines.is_empty() {
        true => body.missing("None."),
        false => body.list(&lines),
    }
}

/// Tables of every figure that the summaries hold of a system.
pub(super) fn systems(body: &mut Body, settings: &[Setting]) {
    body.section("Results on the test prompts");
    if settings.iter().flat_map(|s| &s.folders).all(|folder| folder.systems.is_empty()) {
        body.missing("No run was judged yet: these tables need recast eval.");
        return;
    }
    for setting in settings {
        if !setting.name.is_empty() {
            body.subsection(&setting.titled("Systems"));
        }
        let all = || setting.folders.iter().flat_map(|folder| &folder.systems);
        let sections: BTreeSet<&String> = all().flat_map(|system| system.figures.keys()).collect();
        if sections.is_empty() {
            body.missing("No run of this setting was judged yet.");
            continue;
        }
        body.paragraph(&protocol(setting));
        for section in sections {
            let (level, meaning) = match section.as_str() {
                "" => ("item level".to_owned(), ": only the target item counts"),
                "sid_level" => {
                    ("SID level".to_owned(), ": every item with the target's SID counts")
                }
                other => (other.replace('_', " "), ""),
            };
            let is_repeated = !section.is_empty()
                && all().all(|system| system.figures.get(section) == system.figures.get(""));
            match is_repeated {
                true => body.missing(&format!("All figures at {level} equal those above.")),
                false => body.table(&figures(setting, section, &format!("{level}{meaning}"))),
            }
        }
    }
}

fn protocol(setting: &Setting) -> String {
    let Some(summary) = setting.folders.iter().find_map(|folder| folder.summary.as_ref()) else {
        return String::new();
    };
    let search = match summary.evaluate.search {
        Search::Beam => format!("beam width {}", summary.evaluate.beam_width),
        Search::Exact => "exact search".to_owned(),
    };
    let history = if summary.evaluate.mask_history { "left out" } else { "allowed" };
    let mut words = format!(
        "{} test prompts, {search}, items of the history {history}. Items that share their SID: \
         {:.1}%.",
        summary.test_prompts,
        100.0 * summary.collision_rate
    );
    if let Some(bayes) = summary.bayes_pass_at_1 {
        words += &format!(" The best expected Pass@1 of any system is {bayes:.4}.");
    }
    words
}

fn figures(setting: &Setting, section: &str, level: &str) -> Table {
    let all = || setting.folders.iter().flat_map(|folder| &folder.systems);
    let of_section = |system: &System| system.figures.get(section).cloned().unwrap_or_default();
    let mut names: Vec<String> = all().flat_map(|system| of_section(system).into_keys()).collect();
    names.sort_by_key(|name| place(name));
    names.dedup();
    let many = setting.folders.len() > 1;
    let mut titles: Vec<&String> = Vec::new();
    for system in all() {
        if !titles.contains(&&system.title) {
            titles.push(&system.title);
        }
    }
    let heads = names.iter().map(|name| metric(name));
    let mut heads: Vec<String> = std::iter::once("system".to_owned()).chain(heads).collect();
    if many {
        heads.insert(1, "runs".to_owned());
    }
    let mut table = Table::new(format!("Metrics at {level}{}", setting.spread()), heads);
    for title in titles {
        let of_runs: Vec<_> =
            all().filter(|system| system.title == *title).map(of_section).collect();
        let cell = |name: &String| {
            let values: Vec<f64> =
                of_runs.iter().filter_map(|run| run.get(name).copied()).collect();
            if values.is_empty() {
                return "-".to_owned();
            }
            let low = values.iter().copied().fold(f64::INFINITY, f64::min);
            let high = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
            spread(low, values.iter().sum::<f64>() / values.len() as f64, high)
        };
        let mut row: Vec<String> =
            std::iter::once(title.clone()).chain(names.iter().map(cell)).collect();
        if many {
            row.insert(1, of_runs.len().to_string());
        }
        table.row(row);
    }
    table
}

/// A metric's parts: words before it, its name and its cut-off.
fn parts(name: &str) -> Option<(&str, &str, u64)> {
    let (left, cut) = name.rsplit_once("_at_")?;
    let known = ["pass", "recall", "ndcg", "hit_rate"];
    let metric = known.into_iter().find(|known| {
        left.strip_suffix(known).is_some_and(|rest| rest.is_empty() || rest.ends_with('_'))
    })?;
    let before = left.strip_suffix(metric)?.trim_end_matches('_');
    Some((before, metric, cut.parse().ok()?))
}

/// The place of a metric's column: Pass before Recall before NDCG, each by its cut-off.
fn place(name: &str) -> (String, usize, u64, String) {
    let Some((before, metric, cut)) = parts(name) else {
        return ("~".to_owned(), 0, 0, name.to_owned());
    };
    let known = ["pass", "hit_rate", "recall", "ndcg"];
    let order = known.iter().position(|known| *known == metric).unwrap_or(known.len());
    (before.to_owned(), order, cut, String::new())
}

/// The title of a metric's column.
fn metric(name: &str) -> String {
    let Some((before, metric, cut)) = parts(name) else { return name.replace('_', " ") };
    let metric = match metric {
        "pass" => "Pass",
        "recall" => "R",
        "ndcg" => "N",
        _ => "Hit",
    };
    format!("{} {metric}@{cut}", before.replace('_', " ")).trim_start().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_follow_metric_and_cut_off_and_unknown_ones_come_last() {
        let mut names = [
            "seconds",
            "recall_at_50",
            "ndcg_at_10",
            "recall_at_5",
            "pass_at_10",
            "masked_pass_at_1",
            "pass_at_1",
        ];
        names.sort_by_key(|name| place(name));
        let titles = names.map(metric);
        let expected = ["Pass@1", "Pass@10", "R@5", "R@50", "N@10", "masked Pass@1", "seconds"];
        assert_eq!(titles, expected);
    }

    #[test]
    fn durations_are_words() {
        let cases = [(0.25, "0.2 s"), (61.9, "1 min 01 s"), (3_725.0, "1 h 02 min")];
        for (seconds, expected) in cases {
            assert_eq!(duration(seconds), expected);
        }
    }
}
