//! The two figures of a judgement, the ranks behind them, and the diagnosis of decoders.

use std::fs;

use serde_json::Value;

use crate::{Desk, SMALL, forget_checksums, text};

const METRICS: [&str; 5] =
    ["pass_at_1", "recall_at_5", "recall_at_10", "recall_at_50", "ndcg_at_10"];

impl Desk {
    /// A short run of the synthetic catalogue; returns its table.
    fn judged(&self, run: &str, more: &[&str]) -> String {
        let short = ["run", "--quiet", "--run-dir", run, "--set", "sft.epochs=2"];
        let rl = ["--set", "rl.steps=1", "--set", "rl.signals=[\"recast\"]"];
        let output = self.recast(&[&short[..], &rl, &SMALL, more].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stderr)
    }

    fn value(&self, path: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(path)).unwrap()).unwrap()
    }
}

/// The words of a table's row.
fn row<'a>(table: &'a str, title: &str) -> Vec<&'a str> {
    let row = table.lines().find(|line| line.split_whitespace().next() == Some(title));
    row.unwrap_or_else(|| panic!("no row {title}: {table}")).split_whitespace().collect()
}

fn shown(figure: &Value) -> Vec<String> {
    METRICS.iter().map(|name| format!("{:.4}", figure[name].as_f64().unwrap())).collect()
}

#[test]
fn both_figures_are_of_one_search_and_the_settings_say_which_comes_first() {
    let desk = Desk::new();
    let table = desk.judged("run", &["--set", "evaluate.beam_width=64"]);
    let summary = desk.value("run/summary.json");
    assert!(table.contains("primary figure unmasked, beam width 64"), "{table}");
    let columns = ["Pass@1", "R@5", "R@10", "R@50", "N@10"];
    assert_eq!(row(&table, "system")[1..], [columns, columns].concat());
    let of_systems = table.lines().skip_while(|line| !line.starts_with("system"));
    assert!(of_systems.take_while(|line| !line.is_empty()).all(|line| line.len() <= 100));
    let systems = summary["systems"].as_array().unwrap().clone();
    let names: Vec<&str> = systems.iter().map(|it| it["name"].as_str().unwrap()).collect();
    assert_eq!(names, ["popularity", "item_knn", "sft", "recast", "oracle"]);
    for system in &systems {
        let own = row(&table, system["title"].as_str().unwrap());
        assert_eq!(own[1..6], shown(&system["unmasked"]), "{table}");
        assert_eq!(own[6..], shown(&system["masked"]), "{table}");
        for metric in METRICS {
            assert_eq!(system[metric], system["unmasked"][metric]);
            assert!(
                system["sid_level"][metric].is_number()
                    && system["masked"]["sid_level"][metric].is_number()
            );
        }
    }
    assert!(systems.iter().any(|system| system["unmasked"] != system["masked"]));

    // the other figure comes first, and neither changes: the search stays the same
    desk.edit("run", "evaluate.mask_history", true);
    let output = desk.recast(&["eval", "--run-dir", "run", "--quiet", "--json"]);
    let masked: Value = serde_json::from_slice(&output.stdout).unwrap();
    let table = text(&output.stderr);
    assert!(table.contains("primary figure masked"), "{table}");
    for (before, after) in systems.iter().zip(masked["systems"].as_array().unwrap()) {
        assert_eq!(
            (&before["unmasked"], &before["masked"]),
            (&after["unmasked"], &after["masked"])
        );
        assert_eq!(after["pass_at_1"], after["masked"]["pass_at_1"]);
        assert_eq!(row(&table, after["title"].as_str().unwrap())[1..6], shown(&after["masked"]));
    }
}

#[test]
fn ranks_give_the_metrics_of_every_system_again() {
    let desk = Desk::new();
    desk.judged("run", &["--set", "evaluate.beam_width=64", "--set", "sasrec.sft.epochs=1"]);
    desk.done(&["baseline", "--run-dir", "run", "--quiet"]);
    // six systems, and the checksums of their files
    assert_eq!(fs::read_dir(desk.path("run/ranks")).unwrap().count(), 7);
    desk.done(&["eval", "--run-dir", "run", "--quiet"]);
    let summary = desk.value("run/summary.json");
    for system in summary["systems"].as_array().unwrap() {
        let ranks = desk.value(&format!("run/ranks/{}.json", system["name"].as_str().unwrap()));
        for figure in ["unmasked", "masked"] {
            let ranks: Vec<u64> =
                ranks[figure].as_array().unwrap().iter().map(|it| it.as_u64().unwrap()).collect();
            assert_eq!(ranks.len() as u64, summary["test_prompts"].as_u64().unwrap());
            let mean = |gain: &dyn Fn(u64) -> f64| -> f64 {
                let found = ranks.iter().filter(|&&rank| rank > 0);
                found.map(|&rank| gain(rank)).sum::<f64>() / ranks.len() as f64
            };
            let within = |k: u64| mean(&|rank| f64::from(u8::from(rank <= k)));
            let gain =
                |rank: u64| if rank <= 10 { 2f64.ln() / (rank as f64 + 1.0).ln() } else { 0.0 };
            let expected = [within(1), within(5), within(10), within(50), mean(&gain)];
            for (metric, expected) in METRICS.iter().zip(expected) {
                let found = system[figure][metric].as_f64().unwrap();
                assert!((found - expected).abs() < 1e-9, "{metric} {found} {expected}: {system}");
            }
        }
    }
}

#[test]
fn a_search_that_lists_fewer_items_than_a_metric_reads_is_a_warning() {
    let desk = Desk::new();
    let told = "warning: decoders list the items of 16 semantic IDs, and R@50 reads 50 items";
    assert!(desk.judged("narrow", &[]).contains(told));
    let wide = desk.judged("wide", &["--set", "evaluate.beam_width=50"]);
    assert!(!wide.contains("warning: decoders list"), "{wide}");
    let few = desk.judged("few", &["--interactions", "log.csv"]);
    let told =
        "leave fewer than 50 items to rank with their history masked: metrics at 50 read all";
    assert!(few.contains(told), "{few}");
    assert!(!few.contains("warning: decoders list the items of 16"), "{few}");
}

#[test]
fn a_comparison_shows_mean_lowest_and_highest_of_both_figures() {
    let desk = Desk::new();
    desk.judged("one", &["--set", "evaluate.beam_width=64"]);
    desk.judged("two", &["--seed", "2", "--set", "evaluate.beam_width=64"]);
    let table = desk.done(&["compare", "one", "two"]);
    let json = desk.done(&["compare", "--json", "one", "two"]);
    let compared: Value = serde_json::from_str(&json).unwrap();
    let group = &compared["groups"][0];
    assert!(table.lines().all(|line| line.len() <= 100), "{table}");
    let lines: Vec<&str> = table.lines().collect();
    let summaries = ["one", "two"].map(|run| desk.value(&format!("{run}/summary.json")));
    for (nth, system) in group["systems"].as_array().unwrap().iter().enumerate() {
        let title = system["title"].as_str().unwrap();
        let at = lines.iter().position(|line| line.starts_with(title)).unwrap();
        assert_eq!(row(&table, title)[1..3], ["2", "mean"], "{table}");
        for figure in ["unmasked", "masked"] {
            for metric in METRICS {
                let runs = summaries
                    .each_ref()
                    .map(|it| it["systems"][nth][figure][metric].as_f64().unwrap());
                let spread = &system[figure][metric];
                assert_eq!(spread["min"], Value::from(runs[0].min(runs[1])));
                assert_eq!(spread["max"], Value::from(runs[0].max(runs[1])));
                assert!(
                    (spread["mean"].as_f64().unwrap() - (runs[0] + runs[1]) / 2.0).abs() < 1e-12
                );
            }
        }
        for (offset, (name, key)) in
            [("mean", "mean"), ("lowest", "min"), ("highest", "max")].iter().enumerate()
        {
            let words: Vec<&str> = lines[at + offset].split_whitespace().collect();
            assert!(words.contains(name), "{table}");
            let of = |figure: &str| {
                METRICS
                    .map(|metric| format!("{:.4}", system[figure][metric][key].as_f64().unwrap()))
            };
            assert_eq!(
                words[words.len() - 10..],
                [of("unmasked"), of("masked")].concat(),
                "{table}"
            );
        }
        assert_eq!(system["recall_at_50"], system["unmasked"]["recall_at_50"]);
    }
    let alone = desk.done(&["compare", "one"]);
    assert!(!alone.contains("lowest"), "{alone}");

    // a summary of a version without both figures, and without checksums
    forget_checksums(&desk.path("one"));
    let old = fs::read_to_string(desk.path("one/summary.json")).unwrap();
    desk.write("one/summary.json", old.replace("recall_at_50", "recall_at_20"));
    let message = desk.refused(&["compare", "one", "two"]);
    assert!(
        message.contains("missing field") && message.contains("evaluate the run again"),
        "{message}"
    );
}

#[test]
fn a_diagnosis_tells_where_a_decoder_loses_the_target() {
    let desk = Desk::new();
    for input in ["codes", "items"] {
        let set = format!("model.input={input}");
        desk.judged(input, &["--set", &set, "--set", "evaluate.beam_width=64"]);
        let folder = ["eval", "--run-dir", input, "--quiet"];
        let output = desk.recast(&[&folder[..], &["--diagnose", "0", "--json"]].concat());
        assert!(output.status.success(), "{}", text(&output.stderr));
        let found: Value = serde_json::from_slice(&output.stdout).unwrap();
        let exact = desk.done(&[&folder[..], &["--search", "exact", "--json"]].concat());
        let exact: Value = serde_json::from_str(&exact).unwrap();
        let decoders = found.as_array().unwrap();
        assert_eq!(decoders.len(), 2);
        for (decoder, judged) in decoders.iter().zip(&exact["systems"].as_array().unwrap()[2..]) {
            assert_eq!(decoder["name"], judged["name"]);
            assert_eq!(
                (&decoder["prompts"], &decoder["share"]),
                (&exact["test_prompts"], &1.0.into())
            );
            for figure in ["unmasked", "masked"] {
                for metric in METRICS {
                    assert_eq!(decoder[figure][metric], judged[figure][metric], "{decoder}");
                }
            }
            let values = |key: &str| -> Vec<f64> {
                decoder[key].as_array().unwrap().iter().map(|it| it.as_f64().unwrap()).collect()
            };
            let (all, trie, prefixes) =
                (values("nll_vocabulary"), values("nll_trie"), values("prefix_recall_at_10"));
            assert_eq!((all.len(), trie.len(), prefixes.len()), (3, 3, 2));
            assert!(all.iter().zip(&trie).all(|(all, trie)| *all >= trie - 1e-6 && *trie >= 0.0));
            assert!(prefixes[0] >= prefixes[1] && prefixes[1] > 0.0 && prefixes[0] <= 1.0);
            let table = text(&output.stderr);
            let row = row(&table, decoder["title"].as_str().unwrap());
            assert_eq!(row[1..3], ["1".to_owned(), format!("{:.4}", all[0])], "{table}");
        }
        let events = fs::read_to_string(desk.path(input).join("events.jsonl")).unwrap();
        assert_eq!(events.matches("\"event\":\"diagnosis\"").count(), 2);
    }
    let first = desk.done(&["eval", "--run-dir", "codes", "--quiet", "--diagnose", "7", "--json"]);
    let first: Value = serde_json::from_str(&first).unwrap();
    assert_eq!(first[0]["prompts"], 7);
    for (arguments, told) in [
        (&["--diagnose", "100000"][..], "give 1 to 600, or 0 for all"),
        (&["--diagnose", "-1"], "--diagnose"),
        (&["--diagnose", "some"], "--diagnose"),
        (&["--diagnose", "9", "--search", "exact"], "cannot be used with"),
        (&["--diagnose", "9", "--check-search", "9"], "cannot be used with"),
    ] {
        let message = desk.refused(&[&["eval", "--run-dir", "codes"], arguments].concat());
        assert!(message.contains(told), "{message}");
    }
    desk.done(&[&["prepare", "--run-dir", "bare"], &SMALL[..]].concat());
    let message = desk.refused(&["eval", "--run-dir", "bare", "--diagnose", "9"]);
    assert!(message.contains("recast tokenize"), "{message}");
}
