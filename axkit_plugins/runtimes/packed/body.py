"""A transformers model that answers in eager PyTorch without padding, and is kept as it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Self, cast, get_args

import torch
from torch import Tensor

from axkit import CheckpointError, Manifest, Structure, Subject, TorchBody, family_of, has_bfloat16
from axkit.kit import fastest_of, time_in_turn
from axkit_plugins.runtimes.body import completed
from axkit_plugins.runtimes.network.read import read_network
from axkit_plugins.runtimes.packed.model import PackedModel

if TYPE_CHECKING:
    from axkit import Tools

PACKED = "packed.json"
_TO_CHOOSE: tuple[Computes, ...] = ("stored", "bfloat16")
_ROWS, _TOKENS = 32, (8, 64)
Computes = Literal["stored", "float32", "bfloat16"]


@dataclass(eq=False)
class PackedBody:
    """What computes a torch body's model; implements ``axkit.Body``.

    The folder is the torch body's, with one file more, so transformers alone loads it as well. On disk weights stay
    what they are: integers of 8 bits may be computed in bfloat16.

    Attributes:
        kept: the model, which is saved; nothing of it is changed.
        structure: what is left of it.
        names: of the inputs that its reader makes.
        computes: in which precision; bfloat16 where the processor has it, else as stored.
        model: what answers, made when it is first asked.
    """

    runtime: ClassVar[str] = "torch-packed"
    keeps_model: ClassVar[bool] = True

    kept: TorchBody
    structure: Structure
    names: tuple[str, ...]
    computes: Computes
    model: PackedModel | None = field(default=None, repr=False)

    @classmethod
    def of(cls, subject: Subject, computes: Computes) -> Self:
        """Of a subject with a torch body.

        Raises:
            NotApplicable: its model has something that is computed by its module alone.
        """
        made = cls(cast(TorchBody, subject.body), subject.structure, (), computes)
        network = read_network(subject, made._expanded)
        made.names, made.model = network.inputs, PackedModel(network, made._dtype)
        return made

    @property
    def config(self) -> Mapping[str, Any]:
        """The model's own."""
        return self.kept.config

    def opened(self) -> PackedModel:
        """What answers."""
        if self.model is None:
            reader = SimpleNamespace(model_input_names=list(self.names))
            family = family_of(str(self.config["model_type"]))
            network = read_network(Subject(self.kept, reader, family, self.structure), self._expanded)
            self.model = PackedModel(network, self._dtype)
        return self.model

    @property
    def _expanded(self) -> Literal["stored", "float32"]:
        return "stored" if self.computes == "stored" or self.lacks_bfloat16 else "float32"

    @property
    def lacks_bfloat16(self) -> bool:
        """Whether it is to compute in bfloat16, and does not here."""
        return self.computes == "bfloat16" and not has_bfloat16()

    @property
    def _dtype(self) -> torch.dtype:
        if self.computes == "stored":
            kinds = {one.dtype for one in self.kept.module.state_dict().values()}
            wanted = torch.bfloat16 in kinds and torch.int8 not in kinds
        else:
            wanted = self.computes == "bfloat16"
        return torch.bfloat16 if wanted and has_bfloat16() else torch.float32

    def answer(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The outputs by name."""
        with torch.inference_mode():
            return self.opened()(completed(inputs))

    def wait(self) -> None:
        """An answer is there when it is given."""

    def values(self) -> int:
        """Numbers stored."""
        return self.kept.values()

    def copy(self) -> Self:
        """Own weights."""
        return type(self)(self.kept.copy(), self.structure, self.names, self.computes)

    def save(self, folder: Path, manifest: Manifest) -> list[Path]:
        """The model's own files, and how it is to be computed."""
        files = self.kept.save(folder, manifest)
        said = {"computes": self.computes, "inputs": self.names}
        (folder / PACKED).write_text(json.dumps(said, indent=1), encoding="utf-8")
        return [*files, folder / PACKED]

    @classmethod
    def load(cls, folder: Path, manifest: Manifest) -> Self:
        """The inverse.

        Raises:
            CheckpointError: the model does not load, or ``packed.json`` says something else.
        """
        found = json.loads((folder / PACKED).read_text(encoding="utf-8"))
        if not isinstance(found, dict) or found.keys() != {"computes", "inputs"}:
            raise CheckpointError(f"{folder / PACKED} is damaged; copy the whole folder again")
        computes, names = found["computes"], found["inputs"]
        if computes not in get_args(Computes) or not isinstance(names, list) or not all(type(x) is str for x in names):
            raise CheckpointError(f"{folder / PACKED} is damaged; copy the whole folder again")
        made = cls(TorchBody.load(folder, manifest), manifest.structure, tuple(names), computes)
        made.opened()
        return made


def fastest_body(subject: Subject, tools: Tools) -> tuple[PackedBody, float]:
    """As stored or in bfloat16, whichever answers a batch sooner here, and how many times as fast as the other.

    It stays as stored unless bfloat16 is faster by more than two timings differ.

    Raises:
        NotApplicable: its model has something that is computed by its module alone.
    """
    made = [PackedBody.of(subject, one) for one in _TO_CHOOSE]
    if made[0].opened().dtype == made[1].opened().dtype:
        return made[0], 1.0

    def measure() -> list[float]:
        found = time_in_turn({one.computes: one.answer for one in made}, _like_rows(subject)).seconds
        return [found[one] for one in _TO_CHOOSE]

    seconds: dict[str, float] = dict(zip(_TO_CHOOSE, tools.processes.measured(measure), strict=True))
    made.sort(key=lambda one: one.computes != fastest_of(_TO_CHOOSE, seconds))
    return made[0], seconds[made[1].computes] / seconds[made[0].computes]


def _like_rows(subject: Subject) -> Mapping[str, Tensor]:
    """A batch of random tokens of mixed lengths, or of random pixels."""
    random, config = torch.Generator().manual_seed(0), subject.module.config
    if subject.family.inputs == "pixels":
        extent = subject.family.image_extent(config)
        return {"pixel_values": torch.rand((_ROWS, int(config.num_channels), *extent), generator=random)}
    most = min(_TOKENS[1], subject.family.tokens_at_most(config) or _TOKENS[1])
    lengths = torch.linspace(min(_TOKENS[0], most), most, _ROWS).long()
    mask = (torch.arange(most) < lengths[:, None]).long()
    return {"input_ids": torch.randint(0, int(config.vocab_size), mask.shape, generator=random), "attention_mask": mask}
