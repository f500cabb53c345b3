use super::super::testing::{named, read_text, read_with};
use super::super::{Kept, LogOptions, LogOrder, Missing};

#[test]
fn ids_and_times_are_strings_or_numbers() {
    let log = b"{\"user\": 7, \"item\": \"a\", \"timestamp\": 3.0}\r\n\n{\"user\": \"7\", \"item\": 8, \"timestamp\": \"4\"}";
    let interactions = read_text(".jsonl", log, None).unwrap();
    assert_eq!(named(&interactions), [("7", "a", 3), ("7", "8", 4)]);
}

#[test]
fn low_ratings_are_left_out() {
    let log = b"{\"user\":1,\"item\":1,\"timestamp\":1,\"rating\":2}\n{\"user\":1,\"item\":2,\"timestamp\":1,\"rating\":5}\n";
    let interactions = read_text(".jsonl", log, Some(3.0)).unwrap();
    assert_eq!(named(&interactions), [("1", "2", 1)]);
    assert_eq!(interactions.below_min_rating, 1);
}

#[test]
fn a_line_that_is_not_an_object_is_named() {
    let log = b"{\"user\":1,\"item\":1,\"timestamp\":1}\n{\"user\":1,\n";
    assert_eq!(
        read_text(".jsonl", log, None).unwrap_err(),
        "FILE:2: EOF while parsing a value at column 10; each line must be one JSON object"
    );
    let message = read_text(".jsonl", b"[1]\n", None).unwrap_err();
    assert!(message.starts_with("FILE:1: invalid type: sequence, expected a map"), "{message}");
}

#[test]
fn a_missing_key_lists_those_found() {
    assert_eq!(
        read_text(".jsonl", b"{\"item\":1,\"uid\":1}\n", None).unwrap_err(),
        "FILE:1: no key 'user' among 'item', 'uid'; set the columns' names or add the key"
    );
}

#[test]
fn a_value_that_is_not_plain_is_named() {
    assert_eq!(
        read_text(".jsonl", b"{\"user\":1,\"item\":{},\"timestamp\":1}\n", None).unwrap_err(),
        "FILE:1: column 'item': is neither a string nor a number: '{}'; give a plain value"
    );
    let message = read_text(".jsonl", b"{\"user\":1,\"item\":2,\"timestamp\":true}\n", None);
    assert!(message.unwrap_err().contains("is neither a string nor a number: 'true'"));
}

#[test]
fn bytes_that_are_not_text_are_named() {
    let message = read_text(".jsonl", b"{\"user\": \"\xff\"}\n", None).unwrap_err();
    assert!(message.starts_with("FILE:1: column 11 is not UTF-8 text; "), "{message}");
}

#[test]
fn an_id_is_its_digits() {
    let log = b"{\"user\":1,\"item\":123456789012345678900,\"timestamp\":1}\n\
        {\"user\":1,\"item\":123456789012345678901,\"timestamp\":2}\n\
        {\"user\":1.0,\"item\":1e3,\"timestamp\":1.7040672e18}\n";
    let read = read_text(".jsonl", log, None);
    // nanoseconds do not go with 1 and 2
    assert!(read.unwrap_err().contains("is in nanoseconds by its size"));
    let log = String::from_utf8(log.to_vec()).unwrap().replace("1.7040672e18", "3");
    let read = read_text(".jsonl", log.as_bytes(), None).unwrap();
    let items: Vec<&str> = read.items.iter().collect();
    assert_eq!(items, ["123456789012345678900", "123456789012345678901", "1e3"]);
    assert_eq!(read.users.iter().collect::<Vec<_>>(), ["1", "1.0"]);
}

#[test]
fn a_key_that_stands_twice_is_refused_if_it_is_used() {
    let log = b"{\"user\":1,\"user\":2,\"item\":1,\"timestamp\":1}\n";
    let message = read_text(".jsonl", log, None).unwrap_err();
    assert!(message.starts_with("FILE:1: key 'user' stands twice"), "{message}");
    let log = b"{\"user\":1,\"x\":2,\"x\":3,\"item\":1,\"timestamp\":1}\n";
    assert_eq!(read_text(".jsonl", log, None).unwrap().len(), 1);
}

#[test]
fn null_is_a_missing_value() {
    let log = b"{\"user\":null,\"item\":1,\"timestamp\":1}\n{\"user\":1,\"item\":NaN,\"timestamp\":1}\n{\"user\":1,\"item\":1,\"timestamp\":1}\n";
    assert_eq!(
        read_text(".jsonl", log, None).unwrap_err(),
        "FILE:1: column 'user': is missing: 'null'; \
         data.missing = \"drop\" leaves such rows out and counts them"
    );
    let options = LogOptions { missing: Missing::Drop, ..LogOptions::default() };
    let read = read_with(".jsonl", log, &options).unwrap();
    assert_eq!((read.len(), read.missing), (1, 2));
}

#[test]
fn literals_of_python_are_read() {
    let log = b"{u'user': u'A\\'1', 'item': 'x \"y\"', 'timestamp': 5, 'v': True, 'r': None}\n";
    let read = read_text(".jsonl", log, None).unwrap();
    assert_eq!(named(&read), [("A'1", "x \"y\"", 5)]);
    let message = read_text(".jsonl", b"{'user': 1\n", None).unwrap_err();
    assert!(message.starts_with("FILE:1: "), "{message}");
}

#[test]
fn arrays_are_all_of_a_user() {
    let log = b"{\"user\":\"u\",\"item\":[4,\"a\"],\"timestamp\":[10,20]}\n{\"user\":\"v\",\"item\":[],\"timestamp\":[]}\n";
    let read = read_text(".jsonl", log, None).unwrap();
    assert_eq!(named(&read), [("u", "4", 10), ("u", "a", 20)]);
    let log = b"{\"user\":\"u\",\"item\":[4,7]}\n{\"user\":\"v\",\"item\":[4]}\n";
    let read = read_text(".jsonl", log, None).unwrap();
    assert_eq!(named(&read), [("u", "4", 0), ("u", "7", 1), ("v", "4", 0)]);
    assert!(read.in_row_order);
    for (log, problem) in [
        ("{\"user\":1,\"item\":[4,7],\"timestamp\":[1]}", "2 items in 'item' but 1 times"),
        ("{\"user\":1,\"item\":[4,7],\"timestamp\":1}", "is no array of plain values"),
        ("{\"user\":1,\"item\":[4]}\n{\"user\":1,\"item\":[5]}", "user '1' has a line already"),
        ("{\"user\":1,\"item\":[[4]],\"timestamp\":[1]}", "is neither a string nor a number"),
    ] {
        let message = read_text(".jsonl", log.as_bytes(), None).unwrap_err();
        assert!(message.contains(problem), "{message}");
    }
}

#[test]
fn lines_are_chosen_by_a_key() {
    let log = b"{\"user\":1,\"item\":1,\"timestamp\":1,\"ok\":true}\n{\"user\":1,\"item\":2,\"timestamp\":1,\"ok\":false}\n{\"user\":1,\"item\":3,\"timestamp\":1}\n";
    let keep = |column: &str, kept| LogOptions {
        keep: [(column.to_owned(), kept)].into(),
        ..LogOptions::default()
    };
    let read = read_with(".jsonl", log, &keep("ok", Kept::Bool(true))).unwrap();
    assert_eq!((named(&read), read.not_kept), (vec![("1", "1", 1)], 2));
    let read = read_with(".jsonl", log, &keep("item", Kept::Integer(2))).unwrap();
    assert_eq!(named(&read), [("1", "2", 1)]);
    let message = read_with(".jsonl", log, &keep("kind", Kept::Integer(2))).unwrap_err();
    assert!(message.contains("data.keep keeps none of 3 rows"), "{message}");
}

#[test]
fn lines_may_be_in_order() {
    let log = b"{\"user\":1,\"item\":1}\n{\"user\":1,\"item\":2}\n";
    let read = read_text(".jsonl", log, None).unwrap();
    assert_eq!(named(&read), [("1", "1", 0), ("1", "2", 1)]);
    let log = b"{\"user\":1,\"item\":1,\"x\":1}\n";
    let message = read_text(".jsonl", log, None).unwrap_err();
    assert!(message.contains("data.order = \"rows\""), "{message}");
    let rows = LogOptions { order: Some(LogOrder::Rows), ..LogOptions::default() };
    assert_eq!(named(&read_with(".jsonl", log, &rows).unwrap()), [("1", "1", 0)]);
}

#[test]
fn lines_of_json_may_be_called_json() {
    let lines =
        b"{\"user\":1,\"item\":1,\"timestamp\":5}\n{\"user\":1,\"item\":2,\"timestamp\":6}\n";
    let read = read_text(".json", lines, None).unwrap();
    assert_eq!((read.len(), read.read_as.as_deref()), (2, Some("JSON lines")));
    let long =
        format!("{{\"user\":1,\"x\":\"{}\",\"item\":1,\"timestamp\":5}}\n", "x".repeat(70_000));
    assert_eq!(read_text(".json", long.as_bytes(), None).unwrap().len(), 1);
    for other in ["[{\"user\":1}]", "{\n  \"user\": 1\n}\n", "[\n1,\n2]"] {
        let message = read_text(".json", other.as_bytes(), None).unwrap_err();
        assert!(message.contains("write one JSON object a line"), "{message}");
    }
}

#[test]
fn a_key_that_a_line_lacks_is_a_missing_value_where_such_rows_are_dropped() {
    let log = b"{\"user\":\"u\",\"item\":\"a\",\"timestamp\":1}\n\
                {\"user\":\"u\",\"timestamp\":2}\n{\"item\":\"b\",\"timestamp\":3}\n\
                {\"user\":\"u\",\"item\":\"c\"}\n";
    assert!(read_text(".jsonl", log, None).unwrap_err().contains("no key 'item' among"));
    let options = LogOptions { missing: Missing::Drop, ..LogOptions::default() };
    let read = read_with(".jsonl", log, &options).unwrap();
    assert_eq!((named(&read), read.missing), (vec![("u", "a", 1)], 3));
}
