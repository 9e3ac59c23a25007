"""Each finished round as a model on disk: a killed search goes on from it, and a dear round is undone by it."""

from __future__ import annotations

import copy
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor, nn

from axkit.anatomy.structure import Structure
from axkit.axformer.budget.ledger import Ledger
from axkit.axformer.budget.lines import Point
from axkit.contract.subject import Subject
from axkit.contract.tools import Tools
from axkit.ground.errors import storing
from axkit.ground.files import replacing

_FILE = "rounds.safetensors"


@dataclass(frozen=True)
class Done:
    """How far an interrupted search had come.

    Attributes:
        rounds: that are finished.
        frontier: of them.
    """

    rounds: int
    frontier: tuple[Point, ...]


class Kept:
    """The model after the last finished round, in the scratch folder of its stage.

    Args:
        tools: lent by the engine; where there is no ``scratch``, a round is undone from memory.
        ledger: of the search.
    """

    def __init__(self, tools: Tools, ledger: Ledger) -> None:
        self._path = None if tools.scratch is None else tools.scratch / _FILE
        self._processes, self._progress, self._ledger = tools.processes, tools.progress, ledger

    def read(self, subject: Subject) -> Done | None:
        """Bring a subject to where an interrupted search had come; None where there is nothing to go on from."""
        self._processes.wait()
        found = None if self._path is None else _read(self._path)
        if found is None:
            return None
        about, weights = found
        done = Done(int(about["rounds"]), tuple(Point(**one) for one in about["frontier"]))
        if not done.rounds or not self._ledger.skip(
            sum(p.loss_search is not None for p in done.frontier), about["looked"]
        ):
            return None
        subject.carve(Structure.from_json(about["structure"]))
        _fill(subject.module, weights)
        self._progress.say(f"   Going on from the model after round {done.rounds}")
        return done

    def keep(self, rounds: int, subject: Subject, frontier: Sequence[Point]) -> Before:
        """Write the model down as it is after so many rounds; the next one may be undone.

        Raises:
            StorageError: the disk is full or not writable.
        """
        if self._path is None:
            return Before(subject.copy(), None)
        if self._processes.is_main:
            about = {
                "rounds": rounds,
                "frontier": [asdict(one) for one in frontier],
                "looked": self._ledger.looked,
                "structure": subject.structure.to_json(),
            }
            tensors = {name: one.detach().contiguous() for name, one in subject.module.named_parameters()}
            with storing(self._path), replacing(self._path) as partial:
                save_file(tensors, partial, metadata={"axkit": json.dumps(about)})
        self._processes.wait()
        return Before(_without_weights(subject), self._path)


class Before:
    """A subject as a round found it.

    Args:
        subject: a copy; without its weights, where there is a file with them.
        path: of that.
    """

    def __init__(self, subject: Subject, path: Path | None) -> None:
        self._subject, self._path = subject, path

    def put_back(self, subject: Subject) -> None:
        """Give a subject the model that it had."""
        if self._path is not None:
            found = _read(self._path)
            assert found is not None, "written as the round began"
            _fill(self._subject.module, found[1])
        subject.module, subject.structure = self._subject.module, self._subject.structure


def _without_weights(subject: Subject) -> Subject:
    """A copy whose parameters take no memory."""
    shapes: dict[int, Any] = {
        id(one): nn.Parameter(torch.empty_like(one, device="meta"), one.requires_grad)
        for one in subject.module.parameters()
    }
    body = copy.copy(subject.body)
    setattr(body, "module", copy.deepcopy(subject.module, shapes))  # noqa: B010  # the contract of a body names none
    return Subject(body, subject.reader, subject.family, subject.structure, subject.trail)


def _fill(module: nn.Module, weights: Mapping[str, Tensor]) -> None:
    """Put weights in the place of a module's, by name; what is tied stays tied."""
    own = dict(module.named_parameters())
    new = {id(one): nn.Parameter(weights[name], one.requires_grad) for name, one in own.items()}
    for child in module.modules():
        for name, one in list(child.named_parameters(recurse=False, remove_duplicate=False)):
            setattr(child, name, new[id(one)])


def _read(path: Path) -> tuple[dict[str, Any], dict[str, Tensor]] | None:
    """(what is known, weights by name); None where there is no whole file."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads((file.metadata() or {})["axkit"])
            return about, {name: file.get_tensor(name).clone() for name in file.keys()}  # noqa: SIM118
    except (OSError, SafetensorError, KeyError, ValueError):
        return None
