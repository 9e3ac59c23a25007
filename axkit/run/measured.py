"""Finished models that have no report, measured as a run measures its result: beside a dense model, on test rows."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from axkit.finished.bench import bytes_of
from axkit.finished.score import Answered, RowsAsked, about_of, answered, in_order, rows_for
from axkit.ground.device import AUTO
from axkit.ground.errors import DataError
from axkit.ground.progress import Progress, Silent
from axkit.ground.target import DEFAULT
from axkit.run.comparing import Compared, Tested, compare
from axkit.run.summary import Both
from axkit.tasks.about import About


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


class Beside:
    """Models measured beside dense ones, each of which answers a task's rows once.

    Args:
        progress: told what is going on.
    """

    def __init__(self, progress: Progress | None = None) -> None:
        self._progress = progress or Silent()
        self._asked: dict[str, tuple[RowsAsked, Answered]] = {}

    def measured(self, folder: Path, dense: Path) -> Measured:
        """Score and time a finished model of any runtime beside the dense one, on the test rows of its own task.

        Args:
            folder: an exported folder, or a checkpoint whose ``axkit.json`` names a task.
            dense: what it is held against, by the same rows.

        Raises:
            AxkitError: one does not load, names no task, or the two are not of one task.
        """
        about = about_of(folder)
        if about.task is None:
            raise DataError(f"{folder} says nothing of a task; 'axkit eval {folder} --task TASK' scores it by itself")
        self._progress.say(f"Measuring {folder} beside {dense}")
        rows, theirs = self._of(folder, dense, about)
        ours = answered(folder, rows)
        before = Tested(theirs.opened.subject.body, theirs.split, in_order(theirs, ours, str(dense)))
        after = Tested(ours.opened.subject.body, ours.split, ours.found)
        compared = compare(before, after, ours.train_labels, self._progress, about.target or DEFAULT)
        return Measured(compared, Both(bytes_of(dense), bytes_of(folder)), len(ours.split))

    def _of(self, folder: Path, dense: Path, about: About) -> tuple[RowsAsked, Answered]:
        """The rows of a folder's task, and what the dense model answers."""
        key = json.dumps([str(dense), about.task, about.samples and about.samples.model_dump()], sort_keys=True)
        if key not in self._asked:
            rows, _ = rows_for(folder, None, "test", dense, AUTO)
            self._asked[key] = rows, answered(dense, rows)
        return self._asked[key]
