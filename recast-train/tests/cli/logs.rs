//! Logs as others write them, read by settings or by their content.

use serde_json::Value;

use crate::{Desk, log, text};

/// The report on `file`.
fn report(desk: &Desk, file: &str, more: &[&str]) -> Value {
    let folder = format!("run-{file}");
    let arguments = ["prepare", "--json", "--interactions", file, "--run-dir", &folder];
    serde_json::from_str(&desk.done(&[&arguments[..], more].concat())).unwrap()
}

fn counts(report: &Value) -> [u64; 3] {
    ["users_read", "items_read", "interactions_read"]
        .map(|key| report["prepare"][key].as_u64().unwrap())
}

#[test]
fn a_log_without_a_header_line_is_read_by_the_names_of_its_columns() {
    let desk = Desk::new();
    let bare = log("").trim_start().to_owned();
    desk.write("bare.csv", &bare);
    let message = desk.refused(&["prepare", "--interactions", "bare.csv"]);
    assert!(message.contains("bare.csv:1: no column 'user' among 'u0', 'i0', '1000'"), "{message}");
    let read = report(&desk, "bare.csv", &["--columns", "user,item,timestamp"]);
    assert_eq!((counts(&read), read["read_as"].clone()), ([60, 12, 360], Value::Null));
    // dates leave no doubt
    desk.write("dated.csv", bare.replace(",100", ",2024-01-0").replace("-00", "-07"));
    let read = report(&desk, "dated.csv", &[]);
    assert_eq!(counts(&read), [60, 12, 360]);
    assert_eq!(read["read_as"], "columns user, item, timestamp without a header line");
    let output = desk.recast(&["prepare", "--interactions", "dated.csv", "--run-dir", "again"]);
    let printed = text(&output.stderr);
    assert!(
        printed.contains("read as columns user, item, timestamp without a header"),
        "{printed}"
    );
}

#[test]
fn a_separator_and_an_encoding_are_settings() {
    let desk = Desk::new();
    let latin = log("user,item,timestamp").replace(',', "^").replace('u', "\u{fc}");
    let latin: Vec<u8> = latin.replacen('\u{fc}', "u", 1).chars().map(|it| it as u8).collect();
    desk.write("odd.csv", latin);
    let message = desk.refused(&["prepare", "--interactions", "odd.csv"]);
    assert!(message.contains("no column 'user' among 'user^item^timestamp'"), "{message}");
    let settings = ["--set", "data.delimiter=^", "--set", "data.encoding=latin1"];
    let message =
        desk.refused(&[&["prepare", "--interactions", "odd.csv"], &settings[..2]].concat());
    assert!(message.contains("is not UTF-8 text; set data.encoding"), "{message}");
    assert_eq!(counts(&report(&desk, "odd.csv", &settings)), [60, 12, 360]);
}

#[test]
fn rows_are_chosen_by_a_column_and_the_others_counted() {
    let desk = Desk::new();
    let log = log("user,item,timestamp,event");
    let mut events = String::new();
    for (number, line) in log.lines().enumerate() {
        let kind = if number % 7 == 3 { "view" } else { "buy" };
        events += &if number == 0 { format!("{line}\n") } else { format!("{line},{kind}\n") };
    }
    desk.write("events.csv", events);
    let all = ["--set", "data.prepare.min_user=3", "--set", "data.prepare.min_item=3"];
    let kept = |settings: &[&str]| report(&desk, "events.csv", &[&all[..], settings].concat());
    let bought = kept(&["--where", "event=buy"]);
    let views = (1..=360).filter(|number| number % 7 == 3).count() as u64;
    assert_eq!(bought["prepare"]["not_kept"], views);
    assert_eq!(counts(&bought)[2], 360 - views);
    let message =
        desk.refused(&["prepare", "--interactions", "events.csv", "--where", "event=sold"]);
    assert!(message.contains("keeps none of 360 rows: 'event' has 'buy', 'view'"), "{message}");
    let message = desk.refused(&["prepare", "--interactions", "events.csv", "--where", "kind=buy"]);
    assert!(message.contains("no column 'kind' among"), "{message}");
}

#[test]
fn a_log_in_the_order_of_its_rows_has_no_split_by_time() {
    let desk = Desk::new();
    let log = log("user,item,x");
    desk.write("rows.csv", &log);
    let message = desk.refused(&["prepare", "--interactions", "rows.csv"]);
    assert!(message.contains("data.order = \"rows\""), "{message}");
    let rows = ["--set", "data.order=rows"];
    assert_eq!(counts(&report(&desk, "rows.csv", &rows)), [60, 12, 360]);
    let split = "data.split={ global_time = { valid = 0.1, test = 0.1 } }";
    let message = desk.refused(&[
        "prepare",
        "--interactions",
        "rows.csv",
        "--run-dir",
        "split",
        "--set",
        "data.order=rows",
        "--set",
        split,
    ]);
    assert!(message.contains("config key 'data.split': a split by global time"), "{message}");
}

#[test]
fn missing_values_are_counted_where_they_are_dropped() {
    let desk = Desk::new();
    let mut log = log("user,item,timestamp");
    log += "nan,i1,1001\nu1,NULL,1001\nu1,i1,\n";
    desk.write("gaps.csv", &log);
    let message = desk.refused(&["prepare", "--interactions", "gaps.csv"]);
    assert!(message.contains("gaps.csv:362: column 'user': stands for a missing"), "{message}");
    let drop = ["--set", "data.missing=drop"];
    let dropped = report(&desk, "gaps.csv", &drop);
    assert_eq!((counts(&dropped), &dropped["prepare"]["missing"]), ([60, 12, 360], &3.into()));
}
