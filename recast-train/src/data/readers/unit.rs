//! Units of time, told by a timestamp's size.

use std::fmt;

/// The unit in which a timestamp counts since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Unit {
    Seconds,
    Milliseconds,
    Microseconds,
    Nanoseconds,
}

impl Unit {
    /// The unit in which a timestamp lies between the years 1973 and 5138.
    ///
    /// `None` below 10^8. Such a timestamp counts something else: positions, days, or seconds of
    /// the first three years.
    pub(super) fn of(timestamp: i64) -> Option<Self> {
        match timestamp.unsigned_abs() {
            0..100_000_000 => None,
            100_000_000..100_000_000_000 => Some(Self::Seconds),
            100_000_000_000..100_000_000_000_000 => Some(Self::Milliseconds),
            100_000_000_000_000..100_000_000_000_000_000 => Some(Self::Microseconds),
            100_000_000_000_000_000.. => Some(Self::Nanoseconds),
        }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_date_of_this_century_is_known_in_every_unit() {
        for seconds in [946_684_800i64, 1_704_067_200, 4_102_444_800] {
            assert_eq!(Unit::of(seconds), Some(Unit::Seconds));
            assert_eq!(Unit::of(seconds * 1_000), Some(Unit::Milliseconds));
            assert_eq!(Unit::of(seconds * 1_000_000), Some(Unit::Microseconds));
            assert_eq!(Unit::of(seconds * 1_000_000_000), Some(Unit::Nanoseconds));
        }
    }

    #[test]
    fn small_numbers_have_no_unit() {
        for timestamp in [0, -1, 20_000, 99_999_999] {
            assert_eq!(Unit::of(timestamp), None);
        }
        assert_eq!(Unit::of(i64::MIN), Some(Unit::Nanoseconds));
    }
}
