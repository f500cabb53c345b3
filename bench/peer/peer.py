#!/usr/bin/env python3
"""Measures the parts of `recast bench` in PyTorch, each part in its own process.

The program tries several numbers of rows in a forward pass, and measures with the fastest number.
On a CPU the program also tries how OpenMP's threads wait, unless OMP_WAIT_POLICY is set.
compare.py runs recast and this program, and sets both side by side.
"""

import argparse
import json
import os
import pathlib
import sys
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from multiprocessing import get_context

try:
    import torch
    import transformers

    import parts
except ImportError as error:
    needed = pathlib.Path(__file__).with_name("requirements.txt")
    sys.exit(f"error: {error}; install the requirements: pip install -r {needed}")

WAIT_POLICY = "OMP_WAIT_POLICY"


def positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{value} is not at least 1")
    return value


def positives(text: str) -> list[int]:
    return [positive(number) for number in text.split(",")]


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measures the parts of recast bench in PyTorch.")
    parser.add_argument("--settings", required=True, metavar="FILE", help="the output of recast bench --json")
    parser.add_argument("--threads", type=positive, default=os.cpu_count(), help="CPU threads (default: one a core)")
    parser.add_argument("--repeats", type=positive, help="measured repetitions (default: those of the settings)")
    parser.add_argument("--json", metavar="FILE", help="the file for all measurements")
    parser.add_argument("--device", choices=("cpu", "cuda"), default="cpu")
    parser.add_argument("--precision", choices=("f32", "bf16"), default="f32", help="bf16 is autocast")
    parser.add_argument("--only", action="append", metavar="NAME", help="only parts whose names contain this text; repeatable")
    parser.add_argument(
        "--batches", type=positives, default=[32, 64, 256, 1024], metavar="N,..",
        help="rows of a forward pass to try (default: 32,64,256,1024); one number needs no trial",
    )
    return parser.parse_args()


class Measuring:
    """Measures parts, and finds the fastest number of rows for each kind of work."""

    def __init__(self, settings: dict, place: parts.Place, candidates: list[int], repeats: int):
        self.settings, self.place, self.candidates, self.repeats = settings, place, candidates, repeats
        self.tried: dict[parts.Part, list[dict]] = {}

    def choose_wait_policy(self):
        """Chooses how the threads of later processes wait: by spinning, the default, or passively.

        Spinning costs little on an idle machine, and a time slice for each wait on a loaded one.
        """
        part = parts.Part("supervised step", "supervised")
        batches = {part.kind: min(*self.candidates, part.rows(self.settings))}
        usual = self.run(part, batches, 3)["seconds"]
        os.environ[WAIT_POLICY] = "passive"
        passive = self.run(part, batches, 3)["seconds"]
        say(f"  {part.name}: {1e3 * usual:.1f} ms, with {WAIT_POLICY}=passive {1e3 * passive:.1f} ms")
        if usual < passive:
            del os.environ[WAIT_POLICY]

    def part(self, part: parts.Part) -> dict:
        batches = {}
        for kind in ("rollout", "update") if part.kind == "step" else (part.kind,):
            batches[kind] = self.fastest_batch(parts.Part(part.name, kind, part.group_size, part.kept))
        return self.run(part, batches, self.repeats)

    def fastest_batch(self, part: parts.Part) -> int:
        """The rows, or for a rollout the beams, with the shortest repetition of two."""
        unit, rows = part.group_size if part.kind == "rollout" else 1, part.rows(self.settings)
        batches = sorted({min(max(n // unit, 1) * unit, rows) for n in self.candidates})
        if len(batches) == 1:
            return batches[0]
        key = parts.Part("", part.kind, part.group_size, part.kept if part.kind == "update" else 0)
        if key not in self.tried:
            self.tried[key] = [self.run(part, {part.kind: batch}, 2) for batch in batches]
            for tried in self.tried[key]:
                say(f"  {part.kind} by {tried['batches'][part.kind]} rows: {1e3 * tried['min_seconds']:.1f} ms")
        return min(self.tried[key], key=lambda tried: tried["min_seconds"])["batches"][part.kind]

    def run(self, part: parts.Part, batches: dict, repeats: int) -> dict:
        with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as process:
            return process.submit(parts.measure, part, self.settings, self.place, batches, repeats).result()


def say(text: str):
    print(text, file=sys.stderr, flush=True)


def mebibytes(count: int | None) -> str:
    return "" if count is None else str(count >> 20)


def line(m: dict) -> str:
    batches = ", ".join(f"{kind} {rows}" for kind, rows in m["batches"].items())
    times = (1e3 * m[key] for key in ("seconds", "min_seconds", "max_seconds"))
    milliseconds = "".join(f" {time:>10.3f}" for time in times)
    rate = m["units"] / m["seconds"]
    return f"{m['name']:<34}{milliseconds} {rate:>9.0f} {mebibytes(m['peak_memory_bytes']):>9}  {batches}"


def measure_all(args: argparse.Namespace, settings: dict) -> dict:
    chosen = parts.all_parts(settings)
    if args.only:
        chosen = [part for part in chosen if any(only in part.name for only in args.only)]
    if not chosen:
        raise parts.SettingsError(f"no part's name contains {' or '.join(args.only)}")
    place = parts.Place(args.device, args.precision, args.threads)
    measuring = Measuring(settings, place, args.batches, args.repeats or settings["repeats"])
    say(f"{'part':<34} {'median ms':>10} {'min':>10} {'max':>10} {'units/s':>9} {'peak MiB':>9}  rows at once")
    if args.device == "cpu" and WAIT_POLICY not in os.environ:
        measuring.choose_wait_policy()
    measurements = []
    for part in chosen:
        measurements.append(measuring.part(part))
        say(line(measurements[-1]))
    return {
        "torch": torch.__version__,
        "transformers": transformers.__version__,
        "device": args.device,
        "precision": args.precision,
        "threads": args.threads,
        "vectors": torch.backends.cpu.get_cpu_capability(),
        "wait_policy": os.environ.get(WAIT_POLICY, "default"),
        "parameters": measurements[0]["parameters"],
        "idle_memory_bytes": measurements[0]["idle_memory_bytes"],
        "settings": settings,
        "measurements": measurements,
        "tried": [tried for of_part in measuring.tried.values() for tried in of_part],
    }


def summary(report: dict) -> str:
    ours, theirs = report["settings"]["parameters"], report["parameters"]
    lines = [
        f"torch {report['torch']}, transformers {report['transformers']}",
        f"{report['device']}, {report['precision']}, {report['threads']} threads, vectors {report['vectors']}",
        f"{WAIT_POLICY}: {report['wait_policy']}",
        f"{theirs} parameters, {theirs - ours:+d} to recast's",
    ]
    if report["idle_memory_bytes"] is not None:
        lines.append(f"{mebibytes(report['idle_memory_bytes'])} MiB before a part has a model")
    for m in report["measurements"]:
        if "completions" in m:
            lines.append(f"{m['name']}: {m['legal_completions']} of {m['completions']} completions are legal")
    return "\n".join(lines)


def main():
    args = arguments()
    try:
        settings = parts.read_settings(args.settings)
        if args.device == "cuda" and not torch.cuda.is_available():
            raise parts.SettingsError("this PyTorch finds no CUDA device")
        report = measure_all(args, settings)
    except parts.SettingsError as error:
        sys.exit(f"error: {error}")
    except BrokenProcessPool:
        sys.exit("error: the system ended a part's process, perhaps for want of memory: lower --batches")
    say(summary(report))
    if args.json:
        pathlib.Path(args.json).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
