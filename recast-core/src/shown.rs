//! The numbers and words in the messages of errors, without tables: `librecast` stays small.

use core::fmt::{self, Formatter, Write};

/// A number to nine significant digits, `f32`'s own, with an exponent where the digits lie far from
/// the point.
///
/// A message of fixed size thus has room for its reason beside any number, where `f64`'s own text
/// is up to 325 characters. The text also needs none of the tables that exact digits take.
#[derive(Clone, Copy, Debug)]
pub struct Shown(pub f64);

/// A word as it is: the text of `str` itself brings the code for widths and fills.
#[derive(Clone, Copy, Debug)]
pub struct Word(pub &'static str);

impl fmt::Display for Word {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

const DIGITS: i32 = 9;

impl fmt::Display for Shown {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        if self.0.is_nan() {
            return f.write_str("NaN");
        }
        if self.0.is_sign_negative() {
            f.write_char('-')?;
        }
        let size = self.0.abs();
        if size.is_infinite() {
            return f.write_str("inf");
        }
        let (digits, exponent) = decimal(size);
        if (-5..15).contains(&exponent) {
            return positional(f, digits, exponent);
        }
        positional(f, digits, 0)?;
        write!(f, "e{exponent}")
    }
}

/// The digits as a whole number without zeros at its end, and the power of ten of the first one.
fn decimal(size: f64) -> (u32, i32) {
    if size == 0.0 {
        return (0, 0);
    }
    // some 330 steps at most, each with a relative error of 2^-53
    let (mut scaled, mut exponent) = (size, DIGITS - 1);
    while scaled >= 1e9 {
        scaled /= 10.0;
        exponent += 1;
    }
    while scaled < 1e8 {
        scaled *= 10.0;
        exponent -= 1;
    }
    let mut digits = (scaled + 0.5) as u32;
    if digits == 1_000_000_000 {
        (digits, exponent) = (1, exponent + 1);
    }
    while digits.is_multiple_of(10) {
        digits /= 10;
    }
    (digits, exponent)
}

/// Writes digits with the point after the power of ten 0.
fn positional(f: &mut Formatter<'_>, digits: u32, exponent: i32) -> fmt::Result {
    let count = digits.checked_ilog10().unwrap_or(0) as i32 + 1;
    let last = exponent + 1 - count;
    for power in (last.min(0)..=exponent.max(0)).rev() {
        if power == -1 {
            f.write_char('.')?;
        }
        // zeros stand before the first digit and after the last one
        let place = power - last;
        let digit =
            if (0..count).contains(&place) { digits / 10_u32.pow(place as u32) % 10 } else { 0 };
        f.write_char(char::from(b'0' + digit as u8))?;
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    extern crate std;
    use std::string::ToString;

    use super::Shown;

    #[test]
    fn short_numbers_are_written_as_rust_writes_them() {
        let numbers = [
            0.0,
            -0.0,
            1.0,
            -1.0,
            0.5,
            0.1,
            -2.75,
            10.0,
            123.456,
            1e-5,
            0.00012,
            123_456_789.0,
            1e14,
            999_999_999.0,
            0.3,
            f64::NAN,
            f64::INFINITY,
            f64::NEG_INFINITY,
        ];
        for number in numbers {
            assert_eq!(Shown(number).to_string(), number.to_string());
        }
    }

    #[test]
    fn long_numbers_are_rounded_to_nine_digits() {
        let numbers = [
            (f64::MAX, "1.79769313e308"),
            (-1e300, "-1e300"),
            (5e-324, "4.94065646e-324"),
            (1e15, "1e15"),
            (1e-6, "1e-6"),
            (1.0 / 3.0, "0.333333333"),
            (f64::from(1.000_000_1_f32), "1.00000012"),
            (0.999_999_999_9, "1"),
            (12_345_678_912.0, "12345678900"),
            (-9_999_999_999e9, "-1e19"),
        ];
        for (number, text) in numbers {
            assert_eq!(Shown(number).to_string(), text);
        }
    }

    #[test]
    fn every_power_of_ten_reads_back_to_nine_digits() {
        for power in -320..308 {
            let number: f64 = std::format!("2.34567891e{power}").parse().unwrap_or(f64::NAN);
            let back: f64 = Shown(number).to_string().parse().unwrap_or(f64::NAN);
            let allowed = if power < -300 { 1e-4 } else { 1e-9 };
            assert!((back / number - 1.0).abs() <= allowed, "{number} {}", Shown(number));
        }
    }
}
