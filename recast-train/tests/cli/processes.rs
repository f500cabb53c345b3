//! The program among processes: pipes, full disks, lost output, signals and read-only folders.
#![cfg(unix)]

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::process::Output;

use super::{Desk, SMALL, text};

impl Desk {
    /// Runs a script of the shell; `$RECAST` is the program.
    fn shell(&self, script: &str) -> Output {
        let mut command = std::process::Command::new("sh");
        command.args(["-c", script]).current_dir(self.0.path());
        command.env("RECAST", env!("CARGO_BIN_EXE_recast")).output().unwrap()
    }

    /// A trained run in the folder `run`.
    fn trained(&self) {
        self.done(
            &[&["run", "--interactions", "log.csv", "--run-dir", "run", "-q"], &SMALL[..]].concat(),
        );
    }
}

#[test]
fn a_reader_that_goes_away_ends_a_command_quietly() {
    let desk = Desk::new();
    desk.trained();
    for command in [
        "--help",
        "run --help",
        "--version",
        "devices",
        "devices --json",
        "compare run",
        "compare run --json",
        "recommend --run-dir run --user u1 --json",
        "eval --run-dir run --json -q",
    ] {
        let output = desk.shell(&format!("{{ $RECAST {command}; echo rc=$? >&2; }} | true"));
        let said = text(&output.stderr);
        assert!(said.contains("rc=0\n"), "{command}: {said}");
        assert!(!said.contains("panicked") && !said.contains("recast:"), "{command}: {said}");
    }
}

#[test]
fn a_full_output_is_one_plain_line_and_exit_code_1() {
    let desk = Desk::new();
    desk.trained();
    for command in [
        "--help",
        "--version",
        "devices",
        "compare run",
        "recommend --run-dir run --user u1",
        "recommend --run-dir run --user u1 --json",
        "prepare --interactions log.csv --preset smoke -q",
    ] {
        let output = desk.shell(&format!("$RECAST {command} >/dev/full"));
        let said = text(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{command}: {said}");
        let faults: Vec<&str> = said.lines().filter(|it| it.starts_with("recast:")).collect();
        assert_eq!(faults.len(), 1, "{command}: {said}");
        let start = "recast: standard output cannot be written: No space left";
        assert!(faults[0].starts_with(start), "{command}: {said}");
        assert!(!said.contains("panicked") && !said.contains("GPU"), "{command}: {said}");
    }
}

#[test]
fn a_lost_standard_error_ends_no_training() {
    let desk = Desk::new();
    let run = "$RECAST run --interactions log.csv --preset smoke --threads 1 --run-dir";
    for (name, lost) in
        [("full", "2>/dev/full"), ("closed", "2>&-"), ("pipe", "2>&1 >/dev/null | true")]
    {
        let output = desk.shell(&format!("{run} {name} {lost}"));
        assert!(output.status.success(), "{lost}: {output:?}");
        assert!(desk.path(&format!("{name}/summary.json")).exists(), "{lost}");
    }
}

#[test]
fn ctrl_c_while_a_log_is_read_exits_130_and_leaves_no_folder() {
    let desk = Desk::new();
    let output = desk.shell(
        "mkfifo log.fifo; { echo user,item,timestamp; sleep 0.3; echo u,i,1; sleep 30; } >log.fifo & feeder=$!
        $RECAST prepare --interactions log.fifo --set data.format=csv --run-dir run & reader=$!
        sleep 0.2; kill -INT $reader; wait $reader; code=$?; kill $feeder; exit $code",
    );
    let said = text(&output.stderr);
    assert_eq!(output.status.code(), Some(130), "{said}");
    assert!(said.contains("recast: interrupted; nothing was written\n"), "{said}");
    assert!(!desk.path("run").exists());
}

#[test]
fn a_hint_is_quoted_for_the_shell() {
    let desk = Desk::new();
    for name in ["a b", "it's", "$HOME (1)"] {
        let quoted = format!("'{}'", name.replace('\'', r"'\''"));
        let prepare = "prepare --interactions log.csv --preset smoke -q --run-dir";
        assert!(desk.shell(&format!("$RECAST {prepare} {quoted}")).status.success());
        let output = desk.shell(&format!("$RECAST sft -q --run-dir {quoted}"));
        let said = text(&output.stderr);
        let hint = said.trim_end().rsplit_once("run recast ").unwrap().1;
        let hint = hint.strip_suffix(" first").unwrap();
        let pasted = desk.shell(&format!("$RECAST {hint} --threads 1"));
        assert!(pasted.status.success(), "{hint}: {}", text(&pasted.stderr));
    }
}

#[test]
fn a_read_only_folder_recommends_and_is_judged() {
    let desk = Desk::new();
    desk.trained();
    let before = desk.done(&["recommend", "--run-dir", "run", "--user", "u1"]);
    let set = |mode| {
        for name in ["run", "run/sft", "run/sid", "run/data"] {
            fs::set_permissions(desk.path(name), Permissions::from_mode(mode)).unwrap();
        }
    };
    set(0o555);
    if fs::write(desk.path("run/probe"), "").is_ok() {
        fs::remove_file(desk.path("run/probe")).unwrap();
        set(0o755);
        eprintln!("skipped: this user may write everywhere");
        return;
    }
    let summary = fs::read(desk.path("run/summary.json")).unwrap();
    assert_eq!(desk.done(&["recommend", "--run-dir", "run", "--user", "u1"]), before);
    desk.done(&["eval", "--run-dir", "run", "--check-search", "5"]);
    let output = desk.recast(&["eval", "--run-dir", "run"]);
    assert!(output.status.success(), "{}", text(&output.stderr));
    assert!(text(&output.stderr).contains("run is read-only: the figures are printed"));
    assert_eq!(fs::read(desk.path("run/summary.json")).unwrap(), summary);
    set(0o755);
}

#[test]
fn no_message_is_longer_than_a_kilobyte_or_two_lines() {
    let desk = Desk::new();
    let long = "x".repeat(50_000);
    desk.write("header.csv", format!("{long},item\n"));
    desk.write("value.csv", format!("user,item,timestamp\nu,i,{long}\n"));
    desk.write("control.csv", "user,item,timestamp\nu,i,\u{1b}[31mred\n");
    desk.write("bad.jsonl", format!("{{\"user\": \"{long}\"\n"));
    desk.write("bad.toml", format!("seed = \"{long}\"\n"));
    for arguments in [
        &["prepare", "--interactions", "header.csv"][..],
        &["prepare", "--interactions", "value.csv"],
        &["prepare", "--interactions", "control.csv"],
        &["prepare", "--interactions", "bad.jsonl"],
        &["prepare", "--config", "bad.toml"],
        &["prepare", "--interactions", &long],
        &["prepare", "--interactions", "log.csv", "--set", &format!("data.order={long}")],
        &["prepare", "--preset", &long],
    ] {
        let message = desk.refused(arguments);
        assert!(message.len() <= 1024, "{} bytes: {message}", message.len());
        assert!(!message.contains('\u{1b}'), "{message}");
    }
}
