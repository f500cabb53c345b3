//! Options by name: words as choices, and the call that an object shows.

use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::types::PyDict;

/// The choice of a word.
pub(crate) fn choice<T: Copy>(name: &str, word: &str, choices: &[(&str, T)]) -> PyResult<T> {
    if let Some(&(_, choice)) = choices.iter().find(|(known, _)| *known == word) {
        return Ok(choice);
    }
    let known: Vec<_> = choices.iter().map(|(known, _)| format!("'{known}'")).collect();
    Err(PyValueError::new_err(format!("{name} '{word}' is unknown: give {}", known.join(", "))))
}

/// The word of a choice.
pub(crate) fn word<T: PartialEq>(choices: &[(&'static str, T)], choice: &T) -> &'static str {
    choices.iter().find(|(_, known)| known == choice).map_or("", |(word, _)| word)
}

/// The value of an option.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Value {
    Word(&'static str),
    Number(f64),
    Count(usize),
    Flag(bool),
    Missing,
}

impl From<Option<f64>> for Value {
    fn from(number: Option<f64>) -> Self {
        number.map_or(Self::Missing, Self::Number)
    }
}

/// A function and its arguments: class, method and keywords.
pub(crate) type Pickled<'py> =
    (Bound<'py, PyAny>, (Bound<'py, PyAny>, &'static str, Bound<'py, PyDict>));

/// A call: the method, empty for the class itself, and its keywords.
pub(crate) struct Call {
    pub(crate) method: &'static str,
    pub(crate) options: Vec<(&'static str, Value)>,
}

impl Call {
    /// The call as Python writes it.
    pub(crate) fn text(&self, class: &str) -> String {
        let dot = if self.method.is_empty() { "" } else { "." };
        let options: Vec<_> = self
            .options
            .iter()
            .map(|(name, value)| match *value {
                Value::Word(word) => format!("{name}='{word}'"),
                Value::Number(number) => format!("{name}={number:?}"),
                Value::Count(count) => format!("{name}={count}"),
                Value::Flag(true) => format!("{name}=True"),
                Value::Flag(false) => format!("{name}=False"),
                Value::Missing => format!("{name}=None"),
            })
            .collect();
        format!("{class}{dot}{}({})", self.method, options.join(", "))
    }

    /// The options by name.
    pub(crate) fn named<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        let options = PyDict::new(py);
        for &(name, value) in &self.options {
            match value {
                Value::Word(word) => options.set_item(name, word)?,
                Value::Number(number) => options.set_item(name, number)?,
                Value::Count(count) => options.set_item(name, count)?,
                Value::Flag(flag) => options.set_item(name, flag)?,
                Value::Missing => options.set_item(name, py.None())?,
            }
        }
        Ok(options)
    }

    /// The function and the arguments that a pickle keeps.
    pub(crate) fn pickled<'py>(&self, class: &Bound<'py, PyAny>) -> PyResult<Pickled<'py>> {
        let py = class.py();
        let restore = py.import("recast_rl._types")?.getattr("restore")?;
        Ok((restore, (class.clone(), self.method, self.named(py)?)))
    }
}
