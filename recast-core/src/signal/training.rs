//! The parts of a signal that the update reads: its loss, its token advantages.

use super::{RewardScale, Signal};
use crate::advantage::BatchScale;
use crate::entropy::entropy_guided;
use crate::group::Group;
use crate::objective::{AnchorRatio, Loss, PolicyLoss, Preference, Surrogate};
use crate::real::Real;

impl<T: Real> Signal<T> {
    /// The loss of the selection, which [`group_loss`](crate::objective::group_loss) takes.
    ///
    /// Clips and the KL penalty are the objective's; the docs of each signal and of [`Surrogate`]
    /// have its authors' numbers.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::Signal;
    /// use recast_core::objective::{AnchorRatio, Loss, PolicyLoss, Surrogate};
    ///
    /// assert_eq!(Signal::<f32>::recast().loss(), Loss::Policy(PolicyLoss::default()));
    /// let Loss::Policy(luffy) = Signal::<f32>::luffy().loss() else { unreachable!() };
    /// assert_eq!(luffy.surrogate, Surrogate::Clipped);
    /// assert_eq!(luffy.anchor_ratio, AnchorRatio::Shaped { gamma: 0.1 });
    /// assert!(matches!(Signal::<f32>::dpo().loss(), Loss::Preference(_)));
    /// ```
    #[must_use]
    pub fn loss(&self) -> Loss<T> {
        let (surrogate, anchor_ratio) = match *self {
            Self::Recast(recast) => {
                let negative_margin = recast.negative_margin.filter(|_| recast.boundary);
                let anchor_ratio = recast.anchor_ratio;
                return Loss::Policy(PolicyLoss {
                    anchor_ratio,
                    negative_margin,
                    ..PolicyLoss::default()
                });
            }
            Self::Supervised => (Surrogate::Clipped, AnchorRatio::Detached),
            Self::Luffy { gamma, .. } => (Surrogate::Clipped, AnchorRatio::Shaped { gamma }),
            Self::Grpo { .. }
            | Self::DrGrpo
            | Self::Rloo
            | Self::Dapo { .. }
            | Self::PassAtK
            | Self::Ngrpo { .. }
            | Self::RlZvp { .. }
            | Self::Rere { .. }
            | Self::ReinforcePlusPlus { .. }
            | Self::Opo => (Surrogate::Clipped, AnchorRatio::Recompute),
            Self::Gspo { .. } | Self::Gcpo { .. } => (Surrogate::Sequence, AnchorRatio::Recompute),
            Self::Cispo { .. } => (Surrogate::Cispo, AnchorRatio::Recompute),
            Self::Sapo { positive, negative, .. } => {
                (Surrogate::Sapo { positive, negative }, AnchorRatio::Recompute)
            }
            Self::Gmpo { .. } => (Surrogate::GeometricMean, AnchorRatio::Recompute),
            Self::Dpo { beta, .. } => return Loss::Preference(Preference::of_checked(beta)),
        };
        Loss::Policy(PolicyLoss { surrogate, anchor_ratio, negative_margin: None })
    }

    /// The scale of advantages after every group of a step was selected.
    ///
    /// Most signals have a [`BatchScale`] that does nothing, so that a loop needs no case for them.
    #[must_use]
    pub fn batch_scale(&self) -> BatchScale<T> {
        match *self {
            Self::Grpo { epsilon, scale: RewardScale::Batch, .. } => {
                BatchScale::of_rewards(epsilon)
            }
            Self::ReinforcePlusPlus { epsilon } => BatchScale::of_tokens(epsilon),
            Self::Recast(_)
            | Self::Grpo { scale: RewardScale::Group, .. }
            | Self::DrGrpo
            | Self::Rloo
            | Self::Dapo { .. }
            | Self::Gspo { .. }
            | Self::PassAtK
            | Self::Ngrpo { .. }
            | Self::RlZvp { .. }
            | Self::Gcpo { .. }
            | Self::Rere { .. }
            | Self::Luffy { .. }
            | Self::Dpo { .. }
            | Self::Cispo { .. }
            | Self::Sapo { .. }
            | Self::Gmpo { .. }
            | Self::Opo
            | Self::Supervised => BatchScale::none(),
        }
    }

    /// Whether [`token_advantages`](Self::token_advantages) reads entropies in this group: RL-ZVP
    /// does where all rewards are equal. `O(G)` time, no allocation.
    #[must_use]
    pub fn reads_entropies(&self, group: Group<'_, T>) -> bool {
        matches!(self, Self::RlZvp { .. }) && group.is_uniform()
    }

    /// Spreads the advantage of a kept completion over its tokens.
    ///
    /// Every token gets the advantage as it is, except for RL-ZVP in a group whose rewards are all
    /// equal: [`entropy_guided`] then gives the advantages. Only RL-ZVP reads entropies; for all
    /// others they may be empty. `O(G + S)` time, no allocation. The function cannot check that the
    /// advantage is this signal's.
    ///
    /// # Shapes
    ///
    /// `entropies`, `out`: (S), the tokens of completion `slot`.
    ///
    /// # Panics
    ///
    /// If `slot` is not in the group. Also if the signal is RL-ZVP, the rewards are equal, and a
    /// token lacks its entropy.
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
    /// assert!(!Signal::<f64>::grpo().reads_entropies(group));
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
            Self::RlZvp { alpha, .. } if self.reads_entropies(group) => {
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
            | Self::Dpo { .. }
            | Self::Cispo { .. }
            | Self::Sapo { .. }
            | Self::Gmpo { .. }
            | Self::ReinforcePlusPlus { .. }
            | Self::Opo
            | Self::Supervised => out.fill(advantage),
        }
    }
}
