//! Random groups, every signal, and what a signal selects.

use approx::assert_abs_diff_eq;
use proptest::prelude::*;
use recast_core::batch::{Batch, BatchError};
use recast_core::signal::{
    NegativeChoice, NegativeRule, Normaliser, Recast, RepairPolicy, RewardScale,
};
use recast_core::{Group, Outcome, Real, Signal, Skip};

/// A group that owns its numbers.
#[derive(Clone, Debug)]
pub(crate) struct Owned {
    pub(crate) rewards: Vec<f64>,
    pub(crate) scores: Vec<f64>,
    pub(crate) old_log_probs: Vec<f64>,
}

impl Owned {
    pub(crate) fn group(&self) -> Group<'_, f64> {
        Group::new(&self.rewards, &self.scores, Some(&self.old_log_probs))
            .expect("finite columns of one length")
    }

    /// The group whose slot i is this one's slot `order[i]`.
    pub(crate) fn permuted(&self, order: &[usize]) -> Self {
        let pick = |column: &[f64]| order.iter().map(|&slot| column[slot]).collect();
        Self {
            rewards: pick(&self.rewards),
            scores: pick(&self.scores),
            old_log_probs: pick(&self.old_log_probs),
        }
    }

    /// The group as its caller repairs it: the anchor in the slot, or unchanged.
    pub(crate) fn repaired(&self, slot: Option<usize>) -> Self {
        let mut repaired = self.clone();
        if let Some(slot) = slot {
            (repaired.rewards[slot], repaired.scores[slot]) = (1.0, 1.0);
        }
        repaired
    }

    pub(crate) fn is_mixed(&self) -> bool {
        self.rewards.contains(&0.0) && self.rewards.contains(&1.0)
    }
}

/// Groups with few score values, so that ties are common. Regimes are mixed, all-zero often;
/// log-probs are distinct.
pub(crate) fn owned() -> impl Strategy<Value = Owned> {
    let hit_share = prop_oneof![Just(0.0), Just(0.1), Just(0.5), Just(1.0)];
    (1_usize..=16, hit_share).prop_flat_map(|(size, hit_share)| {
        let hits = proptest::collection::vec(proptest::bool::weighted(hit_share), size);
        let misses = proptest::collection::vec(prop::sample::select(vec![0.0, 0.01, 0.1]), size);
        let old = Just((1..=size).map(|rank| -(rank as f64)).collect::<Vec<_>>()).prop_shuffle();
        (hits, misses, old).prop_map(|(hits, misses, old_log_probs)| Owned {
            rewards: hits.iter().map(|&hit| f64::from(u8::from(hit))).collect(),
            scores: hits
                .iter()
                .zip(misses)
                .map(|(&hit, miss)| if hit { 1.0 } else { miss })
                .collect(),
            old_log_probs,
        })
    })
}

pub(crate) fn owned_and_order() -> impl Strategy<Value = (Owned, Vec<usize>)> {
    owned().prop_flat_map(|owned| {
        let order = Just((0..owned.rewards.len()).collect::<Vec<_>>()).prop_shuffle();
        (Just(owned), order)
    })
}

/// Every signal: the four cells of the ablation, the other options of ReCast, all other signals.
pub(crate) fn signals<T: Real>() -> Vec<Signal<T>> {
    let mut signals = whole_group_signals();
    signals.extend([
        Signal::dapo(),
        Signal::gcpo(),
        Signal::PassAtK,
        Signal::dpo(),
        Signal::s_dpo(3),
        Signal::Supervised,
        Signal::Dpo { repair: RepairPolicy::Never, negatives: 2, beta: T::of(0.1) },
    ]);
    for repair in [
        RepairPolicy::Always,
        RepairPolicy::Never,
        RepairPolicy::Gated { threshold: T::of(0.5) },
        RepairPolicy::Confident { tau: T::of(0.5) },
    ] {
        for boundary in [true, false] {
            for positive_only in [true, false] {
                for normaliser in [Normaliser::Kept, Normaliser::Group] {
                    let recast =
                        Recast { repair, boundary, normaliser, positive_only, ..Recast::default() };
                    signals.push(Signal::Recast(recast));
                }
            }
        }
    }
    signals.extend(negatives().map(Signal::Recast));
    signals
}

/// ReCast with each setting of its negative, but for the choice by a draw.
pub(crate) fn negatives<T: Real>() -> impl Iterator<Item = Recast<T>> {
    let shares = [T::zero(), T::of(0.5), T::one()];
    let rules = [NegativeRule::Always, NegativeRule::SharedPrefix];
    shares.into_iter().flat_map(move |negative_weight| {
        rules.map(|negative| Recast { negative_weight, negative, ..Recast::default() })
    })
}

/// ReCast with a negative by a draw; the draw counts slots, so that a permutation is another input.
pub(crate) fn drawn<T: Real>() -> Signal<T> {
    Signal::Recast(Recast { negative_choice: NegativeChoice::Uniform, ..Recast::default() })
}

/// The signals that keep every completion of every group.
pub(crate) fn whole_group_signals<T: Real>() -> Vec<Signal<T>> {
    vec![
        Signal::grpo(),
        Signal::Grpo { epsilon: T::of(1e-6), scale: RewardScale::Group, add_gt: true },
        Signal::rere(),
        Signal::Rere { epsilon: T::of(1e-4), add_gt: true },
        Signal::DrGrpo,
        Signal::Rloo,
        Signal::gspo(),
        Signal::ngrpo(),
        Signal::rl_zvp(),
        Signal::luffy(),
        Signal::Luffy { epsilon: Some(T::of(1e-6)), gamma: T::of(0.1) },
        Signal::cispo(),
        Signal::sapo(),
        Signal::gmpo(),
        Signal::grpo_by_batch(),
        Signal::reinforce_plus_plus(),
        Signal::Opo,
    ]
}

/// Rewards of any size around 1, at least so many.
pub(crate) fn rewards(least: usize) -> impl Strategy<Value = Vec<f64>> {
    let reward =
        prop_oneof![prop::sample::select(vec![0.0, 0.5, 1.0]).boxed(), (-2.0..2.0_f64).boxed(),];
    proptest::collection::vec(reward, least..=32)
}

pub(crate) fn written(advantage: &dyn Fn(&[f64], &mut [f64]), rewards: &[f64]) -> Vec<f64> {
    let mut out = vec![f64::NAN; rewards.len()];
    advantage(rewards, &mut out);
    out
}

/// Groups laid out flat.
#[derive(Clone, Debug)]
pub(crate) struct Flat {
    pub(crate) offsets: Vec<usize>,
    pub(crate) rewards: Vec<f64>,
    pub(crate) scores: Vec<f64>,
    pub(crate) old_log_probs: Vec<f64>,
}

impl Flat {
    pub(crate) fn of<'g>(groups: impl Iterator<Item = &'g Owned>) -> Self {
        let mut flat = Self {
            offsets: vec![0],
            rewards: Vec::new(),
            scores: Vec::new(),
            old_log_probs: Vec::new(),
        };
        for group in groups {
            flat.rewards.extend(&group.rewards);
            flat.scores.extend(&group.scores);
            flat.old_log_probs.extend(&group.old_log_probs);
            flat.offsets.push(flat.rewards.len());
        }
        flat
    }

    pub(crate) fn batch(&self) -> Result<Batch<'_, f64>, BatchError> {
        Batch::new(&self.offsets, &self.rewards, &self.scores, Some(&self.old_log_probs))
    }
}

/// Asserts that repair and selection in `T` take the slots of `f64`. Advantages are within a
/// tolerance, relative to max(1, |advantage|).
pub(crate) fn assert_selects_alike<T: Real>(owned: &Owned, tolerance: f64) {
    let narrow = |column: &[f64]| column.iter().map(|&x| T::of(x)).collect::<Vec<_>>();
    let (rewards, scores) = (narrow(&owned.rewards), narrow(&owned.scores));
    let old = narrow(&owned.old_log_probs);
    let group = Group::new(&rewards, &scores, Some(&old)).expect("as finite as before");
    for (narrow, double) in signals::<T>().into_iter().zip(signals::<f64>()) {
        assert_eq!(narrow.repair(group), double.repair(owned.group()));
        match (select(narrow, group), select(double, owned.group())) {
            (Ok(narrow), Ok(double)) => {
                assert_eq!(narrow.len(), double.len());
                for (narrow, double) in narrow.into_iter().zip(double) {
                    assert_eq!(narrow.0, double.0);
                    let epsilon = tolerance * double.1.abs().max(1.0);
                    assert_abs_diff_eq!(narrow.1.widen(), double.1, epsilon = epsilon);
                }
            }
            (narrow, double) => assert_eq!(narrow.err(), double.err()),
        }
    }
}

/// Kept slots and their advantages, or the reason to skip.
pub(crate) fn select<T: Real>(
    signal: Signal<T>,
    group: Group<'_, T>,
) -> Result<Vec<(usize, T)>, Skip> {
    let mut kept = vec![usize::MAX; group.len()];
    let mut advantages = vec![T::nan(); group.len()];
    match signal.select(group, &mut kept, &mut advantages) {
        Outcome::Trained(selection) => {
            assert_eq!(selection.kept.len(), selection.advantages.len());
            assert!(selection.divisor >= selection.kept.len());
            Ok(selection.kept.iter().copied().zip(selection.advantages.iter().copied()).collect())
        }
        Outcome::Skipped(skip) => Err(skip),
    }
}
