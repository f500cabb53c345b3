//! The compiled module of the wheel `recast-rl`: recast-core over NumPy arrays.
//!
//! Inputs are copied, then Python's lock is released. No input can change under the calculation,
//! and results are handed over without a copy. Every number is checked before core could panic.

mod arrays;
mod codes;
mod loss;
mod metrics;
mod objective;
mod options;
mod plan;
mod rate;
mod rows;
mod signal;
mod trie;

use pyo3::pymodule;

/// Learning signals for reinforcement learning in generative recommendation.
#[pymodule]
mod _core {
    #[pymodule_export]
    use crate::codes::{anchor_targets, duplicates, score};
    #[pymodule_export]
    use crate::loss::{group_loss, token_advantages, token_loss};
    #[pymodule_export]
    use crate::metrics::{hit_rate_at_k, ndcg_at_k, pass_at_k, recall_at_k};
    #[pymodule_export]
    use crate::objective::PyObjective;
    #[pymodule_export]
    use crate::plan::plan;
    #[pymodule_export]
    use crate::rate::PyAllZeroRate;
    #[pymodule_export]
    use crate::rows::group_rows;
    #[pymodule_export]
    use crate::signal::PySignal;
    #[pymodule_export]
    use crate::trie::PyTrie;
}
