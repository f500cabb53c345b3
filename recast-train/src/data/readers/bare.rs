//! Public data sets whose tables have no header line, known by the fields of the first rows.

use super::Columns;
use super::csv::Dialect;
use super::time::is_surely_time;

/// The log of a public data set without a header line.
#[derive(Debug)]
pub(super) struct Bare {
    /// The name of the data set.
    pub(super) name: &'static str,
    dialect: Dialect,
    /// The names of its columns.
    header: &'static [&'static str],
    user: &'static str,
    item: &'static str,
    /// Whether a row is one of the data set.
    is_row: fn(&[String]) -> bool,
    /// Whether a row holds all items that a user was shown at a time.
    pub(super) impressions: bool,
}

const USER: &str = "user";
const ITEM: &str = "item";
const TIMESTAMP: &str = "timestamp";
const RATING: &str = "rating";

/// A log of ratings.
const fn ratings(
    name: &'static str,
    dialect: Dialect,
    header: &'static [&'static str],
    is_row: fn(&[String]) -> bool,
) -> Bare {
    Bare { name, dialect, header, user: USER, item: ITEM, is_row, impressions: false }
}

const USER_FIRST: &[&str] = &[USER, ITEM, RATING, TIMESTAMP];
const ITEM_FIRST: &[&str] = &[ITEM, USER, RATING, TIMESTAMP];

const BARE: [Bare; 8] = [
    ratings("MovieLens 100K", Dialect::Tab, USER_FIRST, is_movie_rating),
    ratings("MovieLens 1M or 10M", Dialect::Colons, USER_FIRST, is_movie_rating),
    ratings("Amazon ratings 2014", Dialect::Comma, USER_FIRST, |row| is_amazon_rating(row, 0, 1)),
    ratings("Amazon ratings 2018", Dialect::Comma, ITEM_FIRST, |row| is_amazon_rating(row, 1, 0)),
    Bare {
        name: "Yoochoose clicks",
        dialect: Dialect::Comma,
        header: &["session", TIMESTAMP, ITEM, "category"],
        user: "session",
        item: ITEM,
        is_row: |row| row.len() == 4 && is_session(row),
        impressions: false,
    },
    Bare {
        name: "Yoochoose buys",
        dialect: Dialect::Comma,
        header: &["session", TIMESTAMP, ITEM, "price", "quantity"],
        user: "session",
        item: ITEM,
        is_row: |row| {
            row.len() == 5 && is_session(row) && is_integer(&row[3]) && is_integer(&row[4])
        },
        impressions: false,
    },
    Bare {
        name: "LastFM-1K, artists by name",
        dialect: Dialect::Tab,
        header: &["user_id", TIMESTAMP, "artist_id", "artist_name", "track_id", "track_name"],
        user: "user_id",
        item: "artist_name",
        is_row: is_scrobble,
        impressions: false,
    },
    Bare {
        name: "MIND, histories and clicks",
        dialect: Dialect::Tab,
        header: &["impression", USER, TIMESTAMP, "history", "impressions"],
        user: USER,
        item: "impressions",
        is_row: is_impression,
        impressions: true,
    },
];

impl Bare {
    /// The data set with such first rows between the separators of `dialect`.
    pub(super) fn of(rows: &[Vec<String>], dialect: Dialect) -> Option<&'static Self> {
        if rows.is_empty() {
            return None;
        }
        let fits =
            |bare: &&Bare| bare.dialect == dialect && rows.iter().all(|row| (bare.is_row)(row));
        BARE.iter().find(fits)
    }

    /// The names of the columns that are read.
    pub(super) fn columns(&self) -> Columns {
        Columns { user: self.user.to_owned(), item: self.item.to_owned(), ..Columns::default() }
    }

    /// The names of all columns, where `columns` are the ones that are read.
    pub(super) fn header(&self, columns: &Columns) -> Vec<String> {
        let name = |it: &&str| match *it {
            TIMESTAMP => columns.timestamp.clone(),
            RATING => columns.rating.clone(),
            other => other.to_owned(),
        };
        self.header.iter().map(name).collect()
    }
}

fn is_integer(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// A user, a movie, a rating in halves from 0.5 to 5, and seconds.
fn is_movie_rating(row: &[String]) -> bool {
    let is_rating = |text: &String| {
        text.parse().is_ok_and(|it: f64| (0.5..=5.0).contains(&it) && (2.0 * it).fract() == 0.0)
    };
    row.len() == 4
        && is_integer(&row[0])
        && is_integer(&row[1])
        && is_rating(&row[2])
        && is_integer(&row[3])
        && is_surely_time(&row[3])
}

/// Ids and a rating of Amazon, where users and items stand at these places. An item's id has ten
/// characters, and a user's starts with A and has another length.
fn is_amazon_rating(row: &[String], user: usize, item: usize) -> bool {
    let is_code =
        |text: &str| text.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_uppercase());
    let is_rating = |text: &String| text.parse().is_ok_and(|it: f64| (1.0..=5.0).contains(&it));
    row.len() == 4
        && is_code(&row[user])
        && row[user].starts_with('A')
        && row[user].len() != 10
        && is_code(&row[item])
        && row[item].len() == 10
        && is_rating(&row[2])
        && is_surely_time(&row[3])
}

/// A session, a date and an item of Yoochoose.
fn is_session(row: &[String]) -> bool {
    is_integer(&row[0]) && is_instant(&row[1]) && is_integer(&row[2])
}

/// A date with a time in UTC, as `2014-04-07T10:51:09Z`.
fn is_instant(text: &str) -> bool {
    text.ends_with('Z') && text.contains('T') && is_surely_time(text)
}

/// A user, a date, and the id and name of an artist and of a track.
fn is_scrobble(row: &[String]) -> bool {
    let is_user = |text: &String| text.strip_prefix("user_").is_some_and(is_integer);
    let is_id =
        |text: &String| text.is_empty() || (text.len() == 36 && text.matches('-').count() == 4);
    row.len() == 6 && is_user(&row[0]) && is_instant(&row[1]) && is_id(&row[2]) && is_id(&row[4])
}

/// A number, a user, a date, earlier clicks and what was shown, clicked or not.
fn is_impression(row: &[String]) -> bool {
    let is_news = |text: &str| text.strip_prefix('N').is_some_and(is_integer);
    let is_shown = |text: &str| {
        let text = text.strip_suffix("-0").or(text.strip_suffix("-1")).unwrap_or(text);
        is_news(text)
    };
    row.len() == 5
        && is_integer(&row[0])
        && row[1].strip_prefix('U').is_some_and(is_integer)
        && is_surely_time(&row[2])
        && row[3].split_whitespace().all(is_news)
        && row[4].split_whitespace().all(is_shown)
}
