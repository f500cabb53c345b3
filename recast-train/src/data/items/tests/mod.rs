use std::io::Write;

use super::*;
use crate::data::Join;
use crate::storage::Sources;

mod formats;

fn read(content: &str, ids: &[&str]) -> std::result::Result<Items, String> {
    read_as(".jsonl", content, ids)
}

fn read_as(suffix: &str, content: &str, ids: &[&str]) -> std::result::Result<Items, String> {
    read_with(suffix, content.as_bytes(), ids, None).map(|(items, ..)| items)
}

type Read = (Items, Join, Vec<String>);

fn read_with(
    suffix: &str,
    content: &[u8],
    ids: &[&str],
    id_key: Option<&str>,
) -> std::result::Result<Read, String> {
    let mut file = tempfile::Builder::new().suffix(suffix).tempfile().unwrap();
    file.write_all(content).unwrap();
    let items = ItemsFile { path: file.path(), id_key, encoding: None };
    items_of(&items, &ids.iter().copied().collect(), &Sources::default())
        .map_err(|error| error.to_string().replace(&file.path().display().to_string(), "FILE"))
}

#[test]
fn items_follow_the_vocabulary_and_rows_the_file() {
    let file =
        "{\"id\": 3, \"title\": \"Three\"}\n\n{\"id\": \"9\"}\n{\"id\": 1, \"title\": \"One\"}\n";
    let items = read(file, &["1", "2", "3"]).unwrap();
    assert_eq!([0, 1, 2].map(|it| items.title(it)), ["One", "2", "Three"]);
    assert_eq!([0, 1, 2, 3].map(|it| items.row_of(it)), [Some(2), None, Some(0), None]);
    assert_eq!((items.n_rows(), items.n_missing()), (3, 1));
    assert!(items.text(1).is_none());
}

#[test]
fn the_title_is_the_first_of_title_name_keywords_id() {
    let file = r#"{"item": "a", "keywords": "k", "name": "n", "title": " "}
{"item_id": "b", "keywords": "k", "title": null}
{"asin": "c"}"#;
    let items = read(file, &["a", "b", "c"]).unwrap();
    assert_eq!([0, 1, 2].map(|it| items.title(it)), ["n", "k", "c"]);
}

#[test]
fn the_text_joins_strings_and_arrays_of_strings_but_no_ids() {
    let file = r#"{"id": 1, "asin": "B00", "title": "T", "price": 3, "description": ["x", 2, "y "], "brand": "", "categories": "c"}"#;
    let items = read(file, &["1"]).unwrap();
    assert_eq!(items.text(0).unwrap().text, "T. c. x. y");
}

#[test]
fn tables_of_items_are_read_alike() {
    let comma = "id,title,brand,price\n7,1984,\"Secker, Warburg\",9.5\n";
    let typed =
        "item_id:token\ttitle:token_seq\tbrand:token\tprice:float\n7\t1984\tSecker, Warburg\t9.5\n";
    for (suffix, content) in [(".csv", comma), (".item", typed)] {
        let items = read_as(suffix, content, &["7"]).unwrap();
        let text = items.text(0).unwrap();
        assert_eq!((&text.title[..], &text.text[..]), ("1984", "1984. Secker, Warburg"));
    }
    let message = read_as(".tsv", "id\ttitle\n1\n", &["1"]).unwrap_err();
    assert!(message.starts_with("FILE:2: has 1 fields where the header has 2"), "{message}");
}

#[test]
fn numbers_follow_the_vocabulary_in_tables_and_lines() {
    let table = "id,title,price,name\n7,1984,9.5,3\n8,Emma,4,x\n";
    let lines = "{\"id\": 7, \"price\": 9.5, \"title\": 1984}\n{\"id\": 8, \"price\": 4}\n";
    for (suffix, content) in [(".csv", table), (".jsonl", lines)] {
        let items = read_as(suffix, content, &["8", "7"]).unwrap();
        assert_eq!(items.column("price").unwrap(), [4.0, 9.5]);
        assert_eq!(items.numbers(1).collect::<Vec<_>>(), [("price", 9.5)]);
    }
}

#[test]
fn a_column_that_is_not_whole_is_refused_with_its_first_gap() {
    let lines = "{\"id\": 1, \"price\": 2}\n{\"id\": 2, \"price\": \"2\", \"size\": 1}\n";
    let items = read(lines, &["1", "2", "3"]).unwrap();
    assert_eq!(
        items.column("price").unwrap_err().to_string(),
        "2 of 3 items have no number under 'price' in the items file, '2' is the first; \
         give every item of the log a number there"
    );
    assert_eq!(
        items.column("prize").unwrap_err().to_string(),
        "no item of the items file has a number under 'prize'; \
         keys with numbers are price, size"
    );
}

#[test]
fn the_items_of_mini_one_rec_are_read_in_their_order() {
    let json = "{\"2\": {\"title\": \"Two\", \"brand\": \"b\", \"item\": 5},\n \"10\": {\"title\": \"Ten\"}}";
    let items = read_as(".json", json, &["10", "2"]).unwrap();
    assert_eq!((items.row_of(0), items.row_of(1), items.n_rows()), (Some(1), Some(0), 2));
    assert_eq!(items.text(1).unwrap().text, "Two. b");
    let info = "<a_1><b_2>\tTwo\t2\n<a_1><b_3>\tTen\t10\n";
    let items = read_as(".txt", info, &["10", "2"]).unwrap();
    assert_eq!((items.title(0), items.row_of(1)), ("Ten", Some(0)));

    for (suffix, content, message) in [
        (
            ".json",
            "{\"1\": {}, \"1\": {\"title\": \"x\"}}",
            "FILE: item '1' stands twice with different entries; keep one entry an item",
        ),
        (
            ".json",
            "[]",
            "FILE: is not one JSON object of items: invalid type: sequence, expected an object of item ids at line \
             1 column 0; expected {\"item id\": {\"title\": \"..\", ..}, ..}, or one object a line",
        ),
        (
            ".txt",
            "Two\t2\n",
            "FILE:1: is not three fields with tabs; write a semantic ID, a title and an id, as MiniOneRec does",
        ),
    ] {
        assert_eq!(read_as(suffix, content, &["1"]).unwrap_err(), message);
    }
}

#[test]
fn without_rows_a_title_is_the_id() {
    let items = Items::from_rows(Vec::new(), &["x"].into_iter().collect());
    assert_eq!((items.title(0), items.n_rows()), ("x", 0));
}

#[test]
fn a_bad_line_is_named() {
    assert_eq!(
        read("{\"id\": 1}\n{\"id\": }\n", &["1"]).unwrap_err(),
        "FILE:2: expected value at column 8; each line must be one JSON object"
    );
    assert_eq!(
        read("{\"sku\": 1}\n", &["1"]).unwrap_err(),
        "FILE:1: no id under any of the keys id, item, item_id, parent_asin, asin, movieId and their like; \
         give each item its id as a string or number, or name its key by data.items_id; the keys here are 'sku'"
    );
    assert_eq!(
        read("{\"id\": 1}\n{\"id\": \"1\"}\n", &["1"]).unwrap_err(),
        "FILE:2: item '1' stands twice with different entries, first on line 1; keep one entry an item"
    );
}

#[test]
fn a_file_about_other_items_is_an_error() {
    assert_eq!(
        read("{\"id\": 1}\n", &["a", "b"]).unwrap_err(),
        "FILE: matched 0 of 2 items by id; the file lacks 2 of them ('a', 'b'), and has 1 other ids ('1'); \
         check that both files use the same ids"
    );
}
