//! Rewards that each item of the catalogue has in every group.

use crate::data::Histories;

/// `ln(1 + n)` of each item; n is the number of its interactions in the training part.
///
/// Interactions follow a power law: without the logarithm nearly all items would be close to 0.
pub(super) fn popularity(train: &Histories, n_items: usize) -> Vec<f64> {
    let mut counts = vec![0_u32; n_items];
    for &item in train.iter().flatten() {
        counts[item as usize] += 1;
    }
    counts.into_iter().map(|count| f64::from(count).ln_1p()).collect()
}

/// The values scaled to 0 for the smallest and 1 for the largest; 0 everywhere if all are equal.
pub(super) fn min_max(values: &[f64]) -> Vec<f32> {
    let min = values.iter().copied().fold(f64::INFINITY, f64::min);
    let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
    // halves, since the range of finite numbers may be infinite
    let range = max / 2.0 - min / 2.0;
    let scaled = |&value: &f64| match range > 0.0 {
        true => ((value / 2.0 - min / 2.0) / range) as f32,
        false => 0.0,
    };
    values.iter().map(scaled).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_smallest_is_0_and_the_largest_1() {
        assert_eq!(min_max(&[10.0, -2.0, 4.0]), [1.0, 0.0, 0.5]);
        assert_eq!(min_max(&[f64::MAX, -f64::MAX, 0.0]), [1.0, 0.0, 0.5]);
    }

    #[test]
    fn values_that_are_all_equal_say_nothing() {
        assert_eq!(min_max(&[3.5; 3]), [0.0; 3]);
        assert!(min_max(&[]).is_empty());
    }

    #[test]
    fn popularity_counts_the_training_part_alone() {
        let mut train = Histories::default();
        train.push(&[0, 2, 2]);
        train.push(&[2]);
        assert_eq!(popularity(&train, 4), [1_f64, 0.0, 3.0, 0.0].map(f64::ln_1p));
    }
}
