//! Public data sets in Parquet.

use super::super::super::testing::{named, read_with};
use super::super::super::{Interactions, LogOptions};
use super::*;

/// Made up in the layout of RecIF: two users, the first with an empty history.
fn rec_if() -> Vec<u8> {
    let list = |name: &str| {
        format!(
            "optional group {name} (LIST) {{ repeated group list {{ optional int64 element; }} }}"
        )
    };
    let names = ["hist_video_pid", "target_video_pid", "hist_ad_pid", "target_ad_pid"];
    let lists: Vec<String> = names.iter().map(|name| list(name)).collect();
    let schema = format!("optional int64 uid; optional int64 split; {}", lists.join(" "));
    levelled(
        &schema,
        &[
            Levelled(Written::Int64(&[70, 80]), &[1, 1], &[]),
            Levelled(Written::Int64(&[0, 0]), &[1, 1], &[]),
            Levelled(Written::Int64(&[4, 3]), &[0, 3, 3], &[0, 0, 1]),
            Levelled(Written::Int64(&[1, 2]), &[3, 3], &[0, 0]),
            Levelled(Written::Int64(&[9]), &[0, 3], &[0, 0]),
            Levelled(Written::Int64(&[8, 7]), &[3, 3], &[0, 0]),
        ],
    )
}

fn read(bytes: &[u8], item: &str) -> std::result::Result<Interactions, String> {
    let mut options = LogOptions::default();
    options.columns.item = item.to_owned();
    read_with(".parquet", bytes, &options)
}

#[test]
fn the_targets_of_recif_follow_the_history() {
    let log = read(&rec_if(), "item").unwrap();
    assert_eq!(named(&log), [("70", "1", 0), ("80", "4", 0), ("80", "3", 1), ("80", "2", 2)]);
    assert_eq!(log.read_as.as_deref(), Some("RecIF"));
    let ads = read(&rec_if(), "hist_ad_pid").unwrap();
    assert_eq!(named(&ads), [("70", "8", 0), ("80", "9", 0), ("80", "7", 1)]);
    let targets = read(&rec_if(), "target_video_pid").unwrap();
    assert_eq!(named(&targets), [("70", "1", 0), ("80", "2", 0)]);
    let message = read(&rec_if(), "hist_goods_pid").unwrap_err();
    assert!(message.contains("no column 'hist_goods_pid' among"), "{message}");
}

#[test]
fn the_prompts_of_recif_are_no_log() {
    let schema = "required binary source (STRING); required binary messages (STRING);
        required binary metadata (STRING);";
    let texts: [&[&[u8]]; 3] = [&[b"RecIF_VideoRec"], &[b"[]"], &[b"{}"]];
    let message = read(&file(schema, &texts.map(Written::Texts), &[]), "item").unwrap_err();
    assert!(message.starts_with("FILE: holds prompts in chat form"), "{message}");
    // a log may have such a column too
    let schema = "required binary user (STRING); required binary item (STRING);
        required int64 timestamp; required binary messages (STRING);";
    let columns = [
        Written::Texts(&[b"u"]),
        Written::Texts(&[b"i"]),
        Written::Int64(&[5]),
        Written::Texts(&[b"[]"]),
    ];
    assert_eq!(named(&read(&file(schema, &columns, &[]), "item").unwrap()), [("u", "i", 5)]);
}

#[test]
fn the_columns_of_a_data_set_count_in_parquet_as_in_text() {
    let text = |it: &'static [u8]| Written::Texts(vec![it].leak());
    for (schema, columns, name, row) in [
        (
            "required binary user_id (STRING); required binary parent_asin (STRING);
             required double rating; required int64 timestamp;",
            vec![
                text(b"AE"),
                text(b"B0"),
                Written::Double(&[5.0]),
                Written::Int64(&[1_588_687_728_923]),
            ],
            "Amazon reviews 2023",
            ("AE", "B0", 1_588_687_728_923),
        ),
        (
            "required int64 user_id; required int64 item_id; required int32 click;
             required int32 like; required int32 share;",
            vec![
                Written::Int64(&[9]),
                Written::Int64(&[4]),
                Written::Int32(&[1]),
                Written::Int32(&[0]),
                Written::Int32(&[0]),
            ],
            "Tenrec, clicked and other impressions in row order",
            ("9", "4", 0),
        ),
    ] {
        let log = read(&file(schema, &columns, &[]), "item").unwrap();
        assert_eq!((named(&log), log.read_as.as_deref()), (vec![row], Some(name)));
    }
}
