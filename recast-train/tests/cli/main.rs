//! The program from outside: messages, exit codes and files.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod compare;
mod data;
mod figures;
mod fresh;
mod guards;
mod joins;
mod library;
mod locks;
mod logs;
mod phases;
mod pinned;
mod processes;
mod report;
mod rewards;
mod run_folder;
mod semantic_ids;
mod settings;
mod signals;
mod splits;
mod studies;
mod torture;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use tempfile::TempDir;

const BAD_INPUT: i32 = 2;

/// A folder to work in, with a log of 60 users, 12 items and 6 interactions a user.
struct Desk(TempDir);

impl Desk {
    fn new() -> Self {
        let desk = Self(tempfile::tempdir().unwrap());
        desk.write("log.csv", log("user,item,timestamp"));
        desk
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(self.0.path()).unwrap();
        let mut names: Vec<String> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_recast"));
        command.args(arguments).current_dir(self.0.path()).stdin(Stdio::null());
        command
    }

    fn recast(&self, arguments: &[&str]) -> Output {
        self.command(arguments).output().unwrap()
    }

    /// Runs a command that must be refused; returns its message.
    fn refused(&self, arguments: &[&str]) -> String {
        let before = self.names();
        let output = self.recast(arguments);
        let message = text(&output.stderr);
        assert_eq!(output.status.code(), Some(BAD_INPUT), "{arguments:?}: {message}");
        assert_eq!(text(&output.stdout), "", "{arguments:?}");
        assert_eq!(self.names(), before, "{arguments:?} left something behind");
        assert!(!message.contains("panicked"), "{message}");
        message
    }

    /// Runs a command that must work; returns its standard output.
    fn done(&self, arguments: &[&str]) -> String {
        let output = self.recast(arguments);
        assert!(output.status.success(), "{arguments:?}: {}", text(&output.stderr));
        text(&output.stdout)
    }
}

/// The files within a folder, by their paths from there.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            match path.is_dir() {
                true => folders.push(path),
                false => found.push(path.strip_prefix(folder).unwrap().to_owned()),
            }
        }
    }
    found.sort();
    found
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}

fn log(header: &str) -> String {
    let mut log = format!("{header}\n");
    for user in 0..60 {
        for step in 0..6 {
            writeln!(log, "u{user},i{},{}", (user + step * 5) % 12, 1000 + step).unwrap();
        }
    }
    log
}

/// Takes the checksums of a run folder away, as versions without them wrote it: a test then edits
/// its files.
fn forget_checksums(run_dir: &Path) {
    for folder in ["", "data", "sid", "sft"] {
        let _ = fs::remove_file(run_dir.join(folder).join("sums"));
    }
    let path = run_dir.join("events.jsonl");
    let Ok(events) = fs::read_to_string(&path) else { return };
    let lines = events.lines().map(|line| match line.rsplit_once(",\"crc32c\":") {
        Some((open, _)) => format!("{open}}}\n"),
        None => format!("{line}\n"),
    });
    fs::write(path, lines.collect::<String>()).unwrap();
}

const SMALL: [&str; 4] = ["--preset", "smoke", "--threads", "1"];

fn titles() -> String {
    (0..12).map(|i| format!("{{\"id\": \"i{i}\", \"title\": \"Tea number {i}\"}}\n")).collect()
}
