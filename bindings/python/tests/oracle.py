"""The signals in plain Python, from their definitions: no array, no speed, no core.

A group is a list of rows. Sums and roots are Python's, so that advantages of whole groups agree
with core to a tolerance, and slots, pairs and reasons exactly.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field

SKIPS = {"no positive": 1, "no negative": 2, "no lead": 3}


@dataclass
class Group:
    """The completions of one prompt."""

    rewards: list[float]
    scores: list[float]
    old: list[float] | None = None
    duplicate_of: list[int] | None = None
    lengths: list[int] | None = None
    hits: list[bool] | None = None
    threshold: float = 0.5
    draw: int = 0
    first_codes: list[int] | None = None
    size: int = field(init=False)

    def __post_init__(self) -> None:
        self.size = len(self.rewards)

    def is_hit(self, row: int) -> bool:
        return self.hits[row] if self.hits is not None else self.rewards[row] >= self.threshold

    def count(self) -> int:
        return sum(self.is_hit(row) for row in range(self.size))

    def regime(self) -> int:
        hits = self.count()
        if hits == 0:
            return 0
        return 3 if hits == self.size else 1 if hits == 1 else 2

    def is_first(self, row: int) -> bool:
        return self.duplicate_of is None or self.duplicate_of[row] == row

    def log_prob(self, row: int) -> float:
        return self.old[row] if self.old is not None else 0.0

    def positives(self) -> list[int]:
        return [row for row in range(self.size) if self.is_hit(row) and self.is_first(row)]

    def negatives(self) -> list[int]:
        """The misses, hardest first."""
        rows = [row for row in range(self.size) if not self.is_hit(row) and self.is_first(row)]
        return sorted(rows, key=lambda row: (-self.scores[row], -self.log_prob(row), row))

    def strongest(self) -> int | None:
        def key(row: int) -> tuple[float, float, float, int]:
            return (-self.rewards[row], -self.scores[row], -self.log_prob(row), row)

        return min(self.positives(), key=key, default=None)

    def repair_slot(self) -> int | None:
        if self.count():
            return None
        rows = range(self.size)
        return min(rows, key=lambda row: (self.scores[row], self.log_prob(row), -row))

    def write_anchor(self, row: int, first_code: int | None) -> None:
        self.rewards[row] = self.scores[row] = 1.0
        if self.hits is not None:
            self.hits[row] = True
        if self.first_codes is not None and first_code is not None:
            self.first_codes[row] = first_code
        if self.duplicate_of is not None:
            others = [r for r in range(self.size) if self.duplicate_of[r] == row and r != row]
            for other in others:
                self.duplicate_of[other] = others[0]
            self.duplicate_of[row] = row


def repaired(signal: dict, group: Group, rate: float | None, log_prob: float | None) -> int | None:
    """The slot of the anchor."""
    kind = signal["kind"]
    if kind in ("recast", "dpo", "s_dpo"):
        policy = signal.get("repair", "always")
        if policy == "never" or policy == "gated" and rate is not None and rate < signal["threshold"]:
            return None
        if policy == "confident" and log_prob is not None and math.exp(log_prob) > signal["tau"]:
            return None
        return group.repair_slot()
    if kind == "gcpo":
        return group.repair_slot()
    if kind == "grpo" and signal.get("add_gt"):
        return group.size - 1 if group.count() == 0 else None
    if kind in ("luffy", "supervised") or kind == "rere" and signal.get("add_gt"):
        return group.size - 1
    return None


def mean(values: list[float]) -> float:
    return math.fsum(values) / len(values)


def deviation(values: list[float]) -> float:
    """The sample deviation."""
    if len(values) == 1:
        return 1.0
    centre = mean(values)
    return math.sqrt(math.fsum((value - centre) ** 2 for value in values) / (len(values) - 1))


def standardised(values: list[float], epsilon: float) -> list[float]:
    if len(values) == 1:
        return [values[0] / (1 + epsilon)]
    if min(values) == max(values):
        return [0.0] * len(values)
    centre, width = mean(values), deviation(values) + epsilon
    return [(value - centre) / width for value in values]


def centred(values: list[float]) -> list[float]:
    if len(values) == 1:
        return list(values)
    centre = mean(values)
    return [value - centre for value in values]


def ranked(group: Group) -> list[float]:
    """ReRe's rewards: the hit plus a penalty by rank."""
    weights = [1 / math.log2(rank + 2) for rank in range(group.size)]
    penalties = [
        -weight / math.fsum(weights) if group.count() and not group.is_hit(row) else 0.0
        for row, weight in enumerate(weights)
    ]
    return [reward + penalty for reward, penalty in zip(group.rewards, penalties)]


def whole_group(signal: dict, group: Group) -> list[float]:
    """The advantages of a signal that keeps all completions, before the scale of a batch."""
    kind, rewards, size = signal["kind"], group.rewards, group.size
    if kind in ("dr_grpo", "reinforce_plus_plus") or kind == "luffy" and not signal.get("epsilon"):
        return centred(rewards)
    if kind == "grpo" and signal.get("scale") == "batch":
        return centred(rewards)
    if kind == "opo":
        lengths = group.lengths or [1] * size
        if size == 1:
            return list(rewards)
        centre = math.fsum(l * r for l, r in zip(lengths, rewards)) / sum(lengths)
        return [reward - centre for reward in rewards]
    if kind == "rloo":
        if size == 1:
            return list(rewards)
        return [size / (size - 1) * value for value in centred(rewards)]
    if kind == "ngrpo":
        both = [*rewards, 1.0]
        if min(both) == max(both):
            return [0.0] * size
        width = deviation(both) + signal["epsilon"]
        return [(reward - mean(both)) / width for reward in rewards]
    if kind == "rere":
        return standardised(ranked(group), signal["epsilon"])
    return standardised(rewards, signal["epsilon"])


def select(signal: dict, group: Group) -> tuple[list[int], list[float], int] | str:
    """Slots, advantages and divisor; or the reason why the group is skipped."""
    kind, size = signal["kind"], group.size
    everyone = list(range(size))
    one_sided = "no positive" if group.count() == 0 else "no negative"
    positive, negatives = group.strongest(), group.negatives()
    if kind == "recast" and signal.get("boundary", True):
        negative = negatives[0] if negatives else None
        if signal.get("negative_choice") == "uniform" and negatives:
            negative = sorted(negatives)[group.draw * len(negatives) >> 64]
        if positive is None or negative is None and not signal.get("positive_only", False):
            return one_sided
        weight, share = signal.get("weight", 1.0), signal.get("negative_weight", 1.0)
        trains = negative is not None and share != 0
        if trains and signal.get("negative") == "shared_prefix":
            codes = group.first_codes
            trains = codes[negative] == codes[positive] if codes else group.scores[negative] > 0
        pair = [(positive, weight)]
        if trains:
            pair = sorted([(positive, weight), (negative, -(weight * share))])
        divisor = size if signal.get("normaliser") == "group" else len(pair)
        return [row for row, _ in pair], [value for _, value in pair], divisor
    if kind == "recast":
        if signal.get("repair", "always") != "never" and group.regime() == 0:
            return "no positive"
        return everyone, standardised(group.rewards, signal.get("epsilon", 1e-6)), size
    if kind in ("dpo", "s_dpo"):
        if positive is None or not negatives:
            return one_sided
        rows = sorted([positive, *negatives[: signal["negatives"]]])
        return rows, [1.0 if row == positive else -1.0 for row in rows], len(rows)
    if kind == "supervised":
        return "no positive" if positive is None else ([positive], [1.0], 1)
    if kind == "pass_at_k":
        order = sorted(everyone, key=lambda row: (-group.rewards[row], row))
        if size == 1:
            lead = group.rewards[0]
        else:
            lead = group.rewards[order[0]] - group.rewards[order[1]]
        if lead != 0:
            return [order[0]], [lead], size
        return {0: "no positive", 3: "no negative"}.get(group.regime(), "no lead")
    if kind == "dapo" and group.regime() in (0, 3):
        return one_sided
    if kind == "gcpo" and group.regime() == 0:
        return "no positive"
    return everyone, whole_group(signal, group), size


def scaled(signal: dict, groups: list[Group], chosen: list) -> list:
    """The advantages after the scale of the batch, where the signal has one."""
    kept = [(group, c) for group, c in zip(groups, chosen) if not isinstance(c, str)]
    if signal["kind"] == "grpo" and signal.get("scale") == "batch":
        rewards = [reward for group, _ in kept for reward in group.rewards]
        shift, divisor = 0.0, (deviation(rewards) if rewards else 1.0) + signal["epsilon"]
        flat = len(rewards) > 1 and min(rewards) == max(rewards)
    elif signal["kind"] == "reinforce_plus_plus":
        tokens = [
            value
            for group, (rows, values, _) in kept
            for row, value in zip(rows, values)
            for _ in range(group.lengths[row] if group.lengths else 1)
        ]
        shift = mean(tokens) if tokens else 0.0
        variance = deviation(tokens) ** 2 if len(tokens) > 1 else 0.0
        divisor = math.sqrt(variance + signal["epsilon"])
        flat = len(tokens) > 1 and max(tokens) - min(tokens) < 1e-12
    else:
        return chosen
    return [
        c
        if isinstance(c, str)
        else (c[0], [0.0 if flat else (value - shift) / divisor for value in c[1]], c[2])
        for c in chosen
    ]
