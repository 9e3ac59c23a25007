"""What a pass finds in its process and leaves so: the stages after it are computed and timed under it."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any


def _switches() -> dict[str, tuple[Callable[[], Any], Callable[[Any], Any]]]:
    """What it is called -> how it is read and set."""
    import torch

    return {
        "the working directory": (os.getcwd, os.chdir),
        "torch's default dtype": (torch.get_default_dtype, torch.set_default_dtype),
        "torch's number of threads": (torch.get_num_threads, torch.set_num_threads),
        "torch's grad mode": (torch.is_grad_enabled, torch.set_grad_enabled),
        "torch's deterministic algorithms": (
            torch.are_deterministic_algorithms_enabled,
            torch.use_deterministic_algorithms,
        ),
        "torch's precision of matrix products": (
            torch.get_float32_matmul_precision,
            torch.set_float32_matmul_precision,
        ),
        "torch's anomaly detection": (torch.is_anomaly_enabled, torch.autograd.set_detect_anomaly),
    }


@dataclass(frozen=True)
class Surroundings:
    """The switches of a process as they were.

    Attributes:
        found: what a switch is called -> how it stood.
    """

    found: Mapping[str, Any]

    @classmethod
    def of(cls) -> Surroundings:
        """Of this process, now."""
        return cls({name: read() for name, (read, _) in _switches().items()})

    def faults(self) -> Iterator[str]:
        """What was switched since; each is the rest of a sentence that begins with the pass."""
        for name, (read, _) in _switches().items():
            now = read()
            if now != self.found[name]:
                yield f"left {name} at {now}, which was {self.found[name]}; put back what you change of the process"

    def put_back(self) -> None:
        """Switch everything back."""
        for name, (read, switch) in _switches().items():
            if read() != self.found[name]:
                switch(self.found[name])
