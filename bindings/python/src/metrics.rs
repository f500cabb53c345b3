//! Ranking metrics of many prompts.

use numpy::PyArray1;
use pyo3::prelude::*;
use recast_core::metrics;

use crate::arrays::{check_length, column, integer_rows, integers, offsets};

type Metric = fn(&[i64], &[i64], usize) -> f64;
type Values<'py> = PyResult<Bound<'py, PyArray1<f64>>>;

fn each<'py>(
    metric: Metric,
    predictions: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    target_offsets: &Bound<'py, PyAny>,
    k: usize,
) -> Values<'py> {
    let py = predictions.py();
    let predictions = integer_rows(predictions, "predictions")?;
    let targets = integers(targets, "targets")?;
    let bounds = offsets(target_offsets, "target_offsets", targets.len(), "targets")?;
    check_length("target_offsets", bounds.len() - 1, predictions.rows, "rows of predictions")?;
    let values: Vec<f64> = py.detach(|| {
        let value =
            |row: usize| metric(predictions.row(row), &targets[bounds[row]..bounds[row + 1]], k);
        (0..predictions.rows).map(value).collect()
    });
    Ok(column(py, values))
}

/// Pass@k of each prompt: 1 if any of the first k predictions is a target, else 0.
///
/// Shapes: `predictions` (B, P), item numbers, the best first; `targets` (T,), `target_offsets`
/// (B + 1,). Returns (B,) float64. Errors: ValueError for columns that do not fit.
///
/// >>> from recast_rl.metrics import pass_at_k
/// >>> pass_at_k([[4, 2], [7, 8]], [2, 9], [0, 1, 2], k=2).tolist()
/// [1.0, 0.0]
#[pyfunction]
#[pyo3(signature = (predictions, targets, target_offsets, *, k))]
pub(crate) fn pass_at_k<'py>(
    predictions: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    target_offsets: &Bound<'py, PyAny>,
    k: usize,
) -> Values<'py> {
    each(metrics::pass_at_k, predictions, targets, target_offsets, k)
}

/// The hit rate of each prompt: Pass@k under its name for prompts with one target.
///
/// Shapes and errors: those of `pass_at_k`.
///
/// >>> from recast_rl.metrics import hit_rate_at_k
/// >>> hit_rate_at_k([[4, 2]], [2], [0, 1], k=1).tolist()
/// [0.0]
#[pyfunction]
#[pyo3(signature = (predictions, targets, target_offsets, *, k))]
pub(crate) fn hit_rate_at_k<'py>(
    predictions: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    target_offsets: &Bound<'py, PyAny>,
    k: usize,
) -> Values<'py> {
    each(metrics::hit_rate_at_k, predictions, targets, target_offsets, k)
}

/// The share of each prompt's targets that is among the first k predictions.
///
/// Shapes and errors: those of `pass_at_k`. A prompt without a target has 0.
///
/// >>> from recast_rl.metrics import recall_at_k
/// >>> recall_at_k([[4, 2]], [2, 9], [0, 2], k=2).tolist()
/// [0.5]
#[pyfunction]
#[pyo3(signature = (predictions, targets, target_offsets, *, k))]
pub(crate) fn recall_at_k<'py>(
    predictions: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    target_offsets: &Bound<'py, PyAny>,
    k: usize,
) -> Values<'py> {
    each(metrics::recall_at_k, predictions, targets, target_offsets, k)
}

/// The normalised discounted cumulative gain of each prompt's first k predictions.
///
/// Shapes and errors: those of `pass_at_k`. A prompt without a target has 0. "Cumulated gain-based
/// evaluation of IR techniques", Järvelin and Kekäläinen,
/// <https://doi.org/10.1145/582415.582418>.
///
/// >>> from recast_rl.metrics import ndcg_at_k
/// >>> ndcg_at_k([[5, 6, 7, 8]], [7], [0, 1], k=4).tolist()
/// [0.5]
#[pyfunction]
#[pyo3(signature = (predictions, targets, target_offsets, *, k))]
pub(crate) fn ndcg_at_k<'py>(
    predictions: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    target_offsets: &Bound<'py, PyAny>,
    k: usize,
) -> Values<'py> {
    each(metrics::ndcg_at_k, predictions, targets, target_offsets, k)
}
