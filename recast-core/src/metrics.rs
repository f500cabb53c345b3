//! Ranking metrics of one prompt, and counts of regimes over many groups.
//!
//! `predictions` are ranked, the best first, and distinct; a repeated prediction counts at its
//! first rank. `targets` are a set: order and repetition do not matter. Metrics of a run are means
//! over *all* test prompts. With P predictions, N targets and `n = min(k, P)` each costs
//! `O(n N + N^2)` time, no allocation.

use crate::group::Regime;
use crate::real::{Real, sum};

/// Pass@k: 1 if any of the first k predictions is a target, else 0.
///
/// ```text
/// Pass@k = 1 if |first k ∩ T| > 0, else 0
/// ```
///
/// Pass@k is 0 without a target. A k beyond the predictions takes all of them.
///
/// Grade: \[paper\]. See <https://arxiv.org/abs/2604.22169>.
///
/// # Examples
///
/// ```
/// use recast_core::metrics::pass_at_k;
///
/// assert_eq!(pass_at_k::<_, f64>(&["a", "b"], &["b", "c"], 1), 0.0);
/// assert_eq!(pass_at_k::<_, f64>(&["a", "b"], &["b", "c"], 2), 1.0);
/// ```
#[must_use]
pub fn pass_at_k<I: PartialEq, T: Real>(predictions: &[I], targets: &[I], k: usize) -> T {
    if ranks(predictions, targets, k).next().is_some() { T::one() } else { T::zero() }
}

/// The hit rate of one prompt: [`pass_at_k`] under its name for prompts with one target.
///
/// ```text
/// HR@k = Pass@k
/// ```
///
/// # Examples
///
/// ```
/// assert_eq!(recast_core::metrics::hit_rate_at_k::<_, f64>(&[4, 2], &[2], 2), 1.0);
/// ```
#[must_use]
pub fn hit_rate_at_k<I: PartialEq, T: Real>(predictions: &[I], targets: &[I], k: usize) -> T {
    pass_at_k(predictions, targets, k)
}

/// The share of the targets that is among the first k predictions.
///
/// ```text
/// Recall@k = |first k ∩ T| / |T|
/// ```
///
/// Recall@k is 0 without a target.
///
/// Grade: \[paper\]. See <https://arxiv.org/abs/2604.22169>.
///
/// # Examples
///
/// ```
/// use recast_core::metrics::recall_at_k;
///
/// assert_eq!(recall_at_k::<_, f64>(&["a", "b"], &["b", "c"], 2), 0.5);
/// ```
#[must_use]
pub fn recall_at_k<I: PartialEq, T: Real>(predictions: &[I], targets: &[I], k: usize) -> T {
    match distinct(targets).count() {
        0 => T::zero(),
        count => T::of_count(ranks(predictions, targets, k).count()) / T::of_count(count),
    }
}

/// The normalised discounted cumulative gain of the first k predictions, with binary gain.
///
/// ```text
/// DCG@k  = sum over targets with rank < k of ln 2 / ln(rank + 2)        rank from 0
/// NDCG@k = DCG@k / (the DCG@k of a ranking that starts with all targets)
/// ```
///
/// With one target the ideal is 1 and NDCG@k is `ln 2 / ln(rank + 2)`. NDCG@k is 0 without a
/// target, and with k = 0.
///
/// See "Cumulated gain-based evaluation of IR techniques", Järvelin and Kekäläinen,
/// <https://doi.org/10.1145/582415.582418>.
///
/// # Examples
///
/// ```
/// use recast_core::metrics::ndcg_at_k;
///
/// assert_eq!(ndcg_at_k::<_, f64>(&[5, 6, 7, 8], &[7], 4), 0.5);
/// assert_eq!(ndcg_at_k::<_, f64>(&[5, 6, 7, 8], &[6, 5], 4), 1.0);
/// ```
#[must_use]
pub fn ndcg_at_k<I: PartialEq, T: Real>(predictions: &[I], targets: &[I], k: usize) -> T {
    let gain = |rank: usize| T::of_count(rank + 2).log2().recip();
    match distinct(targets).count().min(k) {
        0 => T::zero(),
        best => sum(ranks(predictions, targets, k).map(gain)) / sum((0..best).map(gain)),
    }
}

/// The ranks below k at which distinct targets are first predicted, in the order of the targets.
fn ranks<I: PartialEq>(predictions: &[I], targets: &[I], k: usize) -> impl Iterator<Item = usize> {
    let first = &predictions[..k.min(predictions.len())];
    distinct(targets).filter_map(move |target| first.iter().position(|item| item == target))
}

/// The members of a set given as a slice, each once.
fn distinct<I: PartialEq>(items: &[I]) -> impl Iterator<Item = &I> {
    items
        .iter()
        .enumerate()
        .filter(|&(index, item)| !items[..index].contains(item))
        .map(|(_, item)| item)
}

/// The number of groups of each regime.
///
/// # Examples
///
/// ```
/// use recast_core::Regime;
/// use recast_core::metrics::RegimeCounts;
///
/// let mut counts = RegimeCounts::default();
/// for regime in [Regime::AllZero, Regime::AllZero, Regime::SingleHit, Regime::AllZero] {
///     counts.count(regime);
/// }
/// assert_eq!(counts.all_zero, 3);
/// assert_eq!(counts.share(Regime::AllZero), Some(0.75));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct RegimeCounts {
    /// Groups without a hit.
    pub all_zero: u64,
    /// Groups with one hit and a miss.
    pub single_hit: u64,
    /// Groups with several hits and a miss.
    pub multi_hit: u64,
    /// Groups without a miss.
    pub all_hit: u64,
}

impl RegimeCounts {
    /// Counts one group.
    pub fn count(&mut self, regime: Regime) {
        match regime {
            Regime::AllZero => self.all_zero += 1,
            Regime::SingleHit => self.single_hit += 1,
            Regime::MultiHit => self.multi_hit += 1,
            Regime::AllHit => self.all_hit += 1,
        }
    }

    /// The number of groups counted.
    #[must_use]
    pub fn total(&self) -> u64 {
        self.all_zero + self.single_hit + self.multi_hit + self.all_hit
    }

    /// The share of the counted groups that fell into a regime, or `None` before the first.
    #[must_use]
    pub fn share(&self, regime: Regime) -> Option<f64> {
        let count = match regime {
            Regime::AllZero => self.all_zero,
            Regime::SingleHit => self.single_hit,
            Regime::MultiHit => self.multi_hit,
            Regime::AllHit => self.all_hit,
        };
        (self.total() > 0).then(|| count as f64 / self.total() as f64)
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]
mod tests {
    use super::*;
    use crate::tolerance::ROUNDING;
    use approx::assert_abs_diff_eq;

    /// Pass, hit rate, recall and NDCG.
    fn all_at_k(predictions: &[u32], targets: &[u32], k: usize) -> [f64; 4] {
        [pass_at_k, hit_rate_at_k, recall_at_k, ndcg_at_k]
            .map(|metric| metric(predictions, targets, k))
    }

    #[test]
    fn a_target_at_rank_zero_earns_everything() {
        assert_eq!(all_at_k(&[7, 8], &[7], 1), [1.0; 4]);
    }

    #[test]
    fn a_target_at_rank_k_earns_nothing() {
        assert_eq!(all_at_k(&[5, 6, 7], &[7], 2), [0.0; 4]);
    }

    #[test]
    fn one_target_is_discounted_by_the_log_of_its_rank() {
        let expected = 2.0_f64.ln() / 4.0_f64.ln();
        let ndcg: f64 = ndcg_at_k(&[5, 6, 7], &[7], 3);
        assert_abs_diff_eq!(ndcg, expected, epsilon = ROUNDING);
    }

    #[test]
    fn several_targets_are_normalised_by_the_ideal_ranking() {
        let gain = |rank: f64| 2.0_f64.ln() / (rank + 2.0).ln();
        let expected = (gain(0.0) + gain(2.0)) / (gain(0.0) + gain(1.0) + gain(2.0));
        let ndcg: f64 = ndcg_at_k(&[1, 9, 2, 8], &[1, 2, 3], 4);
        assert_abs_diff_eq!(ndcg, expected, epsilon = ROUNDING);
    }

    #[test]
    fn the_ideal_holds_no_more_than_k_targets() {
        assert_eq!(all_at_k(&[1, 2], &[2, 1, 3], 1)[3], 1.0);
    }

    #[test]
    fn recall_counts_the_targets_found() {
        assert_eq!(all_at_k(&[1, 9, 2, 8], &[1, 2, 3, 4], 4)[2], 0.5);
    }

    #[test]
    fn targets_are_a_set() {
        for k in 0..5 {
            assert_eq!(all_at_k(&[1, 9, 2], &[2, 3, 2, 2], k), all_at_k(&[1, 9, 2], &[2, 3], k));
        }
    }

    #[test]
    fn a_repeated_prediction_counts_once() {
        assert_eq!(all_at_k(&[1, 1, 1], &[1, 2], 3)[2], 0.5);
    }

    #[test]
    fn nothing_asked_predicted_or_wanted_earns_nothing() {
        assert_eq!(all_at_k(&[1], &[1], 0), [0.0; 4]);
        assert_eq!(all_at_k(&[], &[1], 3), [0.0; 4]);
        assert_eq!(all_at_k(&[1], &[], 3), [0.0; 4]);
    }

    #[test]
    fn a_k_beyond_the_predictions_takes_all_of_them() {
        assert_eq!(all_at_k(&[1, 2], &[2], usize::MAX), all_at_k(&[1, 2], &[2], 2));
    }

    #[test]
    fn regimes_are_counted_apart_and_shares_sum_to_one() {
        let regimes = [Regime::AllZero, Regime::SingleHit, Regime::MultiHit, Regime::AllHit];
        let mut counts = RegimeCounts::default();
        assert!(regimes.iter().all(|&regime| counts.share(regime).is_none()));
        for regime in regimes {
            counts.count(regime);
        }
        assert_eq!(counts, RegimeCounts { all_zero: 1, single_hit: 1, multi_hit: 1, all_hit: 1 });
        assert!(regimes.iter().all(|&regime| counts.share(regime) == Some(0.25)));
    }
}
