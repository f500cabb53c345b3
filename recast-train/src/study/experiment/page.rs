//! The page of an experiment, in Markdown.

use std::fmt::Write as _;

use super::contrasts::{ArmContrast, Verdict};
use super::markdown::{short, table, wrapped};
use super::overview;
use super::picture::title;
use super::plan::ChooseBy;
use super::results::{ArmResult, CellResult, Reached, Results, TriedRate};
use crate::event::Metrics;
use crate::report::duration;
use crate::study::statistics::{Interval, mean};

/// Seeds from which on a result is more than exploratory.
const ENOUGH_SEEDS: usize = 5;

/// The page: the primary contrast in words, then tables, then the way to do it again. Tables of
/// many cells stand on [`cells_page`], and the page compares the cells.
pub(super) fn page(results: &Results, command: &str, has_sparsity: bool) -> String {
    let many = results.cells.len() > 1;
    let mut lines = match many {
        true => vec![overview::sentences(results)],
        false => results.cells.iter().map(|cell| sentences(results, cell)).collect(),
    };
    if results.seeds.len() < ENOUGH_SEEDS {
        let few = match results.seeds.len() {
            1 => "one seed tells".to_owned(),
            more => format!("{more} seeds tell"),
        };
        lines.push(format!("The result is exploratory: {few} little of the spread over seeds."));
    }
    lines.push("![Differences to the control](picture.svg)".to_owned());
    if has_sparsity {
        lines.push("![Differences over the all-zero share](sparsity.svg)".to_owned());
    }
    if many {
        let control = results.cells.first().map(|cell| primary_titles(results, cell)[1]);
        lines.push(format!(
            "The first column of numbers is the share of all-zero groups in the first steps. The \
             second is the test metric of {}, the others are differences to it. A bold difference \
             has a 95% interval without zero.",
            control.unwrap_or_default()
        ));
        lines.push(overview::tables(results));
        lines.push("[cells.md](cells.md) has all tables of each cell.".to_owned());
    } else {
        results.cells.iter().for_each(|cell| tables(results, cell, &mut lines));
    }
    lines.push("## How to do it again".to_owned());
    lines.push(again(results, command));
    wrapped(&lines.join("\n\n"))
}

/// The page of all tables of each cell; `None` of one cell, whose tables the main page has.
pub(super) fn cells_page(results: &Results) -> Option<String> {
    if results.cells.len() < 2 {
        return None;
    }
    let mut lines = vec!["[page.md](page.md) compares the cells.".to_owned()];
    for cell in &results.cells {
        lines.push(format!("## {}", cell.cell));
        lines.push(sentences(results, cell));
        tables(results, cell, &mut lines);
    }
    Some(wrapped(&lines.join("\n\n")))
}

/// The tables of a cell.
fn tables(results: &Results, cell: &CellResult, lines: &mut Vec<String>) {
    if let Some(share) = cell.all_zero {
        let share = 100.0 * share;
        lines.push(format!("In the first steps {share:.1}% of the groups were all-zero."));
    }
    for (mask_history, name) in
        [(cell.mask_history, "primary figure"), (!cell.mask_history, "other figure")]
    {
        let figure = if mask_history { "history masked" } else { "unmasked" };
        lines.push(format!("### Test metrics, {figure} ({name})"));
        lines.push(metrics(cell, mask_history));
    }
    let [primary, control] = primary_titles(results, cell);
    lines.push(format!("### Every arm against {control}"));
    lines.push(contrasts(cell, "arm", &cell.contrasts, |contrast| &contrast.arm));
    lines.push(format!("### {primary} against every arm"));
    lines.push(contrasts(cell, "against", &cell.of_primary, |contrast| &contrast.control));
    lines.push("### Cost".to_owned());
    lines.push(cost(cell));
    if !results.rates.is_empty() {
        lines.push("### Learning rates on trial".to_owned());
        lines.push(rates(results, cell));
    }
    if let Some(target) = &results.target {
        lines.push(format!("### Budget to the best validation of {}", title(cell, target)));
        lines.push(budgets(cell));
    }
    for arm in &cell.arms {
        let fault = |fault: &String| format!("{} has a seed without a decoder: {fault}", arm.title);
        lines.extend(arm.faults.iter().map(fault));
    }
}

/// The names of the two arms of the primary contrast.
fn primary_titles<'a>(results: &'a Results, cell: &'a CellResult) -> [&'a str; 2] {
    [&results.primary.arm, &results.primary.control].map(|name| title(cell, name))
}

/// The primary contrast in words, then the primary arm against the target.
fn sentences(results: &Results, cell: &CellResult) -> String {
    let [arm, control] = primary_titles(results, cell);
    let Some(contrast) = cell.contrast(&results.primary.arm) else {
        return format!("{arm} and {control} cannot be compared: no seed has both.");
    };
    let first = format!("{arm} {}.", in_words(contrast, control));
    let of_target = |name: &String| cell.of_primary.iter().find(|it| it.control == *name);
    match results.target.as_ref().and_then(of_target) {
        Some(contrast) => {
            let target = title(cell, &contrast.control);
            format!("{first}\n\n{arm} {}.", in_words(contrast, target))
        }
        None => first,
    }
}

/// A contrast in words, without the name of its arm.
fn in_words(contrast: &ArmContrast, control: &str) -> String {
    let verdict = match contrast.verdict {
        Verdict::Above => "above",
        Verdict::NotToldApart => "not above",
        Verdict::Below => "below",
    };
    let [of_arm, of_control] = contrast.pass_at_1;
    let Interval { mean, low, high } = contrast.difference;
    let relative = match of_control > 0.0 {
        true => format!(", {:+.1}% relative", 100.0 * mean / of_control),
        false => String::new(),
    };
    format!(
        "is {verdict} {control}: Pass@1 {} against {}, difference {} (95% interval {} to \
         {}){relative}",
        short(of_arm),
        short(of_control),
        short(mean),
        short(low),
        short(high)
    )
}

fn metrics(cell: &CellResult, mask_history: bool) -> String {
    let row = |arm: &ArmResult| {
        let Metrics { pass_at_1, recall_at_5, recall_at_10, recall_at_50, ndcg_at_10, .. } =
            *arm.metrics.get(mask_history);
        let spread = match (mask_history == cell.mask_history, arm.deviation) {
            (true, Some(deviation)) => format!(" ± {}", short(deviation)),
            _ => String::new(),
        };
        let rest = [recall_at_5, recall_at_10, recall_at_50, ndcg_at_10].map(short);
        let mut row = vec![arm.title.clone(), format!("{}{spread}", short(pass_at_1))];
        row.extend(rest);
        row.push(arm.seeds.len().to_string());
        row
    };
    table(&["arm", "Pass@1", "R@5", "R@10", "R@50", "N@10", "seeds"], cell.arms.iter().map(row))
}

/// A table of contrasts; `name` tells which arm of a contrast its row names.
fn contrasts(
    cell: &CellResult,
    head: &str,
    contrasts: &[ArmContrast],
    name: impl Fn(&ArmContrast) -> &String,
) -> String {
    let interval =
        |it: Interval| format!("{} ({} to {})", short(it.mean), short(it.low), short(it.high));
    let p = |value: f64| if value < 1e-4 { "< .0001".to_owned() } else { short(value) };
    let row = |contrast: &ArmContrast| {
        let by_seed: Vec<String> = contrast.p_value_by_seed.iter().map(|&it| p(it)).collect();
        vec![
            title(cell, name(contrast)).to_owned(),
            interval(contrast.difference),
            interval(contrast.recall_at_10),
            interval(contrast.ndcg_at_10),
            format!("{} / {}", contrast.discordant[0], contrast.discordant[1]),
            p(contrast.p_value),
            by_seed.join(", "),
            p(contrast.holm),
        ]
    };
    let head = [head, "Pass@1", "R@10", "N@10", "won / lost", "McNemar p", "by seed", "Holm"];
    table(&head, contrasts.iter().map(row))
}

fn cost(cell: &CellResult) -> String {
    let row = |arm: &ArmResult| {
        let share = |it: f64| format!("{:.1}%", 100.0 * it);
        let mut row = vec![
            arm.title.clone(),
            arm.rate.map_or("-".to_owned(), |rate| format!("{rate:e}")),
            arm.with_signal.map_or("-".to_owned(), share),
        ];
        let numbers = [arm.generated, arm.labels, arm.optimiser_steps, arm.seconds];
        row.extend(numbers.map(|number| format!("{number:.0}")));
        row
    };
    let head = [
        "arm",
        "rate",
        "groups with a signal",
        "completions",
        "labels",
        "optimiser steps",
        "seconds",
    ];
    table(&head, cell.arms.iter().map(row))
}

fn rates(results: &Results, cell: &CellResult) -> String {
    let mut head = vec!["arm".to_owned()];
    head.extend(results.rates.iter().map(|rate| format!("{rate:e}")));
    let head: Vec<&str> = head.iter().map(|name| &name[..]).collect();
    let row = |arm: &ArmResult| {
        let value = |tried: &TriedRate| match results.choose_by {
            ChooseBy::PassAt1 => tried.pass_at_1,
            ChooseBy::NdcgAt10 => tried.ndcg_at_10,
        };
        let shown = |tried: &TriedRate| {
            let text = value(tried).map_or("diverged".to_owned(), short);
            if arm.rate == Some(tried.rate) { format!("**{text}**") } else { text }
        };
        let cells = arm.tried.iter().map(shown);
        [arm.title.clone()].into_iter().chain(cells).collect()
    };
    let trained = cell.arms.iter().filter(|arm| !arm.tried.is_empty());
    let name = match results.choose_by {
        ChooseBy::PassAt1 => "Pass@1",
        ChooseBy::NdcgAt10 => "NDCG@10",
    };
    let seed = results.seeds[0];
    format!(
        "{}\n\nValidation {name} on seed {seed}; the bold rate was chosen, and test had no part in it.",
        table(&head, trained.map(row))
    )
}

fn budgets(cell: &CellResult) -> String {
    let row = |arm: &ArmResult| {
        let all = arm.reached.len();
        let of = |value: fn(&Reached) -> Option<u64>| {
            let found: Vec<f64> =
                arm.reached.iter().filter_map(value).map(|it| it as f64).collect();
            match found.len() {
                0 => "not reached".to_owned(),
                some if some < all => format!("{:.0} ({some} of {all} seeds)", mean(&found)),
                _ => format!("{:.0}", mean(&found)),
            }
        };
        let own: Vec<f64> = arm.reached.iter().map(|it| it.target_generated as f64).collect();
        let targets: Vec<f64> = arm.reached.iter().map(|it| it.target).collect();
        vec![
            arm.title.clone(),
            of(|it| it.generated),
            of(|it| it.steps),
            short(mean(&targets)),
            format!("{:.0}", mean(&own)),
        ]
    };
    let head = ["arm", "completions", "steps", "target Pass@1", "target's completions"];
    table(&head, cell.arms.iter().filter(|arm| !arm.reached.is_empty()).map(row))
}

fn again(results: &Results, command: &str) -> String {
    let mut text = format!("```sh\n{command}\n```\n\n");
    let _ = writeln!(text, "All jobs together took {}, on:\n", duration(results.seconds));
    for machine in &results.machines {
        let processor = machine.processor.as_deref().unwrap_or("a processor without a name");
        let threads = match machine.threads {
            1 => "1 thread".to_owned(),
            more => format!("{more} threads"),
        };
        let (vectors, version) = (&machine.vectors, &machine.version);
        let _ = writeln!(text, "- {processor}, {threads}, {vectors}, recast {version}");
    }
    let mut prompts: Vec<usize> = results.cells.iter().map(|cell| cell.test_prompts).collect();
    prompts.sort_unstable();
    prompts.dedup();
    let prompts: Vec<String> = prompts.iter().map(usize::to_string).collect();
    let prompts = prompts.join(" or ");
    let _ = write!(
        text,
        "\nIntervals are two-level bootstrap intervals at 95%: {} draws of seeds, then of users. A \
         run has {prompts} test prompts. The tests are exact McNemar tests of Pass@1, pooled over \
         seeds; Holm's adjustment covers the contrasts of a table. Labels are targets that training \
         wrote into its batches.",
        results.draws
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::study::experiment::plan::Contrast;

    fn results(low: f64, high: f64, verdict: Verdict) -> Results {
        let difference = Interval { mean: (low + high) / 2.0, low, high };
        let contrast = ArmContrast {
            arm: "recast".to_owned(),
            control: "supervised".to_owned(),
            seeds: vec![1],
            pass_at_1: [0.024, 0.0243],
            difference,
            recall_at_10: difference,
            ndcg_at_10: difference,
            discordant: [3, 4],
            p_value: 0.5,
            p_value_by_seed: vec![0.5],
            holm: 0.5,
            verdict,
        };
        Results {
            primary: Contrast { arm: "recast".to_owned(), control: "supervised".to_owned() },
            target: None,
            seeds: vec![1],
            rates: Vec::new(),
            choose_by: ChooseBy::PassAt1,
            draws: 2000,
            cells: vec![CellResult {
                cell: "data".to_owned(),
                axis: None,
                test_prompts: 9,
                mask_history: false,
                all_zero: None,
                arms: Vec::new(),
                contrasts: vec![contrast],
                of_primary: Vec::new(),
            }],
            seconds: 60.0,
            machines: Vec::new(),
        }
    }

    #[test]
    fn the_page_opens_with_the_primary_contrast_in_words() {
        for (low, high, verdict, expected) in [
            (
                -0.0009,
                0.0003,
                Verdict::NotToldApart,
                "recast is not above supervised: Pass@1 .0240 against .0243, difference -.0003 \
                 (95% interval -.0009 to .0003), -1.2% relative.",
            ),
            (
                0.0009,
                0.0019,
                Verdict::Above,
                "recast is above supervised: Pass@1 .0240 against .0243, difference .0014 \
                 (95% interval .0009 to .0019), +5.8% relative.",
            ),
            (
                -0.0019,
                -0.0009,
                Verdict::Below,
                "recast is below supervised: Pass@1 .0240 against .0243, difference -.0014 \
                 (95% interval -.0019 to -.0009), -5.8% relative.",
            ),
        ] {
            let page = page(&results(low, high, verdict), "recast experiment plan.toml", false);
            let first = page.split("\n\n").next().unwrap();
            assert_eq!(first.replace('\n', " "), expected);
            assert!(page.contains("The result is exploratory: one seed tells"), "{page}");
            assert!(page.ends_with("into its batches.\n"), "{page}");
            assert!(page.contains("```sh\nrecast experiment plan.toml\n```"), "{page}");
        }
    }

    #[test]
    fn an_arm_without_a_seed_is_said_aloud() {
        let mut results = results(0.0, 0.0, Verdict::Above);
        results.cells[0].contrasts.clear();
        let found = sentences(&results, &results.cells[0]);
        assert_eq!(found, "recast and supervised cannot be compared: no seed has both.");
    }
}
