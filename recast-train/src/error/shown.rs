//! Text of a user's files in messages: on one line, and never as long as the file.

use std::borrow::Cow;
use std::fmt;
use std::path::Path;

/// The bytes of the longest message.
pub(crate) const LONGEST_MESSAGE: usize = 1000;

/// The bytes that a message shows of a path, a fault, a remedy and a value.
const PATH: usize = 256;
const PROBLEM: usize = 360;
const HINT: usize = 240;
const VALUE: usize = 120;

/// A text in a message.
pub(super) struct Shown<'a>(Cow<'a, str>);

impl fmt::Display for Shown<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

pub(super) fn path(path: &Path) -> Shown<'static> {
    Shown(Cow::Owned(on_one_line(&path.display().to_string(), PATH).into_owned()))
}

pub(super) fn problem(text: &str) -> Shown<'_> {
    Shown(on_one_line(text, PROBLEM))
}

pub(super) fn hint(text: &str) -> Shown<'_> {
    Shown(on_one_line(text, HINT))
}

pub(super) fn value(text: &str) -> Shown<'_> {
    Shown(on_one_line(text, VALUE))
}

/// The parser's words on a config: their lines stay, and the list of known keys is whole.
pub(super) fn lines(text: &str) -> Shown<'_> {
    const LONGEST: usize = LONGEST_MESSAGE - PATH;
    if text.len() <= LONGEST {
        return Shown(Cow::Borrowed(text));
    }
    let lines: Vec<Cow<'_, str>> = text.lines().map(|line| shortened(line, PROBLEM)).collect();
    Shown(Cow::Owned(shortened(&lines.join("\n"), LONGEST).into_owned()))
}

/// A text of at most `bytes` bytes with its control characters escaped.
fn on_one_line(text: &str, bytes: usize) -> Cow<'_, str> {
    let text = shortened(text, bytes);
    if !text.chars().any(char::is_control) {
        return text;
    }
    let escape = |letter: char| match letter.is_control() {
        true => letter.escape_default().to_string(),
        false => letter.to_string(),
    };
    let escaped: String = text.chars().map(escape).collect();
    Cow::Owned(shortened(&escaped, bytes).into_owned())
}

/// A text without its middle, if it is longer than `bytes`; the number of bytes left out stands in
/// the middle's place.
pub(crate) fn shortened(text: &str, bytes: usize) -> Cow<'_, str> {
    // the longest note, with the largest number
    const NOTE: usize = "... (18446744073709551615 bytes) ...".len();
    if text.len() <= bytes {
        return Cow::Borrowed(text);
    }
    let half = bytes.saturating_sub(NOTE) / 2;
    let (start, end) = (text.floor_char_boundary(half), text.ceil_char_boundary(text.len() - half));
    Cow::Owned(format!("{}... ({} bytes) ...{}", &text[..start], end - start, &text[end..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_text_keeps_its_start_and_its_end() {
        let long = format!("start {} end", "x".repeat(9_000_000));
        let shown = shortened(&long, 120);
        assert!(shown.len() <= 120, "{shown}");
        assert!(shown.starts_with("start xx") && shown.ends_with("xx end"), "{shown}");
        assert!(shown.contains("... (8999"), "{shown}");
        assert_eq!(shortened("short", 120), "short");
    }

    #[test]
    fn a_cut_never_parts_a_character() {
        for letter in ["é", "日", "🙂"] {
            for length in [100, 101, 102, 103] {
                let shown = shortened(&letter.repeat(200), length).into_owned();
                assert!(shown.len() <= length && shown.starts_with(letter), "{shown}");
            }
        }
    }

    #[test]
    fn control_characters_are_escaped_within_the_limit() {
        assert_eq!(value("a\nb\u{1b}[31m\t").to_string(), "a\\nb\\u{1b}[31m\\t");
        assert!(value(&"\r".repeat(9999)).to_string().len() <= VALUE);
    }

    #[test]
    fn no_message_is_as_long_as_its_parts() {
        use crate::Error;
        let long = "z".repeat(100_000);
        let place = Path::new(&long);
        let faults = [
            Error::file(place, long.clone(), long.clone()),
            Error::line(place, 7, long.clone(), long.clone()),
            Error::data(long.clone(), long.clone()),
            Error::setting(long.clone(), long.clone(), long.clone()),
            Error::Config { origin: long.clone(), problem: format!("a\n{long}\n{long}") },
            Error::Value {
                path: place.to_owned(),
                line: 7,
                column: long.clone(),
                value: long.clone(),
                problem: "is odd".to_owned(),
                hint: "mend it".to_owned(),
            },
        ];
        for fault in faults {
            let message = fault.to_string();
            assert!(message.len() <= LONGEST_MESSAGE, "{} bytes: {message}", message.len());
        }
    }
}
