"""The processes of one run: alone, or started together by ``accelerate launch``."""

from __future__ import annotations

import os
from typing import Any


class Processes:
    """One process alone; :func:`current` gives one of several.

    Attributes:
        rank: of this process, from 0.
        count: of all.
    """

    rank: int = 0
    count: int = 1

    @property
    def is_main(self) -> bool:
        """True in the one process that writes and prints."""
        return self.rank == 0

    def sum(self, values: Any) -> Any:
        """The sum over processes of a float64 array, the same in each."""
        return values

    def largest(self, value: int) -> int:
        """The largest of the processes' values, the same in each."""
        return value

    def gather(self, value: Any) -> list[Any]:
        """One JSON value of each process, in the order of ranks, the same list in each."""
        return [value]

    def wait(self) -> None:
        """Go on when all processes have come here."""


class _Together(Processes):
    def __init__(self) -> None:
        from accelerate import PartialState

        self._state = PartialState(cpu=True)
        self.rank, self.count = self._state.process_index, self._state.num_processes

    def sum(self, values: Any) -> Any:
        import torch

        total = torch.from_numpy(values.copy())
        torch.distributed.all_reduce(total)
        return total.numpy()

    def largest(self, value: int) -> int:
        import torch

        most = torch.tensor(value)
        torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX)
        return int(most)

    def wait(self) -> None:
        self._state.wait_for_everyone()


def current() -> Processes:
    """The processes that the launcher's environment names."""
    return _Together() if int(os.environ.get("WORLD_SIZE", "1")) > 1 else Processes()
