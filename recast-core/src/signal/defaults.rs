//! Every signal with the numbers of its authors.

use super::{Recast, RepairPolicy, RewardScale, Signal};
use crate::real::Real;

impl<T: Real> Signal<T> {
    /// Every kind of signal once, with its defaults, in the order of the variants.
    ///
    /// S-DPO is DPO with more negatives, GRPO by batch is GRPO with another scale: neither is a
    /// kind of its own. [`Signal`] is matched without a wildcard: a list of names outside of this
    /// crate does not compile while it lacks a signal.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::Signal;
    ///
    /// assert!(Signal::<f32>::all().into_iter().all(|signal| signal.check().is_ok()));
    /// ```
    #[must_use]
    pub fn all() -> [Self; 19] {
        [
            Self::recast(),
            Self::grpo(),
            Self::DrGrpo,
            Self::Rloo,
            Self::dapo(),
            Self::gspo(),
            Self::PassAtK,
            Self::ngrpo(),
            Self::rl_zvp(),
            Self::gcpo(),
            Self::rere(),
            Self::luffy(),
            Self::dpo(),
            Self::cispo(),
            Self::sapo(),
            Self::gmpo(),
            Self::reinforce_plus_plus(),
            Self::Opo,
            Self::Supervised,
        ]
    }

    /// ReCast with its defaults.
    #[must_use]
    pub fn recast() -> Self {
        Self::Recast(Recast::default())
    }

    /// GRPO with OpenOneRec's epsilon, 1e-6, without `add_gt`.
    #[must_use]
    pub fn grpo() -> Self {
        Self::Grpo { epsilon: T::of(1e-6), scale: RewardScale::Group, add_gt: false }
    }

    /// GRPO with the deviation of the whole step and TRL's epsilon, 1e-4, without `add_gt`.
    #[must_use]
    pub fn grpo_by_batch() -> Self {
        Self::Grpo { epsilon: T::of(1e-4), scale: RewardScale::Batch, add_gt: false }
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

    /// LUFFY as its authors released it: no division, gamma 0.1.
    #[must_use]
    pub fn luffy() -> Self {
        Self::Luffy { epsilon: None, gamma: T::of(0.1) }
    }

    /// DPO on the boundary pair with its usual beta, 0.1; an all-zero group is always repaired.
    #[must_use]
    pub fn dpo() -> Self {
        Self::Dpo { repair: RepairPolicy::Always, negatives: 1, beta: T::of(0.1) }
    }

    /// S-DPO with up to so many negatives and its beta, 1; an all-zero group is always repaired.
    #[must_use]
    pub fn s_dpo(negatives: usize) -> Self {
        Self::Dpo { repair: RepairPolicy::Always, negatives, beta: T::one() }
    }

    /// CISPO with GRPO's epsilon, 1e-6.
    #[must_use]
    pub fn cispo() -> Self {
        Self::Cispo { epsilon: T::of(1e-6) }
    }

    /// SAPO with GRPO's epsilon, 1e-6, and the paper's temperatures, 1 and 1.05.
    #[must_use]
    pub fn sapo() -> Self {
        Self::Sapo { epsilon: T::of(1e-6), positive: T::one(), negative: T::of(1.05) }
    }

    /// GMPO with GRPO's epsilon, 1e-6.
    #[must_use]
    pub fn gmpo() -> Self {
        Self::Gmpo { epsilon: T::of(1e-6) }
    }

    /// REINFORCE++ with baseline, 1e-8 beside the variance as verl has it.
    #[must_use]
    pub fn reinforce_plus_plus() -> Self {
        Self::ReinforcePlusPlus { epsilon: T::of(1e-8) }
    }
}
