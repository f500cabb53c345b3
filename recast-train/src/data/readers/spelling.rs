//! Spellings of ids: one id written in two ways.

use std::borrow::Cow;
use std::collections::BTreeMap;

use unicode_normalization::{UnicodeNormalization, is_nfc};

use crate::data::Ids;

/// Characters without a width: joiners, marks of direction, byte order marks, soft hyphens.
const INVISIBLE: [char; 9] = [
    '\u{ad}', '\u{200b}', '\u{200c}', '\u{200d}', '\u{200e}', '\u{200f}', '\u{2060}', '\u{feff}',
    '\u{180e}',
];

/// The examples that a warning gives.
const EXAMPLES: usize = 3;

/// The one spelling for all that are one id: Unicode's composed form, one space for any blanks, no
/// invisible characters, `3` for `3.0`, and `1000003` for `1.000003e+06`, as programs for tables
/// write integers. Leading zeros and case are left alone.
pub(super) fn joined(id: &str) -> Cow<'_, str> {
    if let Some(integer) = of_scientific(id) {
        return Cow::Owned(integer.to_string());
    }
    if let Some((whole, zeros)) = id.split_once('.')
        && !zeros.is_empty()
        && zeros.bytes().all(|it| it == b'0')
        && is_integer(whole)
    {
        return Cow::Borrowed(whole);
    }
    let plain = |byte: u8| byte.is_ascii() && !byte.is_ascii_whitespace();
    if id.bytes().all(|byte| plain(byte) || byte == b' ') && !id.contains("  ") {
        return Cow::Borrowed(id.trim());
    }
    let visible = || id.chars().filter(|it| !INVISIBLE.contains(it));
    let composed: String = if is_nfc(id) { visible().collect() } else { visible().nfc().collect() };
    let mut joined = String::with_capacity(composed.len());
    for word in composed.split_whitespace() {
        if !joined.is_empty() {
            joined.push(' ');
        }
        joined.push_str(word);
    }
    // an id of nothing visible is not made empty
    if joined.is_empty() { Cow::Borrowed(id) } else { Cow::Owned(joined) }
}

/// The integer of a text such as `1.000003e+06`, if a double holds it exactly.
fn of_scientific(id: &str) -> Option<i64> {
    let (digits, exponent) = id.split_once("e+").or_else(|| id.split_once("E+"))?;
    let is_number =
        digits.trim_start_matches('-').bytes().all(|it| it.is_ascii_digit() || it == b'.');
    if !is_number || !exponent.bytes().all(|it| it.is_ascii_digit()) {
        return None;
    }
    let number: f64 = id.parse().ok()?;
    let is_exact = number.fract() == 0.0 && number.abs() < (1u64 << 53) as f64;
    is_exact.then_some(number as i64)
}

fn is_integer(text: &str) -> bool {
    let digits = text.strip_prefix('-').unwrap_or(text);
    !digits.is_empty() && digits.bytes().all(|it| it.is_ascii_digit())
}

/// A warning of ids that differ in their spelling only, with examples and the setting that joins
/// them.
pub(super) fn warning(ids: &Ids, kind: &str) -> Option<String> {
    // by the one spelling, the spellings that differ from it
    let mut respelled: BTreeMap<Cow<'_, str>, Vec<&str>> = BTreeMap::new();
    for id in ids.iter() {
        let one = joined(id);
        if one != id {
            respelled.entry(one).or_default().push(id);
        }
    }
    let several: Vec<Vec<&str>> = respelled
        .into_iter()
        .filter_map(|(one, mut others)| {
            others.extend(ids.index_of(&one).and_then(|index| ids.get(index)));
            (others.len() > 1).then_some(others)
        })
        .collect();
    if several.is_empty() {
        return None;
    }
    let examples: Vec<String> = several
        .iter()
        .take(EXAMPLES)
        .map(|spellings| {
            let shown: Vec<String> = spellings.iter().rev().map(|id| shown(id)).collect();
            shown.join(" and ")
        })
        .collect();
    let more = if several.len() > EXAMPLES { ", .." } else { "" };
    Some(format!(
        "{} {kind} stand in several spellings, which count as different {kind}: {}{more}; \
         data.join_spellings = true makes them one",
        several.len(),
        examples.join(", ")
    ))
}

/// An id in quotes, with the characters that nobody sees written as escapes.
fn shown(id: &str) -> String {
    let mut shown = String::from("'");
    for letter in id.chars() {
        let blank = letter.is_whitespace() && letter != ' ';
        let mark = unicode_normalization::char::is_combining_mark(letter);
        if blank || mark || INVISIBLE.contains(&letter) {
            shown.extend(letter.escape_unicode());
        } else {
            shown.push(letter);
        }
    }
    shown.push('\'');
    shown
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_one_id_have_one_form() {
        for (one, others) in [
            ("3", &["3.0", "3.00", "3"][..]),
            ("-12", &["-12.0"]),
            ("é", &["e\u{301}", "é", "\u{200b}é", "é\u{feff}"]),
            ("a b", &["a  b", "a\u{a0}b", "a\tb", " a b ", "a\u{3000}\u{200d}b"]),
            ("ガ", &["カ\u{3099}"]),
            ("1000003", &["1.000003e+06", "1000003.0", "1.000003E+6"]),
            ("-20", &["-2e+01"]),
        ] {
            for other in others {
                assert_eq!(joined(other), one, "{other:?}");
            }
        }
    }

    #[test]
    fn other_differences_are_other_ids() {
        for id in [
            "03", "3.5", "3.", ".0", "v1.0", "1e3", "1e+-3", "x1e+3", "1.5e+0", "1e+400", "A",
            "１", "\u{200b}", "a-b", "1.0.0",
        ] {
            assert_eq!(joined(id), id);
        }
    }

    #[test]
    fn a_warning_counts_ids_in_several_spellings_and_shows_some() {
        let ids: Ids = ["3", "3.0", "4.0", "e\u{301}", "é", "5", "5.0", "7.0", "7.00", "x"]
            .into_iter()
            .collect();
        assert_eq!(
            warning(&ids, "items").unwrap(),
            "4 items stand in several spellings, which count as different items: '3' and '3.0', \
             '5' and '5.0', '7.00' and '7.0', ..; data.join_spellings = true makes them one"
        );
        let composed: Ids = ["é", "e\u{301}"].into_iter().collect();
        assert!(warning(&composed, "users").unwrap().contains(r"'é' and 'e\u{301}'"));
        let plain: Ids = ["1", "2.0", "a b"].into_iter().collect();
        assert_eq!(warning(&plain, "users"), None);
    }
}
