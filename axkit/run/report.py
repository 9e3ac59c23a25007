"""``report.json``, as a type: written of a run, and read back by a sweep. Imports no torch."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from axkit.ground.errors import CheckpointError
from axkit.ground.fields import Fields
from axkit.run.looked import Looked
from axkit.run.records import StageRecord
from axkit.run.spent import Where
from axkit.run.summary import Summary

FORMAT = 1
REPORT = "report.json"


@dataclass(frozen=True)
class Machine:
    """What the figures were measured on.

    Attributes:
        processor: its name.
        threads: that PyTorch computes with.
        cpu_capability: the vector instructions that PyTorch uses.
        system: and architecture.
        python: version.
        packages: name -> version.
        gpu: the names of those that PyTorch can use here; None where there is none.
    """

    processor: str
    threads: int
    cpu_capability: str
    system: str
    python: str
    packages: Mapping[str, str]
    gpu: str | None = None

    def timed_on(self, where: Where) -> str:
        """The processor's name, or the GPU's where that is the run's target."""
        on_gpu = where.target is not None and where.target.kind != "cpu"
        return self.gpu if on_gpu and self.gpu else self.processor

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        found = {**vars(self), "packages": dict(self.packages)}
        return found if self.gpu else {name: value for name, value in found.items() if name != "gpu"}

    @classmethod
    def from_json(cls, data: Fields) -> Machine:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        return cls(
            processor=data.take("processor", str),
            threads=data.take("threads", int),
            cpu_capability=data.take("cpu_capability", str),
            system=data.take("system", str),
            python=data.take("python", str),
            packages=data.table("packages", str),
            gpu=data.maybe("gpu", str),
        )


@dataclass(frozen=True)
class Probe:
    """What a deployment asks a reloaded folder, to see that it got the same model.

    Attributes:
        logits: nested lists of numbers, of one input or more.
        texts: the inputs; empty where images are read.
        pixels: (images, channels, height, width) of values that rise evenly from -1 to 1 in the order of memory; empty
            where texts are read.
    """

    logits: Sequence[Any]
    texts: tuple[str, ...] = ()
    pixels: tuple[int, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain JSON."""
        asked = {"pixels_from_-1_to_1": list(self.pixels)} if self.pixels else {"texts": list(self.texts)}
        return {**asked, "logits": self.logits}

    @classmethod
    def from_json(cls, data: Fields) -> Probe:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing.
        """
        texts = data.texts("texts") if data.has("texts") else ()
        return cls(data.take("logits", list), texts, tuple(data.maybe("pixels_from_-1_to_1", list) or ()))


@dataclass(frozen=True)
class Report:
    """All that is told of a run.

    Attributes:
        name: of the recipe.
        key: of everything that went in: versions, model, rows, seed, passes.
        summary: the final comparison.
        stages: in order.
        recipe: the text as it was given.
        overrides: applied to it in order, ``path=value``.
        machine: where it was measured.
        probe: an input with its logits.
        answers: of the two models to the test rows; None in a report of before they were kept.
        left_out: passes of the recipe that this model needed no more, each with the reason.
    """

    name: str
    key: str
    summary: Summary
    stages: tuple[StageRecord, ...]
    recipe: str
    overrides: tuple[str, ...]
    machine: Machine
    probe: Probe
    answers: Looked | None = None
    left_out: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """The content of report.json."""
        return {
            "format": FORMAT,
            "name": self.name,
            "key": self.key,
            "summary": self.summary.to_json(),
            "stages": [stage.to_json() for stage in self.stages],
            "recipe": self.recipe,
            "overrides": list(self.overrides),
            "machine": self.machine.to_json(),
            "probe": self.probe.to_json(),
            **({} if self.answers is None else {"answers": self.answers.to_json()}),
            **({"left_out": list(self.left_out)} if self.left_out else {}),
        }

    @classmethod
    def from_json(cls, data: Fields) -> Report:
        """The inverse of ``to_json``.

        Raises:
            CheckpointError: it is no such thing, or of a newer axkit.
        """
        if data.take("format", int) > FORMAT:
            raise CheckpointError(f"its format is newer than {FORMAT}; upgrade axkit")
        return cls(
            name=data.take("name", str),
            key=data.maybe("key", str) or "",
            summary=Summary.from_json(data.part("summary")),
            stages=tuple(StageRecord.from_json(stage) for stage in data.parts("stages")),
            recipe=data.take("recipe", str),
            overrides=data.texts("overrides"),
            machine=Machine.from_json(data.part("machine")),
            probe=Probe.from_json(data.part("probe")),
            answers=Looked.from_json(data.part("answers")) if data.has("answers") else None,
            left_out=data.texts("left_out") if data.has("left_out") else (),
        )


def read_report(folder: Path) -> Report:
    """The report of a run folder.

    Raises:
        CheckpointError: it cannot be read, or is damaged.
        FileNotFoundError: there is none.
    """
    path = folder / REPORT
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise
    except (OSError, ValueError, RecursionError) as error:
        raise CheckpointError(f"{path} cannot be read ({error})") from error
    return Report.from_json(Fields(found, f"{path}"))
