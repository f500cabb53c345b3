//! Losses in closed form, value and gradient, and the advantages of tokens.

use pyo3::prelude::*;
use recast_core::Group;
use recast_core::objective::{
    CompletionTokens, GroupTokens, Loss, PolicyLoss, completion_loss, group_loss as loss_of_group,
};

use crate::arrays::{
    Number, bad, check_length, column, counts, floats, in_precision, integers, marks, offsets,
};
use crate::objective::PyObjective;
use crate::signal::PySignal;

type Pair<'py> = (Bound<'py, PyAny>, Bound<'py, PyAny>);

fn token_loss_of<'py, T: Number>(
    policy: &Bound<'py, PyAny>,
    old: &Bound<'py, PyAny>,
    reference: &Bound<'py, PyAny>,
    advantages: &Bound<'py, PyAny>,
    objective: Option<&PyObjective>,
) -> PyResult<Pair<'py>> {
    let py = policy.py();
    let objective = PyObjective::of::<T>(objective)?;
    let policy = floats::<T>(policy, "policy")?;
    let tokens = policy.len();
    let other = |values, name| {
        let values = floats::<T>(values, name)?;
        check_length(name, values.len(), tokens, "log-probs of the policy").map(|()| values)
    };
    let old = other(old, "old")?;
    let reference = other(reference, "reference")?;
    let advantages = other(advantages, "advantages")?;
    let (values, gradients) = py.detach(|| {
        let (mut values, mut gradients) = (vec![T::of(0.0); tokens], vec![T::of(0.0); tokens]);
        for token in 0..tokens {
            let alone = CompletionTokens {
                policy_log_probs: &policy[token..=token],
                old_log_probs: &old[token..=token],
                ref_log_probs: &reference[token..=token],
                advantages: &advantages[token..=token],
                is_anchor: false,
            };
            let gradient = &mut gradients[token..=token];
            values[token] = completion_loss(&PolicyLoss::default(), alone, &objective, gradient);
        }
        (values, gradients)
    });
    Ok((column(py, values).into_any(), column(py, gradients).into_any()))
}

/// PPO's clipped loss of each token plus the KL penalty, and its derivative by `policy`.
///
/// ```text
/// ratio = exp(policy - old)
/// value = -min(ratio A, clip(ratio) A) + kl_coef k(reference - policy), with the dual clip
/// ```
///
/// The loss is that of ReCast and GRPO before any mean: the oracle of a loss in tensors.
///
/// Shapes: every column (S,), log-probs in nats. Returns `values` and `gradients` (S,). Numbers
/// that are not finite give results that are not.
///
/// Errors: ValueError for lengths that differ, TypeError for other types. "Proximal Policy
/// Optimization Algorithms", Schulman et al., <https://arxiv.org/abs/1707.06347>.
///
/// >>> from recast_rl import token_loss
/// >>> values, gradients = token_loss([-1.0], [-1.0], [-1.0], [0.5])
/// >>> values.tolist(), gradients.tolist()
/// ([-0.5], [-0.5])
#[pyfunction]
#[pyo3(signature = (policy, old, reference, advantages, *, objective = None))]
pub(crate) fn token_loss<'py>(
    policy: &Bound<'py, PyAny>,
    old: &Bound<'py, PyAny>,
    reference: &Bound<'py, PyAny>,
    advantages: &Bound<'py, PyAny>,
    objective: Option<&Bound<'py, PyObjective>>,
) -> PyResult<Pair<'py>> {
    let objective = objective.map(Bound::get);
    in_precision!(policy, "policy", token_loss_of(old, reference, advantages, objective))
}

/// A plan that came back from Python, checked.
struct Kept<T> {
    rows: Vec<usize>,
    advantages: Vec<T>,
    divisors: Vec<usize>,
    repaired: Vec<i64>,
    /// The kept rows of group g are `bounds[g] .. bounds[g + 1]`.
    bounds: Vec<usize>,
}

impl<T: Number> Kept<T> {
    fn of(plan: &Bound<'_, PyAny>) -> PyResult<Self> {
        let rows = counts(&plan.getattr("rows")?, "plan.rows")?;
        let advantages = floats::<T>(&plan.getattr("advantages")?, "plan.advantages")?;
        let of = counts(&plan.getattr("groups")?, "plan.groups")?;
        let divisors = counts(&plan.getattr("divisors")?, "plan.divisors")?;
        let repaired = integers(&plan.getattr("repaired")?, "plan.repaired")?;
        let (kept, groups) = (rows.len(), divisors.len());
        check_length("plan.advantages", advantages.len(), kept, "plan.rows")?;
        check_length("plan.groups", of.len(), kept, "plan.rows")?;
        check_length("plan.repaired", repaired.len(), groups, "plan.divisors")?;
        if !of.is_sorted() || of.last().is_some_and(|&last| last >= groups) {
            return Err(bad(format!("plan.groups do not rise within {groups} groups")));
        }
        let bounds: Vec<_> =
            (0..=groups).map(|group| of.partition_point(|&other| other < group)).collect();
        let empty = |group: &usize| bounds[*group] < bounds[group + 1] && divisors[*group] == 0;
        if let Some(group) = (0..groups).find(empty) {
            return Err(bad(format!("plan.divisors: group {group} has rows and divisor 0")));
        }
        Ok(Self { rows, advantages, divisors, repaired, bounds })
    }

    /// The place of the anchor among the kept rows of a group.
    fn anchor(&self, group: usize) -> Option<usize> {
        let rows = &self.rows[self.bounds[group]..self.bounds[group + 1]];
        rows.iter().position(|&row| i64::try_from(row) == Ok(self.repaired[group]))
    }

    /// The advantage of each row, for each of its tokens.
    fn by_token(&self, offsets: &[usize]) -> Vec<T> {
        let lengths = offsets.windows(2).map(|pair| pair[1] - pair[0]);
        let repeated = |(&value, length)| core::iter::repeat_n(value, length);
        self.advantages.iter().zip(lengths).flat_map(repeated).collect()
    }
}

/// The columns of tokens of a group loss, as Python gave them.
struct Tokens<'a, 'py> {
    offsets: &'a Bound<'py, PyAny>,
    old: &'a Bound<'py, PyAny>,
    reference: &'a Bound<'py, PyAny>,
    advantages: Option<&'a Bound<'py, PyAny>>,
}

fn group_loss_of<'py, T: Number>(
    policy: &Bound<'py, PyAny>,
    signal: &PySignal,
    plan: &Bound<'py, PyAny>,
    tokens: &Tokens<'_, 'py>,
    objective: Option<&PyObjective>,
) -> PyResult<Pair<'py>> {
    let py = policy.py();
    let objective = PyObjective::of::<T>(objective)?;
    let loss = signal.signal::<T>().loss().check(&objective).map_err(bad)?;
    let policy = floats::<T>(policy, "policy")?;
    let count = policy.len();
    let kept = Kept::<T>::of(plan)?;
    let bounds = offsets(tokens.offsets, "token_offsets", count, "log-probs of the policy")?;
    check_length("token_offsets", bounds.len() - 1, kept.rows.len(), "plan.rows")?;
    let other = |values, name| {
        let values = floats::<T>(values, name)?;
        check_length(name, values.len(), count, "log-probs of the policy").map(|()| values)
    };
    let old = other(tokens.old, "old")?;
    let reference = other(tokens.reference, "reference")?;
    let advantages = match tokens.advantages {
        Some(advantages) => other(advantages, "advantages")?,
        None => kept.by_token(&bounds),
    };
    if let Loss::Preference(_) = loss {
        for pair in kept.bounds.windows(2).filter(|pair| pair[0] < pair[1]) {
            let is_positive = |row: &usize| {
                bounds[*row] < bounds[row + 1] && advantages[bounds[*row]] > T::of(0.0)
            };
            let positives = (pair[0]..pair[1]).filter(is_positive).count();
            if positives != 1 {
                let rows = pair[1] - pair[0];
                return Err(bad(format!("{positives} positives of {rows} rows: DPO needs 1")));
            }
        }
    }
    let (values, gradients) = py.detach(|| {
        let mut gradients = vec![T::of(0.0); count];
        let mut values = vec![T::of(0.0); kept.divisors.len()];
        for (group, value) in values.iter_mut().enumerate() {
            let (first, end) = (kept.bounds[group], kept.bounds[group + 1]);
            if first == end {
                continue;
            }
            let (start, stop) = (bounds[first], bounds[end]);
            let own: Vec<_> = bounds[first..=end].iter().map(|bound| bound - start).collect();
            let tokens = GroupTokens {
                offsets: &own,
                policy_log_probs: &policy[start..stop],
                old_log_probs: &old[start..stop],
                ref_log_probs: &reference[start..stop],
                advantages: &advantages[start..stop],
                anchor: kept.anchor(group),
                divisor: kept.divisors[group],
            };
            *value = loss_of_group(&loss, tokens, &objective, &mut gradients[start..stop]);
        }
        (values, gradients)
    });
    Ok((column(py, values).into_any(), column(py, gradients).into_any()))
}

/// The loss of each group of a plan under the loss of its signal, and the derivative by `policy`.
///
/// Every loss of every signal is here: token, sequence and geometric-mean ratios, anchors, margins,
/// and the preference of DPO. The mean over the groups that are trained on is the loss of a step.
///
/// Shapes: the K rows of `plan` have S tokens in all, row by row, between `token_offsets` (K + 1,).
/// `policy`, `old`, `reference` (S,) are log-probs in nats. `advantages` (S,) are those of the plan
/// if left out; RL-ZVP takes `token_advantages`. Returns `values` (B,), 0 for a skipped group, and
/// `gradients` (S,), each of its own group's value.
///
/// Errors: ValueError for columns or a plan that do not fit, TypeError for other types.
///
/// >>> from recast_rl import Signal, group_loss, plan
/// >>> signal = Signal.gspo()
/// >>> kept = plan(signal, [0, 2], [1.0, 0.0], [1.0, 0.1])
/// >>> log_probs = [-1.0, -2.0, -1.0, -3.0]
/// >>> values, gradients = group_loss(signal, kept, [0, 2, 4], log_probs, log_probs, log_probs)
/// >>> values.tolist(), float(gradients[0] + gradients[2])
/// ([0.0], 0.0)
#[pyfunction]
#[pyo3(signature = (signal, plan, token_offsets, policy, old, reference, advantages = None, *,
    objective = None))]
#[expect(clippy::too_many_arguments, reason = "columns of tokens")]
pub(crate) fn group_loss<'py>(
    signal: &Bound<'py, PySignal>,
    plan: &Bound<'py, PyAny>,
    token_offsets: &Bound<'py, PyAny>,
    policy: &Bound<'py, PyAny>,
    old: &Bound<'py, PyAny>,
    reference: &Bound<'py, PyAny>,
    advantages: Option<&Bound<'py, PyAny>>,
    objective: Option<&Bound<'py, PyObjective>>,
) -> PyResult<Pair<'py>> {
    let objective = objective.map(Bound::get);
    let tokens = Tokens { offsets: token_offsets, old, reference, advantages };
    in_precision!(policy, "policy", group_loss_of(signal.get(), plan, &tokens, objective))
}

/// The groups whose kept rows get token advantages, as Python gave them.
struct Groups<'a, 'py> {
    offsets: &'a Bound<'py, PyAny>,
    token_offsets: &'a Bound<'py, PyAny>,
    entropies: Option<&'a Bound<'py, PyAny>>,
    hits: Option<&'a Bound<'py, PyAny>>,
    hit_threshold: Option<f64>,
}

fn token_advantages_of<'py, T: Number>(
    rewards: &Bound<'py, PyAny>,
    signal: &PySignal,
    plan: &Bound<'py, PyAny>,
    given: &Groups<'_, 'py>,
) -> PyResult<Bound<'py, PyAny>> {
    let py = rewards.py();
    let signal = signal.signal::<T>();
    let rewards = floats::<T>(rewards, "rewards")?;
    let bounds = offsets(given.offsets, "offsets", rewards.len(), "rewards")?;
    let kept = Kept::<T>::of(plan)?;
    check_length("offsets", bounds.len(), kept.bounds.len(), "bounds of plan.divisors")?;
    let tokens = counts(given.token_offsets, "token_offsets")?;
    let count = tokens.last().copied().unwrap_or(0);
    let tokens = offsets(given.token_offsets, "token_offsets", count, "tokens")?;
    check_length("token_offsets", tokens.len() - 1, kept.rows.len(), "plan.rows")?;
    let entropies = given.entropies.map(|values| floats::<T>(values, "entropies")).transpose()?;
    if let Some(entropies) = &entropies {
        check_length("entropies", entropies.len(), count, "tokens")?;
    }
    let hits = given.hits.map(|hits| marks(hits, "hits")).transpose()?;
    if let Some(hits) = &hits {
        check_length("hits", hits.len(), rewards.len(), "rewards")?;
    }
    let mut out = kept.by_token(&tokens);
    for group in 0..kept.divisors.len() {
        let (start, end) = (bounds[group], bounds[group + 1]);
        let rows = kept.bounds[group]..kept.bounds[group + 1];
        if rows.is_empty() {
            continue;
        }
        let named = |error| bad(format!("group {group}: {error}"));
        // scores play no part in the advantages of tokens
        let scores = vec![T::of(0.0); end - start];
        let mut view = Group::new(&rewards[start..end], &scores, None).map_err(named)?;
        if let Some(threshold) = given.hit_threshold {
            view = view.with_hit_threshold(T::of(threshold)).map_err(bad)?;
        }
        if let Some(hits) = &hits {
            view = view.with_hits(&hits[start..end]).map_err(bad)?;
        }
        if !signal.reads_entropies(view) {
            continue;
        }
        let Some(entropies) = &entropies else {
            return Err(bad(format!("group {group} has equal rewards: RL-ZVP needs entropies")));
        };
        for kept_row in rows {
            let row = kept.rows[kept_row];
            if !(start..end).contains(&row) {
                return Err(bad(format!("plan.rows: row {row} is not in group {group}")));
            }
            let range = tokens[kept_row]..tokens[kept_row + 1];
            let advantage = kept.advantages[kept_row];
            let own = &entropies[range.clone()];
            signal.token_advantages(view, row - start, advantage, own, &mut out[range]);
        }
    }
    Ok(column(py, out).into_any())
}

/// The advantage of each token of the kept rows.
///
/// Every token has the advantage of its row. RL-ZVP alone differs, in groups whose rewards are all
/// equal: `alpha H_t` for a hit, `-alpha (max H - H_t)` for a miss.
///
/// Shapes: `offsets` (B + 1,) and `rewards` (N,) are those of the batch as sampled. The plan's rows
/// have S tokens between `token_offsets` (K + 1,). RL-ZVP reads `entropies` (S,) in nats. `hits`
/// (N,) or `hit_threshold` are those of `plan`. Returns (S,).
///
/// Errors: ValueError for columns that do not fit, or where entropies are read and missing. "No
/// Prompt Left Behind", Le et al., <https://arxiv.org/abs/2509.21880>.
///
/// >>> from recast_rl import Signal, plan, token_advantages
/// >>> signal, offsets, rewards = Signal.rl_zvp(alpha=0.5), [0, 1], [0.0]
/// >>> kept = plan(signal, offsets, rewards, [0.1])
/// >>> token_advantages(signal, kept, offsets, rewards, [0, 3], [2.0, 0.0, 1.0]).tolist()
/// [0.0, -1.0, -0.5]
#[pyfunction]
#[pyo3(signature = (signal, plan, offsets, rewards, token_offsets, entropies = None, *,
    hits = None, hit_threshold = None))]
#[expect(clippy::too_many_arguments, reason = "columns of groups and of tokens")]
pub(crate) fn token_advantages<'py>(
    signal: &Bound<'py, PySignal>,
    plan: &Bound<'py, PyAny>,
    offsets: &Bound<'py, PyAny>,
    rewards: &Bound<'py, PyAny>,
    token_offsets: &Bound<'py, PyAny>,
    entropies: Option<&Bound<'py, PyAny>>,
    hits: Option<&Bound<'py, PyAny>>,
    hit_threshold: Option<f64>,
) -> PyResult<Bound<'py, PyAny>> {
    let given = Groups { offsets, token_offsets, entropies, hits, hit_threshold };
    in_precision!(rewards, "rewards", token_advantages_of(signal.get(), plan, &given))
}
