//! Files of a run folder with flipped bits and cut ends: a clear error, or equal results.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::fs;
use std::path::Path;

use super::results::summary;
use super::{assert_clear, below, copy, times};
use crate::{Desk, files, text};

/// Flips a bit, or cuts the end off, at a place that the number tells.
fn damage(path: &Path, number: usize) -> String {
    let mut bytes = fs::read(path).unwrap();
    let place = below(bytes.len().max(1), 2 * number);
    match number % 3 {
        0 => {
            bytes.truncate(place);
            fs::write(path, bytes).unwrap();
            format!("cut to {place} bytes")
        }
        _ => {
            let bit = below(8, 2 * number + 1);
            if let Some(byte) = bytes.get_mut(place) {
                *byte ^= 1 << bit;
            }
            fs::write(path, bytes).unwrap();
            format!("bit {bit} of byte {place} flipped")
        }
    }
}

#[test]
fn a_damaged_file_of_a_run_folder_is_told_or_changes_nothing() {
    let desk = Desk::new();
    desk.results("whole");
    let resume = ["run", "--quiet", "--json", "--resume"];
    let expected = summary(&desk.done(&[&resume[..], &["whole"]].concat()));
    let mut names = files(&desk.path("whole"));
    assert!(names.len() > 30, "{names:?}");
    if times() == 1 {
        // one file of each name
        let mut seen = BTreeSet::new();
        names.retain(|name| seen.insert(name.file_name().map(OsStr::to_owned)));
    }
    let (mut told, mut equal, mut warned) = (0, 0, 0);
    // one kind of damage of each file, or several
    for number in 0..names.len() * times() {
        let name = &names[number % names.len()];
        copy(&desk.path("whole"), &desk.path("case"));
        let how = damage(&desk.path("case").join(name), number + number / names.len());
        let what = format!("{} {how}", name.display());
        let output = desk.recast(&[&resume[..], &["case"]].concat());
        if !output.status.success() {
            assert_clear(&output, &what);
            told += 1;
        } else if summary(&text(&output.stdout)) == expected {
            equal += 1;
        } else {
            // settings are the user's own: a change is told beside the figures
            assert!(text(&output.stdout).contains("config.toml is not as"), "{what}");
            warned += 1;
        }
        for reader in [&["report", "case"][..], &["recommend", "--run-dir", "case", "--user", "1"]]
        {
            let output = desk.recast(reader);
            if !output.status.success() {
                assert_clear(&output, &format!("{reader:?}: {what}"));
            }
        }
        fs::remove_dir_all(desk.path("case")).unwrap();
    }
    eprintln!(
        "damaged files: {told} clear errors, {equal} equal results, {warned} told beside them"
    );
    assert!(told > 0 && equal > 0);
}

#[test]
fn a_damaged_checkpoint_in_the_middle_of_training_is_told_and_the_results_are_equal() {
    let desk = Desk::new();
    let whole = desk.results("whole");
    for stage in ["sid", "sft", "rl-rere", "rl-recast"] {
        copy(&desk.path("whole"), &desk.path("case"));
        // as if the process had been ended in this stage: later ones are not there
        let later: &[&str] = match stage {
            "sid" => &["sft", "rl-rere", "rl-recast"],
            "sft" => &["rl-rere", "rl-recast"],
            "rl-rere" => &["rl-recast"],
            _ => &[],
        };
        for later in later {
            fs::remove_dir_all(desk.path("case").join(later)).unwrap();
        }
        let _ = fs::remove_file(desk.path("case/summary.json"));
        if stage == "sid" {
            fs::remove_file(desk.path("case/sid/table.json")).unwrap();
        }
        let names = files(&desk.path("case").join(stage));
        let last = names.iter().rfind(|name| name.ends_with("optimiser.bpk")).unwrap();
        damage(&desk.path("case").join(stage).join(last), 1);
        let output = desk.recast(&["run", "--resume", "case", "--threads", "1"]);
        let said = text(&output.stderr);
        assert!(output.status.success(), "{stage}: {said}");
        assert!(said.contains("is damaged: step-"), "{stage}: {said}");
        assert_eq!(super::Results::of(&desk.path("case")), whole, "{stage}");
        fs::remove_dir_all(desk.path("case")).unwrap();
    }
}
