"""Hostile input: an error of ours with the numbers, never a panic."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

import recast_rl
from recast_rl import Objective, Signal, Trie, plan

DTYPES = st.sampled_from(
    [np.float32, np.float64, np.float16, np.int64, np.int32, np.uint64, np.bool_, "U1", object]
)
INTEGERS = hnp.arrays(np.int64, st.integers(0, 6), elements=st.integers(-2, 6))
ANYTHING = st.one_of(
    hnp.arrays(DTYPES.filter(lambda d: d not in ("U1", object)), hnp.array_shapes(
        min_dims=0, max_dims=3, min_side=0, max_side=4)),
    INTEGERS,
    hnp.arrays(np.float64, st.integers(0, 6)),
    st.lists(st.one_of(st.integers(-1, 6), st.floats(), st.text(max_size=2)), max_size=6),
    st.sampled_from([None, 3, "text", object(), [[1, 2], [3]]]),
)
FINE = st.lists(st.sampled_from([0.0, 1.0]), min_size=4, max_size=4)


def refused_or_done(call):
    """Runs a call; any other exception than ours is a fault."""
    try:
        call()
    except (ValueError, TypeError) as error:
        assert str(error)


@given(st.one_of(INTEGERS, ANYTHING), ANYTHING, ANYTHING, st.dictionaries(
    st.sampled_from(
        "old_log_probs duplicate_of lengths hits first_codes anchor_first_codes draws can_repair "
        "anchor_log_probs".split()
    ), ANYTHING, max_size=3), st.sampled_from(Signal.all()))
def test_plans_of_anything_are_refused_or_made(offsets, rewards, scores, columns, signal):
    refused_or_done(lambda: plan(signal, offsets, rewards, scores, **columns))


@given(FINE, FINE, st.lists(st.integers(0, 5), min_size=2, max_size=4), st.dictionaries(
    st.sampled_from("duplicate_of lengths first_codes anchor_first_codes".split()),
    st.lists(st.integers(-1, 5), min_size=3, max_size=5), max_size=4),
    st.sampled_from(Signal.all()))
def test_plans_of_numbers_that_do_not_fit_are_refused_or_made(
    rewards, scores, offsets, columns, signal
):
    refused_or_done(lambda: plan(signal, offsets, rewards, scores, **columns))


@given(st.lists(ANYTHING, min_size=4, max_size=4), st.one_of(st.none(), ANYTHING),
       st.one_of(st.none(), ANYTHING))
def test_codes_of_anything_are_refused_or_read(columns, sids, credit):
    for choice in ("first", "closest"):
        signal = Signal.recast(anchor_target=choice)
        refused_or_done(lambda: recast_rl.anchor_targets(
            signal, *columns, sid_offsets=sids, credit=credit))
    refused_or_done(lambda: recast_rl.score(*columns, sid_offsets=sids, credit=credit))
    refused_or_done(lambda: recast_rl.duplicates(columns[0], columns[1]))
    refused_or_done(lambda: recast_rl.metrics.ndcg_at_k(*columns[:3], k=2))
    refused_or_done(lambda: Trie(columns[0]).allowed(columns[1]))
    refused_or_done(lambda: Trie([[1, 2]]).contains(columns[1]))
    refused_or_done(lambda: recast_rl.token_loss(*columns))
    refused_or_done(lambda: recast_rl.AllZeroRate().observe(columns[0]))


@given(st.sampled_from(Signal.all()), st.lists(ANYTHING, min_size=5, max_size=5),
       st.lists(st.integers(-1, 4), min_size=7, max_size=14))
def test_losses_of_anything_are_refused_or_computed(signal, columns, numbers):
    kept = recast_rl.Plan(*(np.array(numbers[place : place + 3]) for place in range(7)))
    kept = kept._replace(advantages=kept.advantages.astype(float))
    refused_or_done(lambda: recast_rl.group_loss(signal, kept, *columns[:4]))
    offsets = [abs(number) for number in numbers[:4]]
    log_probs = -np.ones(max(offsets))
    refused_or_done(lambda: recast_rl.group_loss(signal, kept, offsets, *[log_probs] * 3))
    refused_or_done(lambda: recast_rl.token_advantages(
        signal, kept, offsets, log_probs, numbers[4:8], columns[4]))


NUMBERS = st.one_of(st.floats(), st.sampled_from([0.0, 1.0, 1e-300, 1e39, -1.0]))


@given(st.dictionaries(st.sampled_from(
    "weight epsilon negative_weight negative_margin threshold tau gamma anchor_weight".split()
), NUMBERS), st.sampled_from("always never gated confident other".split()),
    st.sampled_from("recompute detached shaped weighted other".split()))
def test_numbers_of_signals_are_checked_in_both_precisions(numbers, repair, ratio):
    try:
        signal = Signal.recast(repair=repair, anchor_ratio=ratio, **numbers)
    except ValueError as error:
        assert str(error)
        return
    for dtype in (np.float32, np.float64):
        column = np.array([0, 1], dtype)
        assert np.isfinite(plan(signal, [0, 2], column, column).advantages).all()


@given(st.dictionaries(st.sampled_from(
    "clip_low clip_high dual_clip ecpo_delta log_ratio_limit kl_coef kl_value_limit".split()
), NUMBERS), st.sampled_from("none dual ecpo gbpo other".split()))
def test_numbers_of_objectives_are_checked_in_both_precisions(numbers, bound):
    try:
        objective = Objective(ratio_bound=bound, **numbers)
    except ValueError as error:
        assert str(error)
        return
    for dtype in (np.float32, np.float64):
        column = np.array([-1.0, -2.0], dtype)
        recast_rl.token_loss(column, column, column, column, objective=objective)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda: plan(Signal.grpo(), [0, 1], np.zeros(1), np.zeros(1, np.float32)), TypeError,
         "scores are float32, the first floats of the call float64: give both alike"),
        (lambda: plan(Signal.grpo(), [0, 1], np.zeros(1, int), np.zeros(1)), TypeError,
         "rewards are int64: give float32 or float64"),
        (lambda: plan(Signal.grpo(), [0.0, 1.0], [0.0], [0.0]), TypeError,
         "offsets are float64: give integers"),
        (lambda: plan(Signal.grpo(), [0, -1], [0.0], [0.0]), ValueError,
         "offsets: -1 at 1 is below 0"),
        (lambda: plan(Signal.grpo(), [0, 2], [0.0], [0.0]), ValueError,
         "offsets end at 2 for 1 rewards"),
        (lambda: plan(Signal.grpo(), [0, 2, 1], [0.0], [0.0]), ValueError,
         "offsets fall from 2 to 1 at 2"),
        (lambda: plan(Signal.grpo(), [1, 1], [0.0], [0.0]), ValueError, "offsets start at 1"),
        (lambda: plan(Signal.grpo(), [], [0.0], [0.0]), ValueError, "offsets are empty"),
        (lambda: plan(Signal.grpo(), [0, 0, 1], [0.0], [0.0]), ValueError,
         "group 0: a group needs at least one completion"),
        (lambda: plan(Signal.grpo(), [0, 1], [[0.0]], [0.0]), ValueError,
         r"rewards have 2 dimensions of sizes \[1, 1\]: give 1"),
        (lambda: plan(Signal.grpo(), [0, 1], [0.0], [0.0], hits=[1]), TypeError,
         "hits are int64: give booleans"),
        (lambda: plan(Signal.grpo(), [0, 1], [0.0], [0.0], draws=[-1]), ValueError,
         "draws: -1 is below 0"),
        (lambda: plan(Signal.recast(negative_choice="uniform"), [0, 1], [0.0], [0.0]), ValueError,
         "0 draws for 1 groups"),
        (lambda: plan(Signal.grpo(), [0, 1], [0.0], [0.0], all_zero_rate=2.0), ValueError,
         "all-zero rate 2 is not within 0 and 1"),
        (lambda: plan(None, [0, 1], [0.0], [0.0]), TypeError, "Signal"),
        (lambda: Signal.recast(repair="sometimes"), ValueError,
         "repair 'sometimes' is unknown: give 'always', 'never', 'gated', 'confident'"),
        (lambda: Signal.recast(repair="gated"), ValueError, "repair='gated' needs threshold"),
        (lambda: Signal.recast(tau=0.5), ValueError, "tau is read by repair='confident' alone"),
        (lambda: Signal.dapo(epsilon=1e39), ValueError, "epsilon inf"),
        (lambda: Signal.dpo(negatives=0), ValueError, "at least 1 negative"),
        (lambda: Objective(clip_low=2.0), ValueError, "clip_low 2 is not within 0 and 1"),
        (lambda: Trie(np.zeros((2, 0), int)), ValueError, "sequences of 0 tokens"),
        (lambda: recast_rl.score([[1]], [0, 1], [[1, 2]], [0, 1]), ValueError,
         "codes have 1 levels, targets 2"),
        (lambda: recast_rl.score([[1]], [0, 1], [[1]], [0, 1], credit=[0.0]), ValueError,
         "1 credits for 1 levels: give 2"),
        (lambda: recast_rl.score([[1]], [0, 1], [[1]], [0, 1, 1]), ValueError,
         "3 target_offsets for 2 offsets"),
        (lambda: recast_rl.AllZeroRate(decay=1.0), ValueError, "decay 1 of the all-zero rate"),
        (lambda: recast_rl.AllZeroRate().observe([7]), ValueError, "regime 7 of group 0"),
    ],
)
def test_an_error_says_where_and_what(call, error, words):
    with pytest.raises(error, match=words):
        call()
