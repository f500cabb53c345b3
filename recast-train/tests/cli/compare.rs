//! Runs side by side: like runs together, unlike runs apart, each run once.

use std::fs;
use std::path::Path;

use serde_json::Value;

use crate::{Desk, SMALL};

impl Desk {
    /// A short run of the log `log.csv`, on a thread; `more` flags come before these.
    fn short_run(&self, run: &str, more: &[&str]) {
        let mut short = vec!["run", "--quiet", "--preset", "smoke", "--run-dir", run];
        for (flag, value) in [("--interactions", "log.csv"), ("--threads", "1")] {
            if !more.contains(&flag) {
                short.extend([flag, value]);
            }
        }
        let settings = ["sft.epochs=1", "rl.steps=1", "rl.signals=[\"recast\"]"];
        let sets: Vec<&str> = settings.iter().flat_map(|setting| ["--set", setting]).collect();
        self.done(&[&short[..], &sets, more].concat());
    }

    fn compared(&self, runs: &[&str]) -> Value {
        serde_json::from_str(&self.done(&[&["compare", "--json"], runs].concat())).unwrap()
    }
}

fn copy(from: &Path, to: &Path) {
    fs::create_dir(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let path = entry.unwrap().path();
        let target = to.join(path.file_name().unwrap());
        if path.is_dir() {
            copy(&path, &target);
        } else {
            fs::copy(&path, &target).unwrap();
        }
    }
}

/// The number of runs behind a system of a group.
fn runs(compared: &Value, group: usize, name: &str) -> Value {
    let systems = compared["groups"][group]["systems"].as_array().unwrap();
    systems.iter().find(|system| system["name"] == name).unwrap()["runs"].clone()
}

/// The keys that differ between the first group and another.
fn differences(compared: &Value, group: usize) -> Vec<&str> {
    let found = compared["groups"][group]["differences"].as_array().unwrap();
    found.iter().map(|change| change["key"].as_str().unwrap()).collect()
}

#[test]
fn runs_that_differ_in_seed_and_machine_give_one_table() {
    let desk = Desk::new();
    desk.short_run("one", &[]);
    desk.short_run("two", &["--seed", "2", "--threads", "2"]);
    // the same bytes under another name are the same data
    fs::copy(desk.path("log.csv"), desk.path("again.csv")).unwrap();
    desk.short_run("three", &["--seed", "3", "--interactions", "again.csv"]);
    let compared = desk.compared(&["one", "two", "three"]);
    assert_eq!(compared["groups"].as_array().unwrap().len(), 1, "{compared}");
    for name in ["item_knn", "sft", "recast"] {
        assert_eq!(runs(&compared, 0, name), 3, "{name}");
    }
    assert_eq!(compared["groups"][0]["seeds"], serde_json::json!([1, 2, 3]));
    let table = desk.done(&["compare", "one", "two", "three"]);
    assert!(table.contains("\nsystem") && !table.contains("group"), "{table}");
}

#[test]
fn unlike_runs_get_tables_of_their_own_that_name_the_difference() {
    let desk = Desk::new();
    desk.short_run("first", &[]);
    let log = fs::read_to_string(desk.path("log.csv")).unwrap();
    desk.write("other.csv", log.replace("u59,", "u60,"));
    let cases: [(&str, &[&str], &str); 7] = [
        ("data", &["--interactions", "other.csv"], "data checksums"),
        ("history", &["--set", "data.max_history=3"], "data.max_history"),
        ("masked", &["--set", "evaluate.mask_history=true"], "evaluate.mask_history"),
        ("searched", &["--set", "evaluate.search=exact"], "evaluate.search"),
        ("prompts", &["--set", "evaluate.test_prompts=20"], "evaluate.test_prompts"),
        (
            "split",
            &["--set", "data.split={ global_time = { valid = 0.2, test = 0.2 } }"],
            "data.split",
        ),
        ("longer", &["--set", "rl.recast.repair=never"], "rl.recast.repair"),
    ];
    for (name, more, key) in cases {
        desk.short_run(name, more);
        let compared = desk.compared(&["first", name]);
        assert_eq!(compared["groups"].as_array().unwrap().len(), 2, "{name}: {compared}");
        assert!(differences(&compared, 1).contains(&key), "{name}: {compared}");
        for group in [0, 1] {
            assert_eq!(runs(&compared, group, "item_knn"), 1, "{name}");
        }
        let table = desk.done(&["compare", "first", name]);
        let told = format!("group 2: {name}; differs from group 1: ");
        assert!(table.contains("2 groups of unlike runs: no mean"), "{table}");
        assert!(table.contains(&told) && table.contains(key), "{table}");
    }
    let names = cases.map(|(name, ..)| name);
    let compared = desk.compared(&[&["first"], &names[..]].concat());
    assert_eq!(compared["groups"].as_array().unwrap().len(), 8);
}

#[test]
fn synthetic_runs_are_told_apart_by_their_catalogue() {
    let desk = Desk::new();
    let short = [&["run", "--quiet", "--set", "sft.epochs=1", "--set", "rl.steps=1"], &SMALL[..]];
    for (name, seed, users) in [("a", "1", "600"), ("b", "2", "600"), ("c", "1", "500")] {
        let users = format!("data.synthetic.users={users}");
        let own = ["--run-dir", name, "--seed", seed, "--set", &users];
        desk.done(&[&short.concat(), &own[..]].concat());
    }
    let compared = desk.compared(&["a", "b", "c"]);
    assert_eq!(runs(&compared, 0, "sft"), 2);
    assert_eq!(differences(&compared, 1), ["data.synthetic.users", "evaluate.test_prompts"]);
}

#[test]
fn a_run_counts_once_however_often_it_is_named() {
    let desk = Desk::new();
    desk.short_run("run", &[]);
    copy(&desk.path("run"), &desk.path("copy"));
    // a copy whose settings somebody edited holds the same results
    copy(&desk.path("run"), &desk.path("edited"));
    let config = fs::read_to_string(desk.path("edited/config.toml")).unwrap();
    desk.write("edited/config.toml", config.replace("seed = 1\n", "seed = 2\n"));
    let mut others = vec!["run", "run/", "./run", "copy", "edited"];
    #[cfg(unix)]
    {
        std::os::unix::fs::symlink("run", desk.path("link")).unwrap();
        others.push("link");
    }
    for other in others {
        let compared = desk.compared(&["run", other]);
        assert_eq!(compared["groups"].as_array().unwrap().len(), 1, "{other}: {compared}");
        assert_eq!(runs(&compared, 0, "item_knn"), 1, "{other}");
        assert_eq!(compared["groups"][0]["budgets"].as_array().unwrap().len(), 0, "{other}");
        assert_eq!(compared["repeated"][0]["same_as"], "run", "{other}");
        let table = desk.done(&["compare", "run", other]);
        let told = format!("{other}: the same run as run; results of both count once\n");
        assert!(table.starts_with(&told), "{table}");
    }
    desk.short_run("second", &["--seed", "2"]);
    let compared = desk.compared(&["run", "copy", "second", "run"]);
    assert_eq!(runs(&compared, 0, "sft"), 2);
}

#[test]
fn a_copy_that_went_on_adds_only_its_new_results() {
    let desk = Desk::new();
    desk.short_run("run", &[]);
    copy(&desk.path("run"), &desk.path("copy"));
    desk.done(&["rl", "--run-dir", "copy", "--signal", "grpo", "--quiet"]);
    desk.done(&["eval", "--run-dir", "copy", "--quiet"]);
    for order in [["run", "copy"], ["copy", "run"]] {
        let compared = desk.compared(&order);
        for name in ["popularity", "sft", "recast", "grpo"] {
            assert_eq!(runs(&compared, 0, name), 1, "{order:?} {name}");
        }
        let budgets = compared["groups"][0]["budgets"].as_array().unwrap();
        assert_eq!(budgets.len(), 1, "{order:?}");
        assert_eq!(
            (&budgets[0]["run_dir"], &budgets[0]["baseline"]),
            (&"copy".into(), &"grpo".into())
        );
    }
}
