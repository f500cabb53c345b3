//! An objective as a plain structure.

use recast_core::objective::{Clip, KlEstimator, Objective, RatioBound};

use crate::fault::{Fault, RecastError, RecastStatus, Sink, report};
use crate::pointer::write;
use crate::signal::given;

/// The clip alone bounds the ratio.
pub const RECAST_BOUND_NONE: u32 = 0;
/// The dual clip: the loss of a negative is at most `bound` times its advantage.
pub const RECAST_BOUND_DUAL: u32 = 1;
/// ECPO with the delta `bound`.
pub const RECAST_BOUND_ECPO: u32 = 2;
/// GBPO, without a clip.
pub const RECAST_BOUND_GBPO: u32 = 3;

/// `ref - policy` with the other sign.
pub const RECAST_KL_K1: u32 = 1;
/// Half of its square.
pub const RECAST_KL_K2: u32 = 2;
/// Its exponential less itself less 1.
pub const RECAST_KL_K3: u32 = 3;

/// The numbers of the policy objective, which all signals share. `recast_objective_init` writes
/// OpenOneRec's; change these, and no others.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct RecastObjective {
    /// `RECAST_BOUND_*`.
    pub ratio_bound: u32,
    /// `RECAST_KL_*`.
    pub kl_estimator: u32,
    /// 1 multiplies the penalty by the ratio.
    pub kl_times_ratio: u32,
    /// Room for later options: 0.
    pub reserved: u32,
    /// The ratio is clipped to at least `1 - clip_low`. GBPO reads no clip.
    pub clip_low: f32,
    /// The ratio is clipped to at most `1 + clip_high`.
    pub clip_high: f32,
    /// The number of the dual clip or of ECPO.
    pub bound: f32,
    /// Log-ratios are held within this, on both sides.
    pub log_ratio_limit: f32,
    /// The coefficient of the KL penalty.
    pub kl_coef: f32,
    /// The largest penalty of a token; NaN for none.
    pub kl_value_limit: f32,
}

impl RecastObjective {
    fn usual() -> Self {
        let usual = Objective::<f32>::default();
        Self {
            ratio_bound: match usual.clip().ratio_bound() {
                RatioBound::None => RECAST_BOUND_NONE,
                RatioBound::Dual(_) => RECAST_BOUND_DUAL,
                RatioBound::Ecpo(_) => RECAST_BOUND_ECPO,
                RatioBound::Gbpo => RECAST_BOUND_GBPO,
            },
            kl_estimator: match usual.kl_estimator() {
                KlEstimator::K1 => RECAST_KL_K1,
                KlEstimator::K2 => RECAST_KL_K2,
                KlEstimator::K3 => RECAST_KL_K3,
            },
            kl_times_ratio: u32::from(usual.kl_times_ratio()),
            reserved: 0,
            clip_low: usual.clip().low(),
            clip_high: usual.clip().high(),
            bound: usual.clip().dual().unwrap_or(0.0),
            log_ratio_limit: usual.log_ratio_limit(),
            kl_coef: usual.kl_coef(),
            kl_value_limit: usual.kl_value_limit().unwrap_or(f32::NAN),
        }
    }

    /// The checked objective over numbers of one type.
    pub(crate) fn objective(&self, sink: &Sink) -> Option<Objective<f32>> {
        if self.reserved != 0 {
            return sink.refuse(Fault::ObjectiveOption { name: "reserved", value: self.reserved });
        }
        let (low, high, bound) = (self.clip_low, self.clip_high, self.bound);
        let clip = match self.ratio_bound {
            RECAST_BOUND_NONE => sink.of(Clip::new(low, high, None))?,
            RECAST_BOUND_DUAL => sink.of(Clip::new(low, high, Some(bound)))?,
            RECAST_BOUND_ECPO => sink.of(Clip::ecpo(low, high, bound))?,
            RECAST_BOUND_GBPO => Clip::gbpo(),
            value => return sink.refuse(Fault::ObjectiveOption { name: "ratio_bound", value }),
        };
        let estimator = match self.kl_estimator {
            RECAST_KL_K1 => KlEstimator::K1,
            RECAST_KL_K2 => KlEstimator::K2,
            RECAST_KL_K3 => KlEstimator::K3,
            value => return sink.refuse(Fault::ObjectiveOption { name: "kl_estimator", value }),
        };
        let times_ratio = match self.kl_times_ratio {
            0 => false,
            1 => true,
            value => return sink.refuse(Fault::ObjectiveOption { name: "kl_times_ratio", value }),
        };
        let objective = Objective::new(clip, self.log_ratio_limit, estimator, self.kl_coef)
            .and_then(|objective| objective.with_kl_value_limit(given(self.kl_value_limit)));
        Some(sink.of(objective)?.with_kl_times_ratio(times_ratio))
    }
}

/// Writes OpenOneRec's objective: clips 0.2 and 0.28, dual clip 3, k3 capped at 10 with coefficient
/// 1e-3, log-ratios within 20.
///
/// `objective`: the objective that is written; `error`: null, or where a fault is written. Status:
/// `POINTER`.
///
/// # Safety
///
/// Pointers that are not null lead to memory of their type.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn recast_objective_init(
    objective: *mut RecastObjective,
    error: *mut RecastError,
) -> RecastStatus {
    // SAFETY: the caller's promise.
    unsafe { report(error, |sink| write(sink, "objective", objective, RecastObjective::usual())) }
}
