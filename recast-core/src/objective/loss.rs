use super::{AnchorRatio, Objective, ObjectiveError, Preference, RatioBound};
use crate::real::Real;

/// The loss of a signal's selection, with all its numbers beside the objective's.
///
/// [`Signal::loss`](crate::Signal::loss) gives it, [`group_loss`](super::group_loss) takes it: a
/// selection of GSPO under the loss of single tokens cannot be written by mistake.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Loss<T> {
    /// A surrogate with the advantages of the selection, plus the KL penalty.
    Policy(PolicyLoss<T>),
    /// A preference loss of the positive against the negatives. Advantages are +1 and -1, to tell
    /// the sides apart; neither the divisor nor the objective is read.
    Preference(Preference<T>),
}

impl<T: Real> Loss<T> {
    /// Checks that the loss reads the objective's bound of the ratio, and returns the loss.
    ///
    /// # Errors
    ///
    /// If the objective has the bound of ECPO or GBPO, and the surrogate is CISPO's, SAPO's or
    /// GMPO's, which hold the ratio themselves.
    ///
    /// # Examples
    ///
    /// ```
    /// use recast_core::Signal;
    /// use recast_core::objective::{Clip, KlEstimator, Objective};
    ///
    /// let objective = Objective::new(Clip::gbpo(), 20.0, KlEstimator::K3, 1e-3)?;
    /// assert!(Signal::recast().loss().check(&objective).is_ok());
    /// assert!(Signal::cispo().loss().check(&objective).is_err());
    /// # Ok::<(), recast_core::objective::ObjectiveError>(())
    /// ```
    pub fn check(self, objective: &Objective<T>) -> Result<Self, ObjectiveError> {
        let held = match self {
            Self::Policy(PolicyLoss { surrogate, .. }) => match surrogate {
                Surrogate::Cispo | Surrogate::Sapo { .. } | Surrogate::GeometricMean => true,
                Surrogate::Clipped | Surrogate::Sequence => false,
            },
            Self::Preference(_) => false,
        };
        match objective.clip.ratio_bound() {
            RatioBound::Ecpo(_) | RatioBound::Gbpo if held => Err(ObjectiveError::BoundNotRead),
            RatioBound::None | RatioBound::Dual(_) | RatioBound::Ecpo(_) | RatioBound::Gbpo => {
                Ok(self)
            }
        }
    }
}

/// The surrogate of sampled completions, the ratio of an anchor, and the bound of a negative.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PolicyLoss<T> {
    /// The surrogate of a completion that was sampled.
    pub surrogate: Surrogate<T>,
    /// The ratio of an anchor.
    pub anchor_ratio: AnchorRatio<T>,
    /// The margin in nats at which a negative completion stops to train; `None` for no bound
    /// \[ours\].
    ///
    /// ```text
    /// surrogate of the completion = 0   while mean over t of A_t < 0
    ///                                   and sum over t of (policy_t - ref_t) < -margin
    /// ```
    ///
    /// The current policy is compared, not the one that sampled: a negative that falls below the
    /// margin within a step stops there. The comparison carries no gradient. A completion at the
    /// margin still trains. The KL penalty stays, and may draw the completion back. With a margin
    /// the references are read, also with `kl_coef` 0.
    pub negative_margin: Option<T>,
}

impl<T> Default for PolicyLoss<T> {
    /// PPO's clip for sampled completions and anchors alike, as in ReCast and GRPO; no bound of
    /// negatives.
    fn default() -> Self {
        Self {
            surrogate: Surrogate::Clipped,
            anchor_ratio: AnchorRatio::Recompute,
            negative_margin: None,
        }
    }
}

/// The surrogate of the reward for one completion of S tokens.
///
/// ```text
/// ratio_t = exp(clamp(policy_t - old_t, -limit, limit))        all losses are to be minimised
///
/// clipped         mean over t of -min(ratio_t A_t, clip(ratio_t) A_t)
/// CISPO           mean over t of -stop_grad(clip(ratio_t)) A_t policy_t
/// SAPO            mean over t of -A_t 4 / tau sigmoid(tau (ratio_t - 1))
/// sequence        -min(s A, clip(s) A)          s = exp(mean over t of the log-ratio)
/// geometric mean  -A exp(mean over t of bounded log-ratio_t)
/// ```
///
/// `clip` is within `1 - low .. 1 + high` of the objective's [`Clip`](super::Clip). Under the first
/// three each token has its own ratio. Under the last two all tokens of a completion share one
/// ratio, and A is the mean of the token advantages. Every signal with such a ratio gives equal
/// token advantages.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub enum Surrogate<T> {
    /// PPO's clipped surrogate of each token, with the dual clip or another
    /// [`RatioBound`](super::RatioBound). See "Proximal Policy Optimization Algorithms", Schulman
    /// et al., section 3, <https://arxiv.org/abs/1707.06347>. The dual clip is from "Mastering
    /// Complex Control in MOBA Games with Deep Reinforcement Learning", Ye et al.,
    /// <https://arxiv.org/abs/1912.09729>. ReCast uses the surrogate unchanged:
    /// <https://arxiv.org/abs/2604.22169>.
    #[default]
    Clipped,
    /// CISPO: the clipped ratio is a constant weight of the log-probability, so that no token stops
    /// to teach. The clip is in force on both sides, whatever the sign of the advantage. MiniMax-M1
    /// has no clip below: `low` 1. TRL's `epsilon_high` is the largest ratio itself, so `high` is
    /// `epsilon_high` less 1. See "MiniMax-M1: Scaling Test-Time Compute Efficiently with Lightning
    /// Attention", section 3.1, <https://arxiv.org/abs/2506.13585>.
    Cispo,
    /// SAPO: a smooth gate in place of the clip. SAPO reads neither clip nor dual clip. See "Soft
    /// Adaptive Policy Optimization", <https://arxiv.org/abs/2511.20347>.
    Sapo {
        /// The temperature tau of tokens with a positive advantage.
        positive: T,
        /// The temperature tau of all other tokens: the larger, the narrower the gate.
        negative: T,
    },
    /// GSPO's sequence ratio under PPO's clip. See "Group Sequence Policy Optimization", Zheng et
    /// al., section 4.1, <https://arxiv.org/abs/2507.18071>. GSPO's clips are far smaller than
    /// those of token ratios: 3e-4 below, 4e-4 above. The bounds of ECPO and GBPO are taken at the
    /// geometric mean of the token probabilities \[ours\]: neither paper has a sequence ratio.
    Sequence,
    /// GMPO: the geometric mean of token ratios that are bounded one by one. `low` and `high` bound
    /// the *log*-ratio here: at most `high` where A is positive, at least `-low` where A is
    /// negative. The paper has 0.4 on both sides. GMPO reads no dual clip. See "Geometric-Mean
    /// Policy Optimization", <https://arxiv.org/abs/2507.20673>.
    GeometricMean,
}
