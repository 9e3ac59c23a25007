"""Write docs/results.md from sweeps and from benchmarks/search.py: figures are read, never typed.

    axkit sweep recipes/axformer_*.yaml --seed 1 --seed 2 --seed 3 --out runs/reviews
    python benchmarks/search.py ... | tail -n 1 > runs/search.json
    python benchmarks/results.py runs/reviews [...] --search runs/search.json

Every figure of a sweep is the mean over its seeds, with the least and the largest in brackets.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from axkit.report.text import table_lines
from axkit.sweep.table import figures_of
from axkit.sweep.text import machine_text

HEAD = """# Results

Written by `benchmarks/results.py` from the sweeps' own files. Each figure is the mean over seeds, with the least and
the largest in brackets; metric and loss are of the test split, which no decision used, unless it says search; ratios
are to the run's own dense model in float32, timed in turn with it in one process.
"""
COLUMNS = ("recipe", "n", "dense", "result", "change", "search change", "loss", "search loss")
COSTS = ("recipe", "n", "throughput b32", "latency b1", "bytes", "paired p, each seed")

RATIOS = ("throughput_b32_ratio", "latency_b1_ratio", "bytes_ratio")


def spread(values, form="{:+.2f}"):
    """Mean [least, largest]."""
    shown = [form.format(v) for v in (sum(values) / len(values), min(values), max(values))]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]" if len(values) > 1 else shown[0]


def change(summaries, key):
    return [s[f"{key[0]}_result{key[1]}"] - s[f"{key[0]}_dense{key[1]}"] for s in summaries]


def rows_of(recipe, summaries):
    """A row of quality, and one of cost."""
    levels = [spread([s[f"metric_{which}"] for s in summaries], "{:.2f}") for which in ("dense", "result")]
    loss = ("loss_test", "_nats"), ("loss_search", "_nats")
    quality = [
        *levels,
        spread(change(summaries, ("metric", ""))),
        spread(change(summaries, ("metric_search", ""))),
        *(spread(change(summaries, key), "{:+.4f}") for key in loss),
    ]
    figures = [figures_of(s) for s in summaries]
    ratios = [spread([one[name] for one in figures], "{:.2f}x") for name in RATIOS]
    n = str(len(summaries))
    chances = ", ".join(f"{s['p_value_paired']:.2f}" for s in summaries)
    return [recipe, n, *quality], [recipe, n, *ratios, chances]


def sweep_lines(folder):
    found = json.loads((folder / "sweep.json").read_text(encoding="utf-8"))
    groups = {}
    for run in found["runs"]:
        if run["summary"]:
            groups.setdefault(run["task"], {}).setdefault(run["recipe"], []).append(run["summary"])
    lines = []
    for task, recipes in groups.items():
        first = next(iter(recipes.values()))[0]
        rows = first["rows"]
        both = [rows_of(recipe, summaries) for recipe, summaries in recipes.items()]
        lines += [f"## {task}", ""]
        lines += [f"{first['metric_name']}, points; {rows['train']} / {rows['search']} / {rows['test']} rows.", ""]
        lines += [*table_lines(COLUMNS, [q for q, _ in both]), "", *table_lines(COSTS, [c for _, c in both]), ""]
    return [*lines, *(machine_text(machine) for machine in found["machines"]), ""]


def search_lines(path):
    """What benchmarks/search.py printed last."""
    found = json.loads(path.read_text(encoding="utf-8").splitlines()[-1])
    return ["## The search itself", "", *table_lines(("figure", "seen"), [(k, str(v)) for k, v in found.items()])]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweeps", nargs="+", type=Path, help="folders made by axkit sweep")
    parser.add_argument("--search", type=Path, help="file that ends with the JSON line of benchmarks/search.py")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"))
    args = parser.parse_args()
    lines = [HEAD]
    for folder in args.sweeps:
        lines += sweep_lines(folder)
    if args.search:
        lines += search_lines(args.search)
    args.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
