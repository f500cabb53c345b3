//! Paired differences of arms on the test prompts.

use serde::Serialize;

use crate::event::Both;
use crate::study::statistics::{Interval, holm, mcnemar, mean, paired_bootstrap};

/// The direction of a difference whose interval leaves out zero.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// The whole interval is above zero.
    Above,
    /// The interval holds zero.
    NotToldApart,
    /// The whole interval is below zero.
    Below,
}

/// An arm against the control, user by user, in the primary figure.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct ArmContrast {
    /// The arm.
    pub arm: String,
    /// The control.
    pub control: String,
    /// The seeds that both have.
    pub seeds: Vec<u64>,
    /// Test Pass@1 of the arm and of the control.
    pub pass_at_1: [f64; 2],
    /// The difference in Pass@1.
    pub difference: Interval,
    /// The difference in Recall@10.
    pub recall_at_10: Interval,
    /// The difference in NDCG@10.
    pub ndcg_at_10: Interval,
    /// Pairs of user and seed whose first prediction is right in the arm alone, and in the control
    /// alone.
    pub discordant: [u64; 2],
    /// The exact McNemar test of these pairs, pooled over seeds.
    pub p_value: f64,
    /// The same for each seed.
    pub p_value_by_seed: Vec<f64>,
    /// The pooled value after Holm's adjustment over all contrasts of its table.
    pub holm: f64,
    /// The direction of the difference in Pass@1.
    pub verdict: Verdict,
}

/// Ranks of the targets of one run; from 1, and 0 where the list lacks the target.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct SeedRanks {
    pub(super) seed: u64,
    pub(super) ranks: Both<Vec<u32>>,
}

/// The worth of a rank, under a metric of one target.
type Worth = fn(u32) -> f64;

fn pass_at_1(rank: u32) -> f64 {
    f64::from(u8::from(rank == 1))
}

fn recall_at_10(rank: u32) -> f64 {
    f64::from(u8::from((1..=10).contains(&rank)))
}

fn ndcg_at_10(rank: u32) -> f64 {
    recall_at_10(rank) / f64::from(rank.max(1) + 1).log2()
}

impl ArmContrast {
    /// The contrast of two arms over the seeds that both have; `None` without one. The value of
    /// Holm is that of a single test until [`adjust`] takes the family.
    pub(super) fn new(
        [arm, control]: [&str; 2],
        [of_arm, of_control]: [&[SeedRanks]; 2],
        mask_history: bool,
        draws: usize,
    ) -> Option<Self> {
        let pair = |arm: &SeedRanks| {
            let control = of_control.iter().find(|control| control.seed == arm.seed)?;
            let [a, c] = [arm, control].map(|it| it.ranks.get(mask_history));
            let pairs: Vec<(u32, u32)> = a.iter().copied().zip(c.iter().copied()).collect();
            (a.len() == c.len()).then_some((arm.seed, pairs))
        };
        let pairs: Vec<(u64, Vec<(u32, u32)>)> = of_arm.iter().filter_map(pair).collect();
        let interval = |worth: Worth| {
            let of_seed = |(_, pairs): &(u64, Vec<(u32, u32)>)| {
                pairs.iter().map(|&(a, c)| worth(a) - worth(c)).collect()
            };
            paired_bootstrap(&pairs.iter().map(of_seed).collect::<Vec<_>>(), draws, 1)
        };
        let discordant: Vec<[u64; 2]> = pairs
            .iter()
            .map(|(_, pairs)| {
                let count = |wins: fn(&(u32, u32)) -> bool| {
                    pairs.iter().filter(|pair| wins(pair)).count() as u64
                };
                [count(|&(a, c)| a == 1 && c != 1), count(|&(a, c)| a != 1 && c == 1)]
            })
            .collect();
        let pooled = discordant.iter().fold([0, 0], |sum, one| [sum[0] + one[0], sum[1] + one[1]]);
        let share = |of: fn(&(u32, u32)) -> u32| {
            let of_seed = |(_, pairs): &(u64, Vec<(u32, u32)>)| {
                mean(&pairs.iter().map(|pair| pass_at_1(of(pair))).collect::<Vec<_>>())
            };
            mean(&pairs.iter().map(of_seed).collect::<Vec<_>>())
        };
        let difference = interval(pass_at_1)?;
        let p_value = mcnemar(pooled[0], pooled[1]);
        Some(Self {
            arm: arm.to_owned(),
            control: control.to_owned(),
            seeds: pairs.iter().map(|(seed, _)| *seed).collect(),
            pass_at_1: [share(|pair| pair.0), share(|pair| pair.1)],
            difference,
            recall_at_10: interval(recall_at_10)?,
            ndcg_at_10: interval(ndcg_at_10)?,
            discordant: pooled,
            p_value,
            p_value_by_seed: discordant.iter().map(|&[a, c]| mcnemar(a, c)).collect(),
            holm: p_value,
            verdict: match difference {
                Interval { low, .. } if low > 0.0 => Verdict::Above,
                Interval { high, .. } if high < 0.0 => Verdict::Below,
                _ => Verdict::NotToldApart,
            },
        })
    }
}

/// Adjusts the tests of a family.
pub(super) fn adjust(contrasts: &mut [ArmContrast]) {
    let values: Vec<f64> = contrasts.iter().map(|contrast| contrast.p_value).collect();
    for (contrast, adjusted) in contrasts.iter_mut().zip(holm(&values)) {
        contrast.holm = adjusted;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ranks(seed: u64, unmasked: &[u32]) -> SeedRanks {
        let masked = vec![0; unmasked.len()];
        SeedRanks { seed, ranks: Both { unmasked: unmasked.to_vec(), masked } }
    }

    #[test]
    fn seeds_are_paired_and_users_are_compared_one_by_one() {
        let arm = [ranks(1, &[1, 1, 1, 2]), ranks(2, &[1, 0, 0, 0])];
        let control = [ranks(2, &[0, 0, 1, 0]), ranks(1, &[1, 2, 11, 1]), ranks(3, &[1, 1, 1, 1])];
        let found = ArmContrast::new(["a", "c"], [&arm, &control], false, 200).unwrap();
        assert_eq!(found.seeds, [1, 2]);
        assert_eq!(found.discordant, [3, 2]);
        assert!((found.p_value - 1.0).abs() < 1e-12);
        for (found, expected) in found.pass_at_1.into_iter().zip([0.5, 0.375]) {
            assert!((found - expected).abs() < 1e-12);
        }
        assert!((found.difference.mean - 0.125).abs() < 1e-12);
        // one target more among the first ten, of eight
        assert!((found.recall_at_10.mean - 0.125).abs() < 1e-12);
        assert_eq!(found.verdict, Verdict::NotToldApart);
    }

    #[test]
    fn a_plain_difference_has_a_verdict_and_the_masked_figure_its_own() {
        let arm = [ranks(1, &[1; 400])];
        let control = [ranks(1, &[0; 400])];
        let of = |pair, mask| ArmContrast::new(["a", "c"], pair, mask, 200).unwrap();
        assert_eq!(of([&arm, &control], false).verdict, Verdict::Above);
        assert_eq!(of([&control, &arm], false).verdict, Verdict::Below);
        assert_eq!(of([&arm, &control], true).verdict, Verdict::NotToldApart);
        assert!(of([&arm, &control], false).p_value < 1e-50);
    }

    #[test]
    fn arms_without_a_common_seed_have_no_contrast() {
        let (arm, control) = ([ranks(1, &[1])], [ranks(2, &[1])]);
        assert_eq!(ArmContrast::new(["a", "c"], [&arm, &control], false, 200), None);
    }
}
