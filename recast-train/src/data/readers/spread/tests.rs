use std::path::Path;

use super::*;

fn place() -> Place<'static> {
    Place { path: Path::new("log.csv"), line: 0, column: "timestamp" }
}

/// The message about times that stand in the lines from 2.
fn check(times: &[i64], cut: bool) -> std::result::Result<(), String> {
    let mut spread = Spread::default();
    for (line, &time) in (2..).zip(times) {
        spread.add(line, time);
    }
    spread.check(place(), cut).map_err(|error| error.to_string())
}

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
    for time in [0, -1, 20_000, 99_999_999] {
        assert_eq!(Unit::of(time), None);
    }
    assert_eq!(Unit::of(i64::MIN), Some(Unit::Nanoseconds));
}

#[test]
fn two_units_are_an_error_that_names_a_time_of_each() {
    assert_eq!(
        check(&[0, 1_704_067_200, 1_704_067_201, 1_704_067_202_000], false).unwrap_err(),
        "log.csv:5: column 'timestamp': is in milliseconds by its size, where line 3 has \
         1704067200, which is in seconds: '1704067202000'; write all times in one unit"
    );
    // days among seconds
    assert_eq!(
        check(&[1_704_067_200, 19_723, 1_704_067_201], false).unwrap_err(),
        "log.csv:3: column 'timestamp': is of another unit than the others by its size, where \
         line 2 has 1704067200, which is in seconds: '19723'; write all times in one unit"
    );
}

#[test]
fn units_are_told_apart_from_days_to_nanoseconds() {
    let day = 19_723i64;
    let units = [1, 1_440, 86_400, 86_400_000, 86_400_000_000, 86_400_000_000_000];
    for (coarse, &below) in units.iter().enumerate() {
        for &above in &units[coarse + 1..] {
            let times = [day * below, (day + 300) * below, (day + 1) * above, (day + 2) * above];
            assert!(check(&times, false).is_err(), "{times:?}");
            assert!(check(&[times[3], times[1]], false).is_err(), "{times:?}");
        }
        assert!(check(&[day * below, (day + 9_000) * below], false).is_ok());
    }
}

#[test]
fn a_number_cut_short_within_the_file_is_of_another_size() {
    assert!(check(&[1_704_067_200, 170, 1_704_067_201], false).is_err());
    assert!(check(&[1_704_067_200, -1, 1_704_067_201], false).is_err());
}

#[test]
fn positions_and_relative_times_are_of_one_unit() {
    let positions: Vec<i64> = (0..1000).collect();
    assert!(check(&positions, true).is_ok());
    for relative in [
        &[0, 3, 5, 900, 1_000][..],
        &[0, 1, 86_400, 172_800, 31_536_000],
        &[1, 2, 1_000_000],
        &[5, 90, 4_000, 200_000, 9_000_000, 300_000_000],
        &[-1_000_000_000, -5, 0, 1, 1_000_000_000, 40, 2_000, 100_000, 4_000_000],
    ] {
        assert!(check(relative, false).is_ok(), "{relative:?}");
    }
    // dates from 1973 on, in seconds, with a few before
    assert!(check(&[3_000_000, 90_000_000, 1_704_067_200], false).is_ok());
}

#[test]
fn a_last_number_without_a_line_end_is_cut_if_it_is_shorter() {
    for last in [170_406_720, 1_704_067, 17, 1] {
        let message = check(&[1_704_067_200, 1_704_070_800, last], true).unwrap_err();
        assert!(
            message.starts_with("log.csv:4: column 'timestamp': is shorter")
                && message.contains("the file is cut in its last row"),
            "{message}"
        );
    }
    assert!(check(&[1_704_067_200, 170_406_720], false).is_ok());
    assert!(check(&[1_704_067_200, 1_704_067_201], true).is_ok());
    assert!(check(&[0, 1, 2, 3, 0], true).is_ok());
}

#[test]
fn zeros_count_only_among_dates() {
    let mut spread = Spread::default();
    spread.add(2, 0);
    spread.add(3, 5);
    assert_eq!(spread.zeros_among_dates("t", false), None);
    assert!(spread.zeros_among_dates("t", true).is_some());
}
