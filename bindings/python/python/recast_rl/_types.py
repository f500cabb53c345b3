"""The results of the compiled module, and the way back from a pickle."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray


class Plan(NamedTuple):
    """The completions to train on: K kept rows of the N of a batch with B groups."""

    rows: NDArray[np.int64]
    """(K,) the kept rows, ascending."""
    advantages: NDArray[np.floating[Any]]
    """(K,) the advantage of each kept row."""
    groups: NDArray[np.int64]
    """(K,) the group of each kept row."""
    divisors: NDArray[np.int64]
    """(B,) the divisor of the sum over a group's kept rows; 0 for a skipped group."""
    repaired: NDArray[np.int64]
    """(B,) the row that the anchor overwrites; -1 for none."""
    skips: NDArray[np.uint8]
    """(B,) 0 trained, 1 no positive, 2 no negative, 3 no lead: see `SKIPS`."""
    regimes: NDArray[np.uint8]
    """(B,) before the repair: 0 all-zero, 1 single-hit, 2 multi-hit, 3 all-hit: see `REGIMES`."""


SKIPS = ("trained", "no_positive", "no_negative", "no_lead")
"""The names of `Plan.skips`."""

REGIMES = ("all_zero", "single_hit", "multi_hit", "all_hit")
"""The names of `Plan.regimes`."""


def restore(owner: type, kind: str, options: dict[str, Any]) -> Any:
    """An object again, from the call that its `repr` shows."""
    return getattr(owner, kind)(**options) if kind else owner(**options)
