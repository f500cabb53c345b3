//! The advantages in place: rewards in, advantages out.

use super::standard::{Standard, largest};
use crate::real::{Real, compare, sum};

/// GRPO in place: rewards in, advantages out.
pub(crate) fn standardise<T: Real>(values: &mut [T], epsilon: T) {
    let standard = Standard::of(values, None, epsilon);
    values.iter_mut().for_each(|value| *value = standard.apply(*value));
}

/// NGRPO in place: rewards in, advantages out.
pub(crate) fn calibrate<T: Real>(values: &mut [T], epsilon: T) {
    let standard = Standard::of(values, Some(T::one()), epsilon);
    values.iter_mut().for_each(|value| *value = standard.apply(*value));
}

/// Dr.GRPO in place: rewards in, advantages out.
pub(crate) fn centre<T: Real>(values: &mut [T]) {
    let scale = largest(values);
    if values.len() == 1 || scale.is_zero() {
        return;
    }
    // In units of the largest reward the mean of equal rewards is exactly the reward.
    let mean = scale * (sum(values.iter().map(|&value| value / scale)) / T::of_count(values.len()));
    for value in values {
        *value = *value - mean;
    }
}

/// RLOO in place: rewards in, advantages out.
pub(crate) fn leave_one_out<T: Real>(values: &mut [T]) {
    if values.len() < 2 {
        return;
    }
    let count = T::of_count(values.len());
    centre(values);
    for value in values {
        *value = *value * (count / (count - T::one()));
    }
}

/// Pass@k in place: rewards in, advantages out. Equally best rewards give the first slot; no
/// rewards give none.
pub(crate) fn lead<T: Real>(values: &mut [T]) -> Option<usize> {
    let best = (0..values.len()).reduce(|best, slot| {
        // `is_gt` leaves a tie with the earlier slot.
        if compare(values[slot], values[best]).is_gt() { slot } else { best }
    })?;
    let others = values.iter().enumerate().filter(|&(slot, _)| slot != best);
    let second = others.map(|(_, &value)| value).reduce(T::max).unwrap_or_else(T::zero);
    let lead = values[best] - second;
    values.fill(T::zero());
    values[best] = lead;
    Some(best)
}

/// OPO in place: rewards in, advantages out.
pub(crate) fn centre_by_length<T: Real>(values: &mut [T], lengths: &[usize]) {
    let scale = largest(values);
    if values.len() == 1 || scale.is_zero() {
        return;
    }
    let weights = || lengths.iter().map(|&length| T::of_count(length));
    // The baseline of equal rewards is exactly the reward, as in `centre`.
    let weighted = values.iter().zip(weights()).map(|(&value, weight)| value / scale * weight);
    let baseline = scale * (sum(weighted) / sum(weights()));
    for value in values {
        *value = *value - baseline;
    }
}
