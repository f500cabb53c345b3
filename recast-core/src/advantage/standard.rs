//! Mean and sample deviation of a group, with rewards of any finite size.

use crate::real::{Real, sum_of};

/// `value -> (value * unit - mean) * factor`: standardisation by mean and sample deviation.
#[derive(Clone, Copy)]
pub(super) struct Standard<T> {
    unit: T,
    mean: T,
    factor: T,
}

impl<T: Real> Standard<T> {
    /// The map for the values and a virtual one. Equal values become exactly 0; a single value is
    /// divided by `1 + epsilon`.
    // inlined, so that GRPO does not carry the virtual value along
    #[inline(always)]
    pub(super) fn of(values: &[T], virtual_value: Option<T>, epsilon: T) -> Self {
        let (zero, one) = (T::zero(), T::one());
        let nothing = Self { unit: zero, mean: zero, factor: zero };
        let Some(first) = virtual_value.or(values.first().copied()) else { return nothing };
        let len = values.len() + usize::from(virtual_value.is_some());
        if len == 1 {
            return Self { unit: one, mean: zero, factor: one / (one + epsilon) };
        }
        // the fold has no early end, so that it vectorises
        if !values.iter().fold(false, |differs, &value| differs | (value != first)) {
            return nothing;
        }
        let count = T::of_count(len);
        // the inverses depend on no reward: they do not wait for the sums
        let inverses = [one / count, one / (count - one)];
        let (of_rewards, squares) = Self::in_units(values, virtual_value, one, inverses, epsilon);
        if squares >= T::of(1e-3) && squares.is_finite() {
            return of_rewards;
        }
        Self::in_units_of_the_largest(values, virtual_value, inverses, epsilon)
    }

    /// Squares of rewards may overflow or vanish, so the largest reward becomes the unit.
    #[cold]
    #[inline(never)]
    fn in_units_of_the_largest(
        values: &[T],
        virtual_value: Option<T>,
        inverses: [T; 2],
        epsilon: T,
    ) -> Self {
        let largest = largest(values).max(virtual_value.map_or(T::zero(), T::abs));
        // a subnormal reward has no finite inverse
        let unit = T::one() / largest.max(T::min_positive_value());
        Self::in_units(values, virtual_value, unit, inverses, epsilon).0
    }

    /// The map and the sum of the squares; `inverses` holds those of count and degrees of freedom.
    #[inline(always)]
    fn in_units(
        values: &[T],
        virtual_value: Option<T>,
        unit: T,
        [per_value, per_degree]: [T; 2],
        epsilon: T,
    ) -> (Self, T) {
        let zero = T::zero();
        let scaled = |value: T| value * unit;
        let mean = (sum_of(values, scaled) + virtual_value.map_or(zero, scaled)) * per_value;
        let square = |value: T| {
            let centred = value * unit - mean;
            centred * centred
        };
        let squares = sum_of(values, square) + virtual_value.map_or(zero, square);
        let deviation = (squares * per_degree).sqrt();
        let divisor = deviation + epsilon * unit;
        let factor = if deviation.is_zero() { zero } else { T::one() / divisor };
        (Self { unit, mean, factor }, squares)
    }

    pub(super) fn apply(self, value: T) -> T {
        (value * self.unit - self.mean) * self.factor
    }
}

pub(super) fn largest<T: Real>(values: &[T]) -> T {
    values.iter().fold(T::zero(), |largest, value| largest.max(value.abs()))
}
