//! A signal as a plain structure.

use recast_core::Signal;
use recast_core::anchor::AnchorTarget;
use recast_core::objective::AnchorRatio;
use recast_core::signal::{
    NegativeChoice, NegativeRule, Normaliser, Recast, RepairPolicy, RewardScale,
};

use crate::fault::{Fault, RecastError, RecastStatus, Sink, report};
use crate::pointer::{one, write};

/// ReCast: repair, then the boundary pair alone.
pub const RECAST_SIGNAL_RECAST: u32 = 0;
/// GRPO, as OpenOneRec-RL trains it.
pub const RECAST_SIGNAL_GRPO: u32 = 1;
/// Dr.GRPO.
pub const RECAST_SIGNAL_DR_GRPO: u32 = 2;
/// RLOO.
pub const RECAST_SIGNAL_RLOO: u32 = 3;
/// DAPO.
pub const RECAST_SIGNAL_DAPO: u32 = 4;
/// GSPO.
pub const RECAST_SIGNAL_GSPO: u32 = 5;
/// Pass@k.
pub const RECAST_SIGNAL_PASS_AT_K: u32 = 6;
/// NGRPO.
pub const RECAST_SIGNAL_NGRPO: u32 = 7;
/// RL-ZVP.
pub const RECAST_SIGNAL_RL_ZVP: u32 = 8;
/// GCPO.
pub const RECAST_SIGNAL_GCPO: u32 = 9;
/// ReRe.
pub const RECAST_SIGNAL_RERE: u32 = 10;
/// LUFFY.
pub const RECAST_SIGNAL_LUFFY: u32 = 11;
/// DPO; S-DPO with several negatives.
pub const RECAST_SIGNAL_DPO: u32 = 12;
/// CISPO.
pub const RECAST_SIGNAL_CISPO: u32 = 13;
/// SAPO.
pub const RECAST_SIGNAL_SAPO: u32 = 14;
/// GMPO.
pub const RECAST_SIGNAL_GMPO: u32 = 15;
/// REINFORCE++ with baseline.
pub const RECAST_SIGNAL_REINFORCE_PLUS_PLUS: u32 = 16;
/// OPO.
pub const RECAST_SIGNAL_OPO: u32 = 17;
/// Supervised training on the targets.
pub const RECAST_SIGNAL_SUPERVISED: u32 = 18;

/// Every all-zero group is repaired.
pub const RECAST_REPAIR_ALWAYS: u32 = 0;
/// No group is repaired.
pub const RECAST_REPAIR_NEVER: u32 = 1;
/// All-zero groups are repaired while their share is at least `threshold`.
pub const RECAST_REPAIR_GATED: u32 = 2;
/// All-zero groups are repaired unless the policy gives the anchor more than `tau`.
pub const RECAST_REPAIR_CONFIDENT: u32 = 3;

/// The divisor is the number of kept completions.
pub const RECAST_NORMALISER_KEPT: u32 = 0;
/// The divisor is the size of the group.
pub const RECAST_NORMALISER_GROUP: u32 = 1;

/// The hardest negative stands for all.
pub const RECAST_NEGATIVE_CHOICE_HARDEST: u32 = 0;
/// A drawn negative stands for all; the batch needs draws.
pub const RECAST_NEGATIVE_CHOICE_UNIFORM: u32 = 1;

/// Every negative trains.
pub const RECAST_NEGATIVE_ALWAYS: u32 = 0;
/// A negative trains that shares the first code of the positive.
pub const RECAST_NEGATIVE_SHARED_PREFIX: u32 = 1;

/// The anchor is the first target.
pub const RECAST_ANCHOR_TARGET_FIRST: u32 = 0;
/// The anchor is the target that the group follows furthest.
pub const RECAST_ANCHOR_TARGET_CLOSEST: u32 = 1;
/// The anchor is a drawn target.
pub const RECAST_ANCHOR_TARGET_UNIFORM: u32 = 2;

/// The anchor's ratio is that of a sampled completion.
pub const RECAST_ANCHOR_RATIO_RECOMPUTE: u32 = 0;
/// The anchor's ratio is 1.
pub const RECAST_ANCHOR_RATIO_DETACHED: u32 = 1;
/// The anchor's ratio is `p / (p + gamma)`.
pub const RECAST_ANCHOR_RATIO_SHAPED: u32 = 2;
/// The anchor's surrogate is multiplied by `anchor_weight`.
pub const RECAST_ANCHOR_RATIO_WEIGHTED: u32 = 3;

/// GRPO's deviation is that of the group.
pub const RECAST_SCALE_GROUP: u32 = 0;
/// GRPO's deviation is that of the batch.
pub const RECAST_SCALE_BATCH: u32 = 1;

/// A signal with all its options. `recast_signal_init` writes the numbers of the signal's authors;
/// change these, and no others. An option that the kind does not read is not looked at.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RecastSignal {
    /// `RECAST_SIGNAL_*`.
    pub kind: u32,
    /// ReCast, DPO: `RECAST_REPAIR_*`.
    pub repair: u32,
    /// ReCast: 1 keeps the boundary pair alone, 0 all completions.
    pub boundary: u32,
    /// ReCast: `RECAST_NORMALISER_*`.
    pub normaliser: u32,
    /// ReCast: `RECAST_NEGATIVE_CHOICE_*`.
    pub negative_choice: u32,
    /// ReCast: `RECAST_NEGATIVE_*`.
    pub negative: u32,
    /// ReCast: 1 keeps the positive of an all-hit group, 0 skips the group.
    pub positive_only: u32,
    /// ReCast: `RECAST_ANCHOR_TARGET_*`.
    pub anchor_target: u32,
    /// ReCast: `RECAST_ANCHOR_RATIO_*`.
    pub anchor_ratio: u32,
    /// GRPO: `RECAST_SCALE_*`. The default epsilon is that of `RECAST_SCALE_GROUP`.
    pub scale: u32,
    /// GRPO, ReRe: 1 writes anchors into last slots.
    pub add_gt: u32,
    /// DPO: the largest number of negatives.
    pub negatives: u32,
    /// The epsilon beside a deviation or a variance; LUFFY: NaN leaves out the division.
    pub epsilon: f32,
    /// ReCast: the advantage of the positive.
    pub weight: f32,
    /// ReCast: the share of the weight in the negative's advantage.
    pub negative_weight: f32,
    /// ReCast: the margin in nats at which a negative stops to train; NaN for none.
    pub negative_margin: f32,
    /// The least all-zero rate of a gated repair.
    pub threshold: f32,
    /// The largest probability of the anchor of a confident repair.
    pub tau: f32,
    /// ReCast's shaped ratio, LUFFY: the summand beside the probability.
    pub gamma: f32,
    /// ReCast: the weight of an anchor with a weighted ratio.
    pub anchor_weight: f32,
    /// RL-ZVP: the worth of a nat of entropy.
    pub alpha: f32,
    /// DPO: the coefficient of the implicit KL.
    pub beta: f32,
    /// SAPO: the temperature of tokens with a positive advantage.
    pub temperature_positive: f32,
    /// SAPO: the temperature of all other tokens.
    pub temperature_negative: f32,
    /// Room for later options: 0.
    pub reserved: [u64; 6],
}

impl RecastSignal {
    /// The default numbers of a kind.
    fn of_kind(sink: &Sink, kind: u32) -> Option<Self> {
        let all = Signal::<f32>::all();
        let signal = usize::try_from(kind).ok().and_then(|place| all.get(place));
        let Some(signal) = signal else {
            return sink.refuse(Fault::SignalOption { name: "kind", value: kind });
        };
        let recast = Recast::<f32>::default();
        let mut options = Self {
            kind,
            repair: RECAST_REPAIR_ALWAYS,
            boundary: u32::from(recast.boundary),
            normaliser: RECAST_NORMALISER_KEPT,
            negative_choice: RECAST_NEGATIVE_CHOICE_HARDEST,
            negative: RECAST_NEGATIVE_ALWAYS,
            positive_only: u32::from(recast.positive_only),
            anchor_target: RECAST_ANCHOR_TARGET_FIRST,
            anchor_ratio: RECAST_ANCHOR_RATIO_RECOMPUTE,
            scale: RECAST_SCALE_GROUP,
            add_gt: 0,
            negatives: 1,
            epsilon: recast.epsilon,
            weight: recast.weight,
            negative_weight: recast.negative_weight,
            negative_margin: f32::NAN,
            threshold: 0.0,
            tau: 1.0,
            gamma: 0.1,
            anchor_weight: 1.0,
            alpha: 0.1,
            beta: 0.1,
            temperature_positive: 1.0,
            temperature_negative: 1.0,
            reserved: [0; 6],
        };
        match *signal {
            Signal::Grpo { epsilon, .. }
            | Signal::Dapo { epsilon }
            | Signal::Gspo { epsilon }
            | Signal::Ngrpo { epsilon }
            | Signal::Gcpo { epsilon }
            | Signal::Rere { epsilon, .. }
            | Signal::Cispo { epsilon }
            | Signal::Gmpo { epsilon }
            | Signal::ReinforcePlusPlus { epsilon } => options.epsilon = epsilon,
            Signal::RlZvp { epsilon, alpha } => (options.epsilon, options.alpha) = (epsilon, alpha),
            Signal::Luffy { epsilon, gamma } => {
                (options.epsilon, options.gamma) = (epsilon.unwrap_or(f32::NAN), gamma);
            }
            Signal::Sapo { epsilon, positive, negative } => {
                options.epsilon = epsilon;
                options.temperature_positive = positive;
                options.temperature_negative = negative;
            }
            Signal::Dpo { negatives, beta, .. } => {
                options.negatives = u32::try_from(negatives).unwrap_or(u32::MAX);
                options.beta = beta;
            }
            Signal::Recast(_)
            | Signal::DrGrpo
            | Signal::Rloo
            | Signal::PassAtK
            | Signal::Opo
            | Signal::Supervised => {}
        }
        Some(options)
    }

    /// The checked signal over numbers of one type.
    pub(crate) fn signal(&self, sink: &Sink) -> Option<Signal<f32>> {
        if self.reserved != [0; 6] {
            return sink.refuse(Fault::SignalOption { name: "reserved", value: 1 });
        }
        let epsilon = self.epsilon;
        let signal = match self.kind {
            RECAST_SIGNAL_RECAST => Signal::Recast(self.recast(sink)?),
            RECAST_SIGNAL_GRPO => Signal::Grpo {
                epsilon,
                scale: match self.scale {
                    RECAST_SCALE_GROUP => RewardScale::Group,
                    RECAST_SCALE_BATCH => RewardScale::Batch,
                    value => return sink.refuse(Fault::SignalOption { name: "scale", value }),
                },
                add_gt: flag(sink, "add_gt", self.add_gt)?,
            },
            RECAST_SIGNAL_DR_GRPO => Signal::DrGrpo,
            RECAST_SIGNAL_RLOO => Signal::Rloo,
            RECAST_SIGNAL_DAPO => Signal::Dapo { epsilon },
            RECAST_SIGNAL_GSPO => Signal::Gspo { epsilon },
            RECAST_SIGNAL_PASS_AT_K => Signal::PassAtK,
            RECAST_SIGNAL_NGRPO => Signal::Ngrpo { epsilon },
            RECAST_SIGNAL_RL_ZVP => Signal::RlZvp { epsilon, alpha: self.alpha },
            RECAST_SIGNAL_GCPO => Signal::Gcpo { epsilon },
            RECAST_SIGNAL_RERE => {
                Signal::Rere { epsilon, add_gt: flag(sink, "add_gt", self.add_gt)? }
            }
            RECAST_SIGNAL_LUFFY => Signal::Luffy { epsilon: given(epsilon), gamma: self.gamma },
            RECAST_SIGNAL_DPO => Signal::Dpo {
                repair: self.repair(sink)?,
                negatives: usize::try_from(self.negatives).unwrap_or(usize::MAX),
                beta: self.beta,
            },
            RECAST_SIGNAL_CISPO => Signal::Cispo { epsilon },
            RECAST_SIGNAL_SAPO => Signal::Sapo {
                epsilon,
                positive: self.temperature_positive,
                negative: self.temperature_negative,
            },
            RECAST_SIGNAL_GMPO => Signal::Gmpo { epsilon },
            RECAST_SIGNAL_REINFORCE_PLUS_PLUS => Signal::ReinforcePlusPlus { epsilon },
            RECAST_SIGNAL_OPO => Signal::Opo,
            RECAST_SIGNAL_SUPERVISED => Signal::Supervised,
            value => return sink.refuse(Fault::SignalOption { name: "kind", value }),
        };
        sink.of(signal.check())
    }

    fn recast(&self, sink: &Sink) -> Option<Recast<f32>> {
        Some(Recast {
            repair: self.repair(sink)?,
            boundary: flag(sink, "boundary", self.boundary)?,
            weight: self.weight,
            epsilon: self.epsilon,
            normaliser: match self.normaliser {
                RECAST_NORMALISER_KEPT => Normaliser::Kept,
                RECAST_NORMALISER_GROUP => Normaliser::Group,
                value => return sink.refuse(Fault::SignalOption { name: "normaliser", value }),
            },
            negative_weight: self.negative_weight,
            negative_choice: match self.negative_choice {
                RECAST_NEGATIVE_CHOICE_HARDEST => NegativeChoice::Hardest,
                RECAST_NEGATIVE_CHOICE_UNIFORM => NegativeChoice::Uniform,
                value => {
                    return sink.refuse(Fault::SignalOption { name: "negative_choice", value });
                }
            },
            negative: match self.negative {
                RECAST_NEGATIVE_ALWAYS => NegativeRule::Always,
                RECAST_NEGATIVE_SHARED_PREFIX => NegativeRule::SharedPrefix,
                value => return sink.refuse(Fault::SignalOption { name: "negative", value }),
            },
            negative_margin: given(self.negative_margin),
            positive_only: flag(sink, "positive_only", self.positive_only)?,
            anchor_target: match self.anchor_target {
                RECAST_ANCHOR_TARGET_FIRST => AnchorTarget::First,
                RECAST_ANCHOR_TARGET_CLOSEST => AnchorTarget::Closest,
                RECAST_ANCHOR_TARGET_UNIFORM => AnchorTarget::Uniform,
                value => return sink.refuse(Fault::SignalOption { name: "anchor_target", value }),
            },
            anchor_ratio: match self.anchor_ratio {
                RECAST_ANCHOR_RATIO_RECOMPUTE => AnchorRatio::Recompute,
                RECAST_ANCHOR_RATIO_DETACHED => AnchorRatio::Detached,
                RECAST_ANCHOR_RATIO_SHAPED => AnchorRatio::Shaped { gamma: self.gamma },
                RECAST_ANCHOR_RATIO_WEIGHTED => {
                    AnchorRatio::Weighted { weight: self.anchor_weight }
                }
                value => return sink.refuse(Fault::SignalOption { name: "anchor_ratio", value }),
            },
        })
    }

    fn repair(&self, sink: &Sink) -> Option<RepairPolicy<f32>> {
        match self.repair {
            RECAST_REPAIR_ALWAYS => Some(RepairPolicy::Always),
            RECAST_REPAIR_NEVER => Some(RepairPolicy::Never),
            RECAST_REPAIR_GATED => Some(RepairPolicy::Gated { threshold: self.threshold }),
            RECAST_REPAIR_CONFIDENT => Some(RepairPolicy::Confident { tau: self.tau }),
            value => sink.refuse(Fault::SignalOption { name: "repair", value }),
        }
    }
}

/// A number that NaN leaves out.
pub(crate) fn given(value: f32) -> Option<f32> {
    (!value.is_nan()).then_some(value)
}

fn flag(sink: &Sink, name: &'static str, value: u32) -> Option<bool> {
    match value {
        0 => Some(false),
        1 => Some(true),
        value => sink.refuse(Fault::SignalOption { name, value }),
    }
}

/// Writes a kind of signal with the numbers of its authors.
///
/// `kind`: `RECAST_SIGNAL_*`; `signal`: the signal that is written; `error`: null, or where a fault
/// is written. Status: `POINTER`, or `SIGNAL` if there is no such kind.
///
/// # Safety
///
/// Pointers that are not null lead to memory of their type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_signal_init(
    kind: u32,
    signal: *mut RecastSignal,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe {
        report(error, |sink| write(sink, "signal", signal, RecastSignal::of_kind(sink, kind)?))
    }
}

/// Checks the options of a signal, as every call that takes one does.
///
/// Status: `POINTER`, or `SIGNAL` if an option is out of range.
///
/// # Safety
///
/// Pointers that are not null lead to memory of their type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_signal_check(
    signal: *const RecastSignal,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(error, |sink| one(sink, "signal", signal)?.signal(sink).map(|_| ())) }
}
