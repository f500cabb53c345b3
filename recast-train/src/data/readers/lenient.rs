//! Lines that are nearly JSON: literals of Python, and numbers that are none.

/// The JSON that stands for `text`, if it differs.
///
/// Literals of Python have strings in single quotes or with a prefix (`u''`), `None`, `True` and
/// `False`, tuples, and commas before a closing bracket. `NaN` and `Infinity` become null. The
/// caller parses the result: text that is no such literal comes back changed in part, or not at
/// all.
pub(in crate::data) fn json(text: &str) -> Option<String> {
    let mut json = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        match letter {
            '"' | '\'' => rest = string(rest, letter, &mut json)?,
            ',' => {
                rest = &rest[1..];
                if !rest.trim_start().starts_with([']', '}', ')']) {
                    json.push(',');
                }
            }
            '(' | ')' => {
                json.push(if letter == '(' { '[' } else { ']' });
                rest = &rest[1..];
            }
            '-' | '+' | 'A'..='Z' | 'a'..='z' | '_' => {
                let end = rest[1..].find(|it: char| !it.is_ascii_alphanumeric() && it != '_');
                let (word, after) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
                let quoted = after.starts_with(['\'', '"']);
                match word {
                    "u" | "U" | "b" | "B" if quoted => {}
                    "None" | "NaN" | "nan" | "Infinity" | "-Infinity" | "inf" | "-inf"
                    | "undefined" => json.push_str("null"),
                    "True" => json.push_str("true"),
                    "False" => json.push_str("false"),
                    other => json.push_str(other),
                }
                rest = after;
            }
            '0'..='9' => {
                let end = rest.find(|it: char| !it.is_ascii_alphanumeric() && !".+-".contains(it));
                let (number, after) = rest.split_at(end.unwrap_or(rest.len()));
                // Python 2 marks long integers by an L
                json.push_str(number.strip_suffix('L').unwrap_or(number));
                rest = after;
            }
            other => {
                json.push(other);
                rest = &rest[other.len_utf8()..];
            }
        }
    }
    (json != text).then_some(json)
}

/// Appends the string at the start of `rest` in JSON's quotes; gives the text after it. `None` if
/// the string doesn't end.
fn string<'t>(rest: &'t str, quote: char, json: &mut String) -> Option<&'t str> {
    json.push('"');
    let mut letters = rest.char_indices().skip(1);
    while let Some((at, letter)) = letters.next() {
        match letter {
            '\\' => escape(&mut letters, json)?,
            '"' if quote == '\'' => json.push_str("\\\""),
            letter if letter == quote => {
                json.push('"');
                return Some(&rest[at + 1..]);
            }
            control @ ..' ' => json.push_str(&format!("\\u{:04x}", u32::from(control))),
            other => json.push(other),
        }
    }
    None
}

/// Appends an escape of Python as one of JSON.
fn escape(letters: &mut impl Iterator<Item = (usize, char)>, json: &mut String) -> Option<()> {
    let escaped = letters.next()?.1;
    match escaped {
        '\\' | '"' | '/' | 'b' | 'f' | 'n' | 'r' | 't' => json.extend(['\\', escaped]),
        '\'' => json.push('\''),
        'u' => json.push_str("\\u"),
        'x' | 'U' => {
            let digits = if escaped == 'x' { 2 } else { 8 };
            let code: String = letters.take(digits).map(|it| it.1).collect();
            let letter = u32::from_str_radix(&code, 16).ok().and_then(char::from_u32)?;
            let mut units = [0; 2];
            for unit in letter.encode_utf16(&mut units) {
                json.push_str(&format!("\\u{unit:04x}"));
            }
        }
        other => {
            json.push_str("\\\\");
            json.push(other);
        }
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::json as lenient;

    fn parsed(text: &str) -> Value {
        serde_json::from_str(&lenient(text).unwrap()).unwrap()
    }

    #[test]
    fn literals_of_python_become_json() {
        for (python, expected) in [
            (r"{u'a': u'b', 'c': None}", json!({"a": "b", "c": null})),
            (r#"{'a': "it's", "b": 'say "hi"'}"#, json!({"a": "it's", "b": "say \"hi\""})),
            (
                r"{'ok': True, 'no': False, 'n': -1.5e3}",
                json!({"ok": true, "no": false, "n": -1500.0}),
            ),
            (
                r"{'t': (1, 2), 'one': (3,), 'l': [4, 5,]}",
                json!({"t": [1, 2], "one": [3], "l": [4, 5]}),
            ),
            (r"{'a': 'it\'s \xe9 \u00e9 \\ \d'}", json!({"a": "it's é é \\ \\d"})),
            (r"{'a': u'\U0001f600', 'long': 12L}", json!({"a": "😀", "long": 12})),
            (
                r#"{"a": NaN, "b": -Infinity, "c": Infinity}"#,
                json!({"a": null, "b": null, "c": null}),
            ),
            (r"{'None': 'True NaN (x,)'}", json!({"None": "True NaN (x,)"})),
        ] {
            assert_eq!(parsed(python), expected, "{python}");
        }
    }

    #[test]
    fn json_is_left_alone() {
        for text in [r#"{"a": [1, -2.5e-3, null, true, "x\u00e9"], "b": {}}"#, "[]", "12", ""] {
            assert_eq!(lenient(text), None, "{text}");
        }
    }

    #[test]
    fn other_text_fails_without_a_panic() {
        for text in ["{'a", r"{'a\", r"{'\x", r"'\U00110000'", "{'a': hello}", "{'é': ", "u'"] {
            let value = lenient(text).map(|json| serde_json::from_str::<Value>(&json));
            assert!(!matches!(value, Some(Ok(_))), "{text}");
        }
    }
}
