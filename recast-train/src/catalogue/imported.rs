//! Tables of semantic IDs that others made, under their own item ids.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use serde::Deserialize;

use super::table::{Checked, SidTable, TableFile, rows_of};
use crate::error::{Error, Result};
use crate::storage::{Entries, Sources, read_whole};

/// The table of another program or run: a JSON object of item ids and lists of codes, in the
/// order of the file.
///
/// ```json
/// {"17": ["<a_3>", "<b_299>"], "18": [0, 7], "19": "<a_0><b_7>"}
/// ```
///
/// A code is a number, or a token that holds one. A text of several tokens in angle brackets holds
/// a code in each. A token of several numbers is read only if all but the last are the same for all
/// items, as in `<level_1_299>`. A level has as many codes as its largest code needs. A file of
/// [`SidTable::save`] is such a table too. Items may share a SID.
#[derive(Debug)]
pub struct ImportedTable {
    path: PathBuf,
    /// The codes of each level by the file, if it names them.
    codes_per_level: Option<Vec<usize>>,
    entries: Vec<(String, Sid)>,
}

impl ImportedTable {
    /// Reads a file.
    ///
    /// # Errors
    ///
    /// [`Error::Read`] if the file cannot be read; [`Error::File`] if it is no such JSON object.
    pub fn read(path: &Path) -> Result<Self> {
        Self::read_from(path, &Sources::default())
    }

    /// Reads a file as [`ImportedTable::read`] does, and notes it among `sources`.
    pub(crate) fn read_from(path: &Path, sources: &Sources) -> Result<Self> {
        let source = sources.text(path, None)?;
        let text = read_whole(source).map_err(|cause| Error::read(path, cause))?;
        let path = path.to_owned();
        if let Ok(own) = serde_json::from_str::<TableFile<Code>>(&text) {
            let codes_per_level = Some(own.codes_per_level);
            let entries = own.sids.0.into_iter().map(|(id, sid)| (id, Sid::Codes(sid))).collect();
            return Ok(Self { path, codes_per_level, entries });
        }
        match serde_json::from_str::<Entries<Sid>>(&text) {
            Ok(Entries(entries)) => Ok(Self { path, codes_per_level: None, entries }),
            Err(error) => Err(Error::file(
                &path,
                format!("not a SID table: {error}"),
                r#"expected {"item id": ["<a_3>", ..] or [3, ..]}"#,
            )),
        }
    }

    /// The ids of the file's items, in its order.
    pub(crate) fn ids(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|(id, _)| &id[..])
    }

    /// The first of `item_ids` that the table lacks.
    pub(crate) fn missing<'a, S: AsRef<str>>(&self, item_ids: &'a [S]) -> Option<&'a str> {
        let known: HashSet<&str> = self.ids().collect();
        item_ids.iter().map(AsRef::as_ref).find(|id| !known.contains(id))
    }

    /// The SIDs of `item_ids`, in that order; other items of the file are passed over.
    ///
    /// # Errors
    ///
    /// [`Error::File`] if the file names an item twice or lacks one of `item_ids`. [`Error::File`]
    /// if the file holds a SID of another length, a token without a number or of several, or a code
    /// above 65535. The message names the item.
    pub(crate) fn sids_of<S: AsRef<str>>(&self, item_ids: &[S]) -> Result<SidTable> {
        self.checked(item_ids).map_err(|(problem, hint)| Error::file(&self.path, problem, hint))
    }

    /// The SIDs of all items, in the order of the file.
    ///
    /// # Errors
    ///
    /// The errors of [`ImportedTable::sids_of`].
    pub(crate) fn sids(&self) -> Result<SidTable> {
        let ids: Vec<&str> = self.ids().collect();
        self.sids_of(&ids)
    }

    fn checked<S: AsRef<str>>(&self, item_ids: &[S]) -> Checked<SidTable> {
        let rows = rows_of(item_ids);
        let mut sids = Vec::with_capacity(item_ids.len());
        let mut prefixes = Vec::new();
        for (id, sid) in &self.entries {
            if rows.contains_key(id.as_str()) {
                let tokens = sid.tokens(id)?;
                check_levels(&mut prefixes, id, &tokens)?;
                sids.push((id.as_str(), tokens.iter().map(|token| token.code).collect()));
            }
        }
        let codes_per_level = match &self.codes_per_level {
            Some(codes_per_level) => codes_per_level.clone(),
            None => least_codes(&sids),
        };
        SidTable::in_item_order(codes_per_level, &sids, item_ids, &rows)
    }
}

impl SidTable {
    /// Reads the SIDs of `item_ids`, in that order, from the table of another program; see
    /// [`ImportedTable`].
    ///
    /// # Errors
    ///
    /// The errors of [`ImportedTable::read`]. [`Error::File`] if the file names an item twice or
    /// lacks one of `item_ids`. [`Error::File`] if the file holds a SID of another length, a token
    /// without a number or of several, or a code above 65535. The message names the item.
    pub fn import<S: AsRef<str>>(path: &Path, item_ids: &[S]) -> Result<Self> {
        ImportedTable::read(path)?.sids_of(item_ids)
    }
}

/// The least number of codes of each level, which its largest code needs. There are as many levels
/// as the first SID has.
fn least_codes(sids: &[(&str, Vec<u64>)]) -> Vec<usize> {
    let levels = sids.first().map_or(0, |(_, sid)| sid.len());
    let codes_of = |level: usize| {
        let largest = sids.iter().filter_map(|(_, sid)| sid.get(level)).max();
        largest.map_or(0, |&code| usize::try_from(code).unwrap_or(usize::MAX).saturating_add(1))
    };
    (0..levels).map(codes_of).collect()
}

/// The SID of an item in the table of another program.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Sid {
    Codes(Vec<Code>),
    Text(String),
}

/// A code, or a token of one or more codes.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
enum Code {
    Number(u64),
    Token(String),
}

/// A code as a file holds it.
#[derive(Debug)]
struct Token<'a> {
    /// The text before the code.
    prefix: &'a str,
    code: u64,
}

impl Sid {
    /// The codes of the item `id`, level by level.
    fn tokens(&self, id: &str) -> Checked<Vec<Token<'_>>> {
        let codes = match self {
            Self::Text(text) => return tokens_of(text, id),
            Self::Codes(codes) => codes,
        };
        let mut tokens = Vec::with_capacity(codes.len());
        for code in codes {
            match code {
                Code::Number(code) => tokens.push(Token { prefix: "", code: *code }),
                Code::Token(text) => tokens.extend(tokens_of(text, id)?),
            }
        }
        Ok(tokens)
    }
}

/// The codes in a text: one in each pair of angle brackets, else one in all. Marks without a number
/// such as `<|sid_begin|>` may enclose several brackets.
fn tokens_of<'a>(text: &'a str, id: &str) -> Checked<Vec<Token<'a>>> {
    let hint = "write a list of one token a level, as <a_3>, or of plain numbers";
    let Some(mut brackets) = brackets(text) else {
        if runs_of_digits(text) > 1 {
            let problem = format!("the token '{text}' of item '{id}' holds several numbers");
            return Err((problem, hint));
        }
        return Ok(vec![token(text, id)?]);
    };
    if brackets.len() > 1 {
        let is_mark = |text: &&str| text.starts_with("<|") && runs_of_digits(text) == 0;
        brackets.pop_if(|last| is_mark(&*last));
        brackets.drain(..usize::from(brackets.first().is_some_and(is_mark)));
    }
    brackets.into_iter().map(|text| token(text, id)).collect()
}

/// The parts of a text that is nothing but pairs of angle brackets and white space.
fn brackets(text: &str) -> Option<Vec<&str>> {
    let mut parts = Vec::new();
    let mut rest = text.trim();
    while !rest.is_empty() {
        let length = rest.strip_prefix('<')?.find(['<', '>'])? + 2;
        parts.push(rest.get(..length).filter(|part| part.ends_with('>'))?);
        rest = rest[length..].trim_start();
    }
    (!parts.is_empty()).then_some(parts)
}

fn runs_of_digits(text: &str) -> usize {
    text.split(|letter: char| !letter.is_ascii_digit()).filter(|run| !run.is_empty()).count()
}

/// The code of a text: its last number.
fn token<'a>(text: &'a str, id: &str) -> Checked<Token<'a>> {
    let digits = text.trim_end_matches(|c: char| !c.is_ascii_digit());
    let start = digits.trim_end_matches(|c: char| c.is_ascii_digit()).len();
    let code = digits[start..].parse().map_err(|_| {
        let problem = format!("the token '{text}' of item '{id}' holds no code");
        (problem, "write tokens as <a_3> or plain numbers")
    })?;
    Ok(Token { prefix: &text[..start], code })
}

/// Checks that the texts before the codes of an item are those of the first item: they name the
/// level. `first` holds the texts before the codes of the first item.
fn check_levels<'a>(first: &mut Vec<&'a str>, id: &str, tokens: &[Token<'a>]) -> Checked<()> {
    if first.is_empty() {
        first.extend(tokens.iter().map(|token| token.prefix));
    }
    let hint = "write a list of one token a level, as <a_3>, or of plain numbers";
    for (prefix, Token { prefix: own, code }) in first.iter().zip(tokens) {
        if prefix == own {
            continue;
        }
        // plain numbers and marks without a letter name no level
        let letters = |text: &str| text.chars().filter(|it| it.is_alphabetic()).collect::<String>();
        let (first, this) = (letters(prefix), letters(own));
        let numbered = runs_of_digits(own) + runs_of_digits(prefix) > 0;
        if !numbered && (first.is_empty() || this.is_empty() || first == this) {
            continue;
        }
        let problem = if numbered {
            format!(
                "the token '{own}{code}..' of item '{id}' holds several numbers, and '{prefix}' \
                 stands before the code of another item"
            )
        } else {
            format!(
                "the token '{own}{code}..' of item '{id}' stands where another item has '{prefix}..', \
                 so that the two are of different levels"
            )
        };
        return Err((problem, hint));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<ImportedTable> {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("index.json");
        std::fs::write(&path, text).unwrap();
        ImportedTable::read(&path)
    }

    fn imported(text: &str) -> Result<SidTable> {
        read(text)?.sids_of(&["a", "b"])
    }

    #[test]
    fn tokens_and_numbers_are_imported_alike_and_other_items_passed_over() {
        let tokens = r#"{"b": ["<a_1>", "<b_0>"], "z": ["<a_9>"], "a": ["<a_3>", "<b_299>"]}"#;
        let numbers = r#"{"a": [3, 299], "b": [1, 0]}"#;
        let expected = SidTable::new(vec![4, 300], vec![3, 299, 1, 0]).unwrap();
        assert_eq!(imported(tokens).unwrap(), expected);
        assert_eq!(imported(numbers).unwrap(), expected);
    }

    #[test]
    fn several_tokens_in_one_text_are_several_codes() {
        let expected = SidTable::new(vec![2, 3, 1], vec![1, 2, 0, 0, 2, 0]).unwrap();
        for (one, other) in [
            ("[\"<s_a_1><s_b_2><s_c_0>\"]", "[\"<s_a_0><s_b_2><s_c_0>\"]"),
            ("\"<s_a_1><s_b_2><s_c_0>\"", "\"<s_a_0> <s_b_2> <s_c_0>\""),
            (
                "\"<|sid_begin|><a_1><b_2><c_0><|sid_end|>\"",
                "\"<|sid_begin|><a_0><b_2><c_0><|sid_end|>\"",
            ),
            ("[\"<a_1><b_2>\", \"<c_0>\"]", "[\"<a_0>\", \"<b_2><c_0>\"]"),
            ("\"<1><2><0>\"", "[0, 2, 0]"),
            ("[\"<sid_0_1>\", \"<sid_1_2>\", \"<sid_2_0>\"]", "\"<sid_0_0><sid_1_2><sid_2_0>\""),
        ] {
            let table = imported(&format!("{{\"a\": {one}, \"b\": {other}}}"));
            assert_eq!(table.unwrap(), expected, "{one} {other}");
        }
    }

    #[test]
    fn tokens_of_two_levels_are_no_codes_of_one() {
        for (one, other) in [
            (r#"["<a_0>", "<c_0>"]"#, r#"["<b_0>", "<c_0>"]"#),
            (r#"["<a_0>", "<b_1>"]"#, r#"["<b_1>", "<a_0>"]"#),
            (r#""<s_a_0><s_b_1>""#, r#""<s_a_0><s_c_1>""#),
        ] {
            let table = imported(&format!("{{\"a\": {one}, \"b\": {other}}}"));
            let message = table.unwrap_err().to_string();
            assert!(message.contains("the two are of different levels"), "{message}");
            assert!(message.contains("of item 'b'"), "{message}");
        }
    }

    #[test]
    fn a_token_of_several_numbers_is_never_its_last() {
        for (one, other) in [
            ("[\"1,2,0\"]", "[\"0,2,0\"]"),
            ("[\"1-2-0\"]", "[\"1-2-1\"]"),
            ("\"1 2 0\"", "\"0 2 0\""),
            ("[\"<1,2,0>\"]", "[\"<0,2,0>\"]"),
            ("[\"<a_1|b_2>\"]", "[\"<a_0|b_2>\"]"),
            ("[\"a_1_b_2\"]", "[\"a_1_b_3\"]"),
            ("[\"<a_1><b_2\"]", "[\"<a_1><b_3\"]"),
        ] {
            let message = imported(&format!("{{\"a\": {one}, \"b\": {other}}}")).unwrap_err();
            let message = message.to_string();
            assert!(message.contains("holds several numbers"), "{one}: {message}");
        }
    }

    #[test]
    fn imported_items_may_share_a_sid() {
        assert_eq!(imported(r#"{"a": [1], "b": [1]}"#).unwrap().n_distinct(), 1);
    }

    #[test]
    fn every_bad_import_gives_its_message() {
        for (text, part) in [
            ("", "not a SID table: EOF"),
            (r#"{"a": 1}"#, "not a SID table"),
            (r#"{"a": "<a_1>"}"#, "item 'b' has no SID"),
            (r#"{"a": [1]}"#, "item 'b' has no SID"),
            (r#"{"a": [1], "a": [2], "b": [3]}"#, "item 'a' appears twice"),
            (r#"{"a": [1], "b": [1, 2]}"#, "'b' has 2 codes for 1 levels"),
            (r#"{"a": [1], "b": [65536]}"#, "the SID [65536] of item 'b' exceeds"),
            (r#"{"a": [1], "b": ["<b>"]}"#, "the token '<b>' of item 'b' holds no code"),
            (r#"{"a": [], "b": []}"#, "SIDs of 0 levels"),
        ] {
            let message = imported(text).unwrap_err().to_string();
            assert!(message.contains(part), "'{part}' is not in: {message}");
            assert!(message.contains("index.json: "), "{message}");
        }
    }

    #[test]
    fn a_table_of_another_numbering_is_read_as_it_stands() {
        let table = read(r#"{"9": [1, 5], "8": [0, 2], "7": [1, 5]}"#).unwrap();
        assert_eq!(table.missing(&["8", "1", "2"]), Some("1"));
        assert_eq!(table.missing(&["8", "9"]), None);
        let expected = SidTable::new(vec![2, 6], vec![1, 5, 0, 2, 1, 5]).unwrap();
        assert_eq!(table.sids().unwrap(), expected);
        for (text, part) in [
            (r#"{"a": [1], "a": [2]}"#, "item 'a' appears twice"),
            (r#"{"a": [1], "b": [1, 2]}"#, "'b' has 2 codes for 1 levels"),
            (r#"{}"#, "SIDs of 0 levels"),
        ] {
            let message = read(text).unwrap().sids().unwrap_err().to_string();
            assert!(message.contains(part), "'{part}' is not in: {message}");
        }
    }

    #[test]
    fn a_table_of_another_run_is_read_too() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("table.json");
        let table = SidTable::new(vec![4, 300], vec![3, 299, 0, 7]).unwrap();
        table.save(&path, &["a", "b"]).unwrap();
        assert_eq!(SidTable::import(&path, &["a", "b"]).unwrap(), table);
    }
}
