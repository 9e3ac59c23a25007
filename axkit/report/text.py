"""report.md: the same figures as report.json, for a person."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

from axkit.anatomy.structure import Structure
from axkit.ground.figures import change, quantity, ratio, score, times
from axkit.run.records import FRONTIER, StageRecord
from axkit.run.verdict import change_cell, judge, mark, sentences, speed_cell, speed_is_sure

MIB = 1e6
_NOISE = " within the noise of this machine"
_GROUPS = 12  # cells of the map for the feed-forward neurons of a layer


def headline(summary: Mapping[str, Any]) -> str:
    """What came out, in sentences that claim no more than was measured."""
    kind = judge(summary)
    if kind == "itself":  # timed twice, and what differs is the machine
        return "\n".join(sentences(summary))
    smaller = summary["bytes_dense"] / summary["bytes_result"]
    faster = summary["throughput_b32_per_s_result"] / summary["throughput_b32_per_s_dense"]
    quicker = summary["latency_b1_ms_p50_dense"] / summary["latency_b1_ms_p50_result"]
    sure = {"b32": speed_is_sure(summary, "b32"), "b1": speed_is_sure(summary, "b1")}
    batch = times(faster, "the throughput", "slower", "the same throughput") if sure["b32"] else f"as fast{_NOISE}"
    single = times(quicker, "quicker", "slower", "as quick") if sure["b1"] else f"as quick{_NOISE}"
    lines = [
        f"{times(smaller, 'smaller', 'larger', 'As large')} on disk, {batch} at batch 32, {single} on one input.",
        *sentences(summary),
    ]
    better = [smaller, faster if sure["b32"] else 1.0, quicker if sure["b1"] else 1.0]
    if max(better) <= 1.03 and kind != "gain":
        lines.append(f"Nothing became smaller or faster, and nothing better by more than chance.{_loss_fell(summary)}")
    return "\n".join(lines)


def _loss_fell(summary: Mapping[str, Any]) -> str:
    """That the loss got better all the same, where it did by one in a hundred."""
    dense, result = summary.get("loss_test_dense_nats"), summary.get("loss_test_result_nats")
    if not dense or result is None or dense - result < 0.01 * dense:
        return ""
    return f" The loss on the test split fell by {quantity(100 * (dense - result) / dense)} %."


def gain_lines(summary: Mapping[str, Any]) -> list[str]:
    """What was gained on the rows that decided, beside what was gained on rows that nothing had seen."""
    search = summary["metric_search_result"] - summary["metric_search_dense"]
    test = summary["metric_result"] - summary["metric_dense"]
    loss_search = summary["loss_search_dense_nats"] - summary["loss_search_result_nats"]
    loss_test = summary["loss_test_dense_nats"] - summary["loss_test_result_nats"]
    lines = [
        f"On the search split, which decided: {change(search)} points, loss {change(-loss_search, 4)}. On the "
        f"untouched test split: {change(test)} points{mark([judge(summary)])}, loss {change(-loss_test, 4)}."
    ]
    parted = [
        f"{name} gain {change(there, digits)} there, {change(here, digits)} here"
        for name, there, here, digits in (
            (summary["metric_name"], search, test, 2),
            ("loss", loss_search, loss_test, 4),
        )
        if there > 0 and here < there / 2
    ]
    if parted:
        lines.append(f"It fits the search split: less than half of the gain survives ({'; '.join(parted)}).")
    return lines


def control_lines(summary: Mapping[str, Any]) -> list[str]:
    """What the control was, or why there was none; nothing where no pass behind the dense model trains."""
    control = summary.get("control")
    if not control or not control["trains"]:
        return []
    if not control["run"]:
        return ["", f"No control was run: {control['why']}."]
    interval = f"{score(control['metric_low'])} to {score(control['metric_high'])}"
    without = f" What {', '.join(control['left_out'])} trains inside is not in it." if control["left_out"] else ""
    return [
        "",
        f"Control, the same training without the cuts ({', '.join(control['passes'])}): {score(control['metric'])} "
        f"(95 % interval {interval}), loss {control['loss_test_nats']:.4f}; {quantity(control['wall_s'])} s of the run."
        f"{without}",
    ]


def _cells(row: Mapping[str, Any], keys: Sequence[str]) -> list[str]:
    return [f"{row[key]:g}" if isinstance(row.get(key), float) else str(row.get(key, "")) for key in keys]


def stage_tables(stages: Sequence[StageRecord]) -> list[str]:
    """The tables that passes gave, each under a heading."""
    lines: list[str] = []
    for stage in stages:
        for name, rows in stage.told.tables.items():
            if rows:
                keys = list(dict.fromkeys(key for row in rows for key in row))
                lines += [f"## {stage.applied.name}: {name}", ""]
                if name == FRONTIER:
                    lines += [f"![{FRONTIER}]({frontier_name(stage)})", ""]
                lines += [*table_lines(keys, [_cells(row, keys) for row in rows]), ""]
    return lines


def frontier_name(stage: StageRecord) -> str:
    """File name of a stage's plot."""
    return f"{FRONTIER}-{stage.applied.index}.svg"


def summary_rows(summary: Mapping[str, Any]) -> list[tuple[str, str, str, str]]:
    """(figure, dense, result, ratio or change), as text."""

    def row(name: str, key: str, decimals: int, scale: float = 1.0) -> tuple[str, str, str, str]:
        dense, result = summary[f"{key}_dense"] / scale, summary[f"{key}_result"] / scale
        better = dense / result if "latency" in key or key in ("bytes", "parameters") else result / dense
        batch: Any = next((batch for batch in ("b1", "b32") if batch in key), None)
        cell = speed_cell(summary, batch, better) if batch else ratio(better)
        return name, quantity(dense, decimals), quantity(result, decimals), cell

    return [
        (
            f"test {summary['metric_name']}, points",
            score(summary["metric_dense"]),
            score(summary["metric_result"]),
            change_cell(summary),
        ),
        row("on disk, MB", "bytes", 1, MIB),
        row("values, millions", "parameters", 2, 1e6),
        row("latency at batch 1, ms (median)", "latency_b1_ms_p50", 2),
        row("latency at batch 1, ms (90 %)", "latency_b1_ms_p90", 2),
        row("throughput at batch 32, inputs/s", "throughput_b32_per_s", 0),
    ]


def stage_rows(stages: Sequence[StageRecord]) -> list[tuple[str, ...]]:
    """(pass, search metric, MB, throughput ratio, seconds, note) of each stage, as text."""
    return [
        (
            stage.applied.name + (" (undone)" if stage.undone else "") + (" (reused)" if stage.reused else ""),
            score(stage.search.score),
            quantity(stage.bytes / MIB, 1),
            ratio(stage.speed.beside.throughput_ratio) if stage.speed and stage.speed.beside else "dense",
            quantity(stage.spent.wall_s, 1),
            stage.told.note,
        )
        for stage in stages
    ]


def what_is_left(structure: Structure) -> list[str]:
    """One line per layer: heads and groups of neurons (`#` kept, `+` in part, `.` gone), hard attention."""
    lines = []
    for index, layer in enumerate(structure.layers):
        if not layer.present:
            lines.append(f"layer {index:2d}  layer removed")
            continue
        heads = "".join("#" if head in layer.heads else "." for head in range(structure.n_heads))
        attention = heads if layer.attention else "block removed".center(structure.n_heads)
        ffn = f"{_groups(layer.neurons, structure.ffn_width)} {len(layer.neurons)}/{structure.ffn_width} neurons"
        ffn = ffn if layer.ffn else "block removed"
        hard = f", hard attention K = {layer.hard_k}" if layer.hard_k is not None else ""
        lines.append(f"layer {index:2d}  heads {attention}  feed-forward {ffn}{hard}")
    if structure.first_token_only:
        lines.append("The last layer is computed for the first token alone.")
    return lines


def _groups(neurons: Sequence[int], width: int) -> str:
    """A cell for each twelfth of the neurons."""
    bounds = [round(width * group / _GROUPS) for group in range(_GROUPS + 1)]
    cells = ""
    for low, high in pairwise(bounds):
        left = sum(low <= neuron < high for neuron in neurons)
        cells += "#" if left == high - low else "+" if left else "."
    return cells


def table_lines(head: Sequence[str], rows: Sequence[Sequence[str]]) -> list[str]:
    """A Markdown table."""
    lines = ["| " + " | ".join(head) + " |", "|" + " --- |" * len(head)]
    return lines + ["| " + " | ".join(cell.replace("|", "\\|") for cell in row) + " |" for row in rows]


def _doubles(summary: Mapping[str, Any]) -> str:
    """Rows that stand in two splits, pair by pair."""
    pairs = [f"{count} of {pair}" for pair, count in summary["rows_also_in_another_split"].items()]
    if not pairs:
        return "No row of one split also stands in another."
    return f"Rows whose input also stands in another split: {', '.join(pairs)}."


def how_measured(summary: Mapping[str, Any]) -> str:
    """On which rows, against what, how surely, and how noisy the machine was."""
    rows = summary["rows"]
    spread = [
        f"{name} {' to '.join(quantity(summary[f'throughput_b32_per_s_{name}_{end}']) for end in ('low', 'high'))}"
        for name in ("dense", "result")
    ]
    intervals = [
        f"{name} {' to '.join(score(summary[f'metric_{name}_{end}']) for end in ('low', 'high'))}"
        for name in ("dense", "result")
    ]
    return (
        f"Dense is the model that the recipe's leading training passes left, in float32. Decisions were made on "
        f"{rows['search']} search rows, the figures above on {rows['test']} test rows that no decision used (95 % "
        f"intervals: {', '.join(intervals)}); two models that differ as these do can be told apart there from about "
        f"{score(summary['metric_resolution'])} points on. The best that one and the same answer to every row scores "
        f"there is {score(summary['metric_constant'])} ({summary['metric_constant_answer']}); train's most frequent "
        f"label scores {score(summary['metric_majority'])}. Speed: the two models in turn, in one process, on inputs "
        f"of real lengths; throughput of the rounds: {', '.join(spread)} inputs/s."
    )


def _threads(summary: Mapping[str, Any], machine: Mapping[str, Any]) -> str:
    """What worked; speed was measured by one of the processes while the others waited."""
    each, count = f"{machine['threads']} threads", summary.get("processes", 1)
    return f"{count} processes of {each}" if count > 1 else each


def report_text(report: Mapping[str, Any], stages: Sequence[StageRecord]) -> str:
    """The whole report as Markdown."""
    summary, machine = report["summary"], report["machine"]
    rows = summary["rows"]
    lines = [
        f"# {report['name']}",
        "",
        headline(summary),
        "",
        *table_lines(("figure", "dense", "result", "change"), summary_rows(summary)),
        "",
        how_measured(summary),
        "",
        *gain_lines(summary),
        *control_lines(summary),
        "",
        "## Stages",
        "",
        *table_lines(("pass", "search metric", "MB", "throughput", "seconds", "note"), stage_rows(stages)),
        "",
        "## What is left",
        "",
        "```",
        *what_is_left(stages[-1].structure),
        "```",
        "",
        *stage_tables(stages),
        "## Data",
        "",
        f"Rows: {rows['train']} train, {rows['search']} search, {rows['test']} test. Truncated: "
        f"{sum(summary['rows_truncated'].values())}. {_doubles(summary)}",
        "",
        "## Machine",
        "",
        f"{machine['processor']}, {_threads(summary, machine)}, {machine['cpu_capability']}; {machine['system']}, "
        f"Python {machine['python']}; " + ", ".join(f"{k} {v}" for k, v in machine["packages"].items()) + ". "
        f"Peak memory {summary['peak_memory_bytes'] / 2**30:.2f} GiB, {quantity(summary['wall_s'])} s.",
        "",
        "## Recipe",
        "",
        "```yaml",
        report["recipe"].rstrip(),
        "```",
        *(["", "Overrides: " + ", ".join(f"`{o}`" for o in report["overrides"])] if report["overrides"] else []),
        "",
    ]
    return "\n".join(lines)
