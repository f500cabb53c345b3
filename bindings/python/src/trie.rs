//! The legal completions of a catalogue.

use numpy::PyArray1;
use pyo3::prelude::*;
use recast_core::trie::{TrieView, build, count_nodes};

use crate::arrays::{bad, column, integer_rows};

/// The legal token sequences of a catalogue as a trie.
///
/// `sequences`: (items, L) integers, in any order, repeats allowed: codes of semantic IDs, or token
/// ids of a language model. O(n L log n) time for n items; 12 bytes a node.
///
/// Errors: ValueError for sequences of 0 tokens, or for more nodes than 32-bit numbers hold.
///
/// >>> from recast_rl import Trie
/// >>> trie = Trie([[1, 5], [1, 7], [4, 5]])
/// >>> trie.levels, trie.nodes, trie.sequences
/// (2, 6, 3)
/// >>> offsets, tokens = trie.allowed([[1], [4], [9]])
/// >>> offsets.tolist(), tokens.tolist()
/// ([0, 2, 3, 3], [5, 7, 5])
/// >>> trie.contains([[1, 7], [4, 7]]).tolist()
/// [True, False]
#[pyclass(frozen, module = "recast_rl", name = "Trie")]
#[derive(Debug)]
pub(crate) struct PyTrie {
    first_child: Vec<u32>,
    tokens: Vec<i64>,
    levels: usize,
}

type Allowed<'py> = (Bound<'py, PyArray1<i64>>, Bound<'py, PyArray1<i64>>);

impl PyTrie {
    fn view(&self) -> PyResult<TrieView<'_, i64>> {
        TrieView::new(&self.first_child, &self.tokens).map_err(bad)
    }
}

#[pymethods]
impl PyTrie {
    #[new]
    fn new(py: Python<'_>, sequences: &Bound<'_, PyAny>) -> PyResult<Self> {
        let sequences = integer_rows(sequences, "sequences")?;
        let levels = sequences.width;
        py.detach(|| {
            let mut rows: Vec<_> = (0..sequences.rows).map(|row| sequences.row(row)).collect();
            rows.sort_unstable();
            let rows = rows.iter().copied();
            let nodes = count_nodes(rows.clone(), levels)?;
            let (mut first_child, mut tokens) = (vec![0; nodes + 1], vec![0; nodes]);
            build(rows, levels, &mut first_child, &mut tokens)?;
            Ok(Self { first_child, tokens, levels })
        })
        .map_err(|error: recast_core::trie::TrieError| bad(error))
    }

    /// The number of tokens of a sequence, L.
    #[getter]
    fn levels(&self) -> usize {
        self.levels
    }

    /// The number of nodes, with the root.
    #[getter]
    fn nodes(&self) -> usize {
        self.tokens.len()
    }

    /// The number of different sequences.
    #[getter]
    fn sequences(&self) -> usize {
        // every node but the root has a child, unless a sequence ends there
        self.first_child.windows(2).skip(1).filter(|children| children[0] == children[1]).count()
    }

    /// The tokens that may follow each prefix.
    ///
    /// `prefixes`: (R, d) integers. An unknown prefix allows nothing, and neither does a whole
    /// sequence. Returns `offsets`, (R + 1,), and `tokens`, int64, where those of prefix r are
    /// `tokens[offsets[r]:offsets[r + 1]]`, ascending. O(R d log nodes) time.
    fn allowed<'py>(
        &self,
        py: Python<'py>,
        prefixes: &Bound<'py, PyAny>,
    ) -> PyResult<Allowed<'py>> {
        let prefixes = integer_rows(prefixes, "prefixes")?;
        let view = self.view()?;
        let (offsets, tokens) = py.detach(|| {
            let (mut offsets, mut tokens) = (vec![0_i64], Vec::new());
            for row in 0..prefixes.rows {
                if let Some(node) = view.walk(prefixes.row(row)) {
                    tokens.extend_from_slice(view.tokens(node));
                }
                offsets.push(tokens.len() as i64);
            }
            (offsets, tokens)
        });
        Ok((column(py, offsets), column(py, tokens)))
    }

    /// Whether each sequence is legal.
    ///
    /// `sequences`: (R, d) integers; none is legal where d is not L. Returns (R,) booleans.
    fn contains<'py>(
        &self,
        py: Python<'py>,
        sequences: &Bound<'py, PyAny>,
    ) -> PyResult<Bound<'py, PyArray1<bool>>> {
        let sequences = integer_rows(sequences, "sequences")?;
        let view = self.view()?;
        let is_legal =
            |row| sequences.width == self.levels && view.walk(sequences.row(row)).is_some();
        let found: Vec<bool> = py.detach(|| (0..sequences.rows).map(is_legal).collect());
        Ok(column(py, found))
    }

    fn __repr__(&self) -> String {
        format!("<Trie of {} nodes, {} levels>", self.tokens.len(), self.levels)
    }
}
