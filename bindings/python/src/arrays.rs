//! From Python's arrays to columns of core, and back.

use numpy::{Element, PyArray1, PyArrayDyn, PyArrayMethods, PyUntypedArrayMethods};
use pyo3::exceptions::{PyTypeError, PyValueError};
use pyo3::prelude::*;
use recast_core::Real;

/// The error of a value that is out of its range.
pub(crate) fn bad(error: impl core::fmt::Display) -> PyErr {
    PyValueError::new_err(error.to_string())
}

/// The floats of core that Python has.
pub(crate) trait Number: Real + Element + Send + Sync {
    /// The name of NumPy's type.
    const NAME: &'static str;
}

impl Number for f32 {
    const NAME: &'static str = "float32";
}

impl Number for f64 {
    const NAME: &'static str = "float64";
}

/// A copy of an array, in the order of rows.
#[derive(Debug)]
pub(crate) struct Table<T> {
    pub(crate) values: Vec<T>,
    pub(crate) shape: Vec<usize>,
}

fn copy<T: Element + Copy>(array: &Bound<'_, PyArrayDyn<T>>) -> PyResult<Table<T>> {
    let view = array.try_readonly().map_err(bad)?;
    let shape = view.shape().to_vec();
    // a slice in the order of columns is one too
    let values = match view.as_slice() {
        Ok(values) if view.is_c_contiguous() => values.to_vec(),
        _ => view.as_array().iter().copied().collect(),
    };
    Ok(Table { values, shape })
}

/// The array of a kind that Python's side makes of anything.
fn host<'py>(values: &Bound<'py, PyAny>, name: &str, kind: &str) -> PyResult<Bound<'py, PyAny>> {
    values.py().import("recast_rl._arrays")?.getattr("host")?.call1((values, name, kind))
}

fn table<T: Element + Copy>(
    values: &Bound<'_, PyAny>,
    name: &str,
    kind: &str,
    dimensions: usize,
) -> PyResult<Table<T>> {
    let table = match values.cast::<PyArrayDyn<T>>() {
        Ok(array) => copy(array)?,
        Err(_) => copy(host(values, name, kind)?.cast::<PyArrayDyn<T>>()?)?,
    };
    if table.shape.len() != dimensions {
        return Err(PyValueError::new_err(format!(
            "{name} have {} dimensions of sizes {:?}: give {dimensions}",
            table.shape.len(),
            table.shape
        )));
    }
    Ok(table)
}

/// Whether numbers are in double precision; the array of any other library becomes NumPy's.
pub(crate) fn precision<'py>(
    values: &Bound<'py, PyAny>,
    name: &str,
) -> PyResult<(bool, Bound<'py, PyAny>)> {
    let is = |values: &Bound<'py, PyAny>| {
        if values.cast::<PyArrayDyn<f64>>().is_ok() {
            Some(true)
        } else {
            values.cast::<PyArrayDyn<f32>>().is_ok().then_some(false)
        }
    };
    if let Some(double) = is(values) {
        return Ok((double, values.clone()));
    }
    let array = host(values, name, "float")?;
    let double = is(&array).ok_or_else(|| PyTypeError::new_err(format!("{name} are no floats")))?;
    Ok((double, array))
}

/// A column of floats. All columns of a call have one precision.
pub(crate) fn floats<T: Number>(values: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<T>> {
    let (double, array) = precision(values, name)?;
    if double != (T::NAME == f64::NAME) {
        // Python's own numbers have no precision of their own
        if !values.hasattr("dtype")? {
            let array = array.call_method1("astype", (T::NAME,))?;
            return Ok(table::<T>(&array, name, "float", 1)?.values);
        }
        let given = if double { f64::NAME } else { f32::NAME };
        return Err(PyTypeError::new_err(format!(
            "{name} are {given}, the first floats of the call {}: give both alike",
            T::NAME
        )));
    }
    Ok(table::<T>(&array, name, "float", 1)?.values)
}

/// A column of integers.
pub(crate) fn integers(values: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<i64>> {
    Ok(table(values, name, "int", 1)?.values)
}

/// Rows of integers, of one width.
#[derive(Debug)]
pub(crate) struct Rows {
    values: Vec<i64>,
    pub(crate) rows: usize,
    pub(crate) width: usize,
}

impl Rows {
    /// The rows from one to another, flat.
    pub(crate) fn between(&self, start: usize, end: usize) -> &[i64] {
        &self.values[start * self.width..end * self.width]
    }

    pub(crate) fn row(&self, row: usize) -> &[i64] {
        self.between(row, row + 1)
    }
}

/// A table of integers.
pub(crate) fn integer_rows(values: &Bound<'_, PyAny>, name: &str) -> PyResult<Rows> {
    let Table { values, shape } = table(values, name, "int", 2)?;
    Ok(Rows { values, rows: shape[0], width: shape[1] })
}

/// A column of integers of at least 0.
pub(crate) fn counts(values: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<usize>> {
    let count = |(index, &value): (usize, &i64)| {
        usize::try_from(value).map_err(|_| bad(format!("{name}: {value} at {index} is below 0")))
    };
    integers(values, name)?.iter().enumerate().map(count).collect()
}

/// A column of 64 random bits each.
pub(crate) fn draws(values: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<u64>> {
    Ok(table(values, name, "uint", 1)?.values)
}

/// A column of marks.
pub(crate) fn marks(values: &Bound<'_, PyAny>, name: &str) -> PyResult<Vec<bool>> {
    Ok(table(values, name, "bool", 1)?.values)
}

/// Offsets that rise from 0 to a number of elements.
pub(crate) fn offsets(
    values: &Bound<'_, PyAny>,
    name: &str,
    elements: usize,
    of: &str,
) -> PyResult<Vec<usize>> {
    let offsets = counts(values, name)?;
    let (Some(&first), Some(&last)) = (offsets.first(), offsets.last()) else {
        return Err(bad(format!(
            "{name} are empty: give the start of each and the end of the last"
        )));
    };
    if first != 0 {
        return Err(bad(format!("{name} start at {first}: they rise from 0")));
    }
    if let Some(at) = offsets.windows(2).position(|pair| pair[1] < pair[0]) {
        let (start, end) = (offsets[at], offsets[at + 1]);
        return Err(bad(format!("{name} fall from {start} to {end} at {}", at + 1)));
    }
    if last != elements {
        return Err(bad(format!(
            "{name} end at {last} for {elements} {of}: it has to be their number"
        )));
    }
    Ok(offsets)
}

/// Indices for Python, where -1 says none.
pub(crate) fn index(place: Option<usize>) -> i64 {
    place.and_then(|place| i64::try_from(place).ok()).unwrap_or(-1)
}

/// A column for Python, without a copy.
pub(crate) fn column<T: Element>(py: Python<'_>, values: Vec<T>) -> Bound<'_, PyArray1<T>> {
    PyArray1::from_vec(py, values)
}

/// Checks that there is one for each.
pub(crate) fn check_length(name: &str, length: usize, wanted: usize, of: &str) -> PyResult<()> {
    if length != wanted {
        return Err(bad(format!("{length} {name} for {wanted} {of}: give one for each")));
    }
    Ok(())
}

/// Calls a function generic over [`Number`] in the precision of an array.
macro_rules! in_precision {
    ($values:expr, $name:expr, $function:ident($($argument:expr),* $(,)?)) => {{
        let (double, array) = $crate::arrays::precision($values, $name)?;
        if double {
            $function::<f64>(&array, $($argument),*)
        } else {
            $function::<f32>(&array, $($argument),*)
        }
    }};
}
pub(crate) use in_precision;
