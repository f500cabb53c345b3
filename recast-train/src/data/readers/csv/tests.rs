use super::super::testing::{named, read_text, read_with};
use super::super::{Kept, LogOptions, LogOrder, Missing};

#[test]
fn columns_are_found_by_name_and_fields_trimmed() {
    let log = b"\xef\xbb\xbftimestamp, item,x,user\r\n5,\"a, b\" ,,u1\r\n4.0,c,,u1\r\n";
    let interactions = read_text(".csv", log, None).unwrap();
    assert_eq!(named(&interactions), [("u1", "a, b", 5), ("u1", "c", 4)]);
}

#[test]
fn quotes_mean_nothing_between_tabs() {
    let interactions =
        read_text(".tsv", b"user\titem\ttimestamp\nu\t\"a\t1\nu\tb\t2\n", None).unwrap();
    assert_eq!(named(&interactions), [("u", "\"a", 1), ("u", "b", 2)]);
}

#[test]
fn the_columns_of_recbole_are_known_without_their_types() {
    let log = b"user_id:token\titem_id:token\trating:float\ttimestamp:float\nu\ta b\t5\t1.0\nu\tc\t3\t2\n";
    let interactions = read_text(".inter", log, Some(4.0)).unwrap();
    assert_eq!(named(&interactions), [("u", "a b", 1)]);
}

#[test]
fn low_ratings_are_left_out_with_their_ids_and_counted() {
    let log = b"user,item,timestamp,rating\nu,a,1,3.5\nu,b,2,4\nv,c,3,5\n";
    let interactions = read_text(".csv", log, Some(4.0)).unwrap();
    assert_eq!(named(&interactions), [("u", "b", 2), ("v", "c", 3)]);
    assert_eq!((interactions.items.len(), interactions.below_min_rating), (2, 1));
}

#[test]
fn a_missing_column_lists_those_found() {
    assert_eq!(
        read_text(".csv", b"user_id,item,timestamp\n", None).unwrap_err(),
        "FILE:1: no column 'user' among 'user_id', 'item', 'timestamp'; \
         set the columns' names or add a header line"
    );
    let message = read_text(".csv", b"user,item,timestamp\nu,i,1\n", Some(1.0)).unwrap_err();
    assert!(message.contains("no column 'rating' among"), "{message}");
    let message = read_text(".csv", b"", None).unwrap_err();
    assert_eq!(message, "FILE: holds no header line; start it with the columns' names");
}

#[test]
fn a_column_that_stands_twice_is_ambiguous() {
    assert_eq!(
        read_text(".csv", b"user,item,user,timestamp\n", None).unwrap_err(),
        "FILE:1: column 'user' stands twice in 'user', 'item', 'user', 'timestamp'; rename one of the two"
    );
}

#[test]
fn a_bad_value_is_named_with_line_and_column() {
    assert_eq!(
        read_text(".csv", b"user,item,timestamp\nu,i,1\nu,j,soon\n", None).unwrap_err(),
        "FILE:3: column 'timestamp': is neither a number nor a date: 'soon'; \
         write times as numbers or dates, such as 1704067200 or 2024-01-01T00:00:00Z"
    );
    assert_eq!(
        read_text(".csv", b"user,item,timestamp\nu,,1\n", None).unwrap_err(),
        "FILE:2: column 'item': is empty: ''; data.missing = \"drop\" leaves such rows out and counts them"
    );
}

#[test]
fn a_line_of_another_length_is_named() {
    assert_eq!(
        read_text(".csv", b"user,item,timestamp\nu,i,1\nu,i\n", None).unwrap_err(),
        "FILE:3: has 2 fields where the header has 3; quote fields that hold the delimiter"
    );
}

#[test]
fn lines_are_counted_alike_with_either_line_end() {
    for end in ["\n", "\r\n"] {
        let log = ["user,item,timestamp", "u,i,1", "u,\"a\nb\",2", "u,j,x", ""].join(end);
        let line = 1 + log[..log.find("u,j,x").unwrap()].matches('\n').count();
        let message = read_text(".csv", log.as_bytes(), None).unwrap_err();
        assert!(message.starts_with(&format!("FILE:{line}: column")), "{end:?}: {message}");
    }
}

#[test]
fn bytes_that_are_not_text_are_named() {
    assert_eq!(
        read_text(".csv", b"user,item,timestamp\nu,\xff,1\n", None).unwrap_err(),
        "FILE:2: column 'item' is not UTF-8 text; set data.encoding, such as \"latin1\", or convert the file to UTF-8"
    );
    let message = read_text(".csv", b"user,\xff,timestamp\n", None).unwrap_err();
    assert!(message.starts_with("FILE:1: is not UTF-8 text; "), "{message}");
}

#[test]
fn a_quote_that_never_closes_is_named_by_the_line_where_it_opens() {
    for (log, line) in [
        ("user,item,timestamp\nu,a,1\nu,\"b,2\nu,c,3\n", 3),
        ("user,item,timestamp\nu,\"a\nb\",1\n\"v,c,3\n", 4),
        ("user,item,timestamp\r\nu,a,1\r\nu,b,\"2", 3),
        ("user,\"item,timestamp\nu,a,1\n", 1),
    ] {
        let message = read_text(".csv", log.as_bytes(), None).unwrap_err();
        let expected = format!("FILE:{line}: a quote opens here and never closes; ");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn text_after_a_closing_quote_is_named() {
    for (log, line) in [
        ("user,item,timestamp\nu,\"a\"b,1\n", 2),
        ("user,item,timestamp\nu,\"a,1\nu,\"b\",2\n", 2),
        ("user,item,timestamp\n\"u\" x,a,1\n", 2),
    ] {
        let message = read_text(".csv", log.as_bytes(), None).unwrap_err();
        let expected = format!("FILE:{line}: a quote opens here, and '");
        assert!(message.starts_with(&expected), "{message}");
    }
}

#[test]
fn a_field_in_quotes_is_at_most_16_mib_long() {
    let mut log = b"user,item,timestamp\nu,a,1\nu,\"".to_vec();
    log.resize(17 << 20, b'x');
    log.extend(b"\",1\n");
    let message = read_text(".csv", &log, None).unwrap_err();
    assert!(message.starts_with("FILE:3: a quote opens here and doesn't close"), "{message}");
}

#[test]
fn lines_in_quotes_that_look_like_rows_are_a_warning() {
    let log = b"user,item,timestamp\nu,a,1\nu,\"b,2\nu,c,3\nu,d\",4\nu,e,5\n";
    let warnings = read_text(".csv", log, None).unwrap().warnings;
    assert!(warnings[0].starts_with("1 fields in quotes hold lines that look like rows"));
    assert!(warnings[0].contains("line 3"), "{warnings:?}");
    let plain = b"user,item,timestamp\nu,\"a\nb, c\nd\",1\n";
    assert!(read_text(".csv", plain, None).unwrap().warnings.is_empty());
}

#[test]
fn a_quote_within_a_field_is_text() {
    let log = b"user,item,timestamp\nu,5\" disk,1\nu,\"a \"\"b\"\"\",2\n";
    let log = read_text(".csv", log, None).unwrap();
    assert_eq!(named(&log), [("u", "5\" disk", 1), ("u", "a \"b\"", 2)]);
}

#[test]
fn returns_end_lines_where_nothing_else_does() {
    let log = read_text(".csv", b"user,item,timestamp\ru,a,1\ru,\"b\rc\",2\r", None).unwrap();
    assert_eq!(named(&log), [("u", "a", 1), ("u", "b\nc", 2)]);
    let message = read_text(".csv", b"user,item,timestamp\ru,a,1\ru,b,x\r", None).unwrap_err();
    assert!(message.starts_with("FILE:3: column"), "{message}");
    // elsewhere a return is part of an id
    let log = read_text(".csv", b"user,item,timestamp\nu,a\rb,1\n", None).unwrap();
    assert_eq!(named(&log), [("u", "a\rb", 1)]);
}

#[test]
fn a_missing_value_is_refused_dropped_or_kept() {
    let log = b"user,item,timestamp\nu,a,1\nnan,b,2\nu,NULL,3\nv,c,\n";
    assert_eq!(
        read_text(".csv", log, None).unwrap_err(),
        "FILE:3: column 'user': stands for a missing value: 'nan'; data.missing = \"drop\" leaves \
         such rows out and counts them, \"keep\" takes the word as an id"
    );
    let options = |missing| LogOptions { missing, ..LogOptions::default() };
    let dropped = read_with(".csv", log, &options(Missing::Drop)).unwrap();
    assert_eq!((named(&dropped), dropped.missing), (vec![("u", "a", 1)], 3));
    let kept = read_with(".csv", &log[..log.len() - 5], &options(Missing::Keep)).unwrap();
    assert_eq!(named(&kept), [("u", "a", 1), ("nan", "b", 2), ("u", "NULL", 3)]);
    for empty in ["u,,1", "u,i,", "u,i,None"] {
        let log = format!("user,item,timestamp\n{empty}\n");
        assert!(read_with(".csv", log.as_bytes(), &options(Missing::Keep)).is_err(), "{empty}");
    }
    for word in ["NaN", "NAN", "null", "Null", "None", "<NA>", "NA", "\\N"] {
        let log = format!("user,item,timestamp\nu,{word},1\n");
        assert!(read_text(".csv", log.as_bytes(), None).is_err(), "{word}");
    }
    let log = b"user,item,timestamp\nNancy,Nano,1\nna,nONE,2\n";
    assert_eq!(read_text(".csv", log, None).unwrap().len(), 2);
}

#[test]
fn rows_are_chosen_by_a_column() {
    let log = b"user,item,timestamp,event,n\nu,a,1,view,1\nu,b,2,buy,1\nv,c,3,buy,0\n";
    let keep = |column: &str, kept: Kept| LogOptions {
        keep: [(column.to_owned(), kept)].into(),
        ..LogOptions::default()
    };
    let text = |text: &str| Kept::Text(text.to_owned());
    let bought = read_with(".csv", log, &keep("event", text("buy"))).unwrap();
    assert_eq!((named(&bought), bought.not_kept), (vec![("u", "b", 2), ("v", "c", 3)], 1));
    let ones = read_with(".csv", log, &keep("n", Kept::Integer(1))).unwrap();
    assert_eq!((ones.len(), ones.not_kept), (2, 1));
    assert_eq!(
        read_with(".csv", log, &keep("event", text("Buy"))).unwrap_err(),
        "FILE: data.keep keeps none of 3 rows: 'event' has 'view', 'buy'; \
         name values that the column has"
    );
    let message = read_with(".csv", log, &keep("kind", text("buy"))).unwrap_err();
    assert!(message.contains("no column 'kind' among 'user', 'item'"), "{message}");
}

#[test]
fn rows_in_order_need_no_times() {
    let rows = LogOptions { order: Some(LogOrder::Rows), ..LogOptions::default() };
    let log = b"user,item,timestamp,x\nu,a,soon,1\nv,b,,1\nu,c,,1\n";
    let read = read_with(".csv", log, &rows).unwrap();
    assert_eq!(named(&read), [("u", "a", 0), ("v", "b", 1), ("u", "c", 2)]);
    assert!(read.in_row_order);
    let message = read_text(".csv", b"user,item,x\nu,a,1\n", None).unwrap_err();
    assert!(message.contains("no column 'timestamp' among"), "{message}");
    assert!(message.contains("data.order = \"rows\""), "{message}");
    // with an item and a user only, there is nothing else than the order
    for bare in [&b"user,item\nu,a\nu,b\n"[..], b"rating,item,user\n3,a,u\n3,b,u\n"] {
        let read = read_text(".csv", bare, None).unwrap();
        assert_eq!(named(&read), [("u", "a", 0), ("u", "b", 1)]);
        assert!(read.read_as.unwrap().contains("in the order of its rows"));
    }
}

#[test]
fn spellings_are_told_or_joined() {
    let log = "user,item,timestamp\nu,3,1\nu,3.0,2\nu,e\u{301},3\nu,\u{e9},4\n".as_bytes();
    let read = read_text(".csv", log, None).unwrap();
    assert_eq!(read.items.len(), 4);
    assert!(read.warnings[0].starts_with("2 items stand in several spellings"));
    let joined = LogOptions { join_spellings: true, ..LogOptions::default() };
    let read = read_with(".csv", log, &joined).unwrap();
    assert_eq!(read.items.iter().collect::<Vec<_>>(), ["3", "\u{e9}"]);
    assert!(read.warnings.is_empty());
}

#[test]
fn bytes_that_an_encoding_lacks_are_a_warning() {
    let options = LogOptions { encoding: Some("utf-8".into()), ..LogOptions::default() };
    let log = b"user,item,timestamp\nu,caf\xe9,1\nu,b,2\n";
    let read = read_with(".csv", log, &options).unwrap();
    assert!(read.warnings[0].starts_with("1 ids hold U+FFFD"), "{:?}", read.warnings);
    let latin = LogOptions { encoding: Some("latin1".into()), ..LogOptions::default() };
    assert_eq!(named(&read_with(".csv", log, &latin).unwrap())[0].1, "caf\u{e9}");
}

#[test]
fn a_row_may_hold_all_of_a_user() {
    for log in [
        "user,item,timestamp\nu,\"4,7\",\"10,20\"\nv,4,30\n",
        "user,item,timestamp\nu,\"[4, 7]\",\"[10, 20]\"\nv,[4],[30]\n",
        "user,item,timestamp\nu,4 7,10 20\nv,4,30\n",
        "user,item,timestamp\nu,4|7,10|20\nv,4,30\n",
    ] {
        let read = read_text(".csv", log.as_bytes(), None).unwrap();
        assert_eq!(named(&read), [("u", "4", 10), ("u", "7", 20), ("v", "4", 30)], "{log}");
        assert_eq!(read.read_as.unwrap(), "one row a user, with lists");
    }
    let read = read_text(".csv", b"user,item\nu,\"4,7\"\nv,4\n", None).unwrap();
    assert_eq!(named(&read), [("u", "4", 0), ("u", "7", 1), ("v", "4", 0)]);
    let mut log = "user,item,timestamp\n".to_owned();
    log.extend((0..200).map(|user| format!("{user},\"4,7\",\"1,2\"\n")));
    let message = read_text(".csv", (log + "v,\"4,7\",\"1\"\n").as_bytes(), None).unwrap_err();
    assert_eq!(
        message,
        "FILE:202: 2 items in 'item' but 1 times in 'timestamp'; give each item its time"
    );
}

#[test]
fn ids_with_separators_are_no_lists() {
    let log = b"user,item,timestamp\nu,\"deluxe, i01\",10\nu,\"a|b\",20\nu,4 7,30\n";
    let read = read_text(".csv", log, None).unwrap();
    assert_eq!(named(&read), [("u", "deluxe, i01", 10), ("u", "a|b", 20), ("u", "4 7", 30)]);
}

#[test]
fn lists_have_no_ratings() {
    for (suffix, log) in [
        (".csv", "user,item,rating\nu,\"4,7\",5\nv,4,5\n"),
        (".csv", "user,item,timestamp,rating\nu,\"4,7\",\"1,2\",\"5,5\"\n"),
        (".jsonl", "{\"user\":1,\"item\":[4,7],\"rating\":5}\n"),
    ] {
        let message = read_text(suffix, log.as_bytes(), Some(4.0)).unwrap_err();
        assert!(message.contains("with all items of a user has no ratings"), "{log}: {message}");
    }
}

#[test]
fn a_last_id_without_a_line_end_that_is_shorter_than_all_others_is_a_warning() {
    let head = "timestamp,user,item\n1,7000001,a\n2,7000002,a\n";
    for (header, row, warned) in [
        ("timestamp,item,user", "3,a,70000", true),
        ("timestamp,item,user", "3,a,70000\n", false),
        // an id of another row, or one as long as the others
        ("timestamp,item,user", "3,a,7000001", false),
        ("timestamp,item,user", "3,a,7000003", false),
        // the last column is another
        ("timestamp,user,item", "3,70000,a", false),
    ] {
        let rows: String = match header {
            "timestamp,user,item" => head.split_once('\n').unwrap().1.to_owned(),
            _ => "1,a,7000001\n2,a,7000002\n".to_owned(),
        };
        let read = read_text(".csv", format!("{header}\n{rows}{row}").as_bytes(), None).unwrap();
        let found = read.warnings.iter().any(|it| it.contains("may be cut in its last row"));
        assert_eq!(found, warned, "{header} {row:?}");
    }
    // an id that is the last to come up, but not in the last row, or not there alone
    for rows in ["1,a,7000001\n2,a,70000\n3,a,7000001", "1,a,7000001\n2,a,70000\n3,a,70000"] {
        let log = format!("timestamp,item,user\n{rows}");
        assert!(read_text(".csv", log.as_bytes(), None).unwrap().warnings.is_empty(), "{log}");
    }
    let lines = b"u 1001 1002\nv 1003 10";
    assert!(read_text(".txt", lines, None).unwrap().warnings[0].contains("'10' is shorter"));
}

#[test]
fn a_value_to_keep_that_no_row_has_is_a_warning() {
    let log = b"user,item,timestamp,event\nu,a,1,view\nu,b,2,buy\n";
    let any = |values: &[&str]| {
        let values = values.iter().map(|value| Kept::Text((*value).to_owned())).collect();
        LogOptions {
            keep: [("event".to_owned(), Kept::AnyOf(values))].into(),
            ..Default::default()
        }
    };
    let read = read_with(".csv", log, &any(&["view", "purchse"])).unwrap();
    assert_eq!((named(&read).len(), read.not_kept), (1, 1));
    assert_eq!(read.warnings, ["data.keep.event: no row has the value 'purchse'"]);
    assert!(read_with(".csv", log, &any(&["view", "buy"])).unwrap().warnings.is_empty());
}
