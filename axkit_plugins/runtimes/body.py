"""A graph that answers: what bodies of graph runtimes share; each says how it opens one."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

import numpy as np
import torch
from torch import Tensor

from axkit import CheckpointError, Manifest
from axkit_plugins.runtimes.network.matrix import Array
from axkit_plugins.runtimes.predict import script

MODEL, EXPORT, PREDICT = "model.onnx", "export.json", "predict.py"
SHORT = 64  # tokens of a row that may be padded further
SMALL = 64 << 20  # bytes of a model that may be held more than once
Run = Callable[[Mapping[str, Array]], Mapping[str, Array]]
Computes = Literal["float32", "bfloat16"]


@dataclass(frozen=True)
class About:
    """What ``export.json`` says of a graph: for a person, for ``predict.py``, and to be loaded by.

    Attributes:
        runtime: that it was built for.
        computes: the precision of products, where the processor has it.
        values: numbers that it stores: weights, scales, tables.
        pads: rows of up to SHORT tokens may be padded further, on the right, and answer the same.
    """

    runtime: str
    computes: Computes
    values: int
    pads: bool = False

    @classmethod
    def read(cls, path: Path) -> About:
        """The inverse of what ``GraphBody.save`` writes.

        Raises:
            CheckpointError: it is no such file.
        """
        found = json.loads(path.read_text(encoding="utf-8"))
        names = {one.name for one in fields(cls)}
        known = isinstance(found, dict) and found.keys() | {"pads", "lengths"} == names | {"lengths"}
        made = cls(**{name: found[name] for name in names & found.keys()}) if known else None
        if (
            made is None
            or made.computes not in ("float32", "bfloat16")
            or type(made.values) is not int
            or type(made.pads) is not bool
        ):
            raise CheckpointError(f"{path} is damaged; copy the whole folder again")
        return made


@dataclass(frozen=True)
class Session:
    """An opened graph.

    Attributes:
        inputs: names of what it reads, (batch, tokens) int64 each.
        run: arrays by name -> outputs by name; they are the caller's.
    """

    inputs: tuple[str, ...]
    run: Run


def completed(inputs: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """With the mask and the token types that a tokenizer may leave out."""
    if "input_ids" not in inputs:
        return dict(inputs)
    ids = inputs["input_ids"]
    return {"attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids), **inputs}


@dataclass(eq=False)
class GraphBody:
    """A graph; implements ``axkit.Body``.

    Attributes:
        config: of the model that it was built of.
        model: ONNX, serialized.
        about: it.
        session: what computes it, opened when it is first asked and where PyTorch has another number of threads since.
        threads: of the session.
    """

    runtime: ClassVar[str]

    config: Mapping[str, Any]
    model: bytes = field(repr=False)
    about: About
    session: Session | None = field(default=None, repr=False)
    threads: int = 0

    def open(self, threads: int) -> Session:
        """A session on the CPU, of as many threads as PyTorch takes, so that both are timed alike."""
        raise NotImplementedError

    def answer(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The graph's outputs by name."""
        session, given = self._opened(), completed(inputs)
        arrays = {name: np.ascontiguousarray(given[name].numpy()) for name in session.inputs}
        found = session.run(
            {name: one if one.dtype.kind == "f" else one.astype(np.int64) for name, one in arrays.items()}
        )
        return {name: torch.from_numpy(value) for name, value in found.items()}

    def wait(self) -> None:
        """An answer is there when it is given."""

    def values(self) -> int:
        """Numbers stored: weights, scales, tables."""
        return self.about.values

    def copy(self) -> Self:
        """The graph is never changed: both may hold the same one."""
        return replace(self, session=None)

    def save(self, folder: Path, manifest: Manifest) -> list[Path]:
        """The graph, what is said of it, and a script that asks it without axkit."""
        (folder / MODEL).write_bytes(self.model)
        said = asdict(self.about) | {"lengths": manifest.lengths.model_dump()}
        (folder / EXPORT).write_text(json.dumps(said, indent=1), encoding="utf-8")
        (folder / PREDICT).write_text(script(self.runtime, self.config["architectures"][0]), encoding="utf-8")
        return [folder / MODEL, folder / EXPORT, folder / PREDICT]

    @classmethod
    def load(cls, folder: Path, manifest: Manifest) -> Self:
        """Opens it, so that a graph that the installed runtime does not take is told now.

        Raises:
            CheckpointError: ``export.json`` says something else.
        """
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        about = About.read(folder / EXPORT)
        if about.runtime != cls.runtime:
            raise CheckpointError(
                f"{folder / EXPORT} is of the runtime '{about.runtime}', the folder of '{cls.runtime}'; copy the whole "
                f"folder again"
            )
        made = cls(config, (folder / MODEL).read_bytes(), about)
        made._opened()
        return made

    def _opened(self) -> Session:
        threads = torch.get_num_threads()
        if self.session is None or self.threads != threads:
            self.session, self.threads = self.open(threads), threads
        return self.session
