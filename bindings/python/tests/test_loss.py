"""Losses: their gradients beside finite differences, their values beside the definitions."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recast_rl import Objective, Plan, Signal, group_loss, plan, token_advantages, token_loss

LOG_PROBS = st.floats(-3, -0.01)
TOKENS = st.lists(
    st.tuples(LOG_PROBS, LOG_PROBS, LOG_PROBS, st.sampled_from([-1.0, 0.0, 0.5, 2.0])), max_size=8
)


def by_hand(policy: float, old: float, reference: float, advantage: float) -> float:
    """The default objective: clips 0.2 and 0.28, dual clip 3, k3 capped at 10 times 1e-3."""
    ratio = math.exp(policy - old)
    loss = -min(ratio * advantage, min(max(ratio, 0.8), 1.28) * advantage)
    if advantage < 0:
        loss = min(loss, -3 * advantage)
    difference = reference - policy
    return loss + 1e-3 * min(math.exp(difference) - difference - 1, 10)


@given(TOKENS)
def test_token_losses_are_those_of_the_definition(tokens):
    columns = np.array(tokens, np.float64).reshape(-1, 4).T
    values, gradients = token_loss(*columns)
    assert np.allclose(values, [by_hand(*token) for token in tokens], rtol=0, atol=1e-12)
    step = 1e-6
    for place, token in enumerate(tokens):
        up, down = (by_hand(token[0] + s, *token[1:]) for s in (step, -step))
        sides = [(up - values[place]) / step, (values[place] - down) / step]
        # at a kink the gradient is that of one side
        assert min(abs(gradients[place] - side) for side in sides) < 1e-4


@pytest.mark.parametrize("signal", [*Signal.all(), Signal.s_dpo(negatives=2)], ids=repr)
@pytest.mark.parametrize("bound", ["none", "dual", "ecpo", "gbpo"])
def test_the_gradient_of_each_loss_is_its_derivative(signal, bound):
    generator = np.random.default_rng(7)
    rewards, scores = [0.0, 1.0, 0.0, 0.0, 0.0, 0.0], [0.1, 1.0, 0.0, 0.0, 0.1, 0.01]
    kept = plan(signal, [0, 3, 6], rewards, scores)
    tokens = np.arange(len(kept.rows) + 1) * 2
    count = tokens[-1]
    policy, old, reference = -generator.random((3, count)) - 0.5
    # the constants of ECPO and GBPO carry no gradient: there the ratio is at its bound
    objective = Objective(kl_estimator="k2", kl_times_ratio=bound == "none", ratio_bound=bound)
    advantages = np.repeat(kept.advantages, 2)
    arguments = (signal, kept, tokens)

    def total(policy: np.ndarray) -> float:
        values, _ = group_loss(*arguments, policy, old, reference, advantages, objective=objective)
        return float(values.sum())

    held = signal.kind in ("cispo", "sapo", "gmpo")
    if bound in ("ecpo", "gbpo") and held:
        with pytest.raises(ValueError, match="hold the ratio themselves"):
            total(policy)
        return
    values, gradients = group_loss(
        *arguments, policy, old, reference, objective=objective
    )
    assert values.shape == (2,) and gradients.shape == (count,)
    if bound in ("ecpo", "gbpo") or signal.kind in ("cispo", "supervised"):
        # constants without a gradient are in the value
        assert np.all(np.isfinite(gradients))
        return
    for place in range(count):
        step = np.zeros(count)
        step[place] = 1e-6
        slope = (total(policy + step) - total(policy - step)) / 2e-6
        assert abs(slope - gradients[place]) < 1e-5


def test_skipped_groups_have_no_loss():
    kept = plan(Signal.recast(), [0, 2, 4], [1.0, 1.0, 0.0, 1.0], [1.0, 1.0, 0.1, 1.0])
    log_probs = [-1.0, -2.0]
    values, _ = group_loss(Signal.recast(), kept, [0, 1, 2], log_probs, log_probs, [-1.5, -1.5])
    assert values[0] == 0 and values[1] > 0


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"groups": [1, 0]}, "do not rise"),
        ({"groups": [0, 2]}, "do not rise within 2"),
        ({"divisors": [0, 1]}, "group 0 has rows and divisor 0"),
        ({"advantages": [1.0]}, "1 plan.advantages for 2 plan.rows"),
        ({"rows": [-1, 1]}, "-1 at 0 is below 0"),
        ({"repaired": [0]}, "1 plan.repaired for 2"),
    ],
)
def test_a_plan_that_does_not_fit_is_refused(change, words):
    good = Plan(
        np.array([0, 1]), np.array([1.0, -1.0]), np.array([0, 0]), np.array([2, 0]),
        np.array([-1, -1]), np.array([0, 1], np.uint8), np.array([1, 0], np.uint8),
    )
    log_probs = [-1.0, -2.0]
    columns = ([0, 1, 2], log_probs, log_probs, log_probs)
    group_loss(Signal.recast(), good, *columns)
    changed = good._replace(**{name: np.array(value) for name, value in change.items()})
    with pytest.raises(ValueError, match=words):
        group_loss(Signal.recast(), changed, *columns)


def test_a_preference_has_one_positive():
    kept = plan(Signal.dpo(), [0, 2], [0.0, 1.0], [0.1, 1.0])
    flipped = kept._replace(advantages=np.array([1.0, 1.0]))
    log_probs = [-1.0, -2.0]
    with pytest.raises(ValueError, match="2 positives of 2 rows"):
        group_loss(Signal.dpo(), flipped, [0, 1, 2], log_probs, log_probs, log_probs)


def test_entropies_are_read_in_groups_of_equal_rewards_alone():
    signal, offsets, rewards = Signal.rl_zvp(alpha=0.5), [0, 2, 3], [0.0, 1.0, 1.0]
    kept = plan(signal, offsets, rewards, [0.0, 1.0, 1.0])
    tokens, entropies = [0, 1, 2, 4], [9.0, 9.0, 2.0, 1.0]
    got = token_advantages(signal, kept, offsets, rewards, tokens, entropies)
    assert got[:2].tolist() == kept.advantages[:2].tolist() and got[2:].tolist() == [1.0, 0.5]
    with pytest.raises(ValueError, match="group 1 has equal rewards"):
        token_advantages(signal, kept, offsets, rewards, tokens)
    grpo = Signal.grpo()
    spread = token_advantages(grpo, plan(grpo, offsets, rewards, rewards), offsets, rewards, tokens)
    assert spread.shape == (4,)
