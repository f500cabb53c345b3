//! The page of runs, event files for TensorBoard, and the fallback of the live screen.

use std::fs;

use serde_json::Value;

use crate::run_folder::SHORT;
use crate::{Desk, SMALL, forget_checksums, text};

impl Desk {
    fn page(&self, path: &str) -> String {
        fs::read_to_string(self.path(path)).unwrap()
    }
}

/// The attributes and elements through which a page would load something or run a script.
const FOREIGN: [&str; 8] =
    ["<script", "<link", "<img", "<iframe", "<object", "http:", "https:", "url("];

/// Fails unless the page is one file that loads nothing, with one title and headings in order.
fn check(page: &str) {
    for foreign in FOREIGN {
        assert!(!page.contains(foreign), "{foreign}");
    }
    assert_eq!(page.matches("<h1>").count(), 1);
    let mut level = 1;
    for heading in page.split("<h").skip(1).filter(|rest| rest.starts_with(['1', '2', '3'])) {
        let next = heading[..1].parse::<u32>().unwrap();
        assert!(next <= level + 1, "h{next} follows h{level}");
        level = next;
    }
    let count = |part: &str| page.matches(part).count();
    let figures = count("<figure>");
    assert_eq!(count("<svg role=\"img\""), figures);
    assert_eq!((count("<title id="), count("<desc id=")), (figures, figures));
    assert_eq!(count("<table"), count("<caption>"));
    assert_eq!(count("<table"), count("</table>"));
    for opened in ["<div", "<details", "<figure", "<ul", "<main"] {
        assert_eq!(
            count(&format!("{opened}>")) + count(&format!("{opened} ")),
            count(&opened.replace('<', "</")),
            "{opened}"
        );
    }
}

#[test]
fn a_finished_run_has_every_section_and_two_seeds_have_bands() {
    let desk = Desk::new();
    let run = [&["run", "--quiet"], &SMALL[..], &SHORT[..]].concat();
    let steps = ["--set", "rl.steps=4", "--set", "rl.evaluate_every=1"];
    desk.done(&[&run[..], &steps, &["--run-dir", "one"]].concat());
    desk.done(&[&run[..], &steps, &["--run-dir", "two", "--seed", "2"]].concat());
    desk.done(&["report", "one"]);
    let page = desk.page("one/report.html");
    check(&page);
    for told in [
        "<h1>Run one</h1>",
        "<figcaption>Pass@1 over step</figcaption>",
        "<figcaption>N@10 over completions generated</figcaption>",
        "<figcaption>ReCast: regimes of each step&#39;s groups</figcaption>",
        "<figcaption>Log-prob of trained positives</figcaption>",
        "<figcaption>SFT: loss of each epoch</figcaption>",
        "<caption>Completions generated until the target</caption>",
        "best of GRPO",
        "update width",
        "<th scope=\"row\">item-kNN</th>",
        "<caption>Codes of each level</caption>",
        "<th scope=\"row\">rl.steps</th>",
        "All settings of one",
        env!("CARGO_PKG_VERSION"),
    ] {
        assert!(page.contains(told), "{told}");
    }
    assert!(!page.contains("class=\"missing\">No "), "a section lacks its data");
    desk.done(&["report", "one", "./one/", "two", "--output", "both.html"]);
    let page = desk.page("both.html");
    check(&page);
    assert!(page.contains("<h1>2 runs</h1>") && page.contains("of 2 runs"), "{page}");
    assert!(page.contains("opacity=\"0.12\""), "no band");
    // another number of steps is another setting
    desk.done(&[&run[..], &["--run-dir", "other"]].concat());
    desk.done(&["report", "one", "other", "--output", "unlike.html"]);
    let page = desk.page("unlike.html");
    check(&page);
    assert!(page.contains("setting 2 differs from setting 1: ") && page.contains("rl.steps"));
}

#[test]
fn a_run_that_has_only_begun_says_what_is_missing() {
    let desk = Desk::new();
    desk.done(&[&["prepare", "--run-dir", "run", "--quiet"], &SMALL[..]].concat());
    for (command, now, missing) in [
        (None, "prepared", "No run has semantic IDs yet"),
        (Some("tokenize"), "semantic IDs, not trained", "No epoch was trained yet"),
        (Some("sft"), "supervised training, not judged", "No signal was validated yet"),
    ] {
        if let Some(command) = command {
            desk.done(&[command, "--run-dir", "run", "--quiet"]);
        }
        desk.done(&["report", "run"]);
        let page = desk.page("run/report.html");
        check(&page);
        assert!(page.contains(&format!("<td>{now}</td>")), "{now}");
        assert!(page.contains(missing) && page.contains("No run was judged yet"), "{missing}");
    }
}

#[test]
fn hostile_names_stay_text() {
    let desk = Desk::new();
    let run = [&["run", "--quiet"], &SMALL[..], &SHORT[..]].concat();
    let hostile = "<img src=x onerror=alert(1)>";
    let folder = "a\"><svg onload=alert(1)>&b";
    desk.done(&[&run[..], &["--run-dir", folder]].concat());
    forget_checksums(&desk.path(folder));
    let edit = |file: &str, from: &str, to: &str| {
        let path = desk.path(folder).join(file);
        let text = fs::read_to_string(&path).unwrap();
        assert!(text.contains(from), "{file}");
        fs::write(path, text.replace(from, to)).unwrap();
    };
    edit("summary.json", "\"title\": \"GRPO\"", &format!("\"title\": \"{hostile}\""));
    let mut summary: Value =
        serde_json::from_slice(&fs::read(desk.path(folder).join("summary.json")).unwrap()).unwrap();
    summary["warnings"].as_array_mut().unwrap().push(hostile.into());
    fs::write(desk.path(folder).join("summary.json"), summary.to_string()).unwrap();
    edit("events.jsonl", "\"grpo\"", &format!("\"{hostile}\""));
    edit("events.jsonl", "\"version\":\"", &format!("\"version\":\"{hostile}"));
    edit("phases.json", "rl grpo", hostile);
    edit("config.toml", "seed = 1", &format!("seed = 1 # {hostile}"));
    desk.done(&["report", folder, "--output", "page.html"]);
    let page = desk.page("page.html");
    check(&page);
    assert!(!page.contains("<img") && !page.contains("<svg onload"), "markup of a name");
    let told = "&lt;img src=x onerror=alert(1)&gt;";
    assert!(page.matches(told).count() > 8, "{}", page.matches(told).count());
}

#[test]
fn folders_and_files_that_make_no_page_are_refused() {
    let desk = Desk::new();
    assert!(desk.refused(&["report", "none"]).contains("none"));
    assert!(desk.refused(&["report"]).contains("<RUN>"));
    desk.done(&[&["prepare", "--run-dir", "run", "--quiet"], &SMALL[..]].concat());
    let kept = desk.page("run/phases.json");
    desk.write("run/phases.json", "{");
    let message = desk.refused(&["report", "run"]);
    assert!(message.contains("phases.json") && message.contains("remove it"), "{message}");
    desk.write("run/phases.json", kept);
    fs::create_dir(desk.path("folder")).unwrap();
    let output = desk.recast(&["report", "run", "--output", "folder"]);
    let message = text(&output.stderr);
    assert_eq!(output.status.code(), Some(1), "{message}");
    assert!(message.contains("folder: cannot be written"), "{message}");
}

#[test]
fn training_writes_event_files_for_tensorboard_one_a_session() {
    let desk = Desk::new();
    desk.write("taken", "");
    let run = [&["run", "--quiet", "--run-dir", "run"], &SMALL[..], &SHORT[..]].concat();
    let message = desk.refused(&[&run[..], &["--tensorboard", "taken"]].concat());
    assert!(message.contains("taken: is a file, not a folder; name a folder"), "{message}");
    desk.done(&[&run[..], &["--tensorboard", "board"]].concat());
    let arguments = ["--run-dir", "run", "--signal", "rere", "--quiet", "--tensorboard", "board"];
    desk.done(&[&["rl"], &arguments[..]].concat());
    let mut files: Vec<_> =
        fs::read_dir(desk.path("board")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort_by_key(|path| std::cmp::Reverse(fs::metadata(path).unwrap().len()));
    assert_eq!(files.len(), 2);
    let contains = |file: usize, tag: &str| {
        let bytes = fs::read(&files[file]).unwrap();
        bytes.windows(tag.len()).any(|window| window == tag.as_bytes())
    };
    for tag in ["sft/loss", "sft/ndcg_at_10", "rl/grpo/loss", "rl/recast/regime/all_zero"] {
        assert!(contains(0, tag) && !contains(1, tag), "{tag}");
    }
    assert!(contains(1, "rl/rere/pass_at_1"));
}

#[cfg(feature = "tui")]
#[test]
fn a_screen_without_a_terminal_falls_back_to_lines_with_one_message() {
    let desk = Desk::new();
    desk.done(&[&["prepare", "--run-dir", "run", "--quiet"], &SMALL[..], &SHORT[..]].concat());
    desk.done(&["tokenize", "--run-dir", "run", "--quiet"]);
    let output = desk.recast(&["sft", "--run-dir", "run", "--tui"]);
    let message = text(&output.stderr);
    assert!(output.status.success(), "{message}");
    let told = "--tui needs a terminal on standard error: progress comes as lines";
    assert_eq!(message.matches(told).count(), 1, "{message}");
    assert!(message.contains("sft epoch 1: loss") && !message.contains('\u{1b}'), "{message}");
    let output = desk.recast(&["sft", "--run-dir", "run", "--tui", "--quiet"]);
    assert_eq!(output.status.code(), Some(crate::BAD_INPUT));
}
