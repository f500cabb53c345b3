//! A forward-mode dual number: a value and its derivative by one variable.
//!
//! A dual number is a `Real` like any other, so the public functions differentiate themselves. The
//! derivative beside a value has to equal their gradient in closed form. Comparisons see the value
//! alone; `max` and `min` keep the derivative of the side they take.

use std::cmp::Ordering;
use std::num::FpCategory;
use std::ops::{Add, Div, Mul, Neg, Rem, Sub};

use num_traits::{Float, Num, NumCast, One, ToPrimitive, Zero};

#[derive(Clone, Copy, Debug)]
pub(crate) struct Dual {
    pub(crate) value: f64,
    pub(crate) derivative: f64,
}

impl Dual {
    pub(crate) fn constant(value: f64) -> Self {
        Self { value, derivative: 0.0 }
    }

    pub(crate) fn variable(value: f64) -> Self {
        Self { value, derivative: 1.0 }
    }

    /// A function of this number: its value here, and its derivative by its argument here.
    fn through(self, value: f64, slope: f64) -> Self {
        // A constant stays a constant where the slope is infinite, as that of the square root at 0.
        let derivative = if self.derivative == 0.0 { 0.0 } else { self.derivative * slope };
        Self { value, derivative }
    }
}

impl PartialEq for Dual {
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl PartialOrd for Dual {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        self.value.partial_cmp(&other.value)
    }
}

impl Neg for Dual {
    type Output = Self;

    fn neg(self) -> Self {
        Self { value: -self.value, derivative: -self.derivative }
    }
}

impl Add for Dual {
    type Output = Self;

    fn add(self, other: Self) -> Self {
        Self { value: self.value + other.value, derivative: self.derivative + other.derivative }
    }
}

impl Sub for Dual {
    type Output = Self;

    fn sub(self, other: Self) -> Self {
        Self { value: self.value - other.value, derivative: self.derivative - other.derivative }
    }
}

impl Mul for Dual {
    type Output = Self;

    fn mul(self, other: Self) -> Self {
        let derivative = self.derivative * other.value + self.value * other.derivative;
        Self { value: self.value * other.value, derivative }
    }
}

impl Div for Dual {
    type Output = Self;

    fn div(self, other: Self) -> Self {
        let value = self.value / other.value;
        Self { value, derivative: (self.derivative - value * other.derivative) / other.value }
    }
}

impl Rem for Dual {
    type Output = Self;

    fn rem(self, other: Self) -> Self {
        self - other * (self / other).trunc()
    }
}

impl Zero for Dual {
    fn zero() -> Self {
        Self::constant(0.0)
    }

    fn is_zero(&self) -> bool {
        self.value == 0.0
    }
}

impl One for Dual {
    fn one() -> Self {
        Self::constant(1.0)
    }
}

impl Num for Dual {
    type FromStrRadixErr = <f64 as Num>::FromStrRadixErr;

    fn from_str_radix(text: &str, radix: u32) -> Result<Self, Self::FromStrRadixErr> {
        f64::from_str_radix(text, radix).map(Self::constant)
    }
}

impl ToPrimitive for Dual {
    fn to_i64(&self) -> Option<i64> {
        self.value.to_i64()
    }

    fn to_u64(&self) -> Option<u64> {
        self.value.to_u64()
    }

    fn to_f64(&self) -> Option<f64> {
        Some(self.value)
    }
}

impl NumCast for Dual {
    fn from<N: ToPrimitive>(number: N) -> Option<Self> {
        number.to_f64().map(Self::constant)
    }
}

macro_rules! constants {
    ($($name:ident)*) => {
        $(fn $name() -> Self {
            Self::constant(<f64 as Float>::$name())
        })*
    };
}

macro_rules! questions {
    ($($name:ident -> $answer:ty),*) => {
        $(fn $name(self) -> $answer {
            Float::$name(self.value)
        })*
    };
}

/// Functions of one argument: the name, and the derivative at `x`.
macro_rules! functions {
    ($($name:ident: |$x:ident| $slope:expr),* $(,)?) => {
        $(fn $name(self) -> Self {
            let $x = self.value;
            self.through(Float::$name($x), $slope)
        })*
    };
}

impl Float for Dual {
    constants! {
        nan infinity neg_infinity neg_zero min_value min_positive_value max_value epsilon
    }

    questions! {
        is_nan -> bool, is_infinite -> bool, is_finite -> bool, is_normal -> bool,
        classify -> FpCategory, is_sign_positive -> bool, is_sign_negative -> bool,
        integer_decode -> (u64, i16, i8)
    }

    functions! {
        floor: |_x| 0.0,
        ceil: |_x| 0.0,
        round: |_x| 0.0,
        trunc: |_x| 0.0,
        signum: |_x| 0.0,
        fract: |_x| 1.0,
        abs: |x| x.signum(),
        recip: |x| -1.0 / (x * x),
        sqrt: |x| 0.5 / x.sqrt(),
        cbrt: |x| 1.0 / (3.0 * x.cbrt() * x.cbrt()),
        exp: |x| x.exp(),
        exp2: |x| x.exp2() * std::f64::consts::LN_2,
        exp_m1: |x| x.exp(),
        ln: |x| 1.0 / x,
        log2: |x| 1.0 / (x * std::f64::consts::LN_2),
        log10: |x| 1.0 / (x * std::f64::consts::LN_10),
        ln_1p: |x| 1.0 / (1.0 + x),
        sin: |x| x.cos(),
        cos: |x| -x.sin(),
        tan: |x| 1.0 / (x.cos() * x.cos()),
        asin: |x| 1.0 / (1.0 - x * x).sqrt(),
        acos: |x| -1.0 / (1.0 - x * x).sqrt(),
        atan: |x| 1.0 / (1.0 + x * x),
        sinh: |x| x.cosh(),
        cosh: |x| x.sinh(),
        tanh: |x| 1.0 / (x.cosh() * x.cosh()),
        asinh: |x| 1.0 / (x * x + 1.0).sqrt(),
        acosh: |x| 1.0 / (x * x - 1.0).sqrt(),
        atanh: |x| 1.0 / (1.0 - x * x),
    }

    fn mul_add(self, factor: Self, term: Self) -> Self {
        self * factor + term
    }

    fn powi(self, power: i32) -> Self {
        let slope = if power == 0 {
            0.0
        } else {
            <f64 as From<i32>>::from(power) * self.value.powi(power - 1)
        };
        self.through(self.value.powi(power), slope)
    }

    fn powf(self, power: Self) -> Self {
        (power * self.ln()).exp()
    }

    fn log(self, base: Self) -> Self {
        self.ln() / base.ln()
    }

    fn max(self, other: Self) -> Self {
        if other.value > self.value { other } else { self }
    }

    fn min(self, other: Self) -> Self {
        if other.value < self.value { other } else { self }
    }

    fn abs_sub(self, other: Self) -> Self {
        (self - other).max(Self::zero())
    }

    fn hypot(self, other: Self) -> Self {
        (self * self + other * other).sqrt()
    }

    fn atan2(self, other: Self) -> Self {
        let value = self.value.atan2(other.value);
        let square = self.value * self.value + other.value * other.value;
        let derivative = self.derivative * other.value - self.value * other.derivative;
        Self { value, derivative: derivative / square }
    }

    fn sin_cos(self) -> (Self, Self) {
        (self.sin(), self.cos())
    }
}
