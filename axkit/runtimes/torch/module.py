"""A transformers model that answers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar, Self

import torch
from torch import Tensor

from axkit.checkpoint.config import PREFIX
from axkit.contract.manifest import TORCH
from axkit.ground.device import at_rest, device_of, moved


@dataclass(eq=False)
class ModuleBody:
    """A transformers model that answers; what saves and loads one is ``axkit.runtimes.torch.body.TorchBody``.

    Attributes:
        module: a ``PreTrainedModel``.
    """

    runtime: ClassVar[str] = TORCH

    module: Any

    @property
    def config(self) -> Mapping[str, Any]:
        """As the stock class has it; what is left of a carved model is in the manifest."""
        fields = {name: value for name, value in self.module.config.to_dict().items() if name != "axkit"}
        stock = type(self.module).__name__.removeprefix("Axkit")
        return {**fields, "model_type": fields["model_type"].removeprefix(PREFIX), "architectures": [stock]}

    def answer(self, inputs: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
        """The model's outputs by name, computed where it is; on the CPU nothing is copied."""
        training, device = self.module.training, device_of(self.module)
        if training:
            self.module.eval()
        with torch.inference_mode():
            outputs: Mapping[str, Tensor] = self.module(**(inputs if device.is_cpu else moved(inputs, device)))
        if training:
            self.module.train()
        return outputs if device.is_cpu else at_rest(outputs)

    def wait(self) -> None:
        """Until its device is done; a CPU is when it answers."""
        device_of(self.module).wait()

    def values(self) -> int:
        """Parameters and saved buffers, whatever their width; scales are counted."""
        return sum(tensor.numel() for tensor in self.module.state_dict().values())

    def copy(self) -> Self:
        """Own weights."""
        return type(self)(copy.deepcopy(self.module))
