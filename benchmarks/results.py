"""Write docs/results.md from sweeps and from benchmarks/search.py: figures are read, never typed.

    axkit sweep recipes/axformer_*.yaml --seed 1 --seed 2 --seed 3 --out runs/reviews
    python benchmarks/search.py ... | tail -n 1 > runs/search.json
    python benchmarks/results.py runs/reviews [...] --search runs/search.json

Every run below the folders counts, RECIPE/TASK/SEED/report.json. Every figure is the mean over its seeds, with the
least and the largest in brackets.
"""

from __future__ import annotations

import argparse
import itertools
import json
from pathlib import Path
from types import SimpleNamespace

import yaml
from charts import illustrate

from axkit.finished.use import evaluate
from axkit.report.tables import table_lines
from axkit.run.report import read_report
from axkit.run.verdict import judge, mark
from axkit.sweep.table import figures_of, rows_of
from axkit.sweep.text import frontier_lines, machine_text

HEAD = """# Results

Written by `benchmarks/results.py` from the runs' own reports. Each figure is the mean over seeds, with the least and
the largest in brackets; metric and loss are of the test split, which no decision used, unless it says search; ratios
are to the run's own dense model in float32, timed in turn with it in one process. `p` is of a paired test of result
against dense; a change that chance or a constant answer would explain in some of its runs is marked so, with their
number. Recipes that are not in `recipes/` are in `benchmarks/recipes/`: single passes, to compare with. `n`
counts runs of seeds 1, 2 and 3; where it is more, seeds were run twice: a budget's walk goes by timings, so that two
runs of a seed differ.

`bert-axformer-int8` and `vit-digits` were run once for each kind of task, on few rows: they show that the whole path
works there, not what it can give. `wnut` is tags for words, `wnut-entities` several labels (which kinds of entity a
sentence of WNUT-17 has, of those with any), `stsb` a score, `squad-192` answers in windows of 192 tokens.
"""
COLUMNS = ("recipe", "n", "dense", "result", "change", "search change", "loss", "search loss")
COSTS = ("recipe", "n", "throughput b32", "latency b1", "bytes", "p, each seed")
STORED = ("recipe", "n", "bits per linear weight", "error of layer outputs / per-channel")
CHAINS = ("recipe", "against", "metric, points", "throughput b32", "bytes", "ahead in")

RATIOS = ("throughput_b32_ratio", "latency_b1_ratio", "bytes_ratio")


SEARCH = {
    "same_decisions": "the same decisions as the plain search",
    "best_loss_difference": "difference of the best loss",
    "seconds": "seconds, median",
    "ratio_vs_masked": "times as fast as whole-model passes on length-sorted batches, median",
    "ratio_vs_masked_lowest": "the same, lowest",
    "ratio_vs_padded": "times as fast as passes padded to 128, median",
    "ratio_vs_padded_lowest": "the same, lowest",
    "peak_memory_bytes": "peak memory, GB",
}


def shown(value):
    """A figure of a search."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value / 1e9:.1f}" if value > 1e6 else f"{value:.2g}" if value < 1e-3 else f"{value:g}"


def spread(values, form="{:+.2f}"):
    """Mean [least, largest]."""
    shown = [form.format(v) for v in (sum(values) / len(values), min(values), max(values))]
    return f"{shown[0]} [{shown[1]}, {shown[2]}]" if len(values) > 1 else shown[0]


def change(pairs):
    return [result - dense for dense, result in pairs]


def quality_row(recipe, summaries):
    quality, searched = [s.quality for s in summaries], [s.searched for s in summaries]
    dense, result = ([getattr(one, which).points for one in quality] for which in ("dense", "result"))
    losses = [change((one.dense.loss_nats, one.result.loss_nats) for one in found) for found in (quality, searched)]
    return [
        recipe,
        str(len(summaries)),
        *(spread(level, "{:.2f}") for level in (dense, result)),
        spread([one.moved for one in quality]) + mark([judge(s.quality, s.baseline) for s in summaries]),
        spread(change((one.dense.score, one.result.score) for one in searched)),
        *(spread(loss, "{:+.4f}") for loss in losses),
    ]


def cost_row(recipe, summaries):
    figures = [figures_of(s) for s in summaries]
    ratios = [spread([getattr(one, name) for one in figures], "{:.2f}x") for name in RATIOS]
    return [recipe, str(len(summaries)), *ratios, ", ".join(f"{s.quality.change.p:.2f}" for s in summaries)]


def control_line(recipe, summaries):
    """What the same training without the cuts gives, and the result against it; empty where none ran."""
    found = [s.control.found for s in summaries if s.control and s.control.found]
    if not found:
        return ""
    alone = spread([one.above_dense.change for one in found])
    beyond = spread([one.result_above.change for one in found])
    tested = ", ".join(f"{one.result_above.p:.2f}" for one in found)
    return f"{recipe}: the same training without the cuts gives {alone}; the result against that {beyond} (p {tested})."


def stored_row(recipe, reports):
    """Of runs whose last pass stores weights in few bits."""
    facts = [report.stages[-1].told.facts for _, report in reports]
    bits = [one["effective_bits_per_linear_weight"] for one in facts if "effective_bits_per_linear_weight" in one]
    if not bits:
        return None
    errors = [one["output_mse_ratio_mean"] for one in facts if "output_mse_ratio_mean" in one]
    return [recipe, str(len(bits)), spread(bits, "{:.2f}"), spread(errors, "{:.2f}") if errors else ""]


def read(folders):
    """Task -> recipe -> (folder, report), by seed."""
    tasks = {}
    paths = [path for folder in folders for path in folder.glob("*/*/*/report.json")]
    for path in sorted(paths, key=lambda path: (path.parts[-4], int(path.parts[-2]))):
        found = path.parent, read_report(path.parent)
        tasks.setdefault(path.parts[-3], {}).setdefault(path.parts[-4], []).append(found)
    return tasks


def model_of(report):
    return yaml.safe_load(report.recipe)["model"]


def overridden(recipes):
    """Settings that were not the recipe's -> recipes."""
    found = {}
    for recipe, reports in recipes.items():
        own = [one for one in reports[0][1].overrides if not one.startswith(("task=", "seed="))]
        if own:
            found.setdefault(", ".join(f"`{one}`" for one in own), []).append(recipe)
    return found


def reloaded(folder, report):
    """The metric of a saved model, opened and scored again in this process."""
    return f"{evaluate(str(folder)).score:.2f} (report: {report.summary.quality.result.points:.2f})"


def passes_of(report):
    return {one["pass"] for one in yaml.safe_load(report.recipe)["passes"]}


def chain_rows(rows, recipes):
    """Each recipe against those, on the same model, that are made of some of its passes."""
    found = []
    for chain, part in itertools.permutations(rows, 2):
        passes = [passes_of(recipes[one.recipe][0][1]) for one in (part, chain)]
        if chain.model != part.model or not passes[0] < passes[1]:
            continue
        ours, its = chain.figures, part.figures
        points = ours.metric_result.mean - its.metric_result.mean
        factors = [
            getattr(ours, name).mean / getattr(its, name).mean for name in ("throughput_b32_ratio", "bytes_ratio")
        ]
        better = [points > 0, *(factor > 1 for factor in factors)]
        ahead = [name for name, is_better in zip(("metric", "throughput", "bytes"), better, strict=True) if is_better]
        figures = [f"{points:+.2f}", *(f"{factor:.2f}x" for factor in factors)]
        found.append([chain.recipe, part.recipe, *figures, ", ".join(ahead) or "nothing"])
    return found


def task_lines(task, recipes, reload):
    _, first = next(iter(recipes.values()))[0]
    metric, rows = first.summary.quality.metric_name, first.summary.rows.used
    summaries = {recipe: [report.summary for _, report in reports] for recipe, reports in recipes.items()}
    quality = [quality_row(recipe, found) for recipe, found in summaries.items()]
    costs = [cost_row(recipe, found) for recipe, found in summaries.items()]
    stored = [row for row in (stored_row(recipe, reports) for recipe, reports in recipes.items()) if row]
    lines = [f"## {task}", "", f"{metric}, points; {rows.train} / {rows.search} / {rows.test} rows.", ""]
    own = [f"- {', '.join(found)} with {settings}" for settings, found in overridden(recipes).items()]
    lines += [*own, ""] if own else []
    lines += [*table_lines(COLUMNS, quality), "", *table_lines(COSTS, costs), ""]
    told = [control_line(recipe, found) for recipe, found in summaries.items()]
    lines += [part for line in told if line for part in (line, "")]
    if stored:
        lines += [*table_lines(STORED, stored), ""]
    outcomes = [
        SimpleNamespace(run=SimpleNamespace(task=task, recipe=recipe, model=model_of(one)), report=one)
        for recipe, reports in recipes.items()
        for _, one in reports
    ]
    rivals = rows_of(outcomes)
    chains = chain_rows(rivals, recipes)
    if chains:
        lines += ["Recipes against those that are made of some of their passes, in their own settings; means:", ""]
        lines += [*table_lines(CHAINS, chains), ""]
    for recipe in reload & recipes.keys():
        again = ", ".join(reloaded(*one) for one in recipes[recipe])
        lines += [f"{recipe}, saved, reloaded and scored again: {again}.", ""]
    if len(recipes) > 1:
        lines += ["\n".join(frontier_lines(rivals)), ""]
    machines = dict.fromkeys(machine_text(one.machine) for reports in recipes.values() for _, one in reports)
    return [*lines, *machines, ""]


def search_lines(paths):
    """What benchmarks/search.py printed last, a column for each time."""
    found = [json.loads(path.read_text(encoding="utf-8").splitlines()[-1]) for path in paths]
    rows = [(words, *(shown(one[name]) for one in found)) for name, words in SEARCH.items()]
    heads = [f"{one['processor']}, {one['threads']} threads" for one in found]
    return ["## The search itself", "", *table_lines(("figure", *heads), rows)]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("sweeps", nargs="+", type=Path, help="folders made by axkit sweep")
    parser.add_argument("--search", type=Path, action="append", help="ends with the JSON line of benchmarks/search.py")
    parser.add_argument("--reload", action="append", default=[], metavar="RECIPE", help="score its saved models again")
    parser.add_argument("--out", type=Path, default=Path("docs/results.md"))
    args = parser.parse_args()
    lines = [HEAD]
    for task, recipes in read(args.sweeps).items():
        lines += task_lines(task, recipes, set(args.reload))
    if args.search:
        lines += [*search_lines(args.search), ""]
    args.out.write_text("\n".join(lines).rstrip() + "\n", encoding="utf-8")
    illustrate(args.out)


if __name__ == "__main__":
    main()
