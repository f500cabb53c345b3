//! Run folders that two processes want.

use std::fs;
use std::process::Stdio;

use recast_train::Error;
use recast_train::event::Monitor;
use recast_train::report::Summary;
use recast_train::run::Run;

use crate::run_folder::SHORT;
use crate::{BAD_INPUT, Desk, SMALL, text};

#[test]
fn a_preparation_that_was_ended_early_begins_anew() {
    let desk = Desk::new();
    let prepare = [&["prepare", "--quiet", "--run-dir", "run"], &SMALL[..]].concat();
    desk.done(&prepare);
    // a preparation that is ended before the config, its last file, leaves the others
    for after in ["config.toml", "phases.json", "events.jsonl"] {
        fs::remove_file(desk.path("run").join(after)).unwrap();
    }
    let whole = fs::read(desk.path("run/data/sequences.jsonl")).unwrap();
    desk.write("run/data/sequences.jsonl", "half");
    desk.write("run/data/.recast-half", "half");
    desk.done(&prepare);
    assert_eq!(fs::read(desk.path("run/data/sequences.jsonl")).unwrap(), whole);
    assert!(!desk.path("run/data/.recast-half").exists());
    // the settings that such a preparation left are enough to go on
    fs::rename(desk.path("run/config.toml"), desk.path("run/.recast-config.toml")).unwrap();
    for after in ["phases.json", "events.jsonl"] {
        fs::remove_file(desk.path("run").join(after)).unwrap();
    }
    desk.write("run/data/sequences.jsonl", "half");
    let message = desk.refused(&["tokenize", "--run-dir", "run"]);
    let advice = ": its preparation was ended early; go on with recast run --resume run";
    assert!(message.contains(advice), "{message}");
    drop(Run::open(&desk.path("run"), &[], Monitor::silent()).unwrap());
    assert_eq!(fs::read(desk.path("run/data/sequences.jsonl")).unwrap(), whole);
    assert!(desk.path("run/config.toml").exists());
    assert!(!desk.path("run/.recast-config.toml").exists());
    for after in ["phases.json", "events.jsonl"] {
        fs::remove_file(desk.path("run").join(after)).unwrap();
    }
    // another file is not of a preparation
    fs::remove_file(desk.path("run/config.toml")).unwrap();
    desk.write("run/notes.txt", "mine");
    let message = desk.refused(&prepare);
    assert!(message.contains("is a folder with other files"), "{message}");
}

#[test]
fn one_process_works_in_a_folder_and_all_may_read_it() {
    let desk = Desk::new();
    desk.finished_run();
    let dir = desk.path("run");
    let before = fs::read(dir.join("events.jsonl")).unwrap();
    // this process holds the folder
    let held = Run::open(&dir, &[], Monitor::silent()).unwrap();
    let holder = format!("run: in use by process {}; wait until it ends", std::process::id());
    let again = [&["run", "--run-dir", "run", "--quiet"], &SMALL[..], &SHORT].concat();
    for command in [
        &["run", "--resume", "run"][..],
        &again,
        &["sft", "--run-dir", "run"],
        &["rl", "--run-dir", "run", "--signal", "rere"],
        &["eval", "--run-dir", "run"],
        &["baseline", "--run-dir", "run"],
    ] {
        let message = desk.refused(command);
        assert!(message.contains(&holder), "{command:?}: {message}");
    }
    assert_eq!(fs::read(dir.join("events.jsonl")).unwrap(), before);
    let user = held.prepared().sequences.users.get(0).unwrap();
    desk.done(&["recommend", "--run-dir", "run", "--user", user, "--quiet"]);
    desk.done(&["tokenize", "--run-dir", "run", "--report", "--quiet"]);
    desk.done(&["compare", "run"]);

    // a shared run reads, and takes the folder for a phase
    let shared = Run::open_shared(&dir, &[], Monitor::silent()).unwrap();
    let tokenized = shared.tokenized().unwrap();
    shared.decoder(&tokenized, None).unwrap();
    for refused in [
        shared.evaluate(&tokenized).map(drop),
        shared.baseline().map(drop),
        shared.sft(&tokenized).map(drop),
        shared.all().map(drop),
    ] {
        let fault = refused.unwrap_err();
        let Error::InUse { process, .. } = fault else { panic!("{fault}") };
        assert_eq!(process, Some(std::process::id()));
    }
    drop(held);
    shared.evaluate(&tokenized).unwrap();
    assert!(desk.refused(&["eval", "--run-dir", "run"]).contains(&holder));
    drop(shared);
    desk.done(&["eval", "--run-dir", "run", "--quiet"]);
}

#[test]
fn the_first_of_two_processes_ends_as_if_it_were_alone() {
    let desk = Desk::new();
    let run = [&["run", "--quiet", "--run-dir"], &["whole"][..], &SMALL].concat();
    desk.done(&run);
    let run = [&["run", "--quiet", "--run-dir"], &["run"][..], &SMALL].concat();
    let piped = |arguments: &[&str]| {
        let mut command = desk.command(arguments);
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let first = piped(&run);
    while !desk.path("run/sid/table.json").exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    let others = [&["run", "--resume", "run"][..], &["sft", "--run-dir", "run"], &run].map(piped);
    for other in others {
        let output = other.wait_with_output().unwrap();
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(BAD_INPUT), "{message}");
        assert!(message.contains("in use by process "), "{message}");
    }
    let output = first.wait_with_output().unwrap();
    assert!(output.status.success(), "{}", text(&output.stderr));
    let [whole, run] = ["whole", "run"].map(|name| Summary::load(&desk.path(name)).unwrap());
    assert_eq!(run.systems, whole.systems);
}

#[test]
fn processes_that_make_folders_at_once_do_not_share_one() {
    let desk = Desk::new();
    let prepare = |dir: &[&str]| {
        let mut command = desk.command(&[&["prepare", "--quiet"], dir, &SMALL].concat());
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    };
    let unnamed = [(); 4].map(|()| prepare(&[]));
    let mut folders: Vec<String> = unnamed
        .into_iter()
        .map(|child| {
            let output = child.wait_with_output().unwrap();
            assert!(output.status.success(), "{}", text(&output.stderr));
            text(&output.stdout)
        })
        .collect();
    folders.sort_unstable();
    folders.dedup();
    assert_eq!(folders.len(), 4, "{folders:?}");

    // seeds differ, so that only the winner has a run there
    let named = ["1", "2", "3", "4"].map(|seed| prepare(&["--run-dir", "new", "--seed", seed]));
    let mut winners = 0;
    for child in named {
        let output = child.wait_with_output().unwrap();
        let message = text(&output.stderr);
        if output.status.success() {
            winners += 1;
            continue;
        }
        assert_eq!(output.status.code(), Some(BAD_INPUT), "{message}");
        let refused = ["in use by process ", "holds a run with other settings: seed "];
        assert!(refused.iter().any(|refused| message.contains(refused)), "{message}");
    }
    assert_eq!(winners, 1);
    desk.done(&["tokenize", "--run-dir", "new", "--quiet"]);
}

#[test]
fn a_folder_with_a_lock_alone_is_as_empty_as_before() {
    let desk = Desk::new();
    for left in ["", "1\n", "4294967295\n"] {
        fs::create_dir(desk.path("run")).unwrap();
        desk.write("run/lock", left);
        desk.done(&[&["prepare", "--quiet", "--run-dir", "run"], &SMALL[..]].concat());
        fs::remove_dir_all(desk.path("run")).unwrap();
    }
}

#[cfg(unix)]
#[test]
fn a_killed_process_leaves_no_lock() {
    let desk = Desk::new();
    let run = [&["run", "--quiet", "--run-dir", "run"], &SMALL[..]].concat();
    let mut child = desk.command(&run).stderr(Stdio::null()).spawn().unwrap();
    while !desk.path("run/sid/table.json").exists() {
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    desk.done(&["run", "--quiet", "--resume", "run"]);
}
