//! Times of a column, as whole numbers whose order is that of the times.

use jiff::civil::{DateTime, Time};
use jiff::fmt::strtime::BrokenDownTime;
use jiff::fmt::temporal::Pieces;
use jiff::tz::Offset;

use super::field::Place;
use super::spread::{Spread, Unit};
use crate::error::{Error, Result};

/// The parts of a unit in which fractions are kept.
const PARTS: u32 = 1_000_000_000;

/// Dates that are no ISO 8601: as MIND, Tmall and Goodreads write them.
const FORMATS: [&str; 5] = [
    "%m/%d/%Y %I:%M:%S %p",
    "%Y/%m/%d %H:%M:%S",
    "%Y-%m-%d %H:%M:%S %z",
    "%a %b %d %H:%M:%S %z %Y",
    "%a, %d %b %Y %H:%M:%S %z",
];

/// A time: whole units, rounded down, and the rest in billionths of the unit.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Instant {
    whole: i64,
    rest: u32,
}

/// The reason why a text is no time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Fault {
    Neither,
    TooLarge,
}

/// The two kinds of a column of times.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Number,
    Date,
}

/// The column of times of a log while it is read.
///
/// A whole time is stored as its own number. One time with a fraction scales all times of the
/// column to nanoseconds, so that no two times become one. Finer parts are rounded down.
#[derive(Debug, Default)]
pub(super) struct Times {
    /// The kind of the first time, with its line.
    kind: Option<(Kind, u64)>,
    /// The fractions of all times; empty while all times are whole.
    rests: Vec<u32>,
    spread: Spread,
}

impl Times {
    /// Reads the time of the next row; `rows` rows are before it.
    pub(super) fn read(&mut self, place: Place<'_>, text: &str, rows: usize) -> Result<i64> {
        let (kind, instant) = match parsed(text) {
            Ok(time) => time,
            Err(Fault::TooLarge) => {
                let hint = "times are counted in 64 bits: write them in a coarser unit";
                return Err(place.error(text, "is too large for a time", hint));
            }
            Err(Fault::Neither) => {
                let hint =
                    "write times as numbers or dates, such as 1704067200 or 2024-01-01T00:00:00Z";
                return Err(place.error(text, "is neither a number nor a date", hint));
            }
        };
        let (first, line) = *self.kind.get_or_insert((kind, place.line));
        if kind != first {
            let [this, other] = match kind {
                Kind::Date => ["a date", "a number"],
                Kind::Number => ["a number", "a date"],
            };
            let problem = format!("is {this}, where line {line} has {other}");
            return Err(place.error(text, &problem, "write all times alike"));
        }
        if instant.rest > 0 && self.rests.is_empty() {
            self.rests.resize(rows, 0);
            self.rests.push(instant.rest);
        } else if !self.rests.is_empty() {
            self.rests.push(instant.rest);
        }
        self.spread.add(place.line, instant.whole);
        Ok(instant.whole)
    }

    /// Checks the column as a whole, and scales it where a time has a fraction. `cut` says that
    /// the file doesn't end in a line end. Returns a warning.
    pub(super) fn finish(
        self,
        place: Place<'_>,
        times: &mut [i64],
        cut: bool,
    ) -> Result<Option<String>> {
        let numbers = self.kind.is_some_and(|(kind, _)| kind == Kind::Number);
        if numbers {
            self.spread.check(place, cut)?;
        }
        let zeros = self.spread.zeros_among_dates(place.column, !numbers);
        if self.rests.is_empty() {
            return Ok(zeros);
        }
        let largest = self.spread.largest();
        let scale = match Unit::of(largest) {
            Some(Unit::Milliseconds) if numbers => 1_000_000,
            Some(Unit::Microseconds) if numbers => 1_000,
            Some(Unit::Nanoseconds) if numbers => 1,
            _ => i64::from(PARTS),
        };
        for (time, rest) in times.iter_mut().zip(self.rests) {
            let part = i64::from(rest) * scale / i64::from(PARTS);
            let scaled = time.checked_mul(scale).and_then(|whole| whole.checked_add(part));
            *time = scaled.ok_or_else(|| {
                let problem = format!(
                    "column '{}': {time} and a fraction of a second are too large for nanoseconds \
                     in 64 bits",
                    place.column
                );
                Error::file(place.path, problem, "leave the fractions out")
            })?;
        }
        Ok(zeros)
    }
}

/// Whether a text is surely a time: a date, or a number as large as the seconds since 1973.
pub(super) fn is_surely_time(text: &str) -> bool {
    match parsed(text) {
        Ok((Kind::Date, _)) => true,
        Ok((Kind::Number, instant)) => Unit::of(instant.whole).is_some() && instant.whole > 0,
        Err(_) => false,
    }
}

/// Whether a text is a number or a date.
pub(super) fn is_time(text: &str) -> bool {
    parsed(text).is_ok()
}

fn parsed(text: &str) -> std::result::Result<(Kind, Instant), Fault> {
    if let Ok(whole) = text.parse() {
        return Ok((Kind::Number, Instant { whole, rest: 0 }));
    }
    match number(text) {
        Err(Fault::Neither) => match date(text) {
            Some(instant) => Ok((Kind::Date, instant)),
            None => Err(Fault::Neither),
        },
        number => number.map(|instant| (Kind::Number, instant)),
    }
}

/// A decimal number by its digits: `-12`, `12.5`, `1.7e9`.
fn number(text: &str) -> std::result::Result<Instant, Fault> {
    let (negative, digits) = match text.as_bytes() {
        [b'-', ..] => (true, &text[1..]),
        [b'+', ..] => (false, &text[1..]),
        _ => (false, text),
    };
    let (decimal, exponent) = digits.split_once(['e', 'E']).unwrap_or((digits, ""));
    let (before, after) = decimal.split_once('.').unwrap_or((decimal, ""));
    let all_digits = |text: &str| text.bytes().all(|it| it.is_ascii_digit());
    if before.len() + after.len() == 0 || !all_digits(before) || !all_digits(after) {
        return Err(Fault::Neither);
    }
    if decimal.len() == digits.len() {
        return instant(negative, before, after);
    }
    let power = exponent.strip_prefix(['+', '-']).unwrap_or(exponent);
    if power.is_empty() || !all_digits(power) {
        return Err(Fault::Neither);
    }
    // a power beyond the number's length and 40 moves all digits out of the range of a time
    let length = before.len() + after.len();
    let power = power.parse().map_or(length + 40, |power: usize| power.min(length + 40));
    let zeros = "0".repeat(power);
    let all = format!("{zeros}{before}{after}{zeros}");
    let point = if exponent.starts_with('-') { before.len() } else { before.len() + 2 * power };
    let (before, after) = all.split_at(point);
    instant(negative, before, after)
}

/// A number by its digits before and after the point.
fn instant(negative: bool, before: &str, after: &str) -> std::result::Result<Instant, Fault> {
    let before = before.trim_start_matches('0');
    // at most 20 digits: no number of 128 bits overflows
    let whole = match before.len() {
        0 => 0,
        1..=20 => before.parse::<i128>().map_err(|_| Fault::TooLarge)?,
        _ => return Err(Fault::TooLarge),
    };
    let (kept, finer) = after.split_at(after.len().min(9));
    let mut rest = kept.bytes().fold(0, |rest, digit| rest * 10 + u32::from(digit - b'0'));
    rest *= 10u32.pow(9 - kept.len() as u32);
    let whole = if negative {
        rest += u32::from(finer.bytes().any(|digit| digit != b'0'));
        -whole - i128::from(rest > 0)
    } else {
        whole
    };
    let rest = if negative && rest > 0 { PARTS - rest } else { rest };
    Ok(Instant { whole: i64::try_from(whole).map_err(|_| Fault::TooLarge)?, rest })
}

/// A date, with a time of day or without. A date without an offset is in UTC.
fn date(text: &str) -> Option<Instant> {
    let iso = text.strip_suffix(" UTC").unwrap_or(text);
    let (datetime, offset) = match Pieces::parse(iso) {
        Ok(pieces) => {
            let time = pieces.time().unwrap_or(Time::midnight());
            (DateTime::from_parts(pieces.date(), time), pieces.to_numeric_offset())
        }
        Err(_) => FORMATS.iter().find_map(|format| {
            let parsed = BrokenDownTime::parse(format, text).ok()?;
            Some((parsed.to_datetime().ok()?, parsed.offset()))
        })?,
    };
    let timestamp = offset.unwrap_or(Offset::UTC).to_timestamp(datetime).ok()?;
    let nanoseconds = timestamp.as_nanosecond();
    let whole = nanoseconds.div_euclid(i128::from(PARTS));
    let rest = nanoseconds.rem_euclid(i128::from(PARTS));
    Some(Instant { whole: i64::try_from(whole).ok()?, rest: u32::try_from(rest).ok()? })
}

#[cfg(test)]
mod tests;
