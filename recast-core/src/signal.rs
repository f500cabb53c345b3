//! From a group to what is trained on: the one entry point, and the one thing that systems differ
//! in.

use thiserror::Error;

use crate::advantage::standardise;
use crate::boundary::boundary_pair;
use crate::group::{Group, Regime};
use crate::real::Real;
use crate::repair::repair_slot;
use crate::reward::write_ranking_rewards;

/// Why the numbers of a signal were refused.
#[derive(Clone, Copy, Debug, PartialEq, Error)]
#[non_exhaustive]
pub enum SignalError {
    /// Epsilon is negative, infinite or NaN.
    #[error("epsilon {value} is not finite and at least 0")]
    Epsilon {
        /// The epsilon.
        value: f64,
    },
    /// The weight of a boundary pair is not positive, infinite or NaN.
    #[error("weight {value} of the boundary pair is not finite and above 0")]
    Weight {
        /// The weight.
        value: f64,
    },
}

/// When an all-zero group is repaired.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RepairPolicy {
    /// Every all-zero group \[paper\].
    #[default]
    Always,
    /// No group: the ablation.
    Never,
}

/// What the sum over the kept sequences is divided by. Learning rates do not transfer between the
/// two.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Normaliser {
    /// The number of kept sequences \[ours\].
    #[default]
    Kept,
    /// The group size G, as if the removed sequences were there with advantage 0.
    Group,
}

/// The settings of ReCast. Switching repair and boundary gives the four cells of its ablation.
///
/// | repair | boundary | update |
/// |---|---|---|
/// | always | yes | ReCast: a pair in every group that is not all-hit |
/// | never | yes | a pair in naturally mixed groups, the others are skipped |
/// | always | no | GRPO over the repaired group |
/// | never | no | GRPO |
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Recast<T> {
    /// When an all-zero group is repaired.
    pub repair: RepairPolicy,
    /// Whether only the boundary pair is kept.
    pub boundary: bool,
    /// The advantage w of the pair, `+w` and `-w`; 1 by default \[note\].
    pub weight: T,
    /// The epsilon of GRPO, without a boundary pair.
    pub epsilon: T,
    /// What the sum over the kept sequences is divided by.
    pub normaliser: Normaliser,
}

impl<T: Real> Default for Recast<T> {
    /// Repair always, boundary pair, weight 1, epsilon 1e-6, mean over the kept sequences.
    fn default() -> Self {
        Self {
            repair: RepairPolicy::Always,
            boundary: true,
            weight: T::one(),
            epsilon: T::of(1e-6),
            normaliser: Normaliser::Kept,
        }
    }
}

/// A learning signal: which completions of a group are trained on, with which advantages.
///
/// # Examples
///
/// ```
/// use recast_core::{Group, Outcome, Signal, Skip};
///
/// // One group, three signals, one loop.
/// let group = Group::new(&[0.0; 4], &[0.0, 0.1, 0.01, 0.0], None)?;
/// let (mut kept, mut advantages) = ([0; 4], [0.0; 4]);
/// for (signal, sequences) in [(Signal::recast(), 0), (Signal::grpo(), 4), (Signal::rere(), 4)] {
///     match signal.select(group, &mut kept, &mut advantages) {
///         // An all-zero group costs GRPO full compute and teaches it nothing.
///         Outcome::Trained(selection) => {
///             assert_eq!(selection.kept.len(), sequences);
///             assert_eq!(selection.advantages, [0.0; 4]);
///         }
///         // ReCast refuses it: it wants it repaired first.
///         Outcome::Skipped(skip) => assert_eq!(skip, Skip::NoPositive),
///     }
/// }
/// # Ok::<(), recast_core::GroupError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Signal<T> {
    /// Repair, then contrast: "ReCast: Recasting Learning Signals for Reinforcement Learning in
    /// Generative Recommendation", Zhang et al., <https://arxiv.org/abs/2604.22169>.
    Recast(Recast<T>),
    /// Group-relative advantages of all G completions, as OpenOneRec-RL trains: see
    /// [`advantage::grpo`](crate::advantage::grpo).
    Grpo {
        /// Added to the standard deviation.
        epsilon: T,
    },
    /// GRPO over hit plus ranking penalty, all G completions: "Reinforced Preference Optimization
    /// for Recommendation", Tan et al., <https://arxiv.org/abs/2510.12211>. Slot order must be beam
    /// rank.
    Rere {
        /// Added to the standard deviation.
        epsilon: T,
    },
}

impl<T: Real> Signal<T> {
    /// ReCast with its defaults.
    #[must_use]
    pub fn recast() -> Self {
        Self::Recast(Recast::default())
    }

    /// GRPO with OpenOneRec's epsilon, 1e-6.
    #[must_use]
    pub fn grpo() -> Self {
        Self::Grpo { epsilon: T::of(1e-6) }
    }

    /// ReRe with its epsilon, 1e-4.
    #[must_use]
    pub fn rere() -> Self {
        Self::Rere { epsilon: T::of(1e-4) }
    }

    /// Checks the numbers of the signal, and hands it back. The defaults pass.
    ///
    /// [`select`](Self::select) gives finite advantages for a signal that passed.
    ///
    /// # Errors
    ///
    /// If epsilon is negative or not finite, or the weight is not positive or not finite.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::Signal;
    ///
    /// assert!(Signal::<f32>::recast().check().is_ok());
    /// assert!(Signal::Grpo { epsilon: f32::NAN }.check().is_err());
    /// ```
    pub fn check(self) -> Result<Self, SignalError> {
        let epsilon = match self {
            Self::Recast(recast) => {
                if !(recast.weight > T::zero() && recast.weight.is_finite()) {
                    return Err(SignalError::Weight { value: recast.weight.widen() });
                }
                recast.epsilon
            }
            Self::Grpo { epsilon } | Self::Rere { epsilon } => epsilon,
        };
        if !(epsilon >= T::zero() && epsilon.is_finite()) {
            return Err(SignalError::Epsilon { value: epsilon.widen() });
        }
        Ok(self)
    }

    /// The slot that the anchor replaces before [`select`](Self::select), if this signal repairs
    /// this group.
    ///
    /// The caller overwrites that completion (reward 1, structural score 1) and builds the group
    /// anew; see [`repair_slot`]. If the anchor is not valid, the caller leaves the group as it is:
    /// `select` skips it. `None` for GRPO and ReRe. `O(G)` time, no allocation.
    #[must_use]
    pub fn repair(&self, group: Group<'_, T>) -> Option<usize> {
        match self {
            Self::Recast(Recast { repair: RepairPolicy::Always, .. }) => repair_slot(group),
            Self::Recast(Recast { repair: RepairPolicy::Never, .. })
            | Self::Grpo { .. }
            | Self::Rere { .. } => None,
        }
    }

    /// Writes the slots to train on and their advantages into the caller's slices.
    ///
    /// ```text
    /// ReCast   kept = {i+, i-}        A = +w, -w
    /// GRPO     kept = 0..G            A = (r - mean) / (std + epsilon)
    /// ReRe     kept = 0..G            the same, over r_i = hit_i + ranking penalty_i
    /// ```
    ///
    /// Slots ascend. ReCast with a boundary skips a group without a positive or without a negative.
    /// ReCast without a boundary skips a group that should have been repaired and was not, and
    /// keeps all G otherwise. GRPO and ReRe keep every group, also where all advantages are 0: that
    /// compute is theirs to spend. `O(G)` time, no allocation. Of the slices, only what the
    /// selection shows is meaningful.
    ///
    /// # Shapes
    ///
    /// `kept`, `advantages`: at least (G).
    ///
    /// # Panics
    ///
    /// If `kept` or `advantages` is shorter than the group.
    pub fn select<'o>(
        &self,
        group: Group<'_, T>,
        kept: &'o mut [usize],
        advantages: &'o mut [T],
    ) -> Outcome<'o, T> {
        assert!(
            kept.len() >= group.len() && advantages.len() >= group.len(),
            "a group of {} needs as many slots, got {} for indices and {} for advantages",
            group.len(),
            kept.len(),
            advantages.len()
        );
        match *self {
            Self::Recast(recast) if recast.boundary => contrast(recast, group, kept, advantages),
            Self::Recast(recast) => {
                if recast.repair == RepairPolicy::Always && group.regime() == Regime::AllZero {
                    return Outcome::Skipped(Skip::NoPositive);
                }
                keep_all(group, recast.epsilon, kept, advantages, |_| {})
            }
            Self::Grpo { epsilon } => keep_all(group, epsilon, kept, advantages, |_| {}),
            Self::Rere { epsilon } => keep_all(group, epsilon, kept, advantages, |rewards| {
                write_ranking_rewards(|rank| group.is_hit(rank), rewards);
                for (reward, &hit) in rewards.iter_mut().zip(group.rewards()) {
                    *reward = *reward + hit;
                }
            }),
        }
    }
}

/// What a signal makes of a group.
#[derive(Clone, Copy, Debug, PartialEq)]
#[must_use]
pub enum Outcome<'a, T> {
    /// The group is trained on.
    Trained(Selection<'a, T>),
    /// The group is left out, and counted by reason.
    Skipped(Skip),
}

/// The completions that reach the log-prob passes and the backward pass, and their advantages.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Selection<'a, T> {
    /// Slots of the group, strictly ascending, at least one. All others are removed from the batch.
    pub kept: &'a [usize],
    /// The advantage of each kept slot.
    pub advantages: &'a [T],
    /// What the sum over the kept sequences is divided by: their number, or G.
    pub divisor: usize,
}

/// Why a group is not trained on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Skip {
    /// No completion is a hit: the group was not repaired, or had no valid anchor.
    NoPositive,
    /// Every completion is a hit: there is nothing to contrast with.
    NoNegative,
}

fn contrast<'o, T: Real>(
    recast: Recast<T>,
    group: Group<'_, T>,
    kept: &'o mut [usize],
    advantages: &'o mut [T],
) -> Outcome<'o, T> {
    let Some(pair) = boundary_pair(group) else {
        return Outcome::Skipped(match group.hits() {
            0 => Skip::NoPositive,
            _ => Skip::NoNegative,
        });
    };
    // A pair needs two completions, so both slices hold two.
    (kept[0], kept[1], advantages[0], advantages[1]) = if pair.positive < pair.negative {
        (pair.positive, pair.negative, recast.weight, -recast.weight)
    } else {
        (pair.negative, pair.positive, -recast.weight, recast.weight)
    };
    let divisor = match recast.normaliser {
        Normaliser::Kept => 2,
        Normaliser::Group => group.len(),
    };
    Outcome::Trained(Selection { kept: &kept[..2], advantages: &advantages[..2], divisor })
}

/// Keeps all G with group-relative advantages over the rewards, which `shape` may change first.
fn keep_all<'o, T: Real>(
    group: Group<'_, T>,
    epsilon: T,
    kept: &'o mut [usize],
    advantages: &'o mut [T],
    shape: impl FnOnce(&mut [T]),
) -> Outcome<'o, T> {
    let (kept, advantages) = (&mut kept[..group.len()], &mut advantages[..group.len()]);
    for (slot, index) in kept.iter_mut().enumerate() {
        *index = slot;
    }
    advantages.copy_from_slice(group.rewards());
    shape(advantages);
    standardise(advantages, epsilon);
    Outcome::Trained(Selection { kept, advantages, divisor: group.len() })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::tolerance::ROUNDING;
    use approx::assert_abs_diff_eq;
    use std::vec::Vec;

    const OLD: [f64; 4] = [-1.0, -2.0, -3.0, -4.0];

    fn ablation(repair: RepairPolicy, boundary: bool) -> Signal<f64> {
        Signal::Recast(Recast { repair, boundary, ..Recast::default() })
    }

    fn select(
        signal: Signal<f64>,
        rewards: &[f64],
        scores: &[f64],
    ) -> Result<(Vec<usize>, Vec<f64>), Skip> {
        let group = Group::new(rewards, scores, Some(&OLD[..rewards.len()])).unwrap();
        let (mut kept, mut advantages) = ([usize::MAX; 9], [f64::NAN; 9]);
        match signal.select(group, &mut kept, &mut advantages) {
            Outcome::Trained(selection) => {
                Ok((selection.kept.to_vec(), selection.advantages.to_vec()))
            }
            Outcome::Skipped(skip) => Err(skip),
        }
    }

    #[test]
    fn the_all_zero_example_of_the_method_is_reproduced() {
        let signal = Signal::recast();
        let group = Group::new(&[0.0; 4], &[0.0, 0.1, 0.01, 0.0], Some(&OLD)).unwrap();
        assert_eq!(signal.repair(group), Some(3));
        let repaired = select(signal, &[0.0, 0.0, 0.0, 1.0], &[0.0, 0.1, 0.01, 1.0]);
        assert_eq!(repaired, Ok(([1, 3].into(), [-1.0, 1.0].into())));
    }

    #[test]
    fn the_natural_example_of_the_method_is_reproduced() {
        let (signal, rewards, scores) =
            (Signal::recast(), [1.0, 0.0, 0.0, 0.0], [1.0, 0.1, 0.01, 0.0]);
        assert_eq!(signal.repair(Group::new(&rewards, &scores, Some(&OLD)).unwrap()), None);
        assert_eq!(select(signal, &rewards, &scores), Ok(([0, 1].into(), [1.0, -1.0].into())));
    }

    #[test]
    fn groups_that_cannot_be_contrasted_are_skipped_with_the_reason() {
        assert_eq!(select(Signal::recast(), &[0.0, 0.0], &[0.0, 0.1]), Err(Skip::NoPositive));
        assert_eq!(select(Signal::recast(), &[1.0, 1.0], &[1.0, 1.0]), Err(Skip::NoNegative));
        assert_eq!(select(Signal::recast(), &[1.0], &[1.0]), Err(Skip::NoNegative));
        assert_eq!(select(Signal::recast(), &[0.0], &[0.0]), Err(Skip::NoPositive));
    }

    #[test]
    fn the_ablation_without_repair_keeps_pairs_of_natural_groups_only() {
        let signal = ablation(RepairPolicy::Never, true);
        let all_zero = Group::new(&[0.0; 2], &[0.0; 2], None).unwrap();
        assert_eq!(signal.repair(all_zero), None);
        assert_eq!(select(signal, &[0.0; 2], &[0.0; 2]), Err(Skip::NoPositive));
        let pair = Ok(([0, 1].into(), [-1.0, 1.0].into()));
        assert_eq!(select(signal, &[0.0, 1.0], &[0.0, 1.0]), pair);
    }

    #[test]
    fn the_ablation_without_boundary_is_grpo_over_the_repaired_group() {
        let signal = ablation(RepairPolicy::Always, false);
        let (rewards, scores) = ([0.0, 0.0, 0.0, 1.0], [0.0, 0.1, 0.01, 1.0]);
        assert_eq!(signal.repair(Group::new(&[0.0; 4], &scores, Some(&OLD)).unwrap()), Some(0));
        assert_eq!(select(signal, &rewards, &scores), select(Signal::grpo(), &rewards, &scores));
        assert_eq!(select(signal, &[0.0; 4], &scores), Err(Skip::NoPositive));
    }

    #[test]
    fn the_ablation_without_either_is_grpo() {
        let signal = ablation(RepairPolicy::Never, false);
        for rewards in [[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [1.0, 1.0, 1.0]] {
            assert_eq!(
                select(signal, &rewards, &rewards),
                select(Signal::grpo(), &rewards, &rewards)
            );
        }
    }

    #[test]
    fn grpo_and_rere_keep_a_group_without_a_hit_at_advantage_zero() {
        for signal in [Signal::grpo(), Signal::rere()] {
            let expected = Ok(([0, 1, 2].into(), [0.0; 3].into()));
            assert_eq!(select(signal, &[0.0; 3], &[0.1; 3]), expected);
        }
    }

    #[test]
    fn rere_orders_misses_by_their_rank() {
        let (kept, advantages) = select(Signal::rere(), &[0.0, 1.0, 0.0, 0.0], &[0.0; 4]).unwrap();
        assert_eq!(kept, [0, 1, 2, 3]);
        assert!(advantages[0] < advantages[2] && advantages[2] < advantages[3]);
        assert!(advantages[1] > 0.0);
        assert_abs_diff_eq!(advantages.iter().sum::<f64>(), 0.0, epsilon = ROUNDING);
    }

    #[test]
    fn the_weight_scales_the_pair() {
        let signal = Signal::Recast(Recast { weight: 0.5, ..Recast::default() });
        let halved = Ok(([0, 1].into(), [-0.5, 0.5].into()));
        assert_eq!(select(signal, &[0.0, 1.0], &[0.0, 1.0]), halved);
    }

    #[test]
    fn the_divisor_is_the_kept_sequences_or_the_group() {
        let group = Group::new(&[1.0, 0.0, 0.0], &[1.0, 0.0, 0.0], None).unwrap();
        for (normaliser, expected) in [(Normaliser::Kept, 2), (Normaliser::Group, 3)] {
            let signal = Signal::Recast(Recast { normaliser, ..Recast::default() });
            let (mut kept, mut advantages) = ([0; 3], [0.0; 3]);
            let Outcome::Trained(selection) = signal.select(group, &mut kept, &mut advantages)
            else {
                panic!("the group is mixed");
            };
            assert_eq!(selection.divisor, expected);
        }
    }

    #[test]
    fn numbers_that_give_no_finite_advantage_are_refused() {
        for value in [-1.0, f64::INFINITY] {
            assert_eq!(
                Signal::Grpo { epsilon: value }.check(),
                Err(SignalError::Epsilon { value })
            );
            assert_eq!(
                Signal::Rere { epsilon: value }.check(),
                Err(SignalError::Epsilon { value })
            );
        }
        for value in [0.0, -1.0, f64::INFINITY] {
            let signal = Signal::Recast(Recast { weight: value, ..Recast::default() });
            assert_eq!(signal.check(), Err(SignalError::Weight { value }));
        }
        assert!(Signal::Recast(Recast { weight: f64::NAN, ..Recast::default() }).check().is_err());
        assert!(Signal::Recast(Recast { epsilon: f64::NAN, ..Recast::default() }).check().is_err());
        for signal in [Signal::recast(), Signal::<f64>::grpo(), Signal::rere()] {
            assert_eq!(signal.check(), Ok(signal));
        }
    }

    #[test]
    #[should_panic(
        expected = "a group of 2 needs as many slots, got 1 for indices and 2 for advantages"
    )]
    fn a_short_slice_panics_with_the_lengths() {
        let group = Group::new(&[0.0, 1.0], &[0.0, 1.0], None).unwrap();
        let _ = Signal::recast().select(group, &mut [0], &mut [0.0; 2]);
    }
}
