//! From a group to its selection: the one entry point, and the one difference between systems.

mod cast;
mod check;
mod defaults;
mod error;
mod recast;
mod repair;
mod selection;
mod training;

use crate::advantage::{calibrate, centre, centre_by_length, leave_one_out, standardise};
use crate::group::{Group, Regime};
use crate::real::Real;
use crate::reward::write_ranking_rewards;
use crate::signal::selection::{contrast, keep_all, keep_best, keep_positive, prefer};

pub use self::error::SignalError;
pub use self::recast::{NegativeChoice, NegativeRule, Normaliser, Recast};
pub use self::selection::{Outcome, Selection, Skip};
pub use crate::repair::RepairPolicy;

/// A learning signal: the choice of a group's completions to train on, and their advantages.
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
///         // ReCast refuses the group until it is repaired.
///         Outcome::Skipped(skip) => assert_eq!(skip, Skip::NoPositive),
///     }
/// }
/// # Ok::<(), recast_core::GroupError>(())
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Signal<T> {
    /// Repair, then contrast: "ReCast: Recasting Learning Signals for Reinforcement Learning in
    /// Generative Recommendation", Zhang et al., <https://arxiv.org/abs/2604.22169>.
    Recast(Recast<T>),
    /// Group-relative advantages of all G completions, as OpenOneRec-RL trains: see
    /// [`advantage::grpo`](crate::advantage::grpo).
    Grpo {
        /// The epsilon added to the standard deviation.
        epsilon: T,
        /// The rewards over which the standard deviation is taken.
        scale: RewardScale,
        /// Whether the last completion of an all-zero group becomes the anchor.
        add_gt: bool,
    },
    /// Rewards less their mean, all G completions: see
    /// [`advantage::dr_grpo`](crate::advantage::dr_grpo).
    DrGrpo,
    /// Each reward less the mean of the others, all G completions: see
    /// [`advantage::rloo`](crate::advantage::rloo).
    Rloo,
    /// GRPO on mixed groups only. See "DAPO: An Open-Source LLM Reinforcement Learning System at
    /// Scale", Yu et al., <https://arxiv.org/abs/2503.14476>. The signal skips all-zero and all-hit
    /// groups. Dynamic sampling of others in their place is the caller's. The clip 0.28 above and
    /// `kl_coef` 0 are the objective's; the token mean is in the weights.
    Dapo {
        /// The epsilon added to the standard deviation.
        epsilon: T,
    },
    /// GRPO's advantages under one ratio for each completion: see
    /// [`Surrogate::Sequence`](crate::objective::Surrogate::Sequence).
    Gspo {
        /// The epsilon added to the standard deviation.
        epsilon: T,
    },
    /// The best response alone, with its lead over the second: see
    /// [`advantage::pass_at_k`](crate::advantage::pass_at_k). The others have advantage 0 and leave
    /// the batch \[ours\]; they count in the divisor, G.
    PassAtK,
    /// GRPO with a virtual hit in mean and deviation, all G completions: see
    /// [`advantage::ngrpo`](crate::advantage::ngrpo). NGRPO's clip is 0.16 below and 0.24 above.
    Ngrpo {
        /// The epsilon added to the standard deviation.
        epsilon: T,
    },
    /// GRPO on mixed groups, token entropies where all rewards are equal: see
    /// [`entropy_guided`](crate::entropy::entropy_guided) and
    /// [`token_advantages`](Self::token_advantages).
    RlZvp {
        /// The epsilon added to the standard deviation.
        epsilon: T,
        /// The worth of an entropy of one nat in an all-zero or all-hit group.
        alpha: T,
    },
    /// A golden answer in every all-zero group, GRPO over all G completions, one ratio for each of
    /// them. See "GCPO: When Contrast Fails, Go Gold", Wu and Liu,
    /// <https://arxiv.org/abs/2510.07790>. GCPO trains with `kl_coef` 0. The slot is that of
    /// ReCast's repair \[ours\].
    Gcpo {
        /// The epsilon added to the standard deviation.
        epsilon: T,
    },
    /// GRPO over hit plus ranking penalty, all G completions: "Reinforced Preference Optimization
    /// for Recommendation", Tan et al., <https://arxiv.org/abs/2510.12211>. Slot order must be beam
    /// rank.
    Rere {
        /// The epsilon added to the standard deviation.
        epsilon: T,
        /// Whether the last completion of every group, with a hit or without, becomes the anchor.
        add_gt: bool,
    },
    /// An anchor in every group, rewards less their mean, the anchor's ratio shaped. LUFFY:
    /// "Learning to Reason under Off-Policy Guidance", Yan et al.,
    /// <https://arxiv.org/abs/2504.14945>. The last completion becomes the anchor and joins the
    /// mean; G does not change. The paper divides by the standard deviation, its released code does
    /// not. The released code has no clip
    /// ([`Clip::unclipped`](crate::objective::Clip::unclipped)) and `kl_coef` 0, which are the
    /// objective's. The code sums token losses over a constant in place of a mean:
    /// [`policy_loss`](crate::objective::policy_loss) has weights for such sums.
    Luffy {
        /// The epsilon added to the standard deviation; `None` leaves out the division.
        epsilon: Option<T>,
        /// The gamma added to the anchor's token probabilities: see
        /// [`AnchorRatio::Shaped`](crate::objective::AnchorRatio::Shaped).
        gamma: T,
    },
    /// The strongest positive against the hardest negatives, under a preference loss: DPO with one,
    /// S-DPO with several. See [`preference_loss`](crate::objective::preference_loss). The paper of
    /// S-DPO draws negatives at random; this signal takes the group's \[ours\].
    Dpo {
        /// The policy by which all-zero groups are repaired.
        repair: RepairPolicy<T>,
        /// The largest number of kept negatives.
        negatives: usize,
        /// The coefficient of the implicit KL: see [`Preference`](crate::objective::Preference).
        beta: T,
    },
    /// GRPO's advantages under CISPO's constant clipped ratio, which silences no token: see
    /// [`Surrogate::Cispo`](crate::objective::Surrogate::Cispo).
    Cispo {
        /// The epsilon added to the standard deviation.
        epsilon: T,
    },
    /// GRPO's advantages under SAPO's smooth gate: see
    /// [`Surrogate::Sapo`](crate::objective::Surrogate::Sapo).
    Sapo {
        /// The epsilon added to the standard deviation.
        epsilon: T,
        /// The temperature of tokens with a positive advantage.
        positive: T,
        /// The temperature of all other tokens.
        negative: T,
    },
    /// GRPO's advantages under the geometric mean of bounded token ratios: see
    /// [`Surrogate::GeometricMean`](crate::objective::Surrogate::GeometricMean).
    Gmpo {
        /// The epsilon added to the standard deviation.
        epsilon: T,
    },
    /// Rewards less their group's mean, standardised over all tokens of the step: REINFORCE++ with
    /// baseline. "REINFORCE++: Stabilizing Critic-Free Policy Optimization with Global Advantage
    /// Normalization", Hu et al., <https://arxiv.org/abs/2501.03262>. The centred rewards are from
    /// [`select`](Self::select), the rest is from [`BatchScale`](crate::advantage::BatchScale).
    ReinforcePlusPlus {
        /// The epsilon added to the variance, inside the root.
        epsilon: T,
    },
    /// Rewards less their mean weighted by length, all G completions: see
    /// [`advantage::opo`](crate::advantage::opo). Without
    /// [lengths](Group::with_lengths) all are equal, as semantic IDs are.
    Opo,
    /// Supervised training continued on the targets of prompts: the control of reinforcement
    /// learning itself \[ours\]. No rollout is needed: see
    /// [`needs_rollout`](Self::needs_rollout). A group is the anchor alone, with advantage 1 and a
    /// detached ratio, so that the gradient is that of the anchor's mean negative log-probability:
    ///
    /// ```text
    /// gradient = mean over groups of the mean over t of -d policy_t
    /// ```
    ///
    /// The value is -1 throughout. `kl_coef` 0 is the objective's. A group of several completions
    /// keeps its strongest positive alone.
    Supervised,
}

/// The rewards over which GRPO takes its standard deviation. The mean is the group's either way.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum RewardScale {
    /// The rewards of the group.
    #[default]
    Group,
    /// The rewards of all groups of a step, as TRL with `scale_rewards="batch"`: a group of mixed
    /// rewards weighs no more for being nearly uniform. A group of one keeps its reward, where TRL
    /// gives 0. [`select`](Signal::select) gives the centred rewards,
    /// [`BatchScale`](crate::advantage::BatchScale) the rest.
    Batch,
}

impl<T: Real> Signal<T> {
    /// Writes the slots to train on and their advantages into the caller's slices.
    ///
    /// ```text
    /// ReCast          kept = {i+, i-}          A = +w, -w negative_weight
    /// GRPO, GSPO      kept = 0..G              A = (r - mean) / (std + epsilon)
    /// CISPO, SAPO     kept = 0..G              the same
    /// GMPO, RL-ZVP    kept = 0..G              the same
    /// DAPO, GCPO      kept = 0..G              the same, some groups skipped
    /// Dr.GRPO, LUFFY  kept = 0..G              A = r - mean
    /// REINFORCE++     kept = 0..G              the same, before the batch's scale
    /// GRPO by batch   kept = 0..G              the same, before the batch's scale
    /// OPO             kept = 0..G              A = r - mean weighted by length
    /// RLOO            kept = 0..G              A = G / (G - 1) (r - mean)
    /// NGRPO           kept = 0..G              A = (r - mean) / (std + epsilon) with a virtual hit
    /// ReRe            kept = 0..G              GRPO over r_i = hit_i + ranking penalty_i
    /// Pass@k          kept = {argmax r}        A = r_max - r_2nd
    /// DPO, S-DPO      kept = {i+, n hardest}   A = +1, -1, ..., -1
    /// Supervised      kept = {i+}              A = +1
    /// ```
    ///
    /// [`Recast`] says when ReCast keeps `i+` alone. Slots ascend. The hardest negatives have the
    /// order of [`boundary_pair`](crate::boundary::boundary_pair). Later duplicates are passed
    /// over; where there are fewer than n, all are kept. Skipped groups:
    ///
    /// | signal | no positive | no negative | no lead |
    /// |---|---|---|---|
    /// | ReCast with a boundary | yes | yes, or the positive alone | |
    /// | ReCast without, unless it never repairs | yes | | |
    /// | GCPO, Supervised | yes | | |
    /// | DAPO, DPO, S-DPO | yes | yes | |
    /// | Pass@k | if nothing is ahead | if nothing is ahead | yes |
    ///
    /// All others keep every group, also where all advantages are 0, at full cost. `O(G)` time,
    /// `O(G log G)` for S-DPO, no allocation. Only the selection's part of the slices is
    /// meaningful.
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
            Self::Grpo { epsilon, scale: RewardScale::Group, .. }
            | Self::Gspo { epsilon }
            | Self::RlZvp { epsilon, .. }
            | Self::Luffy { epsilon: Some(epsilon), .. }
            | Self::Cispo { epsilon }
            | Self::Sapo { epsilon, .. }
            | Self::Gmpo { epsilon } => {
                keep_all(group, kept, advantages, |values| standardise(values, epsilon))
            }
            Self::DrGrpo
            | Self::Luffy { epsilon: None, .. }
            | Self::Grpo { scale: RewardScale::Batch, .. }
            | Self::ReinforcePlusPlus { .. } => keep_all(group, kept, advantages, centre),
            Self::Opo => keep_all(group, kept, advantages, |values| match group.lengths() {
                Some(lengths) => centre_by_length(values, lengths),
                None => centre(values),
            }),
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
            Self::Supervised => keep_positive(group, kept, advantages),
        }
    }
}

#[cfg(test)]
#[expect(clippy::float_cmp, reason = "exact results are claimed where no tolerance is given")]
mod tests;
