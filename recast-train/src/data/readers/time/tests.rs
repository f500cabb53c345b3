use std::path::Path;

use super::*;

fn place(line: u64) -> Place<'static> {
    Place { path: Path::new("log.csv"), line, column: "timestamp" }
}

/// The stored times of a column, or the message, and the warning.
fn read(texts: &[&str]) -> std::result::Result<(Vec<i64>, Option<String>), String> {
    let mut column = Times::default();
    let mut times = Vec::new();
    for (line, text) in (2..).zip(texts) {
        let time = column.read(place(line), text, times.len()).map_err(|it| it.to_string())?;
        times.push(time);
    }
    let warning = column.finish(place(0), &mut times, false).map_err(|it| it.to_string())?;
    Ok((times, warning))
}

fn times(texts: &[&str]) -> Vec<i64> {
    read(texts).unwrap().0
}

#[test]
fn whole_numbers_are_times_however_written() {
    for (text, value) in [
        ("12", 12),
        ("-3", -3),
        ("+3", 3),
        ("12.0", 12),
        ("0.0", 0),
        ("1.7e9", 1_700_000_000),
        ("17E+8", 1_700_000_000),
        ("1.7040672e18", 1_704_067_200_000_000_000),
        ("170406720000e-2", 1_704_067_200),
        ("9223372036854775807.0", i64::MAX),
        ("-9223372036854775808", i64::MIN),
        ("20240101", 20_240_101),
    ] {
        assert_eq!(times(&[text]), [value], "{text}");
    }
}

#[test]
fn a_fraction_scales_the_whole_column_and_keeps_every_order() {
    assert_eq!(
        times(&["1704067200.438", "1704067200", "1704067200.4380000019"]),
        [1_704_067_200_438_000_000, 1_704_067_200_000_000_000, 1_704_067_200_438_000_001]
    );
    // milliseconds and microseconds reach nanoseconds by smaller factors
    assert_eq!(times(&["1704067200001", "1704067200000.5"])[1], 1_704_067_200_000_500_000);
    assert_eq!(times(&["1704067200000001", "1704067200000000.25"])[1], 1_704_067_200_000_000_250);
    assert_eq!(times(&["1704067200000000001.9"]), [1_704_067_200_000_000_001]);
    // the unit is that of the largest, not that of the first fraction
    assert_eq!(times(&["0.5", "1704067200000"])[0], 500_000);
}

#[test]
fn times_before_1970_are_rounded_down() {
    assert_eq!(times(&["-0.5", "-1.25", "0.5"]), [-500_000_000, -1_250_000_000, 500_000_000]);
    assert_eq!(times(&["-0.0000000001", "0.1"])[0], -1);
    assert_eq!(times(&["1969-12-31T23:59:59.5Z"]), [-500_000_000]);
}

#[test]
fn dates_of_one_moment_are_one_time() {
    for text in [
        "2024-01-01",
        "2024-01-01 00:00:00",
        "2024-01-01T00:00",
        "2024-01-01T00:00:00Z",
        "2024-01-01T08:00:00+08:00",
        "2023-12-31 19:00:00-05",
        "2024-01-01 00:00:00 UTC",
        "2024-01-01 08:00:00 +0800",
        "1/1/2024 12:00:00 AM",
        "2024/01/01 00:00:00",
        "Mon Jan 01 00:00:00 +0000 2024",
        "Mon, 01 Jan 2024 01:00:00 +0100",
    ] {
        assert_eq!(times(&[text]), [1_704_067_200], "{text}");
    }
    assert_eq!(
        times(&["2024-01-01 00:00:00.25", "2024-01-01"]),
        [1_704_067_200_250_000_000, 1_704_067_200_000_000_000]
    );
}

#[test]
fn anything_else_is_an_error_with_its_place() {
    // nobody knows whether 05/06 is in May or in June
    let ambiguous = ["05/06/2024 10:00:00", "05/06/2024", "25/12/2024 10:00:00"];
    let others = ["", "soon", "nan", "inf", "1e", "e5", ".", "1.2.3", "2024-13-01", "12:00"];
    for text in others.into_iter().chain(ambiguous) {
        assert_eq!(
            read(&["1", text]).unwrap_err(),
            format!(
                "log.csv:3: column 'timestamp': is neither a number nor a date: '{text}'; \
                 write times as numbers or dates, such as 1704067200 or 2024-01-01T00:00:00Z"
            )
        );
    }
}

#[test]
fn a_number_that_is_too_large_is_told_so() {
    for text in ["9223372036854775808", "1e300", "1e99999999999999999999", "-1.7e19"] {
        let message = read(&[text]).unwrap_err();
        assert!(message.contains("is too large for a time"), "{message}");
    }
    let message = read(&["99999999999", "99999999999.5"]).unwrap_err();
    assert!(message.contains("are too large for nanoseconds"), "{message}");
}

#[test]
fn a_column_holds_numbers_or_dates() {
    assert_eq!(
        read(&["1704067200", "1704067201", "2024-01-01"]).unwrap_err(),
        "log.csv:4: column 'timestamp': is a date, where line 2 has a number: '2024-01-01'; \
         write all times alike"
    );
    let message = read(&["2024-01-01", "20240102"]).unwrap_err();
    assert!(message.contains("is a number, where line 2 has a date: '20240102'"), "{message}");
}

#[test]
fn times_of_0_among_dates_are_a_warning() {
    for dates in [["0", "1704067200", "0"], ["1970-01-01", "2024-01-01", "1970-01-01"]] {
        let warning = read(&dates).unwrap().1.unwrap();
        assert!(warning.starts_with("2 of the times in column 'timestamp' are 0"), "{warning}");
    }
    assert_eq!(read(&["0", "1", "2"]).unwrap().1, None);
}

#[test]
fn a_sure_time_is_a_date_or_as_large_as_one() {
    for text in ["2024-01-01", "1704067200", "978300760.0", "1704067200000"] {
        assert!(is_surely_time(text), "{text}");
    }
    for text in ["5", "20240101", "-1704067200", "item", ""] {
        assert!(!is_surely_time(text), "{text}");
    }
}
