//! Ids, copies and layouts of items files.

use proptest::prelude::*;

use super::*;
use crate::data::OtherKey;

#[test]
fn the_key_of_ids_is_a_setting() {
    for (suffix, content) in [
        (".jsonl", "{\"id\": 9, \"sku\": \"007\", \"title\": \"T\", \"price\": 2}\n"),
        (".csv", "id,sku,title,price\n9,007,T,2\n"),
        (".json", "{\"007\": {\"id\": 9, \"title\": \"T\", \"price\": 2}}"),
    ] {
        let (items, join, _) =
            read_with(suffix, content.as_bytes(), &["007"], Some("sku")).unwrap();
        assert_eq!((join.matched, &items.text(0).unwrap().text[..]), (1, "T"), "{suffix}");
        assert_eq!(items.numbers(0).collect::<Vec<_>>(), [("price", 2.0)], "{suffix}");
    }
    let message = read_with(".csv", b"id,title\n1,T\n", &["1"], Some("sku")).unwrap_err();
    assert_eq!(
        message,
        "FILE:2: no id under the key 'sku'; give each item its id as a string or number, or name its \
         key by data.items_id; the keys here are 'id', 'title'"
    );
}

#[test]
fn two_columns_or_keys_of_one_name_are_refused() {
    for (suffix, content) in [
        (".csv", "id,title,title\n1,a,b\n"),
        (".csv", "id,title,id\n1,a,2\n"),
        (".item", "id:token\ttitle:token\ttitle:token\n1\ta\tb\n"),
        (".jsonl", "{\"id\": 1, \"title\": \"a\", \"title\": \"b\"}\n"),
        (".json", "{\"id\": 1, \"id\": 2}\n{\"id\": 3}\n"),
    ] {
        let message = read_as(suffix, content, &["1"]).unwrap_err();
        assert!(message.contains("stands twice"), "{content}: {message}");
    }
}

#[test]
fn usual_names_of_ids_are_known_after_the_first_five() {
    for name in [
        "movieId",
        "MovieID",
        "video_id",
        "article_id",
        "business_id",
        "itemid",
        "product_id",
        "news_id",
    ] {
        let items = read_as(".csv", &format!("{name},title\n007,T\n"), &["007"]).unwrap();
        assert_eq!((items.title(0), &items.text(0).unwrap().text[..]), ("T", "T"), "{name}");
    }
    // as before: these are words and numbers of an item that has an id of the first five
    let line = "{\"asin\": \"a\", \"video_id\": 5, \"product_id\": \"p\", \"title\": \"T\"}\n";
    let items = read(line, &["a"]).unwrap();
    assert_eq!(items.text(0).unwrap().text, "T. p");
    assert_eq!(items.numbers(0).collect::<Vec<_>>(), [("video_id", 5.0)]);
    let items = read_as(".csv", "video_id,asin,title\n5,a,T\n", &["a"]).unwrap();
    assert_eq!(items.text(0).unwrap().text, "T");
    assert_eq!(items.numbers(0).collect::<Vec<_>>(), [("video_id", 5.0)]);
}

#[test]
fn lines_of_json_are_told_from_one_object() {
    let lines = "{\"asin\": \"a\", \"title\": \"A\"}\n{\"asin\": \"b\", \"title\": \"B\"}\n";
    for content in [
        lines.to_owned(),
        format!("\n{lines}"),
        lines.replace('\n', "\r\n"),
        "{\"a\": {\"title\": \"A\"}, \"b\": {\"title\": \"B\"}}".to_owned(),
        "{\"a\": {\"title\": \"A\"}, \"b\": {\"title\": \"B\"}}\n\n".to_owned(),
        "{\"a\": {\"title\": \"A\"},\n\"b\": {\"title\": \"B\"}}\n".to_owned(),
        "{\n\"a\": {\n\"title\": \"A\"\n},\n\"b\": {\"title\": \"B\"}\n}\n".to_owned(),
    ] {
        let items = read_as(".json", &content, &["b", "a"]).unwrap();
        assert_eq!((items.title(0), items.title(1)), ("B", "A"), "{content}");
    }
}

#[test]
fn packed_files_are_read_by_the_extension_under_the_packing() {
    let gzip = |text: &str| {
        let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        gzip.write_all(text.as_bytes()).unwrap();
        gzip.finish().unwrap()
    };
    let zstd = |text: &str| zstd::encode_all(text.as_bytes(), 1).unwrap();
    let object = "{\"a\": {\"title\": \"A, B\"}}";
    let lines = "{\"asin\": \"a\", \"title\": \"A, B\"}\n";
    let table = "asin,title\na,\"A, B\"\n";
    for (suffix, content) in [
        (".json.gz", gzip(object)),
        (".json.zst", zstd(&lines.repeat(2))),
        (".jsonl.zst", zstd(lines)),
        (".csv.gz", gzip(table)),
        (".CSV.GZ", gzip(table)),
    ] {
        let (items, ..) = read_with(suffix, &content, &["a"], None).unwrap();
        assert_eq!(items.title(0), "A, B", "{suffix}");
    }
}

#[test]
fn the_items_of_movielens_are_read_as_published() {
    let movies =
        "1::Toy Story (1995)::Animation|Children's\n2::Les Mis\u{e9}rables (1995)::Drama\n";
    let flags = "0|0|0|1|1|1|0|0|0|0|0|0|0|0|0|0|0|0|0";
    let item = format!("2|Ol\u{e9} (1995)|01-Jan-1995||http://x|{flags}\n");
    let latin = |text: &str| text.chars().map(|letter| letter as u8).collect::<Vec<u8>>();
    let read = |suffix: &str, text: &str| {
        let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
        file.write_all(&latin(text)).unwrap();
        let encoding = Some(encoding_rs::WINDOWS_1252);
        let file = ItemsFile { path: file.path(), id_key: None, encoding };
        items_of(&file, &["2"].into_iter().collect(), &Sources::default()).unwrap().0
    };
    assert_eq!(read(".dat", movies).text(0).unwrap().text, "Les Mis\u{e9}rables (1995). Drama");
    let text = "Ol\u{e9} (1995). Animation. Children's. Comedy";
    assert_eq!(read(".item", &item).text(0).unwrap().text, text);
    for (suffix, content, message) in [
        (".dat", "1::a::b::c\n", "FILE:1: is not three fields with '::'"),
        (".item", "1|a|b\n", "FILE:1: is not 24 fields with '|'"),
    ] {
        assert!(read_as(suffix, content, &["1"]).unwrap_err().starts_with(message));
    }
}

#[test]
fn an_exact_copy_counts_once_with_a_warning() {
    let json =
        "{\"id\": 1, \"title\": \"A\"}\n{\"id\": 2}\n{\"id\": 1, \"title\": \"A\"}\n{\"id\": 2}\n";
    let (items, join, warnings) = read_with(".jsonl", json.as_bytes(), &["1", "2"], None).unwrap();
    assert_eq!((items.row_of(1), items.n_rows(), join.matched, join.others), (Some(1), 4, 2, 0));
    assert_eq!(
        warnings,
        ["texts: 2 entries repeat an earlier entry exactly, which counts once (item '1', line 3)"]
    );
    for (suffix, content) in [
        (".csv", "id,title\n1,A\n1,A\n"),
        (".json", "{\"1\": {\"title\": \"A\"}, \"1\": {\"title\": \"A\"}}"),
        (".dat", "1::A::B\n1::A::B\n"),
    ] {
        let (.., warnings) = read_with(suffix, content.as_bytes(), &["1"], None).unwrap();
        assert!(warnings[0].starts_with("texts: 1 entry repeats an earlier entry"), "{warnings:?}");
    }
    for (suffix, content, message) in [
        (
            ".csv",
            "id,title\n1,A\n2,A\n1,B\n",
            "FILE:4: item '1' stands twice with different entries, first on line 2; ",
        ),
        (
            ".jsonl",
            "{\"id\": 1}\n\n{\"id\": 1, \"p\": 0}\n",
            "FILE:3: item '1' stands twice with different entries, first on line 1; ",
        ),
        (
            ".dat",
            "1::A::B\n1::A::C\n",
            "FILE:2: item '1' stands twice with different entries, first on line 1; ",
        ),
    ] {
        let refused = read_as(suffix, content, &["1"]).unwrap_err();
        assert!(refused.starts_with(message), "{refused}");
    }
}

#[test]
fn an_entry_without_an_id_is_refused_by_its_line() {
    for (suffix, content) in [
        (".csv", "id,title\n1,A\n,B\n"),
        (".csv", "id,title\n1,A\nNaN,B\n"),
        (".csv", "movieId,title\n1,A\nNULL,B\n"),
        (".jsonl", "{\"id\": 1}\n{\"id\": null, \"title\": \"B\"}\n"),
        (".jsonl", "{\"id\": 1}\n{\"id\": \" \"}\n"),
        (".jsonl", "{\"id\": 1}\n{\"id\": [2]}\n"),
    ] {
        let message = read_as(suffix, content, &["1"]).unwrap_err();
        let line = if suffix == ".csv" { 3 } else { 2 };
        assert!(message.starts_with(&format!("FILE:{line}: no id under any")), "{message}");
    }
    // an id of the log is an id, whatever it says
    assert_eq!(read_as(".csv", "id,title\nnan,A\n", &["nan"]).unwrap().title(0), "A");
}

#[test]
fn integers_of_any_length_are_ids_by_their_digits() {
    let text = "123456789012345678901234567890";
    for (suffix, content) in [
        (".jsonl", format!("{{\"id\": {text}, \"title\": \"T\"}}\n")),
        (".jsonl", format!("{{\"title\": \"T\", \"movieId\": {text}}}\n")),
        (".jsonl", format!("{{'title': 'T', 'asin': {text}L}}\n")),
        (".jsonl", format!("{{\"id\": \"{text}\", \"title\": \"T\"}}\n")),
        (".csv", format!("id,title\n{text},T\n")),
    ] {
        assert_eq!(read_as(suffix, &content, &[text]).unwrap().title(0), "T", "{content}");
    }
    for number in ["1e16", "123456789012345678901.5", "1E+30"] {
        let message = read(&format!("{{\"id\": {number}}}\n"), &["1"]).unwrap_err();
        assert!(message.contains("under 'id' is a number that lost digits"), "{message}");
    }
}

#[test]
fn literals_of_python_and_numbers_that_are_none_are_read() {
    for (suffix, content) in [
        (".jsonl", "{\"id\": 1, \"title\": \"T\", \"price\": NaN}\n"),
        (".json", "{'asin': '1', 'title': 'T', 'price': None}\n{'asin': '2', 'title': 'U'}\n"),
        (".json", "{\"1\": {\"title\": \"T\", \"price\": NaN}}"),
        (".json", "{\"id\": 1, \"title\": \"T\", \"price\": NaN}\n{\"id\": 2, \"title\": \"U\"}\n"),
    ] {
        let items = read_as(suffix, content, &["1"]).unwrap();
        assert_eq!((items.title(0), items.numbers(0).count()), ("T", 0), "{content}");
    }
}

#[test]
fn a_table_by_another_delimiter_is_told_by_its_header() {
    for delimiter in [";", "\t", "|"] {
        let content = format!("id{delimiter}title\n7{delimiter}A, B\n");
        assert_eq!(read_as(".csv", &content, &["7"]).unwrap().title(0), "A, B");
    }
    assert_eq!(read_as(".csv", "id\n7\n", &["7"]).unwrap().title(0), "7");
}

#[test]
fn another_key_with_ids_of_the_log_is_named() {
    let log = ["1", "2", "3", "4"];
    let lines: String = (1..=4)
        .map(|id| format!("{{\"parent_asin\": \"P{id}\", \"asin\": {id}, \"rank\": 1}}\n"))
        .collect();
    let message = read(&lines, &log).unwrap_err();
    assert_eq!(
        message,
        "FILE: matched 0 of 4 items by id; the file lacks 4 of them ('1', '2', '3', ..), and has 4 other ids \
         ('P1', 'P2', 'P3', ..); the key 'asin' holds ids of 4 more items: name it by data.items_id"
    );
    // half of the items, in a table
    let table = "item_id,code\n1,x\n20,2\n30,3\n40,y\n";
    let (_, join, _) = read_with(".csv", table.as_bytes(), &log, None).unwrap();
    assert_eq!(join.other_key, Some(OtherKey { key: "code".into(), matched: 2 }));
    assert!(
        join.warning()
            .unwrap()
            .ends_with("; the key 'code' holds ids of 2 more items: name it by data.items_id")
    );
    // a few by chance are none
    let chance = "item_id,rank\n1,4\n20,1\n30,2\n";
    assert_eq!(read_with(".csv", chance.as_bytes(), &log, None).unwrap().1.other_key, None);
    // the key itself reads them all
    let (_, join, _) = read_with(".jsonl", lines.as_bytes(), &log, Some("asin")).unwrap();
    assert_eq!((join.matched, join.warning()), (4, None));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn hostile_ids_read_back_as_written_in_every_format(
        ids in proptest::collection::btree_set(hostile_id(), 1..20)
    ) {
        let ids: Vec<&str> = ids.iter().map(String::as_str).collect();
        let entry = |(row, id): (usize, &&str)| serde_json::json!({ "id": id, "title": format!("T{row}") });
        let lines: String = ids.iter().enumerate().map(|it| format!("{}\n", entry(it))).collect();
        let object: serde_json::Map<String, serde_json::Value> =
            ids.iter().enumerate().map(|it| ((*it.1).to_owned(), entry(it))).collect();
        let object = serde_json::Value::from(object).to_string();
        let mut table = csv::Writer::from_writer(Vec::new());
        table.write_record(["id", "title"]).unwrap();
        for (row, id) in ids.iter().enumerate() {
            table.write_record([*id, &format!("T{row}")]).unwrap();
        }
        let table = String::from_utf8(table.into_inner().unwrap()).unwrap();
        for (suffix, content) in [(".jsonl", &lines), (".json", &object), (".csv", &table)] {
            let items = read_as(suffix, content, &ids).unwrap();
            for row in 0..ids.len() {
                prop_assert_eq!(items.title(row as u32), format!("T{row}"), "{}", suffix);
            }
        }
    }
}

/// An id that a careless reader would change, without white space around it. Carriage returns are
/// no part of a table's fields.
fn hostile_id() -> impl Strategy<Value = String> {
    let letter = prop_oneof![
        any::<char>(),
        proptest::sample::select(vec![
            ',', '"', '\'', '\t', '\n', ' ', '|', ':', '\\', '0', '9', '-', '.'
        ]),
    ];
    let text = proptest::collection::vec(letter, 1..12);
    text.prop_filter_map("no id", |letters| {
        let id: String = letters.into_iter().filter(|&letter| letter != '\r').collect();
        let id = id.trim().to_owned();
        (!id.is_empty()).then_some(id)
    })
}
