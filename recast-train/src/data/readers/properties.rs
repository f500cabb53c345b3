//! Rows with hostile ids, written in each format of text, read back equal.

use proptest::prelude::*;

use super::testing::{named, read_with};
use super::{Format, LogOptions, LogOrder};

type Row = (String, String, i64);

/// Texts that readers of tables take for something else.
const HOSTILE: [&str; 24] = [
    "\"",
    "\"\"",
    "a\"b",
    "a,b",
    "a;b|c",
    "a\tb",
    "a::b",
    "a:b",
    "a\nb",
    "a\nb,c,1\nd",
    "a\rb",
    "123456789012345678901234567890",
    "007",
    "3.0",
    "-1",
    "[4, 7]",
    "{'a': 1}",
    "user",
    "#x",
    "é",
    "e\u{301}",
    "日本 語",
    "😀\u{200d}😀",
    "\\N\\",
];

pub(super) fn id() -> impl Strategy<Value = String> {
    let any = proptest::collection::vec(any::<char>(), 1..8)
        .prop_map(|letters| letters.into_iter().collect::<String>());
    let hostile = proptest::sample::select(&HOSTILE[..]).prop_map(str::to_owned);
    // fields are trimmed, 0 is no text, a mark of byte order is none within a file
    let of = |range, length| {
        let letters = proptest::collection::vec(range, 1..length);
        letters.prop_map(|letters| letters.into_iter().collect::<String>())
    };
    let digits = of(proptest::char::range('0', '9'), 30);
    let short = of(proptest::char::range('a', 'c'), 3);
    prop_oneof![any, hostile, digits, short].prop_map(|text| {
        let text = text.replace(['\0', '\u{feff}', '\u{1f}'], "");
        let text = text.trim().to_owned();
        if text.is_empty() || super::rows::is_missing(&text) { "x".to_owned() } else { text }
    })
}

fn rows() -> impl Strategy<Value = Vec<Row>> {
    let time = prop_oneof![0..1000i64, 1_700_000_000..1_800_000_000i64];
    let one_unit = proptest::collection::vec((id(), id(), time), 1..12);
    one_unit.prop_map(|mut rows| {
        let base = if rows[0].2 < 1000 { 0 } else { 1_700_000_000 };
        rows.iter_mut().for_each(|row| row.2 = base + row.2 % 1000);
        rows
    })
}

/// Writes rows as a table after the header line; `quote` writes a field.
fn table(rows: &[Row], header: &str, part: &str, quote: impl Fn(&str) -> String) -> String {
    let mut text = format!("{}\n", header.replace(',', part));
    for (user, item, time) in rows {
        text += &[quote(user), quote(item), time.to_string()].join(part);
        text += "\n";
    }
    text
}

/// Takes out of ids all that a format without quotes cannot hold.
fn without(rows: &[Row], parts: &[&str]) -> Vec<Row> {
    let clean = |id: &String| {
        let mut id = id.clone();
        for part in parts {
            id = id.replace(part, "_");
        }
        let id = id.trim().trim_matches(':').to_owned();
        if id.is_empty() || super::rows::is_missing(&id) { "x".to_owned() } else { id }
    };
    rows.iter().map(|(user, item, time)| (clean(user), clean(item), *time)).collect()
}

fn assert_reads(
    suffix: &str,
    text: &str,
    options: &LogOptions,
    rows: &[Row],
) -> std::result::Result<(), TestCaseError> {
    let read = read_with(suffix, text.as_bytes(), options);
    let read = read.map_err(|message| TestCaseError::fail(format!("{message}\n{text:?}")))?;
    let expected: Vec<(&str, &str, i64)> =
        rows.iter().map(|(user, item, time)| (user.as_str(), item.as_str(), *time)).collect();
    prop_assert_eq!(named(&read), expected, "{:?}", text);
    Ok(())
}

fn parted(delimiter: &str) -> LogOptions {
    LogOptions { delimiter: Some(delimiter.to_owned()), ..LogOptions::default() }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn quoted_tables_hold_any_id(rows in rows()) {
        let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        // within quotes, too, a line end of two bytes is one line end
        let rows = without(&rows, &["\r\n"]);
        for part in [",", ";", "|", " ", "^"] {
            let text = table(&rows, "user,item,timestamp", part, quote);
            assert_reads(".csv", &text, &parted(part), &rows)?;
            let bare = text.split_once('\n').map_or("", |it| it.1);
            let names = ["user", "item", "timestamp"].map(str::to_owned).to_vec();
            let options = LogOptions { header: Some(names), ..parted(part) };
            assert_reads(".dat", bare, &options, &rows)?;
        }
        let text = table(&rows, "user,item,timestamp", ",", quote).replace('\n', "\r\n");
        assert_reads(".csv", &text, &LogOptions::default(), &rows)?;
    }

    #[test]
    fn tables_without_quotes_hold_any_id_without_their_separators(rows in rows()) {
        let plain = |text: &str| text.to_owned();
        let tabs = without(&rows, &["\t", "\n", "\r"]);
        let header = "user,item,timestamp";
        assert_reads(".tsv", &table(&tabs, header, "\t", plain), &LogOptions::default(), &tabs)?;
        let typed = "user_id:token,item_id:token,timestamp:float";
        assert_reads(".inter", &table(&tabs, typed, "\t", plain), &LogOptions::default(), &tabs)?;
        let colons = without(&rows, &["::", "\n", "\r"]);
        assert_reads(".dat", &table(&colons, header, "::", plain), &parted("::"), &colons)?;
    }

    #[test]
    fn json_holds_any_id(rows in rows()) {
        let mut text = String::new();
        for (user, item, time) in &rows {
            let line = serde_json::json!({"user": user, "item": item, "timestamp": time});
            text += &format!("{line}\n");
        }
        assert_reads(".jsonl", &text, &LogOptions::default(), &rows)?;
    }

    #[test]
    fn lists_hold_any_id(items in proptest::collection::vec(id(), 2..9), user in id()) {
        let rows: Vec<Row> =
            (5..).zip(&items).map(|(time, item)| (user.clone(), item.clone(), time)).collect();
        let times: Vec<i64> = rows.iter().map(|row| row.2).collect();
        let line = serde_json::json!({"user": user, "item": items, "timestamp": times});
        assert_reads(".jsonl", &format!("{line}\n"), &LogOptions::default(), &rows)?;
        let quote = |text: &str| format!("\"{}\"", text.replace('"', "\"\""));
        let (items, times) = (line["item"].to_string(), line["timestamp"].to_string());
        let row = [quote(&user), quote(&items), quote(&times)].join(",");
        let text = format!("user,item,timestamp\n{row}\n");
        assert_reads(".csv", &text, &LogOptions::default(), &rows)?;
    }

    #[test]
    fn lines_of_words_hold_any_id_without_blanks(rows in rows()) {
        let rows: Vec<Row> = (0..)
            .zip(&rows)
            .map(|(position, (user, item, _))| {
                let word = |text: &String| text.split_whitespace().collect::<String>();
                (word(user), word(item), position)
            })
            .collect();
        let text: String = rows.iter().map(|(user, item, _)| format!("{user} {item}\n")).collect();
        let rows_in_order = LogOptions {
            format: Some(Format::S3Rec),
            order: Some(LogOrder::Rows),
            ..LogOptions::default()
        };
        let users: std::collections::HashSet<&String> = rows.iter().map(|it| &it.0).collect();
        if users.len() < rows.len() {
            assert_reads(".txt", &text, &rows_in_order, &rows)?;
        }
        let user = &rows[0].0;
        let of_one: Vec<Row> =
            rows.iter().map(|row| (user.clone(), row.1.clone(), row.2)).collect();
        let items: Vec<&str> = rows.iter().map(|row| row.1.as_str()).collect();
        let line = format!("{user} {}\n", items.join(" "));
        assert_reads(".txt", &line, &rows_in_order, &of_one)?;
    }
}
