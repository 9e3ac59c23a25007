"""What a folder says of the model in it (``axkit.json``)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from axkit.anatomy.structure import Structure
from axkit.contract.trail import TrailStep, is_stock
from axkit.ground.version import __version__
from axkit.tasks.about import About
from axkit.tasks.spec import LengthSettings

MANIFEST = "axkit.json"
FORMAT = 1
TORCH = "torch"  # the runtime of a folder that names none
MODELING = "modeling_axkit.py"  # what transformers alone rebuilds a model by
PREDICT = "predict.py"  # what asks the model without axkit, where a runtime's body writes such a script
GOLDEN = "golden.safetensors"  # batches and what was answered, for whoever verifies the folder


def holds_model(runtime: str, keeps_model: bool) -> bool:
    """Whether files are a transformers model's own, which passes can work on."""
    return runtime == TORCH or keeps_model


@dataclass(frozen=True)
class Manifest:
    """What is written beside a model, and what a body is given to save and to load by.

    Attributes:
        structure: what is left of the model.
        trail: the passes that made it, oldest first.
        about: the task that the model was made for.
        runtime: which body the folder holds.
        sha256: of every other file of the folder, by name.
        axkit: the release that wrote it.
        keeps_model: another runtime answers, and the files are a transformers model's own.
        lengths: how much of a row is read where the model is asked; for what saves it, and not written here.
    """

    structure: Structure
    trail: tuple[TrailStep, ...] = ()
    about: About = field(default_factory=About)
    runtime: str = TORCH
    sha256: Mapping[str, str] = field(default_factory=dict)
    axkit: str = __version__
    keeps_model: bool = False
    lengths: LengthSettings = field(default_factory=LengthSettings)

    @property
    def is_stock(self) -> bool:
        """True when nothing was done that a class of transformers cannot rebuild."""
        return is_stock(self.structure, self.trail)

    @property
    def holds_model(self) -> bool:
        """True where the files are a transformers model's own, which passes can work on."""
        return holds_model(self.runtime, self.keeps_model)

    def to_json(self) -> dict[str, Any]:
        """Plain JSON; the runtime stands there only where it is not torch, as in every folder of axkit 0.1.0."""
        return {
            "format": FORMAT,
            "axkit": self.axkit,
            **({} if self.runtime == TORCH else {"runtime": self.runtime}),
            **({"keeps_model": True} if self.keeps_model else {}),
            "structure": self.structure.to_json(),
            "trail": [step.to_json(self.structure) for step in self.trail],
            "about": self.about.to_json(),
            "sha256": dict(self.sha256),
        }

    def bytes_of(self, folder: Path) -> int:
        """Bytes on disk of the model: the hashed files and the manifest; no report, no code, no golden batches."""
        names = {MANIFEST, *self.sha256} - {MODELING, GOLDEN}
        return sum((folder / name).stat().st_size for name in names)
