use std::fs;

use super::*;
use crate::storage::Sources;

fn faults_of(text: &[u8], parts: &[usize]) -> Result<Option<(u64, u64)>, QuoteFault> {
    let mut quotes = Quotes::new(b',');
    let mut start = 0;
    for &end in parts {
        quotes.check(&text[start..end], false)?;
        start = end;
    }
    quotes.check(&text[start..], false)?;
    quotes.check(b"", true)?;
    Ok(quotes.swallowed)
}

#[test]
fn quotes_are_followed_alike_however_the_bytes_come() {
    for text in [
        "a,b\n1,\"x\"\"y\"\n2,\"z\n",
        "a,b\n\"1\"\"\",\"x\n3,4\n5\"\n",
        "a,b\n\"1\" ,\"x\"y\n",
        "a,b\n1\",x\"\n\"\",\"\"\n",
        "a,b\n\"\"\"\n",
    ] {
        let whole = faults_of(text.as_bytes(), &[]);
        for first in 0..text.len() {
            for second in first..text.len() {
                assert_eq!(faults_of(text.as_bytes(), &[first, second]), whole, "{text}");
            }
        }
    }
}

#[test]
fn a_file_may_end_in_a_quoted_field() {
    assert_eq!(faults_of(b"a,b\n1,\"x\"", &[]), Ok(None));
    assert_eq!(faults_of(b"a,b\n1,\"x\"\"\"", &[]), Ok(None));
    let open = QuoteFault { line: 2, kind: QuoteFaultKind::Open };
    assert_eq!(faults_of(b"a,b\n1,\"x\"\"", &[]), Err(open));
}

/// All bytes of `text`, read in parts of `length`.
fn read_in_parts(text: &str, separator: Separator, length: usize) -> String {
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), text).unwrap();
    let source = Sources::default().text(file.path(), None).unwrap();
    let mut bytes = Bytes::new(source, separator, true);
    let (mut all, mut part) = (Vec::new(), vec![0; length]);
    loop {
        let read = bytes.read(&mut part).unwrap();
        if read == 0 {
            return String::from_utf8(all).unwrap();
        }
        all.extend(&part[..read]);
    }
}

#[test]
fn line_ends_and_colons_are_translated_however_the_bytes_come() {
    let comma = Separator::Byte(b',');
    for (separator, text, expected) in [
        (Separator::Colons, "a::b:c::\n:d:::e::::f:", "a\u{1f}b:c\u{1f}\n:d\u{1f}:e\u{1f}\u{1f}f:"),
        (Separator::Colons, "a::b\r\nc::d\r\n", "a\u{1f}b\nc\u{1f}d\n"),
        (comma, "a,b\r\nc\rd,e::f\r\n\r\n", "a,b\nc\rd,e::f\n\n"),
        (comma, "a,b\rc,d\r", "a,b\nc,d\n"),
    ] {
        for length in 2..12 {
            assert_eq!(read_in_parts(text, separator, length), expected, "{length}");
        }
    }
}
