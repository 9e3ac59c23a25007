"""A finished model, put through the pass ``export`` into a folder of its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from pydantic import ValidationError

from axkit.contract.described import refuse_if_missing
from axkit.contract.lending import lent
from axkit.contract.registered import Registered, load_pass
from axkit.contract.subject import Subject
from axkit.contract.tools import Tools
from axkit.contract.trail import TrailStep
from axkit.finished.opened import opened_with
from axkit.finished.score import about_of
from axkit.ground import fence
from axkit.ground.atomic import atomic_folder
from axkit.ground.errors import RecipeError, StorageError
from axkit.ground.progress import Silent
from axkit.ground.wording import fault_sentence
from axkit.ground.writable import check_writable
from axkit.runtimes.folder import load_to_work, save

PASS = "export"


@dataclass(frozen=True)
class Exported:
    """What was written.

    Attributes:
        folder: of it.
        runtime: that answers there.
        bytes: of all its files.
        note: of the pass; empty where it has nothing to tell.
    """

    folder: Path
    runtime: str
    bytes: int
    note: str

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; the folder as text."""
        return {**asdict(self), "folder": str(self.folder)}


def export(
    folder: str | Path,
    out: str | Path,
    replace: bool = False,
    beside: Callable[[Path], None] | None = None,
    **settings: Any,
) -> Exported:
    """Write a finished model again, for another runtime.

    Args:
        folder: a run folder, or any checkpoint with a head; left as it is.
        out: the folder to write.
        replace: what is there goes.
        beside: writes what is to lie beside the model, into a folder that has the model.
        settings: of the pass ``export``: ``runtime``, ``precision`` and others.

    Raises:
        RecipeError: settings that the pass does not have.
        NotApplicable: what the pass, or the runtime, cannot do.
        StorageError: there is something at ``out``, or it cannot be written.
        CheckpointError: a folder that does not load.
    """
    folder, out = Path(folder), Path(out)
    if out.exists() and not replace:
        raise StorageError(f"{out} exists already; add --force to replace it, or choose another --out")
    check_writable(out)
    found = load_pass(PASS)
    refuse_if_missing(PASS, found.pass_class, found.entry.distribution)
    subject = opened_with(folder, load_to_work(folder)).subject
    note = _apply(found, settings, subject, folder)
    with atomic_folder(out) as draft:
        size = save(subject, subject.reader, draft, about_of(folder), golden=True)
        if beside is not None:
            beside(draft)
    return Exported(out, subject.body.runtime, size, note)


def _apply(found: Registered, settings: Mapping[str, Any], subject: Subject, folder: Path) -> str:
    """The pass, as a stage of a recipe would run it; its note."""
    try:
        ready = found.with_settings({"packed": True, **settings})  # by itself it would time that, on rows of a task
    except ValidationError as error:
        faults = [fault_sentence(one, found.pass_class.Config, "export", f"pass '{PASS}'") for one in error.errors()]
        raise RecipeError(faults) from error
    _ = subject.module  # a model of another runtime says no by itself
    with fence.working(ready.who):
        ready.runner.check(subject.family, ready.config)
        ready.runner.check_model(subject.family, subject.body.config, ready.config)
        result = ready.runner.apply(subject, ready.config, _tools(ready.who, subject, folder))
    config = ready.config.model_dump(mode="json")
    subject.passed(TrailStep(PASS, found.entry.distribution, config, result.state, result.facts))
    return result.note


def _tools(who: str, subject: Subject, folder: Path) -> Tools:
    """Nothing but what needs no rows."""
    nothing: Any = None
    journal: Any = SimpleNamespace(read=list, write=lambda **_: None, keep=lambda _: None)
    everything = Tools(
        train=nothing,
        search=nothing,
        teacher=None,
        reader=subject.reader,
        model_folder=str(folder),
        seed=0,
        progress=Silent(),
        journal=journal,
    )
    return lent(everything, who, frozenset())
