use super::super::testing::{named, read_text, read_with};
use super::*;

fn options(set: impl FnOnce(&mut LogOptions)) -> LogOptions {
    let mut options = LogOptions::default();
    set(&mut options);
    options
}

#[test]
fn a_table_is_read_by_its_own_separator() {
    for (suffix, log, name) in [
        (".csv", "user;item;timestamp\nu;a,b;1\n", "';'"),
        (".csv", "user\titem\ttimestamp\nu\ta,b\t1\n", "tabs"),
        (".csv", "user|item|timestamp\nu|a,b|1\n", "'|'"),
        (".csv", "user::item::timestamp\nu::a,b::1\n", "'::'"),
        (".tsv", "user;item;timestamp\nu;a,b;1\n", "';'"),
        (".csv", "user;item;timestamp;x, y\nu;a,b;1;2\n", "';'"),
    ] {
        let read = read_text(suffix, log.as_bytes(), None).unwrap();
        assert_eq!(named(&read), [("u", "a,b", 1)], "{log}");
        assert_eq!(read.read_as.unwrap(), format!("parted by {name}"));
    }
}

#[test]
fn the_setting_names_any_separator() {
    for (delimiter, part) in
        [(",", ","), (";", ";"), ("|", "|"), ("\t", "\t"), ("tab", "\t"), ("::", "::"), (" ", " ")]
    {
        let log = ["user", "item", "timestamp\nu", "a", "1\n"].join(part);
        let options = options(|it| it.delimiter = Some(delimiter.to_owned()));
        for suffix in [".csv", ".dat", ".inter"] {
            let log = match suffix {
                ".inter" => log.replace("user", "user_id:token").replace("item", "item_id:token"),
                _ => log.clone(),
            };
            let read = read_with(suffix, log.as_bytes(), &options).unwrap();
            assert_eq!(named(&read), [("u", "a", 1)], "{delimiter}");
            assert_eq!(read.read_as, None);
        }
    }
    for wrong in ["", "ab", "é", "\"", ":::"] {
        let options = options(|it| it.delimiter = Some(wrong.to_owned()));
        let message = read_with(".csv", b"user,item,timestamp\n", &options).unwrap_err();
        assert!(message.contains("config key 'data.delimiter'"), "{message}");
    }
}

#[test]
fn the_columns_of_a_table_without_a_header_line_are_set_or_sure() {
    for (suffix, log) in [
        (".csv", "u,a,5.0,1704067200\nu,b,3.0,1704067201\n"),
        (".dat", "u::a::5::1704067200\nu::b::3::1704067201\n"),
        (".data", "u\ta\t5\t1704067200\nu\tb\t3\t1704067201\n"),
        (".tsv", "u\ta\t1704067200\t5\nu\tb\t1704067201\t3\n"),
        (".txt", "u,a,1704067200\nu,b,1704067201\n"),
        (".csv", "u,a,2024-01-01 00:00:00\nu,b,2024-01-01 00:00:01\n"),
    ] {
        let read = read_text(suffix, log.as_bytes(), None).unwrap();
        let expected = [("u", "a", 1_704_067_200), ("u", "b", 1_704_067_201)];
        assert_eq!(named(&read), expected, "{log}");
        assert!(read.read_as.unwrap().contains("without a header line"));
    }
    for doubtful in
        ["u,a,1,5\nu,b,2,3\n", "u,a,1704067200,99\n", "u,a\n", "1704067200,b,1704067200\n"]
    {
        let message = read_text(".csv", doubtful.as_bytes(), None).unwrap_err();
        assert!(message.contains("no column 'user' among"), "{message}");
    }
    let header = ["x", "item", "user", "timestamp"].map(str::to_owned).to_vec();
    let options = options(|it| it.header = Some(header));
    let read = read_with(".csv", b"9,a,u,1\n9,b,u,2\n", &options).unwrap();
    assert_eq!(named(&read), [("u", "a", 1), ("u", "b", 2)]);
    assert_eq!(
        read_with(".csv", b"9,a,u,1\n9,b,u\n", &options).unwrap_err(),
        "FILE:2: has 3 fields where the header has 4; quote fields that hold the delimiter"
    );
}

#[test]
fn a_packed_file_is_known_by_its_inner_extension() {
    let packed = zstd::encode_all(&b"user\titem\ttimestamp\nu\ta\t1\n"[..], 1).unwrap();
    let read = read_text(".tsv.zst", &packed, None).unwrap();
    assert_eq!((named(&read), read.read_as.clone()), (vec![("u", "a", 1)], None));
}

#[test]
fn recbole_parted_by_blanks_is_named() {
    let log = b"user_id:token item_id:token timestamp:float\nu a 1\n";
    assert_eq!(
        read_text(".inter", log, None).unwrap_err(),
        "FILE:1: no tab parts the columns of the header 'user_id:token item_id:token \
         timestamp:float'; part the fields by tabs, as RecBole does, or set data.delimiter"
    );
}

#[test]
fn text_in_utf_16_without_a_mark_is_named() {
    let text = "user,item,timestamp\nu,i,1\n";
    let le: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let be: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
    for (bytes, name) in [(&le, "utf-16le"), (&be, "utf-16be")] {
        let message = read_text(".csv", bytes, None).unwrap_err();
        assert!(message.contains(&format!("set data.encoding = \"{name}\"")), "{message}");
        let options = options(|it| it.encoding = Some(name.to_owned()));
        assert_eq!(named(&read_with(".csv", bytes, &options).unwrap()), [("u", "i", 1)]);
    }
}

#[test]
fn lines_of_json_are_known_whatever_the_file_is_called() {
    let log = b"{\"user\":\"u\",\"item\":\"a\",\"timestamp\":1}\n";
    for suffix in [".json", ".ndjson", ".txt", ".log", ""] {
        assert_eq!(named(&read_text(suffix, log, None).unwrap()), [("u", "a", 1)], "{suffix}");
    }
    for table in ["user,item,timestamp\nu,a,1\n", "user\titem\ttimestamp\nu\ta\t1\n"] {
        for suffix in [".txt", ".log", ""] {
            let read = read_text(suffix, table.as_bytes(), None).unwrap();
            assert_eq!(named(&read), [("u", "a", 1)], "{suffix}");
            assert!(read.read_as.unwrap().starts_with("a table"));
        }
    }
}

#[test]
fn settings_of_tables_are_refused_elsewhere() {
    let columns = ["user", "item"].map(str::to_owned).to_vec();
    for options in [
        options(|it| it.delimiter = Some(";".to_owned())),
        options(|it| it.header = Some(columns.clone())),
    ] {
        let message = read_with(".jsonl", b"{}\n", &options).unwrap_err();
        assert!(message.contains("is for tables, and FILE is none"), "{message}");
    }
}

#[test]
fn parquet_under_another_name_is_named() {
    for suffix in [".csv", ".txt", ".json", ""] {
        let message = read_text(suffix, b"PAR1\0\0rest", None).unwrap_err();
        assert!(message.contains("is Parquet by its first bytes"), "{suffix}: {message}");
    }
}

#[test]
fn names_of_columns_beside_a_header_line_are_refused() {
    let header = ["item", "user", "timestamp"].map(str::to_owned).to_vec();
    let options = options(|it| it.header = Some(header));
    let message = read_with(".csv", b"user,item,timestamp\nu,a,1\n", &options).unwrap_err();
    assert!(message.starts_with("FILE:1: names columns, as data.header does"), "{message}");
}
