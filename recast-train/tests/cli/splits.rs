//! Logs that bring a split, or a catalogue, in files of their own.

use std::fmt::Write as _;
use std::fs;

use serde_json::Value;

use crate::Desk;

/// Ten users with the items `from..until` of their own sequences, in RecBole's form.
fn part(from: u32, until: u32) -> String {
    let mut text = "user_id:token\titem_id:token\ttimestamp:float\n".to_owned();
    for user in 0..10 {
        for at in from..until {
            writeln!(text, "u{user}\ti{}\t{}", (user + at) % 7, 1_700_000_000 + at).unwrap();
        }
    }
    text
}

fn three_files(desk: &Desk) {
    for (name, from, until) in [("train", 0, 4), ("valid", 4, 5), ("test", 5, 6)] {
        desk.write(&format!("toys.{name}.inter"), part(from, until));
    }
}

const THREE: [&str; 6] = [
    "--interactions",
    "toys.train.inter",
    "--set",
    "data.valid=toys.valid.inter",
    "--set",
    "data.test=toys.test.inter",
];

fn report(desk: &Desk, arguments: &[&str]) -> Value {
    serde_json::from_str(&desk.done(&[&["prepare", "--json"], arguments].concat())).unwrap()
}

#[test]
fn files_of_one_s_own_are_the_split() {
    let desk = Desk::new();
    three_files(&desk);
    let read = report(&desk, &THREE);
    assert_eq!(read["prepare"]["interactions"], 60);
    assert_eq!(read["split"]["train_interactions"], 40);
    assert_eq!((&read["split"]["valid"], &read["split"]["test"]), (&10.into(), &10.into()));
    let joins = read["joins"].as_array().unwrap();
    assert_eq!(joins.len(), 2);
    assert!(joins.iter().all(|it| it["matched"] == 10 && it["of"] == "users"), "{joins:?}");

    // a file of settings does the same as flags
    desk.write(
        "toys.toml",
        "[data]\ninteractions = \"toys.train.inter\"\nvalid = \"toys.valid.inter\"\ntest = \"toys.test.inter\"\n",
    );
    assert_eq!(report(&desk, &["--config", "toys.toml"])["split"], read["split"]);

    let checksums = {
        desk.done(&[&["prepare", "--run-dir", "run"], &THREE[..]].concat());
        fs::read_to_string(desk.path("run/checksums.json")).unwrap()
    };
    for name in ["train", "valid", "test"] {
        assert!(checksums.contains(&format!("toys.{name}.inter")), "{checksums}");
    }
}

#[test]
fn files_that_are_no_split_are_refused() {
    let desk = Desk::new();
    three_files(&desk);
    let with = |more: &[&str]| desk.refused(&[&["prepare"], &THREE[..], more].concat());
    let message = with(&["--set", "data.split=leave_one_out"]);
    assert!(message.contains("data.split': is not \"given\""), "{message}");
    let message = with(&["--set", "data.split=given", "--preset", "standard"]);
    assert!(message.contains("breaks the split that came with the log"), "{message}");
    let message = desk.refused(&[&["prepare"], &THREE[..4]].concat());
    assert!(message.contains("data.valid': is given without data.test"), "{message}");
    let message = desk.refused(&["prepare", "--set", "data.valid=toys.valid.inter"]);
    assert!(message.starts_with("recast: config key 'data.valid'"), "{message}");
    desk.write("toys.test.inter", part(5, 6).replace("\nu", "\nx"));
    assert!(with(&[]).contains("toys.test.inter: matched 0 of 10 users by id"), "{}", with(&[]));
}

#[test]
fn a_folder_of_lc_rec_keeps_its_catalogue_and_texts() {
    let desk = Desk::new();
    fs::create_dir(desk.path("toys")).unwrap();
    let lists: Vec<String> =
        (0..8).map(|user| format!("\"{user}\": [{user}, {}, 9, 3]", user + 1)).collect();
    desk.write("toys/Toys.inter.json", format!("{{{}}}", lists.join(", ")));
    let of = |entry: &dyn Fn(u32) -> String| {
        let entries: Vec<String> =
            (0..12).map(|item| format!("\"{item}\": {}", entry(item))).collect();
        format!("{{{}}}", entries.join(", "))
    };
    let sid = |item| format!("[\"<a_{}>\", \"<b_{}>\"]", item / 4, item % 4);
    desk.write("toys/Toys.index.json", of(&sid));
    desk.write("toys/Toys.item.json", of(&|item| format!("{{\"title\": \"Toy {item}\"}}")));
    let folder = report(&desk, &["--interactions", "toys"]);
    assert_eq!((&folder["prepare"]["users"], &folder["prepare"]["items"]), (&8.into(), &12.into()));
    assert_eq!((&folder["split"]["valid"], &folder["split"]["test"]), (&8.into(), &8.into()));
    assert_eq!(folder["joins"][0]["matched"], 12);
    let file = report(&desk, &["--interactions", "toys/Toys.inter.json"]);
    for part in ["prepare", "split", "joins", "read_as"] {
        assert_eq!(file[part], folder[part], "{part}");
    }
    let table = ["--set", "tokenizer.table=toys/Toys.index.json"];
    let with_table = report(&desk, &[&["--interactions", "toys"], &table[..]].concat());
    assert_eq!(with_table["joins"][1]["matched"], 12);
}
