//! From codes to rewards, scores, duplicates and anchors.

use numpy::PyArray1;
use pyo3::prelude::*;
use recast_core::Signal;
use recast_core::anchor::AnchorTarget;
use recast_core::duplicate::declare;
use recast_core::reward::{PrefixCredit, hit, structural_score};
use recast_core::signal::Recast;

use crate::arrays::{
    Number, Rows, bad, check_length, column, floats, index, integer_rows, offsets,
};
use crate::options::choice;
use crate::signal::PySignal;

/// Completions and targets of a batch as codes.
struct Codes {
    levels: usize,
    offsets: Vec<usize>,
    sid_offsets: Option<Vec<usize>>,
    codes: Rows,
    target_offsets: Vec<usize>,
    targets: Rows,
}

impl Codes {
    fn of(
        codes: &Bound<'_, PyAny>,
        bounds: &Bound<'_, PyAny>,
        targets: &Bound<'_, PyAny>,
        target_offsets: &Bound<'_, PyAny>,
        sid_offsets: Option<&Bound<'_, PyAny>>,
    ) -> PyResult<Self> {
        let codes = integer_rows(codes, "codes")?;
        let targets = integer_rows(targets, "targets")?;
        let levels = codes.width;
        if levels == 0 || targets.width != levels {
            return Err(bad(format!(
                "codes have {levels} levels, targets {}: give both as many, at least 1",
                targets.width
            )));
        }
        let sid_offsets = sid_offsets
            .map(|bounds| offsets(bounds, "sid_offsets", codes.rows, "rows of codes"))
            .transpose()?;
        let completions = sid_offsets.as_ref().map_or(codes.rows, |bounds| bounds.len() - 1);
        let offsets_of_groups = offsets(bounds, "offsets", completions, "completions")?;
        let target_offsets = offsets(target_offsets, "target_offsets", targets.rows, "targets")?;
        let groups = offsets_of_groups.len();
        check_length("target_offsets", target_offsets.len(), groups, "offsets")?;
        Ok(Self { levels, offsets: offsets_of_groups, sid_offsets, codes, target_offsets, targets })
    }

    /// The codes of the completions from one to another.
    fn completions(&self, start: usize, end: usize) -> &[i64] {
        match &self.sid_offsets {
            Some(offsets) => self.codes.between(offsets[start], offsets[end]),
            None => self.codes.between(start, end),
        }
    }

    fn targets(&self, group: usize) -> &[i64] {
        self.targets.between(self.target_offsets[group], self.target_offsets[group + 1])
    }

    fn groups(&self) -> impl Iterator<Item = (usize, usize, usize)> {
        self.offsets.windows(2).enumerate().map(|(group, pair)| (group, pair[0], pair[1]))
    }
}

/// The credit of a table, or the paper's without one.
fn credit_of<T: Number>(table: Option<&[T]>, levels: usize) -> PyResult<PrefixCredit<'_, T>> {
    let Some(table) = table else { return Ok(PrefixCredit::decimal()) };
    if table.len() != levels + 1 {
        let (entries, wanted) = (table.len(), levels + 1);
        return Err(bad(format!(
            "{entries} credits for {levels} levels: give {wanted}, from 0 equal codes on"
        )));
    }
    PrefixCredit::new(table).map_err(bad)
}

fn score_of<'py, T: Number>(
    py: Python<'py>,
    codes: &Codes,
    credit: Option<&Bound<'py, PyAny>>,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let table = credit.map(|credit| floats::<T>(credit, "credit")).transpose()?;
    let credit = credit_of(table.as_deref(), codes.levels)?;
    let (rewards, scores) = py.detach(|| {
        let rows = codes.offsets.last().copied().unwrap_or(0);
        let (mut rewards, mut scores) = (vec![T::of(0.0); rows], vec![T::of(0.0); rows]);
        for (group, start, end) in codes.groups() {
            let targets = codes.targets(group);
            for row in start..end {
                let completion = codes.completions(row, row + 1);
                if hit(completion, targets, codes.levels) {
                    rewards[row] = T::of(1.0);
                }
                scores[row] = structural_score(completion, targets, codes.levels, credit);
            }
        }
        (rewards, scores)
    });
    Ok((column(py, rewards).into_any(), column(py, scores).into_any()))
}

/// Rewards and structural scores of completions, from their codes.
///
/// ```text
/// reward = 1 if a predicted semantic ID (SID) is a target, else 0
/// score  = mean over predicted SIDs of the largest credit(d), d = number of equal leading codes
/// ```
///
/// The paper's credit is `0.1 ** (L - d)`, and 0 for d = 0. `credit` (L + 1,) is another, for d
/// from 0 to L. A token that is no code may be any number that no target has, such as -1.
///
/// Shapes: `codes` (P, L), `offsets` (B + 1,), `targets` (T, L), `target_offsets` (B + 1,). The
/// next item comes first among the targets. A completion has one SID, or those between its
/// `sid_offsets` (N + 1,). Returns `rewards` and `scores` (N,), float32, or float64 by `dtype`.
///
/// Errors: ValueError for offsets, levels or credits that do not fit; TypeError for other types.
/// "ReCast", Zhang et al., <https://arxiv.org/abs/2604.22169>.
///
/// >>> from recast_rl import score
/// >>> rewards, scores = score([[1, 2, 9], [1, 2, 3], [7, 8, 9]], [0, 3], [[1, 2, 3]], [0, 1])
/// >>> rewards.tolist(), [round(float(u), 6) for u in scores]
/// ([0.0, 1.0, 0.0], [0.1, 1.0, 0.0])
#[pyfunction]
#[pyo3(signature = (codes, offsets, targets, target_offsets, *, sid_offsets = None, credit = None,
    dtype = "float32"))]
#[expect(clippy::too_many_arguments, reason = "most are keywords in Python")]
pub(crate) fn score<'py>(
    py: Python<'py>,
    codes: &Bound<'py, PyAny>,
    offsets: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    target_offsets: &Bound<'py, PyAny>,
    sid_offsets: Option<&Bound<'py, PyAny>>,
    credit: Option<&Bound<'py, PyAny>>,
    dtype: &str,
) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyAny>)> {
    let double = choice("dtype", dtype, &[("float32", false), ("float64", true)])?;
    let codes = Codes::of(codes, offsets, targets, target_offsets, sid_offsets)?;
    if double { score_of::<f64>(py, &codes, credit) } else { score_of::<f32>(py, &codes, credit) }
}

/// The completions that repeat an earlier one of their group, for `plan(duplicate_of=..)`.
///
/// Beams are distinct; sampled completions need not be. Indices count from the start of the group:
/// that of the first completion with equal codes, or its own.
///
/// Shapes: `codes` (N, C), `offsets` (B + 1,). Returns (N,) int64. O(N F C) time with F different
/// completions in a group.
///
/// Errors: ValueError for offsets that do not fit, or completions of 0 codes.
///
/// >>> from recast_rl import duplicates
/// >>> duplicates([[1, 2], [4, 4], [1, 2], [1, 2]], [0, 3, 4]).tolist()
/// [0, 1, 0, 0]
#[pyfunction]
pub(crate) fn duplicates<'py>(
    py: Python<'py>,
    codes: &Bound<'py, PyAny>,
    offsets: &Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let codes = integer_rows(codes, "codes")?;
    if codes.width == 0 {
        return Err(bad("completions of 0 codes: give at least 1"));
    }
    let offsets = crate::arrays::offsets(offsets, "offsets", codes.rows, "completions")?;
    let repeated: Vec<i64> = py.detach(|| {
        let mut duplicate_of = vec![0; codes.rows];
        for pair in offsets.windows(2) {
            let completions = codes.between(pair[0], pair[1]);
            declare(completions, codes.width, &mut duplicate_of[pair[0]..pair[1]]);
        }
        duplicate_of.into_iter().map(|first| first as i64).collect()
    });
    Ok(column(py, repeated))
}

/// The target that the anchor of each group is written from, as a row of `targets`.
///
/// ReCast's choice is its `anchor_target`; every other signal takes the first target. Equally close
/// targets go to the first.
///
/// Shapes: as for `score`; `draws` (B,), 64 random bits each, for the choice "uniform". Returns
/// (B,) int64, -1 for a group without a target.
///
/// Errors: ValueError for columns that do not fit, or for a uniform choice without draws.
///
/// >>> from recast_rl import Signal, anchor_targets
/// >>> signal = Signal.recast(anchor_target="closest")
/// >>> codes, targets = [[7, 8, 1], [7, 2, 2]], [[1, 2, 3], [7, 8, 9]]
/// >>> anchor_targets(signal, codes, [0, 2], targets, [0, 2]).tolist()
/// [1]
#[pyfunction]
#[pyo3(signature = (signal, codes, offsets, targets, target_offsets, *, draws = None,
    sid_offsets = None, credit = None))]
#[expect(clippy::too_many_arguments, reason = "most are keywords in Python")]
pub(crate) fn anchor_targets<'py>(
    py: Python<'py>,
    signal: &Bound<'py, PySignal>,
    codes: &Bound<'py, PyAny>,
    offsets: &Bound<'py, PyAny>,
    targets: &Bound<'py, PyAny>,
    target_offsets: &Bound<'py, PyAny>,
    draws: Option<&Bound<'py, PyAny>>,
    sid_offsets: Option<&Bound<'py, PyAny>>,
    credit: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyArray1<i64>>> {
    let signal = signal.get().signal::<f64>();
    let codes = Codes::of(codes, offsets, targets, target_offsets, sid_offsets)?;
    let groups = codes.offsets.len() - 1;
    let table = credit.map(|credit| floats::<f64>(credit, "credit")).transpose()?;
    let credit = credit_of(table.as_deref(), codes.levels)?;
    let draws = draws.map(|bits| crate::arrays::draws(bits, "draws")).transpose()?;
    match &draws {
        Some(draws) => check_length("draws", draws.len(), groups, "groups")?,
        None => {
            let uniform = AnchorTarget::Uniform;
            if let Signal::Recast(Recast { anchor_target, .. }) = signal
                && anchor_target == uniform
            {
                return Err(bad("anchor_target='uniform' needs draws: 64 random bits a group"));
            }
        }
    }
    let anchors: Vec<i64> = py.detach(|| {
        let anchor = |(group, start, end): (usize, usize, usize)| {
            let draw = draws.as_ref().map_or(0, |draws| draws[group]);
            let (completions, targets) = (codes.completions(start, end), codes.targets(group));
            let target = signal.anchor_target(completions, targets, codes.levels, credit, draw);
            index(target.map(|target| codes.target_offsets[group] + target))
        };
        codes.groups().map(anchor).collect()
    });
    Ok(column(py, anchors))
}
