//! Rows by group.

use pyo3::prelude::*;
use pyo3::types::PyDict;

use crate::arrays::column;

type Order<'py> = (Bound<'py, numpy::PyArray1<i64>>, Bound<'py, numpy::PyArray1<i64>>);

/// Groups rows by a key, such as the uid of a prompt.
///
/// Groups come in the order of their first rows, and rows keep their order inside a group. Keys are
/// any hashable values. O(N) time.
///
/// Returns `order`, (N,) int64, the rows group by group, and `offsets`, (B + 1,) int64:
/// `values[order]` is then laid out as `plan` reads it.
///
/// Errors: TypeError for a key that cannot be hashed.
///
/// >>> from recast_rl import group_rows
/// >>> order, offsets = group_rows(["b", "a", "b", "a", "b"])
/// >>> order.tolist(), offsets.tolist()
/// ([0, 2, 4, 1, 3], [0, 3, 5])
#[pyfunction]
pub(crate) fn group_rows<'py>(py: Python<'py>, keys: &Bound<'py, PyAny>) -> PyResult<Order<'py>> {
    let known = PyDict::new(py);
    let (mut groups, mut sizes): (Vec<usize>, Vec<usize>) = (Vec::new(), Vec::new());
    for key in keys.try_iter()? {
        let key = key?;
        let group = match known.get_item(&key)? {
            Some(group) => group.extract()?,
            None => {
                known.set_item(key, sizes.len())?;
                sizes.push(0);
                sizes.len() - 1
            }
        };
        sizes[group] += 1;
        groups.push(group);
    }
    let mut offsets = vec![0];
    for size in &sizes {
        offsets.push(offsets[offsets.len() - 1] + size);
    }
    let mut next = offsets.clone();
    let mut order = vec![0_i64; groups.len()];
    for (row, &group) in groups.iter().enumerate() {
        order[next[group]] = row as i64;
        next[group] += 1;
    }
    let offsets = offsets.into_iter().map(|offset| offset as i64).collect();
    Ok((column(py, order), column(py, offsets)))
}
