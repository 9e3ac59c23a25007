"""Finished runs side by side: read off their folders, by task."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from axkit.ground.errors import CheckpointError
from axkit.ground.figures import quantity, ratio, score
from axkit.measure.figures import leads
from axkit.report.page.comparison import Group, comparison_page
from axkit.report.page.figures import Grid
from axkit.report.page.templates import Drawn
from axkit.report.plots.comparison import Point, comparison_svg
from axkit.report.text import hardware
from axkit.run.report import REPORT, Report, read_report
from axkit.run.verdict import OF_ITS_OWN, change_cell, speed_cell
from axkit.runtimes.manifest import read_manifest
from axkit.tasks.about import About

HEAD = ("run", "dense", "result", "change", "MB", "smaller", "throughput", "one input", "made in, s", "passes")
_LONGEST = 60  # characters of a setting, or of a title
OWN_FILES = "own files"


@dataclass(frozen=True)
class Placed:
    """A finished run.

    Attributes:
        name: of its folder, as short as tells it from the others.
        task: its registered name, or all that its recipe says of it, as JSON.
        title: of the task, in few words.
        report: of it.
    """

    name: str
    task: str
    title: str
    report: Report

    @property
    def passes(self) -> str:
        """What made it."""
        return ", ".join(one.applied.name for one in self.report.stages if not one.undone) or "none"

    def row(self) -> tuple[str, ...]:
        """Its figures, as text; see ``HEAD``."""
        summary = self.report.summary
        speeds = summary.speeds
        return (
            self.name,
            score(summary.quality.dense.points),
            score(summary.quality.result.points),
            change_cell(summary),
            quantity(summary.bytes.result / 1e6, 1),
            ratio(summary.bytes.ratio),
            speed_cell(speeds.rounds, "b32", speeds.throughput_ratio),
            speed_cell(speeds.rounds, "b1", speeds.latency_ratio),
            quantity(summary.spent.wall_s),
            self.passes,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {"run": self.name, "task": self.task, "passes": self.passes, "summary": self.report.summary.to_json()}


def placed(folders: Sequence[str | Path]) -> list[Placed]:
    """The runs of some folders; a folder that is none stands for all runs below it.

    Raises:
        CheckpointError: there is no run, or a report is damaged.
    """
    found: list[Path] = []
    for folder in map(Path, folders):
        here = [folder] if (folder / REPORT).is_file() else [one.parent for one in sorted(folder.rglob(REPORT))]
        found += [one for one in here if not any(part.startswith(".") for part in one.relative_to(folder).parts)]
        if not here:
            raise CheckpointError(f"{folder} holds no run (no {REPORT}); give run folders, or a folder of such")
    each = list(dict.fromkeys(found))
    return [Placed(name, *_task(one), read_report(one)) for one, name in zip(each, short_names(each), strict=True)]


def short_names(folders: Sequence[Path]) -> list[str]:
    """As many of the last parts of each path as tell them apart, without those at the end that all share."""
    bare = [one.parts for one in folders]
    while len(bare) > 1 and min(map(len, bare)) > 1 and len({one[-1] for one in bare}) == 1:
        bare = [one[:-1] for one in bare]
    for parts in range(1, max(map(len, bare), default=1) + 1):
        names = ["/".join(one[-parts:]) for one in bare]
        if len(set(names)) == len(names):
            return names
    return [str(one) for one in folders]


def _task(folder: Path) -> tuple[str, str]:
    """What tells tasks apart, and what a person calls it."""
    manifest = read_manifest(folder)
    about = manifest.about if manifest else About()
    if not isinstance(about.task, Mapping):
        return about.task or OWN_FILES, about.task or OWN_FILES
    names = dict.fromkeys(Path(one).name for one in _files(about.task.get("files")))
    named = about.named or ", ".join(names) or OWN_FILES
    return json.dumps(about.task, sort_keys=True), f"{named:.{_LONGEST}}"


def _files(said: Any) -> list[str]:
    """All paths that a task's ``files`` names, in whichever form."""
    inner = list(said.values()) if isinstance(said, Mapping) else said if isinstance(said, list) else []
    return [said] if isinstance(said, str) else [path for one in inner for path in _files(one)]


def grouped(runs: Sequence[Placed]) -> list[Group]:
    """Runs of one task and metric together, each with what is to be known of them."""
    keys = dict.fromkeys((one.task, one.report.summary.quality.metric_name) for one in runs)
    titles = {one.task: one.title for one in runs}
    alike = Counter(titles.values())
    for number, task in enumerate(titles, 1):
        if alike[titles[task]] > 1:  # the same files, read otherwise
            titles[task] = f"{titles[task]} ({number})"
    return [_group(number, *key, titles[key[0]], runs) for number, key in enumerate(keys)]


def _group(number: int, task: str, metric: str, title: str, runs: Sequence[Placed]) -> Group:
    own = [one for one in runs if (one.task, one.report.summary.quality.metric_name) == (task, metric)]
    drawn = Drawn()
    drawn.add("plot", partial(_plot, own, metric, f"plot-{number}"))
    rows = tuple(one.row() for one in own)
    grid = Grid(f"Test {metric}, points", HEAD, rows)
    return Group(f"{title}: {metric}", grid, drawn, tuple(_notes(own)))


def _plot(runs: Sequence[Placed], metric: str, name: str) -> str:
    points = [
        Point(
            one.name,
            one.report.summary.speeds.throughput_ratio,
            one.report.summary.quality.result.points,
            one.report.summary.bytes.result,
            not any(_leads(other, one) for other in runs),
        )
        for one in runs
    ]
    return comparison_svg(points, metric, "model of each run", runs[0].report.summary.quality.dense.points, name)


def _merits(run: Placed) -> tuple[float, float, float]:
    summary = run.report.summary
    return summary.quality.result.points, summary.speeds.throughput_ratio, -summary.bytes.result


def _leads(one: Placed, other: Placed) -> bool:
    return leads(_merits(one), _merits(other))


def _notes(runs: Sequence[Placed]) -> Iterator[str]:
    """What stands in the way of comparing them."""
    front = [one.name for one in runs if not any(_leads(other, one) for other in runs)]
    yield f"Led by none in score, throughput and bytes together: {', '.join(front)}."
    if any(one.report.summary.quality.unlabelled for one in runs):
        yield OF_ITS_OWN
    if len({round(one.report.summary.quality.dense.points, 6) for one in runs}) > 1:
        yield "Their dense models are not the same: every ratio and every change is to the run's own."
    if len({one.report.summary.rows.used.test for one in runs}) > 1:
        yield "They were scored on different numbers of test rows: their scores are of different rows."
    if len({hardware(one.report.machine) for one in runs}) > 1:
        yield "They were timed on different machines: a ratio on one is no ratio on another."
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
    for stage in run.report.stages:
        name = stage.applied.name
        seen[name] = seen.get(name, 0) + 1
        which = name if seen[name] == 1 else f"{name} ({seen[name]})"
        yield which, "undone" if stage.undone else "yes"
        for key, value in stage.applied.config.items():
            yield f"{which}.{key}", f"{value!s:.{_LONGEST}}"


def compared_page(runs: Sequence[Placed]) -> str:
    """All of it as a page."""
    other, machines = differing(runs), dict.fromkeys(hardware(one.report.machine) for one in runs)
    more = [Group("Settings that differ", other)] if other else []
    return comparison_page(f"{len(runs)} runs side by side", grouped(runs), more, list(machines))
