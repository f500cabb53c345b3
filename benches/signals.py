#!/usr/bin/env python3
"""Runs the criterion bench `signals` and the same work in numpy, and prints both in one table.

The script needs numpy (measured with 2.x) and cargo. The table has two numpy forms, as medians of
repeated runs:

loop    a group at a time, as trainers in Python do it: dictionaries of groups, lists of rewards
whole   one call over the (groups, G) matrix, which needs groups of equal size and no ties to break
        beyond the first
"""

import json
import os
import pathlib
import statistics
import subprocess
import sys
import time

import numpy as np

GROUPS = 4096
SIZES = (8, 32, 128, 1024)
ROOT = pathlib.Path(__file__).resolve().parents[1]


def median_seconds(work, least_seconds=0.5):
    work()
    times = []
    while len(times) < 5 or sum(times) < least_seconds:
        start = time.perf_counter()
        work()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


def completions(size):
    """The shape of the Rust bench's data: every third group has one hit, scores take few values."""
    rng = np.random.default_rng(1)
    scores = rng.choice(np.float32([0, 0, 0, 0.01, 0.01, 0.1]), (GROUPS, size))
    rewards = np.zeros((GROUPS, size), np.float32)
    hit = np.arange(0, GROUPS, 3)
    rewards[hit, rng.integers(0, size, len(hit))] = 1
    scores[rewards > 0] = 1
    old_log_probs = -rng.random((GROUPS, size), np.float32) * 16
    return rewards, scores, old_log_probs


def select_loop(rewards, scores, old):
    for r, u, p in zip(rewards, scores, old):
        if not r.any():
            np.lexsort((-np.arange(len(r)), p, u))[0]
            continue
        order = np.lexsort((np.arange(len(r)), -p, -u))
        misses = order[r[order] == 0]
        hits = order[r[order] > 0]
        (hits[0], misses[0])


def select_whole(rewards, scores, old):
    any_hit = rewards.any(axis=1)
    low = scores.min(axis=1, keepdims=True)
    np.where(scores == low, old, np.inf).argmin(axis=1)
    misses = np.where(rewards > 0, -1, scores)
    hardest = misses == misses.max(axis=1, keepdims=True)
    np.where(hardest, old, -np.inf).argmax(axis=1)
    rewards.argmax(axis=1)[any_hit]


def grpo_loop(rewards):
    for r in rewards:
        (r - r.mean()) / (r.std(ddof=1) + 1e-6)


def grpo_whole(rewards):
    mean = rewards.mean(axis=1, keepdims=True)
    (rewards - mean) / (rewards.std(axis=1, ddof=1, keepdims=True) + 1e-6)


def criterion_seconds(name, size):
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "benches" / "target"))
    path = target / "criterion" / "signals" / name / str(size) / "new" / "estimates.json"
    return json.loads(path.read_text())["median"]["point_estimate"] * 1e-9


def main():
    command = ["cargo", "bench", "--quiet", "--manifest-path", "benches/Cargo.toml", "--bench", "signals", "--"]
    subprocess.run(command + sys.argv[1:], cwd=ROOT, check=True, stdout=sys.stderr)
    print(f"ns a completion, medians; {GROUPS} groups, f32; numpy {np.__version__}")
    print(f"{'G':>5} {'work':<10} {'sum':>7} {'recast':>7} {'of sum':>7} {'numpy loop':>11} {'ratio':>7} {'whole':>8} {'ratio':>7}")
    for size in SIZES:
        rewards, scores, old = completions(size)
        rows = (
            ("selection", "sum", "recast", lambda: select_loop(rewards, scores, old),
             lambda: select_whole(rewards, scores, old)),
            ("grpo", "sum_rewards", "grpo", lambda: grpo_loop(rewards), lambda: grpo_whole(rewards)),
        )
        for work, sum_name, name, loop, whole in rows:
            count = GROUPS * size * 1e-9
            total, ours = criterion_seconds(sum_name, size), criterion_seconds(name, size)
            loop, whole = median_seconds(loop), median_seconds(whole)
            print(
                f"{size:>5} {work:<10} {total / count:>7.2f} {ours / count:>7.2f} {ours / total:>6.1f}x"
                f" {loop / count:>11.1f} {loop / ours:>6.0f}x {whole / count:>8.2f} {whole / ours:>6.1f}x"
            )


if __name__ == "__main__":
    main()
