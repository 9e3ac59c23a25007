"""A finished model that has no report, measured as a run measures its result: beside a dense model, on test rows."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from axkit.finished.bench import bytes_of
from axkit.finished.score import about_of, answered, in_order, rows_for
from axkit.ground.device import AUTO
from axkit.ground.errors import DataError
from axkit.ground.progress import Progress, Silent
from axkit.ground.target import DEFAULT
from axkit.run.comparing import Compared, Tested, compare
from axkit.run.summary import Both


@dataclass(frozen=True)
class Measured:
    """Two finished models.

    Attributes:
        compared: what they score, and how fast they are, timed in turn.
        bytes: of what a deployment copies of each.
        rows: of the test split.
    """

    compared: Compared
    bytes: Both
    rows: int


def measured(folder: Path, dense: Path, progress: Progress | None = None) -> Measured:
    """Score and time a finished model of any runtime beside the dense one, on the test rows of its own task.

    Args:
        folder: an exported folder, a run folder, or a checkpoint whose ``axkit.json`` names a task.
        dense: what it is held against, by the same rows.
        progress: told what is going on.

    Raises:
        AxkitError: one does not load, names no task, or the two are not of one task.
    """
    about, told = about_of(folder), progress or Silent()
    if about.task is None:
        raise DataError(f"{folder} says nothing of a task; 'axkit eval {folder} --task TASK' scores it by itself")
    told.say(f"Measuring {folder} beside {dense}")
    rows, _ = rows_for(folder, None, "test", dense, AUTO)
    ours, theirs = answered(folder, rows), answered(dense, rows)
    before = Tested(theirs.opened.subject.body, theirs.split, in_order(theirs, ours, str(dense)))
    after = Tested(ours.opened.subject.body, ours.split, ours.found)
    compared = compare(before, after, ours.train_labels, told, about.target or DEFAULT)
    return Measured(compared, Both(bytes_of(dense), bytes_of(folder)), len(ours.split))
