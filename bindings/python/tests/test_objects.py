"""Objects and arrays as Python's users expect them."""

from __future__ import annotations

import pickle
import sys
import threading

import numpy as np
import pytest

import recast_rl
from recast_rl import AllZeroRate, Objective, Signal, plan

SIGNALS = [
    *Signal.all(),
    Signal.s_dpo(repair="never"),
    Signal.luffy(epsilon=1e-6),
    Signal.grpo(scale="batch"),
    Signal.recast(
        repair="gated", threshold=0.25, anchor_ratio="shaped", gamma=0.5, negative_margin=2.0
    ),
    Signal.recast(repair="confident", tau=0.5, anchor_ratio="weighted", anchor_weight=0.5),
    Signal.recast(repair="never", anchor_ratio="detached", normaliser="group"),
]
OBJECTIVES = [
    *(Objective(ratio_bound=bound) for bound in ("none", "dual", "ecpo", "gbpo")),
    Objective(kl_value_limit=None, kl_estimator="k1", kl_times_ratio=True),
]


@pytest.mark.parametrize("thing", [*SIGNALS, *OBJECTIVES], ids=repr)
def test_a_repr_and_a_pickle_give_an_equal_object(thing):
    assert eval(repr(thing), {"Signal": Signal, "Objective": Objective}) == thing
    again = pickle.loads(pickle.dumps(thing))
    assert again == thing and hash(again) == hash(thing)
    if isinstance(thing, Signal):
        assert getattr(Signal, thing.kind)(**thing.options) == thing
    others = [other for other in [*SIGNALS, *OBJECTIVES] if other != thing]
    assert len(others) == len(SIGNALS) + len(OBJECTIVES) - 1


def test_every_kind_is_a_method():
    assert len({signal.kind for signal in Signal.all()}) == len(Signal.all())
    for signal in Signal.all():
        assert getattr(Signal, signal.kind)() == signal
        assert signal.needs_rollout == (signal.kind != "supervised")


def test_a_rate_goes_on_from_its_pickle():
    rate = AllZeroRate(decay=0.5)
    rate.observe(np.array([0, 1], np.uint8))
    again = pickle.loads(pickle.dumps(rate))
    assert again.parts == rate.parts and again.rate == rate.rate


def test_signals_are_frozen():
    with pytest.raises(AttributeError):
        Signal.grpo().kind = "other"


class Tensor:
    """A tensor as torch has it: a gradient, a device, and a way to the host."""

    dtype = "bfloat16"

    def __init__(self, values):
        self.values = values

    def detach(self):
        return Tensor(self.values)

    def cpu(self):
        return self

    def float(self):
        return np.asarray(self.values, np.float32)


class Capsule:
    """An array of another library that speaks DLPack alone."""

    dtype = "float32"

    def __init__(self, values):
        self.values = np.array(values, np.float32)

    def __dlpack__(self, **options):
        return self.values.__dlpack__(**options)

    def __dlpack_device__(self):
        return self.values.__dlpack_device__()


def test_arrays_of_other_libraries_are_read():
    want = plan(Signal.recast(), [0, 2], np.float32([0, 1]), np.float32([0.5, 1]))
    for kind in (Tensor, Capsule):
        got = plan(Signal.recast(), [0, 2], kind([0, 1]), kind([0.5, 1]))
        assert got.advantages.dtype == np.float32
        assert all(np.array_equal(a, b) for a, b in zip(got, want, strict=True))
    half = plan(Signal.recast(), [0, 2], np.float16([0, 1]), np.float16([0.5, 1]))
    assert half.advantages.dtype == np.float32


def test_views_with_strides_and_other_integers_are_read():
    rewards, scores = np.float32([0, 9, 1, 9])[::2], np.float32([1, 9, 0.5, 9])[::-2][::-1]
    got = plan(Signal.grpo(), np.uint16([0, 2]), rewards, scores, lengths=np.int8([1, 2]))
    assert got.rows.tolist() == [0, 1]
    codes = np.asfortranarray(np.int32([[1, 2], [1, 2]]))
    assert recast_rl.duplicates(codes, [0, 2]).tolist() == [0, 0]
    big = plan(Signal.grpo(), [0, 2], np.array([0, 1], ">f4"), np.array([0, 1], ">f4"))
    assert big.rows.tolist() == [0, 1]


def test_other_threads_run_meanwhile_and_agree():
    size = 1 << 20
    rewards = np.random.default_rng(1).integers(0, 2, size).astype(np.float32)
    offsets = np.arange(0, size + 1, 64)
    want = plan(Signal.grpo(), offsets, rewards, rewards)
    results: list = []
    ticks, done = 0, threading.Event()

    def work() -> None:
        results.append(plan(Signal.grpo(), offsets, rewards, rewards))
        done.set()

    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-5)
    try:
        threads = [threading.Thread(target=work) for _ in range(4)]
        for thread in threads:
            thread.start()
        while not done.is_set():
            ticks += 1
        for thread in threads:
            thread.join()
    finally:
        sys.setswitchinterval(interval)
    assert ticks > 0
    assert len(results) == 4
    for result in results:
        assert all(np.array_equal(a, b) for a, b in zip(result, want, strict=True))
