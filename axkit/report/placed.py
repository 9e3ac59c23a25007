"""Finished models that stand side by side: runs, as their reports have them, and others, measured now."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from axkit.finished.score import dense_of
from axkit.ground.errors import CheckpointError
from axkit.ground.figures import quantity, ratio, score
from axkit.ground.progress import Progress
from axkit.report.run_folder import machine
from axkit.run.measured import Beside
from axkit.run.quality import Quality
from axkit.run.report import REPORT, Machine, Report, read_report
from axkit.run.summary import Baseline, Both, Speeds
from axkit.run.verdict import change_cell, speed_cell
from axkit.runtimes.manifest import read_manifest
from axkit.tasks.about import About

OWN_FILES = "own files"
_LONGEST = 60  # characters of a title


@dataclass(frozen=True)
class Step:
    """A pass that made a model.

    Attributes:
        name: of the pass.
        config: its settings.
        undone: what it did was taken back.
    """

    name: str
    config: Mapping[str, Any]
    undone: bool = False


@dataclass(frozen=True)
class Placed:
    """A finished model beside its dense one.

    Attributes:
        name: of its folder, as short as tells it from the others.
        task: its registered name, or all that its recipe says of it, as JSON.
        title: of the task, in few words.
        quality: of the two on the test split.
        speeds: of the two, timed in turn.
        bytes: of the two on disk.
        baseline: the dense model.
        rows: of the test split.
        machine: where they were timed.
        steps: in order.
        wall_s: that making it took; None where nobody wrote that down.
        beside: the dense model that it was measured beside just now; empty for a run, whose report is believed.
        summary: all figures, as JSON.
    """

    name: str
    task: str
    title: str
    quality: Quality
    speeds: Speeds
    bytes: Both
    baseline: Baseline
    rows: int
    machine: Machine
    steps: tuple[Step, ...]
    wall_s: float | None
    beside: str
    summary: Mapping[str, Any]

    @classmethod
    def of(cls, name: str, task: str, title: str, report: Report) -> Placed:
        """A run, by its report."""
        found = report.summary
        return cls(
            name=name,
            task=task,
            title=title,
            quality=found.quality,
            speeds=found.speeds,
            bytes=found.bytes,
            baseline=found.baseline,
            rows=found.rows.used.test,
            machine=report.machine,
            steps=tuple(Step(one.applied.name, one.applied.config, one.undone) for one in report.stages),
            wall_s=found.spent.wall_s,
            beside="",
            summary=found.to_json(),
        )

    @property
    def passes(self) -> str:
        """What made it."""
        return ", ".join(one.name for one in self.steps if not one.undone) or "none"

    def row(self) -> tuple[str, ...]:
        """Its figures, as text; see ``HEAD`` of ``axkit.report.compare``."""
        speeds = self.speeds
        return (
            self.name,
            score(self.quality.dense.points),
            score(self.quality.result.points),
            change_cell(self),
            quantity(self.bytes.result / 1e6, 1),
            ratio(self.bytes.ratio),
            speed_cell(speeds.rounds, "b32", speeds.throughput_ratio),
            speed_cell(speeds.rounds, "b1", speeds.latency_ratio),
            "-" if self.wall_s is None else quantity(self.wall_s),
            self.passes,
        )

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        measured_now = {"measured_beside": self.beside} if self.beside else {}
        return {
            "run": self.name,
            "task": self.task,
            "passes": self.passes,
            **measured_now,
            "summary": dict(self.summary),
        }


def placed(
    folders: Sequence[str | Path], against: str | Path | None = None, progress: Progress | None = None
) -> list[Placed]:
    """The runs of some folders, and finished models that no run wrote, such as exported ones.

    Args:
        folders: run folders; folders that are none stand for all runs below them; models are measured now, as a run
            measures its result, beside the dense model of the run that they were made of, where that is among these.
        against: the dense model that they are measured beside instead.
        progress: told what is measured.

    Raises:
        CheckpointError: there is no run and no model, or a report is damaged.
        AxkitError: a model cannot be measured.
    """
    each = list(dict.fromkeys(one for folder in map(Path, folders) for one in _below(folder)))
    names = short_names(each)
    reports = {one: read_report(one) for one in each if (one / REPORT).is_file()}
    tasks = {one: _task(one) for one in each}
    found, beside = [], Beside(progress)
    for one, name in zip(each, names, strict=True):
        task, title = tasks[one]
        if one in reports:
            found.append(Placed.of(name, task, title, reports[one]))
        else:
            akin = {run: report for run, report in reports.items() if tasks[run][0] == task}
            dense, baseline = _dense(one, akin, against)
            found.append(_measured(one, (name, task, title), dense, baseline, beside))
    return found


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


def _below(folder: Path) -> list[Path]:
    """A run or a model itself; all runs below another folder."""
    if (folder / REPORT).is_file() or (folder / "config.json").is_file():
        return [folder]
    found = [one.parent for one in sorted(folder.rglob(REPORT))]
    if not found:
        raise CheckpointError(
            f"{folder} holds no run (no {REPORT}) and no model (no config.json); give run folders, exported ones, or "
            f"a folder of runs"
        )
    return [one for one in found if not any(part.startswith(".") for part in one.relative_to(folder).parts)]


def _measured(folder: Path, told: tuple[str, str, str], dense: Path, baseline: Baseline, beside: Beside) -> Placed:
    found, manifest = beside.measured(folder, dense), read_manifest(folder)
    compared = found.compared
    return Placed(
        *told,
        quality=compared.quality,
        speeds=compared.speeds,
        bytes=found.bytes,
        baseline=baseline,
        rows=found.rows,
        machine=machine(),
        steps=tuple(Step(one.name, one.config) for one in manifest.trail) if manifest else (),
        wall_s=None,
        beside=str(dense),
        summary={
            **compared.quality.to_json(),
            **compared.values.to_json("parameters"),
            **compared.speeds.to_json(),
            **baseline.to_json(),
            **found.bytes.to_json("bytes"),
        },
    )


def _dense(folder: Path, akin: Mapping[Path, Report], against: str | Path | None) -> tuple[Path, Baseline]:
    """What a model is measured beside, and what that is: of the run that it was made of, or else of one of its task."""
    if against is not None:
        return Path(against), Baseline()
    own, trails = _trail(folder), {run: _trail(run) for run in akin}
    for run in sorted(akin, key=lambda one: own[: len(trails[one])] != trails[one]):
        dense = dense_of(run)
        if dense is not None:
            return dense, replace(akin[run].summary.baseline, is_result=False)
    raise CheckpointError(
        f"{folder} is no run, and no report says what its dense model is; name one with --against, or give the run "
        f"that it was exported from, too, where its stages still are"
    )


def _trail(folder: Path) -> list[tuple[str, str]]:
    manifest = read_manifest(folder)
    return [(one.name, json.dumps(one.config, sort_keys=True)) for one in manifest.trail] if manifest else []


def _task(folder: Path) -> tuple[str, str]:
    """What tells tasks apart, and what a person calls it."""
    manifest = read_manifest(folder)
    about = manifest.about if manifest else About()
    if not isinstance(about.task, Mapping):
        return about.task or OWN_FILES, about.task or OWN_FILES
    names = dict.fromkeys(Path(one).name for one in _files(about.task.get("files")))
    named = about.named or ", ".join(names) or OWN_FILES
    return json.dumps(about.task, sort_keys=True), f"{named:.{_LONGEST}}"


def _files(said: Any) -> Iterator[str]:
    """All paths that a task's ``files`` names, in whichever form."""
    if isinstance(said, str):
        yield said
    inner = list(said.values()) if isinstance(said, Mapping) else said if isinstance(said, list) else []
    for one in inner:
        yield from _files(one)
