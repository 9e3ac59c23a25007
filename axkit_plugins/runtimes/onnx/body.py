"""A model in onnxruntime, on the CPU."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np
import torch
from torch import Tensor

from axkit import CheckpointError, Manifest

MODEL, PREDICT = "model.onnx", "predict.py"
VALUES = "axkit_values"


@dataclass(eq=False)
class OnnxBody:
    """A graph; implements :class:`axkit.Body`.

    Attributes:
        config: of the model that it was built of.
        model: serialized.
        session: what computes it, opened when it is first asked and where PyTorch has another number of threads since.
        threads: of the session.
    """

    runtime: ClassVar[str] = "onnxruntime"

    config: Mapping[str, Any]
    model: bytes
    session: Any = field(default=None, repr=False)
    threads: int = 0

    def answer(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The graph's outputs by name."""
        session = self._opened()
        names = [one.name for one in session.get_inputs()]
        ids = inputs["input_ids"]
        given = {"attention_mask": torch.ones_like(ids), "token_type_ids": torch.zeros_like(ids)} | dict(inputs)
        found = session.run(None, {name: np.ascontiguousarray(given[name].numpy(), np.int64) for name in names})
        outputs = [one.name for one in session.get_outputs()]
        return {name: torch.from_numpy(value) for name, value in zip(outputs, found, strict=True)}

    def wait(self) -> None:
        """An answer is there when it is given."""

    def values(self) -> int:
        """Numbers stored: weights, scales, tables."""
        return int(self._opened().get_modelmeta().custom_metadata_map[VALUES])

    def copy(self) -> Self:
        """The graph is never changed: both may hold the same one."""
        return replace(self, session=None)

    def save(self, folder: Path, manifest: Manifest) -> list[Path]:
        """The graph, and a script that asks it without axkit."""
        (folder / MODEL).write_bytes(self.model)
        shutil.copyfile(Path(__file__).with_name(PREDICT), folder / PREDICT)
        return [folder / MODEL, folder / PREDICT]

    @classmethod
    def load(cls, folder: Path, manifest: Manifest) -> Self:
        """Opens it, so that a graph that this onnxruntime does not take is told now.

        Raises:
            CheckpointError: it was not built by axkit.
        """
        config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
        made = cls(config, (folder / MODEL).read_bytes())
        if VALUES not in made._opened().get_modelmeta().custom_metadata_map:
            raise CheckpointError(f"{folder / MODEL} is no graph that axkit built; export the model again")
        return made

    def _opened(self) -> Any:
        threads = torch.get_num_threads()
        if self.session is None or self.threads != threads:
            self.session, self.threads = open_session(self.model, threads), threads
        return self.session


def open_session(model: bytes, threads: int) -> Any:
    """An onnxruntime session on the CPU.

    Args:
        model: serialized.
        threads: as many as PyTorch takes, so that both are timed alike.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    options.log_severity_level = 3
    options.add_session_config_entry("session.force_spinning_stop", "1")  # whoever is timed next wants the cores
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
