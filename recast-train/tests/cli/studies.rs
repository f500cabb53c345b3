//! Studies from outside: plans, folders that keep finished work, and their results.

use std::fs;
use std::path::PathBuf;
use std::process::Stdio;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::{BAD_INPUT, Desk, files, text};

const BASE: &str = "[base]\npreset = \"smoke\"\nsft.epochs = 2\n";

impl Desk {
    fn json(&self, path: &str) -> Value {
        serde_json::from_str(&fs::read_to_string(self.path(path)).unwrap()).unwrap()
    }

    fn lines(&self, path: &str) -> Vec<Value> {
        let text = fs::read_to_string(self.path(path)).unwrap();
        text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }

    /// A tuning of three short trials, in the file `tune.toml`.
    fn tuning(&self, head: &str) {
        let plan = format!(
            "{head}{BASE}[[trials]]\nname = \"more\"\nsft.epochs = 3\n\
             [one_at_a_time]\n\"sft.learning_rate\" = [1e-3]\n"
        );
        self.write("tune.toml", plan);
    }

    /// An experiment of three arms, in the file `plan.toml`.
    fn experiment(&self, seeds: &str, more: &str) {
        let rl = "rl.steps = 6\nrl.evaluate_every = 2\nrl.keep = \"last\"\n";
        let arm = |name: &str| format!("[[arms]]\nname = \"{name}\"\nsignal = \"{name}\"\n");
        let plan = format!(
            "seeds = {seeds}\nprimary = {{ arm = \"recast\", control = \"supervised\" }}\n\
             target = \"grpo\"\nrates = [1e-4, 1e-3]\ndraws = 200\n{BASE}{rl}\
             [[arms]]\nname = \"none\"\ntitle = \"SFT\"\n{}{}{}{more}",
            arm("supervised"),
            arm("grpo"),
            arm("recast")
        );
        self.write("plan.toml", plan);
    }
}

const BUDGET: &str = "minutes = 60\nminutes_per_trial = 20\n";

#[test]
fn a_tuning_ranks_trials_and_holds_no_test_figure() {
    let desk = Desk::new();
    desk.tuning(BUDGET);
    let shown = desk.done(&["tune", "tune.toml", "--dir", "out", "--threads", "1"]);
    assert!(shown.contains("validation, 3 of 3 jobs"), "{shown}");
    let trials = desk.lines("out/trials.jsonl");
    let names: Vec<&str> = trials.iter().map(|it| it["trial"].as_str().unwrap()).collect();
    assert_eq!(names, ["base", "more", "sft.learning_rate=0.001"]);
    assert_eq!(trials[1]["settings"]["sft.epochs"], 3);
    assert_eq!(trials[0]["settings"]["preset"], "smoke");
    assert_eq!(trials[0]["machine"]["threads"], 1);
    for trial in &trials {
        assert!(trial["validation"]["ndcg_at_10"].as_f64().unwrap() > 0.0, "{trial}");
    }
    let ranking = desk.json("out/ranking.json");
    let base = ranking["trials"].as_array().unwrap().iter().find(|it| it["trial"] == "base");
    assert_eq!(base.unwrap()["relative"], 1.0);

    // nothing was judged on test: no rank, no summary, no event of a test
    let files = files(&desk.path("out"));
    let of_test =
        |path: &&PathBuf| path.iter().any(|part| part == "ranks") || path.ends_with("summary.json");
    assert_eq!(files.iter().find(of_test), None);
    for log in files.iter().filter(|path| path.ends_with("events.jsonl")) {
        let events = desk.lines(&format!("out/{}", log.display()));
        assert!(events.iter().all(|event| event["event"] != "test"), "{}", log.display());
    }

    // finished trials are skipped
    let output = desk.recast(&["tune", "tune.toml", "--dir", "out", "--json"]);
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again["trials"], ranking["trials"]);
    assert_eq!(desk.lines("out/trials.jsonl"), trials);

    // a trial keeps its settings
    let plan = fs::read_to_string(desk.path("tune.toml")).unwrap();
    desk.write("tune.toml", plan.replace("sft.epochs = 3", "sft.epochs = 1"));
    let message = desk.refused(&["tune", "tune.toml", "--dir", "out"]);
    assert!(message.contains("more on data, seed 1 ran under other settings"), "{message}");
    assert!(message.contains("sft.epochs 3 -> 1"), "{message}");
}

#[test]
fn spent_minutes_end_a_tuning_and_are_said_aloud() {
    let desk = Desk::new();
    desk.tuning("minutes = 1e-4\nminutes_per_trial = 1e-4\n");
    let shown = desk.done(&["tune", "tune.toml", "--dir", "out", "--threads", "1", "-q"]);
    assert!(shown.contains("1 of 3 jobs"), "{shown}");
    assert!(shown.contains("the minutes of the plan are spent: 2 jobs"), "{shown}");
    let trial = &desk.lines("out/trials.jsonl")[0];
    assert!(trial["ended"].as_str().unwrap().contains("stopped after"), "{trial}");
    assert_eq!(trial["validation"], Value::Null);
}

#[test]
fn two_processes_share_a_tuning() {
    let desk = Desk::new();
    desk.tuning(BUDGET);
    let arguments = ["tune", "tune.toml", "--dir", "out", "--threads", "1", "-q"];
    let other = desk.command(&arguments).stdout(Stdio::null()).spawn();
    let shown = desk.done(&arguments);
    assert!(other.unwrap().wait().unwrap().success());
    assert!(shown.contains("3 of 3 jobs"), "{shown}");
    let mut names: Vec<String> =
        desk.lines("out/trials.jsonl").iter().map(|it| it["trial"].to_string()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3);
}

#[cfg(unix)]
#[test]
fn an_interrupted_study_tells_the_command_that_goes_on() {
    let desk = Desk::new();
    desk.tuning(BUDGET);
    let plan = fs::read_to_string(desk.path("tune.toml")).unwrap();
    desk.write("tune.toml", plan.replace("sft.epochs = 3", "sft.epochs = 100000"));
    let arguments = ["tune", "tune.toml", "--dir", "out", "--threads", "1"];
    let child = desk.command(&arguments).stderr(Stdio::piped()).spawn().unwrap();
    let started = Instant::now();
    while !desk.path("out/trials/data/more/seed-1/sft").exists() {
        assert!(started.elapsed() < Duration::from_secs(300), "the second trial never began");
        std::thread::sleep(Duration::from_millis(50));
    }
    let id = child.id().to_string();
    assert!(std::process::Command::new("kill").args(["-INT", &id]).status().unwrap().success());
    let output = child.wait_with_output().unwrap();
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{message}");
    assert!(message.contains("interrupted after 1 of 3 jobs"), "{message}");
    assert!(message.contains("continue with: recast tune tune.toml --dir out"), "{message}");
    desk.write("tune.toml", plan);
    // the unfinished trial's own settings have changed, and its run folder says so
    let message = text(&desk.recast(&arguments).stderr);
    assert!(message.contains("holds a run with other settings"), "{message}");
}

#[test]
fn an_experiment_shares_decoders_chooses_rates_and_tells_the_contrast() {
    let desk = Desk::new();
    desk.experiment("[1, 2]", "");
    let arguments = ["experiment", "plan.toml", "--dir", "out", "--threads", "1"];
    let page = desk.done(&arguments);
    let paragraph = |number| page.split("\n\n").nth(number).unwrap().replace('\n', " ");
    let first = paragraph(0);
    assert!(first.starts_with("recast is ") && first.contains("supervised: Pass@1 ."), "{first}");
    assert!(first.contains("(95% interval "), "{first}");
    for part in ["| SFT |", "| McNemar p |", "| recast |", "picture.svg"] {
        assert!(page.contains(part), "{part}: {page}");
    }
    assert!(!page.contains("diverged"), "{page}");
    assert_eq!(fs::read_to_string(desk.path("out/page.md")).unwrap().trim_end(), page.trim_end());
    let picture = fs::read_to_string(desk.path("out/picture.svg")).unwrap();
    assert!(picture.starts_with("<svg") && picture.contains("recast"), "{picture}");

    // one supervised decoder a seed, of which every arm has the same file
    let decoders = fs::read_dir(desk.path("out/supervised")).unwrap();
    assert_eq!(decoders.count(), 2);
    let results = desk.json("out/results.json");
    let cell = &results["cells"][0];
    let arms = cell["arms"].as_array().unwrap();
    assert_eq!(arms.len(), 4);
    for arm in arms {
        assert_eq!(arm["seeds"], serde_json::json!([1, 2]));
        let trained = arm["signal"] != Value::Null;
        assert_eq!(arm["tried"].as_array().unwrap().len(), if trained { 2 } else { 0 });
        assert_eq!(arm["reached"].as_array().unwrap().len(), if trained { 2 } else { 0 });
    }
    assert_eq!(arms[1]["generated"], 0.0);
    assert!(arms[1]["labels"].as_f64().unwrap() > 0.0);
    assert!(arms[2]["generated"].as_f64().unwrap() > 0.0);
    // the rate is the better one of validation
    for arm in &arms[1..] {
        let tried = arm["tried"].as_array().unwrap();
        let pass = |it: &Value| it["pass_at_1"].as_f64().unwrap();
        let best = if pass(&tried[1]) > pass(&tried[0]) { &tried[1] } else { &tried[0] };
        assert_eq!(arm["rate"], best["rate"]);
    }
    let contrasts = cell["contrasts"].as_array().unwrap();
    let names: Vec<&str> = contrasts.iter().map(|it| it["arm"].as_str().unwrap()).collect();
    assert_eq!(names, ["recast", "none", "grpo"]);
    let of_primary = cell["of_primary"].as_array().unwrap();
    let names: Vec<&str> = of_primary.iter().map(|it| it["control"].as_str().unwrap()).collect();
    assert_eq!(names, ["none", "grpo"]);
    // the contrast with the supervised decoder, from both sides
    let (there, back) = (&contrasts[1]["difference"]["mean"], &contrasts[0]["difference"]["mean"]);
    let apart = of_primary[0]["difference"]["mean"].as_f64().unwrap();
    assert!((back.as_f64().unwrap() - there.as_f64().unwrap() - apart).abs() < 1e-12);
    assert!(paragraph(1).contains(" grpo: Pass@1 "), "{page}");

    // an arm's folder is a run folder
    let jobs = desk.lines("out/jobs.jsonl");
    let arm = jobs.iter().find(|it| it["job"] == "grpo on data, seed 2").unwrap();
    let run = format!("out/{}", arm["run"].as_str().unwrap());
    // with the checksums of all its files
    for (folder, name) in [
        ("", "checksums.json"),
        ("", "phases.json"),
        ("", "config.toml"),
        ("data", "sequences.jsonl"),
        ("sid", "table.json"),
        ("sft", "settings.toml"),
    ] {
        let sums = fs::read_to_string(desk.path(&run).join(folder).join("sums")).unwrap();
        assert!(sums.contains(&format!("  {name}\n")), "{name}: {sums}");
    }
    let report = desk.done(&["eval", "--run-dir", &run, "--json", "-q"]);
    let summary: Value = serde_json::from_str(&report).unwrap();
    assert!(summary["groups"]["grpo"].is_object());

    // a rate that was not chosen is judged on no test prompt
    let rated = jobs.iter().filter(|it| it["job"].as_str().unwrap().contains("rate"));
    for job in rated {
        let chosen = jobs.iter().filter(|it| it["run"] == job["run"]).count() == 2;
        let ranks = desk.path("out").join(job["run"].as_str().unwrap()).join("ranks");
        assert_eq!(ranks.exists(), chosen, "{job}");
    }

    // finished jobs are skipped, and equal results come out
    let output = desk.recast(&[&arguments[..], &["--json", "-q"]].concat());
    let again: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(again["cells"][0]["contrasts"], cell["contrasts"]);
    assert_eq!(desk.lines("out/jobs.jsonl").len(), jobs.len());
}

#[test]
fn arms_of_other_data_or_training_have_decoders_of_their_own() {
    let desk = Desk::new();
    desk.experiment("[1]", "[axes]\n\"sft.epochs\" = [1, 2]\n\"rl.group_size\" = [4]\n");
    let plan = fs::read_to_string(desk.path("plan.toml")).unwrap();
    desk.write("plan.toml", plan.replace("rates = [1e-4, 1e-3]\n", ""));
    let page = desk.done(&["experiment", "plan.toml", "--dir", "out", "--threads", "1", "-q"]);
    assert!(page.starts_with("In test Pass@1 recast is above "), "{page}");
    let opening = page.split("\n\n").next().unwrap().replace('\n', " ");
    assert!(opening.contains(" of 3 cells, below in "), "{page}");
    for cell in ["rl.group_size=4", "sft.epochs=1", "sft.epochs=2"] {
        // Pass@1, R@10 and N@10
        assert_eq!(page.matches(&format!("\n| {cell} | ")).count(), 3, "{page}");
    }
    let cells = fs::read_to_string(desk.path("out/cells.md")).unwrap();
    assert!(cells.contains("\n\n## sft.epochs=2\n\nrecast is "), "{cells}");
    assert!(cells.contains("groups were all-zero"), "{cells}");
    // the group size has no part in supervised training: two decoders serve three cells
    assert_eq!(fs::read_dir(desk.path("out/supervised")).unwrap().count(), 2);
    let picture = fs::read_to_string(desk.path("out/sparsity.svg")).unwrap();
    // a panel for each arm with a signal but the control
    let arms = ["recast", "grpo"].map(|arm| picture.matches(&format!("\n{arm}\n")).count());
    assert_eq!(arms, [1, 1], "{picture}");
}

#[test]
fn a_bad_plan_is_refused_before_anything_is_written() {
    let desk = Desk::new();
    desk.experiment("[]", "");
    let message = desk.refused(&["experiment", "plan.toml", "--dir", "out"]);
    assert!(message.contains("plan.toml: key 'seeds': is an empty list"), "{message}");
    desk.experiment("[1]", "[[arms]]\nname = \"x\"\nsignal = \"grpo\"\nrl.group_size = 0\n");
    let message = desk.refused(&["experiment", "plan.toml", "--dir", "out"]);
    assert!(
        message.contains("plan.toml: arms 'x' on data: config key 'rl.group_size'"),
        "{message}"
    );
    desk.tuning("");
    let message = desk.refused(&["tune", "tune.toml", "--dir", "out"]);
    assert!(message.contains("tune.toml: ") && message.contains("missing field `minutes`"));
    assert!(desk.refused(&["tune", "nowhere.toml"]).contains("nowhere.toml: cannot be read"));
    for arguments in [&["experiment"][..], &["experiment", "plan.toml", "--preset", "quick"]] {
        assert_eq!(desk.recast(arguments).status.code(), Some(BAD_INPUT));
    }
}
