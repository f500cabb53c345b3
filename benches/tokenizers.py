#!/usr/bin/env python3
"""Runs the criterion bench `tokenizers` and residual k-means in numpy, and prints both.

    RECAST_DATA=... python3 benches/tokenizers.py

RECAST_DATA is the folder that holds beauty/embeddings.minilm384.f16.npy. The script needs numpy
(measured with 2.x) and cargo. numpy runs Lloyd's rounds from random rows, all rows at once, with as
many threads as its matrix products take.
"""

import json
import os
import pathlib
import re
import statistics
import subprocess
import sys
import time

import numpy as np

LEVELS, CODES, ROUNDS = 3, 256, 15
ROOT = pathlib.Path(__file__).resolve().parents[1]


def residual_kmeans(rows, seed):
    """The share of the squared length that each level leaves."""
    rng = np.random.default_rng(seed)
    residuals, energy, left = rows.copy(), float((rows**2).sum()), []
    for _ in range(LEVELS):
        centroids = residuals[rng.choice(len(residuals), CODES, replace=False)]
        for round in range(ROUNDS + 1):
            distances = (centroids**2).sum(1) - 2 * residuals @ centroids.T
            codes = distances.argmin(1)
            if round < ROUNDS:
                sums = np.zeros_like(centroids)
                np.add.at(sums, codes, residuals)
                counts = np.bincount(codes, minlength=CODES)
                used = counts > 0
                centroids[used] = sums[used] / counts[used, None]
        residuals -= centroids[codes]
        left.append(float((residuals**2).sum()) / energy)
    return left


def ours(label):
    """Median seconds of the bench, and the share that each level leaves."""
    command = ["cargo", "bench", "--quiet", "--manifest-path", "benches/Cargo.toml", "--features", "train"]
    command += ["--bench", "tokenizers", "--", label]
    output = subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout
    left = json.loads(re.search(rf"^{label}: lost of the embeddings (.*)$", output, re.MULTILINE)[1])
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", ROOT / "benches" / "target"))
    path = target / "criterion" / "residual_kmeans_beauty" / label / "new" / "estimates.json"
    return json.loads(path.read_text())["median"]["point_estimate"] * 1e-9, left


def main():
    data = os.environ.get("RECAST_DATA")
    if not data:
        sys.exit("error: set RECAST_DATA to the folder that holds beauty/embeddings.minilm384.f16.npy")
    rows = np.load(pathlib.Path(data, "beauty/embeddings.minilm384.f16.npy")).astype(np.float32)
    print(f"{len(rows)} x {rows.shape[1]}, {LEVELS} x {CODES} codes, {ROUNDS} rounds; numpy {np.__version__}")
    seconds, errors = [], []
    for seed in range(3):
        start = time.perf_counter()
        errors.append(residual_kmeans(rows, seed))
        seconds.append(time.perf_counter() - start)
    numpy_seconds, numpy_left = statistics.median(seconds), [statistics.mean(level) for level in zip(*errors)]
    print(f"{'numpy':<10} {numpy_seconds:>6.2f} s, left {' '.join(f'{x:.4f}' for x in numpy_left)} (mean of 3 seeds)")
    for label in ("plain", "balanced"):
        own_seconds, left = ours(label)
        ratios = " ".join(f"{x / y:.3f}" for x, y in zip(left, numpy_left))
        print(
            f"{label:<10} {own_seconds:>6.2f} s, left {' '.join(f'{x:.4f}' for x in left)};"
            f" of numpy's time {own_seconds / numpy_seconds:.2f}, of its loss {ratios}"
        )


if __name__ == "__main__":
    main()
