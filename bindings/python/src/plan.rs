//! Repair and selection of a batch.

use pyo3::prelude::*;
use recast_core::batch::{Anchors, BatchEvidence, BatchOutcome, Columns, GroupPlan};
use recast_core::{Regime, Skip};

use crate::arrays::{
    Number, bad, column, counts, draws, floats, in_precision, index, marks, offsets,
};
use crate::signal::PySignal;

/// The optional columns of a call, as Python gave them.
struct Given<'a, 'py> {
    old_log_probs: Option<&'a Bound<'py, PyAny>>,
    duplicate_of: Option<&'a Bound<'py, PyAny>>,
    lengths: Option<&'a Bound<'py, PyAny>>,
    hits: Option<&'a Bound<'py, PyAny>>,
    hit_threshold: Option<f64>,
    first_codes: Option<&'a Bound<'py, PyAny>>,
    anchor_first_codes: Option<&'a Bound<'py, PyAny>>,
    draws: Option<&'a Bound<'py, PyAny>>,
    can_repair: Option<&'a Bound<'py, PyAny>>,
    all_zero_rate: Option<f64>,
    anchor_log_probs: Option<&'a Bound<'py, PyAny>>,
}

/// The columns of a plan before they become arrays.
struct Planned<T> {
    rows: Vec<i64>,
    advantages: Vec<T>,
    groups: Vec<i64>,
    divisors: Vec<i64>,
    repaired: Vec<i64>,
    skips: Vec<u8>,
    regimes: Vec<u8>,
}

impl<T: Number> Planned<T> {
    fn of(offsets: &[usize], kept: &[usize], advantages: &[T], plans: &[GroupPlan]) -> Self {
        let groups = plans.len();
        let mut planned = Self {
            rows: Vec::new(),
            advantages: Vec::new(),
            groups: Vec::new(),
            divisors: vec![0; groups],
            repaired: vec![-1; groups],
            skips: vec![0; groups],
            regimes: vec![0; groups],
        };
        for (group, plan) in plans.iter().enumerate() {
            let start = offsets[group];
            planned.repaired[group] = index(plan.repaired.map(|slot| start + slot));
            planned.regimes[group] = match plan.regime {
                Regime::AllZero => 0,
                Regime::SingleHit => 1,
                Regime::MultiHit => 2,
                Regime::AllHit => 3,
            };
            match plan.outcome {
                BatchOutcome::Trained { kept: count, divisor } => {
                    planned.divisors[group] = divisor as i64;
                    for place in start..start + count {
                        planned.rows.push((start + kept[place]) as i64);
                        planned.advantages.push(advantages[place]);
                        planned.groups.push(group as i64);
                    }
                }
                BatchOutcome::Skipped(skip) => {
                    planned.skips[group] = match skip {
                        Skip::NoPositive => 1,
                        Skip::NoNegative => 2,
                        Skip::NoLead => 3,
                    };
                }
            }
        }
        planned
    }

    fn into_python(self, py: Python<'_>) -> PyResult<Bound<'_, PyAny>> {
        py.import("recast_rl._types")?.getattr("Plan")?.call1((
            column(py, self.rows),
            column(py, self.advantages),
            column(py, self.groups),
            column(py, self.divisors),
            column(py, self.repaired),
            column(py, self.skips),
            column(py, self.regimes),
        ))
    }
}

fn plan_of<'py, T: Number>(
    rewards: &Bound<'py, PyAny>,
    signal: &PySignal,
    bounds: &Bound<'py, PyAny>,
    scores: &Bound<'py, PyAny>,
    given: &Given<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = rewards.py();
    let mut rewards = floats::<T>(rewards, "rewards")?;
    let offsets = offsets(bounds, "offsets", rewards.len(), "rewards")?;
    let groups = offsets.len() - 1;
    let mut scores = floats::<T>(scores, "scores")?;
    let old = given.old_log_probs.map(|old| floats::<T>(old, "old_log_probs")).transpose()?;
    let mut duplicate_of = given.duplicate_of.map(|of| counts(of, "duplicate_of")).transpose()?;
    let lengths = given.lengths.map(|lengths| counts(lengths, "lengths")).transpose()?;
    let mut hits = given.hits.map(|hits| marks(hits, "hits")).transpose()?;
    let mut codes = given.first_codes.map(|codes| counts(codes, "first_codes")).transpose()?;
    let draws = given.draws.map(|bits| draws(bits, "draws")).transpose()?;
    let legal = given.can_repair.map(|legal| marks(legal, "can_repair")).transpose()?;
    let anchor_codes = given.anchor_first_codes;
    let anchor_codes = anchor_codes.map(|codes| counts(codes, "anchor_first_codes")).transpose()?;
    let log_probs = given.anchor_log_probs;
    let log_probs = log_probs.map(|log_probs| floats::<T>(log_probs, "anchor_log_probs"));
    let log_probs = log_probs.transpose()?;
    let signal = signal.signal::<T>();
    let (threshold, rate) = (given.hit_threshold.map(T::of), given.all_zero_rate.map(T::of));
    let planned = py.detach(|| {
        let mut columns = Columns {
            offsets: &offsets,
            rewards: &mut rewards,
            structural_scores: &mut scores,
            old_log_probs: old.as_deref(),
            duplicate_of: duplicate_of.as_deref_mut(),
            lengths: lengths.as_deref(),
            hit_threshold: threshold,
            hits: hits.as_deref_mut(),
            first_codes: codes.as_deref_mut(),
            draws: draws.as_deref(),
        };
        let evidence =
            BatchEvidence { all_zero_rate: rate, anchor_log_probs: log_probs.as_deref() };
        let anchors =
            Anchors { legal: legal.as_deref(), first_codes: anchor_codes.as_deref(), evidence };
        let rows = columns.rewards.len();
        let (mut kept, mut advantages) = (vec![0; rows], vec![T::of(0.0); rows]);
        let mut plans = vec![GroupPlan::default(); groups];
        signal.plan_batch(&mut columns, anchors, &mut kept, &mut advantages, &mut plans)?;
        Ok(Planned::of(&offsets, &kept, &advantages, &plans))
    });
    planned.map_err(|error: recast_core::batch::BatchError| bad(error))?.into_python(py)
}

/// Repairs and selects every group of a batch: the one call of a trainer's step.
///
/// Rows of N completions stand group by group; group b is `offsets[b]` to `offsets[b + 1]`. A
/// repaired row counts with reward and score 1. The caller overwrites the completion
/// `Plan.repaired` with its group's anchor, and computes log-probs of `Plan.rows` alone. O(N) time;
/// other threads of Python run meanwhile.
///
/// Shapes: `offsets` (B + 1,), `rewards` and `scores` (N,). Floats are all float32 or all float64,
/// as `rewards` are. The other columns may be left out:
///
/// - `old_log_probs` (N,), sums over tokens at sampling, order ties;
/// - `duplicate_of` (N,) is the result of `duplicates`;
/// - `lengths` (N,), numbers of tokens, are read by OPO and REINFORCE++;
/// - `hits` (N,), booleans, or `hit_threshold` replace the rule that a hit has a reward of 0.5;
/// - `first_codes` (N,) and `anchor_first_codes` (B,) serve the rule "shared_prefix";
/// - `draws` (B,), 64 random bits each, serve a uniform choice;
/// - `can_repair` (B,), booleans, say whether an anchor is legal: no other is written;
/// - `all_zero_rate` serves a gated repair, `anchor_log_probs` (B,) a confident one.
///
/// Errors: ValueError with group, index and number for values that core refuses. TypeError for
/// arrays of another type. "ReCast", Zhang et al., <https://arxiv.org/abs/2604.22169>.
///
/// >>> from recast_rl import Signal, plan
/// >>> rewards = [0.0, 0.0, 0.0, 0.0, 1.0]
/// >>> scores = [0.1, 0.0, 0.01, 0.0, 1.0]
/// >>> kept = plan(Signal.recast(), [0, 3, 5], rewards, scores)
/// >>> kept.rows.tolist(), kept.advantages.tolist(), kept.repaired.tolist()
/// ([0, 1, 3, 4], [-1.0, 1.0, -1.0, 1.0], [1, -1])
/// >>> plan(Signal.recast(), [0, 1], [float("nan")], [0.0])
/// Traceback (most recent call last):
///     ...
/// ValueError: group 0: reward NaN of completion 0 is not finite
#[pyfunction]
#[pyo3(signature = (signal, offsets, rewards, scores, *, old_log_probs = None,
    duplicate_of = None, lengths = None, hits = None, hit_threshold = None, first_codes = None,
    anchor_first_codes = None, draws = None, can_repair = None, all_zero_rate = None,
    anchor_log_probs = None))]
#[expect(clippy::too_many_arguments, reason = "they are keywords in Python")]
pub(crate) fn plan<'py>(
    signal: &Bound<'py, PySignal>,
    offsets: &Bound<'py, PyAny>,
    rewards: &Bound<'py, PyAny>,
    scores: &Bound<'py, PyAny>,
    old_log_probs: Option<&Bound<'py, PyAny>>,
    duplicate_of: Option<&Bound<'py, PyAny>>,
    lengths: Option<&Bound<'py, PyAny>>,
    hits: Option<&Bound<'py, PyAny>>,
    hit_threshold: Option<f64>,
    first_codes: Option<&Bound<'py, PyAny>>,
    anchor_first_codes: Option<&Bound<'py, PyAny>>,
    draws: Option<&Bound<'py, PyAny>>,
    can_repair: Option<&Bound<'py, PyAny>>,
    all_zero_rate: Option<f64>,
    anchor_log_probs: Option<&Bound<'py, PyAny>>,
) -> PyResult<Bound<'py, PyAny>> {
    let given = Given {
        old_log_probs,
        duplicate_of,
        lengths,
        hits,
        hit_threshold,
        first_codes,
        anchor_first_codes,
        draws,
        can_repair,
        all_zero_rate,
        anchor_log_probs,
    };
    in_precision!(rewards, "rewards", plan_of(signal.get(), offsets, scores, &given))
}
