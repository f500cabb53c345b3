//! The moving average of a gated repair.

use pyo3::prelude::*;
use recast_core::Regime;
use recast_core::repair::{AllZeroParts, AllZeroRate};

use crate::arrays::{bad, integers};

/// The moving average of the share of all-zero groups, for a gated repair.
///
/// ```text
/// total  <- decay total + (1 - decay) [all-zero]
/// weight <- decay weight + (1 - decay)
/// rate    = total / weight
/// ```
///
/// Groups are observed as they were sampled, in one order. `parts` and `from_parts` serve a
/// checkpoint.
///
/// Errors: ValueError if the decay is not at least 0 and below 1.
///
/// >>> from recast_rl import AllZeroRate
/// >>> average = AllZeroRate(decay=0.5)
/// >>> average.rate is None
/// True
/// >>> average.observe([0, 0, 1])
/// >>> round(average.rate, 3)
/// 0.429
#[pyclass(module = "recast_rl", name = "AllZeroRate")]
#[derive(Clone, Debug)]
pub(crate) struct PyAllZeroRate(AllZeroRate<f64>);

#[pymethods]
impl PyAllZeroRate {
    #[new]
    #[pyo3(signature = (*, decay = 0.99))]
    fn new(decay: f64) -> PyResult<Self> {
        AllZeroRate::new(decay).map(Self).map_err(bad)
    }

    /// An average with the parts of another, which it continues.
    ///
    /// Errors: ValueError if not `0 <= total <= weight <= 1`, or for a decay out of range.
    #[staticmethod]
    fn from_parts(decay: f64, total: f64, weight: f64) -> PyResult<Self> {
        let parts = AllZeroParts { decay, total, weight };
        AllZeroRate::from_parts(parts).map(Self).map_err(bad)
    }

    /// Decay, total and weight.
    #[getter]
    fn parts(&self) -> (f64, f64, f64) {
        let AllZeroParts { decay, total, weight } = self.0.parts();
        (decay, total, weight)
    }

    /// The share of all-zero groups; None before the first group.
    #[getter]
    fn rate(&self) -> Option<f64> {
        self.0.rate()
    }

    /// Counts groups as they were sampled: `Plan.regimes`.
    ///
    /// Errors: ValueError for a number that is no regime.
    fn observe(&mut self, regimes: &Bound<'_, PyAny>) -> PyResult<()> {
        let regime = |(group, regime): (usize, i64)| match regime {
            0 => Ok(Regime::AllZero),
            1 => Ok(Regime::SingleHit),
            2 => Ok(Regime::MultiHit),
            3 => Ok(Regime::AllHit),
            _ => Err(bad(format!("regime {regime} of group {group} is none of 0 to 3"))),
        };
        let regimes = integers(regimes, "regimes")?.into_iter().enumerate().map(regime);
        for regime in regimes.collect::<PyResult<Vec<_>>>()? {
            self.0.observe(regime);
        }
        Ok(())
    }

    fn __repr__(&self) -> String {
        let (decay, total, weight) = self.parts();
        format!("AllZeroRate.from_parts({decay:?}, {total:?}, {weight:?})")
    }

    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, (f64, f64, f64))> {
        Ok((slf.get_type().getattr("from_parts")?, slf.borrow().parts()))
    }
}
