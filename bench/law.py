#!/usr/bin/env python3
"""The cost of an update as groups grow: a table and a plot of a report of `recast bench`.

    recast bench --json --only update --groups 16 --group-size 8,16,32,64,128 > law.json
    python3 bench/law.py law.json --plot law.svg

The script needs matplotlib for the plot (measured with 3.x), nothing for the table.
"""

import argparse
import json
import pathlib
import sys

UPDATES = ("update GRPO row-wise", "update GRPO packed", "update ReCast row-wise", "update ReCast packed")


def seconds_of(report: dict) -> dict[str, list[float]]:
    """The medians of each update, one for each group size."""
    measured = {m["name"]: m["seconds"] for m in report["measurements"]}
    sizes = report["settings"]["group_sizes"]
    return {update: [measured[f"{update}, G = {size}"] for size in sizes] for update in UPDATES}


def table(report: dict) -> str:
    sizes, seconds = report["settings"]["group_sizes"], seconds_of(report)
    row_wise, packed_grpo, pair, packed = (seconds[update] for update in UPDATES)
    lines = [
        "| G | GRPO row-wise | GRPO packed | ReCast row-wise | ReCast packed | row-wise GRPO / packed ReCast"
        " | / row-wise ReCast | packed GRPO / packed ReCast |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for i, size in enumerate(sizes):
        times = " | ".join(f"{1e3 * seconds[update][i]:,.0f}" for update in UPDATES)
        ratios = " | ".join(
            f"{of[i] / to[i]:.1f}" for of, to in ((row_wise, packed), (row_wise, pair), (packed_grpo, packed))
        )
        lines.append(f"| {size} | {times} | {ratios} |")
    return "\n".join(lines)


def plot(report: dict, path: pathlib.Path):
    import matplotlib

    matplotlib.use("svg")
    matplotlib.rcParams["svg.hashsalt"] = "recast"
    from matplotlib import pyplot

    sizes, settings = report["settings"]["group_sizes"], report["settings"]
    figure, axes = pyplot.subplots(figsize=(6, 4))
    for update, values in seconds_of(report).items():
        axes.plot(sizes, [1e3 * value for value in values], marker="o", label=update.removeprefix("update "))
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    axes.set_xticks(sizes, [str(size) for size in sizes])
    axes.set_xlabel("completions of a group, G")
    axes.set_ylabel(f"ms an update of {settings['groups']} groups")
    axes.set_title(f"width {settings['model']['hidden_size']}, {report['device']}, {report['threads']} threads")
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={"Date": None}, bbox_inches="tight")


def main():
    parser = argparse.ArgumentParser(
        description="Prints the cost of an update as groups grow, from a report of recast bench.")
    parser.add_argument("report", type=pathlib.Path, help="the output of recast bench --json")
    parser.add_argument("--plot", type=pathlib.Path, metavar="FILE", help="write a plot here, as SVG")
    args = parser.parse_args()
    try:
        report = json.loads(args.report.read_text())
        print(table(report))
    except OSError as error:
        sys.exit(f"error: {args.report}: {error.strerror}")
    except (ValueError, KeyError) as error:
        sys.exit(f"error: {args.report}: no report of all updates: {error}; run recast bench --json, with --only update or no --only")
    if args.plot:
        plot(report, args.plot)


if __name__ == "__main__":
    main()
