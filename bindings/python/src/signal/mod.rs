//! Signals with their options.

mod options;

use pyo3::prelude::*;
use pyo3::types::PyDict;
use recast_core::Signal;
use recast_core::signal::{Recast, RewardScale};

use self::options::{
    CHOICES, NORMALISERS, RULES, SCALES, TARGETS, call_of, ratio_of_anchor, repair_policy,
};
use crate::arrays::{Number, bad};
use crate::options::{Pickled, choice};

/// A learning signal: which completions of a group train, and with which advantages.
///
/// Each kind is a static method with the numbers of its authors as defaults. Numbers are checked
/// at once, in float32 and in float64: ValueError. Signals are immutable, comparable and can be
/// pickled. The repository's docs/signals.md lists kinds, formulas and sources.
///
/// >>> from recast_rl import Signal
/// >>> Signal.grpo()
/// Signal.grpo(epsilon=1e-6, scale='group', add_gt=False)
/// >>> Signal.recast(weight=0.0)
/// Traceback (most recent call last):
///     ...
/// ValueError: weight 0 of the boundary pair is not finite and above 0
#[pyclass(frozen, eq, module = "recast_rl", name = "Signal")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PySignal(Signal<f64>);

impl PySignal {
    fn checked(signal: Signal<f64>) -> PyResult<Self> {
        signal.check().map_err(bad)?.cast::<f32>().check().map_err(bad)?;
        Ok(Self(signal))
    }

    /// The signal over numbers of one type; the range was checked at construction.
    pub(crate) fn signal<T: Number>(&self) -> Signal<T> {
        self.0.cast()
    }
}

#[pymethods]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
impl PySignal {
    /// ReCast: repair of all-zero groups, then the boundary pair alone.
    ///
    /// `repair` "gated" needs `threshold`, "confident" needs `tau`. Without `boundary` all
    /// completions are kept with GRPO's advantages, and no option of the negative is read.
    /// `negative_choice` "uniform" reads the plan's draws, `anchor_target` "uniform" those of
    /// `anchor_targets`. `negative` "shared_prefix" reads first codes, or scores without these.
    /// `anchor_ratio` "shaped" needs `gamma`, "weighted" needs `anchor_weight`.
    ///
    /// "ReCast: Recasting Learning Signals for Reinforcement Learning in Generative
    /// Recommendation", Zhang et al., <https://arxiv.org/abs/2604.22169>.
    #[staticmethod]
    #[pyo3(signature = (*, repair = "always", threshold = None, tau = None, boundary = true,
        weight = 1.0, epsilon = 1e-6, normaliser = "kept", negative_weight = 1.0,
        negative_choice = "hardest", negative = "always", negative_margin = None,
        positive_only = false, anchor_target = "first", anchor_ratio = "recompute", gamma = None,
        anchor_weight = None))]
    fn recast(
        repair: &str,
        threshold: Option<f64>,
        tau: Option<f64>,
        boundary: bool,
        weight: f64,
        epsilon: f64,
        normaliser: &str,
        negative_weight: f64,
        negative_choice: &str,
        negative: &str,
        negative_margin: Option<f64>,
        positive_only: bool,
        anchor_target: &str,
        anchor_ratio: &str,
        gamma: Option<f64>,
        anchor_weight: Option<f64>,
    ) -> PyResult<Self> {
        Self::checked(Signal::Recast(Recast {
            repair: repair_policy(repair, threshold, tau)?,
            boundary,
            weight,
            epsilon,
            normaliser: choice("normaliser", normaliser, &NORMALISERS)?,
            negative_weight,
            negative_choice: choice("negative_choice", negative_choice, &CHOICES)?,
            negative: choice("negative", negative, &RULES)?,
            negative_margin,
            positive_only,
            anchor_target: choice("anchor_target", anchor_target, &TARGETS)?,
            anchor_ratio: ratio_of_anchor(anchor_ratio, gamma, anchor_weight)?,
        }))
    }

    /// GRPO: each reward against its group, `(r - mean) / (std + epsilon)`.
    ///
    /// `epsilon` is 1e-6 by default, 1e-4 with `scale` "batch", which takes the deviation over all
    /// groups as TRL does. `add_gt` writes an anchor into the last slot of an all-zero group.
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = None, scale = "group", add_gt = false))]
    fn grpo(epsilon: Option<f64>, scale: &str, add_gt: bool) -> PyResult<Self> {
        let scale = choice("scale", scale, &SCALES)?;
        let epsilon = epsilon.unwrap_or(match scale {
            RewardScale::Group => 1e-6,
            RewardScale::Batch => 1e-4,
        });
        Self::checked(Signal::Grpo { epsilon, scale, add_gt })
    }

    /// Dr.GRPO: rewards less their mean. <https://arxiv.org/abs/2503.20783>
    #[staticmethod]
    fn dr_grpo() -> Self {
        Self(Signal::DrGrpo)
    }

    /// RLOO: each reward less the mean of the others. <https://arxiv.org/abs/2402.14740>
    #[staticmethod]
    fn rloo() -> Self {
        Self(Signal::Rloo)
    }

    /// DAPO: GRPO on mixed groups, the others are skipped. <https://arxiv.org/abs/2503.14476>
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = 1e-6))]
    fn dapo(epsilon: f64) -> PyResult<Self> {
        Self::checked(Signal::Dapo { epsilon })
    }

    /// GSPO: GRPO with one ratio for a completion. <https://arxiv.org/abs/2507.18071>
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = 1e-6))]
    fn gspo(epsilon: f64) -> PyResult<Self> {
        Self::checked(Signal::Gspo { epsilon })
    }

    /// Pass@k: the best completion alone, by its lead. <https://arxiv.org/abs/2503.19595>
    #[staticmethod]
    fn pass_at_k() -> Self {
        Self(Signal::PassAtK)
    }

    /// NGRPO: GRPO with a virtual hit. <https://arxiv.org/abs/2509.18851>
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = 1e-6))]
    fn ngrpo(epsilon: f64) -> PyResult<Self> {
        Self::checked(Signal::Ngrpo { epsilon })
    }

    /// RL-ZVP: GRPO, and token entropies in groups of equal rewards: see `token_advantages`.
    /// <https://arxiv.org/abs/2509.21880>
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = 1e-6, alpha = 0.1))]
    fn rl_zvp(epsilon: f64, alpha: f64) -> PyResult<Self> {
        Self::checked(Signal::RlZvp { epsilon, alpha })
    }

    /// GCPO: GRPO with an anchor in all-zero groups. <https://arxiv.org/abs/2510.07790>
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = 1e-6))]
    fn gcpo(epsilon: f64) -> PyResult<Self> {
        Self::checked(Signal::Gcpo { epsilon })
    }

    /// ReRe: GRPO over hits and penalties by beam rank. <https://arxiv.org/abs/2510.12211>
    ///
    /// Rows of a group have to stand in the order of the beams. `add_gt` writes an anchor into the
    /// last slot of every group.
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = 1e-4, add_gt = false))]
    fn rere(epsilon: f64, add_gt: bool) -> PyResult<Self> {
        Self::checked(Signal::Rere { epsilon, add_gt })
    }

    /// LUFFY: an anchor in every group, with a shaped ratio. <https://arxiv.org/abs/2504.14945>
    ///
    /// `epsilon` None leaves out the division by the deviation, as the released code does.
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = None, gamma = 0.1))]
    fn luffy(epsilon: Option<f64>, gamma: f64) -> PyResult<Self> {
        Self::checked(Signal::Luffy { epsilon, gamma })
    }

    /// DPO: the boundary pair under a preference loss. <https://arxiv.org/abs/2305.18290>
    #[staticmethod]
    #[pyo3(signature = (*, repair = "always", threshold = None, tau = None, negatives = 1,
        beta = 0.1))]
    fn dpo(
        repair: &str,
        threshold: Option<f64>,
        tau: Option<f64>,
        negatives: usize,
        beta: f64,
    ) -> PyResult<Self> {
        let repair = repair_policy(repair, threshold, tau)?;
        Self::checked(Signal::Dpo { repair, negatives, beta })
    }

    /// S-DPO: the strongest positive against several negatives. <https://arxiv.org/abs/2406.09215>
    #[staticmethod]
    #[pyo3(signature = (*, repair = "always", threshold = None, tau = None, negatives = 3,
        beta = 1.0))]
    fn s_dpo(
        repair: &str,
        threshold: Option<f64>,
        tau: Option<f64>,
        negatives: usize,
        beta: f64,
    ) -> PyResult<Self> {
        Self::dpo(repair, threshold, tau, negatives, beta)
    }

    /// CISPO: GRPO with a constant clipped ratio. <https://arxiv.org/abs/2506.13585>
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = 1e-6))]
    fn cispo(epsilon: f64) -> PyResult<Self> {
        Self::checked(Signal::Cispo { epsilon })
    }

    /// SAPO: GRPO with a smooth gate, whose temperatures are for positive and for other tokens.
    /// <https://arxiv.org/abs/2511.20347>
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = 1e-6, positive = 1.0, negative = 1.05))]
    fn sapo(epsilon: f64, positive: f64, negative: f64) -> PyResult<Self> {
        Self::checked(Signal::Sapo { epsilon, positive, negative })
    }

    /// GMPO: GRPO with the geometric mean of token ratios. <https://arxiv.org/abs/2507.20673>
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = 1e-6))]
    fn gmpo(epsilon: f64) -> PyResult<Self> {
        Self::checked(Signal::Gmpo { epsilon })
    }

    /// REINFORCE++ with baseline, standardised over the tokens of a batch.
    /// <https://arxiv.org/abs/2501.03262>
    #[staticmethod]
    #[pyo3(signature = (*, epsilon = 1e-8))]
    fn reinforce_plus_plus(epsilon: f64) -> PyResult<Self> {
        Self::checked(Signal::ReinforcePlusPlus { epsilon })
    }

    /// OPO: rewards less their mean weighted by length. <https://arxiv.org/abs/2505.23585>
    #[staticmethod]
    fn opo() -> Self {
        Self(Signal::Opo)
    }

    /// Supervised training on the targets: a group is the anchor alone.
    #[staticmethod]
    fn supervised() -> Self {
        Self(Signal::Supervised)
    }

    /// Every kind once, with its defaults.
    #[staticmethod]
    fn all() -> Vec<Self> {
        Signal::all().map(Self).into()
    }

    /// The kind: the name of its static method. S-DPO is DPO with several negatives.
    #[getter]
    fn kind(&self) -> &'static str {
        call_of(self.0).method
    }

    /// Whether the signal reads completions that the policy wrote: all do but `supervised`.
    #[getter]
    fn needs_rollout(&self) -> bool {
        self.0.needs_rollout()
    }

    /// The options by name, as the static method takes them.
    ///
    /// >>> from recast_rl import Signal
    /// >>> Signal.recast(negative_weight=0.1).options["negative_weight"]
    /// 0.1
    #[getter]
    fn options<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        call_of(self.0).named(py)
    }

    fn __repr__(&self) -> String {
        call_of(self.0).text("Signal")
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.repr()?.hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Pickled<'py>> {
        call_of(slf.get().0).pickled(slf.get_type().as_any())
    }
}
