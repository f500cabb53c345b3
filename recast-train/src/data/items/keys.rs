//! Keys of an item's entry: its id, its title, its words and its numbers.

use serde_json::{Map, Value};

use super::ItemText;
use crate::data::Ids;
use crate::data::readers::is_missing;

/// Keys that can hold an item's id, in order of preference; none of them is text.
const ID_KEYS: [&str; 5] = ["id", "item", "item_id", "parent_asin", "asin"];
/// Further names of ids in public data sets, in order of preference, in lower case and without
/// underscores. A key of these is text unless it holds the id.
const OTHER_ID_KEYS: [&str; 17] = [
    "id",
    "itemid",
    "movieid",
    "videoid",
    "articleid",
    "businessid",
    "productid",
    "newsid",
    "trackid",
    "songid",
    "artistid",
    "bookid",
    "gameid",
    "appid",
    "iid",
    "pid",
    "vid",
];
/// Keys that can hold an item's title, in order of preference.
const TITLE_KEYS: [&str; 3] = ["title", "name", "keywords"];
/// The key of an item's text in a run folder.
const TEXT_KEY: &str = "text";

/// The entry of an item.
pub(super) type Entry = Map<String, Value>;

/// The key that holds ids.
#[derive(Debug, Clone, Copy)]
pub(super) enum IdKey<'a> {
    /// The key by the settings.
    Named(&'a str),
    /// The first usual key with a value.
    Usual,
}

impl<'a> IdKey<'a> {
    /// The keys of `entry` that may hold the id, the preferred one first.
    fn of<'e>(self, entry: &'e Entry) -> impl Iterator<Item = (&'e str, &'e Value)>
    where
        'a: 'e,
    {
        let named = match self {
            Self::Named(key) => entry.get_key_value(key),
            Self::Usual => None,
        };
        let usual = match self {
            Self::Named(_) => None,
            Self::Usual => Some(usual_ids(entry)),
        };
        named
            .map(|(key, value)| (key.as_str(), value))
            .into_iter()
            .chain(usual.into_iter().flatten())
    }

    /// The preferred key of ids among `names`, the columns of a table or the keys of an entry.
    pub(super) fn among<'n>(
        self,
        mut names: impl Iterator<Item = &'n str> + Clone,
    ) -> Option<&'n str> {
        match self {
            Self::Named(key) => names.find(|name| *name == key),
            Self::Usual => {
                let first = ID_KEYS.iter().find_map(|key| names.clone().find(|name| name == key));
                let others = || names.filter_map(|name| Some((rank(name)?, name)));
                first.or_else(|| others().min().map(|it| it.1))
            }
        }
    }

    /// The key and the id of an entry. The words for a missing value are an id only if the log
    /// knows it.
    pub(super) fn find<'e>(self, entry: &'e Entry, log: &Ids) -> Option<(&'e str, String)>
    where
        'a: 'e,
    {
        self.of(entry)
            .find_map(|(key, value)| Some((key, id_text(value)?)))
            .filter(|(_, id)| !is_missing(id) || log.index_of(id).is_some())
    }

    /// The key under which an entry should have its id, in words.
    pub(super) fn name(self) -> String {
        match self {
            Self::Named(key) => format!("the key '{key}'"),
            Self::Usual => {
                format!("any of the keys {}, movieId and their like", ID_KEYS.join(", "))
            }
        }
    }
}

fn usual_ids(entry: &Entry) -> impl Iterator<Item = (&str, &Value)> {
    let first = ID_KEYS.iter().filter_map(|key| entry.get_key_value(*key));
    let others = std::iter::once_with(|| {
        let rank = |key: &str| OTHER_ID_KEYS.iter().position(|name| *name == plain(key));
        let mut others: Vec<_> = entry.iter().filter_map(|it| Some((rank(it.0)?, it))).collect();
        others.sort_by_key(|it| it.0);
        others.into_iter().map(|it| it.1)
    });
    first.chain(others.flatten()).map(|(key, value)| (key.as_str(), value))
}

/// The place of a key among the further names of ids.
fn rank(key: &str) -> Option<usize> {
    let plain = plain(key);
    OTHER_ID_KEYS.iter().position(|name| *name == plain)
}

/// Whether a column of a table is text though it may look like numbers.
pub(super) fn is_text(column: &str, id_column: Option<&str>) -> bool {
    id_column == Some(column) || ID_KEYS.contains(&column) || TITLE_KEYS.contains(&column)
}

/// A key in lower case, without underscores.
fn plain(key: &str) -> String {
    key.chars().filter(|&letter| letter != '_').flat_map(char::to_lowercase).collect()
}

/// The text of an id; `None` if the value is none.
pub(super) fn id_text(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.trim().to_owned()).filter(|it| !it.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    }
}

/// Whether an id is a number that lost digits when its text became a float.
pub(super) fn is_rounded(value: &Value) -> bool {
    const EXACT: f64 = 9_007_199_254_740_992.0;
    let float = value.as_number().filter(|it| it.is_f64()).and_then(serde_json::Number::as_f64);
    float.is_some_and(|float| float.abs() >= EXACT)
}

/// The title and the words of an item whose id stands under `id_key`.
pub(super) fn item_text(entry: &Entry, id_key: &str, id: &str) -> ItemText {
    let named = TITLE_KEYS.iter().find_map(|key| {
        let title = entry.get(*key)?.as_str()?.trim();
        (!title.is_empty()).then_some((*key, title))
    });
    let (title_key, title) = named.unwrap_or(("", id));
    // The keys are sorted here: the features of other crates decide whether serde_json keeps a
    // file's order.
    let mut keys: Vec<&String> = entry.keys().collect();
    keys.sort_unstable();
    let mut parts = vec![title];
    for key in keys {
        if key == title_key || key == id_key || ID_KEYS.contains(&key.as_str()) {
            continue;
        }
        match &entry[key] {
            Value::String(text) => parts.push(text.trim()),
            Value::Array(values) => {
                parts.extend(values.iter().filter_map(Value::as_str).map(str::trim));
            }
            _ => {}
        }
    }
    parts.retain(|it| !it.is_empty());
    ItemText { title: title.to_owned(), text: parts.join(". ") }
}

/// The numbers of an item; its id, title and text are no numbers of it.
pub(super) fn item_numbers<'e>(
    entry: &'e Entry,
    id_key: &'e str,
) -> impl Iterator<Item = (&'e str, f64)> {
    let is_name = move |key: &str| {
        key == id_key || ID_KEYS.contains(&key) || TITLE_KEYS.contains(&key) || key == TEXT_KEY
    };
    entry
        .iter()
        .filter(move |(key, _)| !is_name(key))
        .filter_map(|(key, value)| Some((key.as_str(), value.as_f64()?)))
}

/// Puts `id` under the key of ids, in place of all other such keys.
pub(super) fn with_id(entry: &mut Entry, id_key: IdKey<'_>, id: String) {
    entry.retain(|key, _| !ID_KEYS.contains(&key.as_str()));
    let key = match id_key {
        IdKey::Named(key) => key,
        IdKey::Usual => ID_KEYS[0],
    };
    entry.insert(key.to_owned(), Value::from(id));
}
