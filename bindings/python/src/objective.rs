//! The numbers of the policy objective.

use pyo3::prelude::*;
use recast_core::objective::{Clip, KlEstimator, Objective, RatioBound};

use crate::arrays::{Number, bad};
use crate::options::{Call, Pickled, Value, choice, word};

const ESTIMATORS: [(&str, KlEstimator); 3] =
    [("k1", KlEstimator::K1), ("k2", KlEstimator::K2), ("k3", KlEstimator::K3)];

/// The numbers of the policy objective, which all signals share: clips and the KL penalty.
///
/// The defaults are OpenOneRec's. `ratio_bound` is "dual" (reads `dual_clip`), "ecpo" (reads
/// `ecpo_delta`), "gbpo" (reads no clip) or "none". `kl_estimator` is "k1", "k2" or "k3".
/// `kl_value_limit` caps the penalty of a token, `kl_times_ratio` multiplies it by the ratio.
/// Log-ratios are held within `log_ratio_limit`, on both sides.
///
/// Errors: ValueError for a number out of its range, in float32 or in float64.
///
/// >>> from recast_rl import Objective
/// >>> Objective(clip_low=0.1, ratio_bound="none").clip_low
/// 0.1
#[pyclass(frozen, eq, module = "recast_rl", name = "Objective")]
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct PyObjective(Objective<f64>);

impl PyObjective {
    /// The objective over numbers of one type.
    pub(crate) fn of<T: Number>(given: Option<&Self>) -> PyResult<Objective<T>> {
        given.map_or_else(Objective::default, |given| given.0).cast().map_err(bad)
    }

    fn call(&self) -> Call {
        let (clip, numbers) = (self.0.clip(), self.0);
        let bound = match clip.ratio_bound() {
            RatioBound::None => vec![("ratio_bound", Value::Word("none"))],
            RatioBound::Dual(dual) => {
                vec![("ratio_bound", Value::Word("dual")), ("dual_clip", Value::Number(dual))]
            }
            RatioBound::Ecpo(delta) => {
                vec![("ratio_bound", Value::Word("ecpo")), ("ecpo_delta", Value::Number(delta))]
            }
            RatioBound::Gbpo => vec![("ratio_bound", Value::Word("gbpo"))],
        };
        let mut options = match clip.ratio_bound() {
            RatioBound::Gbpo => Vec::new(),
            _ => vec![
                ("clip_low", Value::Number(clip.low())),
                ("clip_high", Value::Number(clip.high())),
            ],
        };
        options.extend(bound);
        options.extend([
            ("log_ratio_limit", Value::Number(numbers.log_ratio_limit())),
            ("kl_estimator", Value::Word(word(&ESTIMATORS, &numbers.kl_estimator()))),
            ("kl_coef", Value::Number(numbers.kl_coef())),
            ("kl_value_limit", numbers.kl_value_limit().into()),
            ("kl_times_ratio", Value::Flag(numbers.kl_times_ratio())),
        ]);
        Call { method: "", options }
    }
}

#[pymethods]
impl PyObjective {
    #[new]
    #[pyo3(signature = (*, clip_low = 0.2, clip_high = 0.28, ratio_bound = "dual",
        dual_clip = 3.0, ecpo_delta = 0.1, log_ratio_limit = 20.0, kl_estimator = "k3",
        kl_coef = 1e-3, kl_value_limit = 10.0, kl_times_ratio = false))]
    #[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
    fn new(
        clip_low: f64,
        clip_high: f64,
        ratio_bound: &str,
        dual_clip: f64,
        ecpo_delta: f64,
        log_ratio_limit: f64,
        kl_estimator: &str,
        kl_coef: f64,
        kl_value_limit: Option<f64>,
        kl_times_ratio: bool,
    ) -> PyResult<Self> {
        let words = [("none", 0), ("dual", 1), ("ecpo", 2), ("gbpo", 3)];
        let clip = match choice("ratio_bound", ratio_bound, &words)? {
            0 => Clip::new(clip_low, clip_high, None),
            1 => Clip::new(clip_low, clip_high, Some(dual_clip)),
            2 => Clip::ecpo(clip_low, clip_high, ecpo_delta),
            _ => Ok(Clip::gbpo()),
        };
        let estimator = choice("kl_estimator", kl_estimator, &ESTIMATORS)?;
        let objective = Objective::new(clip.map_err(bad)?, log_ratio_limit, estimator, kl_coef);
        let double = objective
            .and_then(|objective| objective.with_kl_value_limit(kl_value_limit))
            .map_err(bad)?
            .with_kl_times_ratio(kl_times_ratio);
        let _: Objective<f32> = double.cast().map_err(bad)?;
        Ok(Self(double))
    }

    /// The ratio is clipped to at least `1 - clip_low`.
    #[getter]
    fn clip_low(&self) -> f64 {
        self.0.clip().low()
    }

    /// The ratio is clipped to at most `1 + clip_high`.
    #[getter]
    fn clip_high(&self) -> f64 {
        self.0.clip().high()
    }

    /// The coefficient of the KL penalty.
    #[getter]
    fn kl_coef(&self) -> f64 {
        self.0.kl_coef()
    }

    fn __repr__(&self) -> String {
        self.call().text("Objective")
    }

    fn __hash__(slf: &Bound<'_, Self>) -> PyResult<isize> {
        slf.repr()?.hash()
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<Pickled<'py>> {
        slf.get().call().pickled(slf.get_type().as_any())
    }
}
