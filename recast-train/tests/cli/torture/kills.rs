//! Processes that are killed, at random moments and within the write of a checkpoint, and several
//! processes at once.

use std::fs;
use std::path::Path;
use std::process::{Child, Stdio};
use std::time::{Duration, Instant, SystemTime};

use super::results::summary;
use super::{Results, assert_clear, below, times};
use crate::{Desk, text};

/// Ends a process without a chance to clean up. Returns whether it still ran.
fn kill(mut child: Child) -> bool {
    let ran = child.try_wait().unwrap().is_none();
    child.kill().unwrap();
    child.wait().unwrap();
    ran
}

#[test]
fn a_run_killed_at_any_moment_goes_on_to_equal_results() {
    let desk = Desk::new();
    let started = Instant::now();
    let whole = desk.results("whole");
    let length = started.elapsed();
    let mut kills = 0;
    for trial in 0..3 * times() {
        let name = format!("run-{trial}");
        // up to three kills of one run, each at a random moment of what is left of it
        for again in 0..=trial % 3 {
            let child = desk.start(&name);
            std::thread::sleep(length * below(1000, 8 * trial + again) as u32 / 1000);
            kills += usize::from(kill(child));
        }
        assert_eq!(desk.results(&name), whole, "{name}");
        fs::remove_dir_all(desk.path(&name)).unwrap();
    }
    eprintln!("{kills} kills at random moments: all runs have equal results");
    assert!(kills > 0);
}

#[test]
fn a_baseline_killed_at_any_moment_goes_on_to_equal_results() {
    let desk = Desk::new();
    let prepare = |run_dir: &str| {
        let settings = ["sasrec.sft.epochs=4", "sasrec.sft.evaluate_every=1"];
        let set = settings.map(|setting| format!("--set={setting}"));
        let own =
            ["prepare", "--quiet", "--preset", "smoke", "--threads", "1", "--run-dir", run_dir];
        desk.done(&[&own[..], &[&set[0][..], &set[1], "--set=sasrec.sft.min_steps=0"]].concat())
    };
    let baseline = |run_dir: &str| {
        let mut command = desk.command(&["baseline", "--quiet", "--json", "--run-dir", run_dir]);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    };
    let done = |run_dir: &str| {
        let output = baseline(run_dir).output().unwrap();
        assert!(output.status.success(), "{run_dir}: {}", text(&output.stderr));
        let ranks = fs::read(desk.path(run_dir).join("ranks/sasrec.json")).unwrap();
        (summary(&text(&output.stdout)), ranks)
    };
    prepare("whole");
    let started = Instant::now();
    let whole = done("whole");
    let length = started.elapsed();
    let mut kills = 0;
    for trial in 0..2 * times() {
        let name = format!("run-{trial}");
        prepare(&name);
        for again in 0..2 {
            let child = baseline(&name).spawn().unwrap();
            std::thread::sleep(length * below(1000, (1 << 20) + 2 * trial + again) as u32 / 1000);
            kills += usize::from(kill(child));
        }
        assert_eq!(done(&name), whole, "{name}");
        fs::remove_dir_all(desk.path(&name)).unwrap();
    }
    eprintln!("{kills} kills of a baseline: all have equal results");
    assert!(kills > 0);
}

/// Whether a checkpoint of a run is being written now.
fn writes(run_dir: &Path) -> bool {
    let stages = fs::read_dir(run_dir).into_iter().flatten().flatten();
    stages.filter_map(|stage| fs::read_dir(stage.path()).ok()).flatten().flatten().any(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        name.starts_with("step-") && name.ends_with(".partial")
    })
}

#[test]
fn a_run_killed_while_it_writes_a_checkpoint_loses_no_other_one() {
    let desk = Desk::new();
    let whole = desk.results("whole");
    let (mut caught, mut left) = (0, 0);
    for trial in 0..2 * times() {
        let name = format!("run-{trial}");
        let dir = desk.path(&name);
        // the first checkpoints, then later ones: a run is killed at one after the other
        for checkpoint in 0..4 {
            let mut child = desk.start(&name);
            let mut seen = 0;
            let mut before = false;
            while child.try_wait().unwrap().is_none() {
                let now = writes(&dir);
                seen += usize::from(now && !before);
                before = now;
                if seen > (checkpoint + trial) % 3 {
                    break;
                }
            }
            if kill(child) {
                caught += 1;
                left += usize::from(writes(&dir));
            }
        }
        assert_eq!(desk.results(&name), whole, "{name}");
        assert!(!writes(&dir), "half a checkpoint is left");
        fs::remove_dir_all(dir).unwrap();
    }
    eprintln!("{caught} kills beside the write of a checkpoint, {left} of them within it");
    assert!(caught > 0);
}

#[test]
fn a_folder_that_vanishes_is_one_clear_error_and_is_not_made_anew() {
    let desk = Desk::new();
    for (file, away) in [("sid/table.json", false), ("rl-rere/state.json", true)] {
        let child = desk.start("run");
        while !desk.path("run").join(file).exists() {
            std::thread::sleep(Duration::from_millis(2));
        }
        match away {
            true => fs::rename(desk.path("run"), desk.path("away")).unwrap(),
            // files may be written while the folder goes
            false => {
                while desk.path("run").exists() {
                    let _ = fs::remove_dir_all(desk.path("run"));
                }
            }
        }
        let output = child.wait_with_output().unwrap();
        assert_clear(&output, file);
        assert!(!desk.path("run/phases.json").exists(), "{file}: {}", text(&output.stderr));
        let _ = fs::remove_dir_all(desk.path("run"));
    }
    // a folder that moved goes on under its new name
    desk.done(&["run", "--quiet", "--resume", "away"]);
    assert_eq!(Results::of(&desk.path("away")), desk.results("whole"));
}

#[test]
fn a_clock_that_jumps_changes_nothing() {
    let desk = Desk::new();
    let whole = desk.results("whole");
    let child = desk.start("run");
    while !desk.path("run/rl-rere/state.json").exists() {
        std::thread::sleep(Duration::from_millis(2));
    }
    kill(child);
    // the files are from the future, or from the beginning of time
    let stamps = [SystemTime::now() + Duration::from_secs(1 << 30), SystemTime::UNIX_EPOCH];
    let mut folders = vec![desk.path("run")];
    let mut place = 0;
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let file = fs::OpenOptions::new().write(true).open(path).unwrap();
            file.set_modified(stamps[place % 2]).unwrap();
            place += 1;
        }
    }
    assert_eq!(desk.results("run"), whole);
}

#[test]
fn processes_that_want_one_folder_leave_one_whole_run() {
    let desk = Desk::new();
    let whole = desk.results("whole");
    let mut winners = 0;
    for _ in 0..times() {
        let all = [(); 4].map(|()| desk.start("run"));
        for child in all {
            let output = child.wait_with_output().unwrap();
            match output.status.success() {
                true => winners += 1,
                false => {
                    assert_clear(&output, "a second process");
                    assert!(text(&output.stderr).contains("in use by "));
                }
            }
        }
        assert_eq!(desk.results("run"), whole);
        fs::remove_dir_all(desk.path("run")).unwrap();
    }
    assert!(winners > 0);
}
