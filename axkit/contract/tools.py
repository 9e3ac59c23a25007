"""What a pass is lent for one ``apply``. Imports no torch."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from axkit.ground.device import CPU, Device
from axkit.ground.errors import NotApplicable
from axkit.ground.processes import Processes
from axkit.ground.progress import Progress
from axkit.ground.target import DEFAULT, Target

if TYPE_CHECKING:
    from axkit.contract.reader import Reader
    from axkit.contract.subject import Subject
    from axkit.contract.teacher import Teacher
    from axkit.tasks.split import Split


def _runs_nothing(subject: Subject, setting: str) -> Mapping[str, float]:
    raise NotApplicable(f"there is no engine here to run '{setting}'")


class Journal(Protocol):
    """One JSON line per decision; kept in the run folder."""

    def write(self, **entry: Any) -> None:
        """Append one line; durable when this returns."""
        ...

    def read(self) -> list[dict[str, Any]]:
        """The lines that an interrupted run of the same stage left."""
        ...

    def keep(self, lines: int) -> None:
        """Drop all but the first lines."""
        ...


@dataclass(frozen=True)
class LentByWord:
    """What is lent only where the pass's ``needs`` (or ``needs_of``) has the word; using it without is a PluginError.

    There is no test split here: nothing that a pass decides can have seen it.

    Attributes:
        train: rows to fit on ("train").
        search: rows held out of train, to decide on ("search").
        teacher: the dense model of the run, in eval mode, a Subject with its own reader ("teacher" or "dense"); None
            until there is one.
        dense_search: the search rows as the dense model's reader makes them ("dense" or "search").
    """

    train: Split
    search: Split
    teacher: Teacher | None
    dense_search: Split | None = field(default=None, kw_only=True)

    @property
    def dense_rows(self) -> Split:
        """The search rows to score and time the dense model on: an earlier pass may have changed the model's ids."""
        return self.search if self.dense_search is None else self.dense_search


@dataclass(frozen=True)
class Tools(LentByWord):
    """Lent to a pass for one ``apply``; never stored.

    ``train``, ``search``, ``teacher`` and ``dense_search`` are those of ``LentByWord``; the rest is lent to every pass.

    Attributes:
        reader: what makes the model's inputs, the subject's: a tokenizer, or an image reader.
        model_folder: where the run's model came from: config, safetensors, tokenizer (``refit`` starts from it).
        seed: of the recipe.
        progress: bars and lines for a person.
        journal: of this stage.
        memo: lives as long as the run: what a pass leaves here may spare a later one work; nobody may need it.
        common: likewise, and as long as all the models that a recipe with a list makes (``Pass.each``), or that a goal
            tries: small things, no model and no rows.
        run: runs the pass that a setting of this one names (``InnerStep``) on a subject; returns its facts.
        processes: this one, or those started together by ``torchrun``.
        scratch: a folder of this stage alone, for what the pass wants to find again after an interruption, such as
            checkpoints of a training; it is kept when the run is killed and removed when the stage is finished. What
            is found there was written by the same pass with the same settings on the same model and rows, perhaps not
            to its end. The processes of a run share it. None where nothing is kept.
        device: where a pass may compute. The subject comes, and has to go, on the CPU: ``with
            tools.device.holding(subject.module):`` lends it the device for a while. ``Split.evaluate`` follows the
            model; who runs batches of his own moves them (``Batch.on``).
        target: what the result is timed and cut for: device, dtype, rows at a time.
    """

    reader: Reader
    model_folder: str
    seed: int
    progress: Progress
    journal: Journal
    memo: dict[str, Any] = field(default_factory=dict)
    common: dict[str, Any] = field(default_factory=dict)
    run: Callable[[Subject, str], Mapping[str, float]] = _runs_nothing
    processes: Processes = field(default_factory=Processes)
    scratch: Path | None = None
    device: Device = CPU
    target: Target = DEFAULT

    @property
    def tokenizer(self) -> Any:
        """The former name of ``reader``."""
        warnings.warn(
            "tools.tokenizer is tools.reader now, and the subject's own: use subject.reader",
            DeprecationWarning,
            stacklevel=2,
        )
        return self.reader
