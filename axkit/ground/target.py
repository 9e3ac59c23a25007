"""What a result is made for: where it will run, in which precision, how many rows at a time. Imports no torch."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from axkit.ground.device import Device
from axkit.ground.errors import DeviceError

MOST_ROWS = 4096  # at a time


class Target(BaseModel):
    """What speed is measured for, and what passes that go by measured time cut for; part of a recipe."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)
    device: str = Field("cpu", pattern=r"^[a-z][a-z0-9_]*(:\d{1,3})?$", description="cpu, cuda or cuda:N.")
    dtype: Literal["float32", "bfloat16", "float16"] = Field(
        "float32", description="Of the products when it is timed; what the weights are stored in, passes decide."
    )
    batch: int = Field(32, ge=1, le=MOST_ROWS, description="Rows at a time where throughput is meant.")
    runtime: Literal["torch"] = Field("torch", description="What runs it.")

    @property
    def kind(self) -> str:
        """``cpu``, ``cuda`` and so on, without the number: what passes say they serve."""
        return self.device.partition(":")[0]

    def here(self) -> Device:
        """The device, on this machine.

        Raises:
            DeviceError: there is none.
        """
        try:
            return Device.of(self.device)
        except DeviceError as error:
            raise DeviceError(
                f"the recipe's target is {self.device}, which is not here ({str(error).partition(';')[0]}); give "
                f"'target: {{device: cpu}}', or with axkit compress another --for"
            ) from error

    @contextmanager
    def computing(self) -> Iterator[None]:
        """As the result will compute: without gradients, in ``dtype``."""
        import torch

        with torch.inference_mode():
            if self.dtype == "float32":
                yield
                return
            with torch.autocast(self.kind, getattr(torch, self.dtype)):
                yield

    def told(self) -> str:
        """In words, for a person."""
        return f"{self.device}, {self.dtype}, batches of {self.batch}"


DEFAULT = Target()
