//! The spread of a column of times, which tells two units in one column.

use std::fmt;
use std::ops::Range;

use super::field::Place;
use crate::error::{Error, Result};

/// The least ratio between two neighbouring sizes that parts a column in two. The closest units in
/// use, seconds and minutes, differ by 60.
const GAP: u64 = 50;
/// The largest ratio within times of one unit: 100 million seconds are in 1973, 10 times as many
/// in 2001.
const NARROW: u64 = 10;
/// The least ratio of a number to the last one that shows that the last one was cut.
const CUT: u64 = 5;
/// The least size of a date in seconds: March 1973.
const DATE: u64 = 100_000_000;
/// The sizes of dates between 1990 and 2050 in minutes, and in days.
const DATE_MINUTES: Range<u64> = 10_000_000..43_000_000;
const DATE_DAYS: Range<u64> = 7_000..30_000;

/// The unit in which a time counts since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    /// The unit in which a time lies between the years 1973 and 5138.
    ///
    /// `None` below 10^8. Such a time counts something else: positions, days, or seconds of the
    /// first three years.
    pub(super) fn of(time: i64) -> Option<Self> {
        match time.unsigned_abs() {
            0..100_000_000 => None,
            100_000_000..100_000_000_000 => Some(Self::Seconds),
            100_000_000_000..100_000_000_000_000 => Some(Self::Milliseconds),
            100_000_000_000_000..100_000_000_000_000_000 => Some(Self::Microseconds),
            100_000_000_000_000_000.. => Some(Self::Nanoseconds),
        }
    }
}

impl Unit {
    const fn nanoseconds(self) -> i64 {
        match self {
            Self::Seconds => 1_000_000_000,
            Self::Milliseconds => 1_000_000,
            Self::Microseconds => 1_000,
            Self::Nanoseconds => 1,
        }
    }
}

/// The factors that bring the times of two logs to one unit; `None` if only one log has times since
/// 1970.
pub(in crate::data) fn scale_between(one: &[i64], other: &[i64]) -> Option<[i64; 2]> {
    let largest = |times: &[i64]| times.iter().map(|time| time.unsigned_abs()).max().unwrap_or(0);
    let unit = |times| Unit::of(i64::try_from(largest(times)).unwrap_or(i64::MAX));
    match (unit(one), unit(other)) {
        (None, None) => Some([1, 1]),
        (Some(one), Some(other)) => {
            let finest = one.nanoseconds().min(other.nanoseconds());
            Some([one.nanoseconds() / finest, other.nanoseconds() / finest])
        }
        _ => None,
    }
}

impl fmt::Display for Unit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Seconds => "seconds",
            Self::Milliseconds => "milliseconds",
            Self::Microseconds => "microseconds",
            Self::Nanoseconds => "nanoseconds",
        })
    }
}

/// Times of like size.
#[derive(Debug, Clone, Copy)]
struct Cluster {
    count: u64,
    /// The smallest and the largest, without signs.
    least: u64,
    most: u64,
    /// The first of them, and its line.
    first: i64,
    line: u64,
}

impl Cluster {
    fn is_narrow(&self) -> bool {
        self.most <= self.least.saturating_mul(NARROW)
    }

    fn is_within(&self, sizes: &Range<u64>) -> bool {
        sizes.contains(&self.least) && sizes.contains(&self.most)
    }

    fn join(&mut self, above: Self) {
        if above.line < self.line {
            (self.first, self.line) = (above.first, above.line);
        }
        self.count += above.count;
        self.most = above.most;
    }
}

/// The spread of times by their size: one cluster for each number of binary digits. Adding a time
/// takes a few instructions.
#[derive(Debug)]
pub(super) struct Spread {
    by_digits: [Option<Cluster>; 65],
    /// The last time and its line.
    last: Option<(u64, i64)>,
}

impl Default for Spread {
    fn default() -> Self {
        Self { by_digits: [None; 65], last: None }
    }
}

impl Spread {
    pub(super) fn add(&mut self, line: u64, time: i64) {
        self.last = Some((line, time));
        let size = time.unsigned_abs();
        let digits = (u64::BITS - size.leading_zeros()) as usize;
        let new = Cluster { count: 0, least: size, most: size, first: time, line };
        let cluster = self.by_digits[digits].get_or_insert(new);
        cluster.count += 1;
        cluster.least = cluster.least.min(size);
        cluster.most = cluster.most.max(size);
    }

    /// The largest size.
    pub(super) fn largest(&self) -> i64 {
        let largest = self.by_digits.iter().rev().flatten().next().map_or(0, |it| it.most);
        i64::try_from(largest).unwrap_or(i64::MAX)
    }

    /// Clusters of times other than 0, the smallest first; a gap parts two neighbours.
    fn clusters(&self) -> Vec<Cluster> {
        let mut clusters: Vec<Cluster> = Vec::new();
        for &cluster in self.by_digits[1..].iter().flatten() {
            match clusters.last_mut() {
                Some(below) if cluster.least < below.most.saturating_mul(GAP) => {
                    below.join(cluster);
                }
                _ => clusters.push(cluster),
            }
        }
        clusters
    }

    /// Checks that all numbers are of one unit, and that the last one is whole. `cut` says that
    /// the file doesn't end in a line end.
    ///
    /// Two units show as two narrow clusters with a gap between them. Positions and times since a
    /// start spread over all sizes up to their largest; a cluster below the size of dates parts
    /// nothing.
    pub(super) fn check(&self, place: Place<'_>, cut: bool) -> Result<()> {
        if cut && let Some((line, last)) = self.cut_last() {
            let place = Place { line, ..place };
            return Err(place.error(
                &last.to_string(),
                "is shorter than all other times, and no line end follows: \
                 the file is cut in its last row",
                "get the whole file, or remove its last line",
            ));
        }
        for pair in self.clusters().windows(2) {
            let (below, above) = (pair[0], pair[1]);
            let dates = above.least >= DATE
                || (above.is_within(&DATE_MINUTES) && below.is_within(&DATE_DAYS));
            if dates && below.is_narrow() && above.is_narrow() {
                return Err(two_units(place, below, above));
            }
        }
        Ok(())
    }

    /// The last time and its line, if it is much smaller than all others, which are dates.
    fn cut_last(&self) -> Option<(u64, i64)> {
        let (line, last) = self.last?;
        let mut clusters = self.by_digits.iter().flatten();
        let (own, above) = (clusters.next()?, clusters.next()?);
        let alone = own.count == 1 && own.first == last && own.line == line;
        let short = above.least >= DATE && above.least / CUT >= own.most;
        (alone && short).then_some((line, last))
    }

    /// A warning of times 0 among dates. `dates` says that the column holds dates as text.
    pub(super) fn zeros_among_dates(&self, column: &str, dates: bool) -> Option<String> {
        let zeros = self.by_digits[0]?;
        let others = self.by_digits[1..].iter().flatten().next()?;
        (dates || others.least >= DATE).then(|| {
            format!(
                "{} of the times in column '{column}' are 0, which is 1970-01-01, where all \
                 others are later (the first in line {}): these rows come first in their users' \
                 histories",
                zeros.count, zeros.line
            )
        })
    }
}

/// The error of two units: at the time that is met second.
fn two_units(place: Place<'_>, below: Cluster, above: Cluster) -> Error {
    let (first, second) = if below.line < above.line { (below, above) } else { (above, below) };
    let unit = |time| Unit::of(time).map(|unit| unit.to_string());
    let own = unit(second.first)
        .map_or("is of another unit than the others by its size".to_owned(), |unit| {
            format!("is in {unit} by its size")
        });
    let other = unit(first.first).map_or(String::new(), |unit| format!(", which is in {unit}"));
    let problem = format!("{own}, where line {} has {}{other}", first.line, first.first);
    Place { line: second.line, ..place }.error(
        &second.first.to_string(),
        &problem,
        "write all times in one unit",
    )
}

#[cfg(test)]
mod tests;
