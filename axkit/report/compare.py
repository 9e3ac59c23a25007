"""Finished models side by side, by task."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from axkit.measure.figures import leads
from axkit.report.page.comparison import Group, comparison_page
from axkit.report.page.figures import Grid
from axkit.report.page.templates import Drawn
from axkit.report.placed import Placed
from axkit.report.plots.comparison import Point, comparison_svg
from axkit.report.text import hardware
from axkit.run.verdict import OF_ITS_OWN

HEAD = ("run", "dense", "result", "change", "MB", "smaller", "throughput", "one input", "made in, s", "passes")
_LONGEST = 60  # characters of a setting


def grouped(runs: Sequence[Placed]) -> list[Group]:
    """Runs of one task and metric together, each with what is to be known of them."""
    keys = dict.fromkeys((one.task, one.quality.metric_name) for one in runs)
    titles = {one.task: one.title for one in runs}
    alike = Counter(titles.values())
    for number, task in enumerate(titles, 1):
        if alike[titles[task]] > 1:  # the same files, read otherwise
            titles[task] = f"{titles[task]} ({number})"
    return [_group(number, *key, titles[key[0]], runs) for number, key in enumerate(keys)]


def _group(number: int, task: str, metric: str, title: str, runs: Sequence[Placed]) -> Group:
    own = [one for one in runs if (one.task, one.quality.metric_name) == (task, metric)]
    drawn = Drawn()
    drawn.add("plot", partial(_plot, own, metric, f"plot-{number}"))
    rows = tuple(one.row() for one in own)
    grid = Grid(f"Test {metric}, points", HEAD, rows)
    return Group(f"{title}: {metric}", grid, drawn, tuple(_notes(own)))


def _plot(runs: Sequence[Placed], metric: str, name: str) -> str:
    points = [
        Point(
            one.name,
            one.speeds.throughput_ratio,
            one.quality.result.points,
            one.bytes.result,
            not any(_leads(other, one) for other in runs),
        )
        for one in runs
    ]
    return comparison_svg(points, metric, "model of each run", runs[0].quality.dense.points, name)


def _merits(run: Placed) -> tuple[float, float, float]:
    return run.quality.result.points, run.speeds.throughput_ratio, -run.bytes.result


def _leads(one: Placed, other: Placed) -> bool:
    return leads(_merits(one), _merits(other))


def _notes(runs: Sequence[Placed]) -> Iterator[str]:
    """What stands in the way of comparing them."""
    front = [one.name for one in runs if not any(_leads(other, one) for other in runs)]
    yield f"Led by none in score, throughput and bytes together: {', '.join(front)}."
    if any(one.quality.unlabelled for one in runs):
        yield OF_ITS_OWN
    if len({round(one.quality.dense.points, 6) for one in runs}) > 1:
        yield "Their dense models are not the same: every ratio and every change is to the run's own."
    if len({one.rows for one in runs}) > 1:
        yield "They were scored on different numbers of test rows: their scores are of different rows."
    if len({hardware(one.machine) for one in runs}) > 1:
        yield "They were timed on different machines: a ratio on one is no ratio on another."
    for dense in dict.fromkeys(one.beside for one in runs if one.beside):
        names = ", ".join(one.name for one in runs if one.beside == dense)
        yield f"Without a report, and measured now, beside {dense}: {names}."
    yield "Whether two of them differ by more than chance, 'axkit eval ONE --against OTHER' tells, row by row."


def differing(runs: Sequence[Placed]) -> Grid | None:
    """Settings that are not the same in all runs; None where all are."""
    each = [dict(_settings(one)) for one in runs]
    names = dict.fromkeys(name for one in each for name in one)
    rows = [(name, *(one.get(name, "") for one in each)) for name in names]
    rows = [row for row in rows if len(set(row[1:])) > 1]
    return Grid("Settings that differ", ("setting", *(one.name for one in runs)), tuple(rows)) if rows else None


def _settings(run: Placed) -> Iterator[tuple[str, str]]:
    seen: dict[str, int] = {}
    for step in run.steps:
        name = step.name
        seen[name] = seen.get(name, 0) + 1
        which = name if seen[name] == 1 else f"{name} ({seen[name]})"
        yield which, "undone" if step.undone else "yes"
        for key, value in step.config.items():
            yield f"{which}.{key}", f"{value!s:.{_LONGEST}}"


def compared_page(runs: Sequence[Placed]) -> str:
    """All of it as a page."""
    other, machines = differing(runs), dict.fromkeys(hardware(one.machine) for one in runs)
    more = [Group("Settings that differ", other)] if other else []
    return comparison_page(f"{len(runs)} runs side by side", grouped(runs), more, list(machines))
