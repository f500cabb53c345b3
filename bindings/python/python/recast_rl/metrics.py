"""Ranking metrics of prompts, and counts of what became of groups."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike

from recast_rl._core import hit_rate_at_k, ndcg_at_k, pass_at_k, recall_at_k
from recast_rl._types import REGIMES, SKIPS

__all__ = [
    "hit_rate_at_k",
    "ndcg_at_k",
    "pass_at_k",
    "recall_at_k",
    "regime_counts",
    "skip_counts",
]


def _counts(values: ArrayLike, names: tuple[str, ...]) -> dict[str, int]:
    numbers = np.asarray(values)
    if numbers.size == 0:
        numbers = numbers.astype(np.int64)
    if numbers.size and not (0 <= int(numbers.min()) and int(numbers.max()) < len(names)):
        raise ValueError(f"numbers from {numbers.min()} to {numbers.max()}: they count {names}")
    return dict(zip(names, np.bincount(numbers, minlength=len(names)).tolist(), strict=True))


def regime_counts(regimes: ArrayLike) -> dict[str, int]:
    """The number of groups of each regime, before the repair: `Plan.regimes`.

    >>> regime_counts([0, 0, 1, 3])
    {'all_zero': 2, 'single_hit': 1, 'multi_hit': 0, 'all_hit': 1}
    """
    return _counts(regimes, REGIMES)


def skip_counts(skips: ArrayLike) -> dict[str, int]:
    """The number of groups that train, and of those skipped by reason: `Plan.skips`.

    >>> skip_counts([0, 2, 0])
    {'trained': 2, 'no_positive': 0, 'no_negative': 1, 'no_lead': 0}
    """
    return _counts(skips, SKIPS)
