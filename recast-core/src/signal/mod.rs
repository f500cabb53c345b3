//! From a group to what is trained on: the one entry point, and the one thing that systems differ
//! in.

mod error;
mod recast;
mod selection;

use crate::advantage::{calibrate, centre, leave_one_out, standardise};
use crate::entropy::entropy_guided;
use crate::group::{Group, Regime};
use crate::objective::{AnchorRatio, RatioLevel};
use crate::real::Real;
use crate::repair::{Evidence, repair_slot};
use crate::reward::write_ranking_rewards;
use crate::signal::recast::{check_anchor_ratio, check_epsilon};
use crate::signal::selection::{contrast, keep_all, keep_best, prefer};

pub use self::error::SignalError;
pub use self::recast::{Normaliser, Recast};
pub use self::selection::{Outcome, Selection, Skip};
pub use crate::repair::RepairPolicy;

/// A learning signal: which completions of a group are trained on, with which advantages.
///
/// Wherever a signal has an anchor, the caller writes it from the ground truth before
/// [`select`](Self::select): see [`repair`](Self::repair).
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
    /// Rewards less their mean, all G completions: see
    /// [`advantage::dr_grpo`](crate::advantage::dr_grpo).
    DrGrpo,
    /// Each reward less the mean of the others, all G completions: see
    /// [`advantage::rloo`](crate::advantage::rloo).
    Rloo,
    /// GRPO on mixed groups only: "DAPO: An Open-Source LLM Reinforcement Learning System at
    /// Scale", Yu et al., <https://arxiv.org/abs/2503.14476>. All-zero and all-hit groups are
    /// skipped; that the caller samples others in their place (dynamic sampling), the clip 0.28
    /// above, the token mean and `kl_coef` 0 are not the signal's.
    Dapo {
        /// Added to the standard deviation.
        epsilon: T,
    },
    /// GRPO's advantages under one ratio for each completion: see
    /// [`sequence_loss`](crate::objective::sequence_loss).
    Gspo {
        /// Added to the standard deviation.
        epsilon: T,
    },
    /// The best response alone, with its lead over the second: see
    /// [`advantage::pass_at_k`](crate::advantage::pass_at_k). The others have advantage 0 and are
    /// removed \[ours\]; they count in the divisor, G.
    PassAtK,
    /// GRPO with a virtual hit in mean and deviation, all G completions: see
    /// [`advantage::ngrpo`](crate::advantage::ngrpo). Its clip is 0.16 below and 0.24 above.
    Ngrpo {
        /// Added to the standard deviation.
        epsilon: T,
    },
    /// GRPO on mixed groups, token entropies where all rewards are equal: see
    /// [`entropy_guided`] and [`token_advantages`](Self::token_advantages).
    RlZvp {
        /// Added to the standard deviation.
        epsilon: T,
        /// What an entropy of one nat is worth in an all-zero or all-hit group.
        alpha: T,
    },
    /// A golden answer in every all-zero group, GRPO over all G completions, one ratio for each of
    /// them: "GCPO: When Contrast Fails, Go Gold", Wu and Liu, <https://arxiv.org/abs/2510.07790>.
    /// It is trained with `kl_coef` 0. The slot is that of ReCast's repair \[ours\].
    Gcpo {
        /// Added to the standard deviation.
        epsilon: T,
    },
    /// GRPO over hit plus ranking penalty, all G completions: "Reinforced Preference Optimization
    /// for Recommendation", Tan et al., <https://arxiv.org/abs/2510.12211>. Slot order must be beam
    /// rank.
    Rere {
        /// Added to the standard deviation.
        epsilon: T,
        /// Whether the last completion of every group, with a hit or without, becomes the anchor.
        add_gt: bool,
    },
    /// An anchor in every group, GRPO over all G completions, the anchor's ratio shaped: "Learning
    /// to Reason under Off-Policy Guidance" (LUFFY), Yan et al.,
    /// <https://arxiv.org/abs/2504.14945>. The last completion becomes the anchor; G does not
    /// change.
    Luffy {
        /// Added to the standard deviation.
        epsilon: T,
        /// Added to the anchor's token probabilities: see [`AnchorRatio::Shaped`].
        gamma: T,
    },
    /// The strongest positive against the hardest negatives, under a preference loss: DPO with one,
    /// S-DPO with several. See [`preference_loss`](crate::objective::preference_loss). The paper of
    /// S-DPO draws its negatives at random; here they are the group's \[ours\].
    Dpo {
        /// When an all-zero group is repaired.
        repair: RepairPolicy<T>,
        /// How many negatives are kept at most.
        negatives: usize,
    },
}

/// The loss that a signal's selection is meant for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Loss {
    /// The clipped surrogate, with the advantages of the selection.
    Policy(RatioLevel),
    /// A preference loss of the positive against the negatives. Advantages are +1 and -1, to tell
    /// the sides apart; the divisor is not read, the loss is one for the group.
    Preference,
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

    /// DAPO with GRPO's epsilon, 1e-6.
    #[must_use]
    pub fn dapo() -> Self {
        Self::Dapo { epsilon: T::of(1e-6) }
    }

    /// GSPO with GRPO's epsilon, 1e-6.
    #[must_use]
    pub fn gspo() -> Self {
        Self::Gspo { epsilon: T::of(1e-6) }
    }

    /// NGRPO with GRPO's epsilon, 1e-6.
    #[must_use]
    pub fn ngrpo() -> Self {
        Self::Ngrpo { epsilon: T::of(1e-6) }
    }

    /// RL-ZVP with GRPO's epsilon, 1e-6, and alpha 0.1 \[ours\].
    #[must_use]
    pub fn rl_zvp() -> Self {
        Self::RlZvp { epsilon: T::of(1e-6), alpha: T::of(0.1) }
    }

    /// GCPO with GRPO's epsilon, 1e-6.
    #[must_use]
    pub fn gcpo() -> Self {
        Self::Gcpo { epsilon: T::of(1e-6) }
    }

    /// ReRe with its epsilon, 1e-4, without `add_gt`.
    #[must_use]
    pub fn rere() -> Self {
        Self::Rere { epsilon: T::of(1e-4), add_gt: false }
    }

    /// LUFFY with GRPO's epsilon, 1e-6, and the paper's gamma, 0.1.
    #[must_use]
    pub fn luffy() -> Self {
        Self::Luffy { epsilon: T::of(1e-6), gamma: T::of(0.1) }
    }

    /// DPO on the boundary pair; an all-zero group is always repaired.
    #[must_use]
    pub fn dpo() -> Self {
        Self::s_dpo(1)
    }

    /// S-DPO with up to so many negatives; an all-zero group is always repaired.
    #[must_use]
    pub fn s_dpo(negatives: usize) -> Self {
        Self::Dpo { repair: RepairPolicy::Always, negatives }
    }

    /// Checks the numbers of the signal, and hands it back. The defaults pass.
    ///
    /// [`select`](Self::select) gives finite advantages for a signal that passed, as long as the
    /// differences of rewards are finite.
    ///
    /// # Errors
    ///
    /// If epsilon is negative or not finite; if a weight, gamma or alpha is out of range; if a
    /// preference has no negative; if a number of the repair policy is out of range.
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
        match self {
            Self::Recast(recast) => recast.check()?,
            Self::Grpo { epsilon }
            | Self::Dapo { epsilon }
            | Self::Gspo { epsilon }
            | Self::Ngrpo { epsilon }
            | Self::Gcpo { epsilon }
            | Self::Rere { epsilon, .. } => check_epsilon(epsilon)?,
            Self::RlZvp { epsilon, alpha } => {
                if !(alpha > T::zero() && alpha.is_finite()) {
                    return Err(SignalError::Alpha { value: alpha.widen() });
                }
                check_epsilon(epsilon)?;
            }
            Self::Luffy { epsilon, gamma } => {
                check_anchor_ratio(AnchorRatio::Shaped { gamma })?;
                check_epsilon(epsilon)?;
            }
            Self::Dpo { repair, negatives } => {
                repair.check()?;
                if negatives == 0 {
                    return Err(SignalError::Negatives);
                }
            }
            Self::DrGrpo | Self::Rloo | Self::PassAtK => {}
        }
        Ok(self)
    }

    /// The slot that the anchor replaces before [`select`](Self::select), if this signal writes an
    /// anchor into this group.
    ///
    /// [`repair_given`](Self::repair_given) with nothing known beside the group: a gated or
    /// confident policy then repairs every all-zero group.
    #[must_use]
    pub fn repair(&self, group: Group<'_, T>) -> Option<usize> {
        self.repair_given(group, Evidence::default())
    }

    /// The slot that the anchor replaces before [`select`](Self::select), with what is known beside
    /// the group.
    ///
    /// ```text
    /// ReCast, DPO              repair slot of an all-zero group, if the policy repairs
    /// GCPO                     repair slot of an all-zero group
    /// ReRe with add_gt, LUFFY  the last slot of every group
    /// all others               none
    /// ```
    ///
    /// The caller overwrites that completion (reward 1, structural score 1) and builds the group
    /// anew; see [`repair_slot`]. If the anchor is not valid, the caller leaves the group as it is:
    /// ReCast, GCPO and DPO then skip it. `O(G)` time.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::repair::Evidence;
    /// use recast_core::signal::{Recast, RepairPolicy};
    /// use recast_core::{Group, Signal};
    ///
    /// let repair = RepairPolicy::Confident { tau: 0.5 };
    /// let signal = Signal::Recast(Recast { repair, ..Recast::default() });
    /// let group = Group::new(&[0.0; 4], &[0.0, 0.1, 0.01, 0.0], None)?;
    /// let evidence = Evidence { anchor_log_prob: Some(-0.1), ..Evidence::default() };
    /// assert_eq!(signal.repair_given(group, evidence), None);
    /// assert_eq!(signal.repair(group), Some(3));
    /// # Ok::<(), recast_core::GroupError>(())
    /// ```
    #[must_use]
    pub fn repair_given(&self, group: Group<'_, T>, evidence: Evidence<T>) -> Option<usize> {
        match *self {
            Self::Recast(Recast { repair, .. }) | Self::Dpo { repair, .. } => {
                if repair.repairs(evidence) { repair_slot(group) } else { None }
            }
            Self::Gcpo { .. } => repair_slot(group),
            Self::Rere { add_gt: true, .. } | Self::Luffy { .. } => Some(group.len() - 1),
            Self::Grpo { .. }
            | Self::DrGrpo
            | Self::Rloo
            | Self::Dapo { .. }
            | Self::Gspo { .. }
            | Self::PassAtK
            | Self::Ngrpo { .. }
            | Self::RlZvp { .. }
            | Self::Rere { add_gt: false, .. } => None,
        }
    }

    /// How the ratio of this signal's anchors is taken; `Recompute` for signals without one.
    #[must_use]
    pub fn anchor_ratio(&self) -> AnchorRatio<T> {
        match *self {
            Self::Recast(recast) => recast.anchor_ratio,
            Self::Luffy { gamma, .. } => AnchorRatio::Shaped { gamma },
            Self::Grpo { .. }
            | Self::DrGrpo
            | Self::Rloo
            | Self::Dapo { .. }
            | Self::Gspo { .. }
            | Self::PassAtK
            | Self::Ngrpo { .. }
            | Self::RlZvp { .. }
            | Self::Gcpo { .. }
            | Self::Rere { .. }
            | Self::Dpo { .. } => AnchorRatio::Recompute,
        }
    }

    /// The loss that the selection is meant for.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::Signal;
    /// use recast_core::objective::RatioLevel;
    /// use recast_core::signal::Loss;
    ///
    /// assert_eq!(Signal::<f32>::recast().loss(), Loss::Policy(RatioLevel::Token));
    /// assert_eq!(Signal::<f32>::gspo().loss(), Loss::Policy(RatioLevel::Sequence));
    /// assert_eq!(Signal::<f32>::dpo().loss(), Loss::Preference);
    /// ```
    #[must_use]
    pub fn loss(&self) -> Loss {
        match self {
            Self::Gspo { .. } | Self::Gcpo { .. } => Loss::Policy(RatioLevel::Sequence),
            Self::Dpo { .. } => Loss::Preference,
            Self::Recast(_)
            | Self::Grpo { .. }
            | Self::DrGrpo
            | Self::Rloo
            | Self::Dapo { .. }
            | Self::PassAtK
            | Self::Ngrpo { .. }
            | Self::RlZvp { .. }
            | Self::Rere { .. }
            | Self::Luffy { .. } => Loss::Policy(RatioLevel::Token),
        }
    }

    /// Writes the slots to train on and their advantages into the caller's slices.
    ///
    /// ```text
    /// ReCast         kept = {i+, i-}          A = +w, -w
    /// GRPO, GSPO     kept = 0..G              A = (r - mean) / (std + epsilon)
    /// RL-ZVP, LUFFY  kept = 0..G              the same
    /// DAPO, GCPO     kept = 0..G              the same, some groups skipped
    /// Dr.GRPO        kept = 0..G              A = r - mean
    /// RLOO           kept = 0..G              A = G / (G - 1) (r - mean)
    /// NGRPO          kept = 0..G              A = (r - mean) / (std + epsilon) with a virtual hit
    /// ReRe           kept = 0..G              GRPO over r_i = hit_i + ranking penalty_i
    /// Pass@k         kept = {argmax r}        A = r_max - r_2nd
    /// DPO, S-DPO     kept = {i+, n hardest}   A = +1, -1, ..., -1
    /// ```
    ///
    /// Slots ascend. The hardest negatives are ordered as in
    /// [`boundary_pair`](crate::boundary::boundary_pair); later duplicates
    /// are passed over; where there are fewer than n, all are kept. What is skipped:
    ///
    /// | signal | no positive | no negative | no lead |
    /// |---|---|---|---|
    /// | ReCast with a boundary | yes | yes, or the positive alone | |
    /// | ReCast without, unless it never repairs | yes | | |
    /// | GCPO | yes | | |
    /// | DAPO, DPO, S-DPO | yes | yes | |
    /// | Pass@k | if nothing is ahead | if nothing is ahead | yes |
    ///
    /// All others keep every group, also where all advantages are 0: that compute is theirs to
    /// spend. `O(G)` time, `O(G log G)` for S-DPO, no allocation. Of the slices, only what the
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
        let (kept, advantages) = (&mut kept[..group.len()], &mut advantages[..group.len()]);
        match *self {
            Self::Recast(recast) if recast.boundary => contrast(recast, group, kept, advantages),
            Self::Recast(recast) => {
                if recast.repair != RepairPolicy::Never && group.regime() == Regime::AllZero {
                    return Outcome::Skipped(Skip::NoPositive);
                }
                keep_all(group, kept, advantages, |values| standardise(values, recast.epsilon))
            }
            Self::Grpo { epsilon }
            | Self::Gspo { epsilon }
            | Self::RlZvp { epsilon, .. }
            | Self::Luffy { epsilon, .. } => {
                keep_all(group, kept, advantages, |values| standardise(values, epsilon))
            }
            Self::DrGrpo => keep_all(group, kept, advantages, centre),
            Self::Rloo => keep_all(group, kept, advantages, leave_one_out),
            Self::Ngrpo { epsilon } => {
                keep_all(group, kept, advantages, |values| calibrate(values, epsilon))
            }
            Self::Dapo { epsilon } => match group.regime() {
                Regime::AllZero => Outcome::Skipped(Skip::NoPositive),
                Regime::AllHit => Outcome::Skipped(Skip::NoNegative),
                Regime::SingleHit | Regime::MultiHit => {
                    keep_all(group, kept, advantages, |values| standardise(values, epsilon))
                }
            },
            Self::Gcpo { epsilon } => match group.regime() {
                Regime::AllZero => Outcome::Skipped(Skip::NoPositive),
                Regime::SingleHit | Regime::MultiHit | Regime::AllHit => {
                    keep_all(group, kept, advantages, |values| standardise(values, epsilon))
                }
            },
            Self::Rere { epsilon, .. } => keep_all(group, kept, advantages, |rewards| {
                write_ranking_rewards(|rank| group.is_hit(rank), rewards);
                for (reward, &hit) in rewards.iter_mut().zip(group.rewards()) {
                    *reward = *reward + hit;
                }
                standardise(rewards, epsilon);
            }),
            Self::PassAtK => keep_best(group, kept, advantages),
            Self::Dpo { negatives, .. } => prefer(negatives, group, kept, advantages),
        }
    }

    /// Spreads the advantage of a kept completion over its tokens.
    ///
    /// Every token gets the advantage as it is, except for RL-ZVP in a group whose rewards are all
    /// equal: there [`entropy_guided`] gives them. Entropies are read for RL-ZVP only, and may be
    /// empty for all others. `O(G + S)` time, no allocation. It cannot check that the advantage
    /// is the one this signal selected.
    ///
    /// # Shapes
    ///
    /// `entropies`, `out`: (S), the tokens of completion `slot`.
    ///
    /// # Panics
    ///
    /// If `slot` is not in the group, or if the signal is RL-ZVP, the rewards are equal and there
    /// is not one entropy for each token.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::{Group, Signal};
    ///
    /// let group = Group::new(&[0.0; 2], &[0.1, 0.0], None)?;
    /// let mut tokens = [f64::NAN; 3];
    /// Signal::RlZvp { epsilon: 1e-6, alpha: 0.5 }
    ///     .token_advantages(group, 0, 0.0, &[2.0, 0.0, 1.0], &mut tokens);
    /// assert_eq!(tokens, [0.0, -1.0, -0.5]);
    /// Signal::grpo().token_advantages(group, 0, 0.25, &[], &mut tokens);
    /// assert_eq!(tokens, [0.25; 3]);
    /// # Ok::<(), recast_core::GroupError>(())
    /// ```
    pub fn token_advantages(
        &self,
        group: Group<'_, T>,
        slot: usize,
        advantage: T,
        entropies: &[T],
        out: &mut [T],
    ) {
        assert!(slot < group.len(), "a group of {} has no completion {slot}", group.len());
        match *self {
            Self::RlZvp { alpha, .. } if group.is_uniform() => {
                entropy_guided(group.is_hit(slot), alpha, entropies, out);
            }
            Self::RlZvp { .. }
            | Self::Recast(_)
            | Self::Grpo { .. }
            | Self::DrGrpo
            | Self::Rloo
            | Self::Dapo { .. }
            | Self::Gspo { .. }
            | Self::PassAtK
            | Self::Ngrpo { .. }
            | Self::Gcpo { .. }
            | Self::Rere { .. }
            | Self::Luffy { .. }
            | Self::Dpo { .. } => out.fill(advantage),
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]
mod tests;
