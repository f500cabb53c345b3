//! Means, intervals and tests over seeds and users, as pure functions.

use rand::RngExt;
use rayon::prelude::*;

use crate::random::{Purpose, stream};

/// The mean; 0 of no value.
#[must_use]
pub fn mean(values: &[f64]) -> f64 {
    values.iter().sum::<f64>() / values.len().max(1) as f64
}

/// The sample standard deviation, with one less than the number of values as the divisor. `None`
/// for fewer than two values.
#[must_use]
pub fn deviation(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let centre = mean(values);
    let squares: f64 = values.iter().map(|value| (value - centre).powi(2)).sum();
    Some((squares / (values.len() - 1) as f64).sqrt())
}

/// A difference of two systems with its interval.
#[derive(Debug, Clone, Copy, PartialEq, serde::Serialize)]
pub struct Interval {
    /// The mean difference.
    pub mean: f64,
    /// The lower end.
    pub low: f64,
    /// The upper end.
    pub high: f64,
}

/// The two-level bootstrap interval of a paired difference, at 95%.
///
/// `differences` holds a list for each seed, with one difference for each user, in one order of
/// users. Each draw takes seeds with replacement, then users with replacement. The interval spans
/// the percentiles 2.5 to 97.5 of the draws' means. Equal arguments give equal intervals.
///
/// Departs from nested resampling: the users of a draw are the same for all of its seeds. Seeds
/// share their users, whose differences go together; users drawn anew for each seed would make the
/// interval too narrow. Where seeds have other users, both ways agree. Lists of unequal lengths are
/// read up to the shortest.
///
/// With fewer than five seeds the seeds' own spread is badly known: call the result exploratory.
/// `O(draws * seeds * users)` time. `None` without a seed, a user or a draw.
#[must_use]
pub fn paired_bootstrap(differences: &[Vec<f64>], draws: usize, seed: u64) -> Option<Interval> {
    let users = differences.iter().map(Vec::len).min().filter(|&users| users > 0)?;
    if draws == 0 {
        return None;
    }
    let seeds = differences.len();
    let mean = mean(&differences.iter().map(|of_seed| mean(&of_seed[..users])).collect::<Vec<_>>());
    let draw = |number: usize| {
        let mut rng = stream(seed, Purpose::Bootstrap, number as u64);
        let mut times = vec![0.0; seeds];
        (0..seeds).for_each(|_| times[rng.random_range(0..seeds)] += 1.0);
        let mut sum = 0.0;
        for _ in 0..users {
            let user = rng.random_range(0..users);
            let of_seed = |(times, of_seed): (&f64, &Vec<f64>)| times * of_seed[user];
            sum += times.iter().zip(differences).map(of_seed).sum::<f64>();
        }
        sum / (seeds * users) as f64
    };
    let mut means: Vec<f64> = (0..draws).into_par_iter().map(draw).collect();
    means.sort_by(f64::total_cmp);
    let at = |share: f64| means[((share * draws as f64) as usize).min(draws - 1)];
    Some(Interval { mean, low: at(0.025), high: at(0.975) })
}

/// The two-sided exact McNemar test, as a p-value. One side alone wins `first` pairs, the other one
/// `second`.
///
/// ```text
/// p = min(1, 2 P(X <= min(first, second))),   X ~ Binomial(first + second, 1/2)
/// ```
///
/// 1 without a pair. Pairs count as independent: pooled over seeds, users that seeds share make the
/// p-value smaller than it should be. See "Note on the sampling error of the difference between
/// correlated proportions or percentages", McNemar, Psychometrika 12, 1947.
#[must_use]
pub fn mcnemar(first: u64, second: u64) -> f64 {
    let (pairs, least) = (first + second, first.min(second));
    // ln of C(pairs, k) / 2^pairs, from k = 0 upwards
    let mut log_term = -(pairs as f64) * std::f64::consts::LN_2;
    let mut sum = log_term.exp();
    for k in 1..=least {
        log_term += ((pairs - k + 1) as f64).ln() - (k as f64).ln();
        sum += log_term.exp();
    }
    (2.0 * sum).min(1.0)
}

/// Holm's adjustment of p-values, in the order given: each is compared with the level of the whole
/// family.
///
/// ```text
/// adjusted of the i-th smallest of m = max over j <= i of min(1, (m - j + 1) p_j)
/// ```
///
/// See "A simple sequentially rejective multiple test procedure", Holm, Scandinavian Journal of
/// Statistics 6, 1979.
#[must_use]
pub fn holm(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|&a, &b| values[a].total_cmp(&values[b]));
    let mut adjusted = vec![0.0; values.len()];
    let mut largest = 0.0f64;
    for (rank, &index) in order.iter().enumerate() {
        largest = largest.max(((values.len() - rank) as f64 * values[index]).min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_deviation_divides_by_one_less_and_needs_two_values() {
        assert!((deviation(&[1.0, 2.0, 3.0]).unwrap() - 1.0).abs() < 1e-12);
        assert_eq!(deviation(&[1.0]), None);
        assert!(mean(&[]).abs() < 1e-12);
    }

    #[test]
    fn mcnemar_is_the_tail_of_a_fair_coin() {
        for (first, second, expected) in
            [(0, 0, 1.0), (5, 0, 0.0625), (0, 5, 0.0625), (1, 9, 22.0 / 1024.0), (3, 3, 1.0)]
        {
            assert!((mcnemar(first, second) - expected).abs() < 1e-9, "{first} {second}");
        }
        // a coin that fell 5,100 against 4,900 times: about the normal tail beyond 2
        assert!((mcnemar(5100, 4900) - 0.0466).abs() < 1e-3);
    }

    #[test]
    fn holm_multiplies_the_smallest_by_the_number_of_tests_and_never_falls() {
        let found = holm(&[0.04, 0.01, 0.03]);
        for (found, expected) in found.into_iter().zip([0.06, 0.03, 0.06]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert_eq!(holm(&[]), [0.0; 0]);
    }

    #[test]
    fn the_interval_of_equal_differences_is_a_point() {
        let found = paired_bootstrap(&[vec![0.25; 9], vec![0.25; 9]], 200, 1).unwrap();
        assert_eq!((found.mean, found.low, found.high), (0.25, 0.25, 0.25));
        assert_eq!(paired_bootstrap(&[], 10, 1), None);
        assert_eq!(paired_bootstrap(&[Vec::new()], 10, 1), None);
    }

    #[test]
    fn the_interval_of_one_seed_has_the_width_of_the_normal_approximation() {
        // 1,000 users of whom every tenth differs by 1: a standard error of 0.0095
        let one: Vec<f64> = (0..1000).map(|user| f64::from(u8::from(user % 10 == 0))).collect();
        let found = paired_bootstrap(&[one], 2000, 7).unwrap();
        assert!((found.mean - 0.1).abs() < 1e-12);
        assert!((found.high - found.low - 2.0 * 1.96 * 0.0095).abs() < 0.004, "{found:?}");
    }

    #[test]
    fn users_that_agree_over_seeds_do_not_narrow_the_interval() {
        let one: Vec<f64> = (0..1000).map(|user| f64::from(u8::from(user % 10 == 0))).collect();
        let width = |seeds: usize| {
            let found = paired_bootstrap(&vec![one.clone(); seeds], 2000, 7).unwrap();
            found.high - found.low
        };
        assert!((width(5) / width(1) - 1.0).abs() < 0.1, "{} {}", width(5), width(1));
    }

    proptest! {
        #[test]
        fn an_interval_is_repeated_by_its_seed_and_turns_with_the_sign(
            differences in prop::collection::vec(prop::collection::vec(-1.0f64..1.0, 12), 1..4),
        ) {
            let found = paired_bootstrap(&differences, 100, 3).unwrap();
            prop_assert_eq!(Some(found), paired_bootstrap(&differences, 100, 3));
            prop_assert!(found.low <= found.high);
            let turned: Vec<Vec<f64>> =
                differences.iter().map(|of| of.iter().map(|it| -it).collect()).collect();
            let turned = paired_bootstrap(&turned, 100, 3).unwrap();
            prop_assert!((turned.mean + found.mean).abs() < 1e-12);
        }

        #[test]
        fn a_p_value_is_a_share_and_does_not_depend_on_the_sides(a in 0u64..400, b in 0u64..400) {
            let found = mcnemar(a, b);
            prop_assert!((0.0..=1.0).contains(&found));
            prop_assert!((found - mcnemar(b, a)).abs() < 1e-12);
        }

        #[test]
        fn adjusted_values_are_no_smaller_and_keep_their_order(
            values in prop::collection::vec(0.0f64..1.0, 1..9),
        ) {
            let found = holm(&values);
            for (i, &p) in values.iter().enumerate() {
                prop_assert!(found[i] >= p && found[i] <= 1.0);
                for (j, &q) in values.iter().enumerate() {
                    prop_assert!(p > q || found[i] <= found[j]);
                }
            }
        }
    }
}
