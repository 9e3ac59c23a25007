"""Score a saved model, by itself and beside another on the same rows."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from axkit.checkpoint.sources import read_config
from axkit.finished.opened import Opened, device_for, open_finished
from axkit.ground.device import AUTO
from axkit.ground.errors import CheckpointError, DataError
from axkit.ground.fields import Fields
from axkit.ground.files import MEGABYTE, read_object
from axkit.measure import certainty
from axkit.runtimes.folder import load_subject
from axkit.runtimes.manifest import read_manifest
from axkit.tasks.about import About
from axkit.tasks.kinds.data import rows_of
from axkit.tasks.kinds.known import KINDS
from axkit.tasks.labels.head import head_of
from axkit.tasks.samples import Samples
from axkit.tasks.source.rows import TaskRows, load_rows
from axkit.tasks.spec import SplitName, Task, resolve
from axkit.tasks.split import Evaluation, Split
from axkit.tasks.unlabelled import Answers

REPORT = "report.json"
_LARGEST = 64 * MEGABYTE  # the tables of a search stand in it


@dataclass(frozen=True)
class Scored:
    """A model's score on a split: points of the metric, with a 95 % bootstrap interval.

    Attributes:
        others: the task's other metrics, and all of them on each part of the split, in points.
        constant: the best that one and the same answer to every row scores on these rows, in points.
        constant_answer: that answer, in words.
        answers_only: the answer that the model gives to all rows, in words; empty where it gives several.
        against: the other model's score, in points; None where there is no other.
        paired: the comparison with it; ``change`` is this model's points above the other's.
        answers_of: the model whose answers stand in the place of labels, where rows have none: the metric is agreement
            with it, and ``others`` has the mean divergence from them; empty where rows have labels.
    """

    metric: str
    score: float
    low: float
    high: float
    rows: int
    others: Mapping[str, float] = field(default_factory=dict)
    constant: float = 0.0
    constant_answer: str = ""
    answers_only: str = ""
    against: float | None = None
    paired: certainty.Paired | None = None
    answers_of: str = ""

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        return {**asdict(self), "paired": None if self.paired is None else self.paired.to_json()}


@dataclass(frozen=True)
class Answered:
    """A model's answers.

    Attributes:
        opened: the model.
        split: the rows, as it reads them.
        found: what it says of them.
        label_names: in the order of its outputs.
        train_labels: of the rows that it was trained on; where rows have none, the stand-ins of these rows.
    """

    opened: Opened
    split: Split
    found: Evaluation
    label_names: tuple[str, ...]
    train_labels: Any


def evaluate(
    folder: str | Path,
    task: str | Mapping[str, Any] | None = None,
    split: SplitName = "test",
    against: str | Path | None = None,
    device: str = AUTO,
) -> Scored:
    """Score a saved model.

    Args:
        folder: a run folder, or any checkpoint with a head (then ``task`` must be given).
        task: another task than the folder's own; a registered name or a mapping.
        split: which one.
        against: another model, which answers the same rows; the two are compared by a paired test. Where rows have no
            labels, the answers of the run's dense model stand in their place, or else this model's.
        device: where they are asked, as ``--device`` has it.

    Raises:
        AxkitError: no such folder, no task known, or labels that do not fit the head.
    """
    folder = Path(folder)
    rows, whose = rows_for(folder, task, split, against, device)
    ours = answered(folder, rows)
    theirs = answered(Path(against), rows) if against else None
    return _scored(ours, in_order(theirs, ours, str(against)) if theirs else None, whose)


def rows_for(
    folder: Path, task: str | Mapping[str, Any] | None, split: SplitName, against: str | Path | None, device: str
) -> tuple[RowsAsked, str]:
    """What models are asked, and whose answers stand in the place of labels; "" where rows have them.

    Args:
        folder: whose task it is, where none is given.
        task: likewise.
        split: which.
        against: whose answers stand in the place of labels, where the dense model of ``folder`` is not at hand.
        device: where models are asked.

    Raises:
        AxkitError: no task is known, or nobody's answers are at hand.
    """
    about = about_of(folder)
    chosen = task if task is not None else about.task
    if chosen is None:
        load_subject(folder)  # a damaged folder is told as that, whatever else it lacks
        raise DataError(f"{folder} says nothing of a task; name one with --task")
    said_by = "--task" if task is not None else str(folder)
    resolved = resolve(chosen, lambda _: said_by)
    samples = about.samples or Samples() if task is None else Samples()
    rows = RowsAsked(resolved, samples, split, device)
    if not resolved.spec.is_unlabelled:
        return rows, ""
    whose = dense_of(folder) or against
    return replace(rows, answers=_stand_ins(folder, whose, rows)), str(whose or "")


def _scored(ours: Answered, other: Evaluation | None, whose: str) -> Scored:
    """A model's answers beside another's, as they count."""
    data, found = ours.split, ours.found
    low, high = certainty.confidence_interval(data, found)
    luck = certainty.best_constant(data)
    return Scored(
        metric=found.metric,
        score=found.score,
        low=low,
        high=high,
        rows=len(found.labels),
        others={name: score for name, score in found.scores.items() if name != found.metric}
        | ({"divergence": found.loss} if whose else {}),
        constant=luck.evaluation.score,
        constant_answer=luck.answer,
        answers_only=rows_of(data.spec.kind).luck.repeated(found.predictions, data.label_names),
        against=other.score if other else None,
        paired=certainty.paired(data, other, found) if other else None,
        answers_of=whose,
    )


def about_of(folder: Path) -> About:
    """What a folder's manifest says of its task; nothing where it has none."""
    manifest = read_manifest(folder)
    return manifest.about if manifest else About()


def dense_of(folder: Path) -> Path | None:
    """The dense model of a run folder, where the run's stages still have it, whole."""
    try:
        name = Fields(read_object(folder / REPORT, _LARGEST)).part("summary").take("dense_stage", str)
    except (FileNotFoundError, CheckpointError):  # nobody asked for it by name
        return None
    recipe = about_of(folder).recipe
    if recipe is None:
        return None
    places = (folder.parent / ".stages" / recipe, *(parent / ".stages" for parent in folder.absolute().parents[:3]))
    return next((place / name for place in places if _loads(place / name)), None)


def _loads(folder: Path) -> bool:
    """Nobody asked for it by name: one that is gone or damaged is none."""
    try:
        load_subject(folder)
    except CheckpointError:
        return False
    return True


@dataclass(frozen=True)
class RowsAsked:
    """What models are asked about.

    Attributes:
        task: whose rows.
        samples: how many.
        split: which.
        device: where models are asked.
        answers: of another model, with the names of its labels, in the place of labels that the rows lack.
    """

    task: Task
    samples: Samples
    split: SplitName
    device: str
    answers: tuple[Answers, tuple[str, ...]] | None = None


def _stand_ins(folder: Path, whose: str | Path | None, rows: RowsAsked) -> tuple[Answers, tuple[str, ...]]:
    """The answers of the model that stand in the place of labels, and the names of its labels."""
    if whose is None:
        raise DataError(
            f"task '{rows.task.name}' has no labels, and the dense model of {folder}, whose answers stand in their "
            f"place, is not at hand; name it with --against"
        )
    opened, data, found = _open(Path(whose), rows)
    with opened.on(device_for(opened.subject, rows.device)):
        return Answers.of(opened.subject.body, data), found.label_names


def answered(folder: Path, rows: RowsAsked) -> Answered:
    """Ask a finished model.

    Raises:
        AxkitError: it does not load, or what it holds does not fit the task.
    """
    opened, data, found = _open(folder, rows)
    labels = found.splits["train"].labels if rows.answers is None else rows.answers[0].labels
    with opened.on(device_for(opened.subject, rows.device)):
        return Answered(opened, data, data.evaluate(opened.subject.body), found.label_names, labels)


def _open(folder: Path, wanted: RowsAsked) -> tuple[Opened, Split, TaskRows]:
    """A model, the rows that it is asked as it reads them, and all rows of the task."""
    opened, task = open_finished(folder), wanted.task
    head = head_of(read_config(folder), task.spec.kind, str(folder))
    if head is None:
        held = opened.subject.body.config["architectures"][0]
        raise DataError(
            f"{folder} holds a {held}, task '{task.name}' is one of {task.spec.kind}; name a task that fits"
        )
    rows = load_rows(task, wanted.samples, head)
    found, names = rows.splits[wanted.split], rows.label_names
    if wanted.answers is not None:
        answers, theirs = wanted.answers
        if names != theirs:
            raise DataError(
                f"{folder} has the labels {', '.join(names)}, and those that stand in the place of labels are "
                f"{', '.join(theirs)}, in this order; compare models of one task"
            )
        found = answers.as_labels(found)
    data = Split(found, task.spec, KINDS[task.spec.kind], opened.reader, opened.limit)
    return opened, data if wanted.answers is None else wanted.answers[0].asked_of(data), rows


def in_order(theirs: Answered, ours: Answered, whose: str) -> Evaluation:
    """Another model's answers with the labels numbered as ours are.

    Raises:
        DataError: it knows other labels.
    """
    found, names = theirs.found, (ours.label_names, theirs.label_names)
    if set(names[0]) != set(names[1]):
        raise DataError(
            f"{whose} has the labels {', '.join(names[1])}, the model {', '.join(names[0])}; compare models of one task"
        )
    order = np.array([names[0].index(name) for name in names[1]], dtype=np.int64)
    predictions = rows_of(ours.split.spec.kind).luck.renumbered(found.predictions, order)
    return Evaluation(found.losses, predictions, ours.found.labels, found.score, found.metric, found.scores)
