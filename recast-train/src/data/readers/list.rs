//! Lists within one field: all items of a user in one row.

use std::borrow::Cow;

use serde_json::value::RawValue;

use super::lenient;

/// The elements of a list that stands in one field: `4,7,8`, `[4, 7]`, `['a', 'b']`, `[4 7]`,
/// `4|7` or `4 7`. A field with none of the separators is a list of one element, and an empty
/// field is a list of none.
pub(super) fn elements(field: &str) -> Vec<Cow<'_, str>> {
    let field = field.trim();
    let inner = field.strip_prefix('[').and_then(|it| it.strip_suffix(']'));
    if inner.is_some() {
        let json = serde_json::from_str::<Vec<&RawValue>>(field);
        if let Some(list) = json.ok().and_then(|list| scalars(&list)) {
            return list.into_iter().map(|it| Cow::Owned(it.unwrap_or_default())).collect();
        }
        if let Some(json) = lenient::json(field)
            && let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(&json)
            && let Some(list) = scalars(&list)
        {
            return list.into_iter().map(|it| Cow::Owned(it.unwrap_or_default())).collect();
        }
    }
    let inner = inner.unwrap_or(field).trim();
    if inner.is_empty() {
        return Vec::new();
    }
    let separator = [',', ';', '|'].into_iter().find(|it| inner.contains(*it));
    match separator {
        Some(separator) => inner.split(separator).map(|it| Cow::Borrowed(it.trim())).collect(),
        None => inner.split_whitespace().map(Cow::Borrowed).collect(),
    }
}

/// The texts of strings, numbers and nulls; `None` if another value is among them.
pub(super) fn scalars(list: &[&RawValue]) -> Option<Vec<Option<String>>> {
    list.iter().map(|value| scalar(value)).collect()
}

/// The text of a string without blanks around it, or of a number as it is written; `Some(None)`
/// for null; `None` for any other value.
#[expect(clippy::option_option, reason = "null is a value that a row may lack")]
pub(super) fn scalar(value: &RawValue) -> Option<Option<String>> {
    let text = value.get();
    match text.as_bytes().first()? {
        b'"' => {
            let text: String = serde_json::from_str(text).ok()?;
            Some(Some(text.trim().to_owned()))
        }
        b'n' => Some(None),
        b'{' | b'[' | b't' | b'f' => None,
        _ => Some(Some(text.to_owned())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_split_however_it_is_written() {
        for field in
            ["4,7,8", "[4, 7, 8]", "4 7 8", "[4 7\n 8]", "4|7|8", "4;7;8", "['4', '7', '8']"]
        {
            assert_eq!(elements(field), ["4", "7", "8"], "{field}");
        }
        assert_eq!(elements(r#"["a, b", "c"]"#), ["a, b", "c"]);
        assert_eq!(elements("['a, b', u'c']"), ["a, b", "c"]);
        assert_eq!(elements("[123456789012345678901, 3.0]"), ["123456789012345678901", "3.0"]);
    }

    #[test]
    fn a_list_may_have_one_element_or_none() {
        assert_eq!(elements("4"), ["4"]);
        assert_eq!(elements("[4]"), ["4"]);
        assert!(elements("").is_empty());
        assert!(elements("[]").is_empty());
    }

    #[test]
    fn an_element_may_be_missing() {
        assert_eq!(elements("4,,8"), ["4", "", "8"]);
        assert_eq!(elements("[4, null]"), ["4", ""]);
    }
}
