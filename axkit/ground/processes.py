"""The processes of one run: alone, or started together by ``torchrun``."""

from __future__ import annotations

import atexit
import importlib
import json
import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import lru_cache
from typing import Any

from axkit.ground.errors import AxkitError

_LONGEST = timedelta(days=30)  # that processes wait for the one that measures; torch's half an hour ends long runs
_UNAWARE = ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE", "MV2_COMM_WORLD_SIZE")  # of launchers that start copies
_ACCELERATE = "ACCELERATE_DYNAMO_MODE"  # of accelerate's launcher, whatever it is told
_WAY = "start several with: torchrun --nproc-per-node N -m axkit apply RECIPE"


class Processes:
    """One process alone; ``current`` gives one of several.

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

    def measured(self, measure: Callable[[], Sequence[float]]) -> list[float]:
        """What the main process measures by the clock; the others measure nothing, wait, and go by it.

        Args:
            measure: called in the main process alone.
        """
        return list(measure())

    def wait(self) -> None:
        """Go on when all processes have come here."""

    @contextmanager
    def together(self) -> Iterator[None]:
        """Where others than these methods may wait for the other processes.

        Raises:
            AxkitError: another process has ended.
        """
        yield


class _Together(Processes):
    def __init__(self) -> None:
        from torch import distributed

        met = not distributed.is_initialized()
        if met:
            _meet()
        self.rank, self.count = distributed.get_rank(), distributed.get_world_size()
        # rendezvous and gradients keep torch's timeout; what waits for one process alone has a group of its own
        self._group = distributed.new_group(timeout=_LONGEST, backend="gloo")
        atexit.register(self._leave, met)

    def _leave(self, met: bool) -> None:
        """End gloo's threads before the interpreter does.

        A group has threads as long as anything names it, destroyed or not, and one of them that lets go of a tensor
        when Python has begun to end aborts the process: of a group whose other process has ended, or a thread that
        a busy machine has kept waiting for some milliseconds.

        Args:
            met: the processes met here, so they part here; otherwise only our own group ends.
        """
        from torch import distributed

        if distributed.is_initialized():
            distributed.destroy_process_group(None if met else self._group)
        self._group = None

    def sum(self, values: Any) -> Any:
        import torch

        total = torch.from_numpy(values.copy())
        with self.together():
            torch.distributed.all_reduce(total, group=self._group)
        return total.numpy()

    def largest(self, value: int) -> int:
        import torch

        most = torch.tensor(value)
        with self.together():
            torch.distributed.all_reduce(most, torch.distributed.ReduceOp.MAX, group=self._group)
        return int(most)

    def gather(self, value: Any) -> list[Any]:
        import numpy as np

        mine = np.frombuffer(json.dumps(value).encode(), np.uint8)
        own = np.zeros(self.count)
        own[self.rank] = len(mine)
        lengths = self.sum(own).astype(int)
        text = np.zeros(lengths.sum())
        start = lengths[: self.rank].sum()
        text[start : start + len(mine)] = mine
        whole = self.sum(text).astype(np.uint8).tobytes()
        ends = lengths.cumsum()
        return [json.loads(whole[end - length : end]) for end, length in zip(ends, lengths, strict=True)]

    def measured(self, measure: Callable[[], Sequence[float]]) -> list[float]:
        found: list[float] = self.gather(list(map(float, measure())) if self.is_main else [])[0]
        return found

    def wait(self) -> None:
        self.largest(0)

    @contextmanager
    def together(self) -> Iterator[None]:
        try:
            yield
        except RuntimeError as error:
            if not _by_another(error):
                raise
            raise AxkitError(
                f"process {self.rank} of {self.count} ends because another one has ended, whose own message says why; "
                f"finished stages are kept"
            ) from error


def _by_another(error: RuntimeError) -> bool:
    """Whether it is gloo's word for a process that is no longer there; it has no class of its own."""
    said = str(error)
    return "gloo" in said.lower() and any(
        word in said for word in ("Connection closed", "Connection reset", "Broken pipe", "Timed out", "refused")
    )


def _meet() -> None:
    import torch
    from torch import distributed

    # imported later, as transformers does, its functions would hold the group for ever, as a parameter's default
    importlib.import_module("torch.distributed.nn.functional")
    # accelerate would take another number of threads with the first training, where none is set
    os.environ.setdefault("OMP_NUM_THREADS", str(torch.get_num_threads()))
    try:
        distributed.init_process_group(_backend())
    except (ValueError, distributed.DistError) as error:
        said = str(error).splitlines()[0]
        raise AxkitError(f"the processes of this run did not find each other ({said}); {_WAY}") from error


def _backend() -> str:
    import torch

    return "cpu:gloo,cuda:nccl" if torch.cuda.is_available() else "gloo"


@lru_cache(maxsize=1)
def _together() -> Processes:
    return _Together()


def current(environment: Mapping[str, str] = os.environ) -> Processes:
    """The processes that the launcher's environment names; the same object for the life of this one.

    Raises:
        AxkitError: they do not find each other, or are copies that know nothing of each other.
    """
    if _named(environment) > 1:
        return _together()
    for name in _UNAWARE:
        if environment.get(name, "1") not in ("1", "0", ""):
            raise AxkitError(
                f"{environment[name]} processes were started ({name}) that know nothing of each other and would write "
                f"the same files; {_WAY}"
            )
    return Processes()


def note(environment: Mapping[str, str] = os.environ) -> str:
    """One sentence for whoever may have wanted more processes than there are; or nothing."""
    if _named(environment) > 1 or _ACCELERATE not in environment:
        return ""
    return f"accelerate launch started one process, whatever --num_processes says; {_WAY}"


def _named(environment: Mapping[str, str]) -> int:
    text = environment.get("WORLD_SIZE") or "1"
    if not text.isdecimal():
        raise AxkitError(f"WORLD_SIZE is '{text}', which is no number of processes; unset it, or {_WAY}")
    return int(text)
