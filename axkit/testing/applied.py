"""A pass applied to a tiny model, twice, and everything that could be seen of it: the evidence of the clauses."""

from __future__ import annotations

import gc
import json
import os
import random
import tempfile
import weakref
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import torch

from axkit.anatomy.family import Family
from axkit.contract.lending import lent
from axkit.contract.passes import Pass, PassConfig
from axkit.contract.result import Result
from axkit.contract.subject import Subject
from axkit.contract.tools import Tools
from axkit.ground.errors import NotApplicable
from axkit.ground.quiet import quiet
from axkit.run import obligations as contract
from axkit.run.surroundings import Surroundings
from axkit.tasks.split import Split
from axkit.testing import prints
from axkit.testing.lent import lend
from axkit.testing.listening import Heard, listening
from axkit.testing.looks import logits_of
from axkit.testing.tiny import tiny_split, tiny_subject

SEED = 11  # the engine's, before each pass; not that of the tools


@dataclass(frozen=True)
class Trial:
    """A pass under check.

    Attributes:
        pass_class: as its author wrote it.
        config: its settings.
        family: of the tiny model.
        name: what it is called for as long as the check takes.
        folder: a temporary one.
    """

    pass_class: type[Pass[Any]]
    config: PassConfig
    family: Family
    name: str
    folder: Path

    def runner(self) -> Pass[Any]:
        """A new one."""
        return self.pass_class()


@dataclass
class Before:
    """All as it stood before one ``apply``.

    Attributes:
        trial: the pass.
        runner: the one that is applied.
        dense: the model as it is; lent as the teacher.
        subject: what the pass works on.
        answers: the dense model's logits on the search rows, before and after.
        before: the subject's tensors, by name: shape and dtype.
        learned: the parameters that take gradients.
        search: the search rows that it is lent.
    """

    trial: Trial
    runner: Pass[Any]
    dense: Subject
    subject: Subject
    answers: list[torch.Tensor]
    before: Mapping[str, tuple[tuple[int, ...], torch.dtype]]
    learned: frozenset[str]
    search: Split


@dataclass
class Applied(Before):
    """One ``apply``.

    Attributes:
        result: what it gave back.
        error: what it raised instead.
        heard: what it reached for meanwhile.
        marks: what was done to the dense model.
        switches: what was switched in the process.
        lent: fingerprints of what was lent, before and after.
        process: of the process, likewise.
        dice: likewise.
        torch_seed: what torch's generator was last seeded with.
        kept: whether the tools are still alive somewhere.
        strays: what was left outside of scratch.
        noted: lines of its journal, and files in its scratch.
    """

    result: Any = None
    error: Exception | None = None
    heard: Heard = field(default_factory=Heard)
    marks: list[str] = field(default_factory=list)
    switches: list[str] = field(default_factory=list)
    lent: list[prints.Prints] = field(default_factory=list)
    process: list[prints.Prints] = field(default_factory=list)
    dice: list[prints.Prints] = field(default_factory=list)
    torch_seed: int = SEED
    kept: bool = False
    strays: list[Path] = field(default_factory=list)
    noted: int = 0

    @cached_property
    def rows(self) -> Split:
        """The search rows as the model takes them now: a pass may have changed its ids."""
        if not self.has_new_reader:
            return self.search
        return tiny_split(len(self.search), 2, self.subject.reader, self.trial.family)

    @property
    def has_new_reader(self) -> bool:
        """Whether the pass set another one."""
        return self.subject.reader is not self.dense.reader

    def changed(self, what: str) -> list[str]:
        """Names of what is no longer the same: of "lent", "process" or "dice"."""
        return prints.changed(*getattr(self, what))


def apply(trial: Trial, place: str, loaded: int) -> Applied:
    """Apply a pass to a fresh tiny model.

    Args:
        trial: the pass.
        place: a folder below the trial's; where it was applied before, it finds its journal and its scratch there.
        loaded: how the dice of the process fall: what the engine does not seed.
    """
    folder = trial.folder / place
    folder.mkdir(exist_ok=True)
    dense = tiny_subject(trial.family)
    if not (folder / "config.json").exists():
        with quiet():
            dense.module.save_pretrained(folder)
    runner = trial.runner()
    everything = lend(folder, dense, family=trial.family, reader=dense.reader)
    tools = lent(everything, f"pass '{trial.name}'", runner.needs_of(trial.config))
    subject = dense.copy()
    applied = Applied(
        trial,
        runner,
        dense,
        subject,
        [logits_of(dense.module, everything.search)],
        {name: (tuple(one.shape), one.dtype) for name, one in tensors_of(subject.module).items()},
        contract.learning(subject),
        everything.search,
    )
    with _thrown(loaded):
        _work(applied, tools, everything)
    applied.noted = len(tools.journal.read()) + sum(one.is_file() for one in (folder / "scratch").rglob("*"))
    applied.answers.append(logits_of(dense.module, applied.search))
    alive = weakref.ref(tools)
    del tools, everything
    applied.kept = applied.error is None and _is_alive(alive)
    return applied


def tensors_of(module: Any) -> dict[str, torch.Tensor]:
    """What is saved of a module, by name; bitsandbytes keeps texts and numbers among them, which are left out."""
    return {name: one for name, one in module.state_dict().items() if isinstance(one, torch.Tensor)}


def _is_alive(one: weakref.ref[Any]) -> bool:
    if one() is not None:  # perhaps only in a circle of references
        gc.collect()
    return one() is not None


def _work(applied: Applied, tools: Tools, everything: Tools) -> None:
    """Apply, between two looks at everything that has to stay."""
    trial, mark, switches = applied.trial, contract.Mark.of(applied.dense.module), Surroundings.of()
    hooks = prints.of_hooks(applied.dense.module)

    def look() -> None:
        applied.lent.append(_of_lent(trial, everything))
        applied.process.append(prints.of_process(applied.dense))
        applied.dice.append(prints.of_dice())

    with _elsewhere() as elsewhere:
        look()
        torch.manual_seed(SEED)
        try:
            with listening() as applied.heard:
                applied.result = applied.runner.apply(applied.subject, trial.config, tools)
        except Exception as error:  # noqa: BLE001  # raised again after the clauses that explain it
            applied.error = error
        if isinstance(applied.result, Result):
            contract.take_reader("the pass", applied.result, applied.subject)
        applied.torch_seed = torch.initial_seed()
        applied.strays = [*_strays(applied.heard, tools), *elsewhere.iterdir()]
        look()
        applied.switches = [fault for fault in switches.faults() if str(elsewhere) not in fault]
        prints.put_back(applied.process[0])
    switches.put_back()
    applied.marks = list(mark.faults(applied.dense.module))
    if prints.changed(hooks, prints.of_hooks(applied.dense.module)):
        applied.marks.append("left hooks on the dense model, which it was only lent; remove what you register")


def _of_lent(trial: Trial, tools: Tools) -> prints.Prints:
    splits = {"train": tools.train, "search": tools.search}
    return {
        "settings": json.dumps(trial.config.model_dump(), sort_keys=True, default=repr),
        "reader": prints.of_reader(tools.reader),
        "family": trial.family.model_dump_json(),
        **{f"{part} of {name}": value for name, one in splits.items() for part, value in prints.of_split(one).items()},
    }


def _strays(heard: Heard, tools: Tools) -> Iterator[Path]:
    """What was written outside of scratch and is there still, or was removed there; bytecode is nobody's doing."""
    own = [tools.scratch, Path(tools.model_folder) / "journal.jsonl"]
    for path in heard.left():
        mine = any(one is not None and (path == one or one in path.parents) for one in own)
        if not mine and "__pycache__" not in path.parts and not path.is_relative_to("/dev"):
            yield path


@contextmanager
def _elsewhere() -> Iterator[Path]:
    """An empty working directory: what lies in it afterwards was written by a relative path."""
    before = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield Path(folder)
        finally:
            os.chdir(before)


@contextmanager
def _thrown(loaded: int) -> Iterator[None]:
    """Other dice for the block; the caller's come back."""
    states = random.getstate(), np.random.get_state(), torch.random.get_rng_state()
    random.seed(loaded)
    np.random.seed(loaded)
    try:
        yield
    finally:
        random.setstate(states[0])
        np.random.set_state(states[1])
        torch.random.set_rng_state(states[2])


@dataclass(frozen=True)
class Twice:
    """Two applies to the same model under the same seed.

    Attributes:
        first: under no other conditions than the engine's.
        again: with other dice in the process; it finds the journal and the scratch folder of the first, as a pass does
            that was killed when it was done. None where the first failed, or a second was not asked for.
    """

    first: Applied
    again: Applied | None

    @classmethod
    def of(cls, trial: Trial, again: bool = True) -> Twice:
        """Apply it twice, or once.

        Raises:
            NotApplicable: the pass refuses this family; that is a way of keeping the contract.
        """
        first = apply(trial, "stage", 1)
        if isinstance(first.error, NotApplicable):
            raise first.error
        return cls(first, apply(trial, "stage", 2) if again and first.error is None else None)
