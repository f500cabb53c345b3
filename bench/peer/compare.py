#!/usr/bin/env python3
"""Runs `recast bench`, then peer.py with the same settings and threads; compares the two.

The Python needs the packages of requirements.txt. Arguments after -- go to recast bench:

    python bench/peer/compare.py --json peer.json -- --model small --group-size 32
"""

import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).resolve().parent
ROOT = HERE.parents[1]
CARGO = ["cargo", "run", "--release", "--quiet", "--manifest-path", str(ROOT / "Cargo.toml"), "--"]

# parts of recast and of the peer, without the size of groups
SAME_WORK = (
    ("supervised step", "supervised step"),
    ("rollout", "rollout"),
    ("update GRPO row-wise", "update GRPO row-wise"),
    ("update ReCast row-wise", "update ReCast row-wise"),
)
SAME_METHOD = (
    ("update GRPO packed", "update GRPO row-wise"),
    ("update ReCast packed", "update ReCast row-wise"),
    ("RL step of GRPO", "RL step of GRPO"),
    ("RL step of ReCast", "RL step of ReCast"),
)
OTHER_METHOD = (
    ("update ReCast packed", "update GRPO row-wise"),
    ("RL step of ReCast", "RL step of GRPO"),
)
TABLES = (
    ("the same work", SAME_WORK),
    ("the same method: recast packs, the peer has rows", SAME_METHOD),
    ("ReCast in recast, GRPO in the peer", OTHER_METHOD),
)


def arguments() -> tuple[argparse.Namespace, list[str]]:
    own, bench = sys.argv[1:], []
    if "--" in own:
        cut = own.index("--")
        own, bench = own[:cut], own[cut + 1 :]
    parser = argparse.ArgumentParser(
        description="Sets recast bench and its peer in PyTorch side by side.",
        epilog="Options after -- go to recast bench, such as -- --model small --group-size 32.",
    )
    parser.add_argument("--recast", metavar="PATH", help="the program (default: built by cargo)")
    parser.add_argument("--json", metavar="FILE", help="the file for both reports and the rows of the tables")
    parser.add_argument("--markdown", metavar="FILE", help="the file for the table of docs/measurements")
    parser.add_argument("--batches", metavar="N,..", help="passed on to peer.py")
    return parser.parse_args(own), bench


def measure_recast(program: str | None, bench: list[str]) -> dict:
    command = [program] if program else CARGO
    found = subprocess.run([*command, "bench", "--json", *bench], stdout=subprocess.PIPE, check=True)
    report = json.loads(found.stdout)
    if "settings" not in report:
        sys.exit("error: this recast bench reports no settings; build recast from the same checkout as this file")
    return report


def measure_peer(recast: dict, only: list[str], batches: str | None) -> dict:
    with tempfile.TemporaryDirectory() as folder:
        settings, found = pathlib.Path(folder, "recast.json"), pathlib.Path(folder, "peer.json")
        settings.write_text(json.dumps(recast))
        command = [sys.executable, str(HERE / "peer.py"), "--settings", str(settings), "--json", str(found)]
        command += ["--threads", str(recast["threads"])]
        command += ["--precision", recast["settings"]["precision"]]
        kind, _, index = recast["device"].partition(":")
        command += ["--device", "cuda" if kind == "cuda" else "cpu"]
        environment = dict(os.environ, CUDA_VISIBLE_DEVICES=index) if index else None
        command += [f"--only={name}" for name in only]
        command += ["--batches", batches] if batches else []
        subprocess.run(command, stdout=sys.stderr, check=True, env=environment)
        return json.loads(found.read_text())


def pairs(recast: dict) -> list[tuple[str, str, str]]:
    """The table's title, recast's part and the peer's, for all parts that recast measured."""
    measured = [m["name"] for m in recast["measurements"]]
    found = []
    for title, table in TABLES:
        for ours, theirs in table:
            for name in measured:
                work, comma, size = name.partition(", ")
                if work == ours:
                    found.append((title, name, theirs + comma + size))
    return found


def ratio(of: float | None, to: float | None) -> float | None:
    return None if of is None or to is None else of / to


def rows(recast: dict, peer: dict) -> list[dict]:
    ours, theirs = ({m["name"]: m for m in report["measurements"]} for report in (recast, peer))
    made = []
    for title, our_name, their_name in pairs(recast):
        us, them = ours[our_name], theirs[their_name]
        row = {"table": title, "recast": our_name, "peer": their_name}
        for key, short in (("seconds", "seconds"), ("peak_memory_bytes", "peak_memory")):
            row[f"recast_{key}"], row[f"peer_{key}"] = us[key], them[key]
            row[f"{short}_ratio"] = ratio(us[key], them[key])
        made.append(row)
    return made


def mebibytes(count: int | None) -> str:
    return "" if count is None else str(count >> 20)


def tables(recast: dict, peer: dict, compared: list[dict]) -> str:
    ours, theirs = recast["settings"]["parameters"], peer["parameters"]
    lines = [
        f"recast {recast['version']} on {recast['device']}, {recast['threads']} threads, vectors {recast['vectors']}",
        f"torch {peer['torch']}, transformers {peer['transformers']} on {peer['device']}, {peer['threads']} threads, "
        f"vectors {peer['vectors']}",
        f"{ours} parameters, the peer {theirs - ours:+d}; medians of {recast['settings']['repeats']}",
    ]
    shown = None
    for row in compared:
        if row["table"] != shown:
            shown = row["table"]
            head = f"{'recast ms':>10} {'peer ms':>10} {'ratio':>6} {'recast MiB':>11} {'peer MiB':>9} {'ratio':>6}"
            lines += ["", shown, f"{'recast':<32} {'peer':<32} {head}"]
        ours_ms, theirs_ms = 1e3 * row["recast_seconds"], 1e3 * row["peer_seconds"]
        times = f"{ours_ms:>10.2f} {theirs_ms:>10.2f} {row['seconds_ratio']:>6.3f}"
        memory = f"{mebibytes(row['recast_peak_memory_bytes']):>11} {mebibytes(row['peer_peak_memory_bytes']):>9}"
        of_memory = "" if row["peak_memory_ratio"] is None else f"{row['peak_memory_ratio']:.3f}"
        lines.append(f"{row['recast']:<32} {row['peer']:<32} {times} {memory} {of_memory:>6}")
    lines += ["", "ratio: recast over peer, so below 1 recast takes less; MiB: the peak of the whole process"]
    if peer["idle_memory_bytes"] is not None:
        lines.append(f"the peer's process takes {mebibytes(peer['idle_memory_bytes'])} MiB before its model exists")
    return "\n".join(lines)


def warn_of_load():
    try:
        load = os.getloadavg()[0]
    except OSError:
        return
    if load > 0.5:
        print(
            f"warning: the load average is {load:.1f}: other programs lengthen all times, the peer's most",
            file=sys.stderr,
        )


def markdown(recast: dict, peer: dict, compared: list[dict]) -> str:
    """The rows of all tables in one table, below a line with the vectors of the CPU."""
    lines = [
        f"Vectors {recast['vectors']} in recast, {peer['vectors']} in PyTorch; matrix product"
        f" {1e-9 * recast['reference_flops']:.0f} GFLOP/s in recast.",
        "",
        "| recast | PyTorch | ms | ms | ratio | MiB | MiB | ratio |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for row in compared:
        memory = "" if row["peak_memory_ratio"] is None else f"{row['peak_memory_ratio']:.2f}"
        cells = [
            row["recast"], row["peer"], f"{1e3 * row['recast_seconds']:,.0f}", f"{1e3 * row['peer_seconds']:,.0f}",
            f"{row['seconds_ratio']:.2g}", mebibytes(row["recast_peak_memory_bytes"]),
            mebibytes(row["peer_peak_memory_bytes"]), memory,
        ]
        lines.append("| " + " | ".join(cells) + " |")
    return "\n".join(lines) + "\n"


def main():
    args, bench = arguments()
    warn_of_load()
    try:
        recast = measure_recast(args.recast, bench)
        only = list(dict.fromkeys(theirs for _, _, theirs in pairs(recast)))
        if not only:
            sys.exit("error: recast bench measured no part that the peer has; leave out --only")
        peer = measure_peer(recast, only, args.batches)
    except OSError as error:
        sys.exit(f"error: {error.filename}: {error.strerror}")
    except subprocess.CalledProcessError as error:
        sys.exit(f"error: {' '.join(error.cmd)} ended with {error.returncode}")
    compared = rows(recast, peer)
    print(tables(recast, peer, compared))
    if args.markdown:
        pathlib.Path(args.markdown).write_text(markdown(recast, peer, compared))
    if args.json:
        report = {"recast": recast, "peer": peer, "rows": compared}
        pathlib.Path(args.json).write_text(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
