"""Selection beside verl's GRPO, and a constrained step beside a table of prefixes.

    python bindings/python/bench.py

Needs the wheel, PyTorch, and verl 0.9 for the first table (`pip install --no-deps verl` and what
its import asks for). Times are the least of several repeats. Ratios of one run count, not times: the
program ends with exit code 1 if 256 groups are not `LEAST` times as fast as verl's loop.
"""

from __future__ import annotations

import math
import sys
import time
import uuid
from collections.abc import Callable
from importlib.metadata import PackageNotFoundError, version

import numpy as np
import torch

from recast_rl import Signal, Trie, group_rows, plan, score
from recast_rl.generation import TrieLogitsProcessor

LEVELS = 3
# The least ratios at 256 groups of 32: all in, and plan alone.
LEAST = (30, 500)


def milliseconds(work: Callable[[], object], repeats: int) -> float:
    """The least time of a call."""
    work()
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return min(times) * 1e3


def selection(groups: int, width: int) -> tuple[float, float] | None:
    """Grouping, rewards, scores, repair and selection of rows that arrive interleaved.

    Returns how many times as fast as verl's loop all is, and plan alone; None without verl.
    """
    try:
        from verl.trainer.ppo.core_algos import compute_grpo_outcome_advantage
    except ImportError as error:
        print(f"selection: left out, no verl ({error})")
        return None
    rng = np.random.default_rng(0)
    keys = [str(uuid.UUID(int=int(n))) for n in rng.integers(1 << 62, size=groups)]
    uids = np.array(keys * width, dtype=object)
    codes = rng.integers(0, 16, (groups * width, LEVELS))
    targets = rng.integers(0, 16, (groups, LEVELS))
    rewards = torch.zeros(groups * width, LEVELS)
    rewards[:, -1] = torch.from_numpy((codes == np.tile(targets, (width, 1))).all(1)).float()
    mask = torch.ones_like(rewards)
    signal = Signal.recast()

    def theirs() -> object:
        return compute_grpo_outcome_advantage(rewards, mask, uids)

    def all_in() -> object:
        order, offsets = group_rows(uids)
        found, scores = score(codes[order], offsets, targets, np.arange(groups + 1))
        assert found.sum() == rewards.sum().item()
        return plan(signal, offsets, found, scores)

    order, offsets = group_rows(uids)
    found, scores = score(codes[order], offsets, targets, np.arange(groups + 1))
    by_loop = milliseconds(theirs, 5)
    whole = milliseconds(all_in, 30)
    alone = milliseconds(lambda: plan(signal, offsets, found, scores), 100)
    print(f"{groups} groups of {width}, {groups * width} rows:")
    print(f"  verl {version('verl')}, GRPO's loop over uids   {by_loop:9.3f} ms")
    print(f"  grouping, scores, repair and selection {whole:9.3f} ms   {by_loop / whole:6.1f}x")
    print(f"  plan alone                             {alone:9.3f} ms   {by_loop / alone:6.1f}x")
    return by_loop / whole, by_loop / alone


class Table:
    """The usual processor: a table from prefix to allowed tokens, asked row by row."""

    def __init__(self, sequences: list[list[int]], start: int) -> None:
        self.start = start
        self.table: dict[str, set[int]] = {}
        for sequence in sequences:
            for end in range(LEVELS):
                self.table.setdefault("-".join(map(str, sequence[:end])), set()).add(sequence[end])

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        log_probs = scores.log_softmax(dim=-1)
        mask = torch.full_like(scores, -math.inf)
        for row, tokens in enumerate(input_ids[:, self.start :].tolist()):
            mask[row, list(self.table["-".join(map(str, tokens))])] = 0
        return log_probs + mask


def constrained_step(beams: int, vocabulary: int) -> None:
    """One step of every level, with equal support of both processors."""
    rng = np.random.default_rng(0)
    first, start = 20_000, 20
    codes = rng.integers(0, 256, (4000, LEVELS))
    sequences = np.unique(codes + first + np.arange(LEVELS) * 256, axis=0)
    trie = Trie(sequences)
    table, ours = Table(sequences.tolist(), start), TrieLogitsProcessor(trie, start)
    in_place = TrieLogitsProcessor(trie, start, in_place=True)
    print(f"{beams} beams, {vocabulary} tokens, {len(sequences)} sequences:")
    for level in range(LEVELS):
        rows = torch.from_numpy(sequences[rng.integers(0, len(sequences), beams), :level])
        ids = torch.cat([torch.ones(beams, start, dtype=torch.long), rows], dim=1)
        scores = torch.randn(beams, vocabulary)
        assert torch.equal(table(ids, scores).isfinite(), ours(ids, scores).isfinite())
        slow = milliseconds(lambda: table(ids, scores), 7)
        fast = milliseconds(lambda: ours(ids, scores), 7)
        over = milliseconds(lambda: in_place(ids, scores), 7)
        print(
            f"  level {level}: table of prefixes {slow:7.2f} ms, trie {fast:7.2f} ms "
            f"{slow / fast:5.1f}x, in place {over:7.2f} ms {slow / over:5.1f}x"
        )


def main() -> int:
    torch.set_num_threads(1)
    names = ("recast-rl", "numpy", "torch", "transformers", "verl")
    found = []
    for name in names:
        try:
            found.append(f"{name} {version(name)}")
        except PackageNotFoundError:
            found.append(f"{name} is missing")
    print(", ".join(found))
    ratios = selection(256, 32)
    selection(1024, 32)
    constrained_step(512, 32_768)
    if ratios is not None and (ratios[0] < LEAST[0] or ratios[1] < LEAST[1]):
        print(f"256 groups: less than {LEAST} times as fast as verl's loop", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
