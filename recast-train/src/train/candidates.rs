//! The items over which the items' cross-entropy is taken: the catalogue, or a seeded sample of it.

use rand::seq::index::sample;

use crate::random::{Purpose, stream};

/// The items of an optimiser step over which each item's probability is normalised.
///
/// ```text
/// ln p(t) ~ s_t - ln (sum over targets j of exp s_j + (N - T) / S sum over drawn j of exp s_j)
/// ```
///
/// The `T` targets of the step all count. `S` of the other `N - T` items are drawn without
/// replacement, each as likely as any other, and stand for all of them. Their sum has the expected
/// value of the whole sum. Without a draw the cross-entropy is exact.
///
/// See "On Using Very Large Target Vocabulary for Neural Machine Translation", Jean et al.,
/// <https://arxiv.org/abs/1412.2007>, section 3.
#[derive(Debug, Clone, PartialEq)]
pub(crate) enum Candidates {
    /// The whole catalogue.
    All,
    /// The step's targets and the drawn items.
    Drawn(Drawn),
}

/// The targets of a step and items drawn beside them.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Drawn {
    /// The targets, ascending, then the drawn items, ascending; no item twice.
    items: Vec<u32>,
    targets: usize,
    /// `ln ((N - T) / S)`, which the score of every drawn item gains.
    correction: f32,
}

impl Candidates {
    /// The candidates of a step: its targets, and `negatives` of the other items; 0 means all.
    ///
    /// # Panics
    ///
    /// If a target is not below `n_items`.
    pub(crate) fn draw(
        targets: impl Iterator<Item = u32>,
        n_items: usize,
        negatives: usize,
        seed: u64,
        step: usize,
    ) -> Self {
        let mut items: Vec<u32> = targets.collect();
        items.sort_unstable();
        items.dedup();
        assert!(items.last().is_none_or(|&item| (item as usize) < n_items), "an unknown target");
        let (targets, others) = (items.len(), n_items - items.len());
        if negatives == 0 || negatives >= others {
            return Self::All;
        }
        let mut rng = stream(seed, Purpose::Candidates, step as u64);
        let mut places = sample(&mut rng, others, negatives).into_vec();
        places.sort_unstable();
        // the place among the other items, plus the targets below the item
        let mut below = 0;
        for place in places {
            while below < targets && items[below] as usize <= place + below {
                below += 1;
            }
            items.push((place + below) as u32);
        }
        let correction = (others as f64 / negatives as f64).ln() as f32;
        Self::Drawn(Drawn { items, targets, correction })
    }
}

impl Drawn {
    /// The items whose scores count.
    pub(crate) fn items(&self) -> &[u32] {
        &self.items
    }

    /// The number that each candidate's score gains, in the order of the items.
    pub(crate) fn corrections(&self) -> Vec<f32> {
        let mut corrections = vec![0.0; self.items.len()];
        corrections[self.targets..].fill(self.correction);
        corrections
    }

    /// The place of a target among the items.
    ///
    /// # Panics
    ///
    /// If the item is no target of the step.
    pub(crate) fn place(&self, target: u32) -> usize {
        #[expect(clippy::expect_used, reason = "the caller drew them for its targets")]
        self.items[..self.targets].binary_search(&target).expect("a target of the step")
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn drawn(targets: &[u32], n_items: usize, negatives: usize, step: usize) -> Drawn {
        match Candidates::draw(targets.iter().copied(), n_items, negatives, 1, step) {
            Candidates::Drawn(drawn) => drawn,
            Candidates::All => panic!("nothing is drawn"),
        }
    }

    #[test]
    fn enough_negatives_are_the_whole_catalogue() {
        for negatives in [0, 7, 8, 100] {
            let targets = [3u32, 1, 3].into_iter();
            let found = Candidates::draw(targets, 9, negatives, 1, 0);
            assert_eq!(found, Candidates::All, "{negatives}");
        }
        assert_eq!(drawn(&[3, 1, 3], 9, 6, 0).items().len(), 8);
    }

    #[test]
    fn each_other_item_is_drawn_equally_often() {
        let mut counts = [0; 9];
        for step in 0..7000 {
            drawn(&[0, 4], 9, 3, step).items()[2..].iter().for_each(|&i| counts[i as usize] += 1);
        }
        assert_eq!((counts[0], counts[4]), (0, 0));
        let others = counts.iter().filter(|&&count| count > 0);
        assert!(others.clone().count() == 7 && others.clone().all(|n| (2850..3150).contains(n)));
    }

    proptest! {
        #[test]
        fn candidates_are_distinct_items_and_each_target_has_a_place(
            targets in prop::collection::vec(0u32..50, 1..40),
            negatives in 1usize..30,
            step in 0usize..9,
        ) {
            let found = Candidates::draw(targets.iter().copied(), 60, negatives, 2, step);
            let Candidates::Drawn(found) = found else { return Ok(()) };
            let mut items = found.items().to_vec();
            for &target in &targets {
                prop_assert_eq!(items[found.place(target)], target);
            }
            items.sort_unstable();
            items.dedup();
            prop_assert_eq!(items.len(), found.items().len());
            prop_assert!(items.iter().all(|&item| item < 60));
            prop_assert_eq!(found.corrections().iter().filter(|&&x| x > 0.0).count(), negatives);
        }
    }
}
