"""Scores, duplicates, anchors, tries and metrics beside brute force."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast_rl import Signal, Trie, anchor_targets, duplicates, group_rows, metrics, score

LEVELS = 3
SIDS = st.tuples(*[st.integers(0, 2)] * LEVELS)


@st.composite
def rollouts(draw: st.DrawFn) -> list[tuple[list, list]]:
    """Groups as completions of some SIDs each, and targets."""
    completions = st.lists(st.lists(SIDS, max_size=3), min_size=1, max_size=5)
    return draw(st.lists(st.tuples(completions, st.lists(SIDS, max_size=3)), max_size=5))


def table(rows: list) -> np.ndarray:
    return np.array(rows, np.int64).reshape(-1, LEVELS)


def bounds(sizes: list[int]) -> np.ndarray:
    return np.cumsum([0, *sizes])


def equal(a: tuple, b: tuple) -> int:
    return next((d for d, (x, y) in enumerate(zip(a, b, strict=True)) if x != y), LEVELS)


def columns(groups: list) -> tuple:
    """Codes, offsets, targets, their offsets, and the offsets of SIDs."""
    completions = [completion for group, _ in groups for completion in group]
    return (
        table([sid for completion in completions for sid in completion]),
        bounds([len(group) for group, _ in groups]),
        table([target for _, targets in groups for target in targets]),
        bounds([len(targets) for _, targets in groups]),
        bounds([len(completion) for completion in completions]),
    )


@given(rollouts(), st.sampled_from([None, [0.0, 0.25, 0.5, 1.0]]))
def test_rewards_and_scores_are_those_of_the_definitions(groups, credit):
    codes, offsets, targets, target_offsets, sids = columns(groups)
    rewards, scores = score(
        codes, offsets, targets, target_offsets, sid_offsets=sids, credit=credit, dtype="float64"
    )
    worth = credit or [0.0, 0.01, 0.1, 1.0]
    want_rewards, want_scores = [], []
    for group, goals in groups:
        for completion in group:
            best = [max([worth[equal(sid, goal)] for goal in goals], default=0) for sid in completion]
            want_rewards.append(float(any(sid in goals for sid in completion)))
            want_scores.append(math.fsum(best) / len(best) if best else 0.0)
    assert rewards.tolist() == want_rewards
    assert np.allclose(scores, want_scores, rtol=0, atol=1e-15)


@given(st.lists(st.lists(SIDS, min_size=1, max_size=6), max_size=4))
def test_duplicates_name_the_first_like_them(groups):
    codes = table([sid for group in groups for sid in group])
    got = duplicates(codes, bounds([len(group) for group in groups]))
    assert got.tolist() == [group.index(sid) for group in groups for sid in group]


@given(rollouts(), st.lists(st.integers(0, 2**64 - 1), min_size=5, max_size=5))
def test_anchors_are_written_from_the_chosen_target(groups, draws):
    *given_columns, sids = columns(groups)
    want: dict[str, list[int]] = {"first": [], "closest": [], "uniform": []}
    start = 0
    for (group, goals), draw in zip(groups, draws, strict=False):
        written = [sid for completion in group for sid in completion]
        # credits in hundredths of a SID: exact, as in core
        total = [sum([0, 1, 10, 100][equal(sid, goal)] for sid in written) for goal in goals]
        want["first"].append(start if goals else -1)
        want["closest"].append(start + total.index(max(total)) if goals else -1)
        want["uniform"].append(start + (draw * len(goals) >> 64) if goals else -1)
        start += len(goals)
    for choice, rows in want.items():
        signal = Signal.recast(anchor_target=choice)
        bits = np.array(draws[: len(groups)], np.uint64)
        got = anchor_targets(signal, *given_columns, sid_offsets=sids, draws=bits)
        assert got.tolist() == rows
    assert anchor_targets(Signal.gcpo(), *given_columns, sid_offsets=sids).tolist() == want["first"]


def test_a_uniform_choice_needs_draws():
    signal = Signal.recast(anchor_target="uniform")
    with pytest.raises(ValueError, match="64 random bits"):
        anchor_targets(signal, [[1]], [0, 1], [[1]], [0, 1])


@given(
    st.integers(1, 4).flatmap(
        lambda width: st.tuples(
            st.lists(st.tuples(*[st.integers(-1, 2)] * width), max_size=30),
            st.lists(st.lists(st.integers(-2, 3), max_size=5), min_size=1, max_size=10),
            st.just(width),
        )
    )
)
def test_a_trie_allows_the_prefixes_of_its_sequences(drawn):
    sequences, prefixes, width = drawn
    trie = Trie(np.array(sequences, np.int64).reshape(-1, width))
    known = {row[:end] for row in sequences for end in range(width + 1)} | {()}
    assert (trie.levels, trie.nodes) == (width, len(known))
    assert trie.sequences == len(set(sequences))
    for prefix in prefixes:
        follow = sorted({row[len(prefix)] for row in known
                         if len(row) == len(prefix) + 1 and row[:-1] == tuple(prefix)})
        offsets, tokens = trie.allowed(np.array([prefix], np.int64).reshape(1, -1))
        assert (offsets.tolist(), tokens.tolist()) == ([0, len(follow)], follow)
        legal = trie.contains(np.array([prefix], np.int64).reshape(1, -1))
        assert legal.tolist() == [tuple(prefix) in sequences]


@given(
    st.lists(
        st.tuples(st.permutations(range(6)), st.lists(st.integers(0, 7), max_size=4)), max_size=5
    ),
    st.integers(0, 8),
)
def test_metrics_are_those_of_the_definitions(prompts, k):
    predictions = np.array([ranked for ranked, _ in prompts], np.int64).reshape(-1, 6)
    targets = [target for _, goals in prompts for target in goals]
    given_columns = (predictions, targets, bounds([len(goals) for _, goals in prompts]))
    passes, recalls, gains = [], [], []
    for ranked, goals in prompts:
        ranks = [rank for rank, item in enumerate(ranked[:k]) if item in goals]
        passes.append(float(bool(ranks)))
        recalls.append(len(ranks) / len(set(goals)) if goals else 0.0)
        ideal = [1 / math.log2(rank + 2) for rank in range(min(k, len(set(goals))))]
        found = math.fsum(1 / math.log2(rank + 2) for rank in ranks)
        gains.append(found / math.fsum(ideal) if ideal else 0.0)
    assert metrics.pass_at_k(*given_columns, k=k).tolist() == passes
    assert metrics.hit_rate_at_k(*given_columns, k=k).tolist() == passes
    assert np.allclose(metrics.recall_at_k(*given_columns, k=k), recalls, rtol=0, atol=1e-12)
    assert np.allclose(metrics.ndcg_at_k(*given_columns, k=k), gains, rtol=0, atol=1e-12)


@given(st.lists(st.sampled_from(["a", "b", ("c", 1), 7])))
def test_rows_are_grouped_by_first_appearance(keys):
    order, offsets = group_rows(keys)
    distinct = list(dict.fromkeys(keys))
    want = [[row for row, other in enumerate(keys) if other == key] for key in distinct]
    assert order.tolist() == [row for rows in want for row in rows]
    assert offsets.tolist() == bounds([len(rows) for rows in want]).tolist()


def test_keys_have_to_be_hashable():
    with pytest.raises(TypeError, match="unhashable"):
        group_rows([[1]])


def test_counts_name_regimes_and_skips():
    assert metrics.regime_counts([])["all_zero"] == 0
    with pytest.raises(ValueError, match="from 0 to 4"):
        metrics.regime_counts([0, 4])
