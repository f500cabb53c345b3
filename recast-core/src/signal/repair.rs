//! The slot and the target of each signal's anchor.

use super::{Recast, Signal};
use crate::anchor::{AnchorTarget, anchor_target};
use crate::group::{Group, Regime};
use crate::real::Real;
use crate::repair::{Evidence, repair_slot};
use crate::reward::PrefixCredit;

impl<T: Real> Signal<T> {
    /// The slot that the anchor replaces before [`select`](Self::select), if this signal writes an
    /// anchor into this group.
    ///
    /// The call is [`repair_given`](Self::repair_given) without evidence: a gated or confident
    /// policy then repairs every all-zero group.
    #[must_use]
    pub fn repair(&self, group: Group<'_, T>) -> Option<usize> {
        self.repair_given(group, Evidence::default())
    }

    /// The slot that the anchor replaces before [`select`](Self::select), given the evidence.
    ///
    /// ```text
    /// ReCast, DPO              repair slot of an all-zero group, if the policy repairs
    /// GCPO                     repair slot of an all-zero group
    /// GRPO with add_gt         the last slot of an all-zero group
    /// ReRe with add_gt, LUFFY  the last slot of every group
    /// Supervised               the last slot of every group: the only one
    /// all others               none
    /// ```
    ///
    /// The caller overwrites that completion (reward 1, structural score 1) and builds the group
    /// anew; see [`repair_slot`]. If the anchor is not valid, the caller leaves the group as it is:
    /// ReCast, GCPO, DPO and Supervised then skip it. `O(G)` time.
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
            Self::Grpo { add_gt: true, .. } => {
                (group.regime() == Regime::AllZero).then(|| group.len() - 1)
            }
            Self::Rere { add_gt: true, .. } | Self::Luffy { .. } | Self::Supervised => {
                Some(group.len() - 1)
            }
            Self::Grpo { add_gt: false, .. }
            | Self::DrGrpo
            | Self::Rloo
            | Self::Dapo { .. }
            | Self::Gspo { .. }
            | Self::PassAtK
            | Self::Ngrpo { .. }
            | Self::RlZvp { .. }
            | Self::Rere { add_gt: false, .. }
            | Self::Cispo { .. }
            | Self::Sapo { .. }
            | Self::Gmpo { .. }
            | Self::ReinforcePlusPlus { .. }
            | Self::Opo => None,
        }
    }

    /// Whether the signal reads completions that the policy wrote: all do but
    /// [`Supervised`](Self::Supervised), whose groups are the anchor alone.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::{Group, Outcome, Signal};
    ///
    /// let signal = Signal::<f64>::Supervised;
    /// assert!(Signal::<f64>::recast().needs_rollout() && !signal.needs_rollout());
    /// let anchor = Group::new(&[1.0], &[1.0], None)?;
    /// assert_eq!(signal.repair(anchor), Some(0));
    /// let (mut kept, mut advantages) = ([0], [0.0]);
    /// let Outcome::Trained(selection) = signal.select(anchor, &mut kept, &mut advantages) else {
    ///     unreachable!("the anchor is a positive");
    /// };
    /// assert_eq!((selection.kept, selection.advantages), (&[0][..], &[1.0][..]));
    /// # Ok::<(), recast_core::GroupError>(())
    /// ```
    #[must_use]
    pub fn needs_rollout(&self) -> bool {
        !matches!(self, Self::Supervised)
    }

    /// The target that the anchor of a group is written from, as an index.
    ///
    /// ReCast's target is its [setting](super::Recast::anchor_target); every other signal's is the
    /// first. See [`anchor_target`] for the choices, cost and ties.
    ///
    /// # Shapes
    ///
    /// `completions`: (P L), all SIDs of the group; `targets`: (N L).
    ///
    /// # Panics
    ///
    /// On the conditions of [`anchor_target`].
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::Signal;
    /// use recast_core::anchor::AnchorTarget;
    /// use recast_core::reward::PrefixCredit;
    /// use recast_core::signal::Recast;
    ///
    /// let closest = Recast { anchor_target: AnchorTarget::Closest, ..Recast::<f64>::default() };
    /// let (completions, targets) = ([7, 8, 1, 7, 2, 2], [1, 2, 3, 7, 8, 9]);
    /// let credit = PrefixCredit::decimal();
    /// for (signal, target) in [(Signal::Recast(closest), 1), (Signal::gcpo(), 0)] {
    ///     let found = signal.anchor_target(&completions, &targets, 3, credit, 0);
    ///     assert_eq!(found, Some(target));
    /// }
    /// ```
    #[must_use]
    pub fn anchor_target<C: PartialEq>(
        &self,
        completions: &[C],
        targets: &[C],
        levels: usize,
        credit: PrefixCredit<'_, T>,
        draw: u64,
    ) -> Option<usize> {
        let choice = match self {
            Self::Recast(recast) => recast.anchor_target,
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
            | Self::Luffy { .. }
            | Self::Dpo { .. }
            | Self::Cispo { .. }
            | Self::Sapo { .. }
            | Self::Gmpo { .. }
            | Self::ReinforcePlusPlus { .. }
            | Self::Opo
            | Self::Supervised => AnchorTarget::First,
        };
        anchor_target(choice, completions, targets, levels, credit, draw)
    }
}
