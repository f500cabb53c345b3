"""Plans beside the oracle, over every signal, option and column."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

import oracle
from recast_rl import Plan, Signal, plan
from strategies import SIGNALS, batches

# Advantages of whole groups are sums in another order than the oracle's.
TOLERANCE = {np.float32: 2e-4, np.float64: 1e-9}


def made(signal: dict) -> Signal:
    options = {name: value for name, value in signal.items() if name != "kind"}
    return getattr(Signal, signal["kind"])(**options)


def flat(groups: list, name: str, dtype: type) -> np.ndarray | None:
    if not groups or getattr(groups[0], name) is None:
        return None
    return np.array([value for group in groups for value in getattr(group, name)], dtype=dtype)


def expected(signal: dict, groups: list, legal: list, rate, log_probs, codes) -> dict:
    """The columns of a plan by the oracle."""
    groups = copy.deepcopy(groups)
    regimes = [group.regime() for group in groups]
    slots = []
    for number, group in enumerate(groups):
        log_prob = log_probs[number] if log_probs is not None else None
        slot = oracle.repaired(signal, group, rate, log_prob)
        slot = slot if legal is None or legal[number] else None
        if slot is not None:
            group.write_anchor(slot, codes[number] if codes is not None else None)
        slots.append(slot)
    chosen = oracle.scaled(signal, groups, [oracle.select(signal, group) for group in groups])
    result: dict = {name: [] for name in Plan._fields}
    result["regimes"] = regimes
    start = 0
    for number, (group, slot, choice) in enumerate(zip(groups, slots, chosen, strict=True)):
        result["repaired"].append(-1 if slot is None else start + slot)
        result["skips"].append(oracle.SKIPS[choice] if isinstance(choice, str) else 0)
        result["divisors"].append(0 if isinstance(choice, str) else choice[2])
        if not isinstance(choice, str):
            result["rows"] += [start + row for row in choice[0]]
            result["advantages"] += choice[1]
            result["groups"] += [number] * len(choice[0])
        start += group.size
    return result


@given(
    groups=batches(),
    signal=SIGNALS,
    dtype=st.sampled_from([np.float32, np.float64]),
    legal=st.one_of(st.none(), st.lists(st.booleans(), min_size=6, max_size=6)),
    rate=st.one_of(st.none(), st.sampled_from([0.0, 0.25, 0.5, 1.0])),
    log_probs=st.one_of(
        st.none(), st.lists(st.sampled_from([-0.1, -1.0, -9.0]), min_size=6, max_size=6)
    ),
    codes=st.lists(st.integers(0, 2), min_size=6, max_size=6),
)
def test_a_plan_is_that_of_the_definitions(groups, signal, dtype, legal, rate, log_probs, codes):
    count = len(groups)
    legal = legal and legal[:count]
    log_probs = log_probs and log_probs[:count]
    has_codes = bool(groups) and groups[0].first_codes is not None
    codes = codes[:count] if has_codes else None
    offsets = np.cumsum([0] + [group.size for group in groups])
    rewards = np.array([r for group in groups for r in group.rewards], dtype)
    got = plan(
        made(signal),
        offsets,
        rewards,
        np.array([s for group in groups for s in group.scores], dtype),
        old_log_probs=flat(groups, "old", dtype),
        duplicate_of=flat(groups, "duplicate_of", np.int64),
        lengths=flat(groups, "lengths", np.int64),
        hits=flat(groups, "hits", bool),
        hit_threshold=groups[0].threshold if groups else None,
        first_codes=flat(groups, "first_codes", np.int64),
        anchor_first_codes=codes,
        draws=np.array([group.draw for group in groups], np.uint64),
        can_repair=legal,
        all_zero_rate=rate,
        anchor_log_probs=log_probs,
    )
    want = expected(signal, groups, legal, rate, log_probs, codes)
    for name in ("rows", "groups", "divisors", "repaired", "skips", "regimes"):
        assert getattr(got, name).tolist() == want[name], name
    assert got.advantages.dtype == dtype
    exact = signal["kind"] in ("dpo", "s_dpo", "supervised", "pass_at_k")
    if exact or signal["kind"] == "recast" and signal["boundary"]:
        assert got.advantages.tolist() == [float(dtype(value)) for value in want["advantages"]]
    else:
        size = np.maximum(1, np.abs(want["advantages"]))
        assert np.all(np.abs(got.advantages - want["advantages"]) <= TOLERANCE[dtype] * size)


def test_the_types_are_those_of_the_stub():
    result = plan(Signal.grpo(), [0, 2], np.array([0, 1], np.float32), np.zeros(2, np.float32))
    assert isinstance(result, Plan)
    types = [column.dtype for column in result]
    assert types == [np.int64, np.float32, np.int64, np.int64, np.int64, np.uint8, np.uint8]


def test_a_batch_without_groups_has_an_empty_plan():
    for signal in Signal.all():
        result = plan(signal, [0], [], [])
        assert [column.size for column in result] == [0] * 7


@pytest.mark.parametrize("kind", ["recast", "grpo", "supervised"])
def test_inputs_stay_as_they_are(kind):
    rewards, scores = np.zeros(3), np.array([0.1, 0.0, 0.0])
    duplicate_of, hits = np.array([0, 1, 1]), np.zeros(3, bool)
    plan(getattr(Signal, kind)(), [0, 3], rewards, scores, duplicate_of=duplicate_of, hits=hits)
    assert rewards.tolist() == [0, 0, 0] and scores.tolist() == [0.1, 0, 0]
    assert duplicate_of.tolist() == [0, 1, 1] and not hits.any()
